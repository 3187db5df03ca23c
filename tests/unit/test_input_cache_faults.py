"""The input cache when disks, folders and other processes fail it; damage is made good."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from input_copies import COPY_BYTES, RECORDS, cache, copies, fetch, packed, plan
from tapewire.errors import FormatError
from tapewire.inputs import cache as input_cache
from tapewire.inputs import cache_folder as _cache_folder
from tapewire.inputs.cache import InputCache
from tapewire.replay.convert import PREPARED_VERSION
from tapewire.wire import FileTotals


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, in a place of its own."""
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tapewire" / "inputs"


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Four compressed files, no two alike."""
    return [packed(tmp_path / f"{i}.dbn.zst", first_order_id=1 + i * 10**6) for i in range(4)]


# --- damage ---------------------------------------------------------------------------------------


def cut(copy: Path) -> None:
    os.truncate(copy, COPY_BYTES - 56)


def flip(copy: Path) -> None:
    """One bit, and the date as it was."""
    status = copy.stat()
    data = bytearray(copy.read_bytes())
    data[-100] ^= 1
    copy.write_bytes(data)
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))


def swap(copy: Path) -> None:
    """Another file of the same size and date."""
    status = copy.stat()
    other = copy.with_name("x")
    other.write_bytes(bytes(COPY_BYTES))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(copy)


def lose_facts(copy: Path) -> None:
    copy.with_suffix(".json").unlink()


def spoil_facts(copy: Path) -> None:
    copy.with_suffix(".json").write_text('{"size_bytes": 5')


def other_facts(copy: Path) -> None:
    copy.with_suffix(".json").write_text("[1, 2]")


@pytest.mark.parametrize("damage", [cut, flip, swap, lose_facts, spoil_facts, other_facts])
def test_a_damaged_copy_is_made_again(
    inputs: list[Path], folder: Path, damage: Callable[[Path], None]
) -> None:
    (copy,), _, _ = fetch(inputs[0])
    whole = copy.read_bytes()
    damage(copy)
    again, made, warnings = fetch(inputs[0], limit_bytes=COPY_BYTES)  # no room for both
    assert (again, made) == ([copy], [True])
    assert len(warnings) == 1
    assert "is damaged" in warnings[0]
    assert copy.read_bytes() == whole
    assert fetch(inputs[0]) == ([copy], [False], [])
    assert len(copies(folder)) == 1


def test_a_folder_that_was_copied_is_read_once_and_believed(
    inputs: list[Path], tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(inputs[0])
    shutil.copytree(tmp_path / "cache", tmp_path / "elsewhere")
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path / "elsewhere"))
    read: list[str] = []
    real = InputCache._hash_of

    def hash_of(self: InputCache, path: Path, doing: str) -> str:
        read.append(path.suffix)
        return real(self, path, doing)

    monkeypatch.setattr(InputCache, "_hash_of", hash_of)
    for expected in ([".zst", ".dbn"], [".zst"]):
        assert fetch(inputs[0])[1:] == ([False], [])
        assert read == expected
        read.clear()


def test_damage_that_only_the_replay_meets(inputs: list[Path], folder: Path) -> None:
    def totals(name: str, found: str | None) -> FileTotals:
        return FileTotals(name, RECORDS, RECORDS, 0, found)

    with cache() as opened:
        (name,) = opened.prepare(plan(inputs[0])).files
        (entry,) = opened.inputs.values()
        opened.require_intact([totals(name, entry.prepared_hash), totals("other.dbn", "0" * 32)])
        opened.require_intact([totals(name, None)])  # not read to its end
        with pytest.raises(FormatError, match=r"0\.dbn\.zst is damaged: expected .* run again"):
            opened.require_intact([totals(name, "0" * 32)])
    assert fetch(inputs[0])[1] == [True]


# --- faults ---------------------------------------------------------------------------------------


def test_what_killed_runs_left_is_cleared(inputs: list[Path], folder: Path) -> None:
    (copy,), _, _ = fetch(inputs[0])
    (folder / f".{'0' * 32}-v{PREPARED_VERSION}.dbn.tmp").write_bytes(bytes(10**6))
    (folder / f".{copy.name}.tmp").write_bytes(b"half")
    (folder / f"{'1' * 32}-v1.json").write_text("{}")
    (folder / "README").write_text("not ours")
    copy.unlink()
    fetch(inputs[0])
    (folder / "README").unlink()
    assert copies(folder) == {copy.name}


@pytest.mark.parametrize("step", [1, 2])
def test_ctrl_c_leaves_nothing_half_written(
    inputs: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    steps: list[int] = []
    real = input_cache._Claiming.write

    def write(self: Any, data: memoryview) -> int:
        steps.append(len(data))
        if len(steps) == step:
            raise KeyboardInterrupt
        return real(self, data)

    monkeypatch.setattr(input_cache._Claiming, "write", write)
    with pytest.raises(KeyboardInterrupt), cache() as opened:
        opened.prepare(plan(inputs[0]))
    assert [path.name for path in folder.iterdir()] == [".lock"]
    assert fetch(inputs[0])[1] == [True]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_a_warning(
    inputs: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "write":
        monkeypatch.setattr(input_cache._Claiming, "write", full)
    else:
        monkeypatch.setattr("tapewire.atomic.os.fsync", full)
    with cache() as opened:
        assert opened.prepare(plan(inputs[0])) == plan(inputs[0])
        (warning,) = opened.warnings
        assert warning.endswith("No space left on device")
        assert str(folder) in warning
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_is_a_warning(
    inputs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path / "file"))
    with cache() as opened:
        assert opened.prepare(plan(*inputs)) == plan(*inputs)
        (warning,) = opened.warnings  # one for all inputs
        assert "the input cache was not used" in warning
        assert "Not a directory" in warning
        assert "TAPEWIRE_CACHE_DIR" in warning


@pytest.mark.parametrize("open_to_all", ["cache", "cache/tapewire", "cache/tapewire/inputs"])
def test_a_folder_that_others_can_write_to_is_a_warning(
    inputs: list[Path], tmp_path: Path, folder: Path, open_to_all: str
) -> None:
    with cache() as opened:
        assert opened.prepare(plan(inputs[0])) != plan(inputs[0])
    (tmp_path / open_to_all).chmod(0o777)
    before = sorted(path.name for path in folder.iterdir())
    with cache() as opened:
        assert opened.prepare(plan(inputs[0])) == plan(inputs[0])
        (warning,) = opened.warnings
        assert warning.startswith("the input cache was not used: expected ")
        assert f"{tmp_path / open_to_all} to be writable by its owner alone" in warning
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_warning(inputs: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o500)
    with cache() as opened:
        assert opened.prepare(plan(inputs[0])) == plan(inputs[0])
        assert "Permission denied" in opened.warnings[0]


def test_a_lock_that_nobody_gives_back_is_a_warning(
    inputs: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache_folder, "LOCK_TIMEOUT_S", 0.05)
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with cache() as opened:
            assert opened.prepare(plan(inputs[0])) == plan(inputs[0])
            assert "another run has held" in opened.warnings[0]
    assert fetch(inputs[0])[1] == [True]
