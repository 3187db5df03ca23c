"""Outputs: a full disk, a planted link, a device. What was there before stays as it was."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapewire import atomic
from tapewire.errors import ConfigError, InterruptedRunError, OutputError
from tapewire.inputs import telling
from tapewire.inputs.books import write_book
from tapewire.inputs.convert import convert_files
from tapewire.inputs.derive import derive_file
from tapewire.inputs.inspection import inspect_file
from tapewire.inputs.plot import plot_file
from tapewire.inputs.synthetic import synth_file

Writer = Callable[[Path, Path], Any]


def derive(source: Path, output: Path) -> None:
    derive_file(source, output, schema="mbp-1", force=True)


#: Every command that writes one file, by that file's name: (input, output) → the command.
WRITERS: dict[str, Writer] = {
    "convert.dbn": lambda source, output: convert_files([source], output, force=True),
    "convert.dbn.zst": lambda source, output: convert_files([source], output, force=True),
    "synth.dbn": lambda _, output: synth_file(output, events=30_000),
    "synth.dbn.zst": lambda _, output: synth_file(output, events=30_000),
    "book.parquet": lambda source, output: write_book(source, output),
    "derive.dbn": derive,
    "derive.dbn.zst": derive,
    "derive.parquet": derive,
    "plot.png": lambda source, output: plot_file(source, output),
}


class FullDisk:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: Any) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self._file.write(data))

    @property
    def raw(self) -> "FullDisk":
        return FullDisk(self._file.raw, self._room)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("room", [0, 100, 10_000])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, synthetic_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, room: int
) -> None:
    real = atomic.AtomicFile.__init__

    def opened(self: atomic.AtomicFile, path: Path, **settings: int) -> None:
        real(self, path, **settings)
        self.file = FullDisk(self.file, room)  # type: ignore[assignment]

    monkeypatch.setattr(atomic.AtomicFile, "__init__", opened)
    (tmp_path / name).write_bytes(b"before")
    with pytest.raises(OutputError) as caught:
        WRITERS[name](synthetic_file, tmp_path / name)
    assert str(caught.value) == (
        f"cannot write {tmp_path / name}: No space left on device; "
        "free the space or choose another folder with -o"
    )
    assert (tmp_path / name).read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.usefixtures("synthetic_file")  # its kernels are compiled, and kept, by now
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    command = [sys.executable, "-m", "tapewire", "data", "synth", "--events", "30000", "-o"]
    done = subprocess.run(
        [*command, str(tmp_path / "x.dbn.zst")],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == OutputError.exit_code
    assert done.stderr.startswith(f"error: cannot write {tmp_path / 'x.dbn.zst'}: File too large;")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WRITERS)
def test_links_are_neither_followed_nor_replaced(
    tmp_path: Path, synthetic_file: Path, name: str
) -> None:
    victim, output = tmp_path / "victim", tmp_path / name
    victim.write_bytes(b"mine")
    for link in (output, atomic.temporary_name(output)):
        for target in (victim, Path(os.devnull)):
            link.symlink_to(target)
            with pytest.raises(OutputError, match="is a symbolic link to"):
                WRITERS[name](synthetic_file, output)
            assert link.readlink() == target
            assert victim.read_bytes() == b"mine"
            link.unlink()
    output.mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        WRITERS[name](synthetic_file, output)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "victim"])


def test_a_device_as_output_is_refused(synthetic_file: Path) -> None:
    with pytest.raises(OutputError, match="/dev/null: is a device"):
        write_book(synthetic_file, os.devnull)
    assert not Path(os.devnull).is_file()


def test_a_book_never_replaces_its_input(tmp_path: Path, synthetic_file: Path) -> None:
    path = tmp_path / "day.dbn"
    path.write_bytes(synthetic_file.read_bytes())
    with pytest.raises(ConfigError, match="is the input"):
        write_book(path, path)
    assert path.read_bytes() == synthetic_file.read_bytes()


@pytest.mark.parametrize("name", [*WRITERS, "inspect"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_nothing(
    tmp_path: Path,
    synthetic_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    number: signal.Signals,
    code: int,
) -> None:
    steps: list[int] = []

    def stop(self: Any, done: int) -> None:
        steps.append(done)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(telling.Steps, "__call__", stop)
    do = WRITERS.get(name, lambda source, _: inspect_file(source))
    with pytest.raises(InterruptedRunError, match="stopped by") as caught:
        do(synthetic_file, tmp_path / name)
    assert (caught.value.exit_code, len(steps)) == (code, 1)
    assert list(tmp_path.iterdir()) == []
