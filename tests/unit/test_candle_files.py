"""Candles: what is refused, repaired and counted, and the same bars from every kind of file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import streams
from tapewire.candles import Candles, read_candles
from tapewire.derive.layout import OHLCV_DTYPE
from tapewire.errors import ConfigError, FormatError, NoDataError

MINUTE = 60 * 10**9
T0 = 1_700_000_040 * 10**9
DAY_0 = streams.START_NS // streams.DAY_NS * streams.DAY_NS


def bars(**changed: Any) -> dict[str, Any]:
    """Four sound bars on quarters."""
    table = {
        "ts_event": np.array([0, 1, 2, 4]) * MINUTE + T0,
        "open": [10.0, 10.5, 10.25, 10.0],
        "high": [10.5, 10.75, 10.5, 10.0],
        "low": [9.75, 10.25, 10.0, 9.5],
        "close": [10.5, 10.25, 10.0, 9.75],
        "volume": [3, 0, 5, 1],
    }
    return table | changed


def test_prices_become_ticks_of_the_largest_step_and_gaps_are_counted() -> None:
    candles = Candles.of(**bars())
    assert candles.tick_size == 250_000_000
    assert candles.open.tolist() == [40, 42, 41, 40]
    assert candles.low.tolist() == [39, 41, 40, 38]
    assert candles.interval_ns == MINUTE
    assert candles.counts == {
        "missing": 0, "unordered": 0, "duplicates": 0, "inconsistent": 0, "zero_volume": 1,
        "gaps": 1,
    }  # fmt: skip
    assert candles.price(candles.close).tolist() == [10.5, 10.25, 10.0, 9.75]
    assert len(candles.until(1)) == 2
    assert np.shares_memory(candles.until(1).open, candles.open)


def test_whole_numbers_are_nanos_and_ticks_may_be_negative() -> None:
    prices = {name: np.array([-(10**9)] * 4) for name in ("open", "high", "low", "close")}
    candles = Candles.of(**bars(**prices), tick_size=500_000_000)
    assert candles.close.tolist() == [-2] * 4


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ts_event": np.array([0, 2, 1, 4]) * MINUTE}, "row 2: expected times that ascend"),
        ({"ts_event": np.array([0, 1, 1, 4]) * MINUTE}, "row 1: expected one bar at a time"),
        ({"open": [10.0, np.nan, 10.25, 10.0]}, "row 1: expected a price in every column"),
        ({"high": [10.5, 10.75, 9.0, 10.0]}, "row 2: expected a high not below"),
        ({"low": [9.75, 10.25, 10.0, 9.76]}, "row 3: expected a high not below"),
        ({"volume": [1, -1, 1, 1]}, "row 1: volume: expected at least 0, found -1"),
        ({"volume": [1, 1.5, 1, 1]}, "row 1: volume: expected a whole number, found 1.5"),
        ({"close": [10.5, 10.25, 1 / 3, 9.75]}, "row 2: close: expected a price of at most nine"),
        ({"close": [10.5, 10.25, np.inf, 9.75]}, "row 2: close: expected a price of at most nine"),
        ({"close": [10.5]}, "close: expected 4 values"),
    ],
)
def test_bars_that_cannot_be_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(FormatError, match=f"^here: {said}"):
        Candles.of(**bars(**changed), where="here")


def test_a_price_off_the_tick_is_refused() -> None:
    with pytest.raises(FormatError, match=r"row 1: open: expected a multiple of the tick size 0.5"):
        Candles.of(**bars(open=[10.0, 10.25, 10.5, 10.0]), tick_size=500_000_000)


def test_repairs_are_made_and_counted() -> None:
    candles = Candles.of(
        ts_event=np.array([2, 0, 1, 1, 3]) * MINUTE,
        open=[3.0, 1.0, 2.0, 2.0, 4.0],
        high=[2.0, 1.0, 2.0, 9.0, 4.0],
        low=[3.0, 1.0, 2.0, 2.0, np.nan],
        close=[3.0, 1.0, 2.0, 5.0, 4.0],
        volume=[1, 1, 1, 7, 1],
        faults="repair",
    )
    assert candles.ts_event.tolist() == [0, MINUTE, 2 * MINUTE]
    assert candles.close.tolist() == [1, 5, 3]
    assert candles.high.tolist() == [1, 9, 3]
    assert candles.low.tolist() == [1, 2, 2]
    assert candles.volume.tolist() == [1, 7, 1]
    found = {name: candles.counts[name] for name in ("missing", "unordered", "duplicates")}
    assert found == {"missing": 1, "unordered": 1, "duplicates": 1}
    assert candles.counts["inconsistent"] == 1
    with pytest.raises(NoDataError, match="has no bar"):
        Candles.of([], [], [], [], [], [])


def same(a: Candles, b: Candles) -> None:
    for name in ("ts_event", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.tick_size, a.interval_ns, a.symbol) == (b.tick_size, b.interval_ns, b.symbol)


def test_tables_hold_the_same_candles(tmp_path: Path) -> None:
    columns = bars(symbol=["X"] * 4)
    expected = Candles.of(**bars(), symbol="X")
    moments = columns["ts_event"].astype("datetime64[ns]")
    pq.write_table(pa.table(columns), tmp_path / "floats.parquet")
    nanos = {n: [round(v * 10**9) for v in columns[n]] for n in ("open", "high", "low", "close")}
    pq.write_table(pa.table(columns | nanos), tmp_path / "nanos.parquet")
    stamps = pa.array(moments, pa.timestamp("ns", "America/New_York"))
    pq.write_table(pa.table(columns | {"ts_event": stamps}), tmp_path / "stamps.parquet")
    for name, times in (
        ("nanos.csv", columns["ts_event"]),
        ("iso.csv", [f"{one}Z" for one in moments.astype("datetime64[s]")]),
        ("plain.csv", [str(one).replace("T", " ") for one in moments.astype("datetime64[s]")]),
    ):
        rows = zip(times, *(columns[n] for n in list(columns)[1:]), strict=True)
        text = [",".join(["date", *list(columns)[1:]]), *(",".join(map(str, r)) for r in rows)]
        (tmp_path / name).write_text("\n".join(text) + "\n")
    found = sorted(tmp_path.iterdir())
    assert len(found) == 6
    for path in found:
        same(read_candles(path), expected)


def test_tables_that_do_not_say_it_all_are_refused(tmp_path: Path) -> None:
    columns = bars(symbol=["X", "X", "Y", "Y"])
    path = tmp_path / "two.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ConfigError, match=r"symbol: .* has X, Y; name one"):
        read_candles(path)
    assert read_candles(path, symbol="Y").close.tolist() == [40, 39]
    with pytest.raises(NoDataError, match="expected Z, found X, Y"):
        read_candles(path, symbol="Z")
    pq.write_table(pa.table({k: v for k, v in columns.items() if k != "low"}), path)
    with pytest.raises(FormatError, match="expected a column low"):
        read_candles(path)
    (tmp_path / "odd.csv").write_text("time,open,high,low,close,volume\n2024-01-01,1,x,1,1,1\n")
    with pytest.raises(FormatError, match="high: expected numbers"):
        read_candles(tmp_path / "odd.csv")
    (tmp_path / "hole.csv").write_text("time,open,high,low,close,volume\n2024-01-01,1,,1,1,1\n")
    with pytest.raises(FormatError, match="row 0: expected a price in every column"):
        read_candles(tmp_path / "hole.csv")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("unit", "per_s"), [("seconds", 1), ("milliseconds", 1_000), ("microseconds", 1_000_000)]
)
def test_times_in_another_unit_are_refused(
    tmp_path: Path, unit: str, per_s: int, kind: str
) -> None:
    columns = bars(ts_event=(T0 + np.array([0, 1, 2, 4]) * MINUTE) // (10**9 // per_s))
    path = tmp_path / f"x.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    said = "ns since the epoch" if kind == "csv" and unit == "seconds" else f"looks like {unit}"
    with pytest.raises(FormatError, match=rf"x\.{kind}: ts_event: expected ns .*{said}|{said}"):
        read_candles(path)


def test_times_near_the_epoch_are_ns(tmp_path: Path) -> None:
    pq.write_table(pa.table(bars(ts_event=np.arange(4) * MINUTE)), tmp_path / "x.parquet")
    assert read_candles(tmp_path / "x.parquet").ts_event[1] == MINUTE


def bar_file(path: Path, ids: list[int], mappings: dict[str, list[tuple[int, int, int]]]) -> Path:
    """Two bars a day in DBN; ``ids`` are the days' instruments."""
    rows = np.zeros(2 * len(ids), OHLCV_DTYPE)
    rows["length"], rows["rtype"], rows["publisher_id"] = rows.itemsize // 4, 0x21, 1
    rows["instrument_id"] = np.repeat(ids, 2)
    for k in range(len(rows)):
        rows[k]["ts_event"] = DAY_0 + k // 2 * streams.DAY_NS + k % 2 * MINUTE
    for name in ("open", "high", "low", "close"):
        rows[name] = (np.arange(len(rows)) + 1) * 10**9
    return Path(streams.write(path, streams.dbn_bytes(rows, schema="ohlcv-1m", mappings=mappings)))


