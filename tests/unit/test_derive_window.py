"""``tapewire data derive --start --end --symbols``: the rows that the whole file gives there."""

from collections.abc import Callable
from pathlib import Path

import databento
import numpy as np
import pytest

from tapewire.derive import SCHEMAS
from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.derive import derive_file
from tapewire.replay.synth import synthesize

MINUTE_NS = 60 * 10**9


def rows_of(path: Path) -> np.ndarray:
    return databento.DBNStore.from_bytes(path.read_bytes()).to_ndarray()


def clock_of(rows: np.ndarray) -> np.ndarray:
    return rows["ts_recv" if "ts_recv" in rows.dtype.names else "ts_event"].astype(np.int64)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two instruments over hours, a few hundred bars of a minute."""
    path = tmp_path_factory.mktemp("derive") / "day.mbo.dbn"
    synthesize(path, events=12_000, instruments=2, seed=4)
    return path


@pytest.mark.parametrize(
    "schema", [name for name in SCHEMAS if name not in ("ohlcv-1h", "ohlcv-1d")]
)
def test_a_window_is_cut_out_of_the_whole(tmp_path: Path, day: Path, schema: str) -> None:
    derive_file(day, tmp_path / "all.dbn", schema=schema)
    every = rows_of(tmp_path / "all.dbn")
    clocks = clock_of(every)
    # In mid-minute, on a row's own time, between two: a third, and two thirds through.
    at, until = int(clocks[len(clocks) // 3]), int(clocks[2 * len(clocks) // 3])
    for start, end in (
        (at, until), (at + 1, until + 1), (at - 20 * 10**9, until + 90 * 10**9),
        (None, at), (until, None),
    ):  # fmt: skip
        inside = np.ones(len(every), bool)
        inside &= True if start is None else clocks >= start
        inside &= True if end is None else clocks < end
        derive_file(day, tmp_path / "some.dbn", schema=schema, start=start, end=end, force=True)
        assert rows_of(tmp_path / "some.dbn").tobytes() == every[inside].tobytes()
        assert 0 < inside.sum() < len(every)
    mine = every["instrument_id"] == 90_002
    inside = mine & (clocks >= at) & (clocks < until)
    derive_file(day, tmp_path / "one.dbn", schema=schema, start=at, end=until, symbols=("TWA2",))
    assert rows_of(tmp_path / "one.dbn").tobytes() == every[inside].tobytes()


def test_bars_of_a_window_of_databentos_trades(
    tmp_path: Path, data_file: Callable[[str], Path]
) -> None:
    """Its own bars of ESU4 that begin in the window."""
    trades = data_file("glbx/esu4-20240701.trades.dbn.zst")
    bars = rows_of(data_file("glbx/esu4-nqu4-20240701.ohlcv-1m.dbn.zst"))
    mine = bars[bars["instrument_id"] == rows_of(trades)["instrument_id"][0]]
    derive_file(trades, tmp_path / "all.dbn", schema="ohlcv-1m", symbols=("ESU4",))
    every = rows_of(tmp_path / "all.dbn")
    start, end = int(every["ts_event"][1]), int(every["ts_event"][1]) + MINUTE_NS // 2
    derive_file(
        trades, tmp_path / "one.dbn", schema="ohlcv-1m", symbols=("ESU4",), start=start, end=end
    )
    [bar] = rows_of(tmp_path / "one.dbn")
    [theirs] = mine[mine["ts_event"] == start]
    for name in ("open", "high", "low", "close", "volume", "ts_event"):
        assert bar[name] == theirs[name]


def test_a_window_without_rows_is_said(tmp_path: Path, day: Path) -> None:
    with pytest.raises(ConfigError, match=r"--end: expected a time after start \(2024"):
        derive_file(day, tmp_path / "a.dbn", schema="tbbo", start="2024-03-04", end="2024-03-04")
    with pytest.raises(ConfigError, match="--start: expected a time"):
        derive_file(day, tmp_path / "a.dbn", schema="tbbo", start="noon")
    with pytest.raises(NoDataError, match="match start 2030-01-01"):
        derive_file(day, tmp_path / "a.dbn", schema="tbbo", start="2030-01-01")
    assert not list(tmp_path.iterdir())
