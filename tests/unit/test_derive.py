"""`tapewire data derive`: what a story of a few records gives, what it refuses, what it leaves."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import databento
import databento_dbn as dbn
import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import streams
from tapewire.derive import SCHEMAS, Deriver, find_schema
from tapewire.derive.layout import (
    BBO_DTYPE,
    MBP_1_DTYPE,
    MBP_10_DTYPE,
    OHLCV_DTYPE,
    TRADE_DTYPE,
)
from tapewire.errors import ConfigError, FormatError, NoDataError, OutputError
from tapewire.inputs.derive import derive_file
from tapewire.inputs.derived_files import _Symbols
from tapewire.market.records import F_BAD_TS_RECV, F_LAST, F_SNAPSHOT, MBO_DTYPE
from tapewire.replay.synth import SyntheticSession, synthesize
from tapewire.wire import SymbolMapping

DataFile = Callable[[str], Path]
S = 10**9
T0 = 1_709_562_600 * S
DAY = 86_400 * S
LAST, SNAPSHOT = 128, 32


def test_layouts_are_the_vendors() -> None:
    for ours, theirs in (
        (TRADE_DTYPE, dbn.TradeMsg), (MBP_1_DTYPE, dbn.MBP1Msg), (MBP_10_DTYPE, dbn.MBP10Msg),
        (BBO_DTYPE, dbn.BBOMsg), (OHLCV_DTYPE, dbn.OHLCVMsg),
    ):  # fmt: skip
        assert ours == np.dtype(theirs._dtypes)


def tape(*lines: tuple[float, str, str, int, int, int, int]) -> np.ndarray:
    """Records of (second, action, side, id, price, size, flags)."""
    out = np.zeros(len(lines), MBO_DTYPE)
    for i, (second, action, side, order_id, price, size, flags) in enumerate(lines):
        clock = T0 + round(second * S)
        out[i] = (
            14, 160, 1, 90_001, clock - 1_000, order_id, price * S, size, flags, 0, ord(action),
            ord(side), clock, 7, 100 + i,
        )  # fmt: skip
    return out


#: A book of 5 and 3 bid at 99 and 5 asked at 101; 4 are sold into the bids, one event; then a new
#: bid below, an order behind the ask, and a trade of an order nobody saw.
STORY = tape(
    (0.1, "A", "B", 1, 99, 5, LAST),
    (0.2, "A", "B", 2, 99, 3, LAST),
    (0.3, "A", "A", 3, 101, 5, LAST),
    (0.5, "T", "A", 0, 99, 6, 0),
    (0.5, "F", "B", 1, 99, 5, 0),
    (0.5, "F", "B", 2, 99, 1, 0),
    (0.5, "C", "B", 1, 99, 5, 0),
    (0.5, "M", "B", 2, 99, 2, LAST),
    (1.0, "A", "B", 4, 98, 1, LAST),
    (62.0, "A", "A", 5, 101, 1, LAST),
    (62.5, "T", "N", 0, 100, 2, LAST),
)


def rows_of(name: str, records: np.ndarray = STORY, dataset: str = "GLBX.MDP3") -> np.ndarray:
    deriver = Deriver(find_schema(name), dataset)
    blocks = [block.copy() for block in deriver.feed(records)]
    blocks += [block.copy() for block in deriver.finish()]
    return np.concatenate([np.empty(0, SCHEMAS[name].dtype), *blocks])


def look(rows: np.ndarray, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(r[n].item() for n in names) for r in rows]


def test_mbp_1_of_a_story() -> None:
    rows = rows_of("mbp-1")
    assert look(rows, "action", "side", "price", "size", "flags", "sequence") == [
        (b"A", b"B", 99 * S, 5, 128, 100),
        (b"A", b"B", 99 * S, 3, 128, 101),
        (b"A", b"A", 101 * S, 5, 128, 102),
        (b"T", b"A", 99 * S, 6, 0, 103),
        (b"M", b"B", 99 * S, 2, 128, 107),
        (b"A", b"A", 101 * S, 1, 128, 109),
        (b"T", b"N", 100 * S, 2, 128, 110),
    ]  # the bid at 98 is no best level
    touch = look(rows, "bid_sz_00", "bid_ct_00", "ask_sz_00", "ask_ct_00")
    assert touch[2] == touch[3] == (8, 2, 5, 1)  # a trade shows what it found
    assert touch[4] == (2, 1, 5, 1)
    assert touch[5] == touch[6] == (2, 1, 6, 2)
    assert set(look(rows, "depth", "ts_in_delta", "rtype", "length")) == {(0, 7, 1, 20)}


def test_mbp_10_says_which_level_changed_and_the_other_datasets_no_side() -> None:
    rows = rows_of("mbp-10")
    assert [r for r in look(rows, "sequence", "depth", "bid_px_01", "bid_sz_01") if r[1]] == [
        (108, 1, 98 * S, 1)
    ]
    assert len(rows) == 8
    plain = rows_of("mbp-10", dataset="XNAS.ITCH")
    assert [r["side"] for r in plain] == [b"N", b"N", b"N", b"A", b"N", b"N", b"N", b"N"]


def test_both_sides_at_once_are_side_n_and_no_change_is_no_row() -> None:
    records = tape(
        (0, "A", "B", 1, 99, 5, LAST), (0, "A", "A", 2, 101, 5, LAST),
        (1, "C", "B", 1, 99, 5, 0), (1, "A", "A", 3, 100, 1, LAST),
        (2, "A", "A", 4, 100, 1, 0), (2, "C", "A", 4, 100, 1, LAST),
    )  # fmt: skip
    assert look(rows_of("mbp-1", records), "side", "sequence") == [
        (b"B", 100), (b"A", 101), (b"N", 103),
    ]  # fmt: skip


def test_trades_and_tbbo_are_the_rows_of_trades() -> None:
    both = rows_of("mbp-1")
    trades = both[both["action"] == b"T"]
    assert rows_of("tbbo").tolist() == trades.tolist()
    assert look(rows_of("trades"), "price", "size", "rtype", "length") == [
        (99 * S, 6, 0, 12), (100 * S, 2, 0, 12),
    ]  # fmt: skip


def test_samples_of_a_story() -> None:
    """An interval without news has none; its end is the last moment of it."""
    rows = rows_of("bbo-1s")
    seen = look(rows, "ts_recv", "price", "size", "side", "bid_sz_00", "ask_sz_00", "sequence")
    assert [((r[0] - T0) / S, *r[1:]) for r in seen] == [
        (1.0, 99 * S, 6, b"A", 2, 5, 107),
        (62.0, 99 * S, 6, b"A", 2, 6, 109),
        (63.0, 100 * S, 2, b"N", 2, 6, 110),
    ]
    minutes = rows_of("bbo-1m")
    assert [(r["ts_recv"] - T0) / S for r in minutes] == [60, 120]
    assert minutes["ts_event"].tolist() == [T0 + S // 2 - 1_000, T0 + 625 * S // 10 - 1_000]


def test_bars_of_a_story() -> None:
    rows = rows_of("ohlcv-1m")
    names = ("ts_event", "open", "high", "low", "close", "volume")
    assert look(rows, *names) == [
        (T0, 99 * S, 99 * S, 99 * S, 99 * S, 6),
        (T0 + 60 * S, 100 * S, 100 * S, 100 * S, 100 * S, 2),
    ]
    day = rows_of("ohlcv-1d")
    midnight = T0 - T0 % (86_400 * S)
    assert look(day, *names) == [(midnight, 99 * S, 100 * S, 99 * S, 100 * S, 8)]


def test_the_end_of_a_snapshot_has_a_row_and_an_open_event_has_none() -> None:
    start = [(0.0, "A", "B", k, 99 - k, 1, SNAPSHOT | LAST * (k == 2)) for k in range(3)]
    records = tape(*start, (5, "A", "B", 9, 99, 1, 0))
    rows = rows_of("mbp-1", records)
    assert look(rows, "action", "side", "flags", "bid_px_00") == [(b"A", b"N", 160, 99 * S)]


# --- files ----------------------------------------------------------------------------------------


def test_many_instruments_to_every_kind_of_file(tmp_path: Path) -> None:
    source = tmp_path / "day.dbn.zst"
    synthesize(source, events=20_000, instruments=3, seed=2)
    out = io.StringIO()
    report = derive_file(
        source, tmp_path / "a.dbn", schema="mbp-1", as_json=True, console=Console(file=out)
    )
    assert json.loads(out.getvalue()) == asdict(report)
    assert report.records == 20_000
    derive_file(source, tmp_path / "a.dbn.zst", schema="mbp-1")
    derive_file(source, tmp_path / "a.parquet", schema="mbp-1")
    stores = [
        databento.DBNStore.from_bytes((tmp_path / name).read_bytes())
        for name in ("a.dbn", "a.dbn.zst")
    ]
    plain, packed = (store.to_ndarray() for store in stores)
    assert plain.tobytes() == packed.tobytes()
    assert len(plain) == report.rows
    assert stores[0].schema == "mbp-1"
    frame = stores[0].to_df(price_type="fixed")
    table = pq.read_table(tmp_path / "a.parquet").to_pandas()
    assert table["symbol"].tolist() == frame["symbol"].tolist()
    assert table["bid_px_00"].tolist() == plain["bid_px_00"].tolist()
    one = derive_file(source, tmp_path / "b.dbn", schema="mbp-1", symbols=("TWA2",))
    assert one.rows == (plain["instrument_id"] == 90_002).sum()


def test_events_without_f_last_are_told(tmp_path: Path) -> None:
    records = STORY.copy()
    records["flags"] = 0
    path = tmp_path / "x.dbn"
    path.write_bytes(SyntheticSession(1_000).metadata() + records.tobytes())
    out = io.StringIO()
    report = derive_file(
        path, tmp_path / "y.dbn", schema="mbp-1", console=Console(file=out, width=200)
    )
    assert (report.missing_last, report.unfinished_events) == (6, 1)
    assert "warning: 6 events ended without F_LAST" in out.getvalue()
    assert "1 events have no end in the file, and no row" in out.getvalue()


def test_derive_refuses_and_leaves_nothing(tmp_path: Path, data_file: DataFile) -> None:
    source = tmp_path / "day.mbo.dbn"
    source.write_bytes(SyntheticSession(1_000).metadata() + STORY[:3].tobytes())
    trades = data_file("glbx/esu4-20240701.trades.dbn.zst")
    bars = data_file("glbx/esu4-nqu4-20240701.ohlcv-1m.dbn.zst")
    cut = tmp_path / "cut.dbn"
    cut.write_bytes(source.read_bytes()[:-1])
    there = tmp_path / "there.dbn"
    there.write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    cases: list[tuple[type[Exception], str, Path, str, str]] = [
        (ConfigError, "found 'mbp-11': did you mean mbp-1", source, "a.dbn", "mbp-11"),
        (ConfigError, r"ending in \.dbn, .*, found 'a.csv'", source, "a.csv", "mbp-1"),
        (ConfigError, "mbp-1 is made of mbo; .* has schema trades", trades, "a.dbn", "mbp-1"),
        (ConfigError, "trades is made of mbo, tbbo, mbp-1", trades, "a.dbn", "trades"),
        (ConfigError, "has schema ohlcv-1m", bars, "a.dbn", "ohlcv-1h"),
        (ConfigError, "is the input", source, source.name, "mbp-1"),
        (OutputError, "is there already", source, there.name, "mbp-1"),
        (NoDataError, "3 records give not one of .* have 0 trades", source, "a.dbn", "tbbo"),
        (FormatError, "truncated", cut, "a.dbn", "mbp-1"),
    ]  # fmt: skip
    for error, message, path, name, schema in cases:
        with pytest.raises(error, match=message):
            derive_file(path, tmp_path / name, schema=schema)
    with pytest.raises(NoDataError, match="symbol 'ESU5' is in no file; did you mean 'ESU4'"):
        derive_file(trades, tmp_path / "a.dbn", schema="ohlcv-1s", symbols=("ESU5",))
    assert sorted(tmp_path.iterdir()) == before
    assert there.read_bytes() == b"mine"
    derive_file(source, there, schema="mbp-1", force=True)
    assert there.read_bytes()[:3] == b"DBN"


def test_the_last_sample_of_a_day_has_the_symbol_of_the_day_that_it_ends() -> None:
    """Its ``ts_recv`` is midnight, from when on the id is another symbol's; a trade's there is."""
    day = T0 // DAY * DAY
    mappings = [
        SymbolMapping("AAA", 7, day, day + DAY),
        SymbolMapping("BBB", 7, day + DAY, day + 2 * DAY),
    ]
    rows = {
        "instrument_id": np.array([7, 7, 7], np.uint32),
        "ts_recv": np.array([day + DAY - S, day + DAY, day + DAY + S], np.uint64),
        "flags": np.full(3, F_LAST, np.uint8),
    }
    for name, expected in (("bbo-1s", ["AAA", "AAA", "BBB"]), ("tbbo", ["AAA", "BBB", "BBB"])):
        assert _Symbols(mappings, find_schema(name).kind)(rows).to_pylist() == expected


@pytest.mark.parametrize("flag", [F_SNAPSHOT | F_BAD_TS_RECV, F_BAD_TS_RECV])
def test_a_sample_of_a_snapshot_has_the_symbol_of_the_day_that_begins(flag: int) -> None:
    """It is captured at midnight, and due then; one of a day of which no symbol is known, too."""
    day = T0 // DAY * DAY
    kind = find_schema("bbo-1m").kind
    rows = {
        "instrument_id": np.array([7, 7, 7, 8, 8], np.uint32),
        "ts_recv": np.array([day, day + S, day + DAY, day, day + DAY], np.uint64),
        "flags": np.array([flag, 0, 0, 0, flag], np.uint8),
    }
    mappings = [SymbolMapping(name, k, day, day + DAY) for name, k in (("ESM4", 7), ("ESU4", 8))]
    expected = ["ESM4", "ESM4", "ESM4", "ESU4", "ESU4"]
    assert _Symbols(mappings, kind)(rows).to_pylist() == expected
    mappings.append(SymbolMapping("OLD", 7, day - DAY, day))
    assert _Symbols(mappings, kind)(rows).to_pylist() == expected


def test_several_files_without_orders_are_refused(tmp_path: Path) -> None:
    """They would have to be merged; of those with orders all are read."""
    folder = tmp_path / "days"
    folder.mkdir()
    for name in ("a.tbbo.dbn", "b.tbbo.dbn"):
        rows = rows_of("tbbo")
        (folder / name).write_bytes(streams.dbn_header(schema="tbbo") + rows.tobytes())
    said = "path: expected one file of schema tbbo, found 2"
    for named in (folder, folder / "*.dbn"):
        with pytest.raises(ConfigError, match=said):
            derive_file(named, tmp_path / "bars.dbn", schema="ohlcv-1m")
    orders = tmp_path / "orders"
    orders.mkdir()
    for day in (0, 1):
        records = STORY.copy()
        for name in ("ts_event", "ts_recv"):
            records[name] += np.uint64(day * DAY)
        (orders / f"{day}.mbo.dbn").write_bytes(streams.dbn_header() + records.tobytes())
    for k, named in enumerate((orders, orders / "*.dbn")):
        assert derive_file(named, tmp_path / f"{k}.dbn", schema="trades").rows == 4
