"""NASDAQ ITCH 5.0 as MBO: by hand, against a slow reader, and what is wrong with a file."""

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pytest
import zstandard

import itch_files
from itch_files import message
from naive.book import NaiveBook, rows
from naive.dbn import read_mbo
from naive.itch import Day
from tapewire.errors import ConfigError, FormatError, NoDataError
from tapewire.market.records import UNDEF_PRICE
from tapewire.replay import _itch, itch
from tapewire.replay.conversions import convert_itch
from tapewire.replay.dbn import inspect
from tapewire.replay.trading_days import date_in, midnight_ns

DAY = dt.date(2019, 5, 30)
#: 04:00 UTC: New York is four hours behind in May.
MIDNIGHT = 1_559_188_800 * 10**9
STOCKS = {"AAPL": 13, "BRK.B": 1108, "ZVZZT": 65_535}


def written(folder: Path, data: bytes, name: str = "05302019.NASDAQ_ITCH50") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def told(records: np.ndarray) -> list[tuple]:
    """Records as (action, side, order id, price in 1e-4, size, flags, ns of the day, sequence)."""
    return [
        (
            chr(r["action"]), chr(r["side"]), int(r["order_id"]), int(r["price"]) // 100_000,
            int(r["size"]), int(r["flags"]), int(r["ts_event"]) - MIDNIGHT, int(r["sequence"]),
        )
        for r in records
    ]  # fmt: skip


def test_every_message_is_as_long_as_its_fields() -> None:
    for kind, length in itch_files.LENGTHS.items():
        assert len(message(kind, 1, 2)) == 2 + length == 2 + _itch.LENGTHS[ord(kind)], kind
    assert set(np.flatnonzero(_itch.LENGTHS)) == {ord(kind) for kind in itch_files.LENGTHS}


def test_each_type_becomes_what_databento_makes_of_it(tmp_path: Path) -> None:
    order = {"stock": "AAPL", "price": 1_000_000}
    data = b"".join([
        message("S", 0, 1, event="O"),
        message("R", 13, 2, stock="AAPL"),
        message("A", 13, 3, order=2**63 + 5, side="B", shares=300, **order),
        message("F", 13, 4, order=6, side="S", shares=50, stock="AAPL", price=1_000_100,
                attribution="NSDQ"),
        message("E", 13, 5, order=6, shares=20, match=1),
        message("C", 13, 6, order=6, shares=10, match=2, printable="Y", price=1_000_050),
        message("C", 13, 7, order=6, shares=20, match=3, printable="N", price=1_000_060),
        message("X", 13, 8, order=2**63 + 5, shares=100),
        message("U", 13, 9, order=2**63 + 5, new=9, shares=70, price=999_900),
        message("P", 13, 10, order=0, side="B", shares=5, stock="AAPL", price=1_000_049),
        message("Q", 13, 11, shares=4_000_000_000, stock="AAPL", price=1_000_000, cross="C"),
        message("Q", 13, 12, shares=0, stock="AAPL", price=0, cross="C"),
        message("B", 13, 13, match=1),
        message("D", 13, 14, order=9),
        message("S", 0, 15, event="C"),
        b"\0\0",  # the end of the session; what follows is none of it
        b"rest",
    ])  # fmt: skip
    output = tmp_path / "aapl.mbo.dbn"
    report = convert_itch(written(tmp_path, data), output)
    records = read_mbo(output)
    assert told(records[1:]) == [
        ("A", "B", 2**63 + 5, 1_000_000, 300, 128, 3, 3),
        ("A", "A", 6, 1_000_100, 50, 128, 4, 4),
        ("T", "B", 0, 1_000_100, 20, 0, 5, 5),
        ("F", "A", 6, 1_000_100, 20, 0, 5, 5),
        ("C", "A", 6, 1_000_100, 20, 128, 5, 5),
        ("T", "B", 0, 1_000_050, 10, 0, 6, 6),
        ("F", "A", 6, 1_000_050, 10, 0, 6, 6),
        ("C", "A", 6, 1_000_100, 10, 128, 6, 6),
        ("F", "A", 6, 1_000_060, 20, 0, 7, 7),
        ("C", "A", 6, 1_000_100, 20, 128, 7, 7),
        ("C", "B", 2**63 + 5, 1_000_000, 100, 128, 8, 8),
        ("C", "B", 2**63 + 5, 1_000_000, 200, 0, 9, 9),
        ("A", "B", 9, 999_900, 70, 128, 9, 9),
        ("T", "N", 0, 1_000_049, 5, 128, 10, 10),
        ("T", "N", 0, 1_000_000, 4_000_000_000, 128, 11, 11),
        ("C", "B", 9, 999_900, 70, 128, 14, 14),
    ]
    clear = records[0]
    assert (chr(clear["action"]), chr(clear["side"]), int(clear["price"])) == (
        "R",
        "N",
        UNDEF_PRICE,
    )
    assert (int(clear["ts_recv"]), int(clear["sequence"])) == (MIDNIGHT + 2, 2)
    assert set(records["publisher_id"]) == {2}
    assert set(records["instrument_id"]) == {13}
    assert (records["ts_recv"] == records["ts_event"]).all()
    assert (report.records, report.volume, report.unknown_orders) == (17, 4_000_000_035, 0)
    assert report.messages == {"S": 2, **dict.fromkeys("ABDEFPRUX", 1), "C": 2, "Q": 2}
    assert (report.date, report.notes) == ("2019-05-30", ())
    # Databento's client reads it, and names the stock also after midnight UTC.
    store = databento.DBNStore.from_bytes(output.read_bytes())
    assert (store.dataset, str(store.schema), store.symbols) == ("XNAS.ITCH", "mbo", ["AAPL"])
    (interval,) = store.mappings["AAPL"]
    assert (interval["start_date"], interval["end_date"]) == (DAY, dt.date(2019, 6, 1))
    assert interval["symbol"] == "13"
    assert store.to_df()["symbol"].unique().tolist() == ["AAPL"]


