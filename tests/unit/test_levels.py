"""Records of levels, told as those of orders: by hand, one level a side."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import streams
import tapewire as tw
from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.derive import find_schema
from tapewire.derive.layout import BBO_DTYPE
from tapewire.errors import ConfigError, FormatError
from tapewire.inputs.derive import derive_file
from tapewire.inputs.placebo import validate_placebo
from tapewire.market.records import (
    F_BAD_TS_RECV,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_MBP,
    F_SNAPSHOT,
    F_TOB,
    MBO_DTYPE,
    UNDEF_PRICE,
)
from tapewire.market.status import STATUS_DTYPE
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.levels import CONSOLIDATED, LevelBytes
from tapewire.replay.synth import synthesize
from tapewire.runs import wiring
from tapewire.runs.contract_warnings import contract_warnings
from tapewire.runs.contracts import contracts_of

ONE = S = 10**9
T0 = streams.START_NS
RTYPES = {
    "mbp-1": 0x01,
    "tbbo": 0x01,
    "bbo-1s": 0xC3,
    "cmbp-1": 0xB1,
    "tcbbo": 0xC2,
    "cbbo-1s": 0xC0,
}
#: price, lots of each side; None: empty.
Quote = tuple[int, int] | None


def record(
    t: int, action: str, bid: Quote, ask: Quote, *, schema: str = "mbp-1", side: str = "N",
    price: int = 0, size: int = 0, flags: int = F_LAST, instrument: int = 7,
    publisher: int = 1,
) -> bytes:  # fmt: skip
    (bid_px, bid_lots), (ask_px, ask_lots) = (q or (0, 0) for q in (bid, ask))
    head = struct.pack("<BBHIQ", 20, RTYPES[schema], publisher, instrument, 1_000 + t)
    told = struct.pack("<qIccBB", price * ONE, size, action.encode(), side.encode(), flags, 0)
    times = struct.pack("<QiI", 2_000 + t, 5, t)
    prices = [px * ONE if lots else UNDEF_PRICE for px, lots in ((bid_px, bid_lots),
                                                                (ask_px, ask_lots))]  # fmt: skip
    return head + told + times + struct.pack("<qqIIII", *prices, bid_lots, ask_lots, 3, 3)


class Bytes:
    """Given bytes, a few at a time."""

    disk_bytes = 0

    def __init__(self, data: bytes) -> None:
        self._data = data

    def readinto(self, out: memoryview) -> int:
        count = min(len(out), len(self._data))
        out[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    def content_hash(self) -> str:
        return ""

    def close(self) -> None:
        pass


def told(*records: bytes, schema: str = "mbp-1", at_once: int = 3) -> list[tuple[object, ...]]:
    """What becomes of them: action, side, id, price, lots, flags beside F_MBP, time."""
    publisher = 0 if schema in CONSOLIDATED else 1
    delay_ns = 0 if "bbo-" in schema else 1_000
    source = LevelBytes("x", Bytes(b"".join(records)), schema)
    rows: list[tuple[object, ...]] = []
    while True:
        out = np.zeros(at_once, MBO_DTYPE)
        count = source.readinto(out.view(np.uint8).data) // MBO_DTYPE.itemsize
        for row in out[:count]:
            assert (row["length"], row["rtype"], row["publisher_id"]) == (14, 0xA0, publisher)
            assert row["flags"] & F_MBP
            assert row["ts_event"] + delay_ns == row["ts_recv"] == 2_000 + row["sequence"]
            assert row["ts_in_delta"] == 5
            price = None if row["price"] == UNDEF_PRICE else int(row["price"]) // ONE
            rows.append((
                chr(row["action"]), chr(row["side"]), int(row["order_id"]), price,
                int(row["size"]), int(row["flags"]) & ~F_MBP, int(row["sequence"]),
            ))  # fmt: skip
        if count < at_once:
            return rows


BEGIN = ("R", "N", 0, None, 0, F_SNAPSHOT, 0)


def test_a_level_is_an_order_that_comes_changes_and_goes() -> None:
    """Two lots come, three are there, the level goes and a better one comes; the ask stays."""
    assert told(
        record(0, "A", (100, 2), (101, 5)),
        record(1, "A", (100, 3), (101, 5)),
        record(2, "C", (99, 1), (101, 5)),
        record(3, "C", None, (101, 5)),
    ) == [
        BEGIN,
        ("A", "B", 1, 100, 2, 0, 0),
        ("A", "A", 2, 101, 5, F_LAST, 0),
        ("M", "B", 1, 100, 3, F_LAST, 1),
        ("C", "B", 1, 100, 3, 0, 2),
        ("A", "B", 3, 99, 1, F_LAST, 2),
        ("C", "B", 3, 99, 1, F_LAST, 3),
    ]


def test_a_trade_comes_before_what_it_did() -> None:
    rows = told(
        record(0, "A", (100, 2), (101, 5)),
        record(1, "T", (100, 2), (101, 5), side="B", price=101, size=4, flags=0),
        record(1, "C", (100, 2), (101, 1)),
        record(2, "T", (100, 2), (101, 1), side="A", price=100, size=1),
    )
    assert rows[3:] == [
        ("T", "B", 0, 101, 4, 0, 1),
        ("M", "A", 2, 101, 1, F_LAST, 1),
        ("T", "A", 0, 100, 1, F_LAST, 2),
    ]


def test_quotes_of_tbbo_stood_before_its_trade() -> None:
    rows = told(
        record(0, "T", (100, 2), (101, 5), side="B", price=101, size=1, schema="tbbo"),
        record(1, "T", (100, 2), (101, 4), side="B", price=101, size=4, schema="tbbo"),
        schema="tbbo",
    )
    assert rows == [
        BEGIN,
        ("A", "B", 1, 100, 2, 0, 0),
        ("A", "A", 2, 101, 5, 0, 0),
        ("T", "B", 0, 101, 1, F_LAST, 0),
        ("M", "A", 2, 101, 4, 0, 1),
        ("T", "B", 0, 101, 4, F_LAST, 1),
    ]


def test_an_interval_tells_quotes_alone_and_time_goes_on() -> None:
    """The price and size in it are those of a last trade, which may be told again and again."""
    quote = record(0, "\0", (100, 2), (101, 5), schema="bbo-1s", price=101, size=3, flags=0)
    again = record(1, "\0", (100, 2), (101, 5), schema="bbo-1s", price=101, size=3, flags=0)
    assert told(quote, again, schema="bbo-1s")[1:] == [
        ("A", "B", 1, 100, 2, 0, 0),
        ("A", "A", 2, 101, 5, F_LAST, 0),
        ("N", "N", 0, None, 0, F_LAST, 1),
    ]


@pytest.mark.parametrize("schema", ["cmbp-1", "tcbbo"])
def test_records_of_all_publishers_are_of_one_consolidated_book(schema: str) -> None:
    """Quotes of the consolidator (30), trades of the venues: no touch stays with a publisher."""
    rows = told(
        record(
            0, "T", (100, 2), (101, 5), side="B", price=101, size=1, schema=schema, publisher=22
        ),
        record(
            1, "T", (104, 2), (105, 5), side="B", price=105, size=2, schema=schema, publisher=23
        ),
        record(
            2, "T", (100, 2), (101, 5), side="A", price=100, size=3, schema=schema, publisher=30
        ),
        schema=schema,
    )
    assert sum(row[0] == "R" for row in rows) == 1
    assert [row[3] for row in rows if row[0] == "A"] == [100, 101, 104, 105, 100, 101]
    assert [row[3] for row in rows if row[0] == "C"] == [100, 101, 104, 105]
    assert [row[3:5] for row in rows if row[0] == "T"] == [(101, 1), (105, 2), (100, 3)]


def test_a_sample_of_all_publishers_is_one_too() -> None:
    rows = told(
        record(0, "\0", (100, 2), (101, 5), schema="cbbo-1s", publisher=30),
        record(1, "\0", (100, 3), (101, 5), schema="cbbo-1s", publisher=31),
        schema="cbbo-1s",
    )
    assert rows[1:] == [
        ("A", "B", 1, 100, 2, 0, 0),
        ("A", "A", 2, 101, 5, F_LAST, 0),
        ("M", "B", 1, 100, 3, F_LAST, 1),
    ]


class BuyAtOneAndAHalf(tw.Strategy):
    """Buys a lot a second and a half after the first record."""

    def on_start(self, context: tw.Context) -> None:
        context.set_timer(after="1500ms", name="x")

    def on_timer(self, timer: Any, context: tw.Context) -> None:
        context.submit(tw.BUY, 1)


@pytest.mark.parametrize("last_trade_ns", [T0 + S // 2, 2**64 - 1])
def test_an_order_meets_the_interval_before_it(tmp_path: Path, last_trade_ns: int) -> None:
    """The ask rises by one a second, and nobody trades: what is sent at 2.5 s pays that of 2 s.

    The samples end at 1, 2, … seconds, with asks at 101, 102, …; the last trade was long ago, or
    there was none.
    """
    rows = np.zeros(9, BBO_DTYPE)
    second = np.arange(1, 10)
    rows["length"], rows["rtype"], rows["publisher_id"], rows["instrument_id"] = 20, 0xC3, 1, 7
    rows["ts_event"], rows["ts_recv"], rows["sequence"] = last_trade_ns, T0 + second * S, second
    rows["price"], rows["flags"], rows["side"] = UNDEF_PRICE, F_LAST, b"N"
    for side, px in (("bid", 99), ("ask", 100)):
        rows[f"{side}_px_00"], rows[f"{side}_sz_00"] = (px + second) * ONE, 50
    path = tmp_path / "x.bbo-1s.dbn"
    path.write_bytes(streams.dbn_header({"XX": [(7, 0, 1)]}, schema="bbo-1s") + rows.tobytes())
    result = tw.run(
        files=[path], strategies=[BuyAtOneAndAHalf()], output=tmp_path / "out",
        instruments={"XX": {"tick_size": 1, "multiplier": 1}}, transport="inproc", cache=False,
    )  # fmt: skip
    (fill,) = result.to_pandas("fills").itertuples()
    assert fill.last_px == 102
    assert T0 + 2.5 * S <= pd.Timestamp(fill.ts_event).value < T0 + 3 * S


def consolidated(path: Path, dataset: str, symbol: str, number: int = 7) -> str:
    """A file of three quotes, a second from each other, of the consolidator."""
    rows = np.frombuffer(
        b"".join(
            record(0, "A", (100, 5), (101, 5), schema="cmbp-1", publisher=30, instrument=number)
            for _ in range(3)
        ),
        BBO_DTYPE,
    ).copy()
    rows["ts_event"] = T0 + np.arange(3) * S
    rows["ts_recv"] = rows["ts_event"] + 1_000
    header = streams.dbn_header({symbol: [(number, 0, 1)]}, schema="cmbp-1", dataset=dataset)
    return streams.write(path, header + rows.tobytes())


def test_publishers_of_a_consolidated_file_are_not_asked_for(tmp_path: Path) -> None:
    path = consolidated(tmp_path / "a.cmbp-1.dbn", "EQUS.MINI", "XX")
    with open_source(ReplayPlan((path,), publishers=(0,))) as source:
        assert source.info.is_consolidated
        assert source.info.consolidated_datasets == {"EQUS.MINI"}
    with pytest.raises(ConfigError, match=r"found 30: .*cmbp-1, whose books are of all publishers"):
        open_source(ReplayPlan((path,), publishers=(30,)))


def test_consolidated_books_of_two_datasets_are_not_made_one(tmp_path: Path) -> None:
    """Where their instruments have one number; others are apart, and so are those not asked for."""
    first = consolidated(tmp_path / "a.cmbp-1.dbn", "EQUS.MINI", "XX")
    same = consolidated(tmp_path / "b.cmbp-1.dbn", "OPRA.PILLAR", "YY")
    apart = consolidated(tmp_path / "c.cmbp-1.dbn", "OPRA.PILLAR", "ZZ", 8)
    with pytest.raises(ConfigError, match=r"books of EQUS\.MINI and OPRA\.PILLAR would be one"):
        open_source(ReplayPlan((first, same)))
    open_source(ReplayPlan((first, apart))).close()
    open_source(ReplayPlan((first, same), symbols=("YY",))).close()


def configured(path: str, **strategy: Any) -> RunConfig:
    fees = {"type": "schedule", "rows": [{"taker": 1}, {"taker": 2, "publisher": 30}]}
    return make_config(
        {
            "backtest": {
                "data_source": {"type": "databento", "files": [path]},
                "execution": {"fees": fees},
            },
            "strategy": {"type": "market_maker", **strategy},
        }
    )


def test_what_names_venues_is_held_against_consolidated_books(tmp_path: Path) -> None:
    """An order log has one book to mean, a strategy of a venue none, fees of a venue nobody."""
    path = consolidated(tmp_path / "a.cmbp-1.dbn", "EQUS.MINI", "XX")
    with open_source(ReplayPlan((path,))) as source:
        info = source.info
    config = configured(path)
    contracts = contracts_of(config, info)
    warnings = [text for text in contract_warnings(config, info, contracts) if "fees" in text]
    assert len(warnings) == 1
    assert "rows of publisher 30 charge nobody" in warnings[0]
    log = configured(path, type="order_log", parameters={"path": "log.csv"})
    assert wiring.simulation_config(log, info, (), contracts).publishers == (0,)
    wiring.simulation_config(configured(path, publishers=[0]), info, (), contracts)
    with pytest.raises(ConfigError, match="publishers: expected none, found 30: books of consol"):
        wiring.simulation_config(configured(path, publishers=[30]), info, (), contracts)


class BuyTwice(tw.Strategy):
    """Buys a lot half a second after the first record, and one a second later."""

    def on_start(self, context: tw.Context) -> None:
        context.set_timer(after="500ms", name="x")
        context.set_timer(after="1500ms", name="y")

    def on_timer(self, timer: Any, context: tw.Context) -> None:
        context.submit(tw.BUY, 1)


@pytest.mark.long
def test_a_halt_of_its_venues_halts_a_consolidated_book(tmp_path: Path) -> None:
    path = consolidated(tmp_path / "a.cmbp-1.dbn", "EQUS.MINI", "XX")
    states = np.zeros(2, STATUS_DTYPE)
    states["length"], states["rtype"] = 10, 0x12
    states["instrument_id"], states["publisher_id"] = 7, (30, 31)
    states["ts_event"] = states["ts_recv"] = T0 + S
    states["action"], states["is_trading"] = 8, ord("N")
    header = streams.dbn_header(schema="status", dataset="EQUS.MINI")
    status = streams.write(tmp_path / "a.status.dbn", header + states.tobytes())
    result = tw.run(
        files=[path], strategies=[BuyTwice()], output=tmp_path / "out",
        overrides={"backtest.data_source.status_files": [status]},
        instruments={"XX": {"tick_size": 1, "multiplier": 1}}, transport="inproc", cache=False,
    )  # fmt: skip
    assert [row.status for row in result.to_pandas("orders").itertuples()] == [
        "FILLED", "REJECTED",
    ]  # fmt: skip


def test_books_are_apart_and_a_clear_empties_its_own() -> None:
    rows = told(
        record(0, "A", (100, 2), None, instrument=7),
        record(0, "A", (50, 1), None, instrument=8),
        record(1, "R", None, None, instrument=7),
        record(2, "A", (100, 2), None, instrument=7),
        record(2, "A", (50, 1), None, instrument=8),
    )
    assert [row[:4] for row in rows] == [
        ("R", "N", 0, None), ("A", "B", 1, 100), ("R", "N", 0, None), ("A", "B", 2, 50),
        ("R", "N", 0, None), ("N", "N", 0, None), ("A", "B", 3, 100), ("N", "N", 0, None),
    ]  # fmt: skip


def test_flags_about_the_data_stay_and_others_go() -> None:
    flags = F_LAST | F_TOB | F_BAD_TS_RECV | F_MAYBE_BAD_BOOK
    rows = told(record(0, "A", (100, 2), None, flags=flags))
    about = F_BAD_TS_RECV | F_MAYBE_BAD_BOOK
    assert [row[5] for row in rows] == [about | F_SNAPSHOT, about | F_LAST]


def test_a_snapshot_s_clock_is_no_fault_of_the_live_records_that_it_becomes() -> None:
    """All of a snapshot have F_BAD_TS_RECV, one of which comes at each midnight."""
    flags = F_LAST | F_SNAPSHOT | F_TOB | F_BAD_TS_RECV | F_MAYBE_BAD_BOOK
    rows = told(record(0, "A", (100, 2), None, flags=flags))
    assert [row[5] for row in rows] == [F_MAYBE_BAD_BOOK | F_SNAPSHOT, F_MAYBE_BAD_BOOK | F_LAST]


def test_the_clock_of_a_clear_is_none_either() -> None:
    """Databento begins a session with one that is flagged, though no snapshot's."""
    rows = told(
        record(0, "R", None, None, flags=F_LAST | F_BAD_TS_RECV | F_MAYBE_BAD_BOOK),
        record(1, "A", (100, 2), None),
    )
    assert [(row[0], row[5]) for row in rows] == [
        ("R", F_MAYBE_BAD_BOOK | F_LAST), ("N", F_MAYBE_BAD_BOOK | F_LAST), ("A", F_LAST),
    ]  # fmt: skip


