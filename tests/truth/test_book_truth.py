"""Both books against the exchange's and the vendor's own word."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from naive.book import F_LAST, F_SNAPSHOT, UNDEF_PRICE, NaiveBooks, Record, rows
from naive.dbn import read_mbo
from naive.twins import BOTH, Top
from tapewire.inputs.books import write_book
from tapewire.market import BookSet

DataFile = Callable[[str], Path]
DEPTH = 10
ESH4 = (1, 17077)
ESH4_25 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
ESH4_24 = "glbx/esh4-glbx-mdp3-20231224.mbo.dbn.zst"
ESM4 = "glbx/esm4-glbx-mdp3-20240508-snapshot.mbo.dbn.zst"
DBEQ = "dbeq/dbeq-basic-20240403.mbo.dbn.zst"
COLUMNS = [
    f"{side}_{what}_{k:02d}" for side in ("bid", "ask") for k in range(DEPTH)
    for what in ("px", "sz", "ct")
]  # fmt: skip


def levels_of(row: dict[str, Any]) -> Top:
    values = [int(row[c]) for c in COLUMNS]
    return tuple(tuple(values[i : i + 3]) for i in range(0, len(values), 3))  # type: ignore[misc]


def tops_after_each_record(
    book: Any, records: np.ndarray
) -> Iterator[tuple[np.void, tuple[int, int], Top]]:
    for i in range(len(records)):
        r = records[i]
        key = int(r["publisher_id"]), int(r["instrument_id"])
        book.apply(records[i : i + 1])
        yield r, key, book.top(key, DEPTH)


@pytest.mark.parametrize("make", BOTH)
def test_dbeq_2024_equals_the_official_mbp_10(make: Any, data_file: DataFile) -> None:
    records = read_mbo(data_file("truth/dbeq-20240131/mbo.dbn.zst"))
    seen: dict[tuple[int, ...], set[Top]] = defaultdict(set)
    for r, key, top in tops_after_each_record(make(), records):
        seen[(*key, int(r["sequence"]), int(r["ts_recv"]))].add(top)
    table = pq.read_table(data_file("truth/dbeq-20240131/mbp.parquet"))
    table = table.set_column(
        table.schema.get_field_index("ts_recv"), "ts_recv", table["ts_recv"].cast("int64")
    )
    end = int(records["ts_recv"][-1])
    compared, wrong = 0, []
    for row in table.to_pylist():
        if row["ts_recv"] <= end:
            compared += 1
            id_ = (row["publisher_id"], row["instrument_id"], row["sequence"], row["ts_recv"])
            if levels_of(row) not in seen[id_]:
                wrong.append(id_)
    assert compared == 21_722
    # The MBO file is cut in the middle of its last event, so that one row has no counterpart.
    last = records[-1]
    assert wrong == [
        tuple(int(last[n]) for n in ("publisher_id", "instrument_id", "sequence", "ts_recv"))
    ]


def read_arl(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        for c in COLUMNS:
            if "_px_" in c:
                row[c] = int(Decimal(row[c]) * 10**9) if row[c] else UNDEF_PRICE
    return table


@pytest.mark.parametrize("make", BOTH)
def test_xnas_2025_equals_the_official_mbp_10(make: Any, data_file: DataFile) -> None:
    records = read_mbo(data_file("truth/xnas-arl-20250717/mbo.dbn.zst"))
    seen: dict[int, set[Top]] = defaultdict(set)
    for r, _, top in tops_after_each_record(make(), records):
        seen[int(r["sequence"])].add(top)
    expected = read_arl(data_file("truth/xnas-arl-20250717/mbp.csv"))
    assert len(expected) == 3_928
    wrong = [r["sequence"] for r in expected if levels_of(r) not in seen[int(r["sequence"])]]
    assert wrong == []


def test_the_book_file_holds_every_official_row(data_file: DataFile, tmp_path: Path) -> None:
    """What a user does: `tapewire data book`, then compare with the vendor's own levels."""
    path = tmp_path / "book.parquet"
    write_book(data_file("truth/xnas-arl-20250717/mbo.dbn.zst"), path)
    seen: dict[int, set[Top]] = defaultdict(set)
    for row in pq.read_table(path).to_pylist():
        seen[row["sequence"]].add(levels_of(row))
    expected = read_arl(data_file("truth/xnas-arl-20250717/mbp.csv"))
    assert len(expected) == 3_928
    assert all(levels_of(row) in seen[int(row["sequence"])] for row in expected)


def test_event_rows_equal_the_official_rows_that_close_an_event(data_file: DataFile) -> None:
    records = read_mbo(data_file("truth/xnas-arl-20250717/mbo.dbn.zst"))
    source, *columns = BookSet().depth_rows(records, DEPTH)
    # (rows, side, level, what) → one tuple of levels per row
    flat = np.stack(columns, axis=-1).reshape(len(source), 2 * DEPTH, 3)
    seen: dict[int, set[Top]] = defaultdict(set)
    for i, levels in zip(source.tolist(), flat.tolist(), strict=True):
        seen[int(records["sequence"][i])].add(tuple(map(tuple, levels)))
    closing = [
        row
        for row in read_arl(data_file("truth/xnas-arl-20250717/mbp.csv"))
        if int(row["flags"]) & F_LAST
    ]
    assert len(closing) == 3_171
    assert all(levels_of(row) in seen[int(row["sequence"])] for row in closing)