def closes(path: Path, symbol: str | None = None) -> list[float]:
    candles = read_candles(path, symbol=symbol)
    return candles.price(candles.close).tolist()


def test_a_symbol_keeps_its_bars_when_its_instrument_changes(tmp_path: Path) -> None:
    path = bar_file(tmp_path / "x.dbn", [10, 20], {"ES.c.0": [(10, 0, 1), (20, 1, 2)]})
    assert closes(path, "ES.c.0") == closes(path) == [1, 2, 3, 4]
    assert read_candles(path).symbol == "ES.c.0"


def test_an_instrument_of_two_symbols_gives_each_the_bars_of_its_days(tmp_path: Path) -> None:
    days = {"AAA": [(10, 0, 1)], "BBB": [(10, 1, 2)]}
    path = bar_file(tmp_path / "x.dbn", [10, 10, 10], days)
    assert closes(path, "AAA") == [1, 2]
    assert closes(path, "BBB") == [3, 4]
    assert closes(path, "10") == [5, 6]  # nothing maps it on the third day
    with pytest.raises(ConfigError, match="has AAA, BBB, 10; name one"):
        read_candles(path)
    with pytest.raises(NoDataError, match="expected CCC, found AAA, BBB, 10"):
        read_candles(path, symbol="CCC")