def test_what_a_snapshot_tells_takes_the_place_of_what_was_there() -> None:
    """Its R is no word of the venue's, and there is no event that shows an empty book."""
    old = F_SNAPSHOT | F_BAD_TS_RECV
    rows = told(
        record(0, "A", (100, 2), (101, 5)),
        record(1, "R", None, None, flags=old),
        record(1, "A", (100, 2), (101, 4), flags=old | F_LAST),
        record(2, "R", None, None),
    )
    assert rows[3:] == [
        ("R", "N", 0, None, 0, F_SNAPSHOT, 1),
        ("A", "B", 3, 100, 2, 0, 1),
        ("A", "A", 4, 101, 4, F_LAST, 1),
        ("R", "N", 0, None, 0, F_LAST, 2),
        ("N", "N", 0, None, 0, F_LAST, 2),
    ]


@pytest.mark.parametrize("at_once", [1, 2, 7, 1_000])
def test_many_books_come_out_the_same_in_any_pieces(at_once: int) -> None:
    """More books than there is room for at first, and more records than are told at once."""
    records = [
        record(t, "A", (100 + t % 3, 1 + t % 5), (110, 4), instrument=t % 200) for t in range(9_000)
    ]
    rows = told(*records, at_once=at_once)
    assert rows == told(*records)
    assert sum(row[0] == "R" for row in rows) == 200
    assert sum(bool(row[5] & F_LAST) for row in rows) == 9_000


