"""Each write, flush and rename of a command fails once, or from then on: what was there stays.

A library of C stands between the command and the system. It counts what a command does to files of
one folder and lets one of it fail, so that every place of a command can be met.
"""

import contextlib
import errno
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import REPO
from forks import Forks
from seeds import play_seeds
from soaking import Soak
from writing import ALL, FOLDERS, contents_of, prepare, says


@dataclass
class Disk:
    """A folder with inputs, and commands over a disk that can fail."""

    folder: Path
    forks: Forks
    #: Calls of each command, and its outputs when nothing fails.
    calls: dict[str, int]
    patch: pytest.MonkeyPatch
    #: Tables of the study when nothing fails.
    study: dict[str, str] = field(default_factory=dict)

    def contents_of_study(self) -> dict[str, str]:
        """Its tables, and whether it is complete."""
        names = [f"study/{name}" for name in ("trials.parquet", "blocks.parquet", "manifest.json")]
        there = self.contents()
        tables = {name: there[name] for name in names[:2] if name in there}
        return {**tables, "complete": str(names[2] in there)}

    def do(self, name: str, **fault: int) -> subprocess.CompletedProcess[str]:
        """Do a command with a fault."""
        counted = self.folder / "count"
        counted.unlink(missing_ok=True)
        settings = {"PATH": self.folder / "o", "COUNT": counted, "AT": 0, "ERRNO": errno.EIO}
        for key, value in {**settings, **{key.upper(): n for key, n in fault.items()}}.items():
            self.patch.setenv(f"FAULT_{key}", str(value))
        for key in {"STAYS", "SLEEP_US"} - {key.upper() for key in fault}:
            self.patch.delenv(f"FAULT_{key}", raising=False)
        done = self.forks.tapewire(*ALL[name], cwd=self.folder)
        self.calls.setdefault(name, counted.stat().st_size if counted.exists() else 0)
        return done

    def contents(self) -> dict[str, str]:
        """Files under their final names below ``o``."""
        return contents_of(self.folder)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path) -> Iterator[Disk]:
    """Each command has been done once: its outputs are there."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a failing disk is a few lines of C: there is no compiler")
    folder = tmp_path_factory.mktemp("disk")
    library = folder / "failing_disk.so"
    source = REPO / "tests" / "failing_disk.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="tw-", dir="/tmp") as socket,
    ):
        patch.setenv("LD_PRELOAD", str(library))
        forks = Forks(Path(socket))
        try:
            made = Disk(folder, forks, {}, patch)
            prepare(folder, forks, synthetic_file)
            for name in ALL:
                done = made.do(name)
                if name == "sweep":
                    made.study = made.contents_of_study()
                assert done.returncode == 0, done.stderr
            yield made
        finally:
            forks.close()


def play_fault(disk: Disk, name: str, at: int, stays: bool, number: int) -> None:
    """Let one call fail, or all from it on."""
    if name == "sweep":  # a study that is begun anew does not keep the earlier one
        shutil.rmtree(disk.folder / "o" / "study")
    before = disk.contents()
    done = disk.do(name, at=at, stays=int(stays), errno=number)
    where = f"{name}: call {at} of {disk.calls[name]}, {errno.errorcode[number]}, stays: {stays}"
    said = done.stderr
    after = disk.contents()
    changed = {key for key in before if after.get(key) != before[key]}
    if done.returncode:
        assert done.returncode == 4, (where, said)
        assert said.splitlines()[-1].startswith("error: "), (where, said)
        assert "Traceback" not in said, (where, said)
        assert says(name, said, os.strerror(number)), (where, said)
        assert "o/" in said or str(disk.folder / "o") in said, (where, said)
        if "comes back when another run is to go there" in said:
            assert name in FOLDERS
            assert stays, (where, said)
            disk.patch.setenv("FAULT_AT", "0")
            refused = disk.forks.tapewire(*ALL[name][:-1], cwd=disk.folder)
            assert "already holds" in refused.stderr, (where, refused.stderr)
            after = disk.contents()
            changed = {key for key in before if after.get(key) != before[key]}
        # The last call flushes the folder: what it is told of is there by then, and whole.
        if at == disk.calls[name] and changed == {"store.backup"}:
            with contextlib.closing(sqlite3.connect(disk.folder / "o" / "store.backup")) as backup:
                assert backup.execute("pragma integrity_check").fetchall() == [("ok",)], where
            changed = set()
        assert not changed, (where, changed, said)
    if name == "sweep":
        _require_goes_on(disk, done.returncode if at < disk.calls[name] else 0, where)
        return
    beside = disk.folder / "o" / "out.failed"
    shutil.rmtree(beside, ignore_errors=True)
    if done.returncode and set(after) - set(before):
        new = {key for key in set(after) - set(before) if not key.startswith("out.failed/")}
        assert not new, (where, new, said)


def _require_goes_on(disk: Disk, code: int, where: str) -> None:
    """A study that failed is none, and becomes the whole one when it goes on."""
    if code:
        assert disk.contents_of_study()["complete"] == "False", where
        disk.patch.setenv("FAULT_AT", "0")
        begun = (disk.folder / "o" / "study" / "study.json").exists()
        again = disk.forks.tapewire(*ALL["sweep"], *["--resume"] * begun, cwd=disk.folder)
        assert again.returncode == 0, (where, again.stderr)
    assert disk.contents_of_study() == disk.study, where


def drawn(disk: Disk, name: str, seed: int) -> None:
    """One fault that a seed says."""
    draw = random.Random(f"{name} {seed}")
    at = draw.randrange(disk.calls[name]) + 1
    play_fault(disk, name, at, draw.random() < 0.5, draw.choice([errno.EIO, errno.ENOSPC]))


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ALL)
def test_some_calls_fail(disk: Disk, name: str) -> None:
    assert disk.calls[name] > 3  # a write, a flush, a rename, the folder's flush
    play_seeds(f"test_some_calls_fail and {name}", 5, lambda seed: drawn(disk, name, seed))


@pytest.mark.soak
@pytest.mark.parametrize("name", ALL)
def test_every_call_fails(disk: Disk, name: str, soak: Soak) -> None:
    calls = disk.calls[name]
    cases = [
        (at, stays, number)
        for at in range(1, calls + 1)
        for stays in (False, True)
        for number in (errno.EIO, errno.ENOSPC)
    ]
    chosen = random.Random(1).sample(cases, soak.count(len(cases)))
    for at, stays, number in chosen:
        play_fault(disk, name, at, stays, number)
    soak.say(f"{len(chosen)} faults at {calls} writes, flushes and renames")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_slow_disk_changes_nothing(disk: Disk) -> None:
    for name in ("convert", "derive", "batch", "drawn", "features", "book", "synth"):
        before = disk.contents()
        done = disk.do(name, sleep_us=20_000)
        assert done.returncode == 0, done.stderr
        assert disk.contents() == before
    rows = "out/fills.parquet", "out/orders.parquet", "out/metrics.parquet"
    before = {key: value for key, value in disk.contents().items() if key in rows}
    done = disk.do("run", sleep_us=20_000)
    assert done.returncode == 0, done.stderr
    assert {key: value for key, value in disk.contents().items() if key in rows} == before
