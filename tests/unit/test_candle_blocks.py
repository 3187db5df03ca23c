"""Batches on bars that are stopped and gone on with: one table, whoever was faster."""

import importlib.metadata
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.errors import (
    ConfigError,
    FormatError,
    InterruptedRunError,
    OutputError,
    TapewireError,
)
from tapewire.inputs import candle_batches, candle_blocks
from tapewire.inputs.candle_batches import batch_candles
from tapewire.inputs.candles import CandleRequest

REQUEST = CandleRequest("sma_cross", ("fast=2:6:1", "slow=10,20", "short=false,true"))
VERSION = importlib.metadata.version
#: Of 20 variants, on two files: six blocks.
BLOCK = 8


@pytest.fixture
def bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two walks, in blocks of a few variants."""
    monkeypatch.setattr(candle_batches, "BLOCK_ROWS", BLOCK)
    return [walk(tmp_path / f"{name}.parquet", seed) for seed, name in enumerate(("a", "b"))]


def walk(path: Path, seed: int, n: int = 600) -> Path:
    steps = np.random.Generator(np.random.PCG64(seed)).integers(-4, 5, n)
    close = 400 + np.cumsum(steps)
    opened = np.r_[400, close[:-1]]
    table = {
        "ts_event": 1_709_942_400 * 10**9 + np.arange(n) * 1_800 * 10**9,
        "open": opened, "high": np.maximum(opened, close) + 1,
        "low": np.minimum(opened, close) - 1, "close": close, "volume": np.abs(steps) + 1,
    }  # fmt: skip
    pq.write_table(pa.table(table), path)
    return path


def stopped(
    monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException, work: Callable[[], object]
) -> BaseException:
    """Have a batch end with an error behind so many blocks; return what it ended with."""
    taken = [0]
    real = candle_blocks.BatchBlocks.add

    def add(self: candle_blocks.BatchBlocks, tables: list[pa.Table], order: str) -> None:
        if taken[0] == after:
            raise error
        real(self, tables, order)
        taken[0] += 1

    with monkeypatch.context() as patch:
        patch.setattr(candle_blocks.BatchBlocks, "add", add)
        with pytest.raises(TapewireError) as raised:
            work()
    return raised.value


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"a.parquet", "b.parquet"}


def test_a_batch_is_the_same_file_whoever_is_faster(bars: list[Path], tmp_path: Path) -> None:
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    batch_candles(bars, REQUEST, one, jobs=1)
    batch_candles(bars, REQUEST, other, jobs=3)
    assert one.read_bytes() == other.read_bytes()
    rows = pq.read_table(one)
    assert rows["variant"].to_pylist() == [*range(20)] * 2
    assert rows["fast"].to_pylist() == sorted([2, 3, 4, 5, 6] * 4) * 2


@pytest.mark.parametrize("after", range(6))
def test_a_stopped_batch_goes_on_to_the_same_file(
    bars: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole, output = tmp_path / "whole.parquet", tmp_path / "rows.parquet"
    batch_candles(bars, REQUEST, whole, jobs=1)
    error = stopped(
        monkeypatch, after, KeyboardInterrupt(),
        lambda: batch_candles(bars, REQUEST, output, jobs=2, checkpoint=True),
    )  # fmt: skip
    assert isinstance(error, InterruptedRunError)
    assert f"; {after} blocks are kept: the same command with --resume" in str(error)
    assert names(tmp_path) == {"whole.parquet", ".rows.parquet.kept"}
    assert (tmp_path / ".rows.parquet.kept").stat().st_mode & 0o777 == 0o700
    traded: list[int] = []
    real = candle_blocks.BatchBlocks.add
    with monkeypatch.context() as patch:
        patch.setattr(
            candle_blocks.BatchBlocks, "add",
            lambda self, tables, order: (traded.append(1), real(self, tables, order)),
        )  # fmt: skip
        report = batch_candles(bars, REQUEST, output, jobs=2, resume=True)
    assert len(traded) == 6 - after
    assert report.rows == 40
    assert output.read_bytes() == whole.read_bytes()
    assert names(tmp_path) == {"whole.parquet", "rows.parquet"}


def test_a_full_disk_stops_it_as_well(
    bars: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "rows.parquet"
    error = stopped(
        monkeypatch, 2, OutputError("No space left"),
        lambda: batch_candles(bars, REQUEST, output, checkpoint=True),
    )  # fmt: skip
    assert str(error).startswith("No space left; 2 blocks are kept: ")
    batch_candles(bars, REQUEST, output, resume=True)
    assert pq.read_metadata(output).num_rows == 40


@pytest.fixture
def kept(bars: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two blocks of a batch that was stopped."""
    stopped(
        monkeypatch, 2, KeyboardInterrupt(),
        lambda: batch_candles(bars, REQUEST, tmp_path / "rows.parquet", checkpoint=True),
    )  # fmt: skip
    return tmp_path / ".rows.parquet.kept"