@pytest.fixture(scope="module")
def day() -> bytes:
    return itch_files.session(STOCKS, seed=3, count=6_000)


def test_a_day_is_what_the_slow_reader_makes_of_it(
    tmp_path: Path, day: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small enough for every limit to be met: data, output, table of orders.
    monkeypatch.setattr(itch, "_DATA_BYTES", 1_000)
    monkeypatch.setattr(itch, "_OUT_RECORDS", 7)
    monkeypatch.setattr(itch, "_ORDERS_MIN", 8)
    slow = Day(day)
    output = tmp_path / "day.mbo.dbn.zst"
    report = convert_itch(written(tmp_path, day), output)
    records = read_mbo(output)[len(STOCKS) :]
    found = [
        (int(r["instrument_id"]), int(r["ts_event"]) - MIDNIGHT, int(r["sequence"]),
         chr(r["action"]), chr(r["side"]), int(r["order_id"]), int(r["price"]) // 100_000,
         int(r["size"]))
        for r in records
    ]  # fmt: skip
    assert found == slow.records
    assert report.volume == slow.volume > 100_000
    assert report.messages == slow.counts
    assert set(report.messages) > set("AFECXDUPQBSRH")
    # The last record of each message, and no other, ends an event.
    last = np.append(records["sequence"][1:] != records["sequence"][:-1], True)
    assert (records["flags"] == np.where(last, 128, 0)).all()
    # The book of the records has the best prices that the messages say.
    books = {locate: NaiveBook() for locate in STOCKS.values()}
    best = {}
    for record in rows(records):
        book = books[record.instrument_id]
        book.apply(record)
        bids, asks = (book.sides[side] for side in "BA")
        best[record.sequence] = (
            record.instrument_id,
            max(bids, default=None),
            min(asks, default=None),
        )
    for number, locate, *prices in slow.best:
        assert best[number] == (locate, *(p and p * 100_000 for p in prices)), number


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("S053019-v50.txt.gz", gzip.compress),
        ("20190530.itch50.zst", lambda data: zstandard.ZstdCompressor().compress(data)),
    ],
)
def test_compressed_and_fewer_symbols(tmp_path: Path, day: bytes, name: str, pack: object) -> None:
    convert_itch(written(tmp_path, day), tmp_path / "all.dbn")
    report = convert_itch(
        written(tmp_path, pack(day), name), tmp_path / "two.dbn", symbols=["ZVZZT", "AAPL"]
    )
    every = read_mbo(tmp_path / "all.dbn")
    two = read_mbo(tmp_path / "two.dbn")
    assert two.tobytes() == every[every["instrument_id"] != 1108].tobytes()
    assert report.symbols == ("ZVZZT", "AAPL")
    assert {m.raw_symbol for m in inspect(str(tmp_path / "two.dbn")).mappings} == {"AAPL", "ZVZZT"}