@pytest.mark.parametrize("make", BOTH)
def test_esh4_ends_with_the_book_of_the_manifest(make: Any, data_file: DataFile) -> None:
    book = make()
    book.apply(read_mbo(data_file(ESH4_25)))
    assert len(book.queue(ESH4, "B")) + len(book.queue(ESH4, "A")) == 11_217
    bid, ask = book.top(ESH4, 1)
    assert bid == (4_810_000_000_000, 22, 22)
    assert ask == (4_810_250_000_000, 28, 18)
    assert book.counts["unknown_cancels"] == book.counts["unknown_modifies"] == 0
    assert book.counts["locked_events"] + book.counts["crossed_events"] == 891


@pytest.mark.parametrize("make", BOTH)
def test_the_snapshot_of_the_24th_is_that_of_the_25th(make: Any, data_file: DataFile) -> None:
    whole = read_mbo(data_file(ESH4_25))
    start = whole[(whole["flags"] & F_SNAPSHOT) != 0]
    before, after = make(), make()
    before.apply(read_mbo(data_file(ESH4_24)))
    after.apply(start)
    for side, levels in (("B", 892), ("A", 559)):
        assert before.queue(ESH4, side) == after.queue(ESH4, side)
        assert len(before.levels(ESH4, side)) == levels
    bid, ask = before.top(ESH4, 1)
    assert (bid[0], ask[0]) == (4_799_000_000_000, 4_799_500_000_000)


@pytest.mark.parametrize("make", BOTH)
def test_a_snapshot_repeated_in_mid_stream_changes_nothing(make: Any, data_file: DataFile) -> None:
    """The live part after the snapshot twice in a row ends in the same book."""
    records = read_mbo(data_file(ESH4_25))
    snapshot = records[(records["flags"] & F_SNAPSHOT) != 0]
    once, twice = make(), make()
    once.apply(records)
    twice.apply(snapshot)
    twice.apply(records)
    for side in "BA":
        assert once.queue(ESH4, side) == twice.queue(ESH4, side)


@pytest.mark.parametrize("make", BOTH)
def test_esm4_ends_with_the_book_of_the_manifest(make: Any, data_file: DataFile) -> None:
    book = make()
    book.apply(read_mbo(data_file(ESM4)))
    assert book.top((1, 5602), 1) == (
        (5_214_000_000_000, 28, 22),
        (5_214_250_000_000, 17, 11),
    )


@pytest.mark.parametrize("make", BOTH)
def test_dbeq_knows_every_order_id_of_the_venue_with_orders(make: Any, data_file: DataFile) -> None:
    records = read_mbo(data_file(DBEQ))
    book = make()
    book.apply(records[records["publisher_id"] == 39])
    assert book.counts["records"] == 36_992
    assert book.counts["unknown_cancels"] == book.counts["unknown_modifies"] == 0


@pytest.mark.parametrize("make", BOTH)
def test_top_of_book_publishers_have_one_level_a_side_and_no_queue(
    make: Any, data_file: DataFile
) -> None:
    records = read_mbo(data_file(DBEQ))
    quotes = records[np.isin(records["publisher_id"], (40, 41))]
    book = make()
    book.apply(quotes)
    assert sorted(book.book_keys()) == [(40, 7151), (40, 7152), (41, 7151), (41, 7152)]
    for key in book.book_keys():
        mine = quotes[(quotes["publisher_id"] == key[0]) & (quotes["instrument_id"] == key[1])]
        for side in "BA":
            last = mine[(mine["action"] == ord("A")) & (mine["side"] == ord(side))][-1]
            empty = int(last["price"]) == UNDEF_PRICE
            expected = [] if empty else [(int(last["price"]), int(last["size"]), 0)]
            assert book.levels(key, side) == expected


def test_the_venue_is_fifo_when_judged_per_event(data_file: DataFile) -> None:
    """Every passive fill of ESH4 hits the front of its queue."""
    books, seen, event = NaiveBooks(), Counter[str](), list[Record]()
    for r in rows(read_mbo(data_file(ESH4_25))):
        event.append(r)
        if not r.flags & F_LAST:
            continue
        if any(chr(x.action) == "F" for x in event):
            seen += fills_of(event, books)
        books.apply(event)
        event.clear()
    assert seen["own"] == 142
    assert seen["direct"] == 5_700
    assert seen["behind cancelled"] + seen["behind filled"] == 529
    assert seen["jump"] == 0


def fills_of(event: list[Record], books: NaiveBooks) -> Counter[str]:
    """What stood ahead of each passive fill when the event began."""
    seen: Counter[str] = Counter()
    book = books.books[ESH4]
    filled = {x.order_id for x in event if chr(x.action) == "F"}
    cancelled = {x.order_id for x in event if chr(x.action) == "C"} - filled
    lots: Counter[int | None] = Counter()
    aggressor = event[0]
    for x in event:
        if chr(x.action) == "T":
            aggressor = x
        if chr(x.action) != "F":
            continue
        if x.side == aggressor.side or x.order_id == aggressor.order_id:
            seen["own"] += 1
            continue
        order = book.orders[x.order_id]
        assert order.price == x.price
        queue = book.sides[order.side][order.price]
        ahead = [o for o in queue[: queue.index(order)] if lots[o.order_id] < o.size]
        lots[x.order_id] += x.size
        standing = [o for o in ahead if o.order_id not in cancelled]
        if not ahead:
            seen["direct"] += 1
        elif not standing:
            seen["behind cancelled"] += 1
        elif all(o.order_id in filled for o in standing):
            seen["behind filled"] += 1
        else:
            seen["jump"] += 1
    return seen