def test_nothing_else_is_gone_on_with(
    bars: list[Path], kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "rows.parquet"

    def refused(error: type[Exception], said: str, request: CandleRequest = REQUEST) -> None:
        with pytest.raises(error, match=said):
            batch_candles(bars, request, output, resume=True)
        assert not output.exists()

    other = CandleRequest("sma_cross", REQUEST.parameters, ("quantity=2",))
    refused(ConfigError, r"another batch, request\.settings was \[\] and is", other)
    fewer = CandleRequest("sma_cross", ("fast=2:6:1", "slow=10,20"))
    refused(ConfigError, r"another batch, request\.parameters was ", fewer)
    with monkeypatch.context() as patch:
        patch.setattr(
            importlib.metadata, "version", lambda one: "0.0" if one == "TA-Lib" else VERSION(one)
        )
        refused(ConfigError, r"another batch, versions\.TA-Lib was ")
    zones = tmp_path / "zones"  # of the system: they come before those of the package
    (zones / "Europe").mkdir(parents=True)
    (zones / "Europe" / "Madrid").write_bytes(b"TZif of tomorrow")
    zoneinfo.reset_tzpath([str(zones), *zoneinfo.TZPATH])
    try:
        refused(ConfigError, r"another batch, time_zones was ")
    finally:
        zoneinfo.reset_tzpath()
    content = bars[1].read_bytes()
    walk(bars[1], 9)
    refused(ConfigError, r"another batch, inputs\[1\]\.sha256 was ")
    bars[1].write_bytes(content)
    block = kept / "000001.parquet"
    content = block.read_bytes()
    for place in (len(content) // 3, len(content) - 20):
        block.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        refused(FormatError, f"the kept block {block} is damaged: .*: begin anew with --force")
    block.write_bytes(content)
    batch = (kept / "batch.json").read_bytes()
    (kept / "batch.json").write_bytes(batch[:40])
    refused(FormatError, "expected what the batch is, as JSON")
    (kept / "batch.json").write_bytes(batch)
    kept.chmod(0o755)
    refused(OutputError, "expected a folder that is yours alone")
    kept.chmod(0o700)
    block.unlink()
    block.symlink_to(bars[0])
    refused(FormatError, "expected a plain file")
    block.unlink()  # one that is missing is traded again
    batch_candles(bars, REQUEST, output, resume=True)


def test_what_is_kept_is_neither_lost_nor_taken_for_something_else(
    bars: list[Path], kept: Path, tmp_path: Path
) -> None:
    output = tmp_path / "rows.parquet"
    for more in ({}, {"checkpoint": True}):
        with pytest.raises(OutputError, match="--resume goes on with them, --force begins anew"):
            batch_candles(bars, REQUEST, output, **more)
    with pytest.raises(ConfigError, match="expected without --resume, found with it"):
        batch_candles(bars, REQUEST, output, resume=True, force=True)
    batch_candles(bars, REQUEST, output, force=True)
    assert not kept.exists()
    with pytest.raises(ConfigError, match="expected blocks of a batch that was stopped"):
        batch_candles(bars, REQUEST, output, resume=True)


def test_a_link_under_its_name_is_not_followed(bars: list[Path], tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "batch.json").write_text("{}")
    (tmp_path / ".rows.parquet.kept").symlink_to(precious)
    for more in ({"force": True}, {"force": True, "checkpoint": True}, {"resume": True}):
        with pytest.raises(OutputError):
            batch_candles(bars, REQUEST, tmp_path / "rows.parquet", **more)
    assert (precious / "batch.json").read_text() == "{}"


def test_one_killed_between_its_folder_and_what_it_is_begins_anew(
    bars: list[Path], tmp_path: Path
) -> None:
    (tmp_path / ".rows.parquet.kept").mkdir(mode=0o700)
    (tmp_path / ".rows.parquet.kept" / "000000.parquet").write_text("of nobody knows what")
    batch_candles(bars, REQUEST, tmp_path / "rows.parquet", checkpoint=True)
    assert names(tmp_path) == {"rows.parquet"}