def test_a_foreign_record_is_named(tmp_path: Path) -> None:
    data = record(0, "A", (1, 1), (2, 1)) + record(1, "T", None, None, schema="bbo-1s")
    with pytest.raises(FormatError, match=r"x: record 1: expected one of mbp-1 \(80 bytes\), found "
                       "rtype 0xc3 of 80 bytes"):  # fmt: skip
        told(data)


def test_an_end_within_a_record_is_no_end() -> None:
    from tapewire.replay.byte_sources import TruncatedFrame

    with pytest.raises(TruncatedFrame) as raised:
        told(record(0, "A", (1, 1), (2, 1)) + record(1, "A", (1, 2), (2, 1))[:70])
    assert raised.value.offset == 150


def test_the_placebo_wants_orders(data_file: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"schema mbo\), found levels \(mbp-1\)"):
        validate_placebo(data_file("glbx/esu4-20240701.mbp-1.dbn.zst"))


SPLIT = ["mbp-10", "mbp-1", "tbbo", "bbo-1s"]


class Rests(tw.Strategy):
    """Rests a lot at the best bid, and a stop far off, until the data end."""

    def on_start(self, context: tw.Context) -> None:
        context.set_timer(after="1s", name="x")

    def on_timer(self, timer: Any, context: tw.Context) -> None:
        bid, ask = context.market.best_bid, context.market.best_ask
        context.submit(tw.BUY, 1, bid)
        context.submit(tw.BUY, 1, trigger_price=2 * ask)


