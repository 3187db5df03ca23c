"""What a pass over a capture counts, against its twin and against what was done to a sound one."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from generated import Market
from naive.book import NaiveBooks, rows
from naive.capture import fills_in
from naive.dbn import read_mbo
from tapewire.capture import CaptureCounts, CapturePass
from tapewire.capture.layout import AHEAD, AHEAD_KEPT_MAX
from tapewire.market.records import MBO_DTYPE

DataFile = Callable[[str], Path]


def counted(records: np.ndarray, step: int = 97) -> CaptureCounts:
    capture = CapturePass()
    for at in range(0, len(records), step):
        capture.feed(records[at : at + step])
    return capture.finish()


def assert_fills(records: np.ndarray, step: int = 97) -> CaptureCounts:
    """The fills are those of the twin, and so are the times that books were crossed."""
    found, twin = counted(records, step), fills_in(list(rows(records)))
    assert found.sizes["excess_fills"] == twin.pop("excess", 0)
    assert {name: n for name, n in found.fills.items() if n} == {k: n for k, n in twin.items() if n}
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_small_venue_and_the_same_with_queues_shuffled(seed: int) -> None:
    """Fills of other orders of the same queue than the venue's: some of them jump."""
    market = Market(random.Random(seed))
    while len(market.rows) < 1_500:
        market.step(crossing=True)
    records = np.array(market.rows, MBO_DTYPE)
    sound = assert_fills(records)
    assert sound.fills["direct"] > 20
    draw = random.Random(seed)
    books = NaiveBooks()
    shuffled = records.copy()
    for i, r in enumerate(rows(records)):
        key = r.publisher_id, r.instrument_id
        if chr(r.action) == "F" and key in books.books and draw.random() < 0.5:
            order = books.books[key].orders.get(r.order_id)
            if order is not None:
                queue = books.books[key].sides[order.side][order.price]
                shuffled["order_id"][i] = draw.choice(queue).order_id
        books.step(r)
    assert assert_fills(shuffled).fills["jumped"] > 0


def test_an_event_that_never_ends_is_judged_in_parts_and_memory_stays_bounded() -> None:
    """Two orders: the first is filled again and again, and once, behind it, the second."""
    fills = AHEAD_KEPT_MAX + 10_000
    records = np.zeros(2 + fills, MBO_DTYPE)
    records["length"], records["rtype"], records["publisher_id"] = 14, 160, 1
    records["instrument_id"], records["price"], records["side"] = 1, 10**9, ord("B")
    records["action"][:2], records["action"][2:] = ord("A"), ord("F")
    records["order_id"], records["size"] = 1, 10**9
    records["order_id"][1], records["size"][2:] = 2, 1
    records["order_id"][100] = 2
    records["ts_recv"], records["ts_event"] = 5, 5
    capture = CapturePass()
    capture.feed(records)
    assert capture.nbytes < 2 * AHEAD_KEPT_MAX * AHEAD.itemsize
    fills_found = {name: n for name, n in capture.finish().fills.items() if n}
    assert fills_found == {"direct": fills - 1, "behind_filled": 1}


def test_the_fills_of_a_real_hour(data_file: DataFile) -> None:
    """What the venue did to 6,371 orders: the same fills as were found by hand."""
    records = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))
    found = assert_fills(records, 65_536)
    fills = found.fills
    assert fills["direct"] == 5_700
    assert fills["behind_cancelled"] + fills["behind_filled"] == 529
    assert (fills["own"] + fills["auction"], fills["unknown"], fills["jumped"]) == (142, 0, 0)
    assert found.gaps["crossed_before_trading"] + found.gaps["locked_before_trading"] == 891
    assert found.sizes["excess_cancels"] == found.book["unknown_cancels"] == 0


def test_how_long_books_are_crossed() -> None:
    """Two books, one of them crossed twice, one to the end; in ns of ts_recv."""
    lines = [  # (ns, instrument, action, side, id, price)
        (10, 1, "A", "B", 1, 10), (20, 1, "A", "A", 2, 9), (25, 2, "A", "B", 3, 5),
        (50, 1, "C", "A", 2, 9), (60, 1, "A", "A", 4, 9), (61, 1, "C", "A", 4, 9),
        (70, 2, "A", "A", 5, 4), (90, 2, "A", "A", 6, 5), (95, 1, "A", "A", 7, 10),
        (100, 1, "A", "B", 8, 3),
    ]  # fmt: skip
    records = np.array(
        [
            (14, 160, 1, k, ns, order_id, price, 1, 128, 0, ord(action), ord(side), ns, 0, i)
            for i, (ns, k, action, side, order_id, price) in enumerate(lines)
        ],
        MBO_DTYPE,
    )
    gaps = counted(records, 3).gaps
    assert gaps["crossed_ns"] == (50 - 20) + (61 - 60) + (100 - 70)
    assert gaps["locked_ns"] == 100 - 95
    assert (gaps["crossed_events"], gaps["locked_events"]) == (4, 2)