def test_bars_of_two_publishers_are_not_one_series(tmp_path: Path) -> None:
    path = bar_file(tmp_path / "two.dbn", [7, 7], {"X": [(7, 0, 2)]})
    content = bytearray(path.read_bytes())
    bars = np.frombuffer(content, OHLCV_DTYPE, offset=len(content) - 4 * OHLCV_DTYPE.itemsize)
    bars["publisher_id"][::2] = 2
    path.write_bytes(content)
    with pytest.raises(FormatError, match="bars of one publisher, found those of X by 1, 2: each"):
        read_candles(path, symbol="X", faults="repair")


def test_two_symbols_of_an_instrument_both_have_its_bars(tmp_path: Path) -> None:
    both = {"ES.c.0": [(10, 0, 1), (20, 1, 3)], "ES.v.0": [(10, 0, 2), (20, 2, 3)]}
    path = bar_file(tmp_path / "x.dbn", [10, 10, 20], both)
    assert closes(path, "ES.c.0") == [1, 2, 5, 6]
    assert closes(path, "ES.v.0") == [1, 2, 3, 4, 5, 6]
    named_twice = bar_file(tmp_path / "y.dbn", [10], {"ES.c.0": [(10, 0, 1), (10, 0, 2)]})
    assert closes(named_twice, "ES.c.0") == [1, 2]