def played(folder: Path, name: str, files: list[Path]) -> Any:
    return tw.run(
        files=files, strategies=["market_maker", Rests()], output=folder / name,
        transport="inproc", cache=False,
        overrides={"backtest.data_source.flags": {"clear": "stop", "bad_ts_recv": "stop"}},
    )  # fmt: skip


@pytest.mark.parametrize("schema", SPLIT)
def test_files_of_levels_may_be_split_anywhere(tmp_path: Path, schema: str) -> None:
    """Orders rest over where a file ends and over a snapshot, and keep their places.

    The digest of a run has the number of records in it, which is another one.
    """
    synthesize(tmp_path / "day.mbo.dbn", events=20_000, seed=3)
    whole = tmp_path / f"day.{schema}.dbn"
    derive_file(tmp_path / "day.mbo.dbn", whole, schema=schema)
    data = whole.read_bytes()
    dtype = find_schema(schema).dtype
    at = 8 + int.from_bytes(data[4:8], "little")
    header, rows = data[:at], np.frombuffer(data, dtype, offset=at)
    ends = np.arange(1, len(rows))  # a sample, or a trade with its quote, is whole by itself
    if schema.startswith("mbp"):
        ends = np.flatnonzero(rows["flags"] & F_LAST) + 1
    cuts = ends[np.linspace(0, len(ends) - 1, 12).astype(int)[1:-1]]
    parts = []
    for k, part in enumerate(np.split(rows, cuts)):
        parts.append(tmp_path / f"{k:02}.{schema}.dbn")
        parts[-1].write_bytes(header + part.tobytes())
    runs = [played(tmp_path, "whole", [whole]), played(tmp_path, "split", parts)]
    orders = runs[0].to_pandas("orders")
    boundaries = pd.to_datetime(rows["ts_recv"][cuts].astype(np.int64), utc=True)
    if schema != "bbo-1s":  # without trades nothing of the market maker's fills
        assert runs[0].fills.num_rows > 20
    rests = [
        ((orders.ts_arrived < b) & (orders.ts_closed > b) & (orders.strategy_id != "Rests")).sum()
        for b in boundaries
    ]
    assert min(rests) > 0
    if schema.startswith("mbp"):  # and in one file, a snapshot at each of these places
        told = np.zeros(2 * len(cuts), dtype)
        before = rows[cuts - 1]
        told[0::2], told[1::2] = before, before
        for name in dtype.names or ():
            if name[:4] in ("bid_", "ask_"):
                told[name][0::2] = UNDEF_PRICE if "_px" in name else 0
        told["action"][0::2], told["action"][1::2] = b"R", b"A"
        told["flags"] = F_SNAPSHOT | F_BAD_TS_RECV
        told["flags"][1::2] |= F_LAST
        again = tmp_path / f"snapshots.{schema}.dbn"
        again.write_bytes(header + np.insert(rows, np.repeat(cuts, 2), told).tobytes())
        runs.append(played(tmp_path, "snapshots", [again]))
    for run in runs[1:]:
        assert run.manifest["digests"] == runs[0].manifest["digests"]
        for table in ("orders", "fills"):
            assert getattr(run, table).equals(getattr(runs[0], table))
