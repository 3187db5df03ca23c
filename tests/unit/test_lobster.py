"""LOBSTER as MBO: by hand, the stated book after every message, and what is wrong with a file."""

import json
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pytest

import lobster_files
from naive.book import NaiveBook, rows
from naive.dbn import read_mbo
from tapewire.errors import ConfigError, FormatError, MissingFileError, NoDataError
from tapewire.market.records import F_LAST, F_SNAPSHOT
from tapewire.replay import lobster, number_rows
from tapewire.replay.conversions import convert_lobster
from tapewire.replay.lobster import FIRST_REST_ID

#: 04:00 UTC on 21 June 2012: New York is four hours behind.
MIDNIGHT = 1_340_251_200 * 10**9
START = 34_200 * 10**9


def told(records: np.ndarray) -> list[tuple]:
    """Records as (action, side, order id, price in 1e-4, size, ns of the day, row)."""
    return [
        (
            chr(r["action"]), chr(r["side"]), int(r["order_id"]), int(r["price"]) // 100_000,
            int(r["size"]), int(r["ts_event"]) - MIDNIGHT, int(r["sequence"]),
        )
        for r in records
    ]  # fmt: skip


def test_each_type_by_hand(tmp_path: Path) -> None:
    """Bids 99.99 × 100 (older) and asks 100.01 × 50 (older) before the first message."""
    none = (lobster_files.NO_BID, 0)
    messages = [
        "34200.000000001,1,11,30,999900,1",  # joins the older 100
        "34200.5,4,7,40,999900,1",  # of the older
        "34201,2,11,10,999900,1",
        "34202.123456789,3,8,50,1000100,-1",  # the older ask goes
        "34203,5,0,60,1000000,1",
        "34204,6,-1,70,1000050,1",
        "34205,7,0,0,-1,-1",
        "34206,4,11,20,999900,1",
    ]
    bids = [130, 90, 80, 80, 80, 80, 80, 60]
    book = [[1_000_100, 50] if k < 3 else [lobster_files.NO_ASK, 0] for k in range(8)]
    stated = [[*ask, 999_900, bid] for ask, bid in zip(book, bids, strict=True)]
    assert none[1] == 0
    path = lobster_files.write(tmp_path, messages, stated, 1)
    report = convert_lobster(path, tmp_path / "out.dbn")
    records = read_mbo(tmp_path / "out.dbn")
    bid, ask = FIRST_REST_ID, FIRST_REST_ID + 1
    assert [(*r[:5], r[6]) for r in told(records[1:3])] == [
        ("A", "B", bid, 999_900, 100, 0),
        ("A", "A", ask, 1_000_100, 50, 0),
    ]
    assert chr(records["action"][0]) == "R"
    assert records["flags"][:3].tolist() == [F_SNAPSHOT, F_SNAPSHOT, F_SNAPSHOT | F_LAST]
    assert set(records["ts_event"][:3].tolist()) == {MIDNIGHT + START}
    second = 10**9
    assert told(records[3:]) == [
        ("A", "B", 11, 999_900, 30, START + 1, 1),
        ("T", "A", 0, 999_900, 40, START + second // 2, 2),
        ("F", "B", bid, 999_900, 40, START + second // 2, 2),
        ("C", "B", bid, 999_900, 40, START + second // 2, 2),
        ("C", "B", 11, 999_900, 10, START + second, 3),
        ("C", "A", ask, 1_000_100, 50, START + 2 * second + 123_456_789, 4),
        ("T", "N", 0, 1_000_000, 60, START + 3 * second, 5),
        ("T", "N", 0, 1_000_050, 70, START + 4 * second, 6),
        ("T", "A", 0, 999_900, 20, START + 6 * second, 8),
        ("F", "B", 11, 999_900, 20, START + 6 * second, 8),
        ("C", "B", 11, 999_900, 20, START + 6 * second, 8),
    ]
    assert (records["flags"][3:] == [128, 0, 0, 128, 128, 128, 128, 128, 0, 0, 128]).all()
    assert (report.volume, report.unknown_orders, report.notes) == (190, 0, ())
    assert report.messages == {"1": 1, "2": 1, "3": 1, "4": 2, "5": 1, "6": 1, "7": 1}
    store = databento.DBNStore.from_bytes((tmp_path / "out.dbn").read_bytes())
    assert (store.dataset, store.symbols) == ("XNAS.ITCH", ["AAPL"])


@pytest.mark.parametrize(
    ("depth", "seed", "older", "most"),
    # Thin books, too: levels go while they are out of range, sides have fewer than are stated.
    [(1, 1, 60, 999), (2, 2, 9, 9), (5, 3, 12, 12), (5, 4, 60, 999), (30, 5, 60, 999)],
)
def test_the_book_is_the_stated_one_after_every_message(
    tmp_path: Path, depth: int, seed: int, older: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small enough for every limit to be met: blocks, output, levels, orders.
    monkeypatch.setattr(number_rows, "_BLOCK_BYTES", 20_000)
    monkeypatch.setattr(lobster, "_OUT_RECORDS", 16)
    monkeypatch.setattr(lobster, "_LEVELS_MIN", 31)
    monkeypatch.setattr(lobster, "_ORDERS_MIN", 4)
    messages, stated = lobster_files.market(seed, 3_000, depth, older, most)
    path = lobster_files.write(tmp_path, messages, stated, depth)
    report = convert_lobster(path, tmp_path / "out.dbn.zst")
    records = read_mbo(tmp_path / "out.dbn.zst")
    book = NaiveBook()
    states = {}
    for record in rows(records):
        book.apply(record)
        if record.flags & F_LAST:
            sides = {
                side: {p: sum(o.size for o in orders) for p, orders in book.sides[side].items()}
                for side in "BA"
            }
            asks, bids = sorted(sides["A"].items()), sorted(sides["B"].items(), reverse=True)
            states[record.sequence] = (asks[:depth], bids[:depth])
    assert len(states) > 2_000
    state = states[0]
    for number, row in enumerate(stated, 1):
        state = states.get(number, state)
        asks = [(p * 100_000, q) for p, q in zip(row[0::4], row[1::4], strict=True) if q]
        bids = [(p * 100_000, q) for p, q in zip(row[2::4], row[3::4], strict=True) if q]
        assert state == (asks, bids), number
    trades = [line.split(",") for line in messages if line.split(",")[1] in "456"]
    assert report.volume == sum(int(trade[3]) for trade in trades)
    assert report.unknown_orders == 0
    is_trade = records["action"] == ord("T")
    assert int(records["size"][is_trade].sum()) == report.volume
    # With all levels stated nothing comes into range, and every order is found.
    assert (report.notes == ()) == (depth == 30)
    times = [line.split(",")[0].split(".") for line in messages]
    last = int(times[-1][0]) * 10**9 + int(
        (times[-1][1] if len(times[-1]) > 1 else "").ljust(9, "0")
    )
    assert report.last_ts_recv <= MIDNIGHT + last
    assert (np.diff(records["ts_recv"].astype(np.int64)) >= 0).all()


GOOD = "34200.1,1,11,30,999900,1"
ROW = [[1_000_100, 50, 999_900, 30]]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([GOOD, "34200.2,8,12,30,999900,1"], r"line 2: expected a type of 1 to 7.* found 8,12,30"),
        ([GOOD, "34200.2,1,12,30,999900,0"], "line 2: .* found 1,12,30,999900,0"),
        ([GOOD, "34200.2,1,11,30,999900,1"], "line 2: .*the id of a new order"),
        ([GOOD, "34200.2,1,12,-3,999900,1"], "line 2: .* found 1,12,-3"),
        ([GOOD, "34200.2,2,11,0,999900,1"], "line 2: .* found 2,11,0"),
        ([GOOD, f"34200.2,5,0,{2**32},999900,1"], f"line 2: .* found 5,0,{2**32}"),
        (
            [GOOD, "34200.2,1,12,30,999900"],
            "1 good rows: expected 6 numbers .* '34200.2,1,12,30,999900'",
        ),
        ([GOOD, "34200.2,1,12,x,999900,1"], "expected 6 numbers a row.* '34200.2,1,12,x,999900,1'"),
        ([GOOD, "34200.1234567891,1,12,3,999900,1"], "as many decimals, found '34200.1234"),
        ([GOOD], r"orderbook_1.csv, which has more|message_1.csv: ends after 1 rows; expected as"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    path = lobster_files.write(tmp_path, lines, ROW * 2, 1)
    with pytest.raises(FormatError, match=words):
        convert_lobster(path, tmp_path / "out.dbn")
    assert not (tmp_path / "out.dbn").exists()


@pytest.mark.parametrize(
    ("line", "row", "words"),
    [
        ("34200.2,1,12,30,92233720368547,1", ROW[0],
         "message_1.csv: line 2: expected price .* 92,233,720,368,546, found 92,233,720,368,547"),
        (GOOD.replace(",11,", ",12,"), [10**17, 50, 999_900, 30],
         r"book_1.csv: line 2: expected prices"),
        (GOOD.replace(",11,", ",12,"), [1_000_100, 2**32, 999_900, 30],
         f"line 2: expected sizes from 0 to 4,294,967,295, found {2**32:,}"),
        (GOOD.replace(",11,", ",12,"), [1_000_100, 50, 999_900, -1], "line 2: expected sizes"),
    ],
)  # fmt: skip
def test_numbers_that_no_record_holds_are_refused_with_their_line(
    tmp_path: Path, line: str, row: list[int], words: str
) -> None:
    path = lobster_files.write(tmp_path, [GOOD, line], [ROW[0], row], 1)
    with pytest.raises(FormatError, match=words):
        convert_lobster(path, tmp_path / "out.dbn")


def test_levels_before_the_first_message_hold_too(tmp_path: Path) -> None:
    path = lobster_files.write(
        tmp_path, [f"34200.1,4,11,{2**32 - 1},1000100,-1"], [[1_000_100, 50, 999_900, 30]], 1
    )
    with pytest.raises(FormatError, match="line 1: expected levels of at most 4,294,967,295"):
        convert_lobster(path, tmp_path / "out.dbn")


def test_both_files_belong_together(tmp_path: Path) -> None:
    path = lobster_files.write(tmp_path, [GOOD], ROW, 1)
    assert lobster.is_lobster(path)
    assert not lobster.is_lobster("AAPL.csv")
    (tmp_path / "AAPL_2012-06-21_34200000_57600000_orderbook_1.csv").unlink()
    with pytest.raises(MissingFileError, match=r"orderbook_1\.csv: no such file; a message"):
        convert_lobster(path, tmp_path / "out.dbn")
    with pytest.raises(ConfigError, match="expected LOBSTER's name"):
        convert_lobster(tmp_path / "aapl.csv", tmp_path / "out.dbn")
    with pytest.raises(ConfigError, match="expected 1 to 1000 levels in its name, found 0"):
        convert_lobster(str(path).replace("_1.csv", "_0.csv"), tmp_path / "out.dbn")
    empty = lobster_files.write(tmp_path, [], [], 1)
    with pytest.raises(NoDataError, match="has no messages"):
        convert_lobster(empty, tmp_path / "out.dbn")


def test_the_command(tmp_path: Path, tapewire_here: Any) -> None:
    path = lobster_files.write(tmp_path, [GOOD, "34200.2,4,7,9,999900,1"], [*ROW, ROW[0]], 1)
    said = tapewire_here("data", "convert", path.name, "-o", "a.dbn", "--json")
    report = json.loads(said.stdout)
    assert (report["symbols"], report["volume"], report["unknown_orders"]) == (["AAPL"], 9, 1)
    (note,) = report["notes"]
    assert note.startswith("1 messages are about shares that neither an order nor a level has")
    said = tapewire_here("data", "convert", path.name, "-o", "b.dbn", "--symbols", "AAPL")
    assert (said.returncode, "--symbols: not for a LOBSTER file" in said.stderr) == (2, True)
