"""Files that are whole or not there: one writer each, and nothing written through a link."""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tapewire.atomic import (
    AtomicFile,
    atomic_file,
    atomic_write,
    is_locked,
    lock_alone,
    temporary_name,
    unlock,
)
from tapewire.errors import OutputError


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    path = tmp_path / "x.dbn"
    first = AtomicFile(path)
    first.file.write(b"first")
    with pytest.raises(OutputError, match=r"x\.dbn is being written by another process"):
        AtomicFile(path)
    first.seal()  # closed, but not under its name yet: still its own
    with pytest.raises(OutputError, match="being written"), atomic_file(path):
        pass
    first.publish()
    assert path.read_bytes() == b"first"
    atomic_write(path, b"second")
    assert path.read_bytes() == b"second"
    dropped = AtomicFile(path)
    dropped.discard()
    atomic_write(path, b"third")
    assert path.read_bytes() == b"third"
    assert [p.name for p in tmp_path.iterdir()] == ["x.dbn"]


def test_a_lock_is_of_the_file_that_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opened the file before its holder took it away, and the folder, has not locked it."""
    path = tmp_path / "folder" / ".lock"
    first = lock_alone(path)
    assert first is not None
    real, ended = fcntl.flock, []

    def flock(fd: int, how: int) -> None:
        if not ended:  # opened, not locked yet
            ended.append(first)
            unlock(first, path)
            path.parent.rmdir()
        real(fd, how)

    monkeypatch.setattr("tapewire.atomic.fcntl.flock", flock)
    second = lock_alone(path)
    assert second is not None
    assert ended
    assert os.path.samestat(os.fstat(second), path.lstat())
    assert is_locked(path)
    assert lock_alone(path) is None
    unlock(second, path)
    assert not is_locked(path)
    assert not path.exists()


def test_who_only_asks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".lock"
    path.touch()
    asking = os.open(path, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr("tapewire.atomic.time.sleep", lambda s: os.close(asking))
    fd = lock_alone(path)
    assert fd is not None
    unlock(fd, path)


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.dbn"
    script = (
        "import os, sys; from pathlib import Path; from tapewire.atomic import AtomicFile\n"
        "file = AtomicFile(Path(sys.argv[1])); file.file.write(b'half' * 100)\n"
        "file.file.flush(); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == 9
    assert temporary_name(path).stat().st_size == 400
    atomic_write(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert [p.name for p in tmp_path.iterdir()] == ["x.dbn"]


def test_discarding_what_is_published_keeps_it(tmp_path: Path) -> None:
    target = AtomicFile(tmp_path / "x")
    target.publish()
    other = AtomicFile(tmp_path / "x")
    target.discard()
    assert other.temporary.exists()
    other.discard()
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


# --- names that are no file's ---------------------------------------------------------------------


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("a folder", Path.mkdir),
        ("a pipe", os.mkfifo),
        ("a socket", make_socket),
        ("a symbolic link to victim", lambda path: path.symlink_to("victim")),
        ("a symbolic link to /dev/null", lambda path: path.symlink_to("/dev/null")),
        ("a symbolic link to nowhere", lambda path: path.symlink_to("nowhere")),
    ],
)
def test_only_a_plain_file_is_replaced(
    tmp_path: Path, kind: str, make: Callable[[Path], None]
) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    make(tmp_path / "out")
    before = (tmp_path / "out").lstat()
    with pytest.raises(OutputError, match=f"out: is {kind}; expected a plain file or a free name"):
        atomic_write(tmp_path / "out", b"new")
    assert os.path.samestat(before, (tmp_path / "out").lstat())
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "victim"]


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(OutputError, match="/dev/null: is a device; expected a plain file"):
        AtomicFile(Path("/dev/null")).discard()
    for folder in (".", "/", ".."):
        with pytest.raises(OutputError, match="is a folder"):
            AtomicFile(Path(folder))


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    path, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_bytes(b"mine")
    temporary_name(path).symlink_to(victim)
    with pytest.raises(OutputError, match=r"\.out\.tmp: is a symbolic link to .*victim"):
        atomic_write(path, b"new")
    assert victim.read_bytes() == b"mine"
    assert not path.exists()
    temporary_name(path).unlink()
    temporary_name(path).hardlink_to(victim)  # as if a killed process had left it
    atomic_write(path, b"new")
    assert (path.read_bytes(), victim.read_bytes()) == (b"new", b"mine")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "victim"]


def test_what_takes_the_name_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "out"
    target = AtomicFile(path)
    path.symlink_to("elsewhere")
    with pytest.raises(OutputError, match="is a symbolic link"):
        target.publish()
    target.discard()
    assert path.is_symlink()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