def test_a_cut_file_says_where(tmp_path: Path, day: bytes) -> None:
    packed = gzip.compress(day)
    ends = [m["number"] for m in itch_parsed(day)]
    for data, name, expected in (
        (day[:-5], "a.itch50", rf"ends inside message {len(ends)} at byte offset {len(day) - 14}"),
        (packed[:-40], "a.itch50.gz", rf"ends at byte offset {len(packed) - 40}, inside its gzip"),
        (packed[:5_000] + b"\0" * 99 + packed[5_099:], "b.itch50.gz", "gzip data is corrupt|type"),
    ):
        with pytest.raises(FormatError, match=expected):
            convert_itch(written(tmp_path, data, name), tmp_path / "out.dbn", date=DAY)
    assert not [p for p in tmp_path.iterdir() if "out" in p.name]


def itch_parsed(data: bytes) -> list[dict]:
    from naive.itch import parsed

    return parsed(data)


START = [message("R", 13, 1, stock="AAPL"), message("A", 13, 2, order=5, side="B", shares=9)]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"\0\x0cs" + bytes(11), "expected a message type of ITCH 5.0, found b's'"),
        (b"\0\x0dS" + bytes(12), "expected 12 bytes for type S, found 13"),
        (message("A", 13, 3, order=5, side="B"), "type A adds an order that is there already"),
        (message("U", 13, 3, order=5, new=5), "type U adds an order that is there already"),
        (message("E", 13, 3, order=5, shares=10), "type E takes more shares than its order has"),
        (message("Q", 13, 3, shares=2**32), "a cross of more than 4,294,967,295 shares"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, bad: bytes, words: str) -> None:
    data = b"".join(START)
    with pytest.raises(FormatError, match=f"message 3 at byte offset {len(data)}: {words}"):
        convert_itch(written(tmp_path, data + bad), tmp_path / "out.dbn")


def test_what_deserves_a_look_is_said(tmp_path: Path) -> None:
    data = b"".join([
        *START,
        message("D", 13, 3, order=77),
        message("R", 14, 4, stock="LATE"),
        message("A", 14, 5, order=8, side="B", shares=9, stock="LATE"),
        message("R", 13, 6, stock="AAPL"),  # again: nothing new
        message("D", 13, 7, order=5),
    ])  # fmt: skip
    report = convert_itch(written(tmp_path, data), tmp_path / "out.dbn")
    assert [chr(a) for a in read_mbo(tmp_path / "out.dbn")["action"]] == ["R", "A", "C"]
    assert report.unknown_orders == 1
    unknown, late, cut = report.notes
    assert "1 messages are about orders that the file never added" in unknown
    assert late.endswith("announced after the first order: LATE")
    assert "may be cut" in cut
    renamed = data + message("R", 13, 8, stock="AAPX")
    with pytest.raises(FormatError, match="announces AAPX as stock 13, which is AAPL"):
        convert_itch(written(tmp_path, renamed), tmp_path / "out.dbn", force=True)
    with pytest.raises(NoDataError, match="has no LATE among the 1 stocks"):
        convert_itch(written(tmp_path, data), tmp_path / "b.dbn", symbols=["LATE"])


