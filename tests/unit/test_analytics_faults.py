"""What a fault leaves behind in a run folder: no half file, one sentence."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analytics_rows import manifest
from analytics_runs import PLAIN_FILES, collect, finished, names
from tapewire.analytics import Collector, load_run
from tapewire.analytics import run_folder as run_folder_module
from tapewire.atomic import atomic_file, atomic_write
from tapewire.errors import InterruptedRunError, MissingFileError, OutputError


@pytest.mark.parametrize("victim", [*PLAIN_FILES, "manifest.json"])
def test_a_rename_that_fails_leaves_no_file_under_a_final_name(tmp_path, monkeypatch, victim):
    real = run_folder_module.AtomicFile.publish
    broken = []

    def publish(self: run_folder_module.AtomicFile) -> None:
        if self.path.name == victim and not broken:
            broken.append(victim)
            with run_folder_module.output_errors(self.path):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(self)

    monkeypatch.setattr(run_folder_module.AtomicFile, "publish", publish)
    with (
        collect(tmp_path / "run") as collector,
        pytest.raises(OutputError, match=f"{victim}: Input/output error"),
    ):
        collector.finish("complete", manifest())
    assert names(tmp_path / "run") == ["manifest.json"]
    assert load_run(tmp_path / "run").status == "failed"


def test_a_process_killed_between_two_files_leaves_no_manifest(tmp_path):
    script = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
import analytics_runs
from tapewire.analytics import run_folder
real = run_folder.AtomicFile.publish
def publish(self):
    if self.path.name == "metrics.parquet":
        os._exit(9)
    real(self)
run_folder.AtomicFile.publish = publish
analytics_runs.finished(Path({str(tmp_path / "run")!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == 9
    with pytest.raises(MissingFileError, match="No such file"):
        load_run(tmp_path / "run")
    for name in ("fills", "orders", "equity"):  # what has its final name is whole
        assert pq.read_table(tmp_path / "run" / f"{name}.parquet").num_rows > 0
    finished(tmp_path / "run", force=True)  # and the next run clears up
    assert names(tmp_path / "run") == sorted([*PLAIN_FILES, "manifest.json"])


class FullDisk:
    """A file on a disk that fills up after some bytes."""

    def __init__(self, file: object, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 100, 3000, 20_000, 80_000])
def test_a_full_disk_is_one_sentence_and_touches_nothing(tmp_path, monkeypatch, room):
    finished(tmp_path / "run")
    before = {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")}
    real = run_folder_module.AtomicFile.__init__
    left = [room]

    def opened(self: run_folder_module.AtomicFile, path: Path) -> None:
        real(self, path)
        disk = FullDisk(self.file, left[0])
        plain = disk.write

        def write(data: bytes) -> int:
            disk.room = left[0]
            try:
                return plain(data)
            finally:
                left[0] = disk.room

        disk.write = write
        self.file = disk

    monkeypatch.setattr(run_folder_module.AtomicFile, "__init__", opened)
    with pytest.raises(OutputError, match=r"cannot write .*: No space left on device; "):
        finished(tmp_path / "run", force=True)
    assert {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")} == before


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OutputError, match=r"cannot use the run folder .*: Not a directory; a file is in"
    ):
        Collector(tmp_path / "file" / "run", "")
    with pytest.raises(
        OutputError, match=r"cannot use the run folder .*: File exists; a file is in the"
    ):
        Collector(tmp_path / "file", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_at_the_start(tmp_path):
    (tmp_path / "run").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        Collector(tmp_path / "run", "")


def test_a_write_refused_by_the_system_is_refused_at_the_start(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tapewire.atomic.os.open", refuse)
    with pytest.raises(OutputError, match=r"run folder .*: Read-only file system"):
        Collector(tmp_path / "run", "")


def test_an_interrupt_while_finishing_is_an_incomplete_run(tmp_path, monkeypatch):
    def stopped(self: Collector) -> None:
        raise InterruptedRunError("stopped")

    monkeypatch.setattr(Collector, "_analyse", stopped)
    with collect(tmp_path / "run") as collector, pytest.raises(InterruptedRunError):
        collector.finish("complete", manifest())
    assert load_run(tmp_path / "run").status == "incomplete"


def test_a_single_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "trades.parquet"
    atomic_write(target, b"one")

    def interrupted() -> None:
        with atomic_file(target) as file:
            file.write(b"half of tw")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert target.read_bytes() == b"one"
    assert names(tmp_path) == ["trades.parquet"]
    atomic_write(target, "two")
    assert target.read_text() == "two"
    with pytest.raises(OutputError, match="No such file"):
        atomic_write(tmp_path / "gone" / "x", "")