def test_bars_of_a_file_and_bars_made_of_its_trades(data_file: Callable[[str], Path]) -> None:
    """The vendor's bars of ES, and those its trades of the same minutes give."""
    bars = data_file("glbx/esu4-nqu4-20240701.ohlcv-1m.dbn.zst")
    with pytest.raises(ConfigError, match="ESU4, NQU4; name one"):
        read_candles(bars)
    official = read_candles(bars, symbol="ESU4")
    assert len(official) == 30
    assert official.tick_size == 250_000_000
    assert official.symbol == "ESU4"
    made = read_candles(data_file("glbx/esu4-20240701.trades.dbn.zst"))
    at = np.searchsorted(official.ts_event, made.ts_event)
    assert len(made) == 4
    for name in ("ts_event", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(made, name), getattr(official, name)[at])


def test_bars_made_of_a_market_by_order_file(data_file: Callable[[str], Path]) -> None:
    """What was traded in the whole capture is in its bars."""
    candles = read_candles(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"), interval="1h")
    assert candles.volume.sum() == 9_892
    with pytest.raises(ConfigError, match="interval: expected one of 1s, 1m, 1h, 1d"):
        read_candles(data_file("glbx/esu4-20240701.trades.dbn.zst"), interval="2m")


@pytest.mark.parametrize(
    ("form", "times"),
    [
        ("YYYYMMDD", [20240130, 20240131, 20240201, 20240202]),
        ("YYYYMMDDHHMM", [202401020900, 202401020930, 202401021000, 202401021030]),
        ("YYYYMMDDHHMMSS", [20240102093000, 20240102093030, 20240102093100, 20240102093130]),
        ("YYYYMM", [202401, 202402, 202403, 202412]),
        ("YYYYMMDDHHMM", [202401022200, 202401022300, 202401022400, 202401030100]),
        ("YYYYMMDDHHMMSSmmm", [20240102093000000 + 500 * k for k in range(4)]),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_dates_written_as_numbers_are_no_times_since_the_epoch(
    tmp_path: Path, form: str, times: list[int], ending: str
) -> None:
    path, table = tmp_path / f"x.{ending}", pa.table(bars(ts_event=times))
    if ending == "csv":
        pa.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    said = f"ts_event: expected ns since the epoch, found {times[0]}, which looks like {form}: wri"
    if ending == "csv" and len(form) < 10:
        said = "ts_event: expected ns since the epoch or a date and time"
    with pytest.raises(FormatError, match=said):
        read_candles(path)


def test_times_near_the_epoch_are_times(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for times in (
        [0, 1, 2, 3],
        [20240130, 20240131, 20240132, 20240133],
        [20240102093000, 1, 2, 3],
        [202400, 202401, 202402, 202403],
        [20240102256000000 + k for k in range(4)],
    ):
        pq.write_table(pa.table(bars(ts_event=sorted(times))), path)
        assert read_candles(path).ts_event.tolist() == sorted(times)


def test_symbols_may_be_numbers_or_a_dictionary_but_not_missing(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for symbols in ([600519, 600519, 600519, 5930], pa.array(["600519"] * 3 + ["5930"])):
        pq.write_table(pa.table(bars(symbol=pa.array(symbols).dictionary_encode())), path)
        assert len(read_candles(path, symbol="600519")) == 3
        pq.write_table(pa.table(bars(symbol=symbols)), path)
        assert len(read_candles(path, symbol="600519")) == 3
        with pytest.raises(ConfigError, match="has 5930, 600519; name one"):
            read_candles(path)
    pq.write_table(pa.table(bars(symbol=["A", "A", None, "A"])), path)
    with pytest.raises(FormatError, match="symbol: expected one in every row, found none"):
        read_candles(path, symbol="A")
