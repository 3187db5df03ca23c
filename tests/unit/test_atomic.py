"""One writer per file: two processes never write into one, and a killed one leaves no lock."""

import subprocess
import sys
from pathlib import Path

import pytest

from tapewire.atomic import AtomicFile, atomic_file, atomic_write, temporary_name
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