def test_who_is_stopped_leaves_nothing(tmp_path: Path, day: bytes) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    path = written(tmp_path, day)
    with pytest.raises(KeyboardInterrupt):
        convert_itch(path, tmp_path / "out.dbn", on_progress=stop)
    assert list(tmp_path.iterdir()) == [path]


def test_the_day_and_venue_are_in_the_name(tmp_path: Path) -> None:
    for name in ("20190530.itch50", "05302019.NASDAQ_ITCH50.gz", "S053019-v50.txt.gz"):
        assert (itch.is_itch(name), date_in(name)) == (True, DAY)
    assert itch.is_itch("day.itch.zst")
    for name in ("xnas-itch-20250717.mbo.dbn.zst", "xnas-itch50.csv.zst", "itchy.bin"):
        assert not itch.is_itch(name)
    assert itch.dataset_in("20190530.BX_ITCH_50.gz") == "XBOS.ITCH"
    assert itch.dataset_in("20190530.PSX_ITCH_50.gz") == "XPSX.ITCH"
    assert itch.dataset_in("20190530.itch50") == "XNAS.ITCH"
    path = written(tmp_path, b"".join(START), "BX.itch50")
    with pytest.raises(ConfigError, match="its name has no date: say the day"):
        convert_itch(path, tmp_path / "out.dbn")
    with pytest.raises(ConfigError, match=r"expected one of XNAS\.ITCH, XBOS\.ITCH"):
        convert_itch(path, tmp_path / "out.dbn", date=DAY, dataset="XNYS")
    convert_itch(path, tmp_path / "out.dbn", date=dt.date(2019, 12, 2))
    first = read_mbo(tmp_path / "out.dbn")[0]
    assert first["publisher_id"] == 3
    # In December New York is five hours behind.
    assert int(first["ts_recv"]) == midnight_ns(dt.date(2019, 12, 2)) + 1
    assert midnight_ns(dt.date(2019, 12, 2)) == 1_575_262_800 * 10**9


def test_the_command(tmp_path: Path, day: bytes, tapewire_here: Any) -> None:
    written(tmp_path, day)
    packed = written(tmp_path, day, "nasdaq.bin")
    said = tapewire_here(
        "data", "convert", "05302019.NASDAQ_ITCH50", "-o", "a.dbn.zst", "--symbols", "AAPL"
    )
    assert said.returncode == 0, said.stderr
    assert "records from" in said.stdout
    assert "1 symbols" in said.stdout
    options = ("--from", "itch", "--date", "2019-05-30", "--json")
    said = tapewire_here("data", "convert", packed, "-o", "b.dbn", *options, "--symbols", "AAPL")
    report = json.loads(said.stdout)
    assert (report["symbols"], report["dataset"], report["notes"]) == (["AAPL"], "XNAS.ITCH", [])
    assert read_mbo(tmp_path / "a.dbn.zst").tobytes() == read_mbo(tmp_path / "b.dbn").tobytes()
    for arguments, words in (
        (["05302019.NASDAQ_ITCH50", "x.dbn"], "expected one ITCH or LOBSTER file at a time"),
        (["05302019.NASDAQ_ITCH50", "--start", "2019"], "--start: not for an ITCH file"),
        (["nasdaq.bin", "--date", "2019-05-30"], "only for an ITCH file: say so with --from itch"),
        (["a.itch50", "--date", "May"], "--date: expected a day like 2019-05-30, found 'May'"),
    ):
        said = tapewire_here("data", "convert", *arguments, "-o", "c.dbn")
        assert (said.returncode, words in said.stderr) == (2, True), said.stderr
