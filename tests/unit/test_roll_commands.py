"""Continuous symbols of ``data convert``, ``data derive`` and ``features``.

One file of two days: on the first XM4 (id 2) trades more than XH4 (id 1), so that X.v.0 is XH4 on
the first, XM4 on the second. Bid and ask of both are set at 1:00; XH4's bid moves at 20:00.
"""

from collections.abc import Callable
from pathlib import Path

import databento
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import streams
import tapewire as tw
from conftest import TapewireHere
from tapewire.config.schema import DatabentoSource
from tapewire.errors import ConfigError
from tapewire.inputs.convert import convert_files
from tapewire.inputs.derive import derive_file
from tapewire.inputs.rolls import with_rolls
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import ReplayPlan, open_source

T0, DAY, HOUR = streams.START_NS, streams.DAY_NS, 3_600 * 10**9
#: (hour, instrument, action, side, price, lots)
DAY_ROWS = [
    (1, 1, "A", "B", 100, 9), (1, 1, "A", "A", 102, 9), (1, 2, "A", "B", 200, 9),
    (1, 2, "A", "A", 202, 9), (2, 1, "T", "N", 101, 3), (2, 2, "T", "N", 201, 5),
    (20, 1, "A", "B", 101, 1), (23, 2, "A", "B", 199, 1),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapewire.inputs.volumes.cache_dir", lambda: tmp_path / "cache")


@pytest.fixture
def market(tmp_path: Path) -> str:
    told = [(day, *row) for day in (0, 1) for row in DAY_ROWS]
    rows = streams.make_records(
        len(told), ts_recv=[T0 + day * DAY + hour * HOUR for day, hour, *_ in told]
    )
    for row, (day, _, number, action, side, price, lots) in zip(rows, told, strict=True):
        row["instrument_id"], row["action"], row["side"] = number, ord(action), ord(side)
        row["price"], row["size"] = (price + 10 * day * (side == "A")) * 10**9, lots
    path = tmp_path / "x.mbo.dbn"
    mappings = {"XH4": [(1, 0, 2)], "XM4": [(2, 0, 2)]}
    path.write_bytes(streams.dbn_header(mappings) + rows.tobytes())
    return str(path)


def wanted(path: str, *symbols: str) -> np.ndarray:
    source = DatabentoSource(type="databento", files=[path], symbols=list(symbols))
    plan, _ = with_rolls(ReplayPlan((path,), tuple(symbols)), source)
    out = np.empty(1_000, MBO_DTYPE)
    with open_source(plan) as opened:
        return out[: opened.fill(out)]


def store(path: Path) -> databento.DBNStore:
    return databento.DBNStore.from_bytes(path.read_bytes())


def test_a_converted_file_has_each_day_of_its_contract(market: str, tmp_path: Path) -> None:
    """The records of a run, in a file that means the same by that symbol; its header says when."""
    out = tmp_path / "front.dbn"
    report = convert_files([market], out, symbols=["X.v.0"])
    assert report.symbols == ("XH4", "XM4")
    records = wanted(market, "X.v.0")
    assert records["instrument_id"].tolist() == [1] * 4 + [2] * 4
    assert wanted(str(out)).tobytes() == wanted(str(out), "X.v.0").tobytes() == records.tobytes()
    metadata = store(out).metadata
    days = {
        name: [(one["start_date"].isoformat(), one["end_date"].isoformat(), one["symbol"])]
        for name, (one,) in metadata.mappings.items()
    }
    assert days == {
        "XH4": [("2023-12-09", "2023-12-10", "1")], "XM4": [("2023-12-10", "2023-12-11", "2")],
    }  # fmt: skip


def test_a_converted_file_may_begin_at_a_start(market: str, tmp_path: Path) -> None:
    """From the second day on it is XM4, as its book stood: three orders of the day before."""
    out = tmp_path / "front.dbn"
    report = convert_files([market], out, symbols=["X.v.0"], start=T0 + DAY)
    assert set(wanted(str(out))["instrument_id"].tolist()) == {2}
    assert (report.symbols, report.snapshot_records, report.records) == (("XM4",), 4, 8)


def test_a_number_beside_it_is_converted_and_not_mapped(market: str, tmp_path: Path) -> None:
    """Instrument 3 has no symbol in the file."""
    rows = streams.make_records(2, ts_recv=[T0 + 3 * HOUR, T0 + DAY + 3 * HOUR], instrument_id=3)
    other = tmp_path / "y.mbo.dbn"
    other.write_bytes(streams.dbn_header({"YH4": [(4, 0, 2)]}) + rows.tobytes())
    out = tmp_path / "both.dbn"
    report = convert_files([market, str(other)], out, symbols=["X.v.0", "3"])
    assert report.records == 10
    assert sorted(store(out).metadata.mappings) == ["XH4", "XM4"]


def test_parents_convert_to_their_outrights(market: str, tmp_path: Path) -> None:
    report = convert_files([market], tmp_path / "all.dbn", symbols=["X.FUT"])
    assert (report.symbols, report.records) == (("XH4", "XM4"), 16)


@pytest.mark.parametrize("schema", ["mbo", "tbbo"])
def test_derived_records_are_those_of_each_days_contract(
    market: str, tmp_path: Path, schema: str
) -> None:
    """Bars of a day: 3 lots of XH4, then 5 of XM4; by bars of the day, XM4 all along."""
    path = market
    if schema != "mbo":
        path = str(tmp_path / "x.tbbo.dbn")
        derive_file(market, path, schema=schema)
    out = tmp_path / "bars.dbn"
    derive_file(path, out, schema="ohlcv-1d", symbols=("X.v.0",))
    bars = store(out)
    rows = [(row.instrument_id, row.volume) for row in bars]
    assert rows == [(1, 3), (2, 5)]
    assert sorted(bars.metadata.mappings) == ["XH4", "XM4"]


def test_trades_alone_do_not_say_what_is_meant(market: str, tmp_path: Path) -> None:
    """But a file that maps the symbol itself does."""
    trades = tmp_path / "x.trades.dbn"
    derive_file(market, trades, schema="trades")
    out = tmp_path / "bars.dbn"
    with pytest.raises(ConfigError, match=r"X\.v\.0: .* of schema trades does not say which"):
        derive_file(trades, out, schema="ohlcv-1d", symbols=("X.v.0",))
    rows = store(trades).to_ndarray()
    own = tmp_path / "own.trades.dbn"
    header = streams.dbn_header({"X.v.0": [(1, 0, 1), (2, 1, 2)]}, schema="trades")
    own.write_bytes(header + rows.tobytes())
    derive_file(own, out, schema="ohlcv-1d", symbols=("X.v.0",))
    assert [row.volume for row in store(out)] == [3, 5]


def test_rows_of_features_end_with_their_contract(market: str) -> None:
    """A row per 6 hours. XH4's book stands at (100 + 102) / 2 from 1:00, at 101.5 from 20:00.

    Within 6 hours of midnight nobody knows its mid: it is not traded any more.
    """
    table = tw.features_table(
        market, every="6h", features="mid", labels=["mid_return_6h", "mid_return_2ev"],
        symbols="X.v.0",
    )  # fmt: skip
    hours = (table["ts_recv"].cast(pa.int64()).to_numpy() - T0) // HOUR
    symbols = table["symbol"].to_pylist()
    assert list(zip(hours.tolist(), symbols, strict=True)) == [
        (6, "XH4"), (12, "XH4"), (18, "XH4"), (30, "XM4"), (36, "XM4"), (42, "XM4"),
    ]  # fmt: skip
    assert table["mid"].to_pylist() == [101, 101, 101, 206, 206, 206]
    later = table["mid_return_6h"].to_numpy()
    assert later[:2].tolist() == [0, 0]
    assert np.isnan(later[2])
    assert later[3] == 0
    assert np.isnan(table["mid_return_2ev"].to_numpy()).all()


def test_days_that_are_asked_for_by_both_names_stay(market: str) -> None:
    table = tw.features_table(market, every="6h", features="mid", symbols="X.v.0,XH4")
    counts = table["symbol"].to_pylist()
    assert (counts.count("XH4"), counts.count("XM4")) == (7, 3)


def test_the_commands_say_what_was_assumed_and_refuse_what_is_no_use(
    market: str, tmp_path: Path, tapewire_here: TapewireHere, data_file: Callable[[str], Path]
) -> None:
    done = tapewire_here(
        "features", market, "--every", "6h", "--symbols", "X.v.0", "-o", "f.parquet"
    )
    assert "note: X.v.0: no definition says when XH4, XM4 expires" in done.stderr
    assert pq.read_table(tmp_path / "f.parquet").num_rows == 6
    wrong = tapewire_here("data", "convert", market, "-o", "c.dbn", "--definitions", market)
    assert wrong.returncode == 2
    assert "--definitions: only for continuous symbols" in wrong.stderr
    real = str(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))
    report = convert_files([real], tmp_path / "es.dbn", symbols=["ES.v.0"])
    assert (report.records, report.symbols) == (68_792, ("ESH4",))
