"""The compiled book equals its naive twin, on generated streams and on every real file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive.book import UNDEF_PRICE, NaiveBooks, rows
from naive.dbn import read_mbo
from naive.twins import Compiled, Naive, assert_equal
from tapewire.market import BookSet
from tapewire.market.records import MBO_DTYPE
from tapewire.replay.synth import SyntheticSession

LAST, TOB, SNAPSHOT, MBP = 128, 64, 32, 16


# --- generated streams ----------------------------------------------------------------------------

#: Few of everything, so that ids, prices and books meet again; the edges of the types among them.
prices = st.one_of(
    st.integers(0, 3).map(lambda k: k * 250_000_000),
    st.sampled_from([UNDEF_PRICE, -(10**15), 7_812_500]),
)
sizes = st.one_of(st.integers(1, 4), st.sampled_from([0, 1_000, 2**31 + 7, 2**32 - 1]))
ids = st.one_of(st.integers(0, 5), st.just(2**64 - 5))
flags = st.sampled_from([LAST, LAST, LAST, 0, 0, LAST | 2, LAST | 8])
bits = st.integers(0, 1)


@st.composite
def records(draw: st.DrawFn, publishers: list[int], kinds: str, snapshots: bool) -> tuple[Any, ...]:
    action = draw(st.sampled_from(kinds))
    flag = draw(flags)
    publisher = draw(st.sampled_from(publishers))
    if publisher == 40 and action == "A":
        flag |= TOB
    if snapshots and draw(bits):
        flag |= SNAPSHOT
    if action == "R" and draw(bits):
        flag |= MBP
    return (
        publisher, draw(st.sampled_from([1, 1, 1, 2])), draw(ids), draw(prices), draw(sizes),
        flag, action, draw(st.sampled_from("BBBAAAN")), draw(bits), draw(bits),
    )  # fmt: skip


def stream(rows_: list[tuple[Any, ...]]) -> np.ndarray:
    out = np.zeros(len(rows_), MBO_DTYPE)
    event = recv = 1_700_000_000_000_000_000
    for i, row in enumerate(rows_):
        publisher, instrument, order_id, price, size, flag, action, side, step, wait = row
        event += step
        recv += wait
        out[i] = (
            14, 160, publisher, instrument, event, order_id, price, size, flag, 0,
            ord(action), ord(side), recv, 0, i,
        )  # fmt: skip
    return out


def compare(tape: np.ndarray, steps: list[int]) -> None:
    """Apply a stream to both in the same uneven batches, and compare after each."""
    naive, compiled = Naive(), Compiled()
    i = k = 0
    while i < len(tape):
        n = steps[k % len(steps)]
        naive.apply(tape[i : i + n])
        compiled.apply(tape[i : i + n])
        assert_equal(naive, compiled)
        i += n
        k += 1


batches = st.lists(st.integers(1, 7), min_size=1, max_size=4)
many = {"min_size": 4, "max_size": 60}


@given(st.lists(records([1], "AAAAMMMCCCTFFN", False), **many), batches)
@settings(max_examples=250)
def test_live_records_of_one_venue(tape: list[tuple[Any, ...]], steps: list[int]) -> None:
    compare(stream(tape), steps)


@given(st.lists(records([1, 39], "AAAAMMMCCCTFFRN", True), **many), batches)
@settings(max_examples=250)
def test_snapshots_and_clears_at_any_time(tape: list[tuple[Any, ...]], steps: list[int]) -> None:
    compare(stream(tape), steps)


@given(st.lists(records([1, 40], "AAAAMMCCTFR", True), **many), batches)
@settings(max_examples=150)
def test_top_of_book_publishers_beside_others(
    tape: list[tuple[Any, ...]], steps: list[int]
) -> None:
    compare(stream([r for r in tape if r[0] != 40 or r[6] in "ATR"]), steps)


@given(st.lists(records([40], "AAAAMMMCCCTFFRN", True), **many), st.data())
@settings(max_examples=150)
def test_orders_and_quotes_on_one_book(tape: list[tuple[Any, ...]], data: st.DataObject) -> None:
    """No venue does this; the book stays sound and equal to its twin all the same."""
    rows_ = [(*r[:5], r[5] & ~TOB, *r[6:]) if data.draw(st.booleans()) else r for r in tape]
    compare(stream(rows_), [1])


@given(st.lists(records([1], "AAAAMMMCCCTFF", True), min_size=1, max_size=25))
@settings(max_examples=100)
def test_a_snapshot_of_a_book_is_that_book(tape: list[tuple[Any, ...]]) -> None:
    """Whatever came before, a snapshot in queue order gives back the queues it was taken from."""
    naive, compiled = Naive(), Compiled()
    start = stream(tape)
    naive.apply(start)
    compiled.apply(start)
    for key in naive.book_keys():
        orders = [(s, *o) for s in "BA" for o in naive.queue(key, s)]
        parts = [
            (*key, id_, price, size, SNAPSHOT | 8 | (LAST if k == len(orders) - 1 else 0),
             "A", side, 1, 1)
            for k, (side, price, id_, size) in enumerate(orders)
        ]  # fmt: skip
        before = {s: naive.queue(key, s) for s in "BA"}
        naive.apply(stream(parts))
        compiled.apply(stream(parts))
        assert {s: compiled.queue(key, s) for s in "BA"} == before
    assert_equal(naive, compiled)


@given(st.lists(records([1, 40], "AAAAMMMCCCTFFRN", True), **many), st.integers(1, 4))
@settings(max_examples=100)
def test_depth_rows_are_the_tops_after_every_event(tape: list[tuple[Any, ...]], depth: int) -> None:
    records_ = stream([r for r in tape if r[0] != 40 or r[6] in "ATR"])
    naive = NaiveBooks()
    expected = []
    for i, r in enumerate(rows(records_)):
        if naive.step(r):
            book = naive.books[r.publisher_id, r.instrument_id]
            for side in "BA":
                levels = book.levels(side, depth)
                expected.append((i, levels + [(UNDEF_PRICE, 0, 0)] * (depth - len(levels))))
    source, *columns = BookSet().depth_rows(records_, depth)
    found = np.stack(columns, axis=-1).reshape(-1, depth, 3).tolist()
    assert [(i, [tuple(x) for x in levels]) for i, levels in zip(
        np.repeat(source, 2).tolist(), found, strict=True
    )] == expected  # fmt: skip


# --- cases that were once wrong, or would be easy to get wrong ------------------------------------

TICK = 250_000_000
ADD_5 = (1, 1, 5, TICK, 3, LAST, "A", "B", 1, 1)
#: A snapshot begins without order 5, and is not over yet.
BEGIN = (1, 1, 6, TICK, 3, SNAPSHOT, "A", "B", 1, 1)
END = (1, 1, 7, TICK, 3, SNAPSHOT | LAST, "A", "B", 1, 1)
CASES = {
    "a cancel of an order the snapshot has not confirmed": [
        ADD_5, BEGIN, (1, 1, 5, TICK, 3, SNAPSHOT, "C", "B", 1, 1), END,
    ],
    "a modify of an order the snapshot has not confirmed": [
        ADD_5, BEGIN, (1, 1, 5, TICK, 2, SNAPSHOT, "M", "B", 1, 1), END,
    ],
    "a modify to nothing of an order the snapshot has not confirmed": [
        ADD_5, BEGIN, (1, 1, 5, TICK, 0, SNAPSHOT, "M", "B", 1, 1), END,
    ],
    "a fill of an order the snapshot has not confirmed": [
        ADD_5, BEGIN, (1, 1, 5, TICK, 2, SNAPSHOT, "F", "B", 1, 1), END,
    ],
    "an order that came by a modify between a snapshot's clear and its adds": [
        (1, 1, 0, UNDEF_PRICE, 0, SNAPSHOT, "R", "N", 1, 1),
        (1, 1, 5, TICK, 2, SNAPSHOT, "M", "B", 1, 1),
        (1, 1, 5, TICK, 3, SNAPSHOT, "A", "B", 1, 1), END,
    ],
    "a quote within a snapshot": [
        ADD_5, BEGIN, (1, 1, 0, TICK, 9, SNAPSHOT | TOB, "A", "B", 1, 1),
        (1, 1, 5, TICK, 3, SNAPSHOT | LAST, "A", "B", 1, 1),
    ],
    "a fill beyond 31 bits before an iceberg's next clip": [
        (1, 1, 5, TICK, 2**32 - 1, LAST, "A", "B", 1, 1),
        (1, 1, 6, TICK, 3, LAST, "A", "B", 1, 1),
        (1, 1, 5, TICK, 2**31 + 7, 0, "F", "B", 1, 1),
        (1, 1, 5, TICK, 2**31 + 100, LAST, "M", "B", 0, 0),
    ],
    "an iceberg's next clip goes to the back": [
        ADD_5, (1, 1, 6, TICK, 3, LAST, "A", "B", 1, 1),
        (1, 1, 0, TICK, 2, 0, "T", "A", 1, 1), (1, 1, 5, TICK, 2, 0, "F", "B", 0, 0),
        (1, 1, 5, TICK, 3, LAST, "M", "B", 0, 0),
    ],
    "what a fill left keeps its place": [
        ADD_5, (1, 1, 6, TICK, 3, LAST, "A", "B", 1, 1),
        (1, 1, 0, TICK, 2, 0, "T", "A", 1, 1), (1, 1, 5, TICK, 2, 0, "F", "B", 0, 0),
        (1, 1, 5, TICK, 1, LAST, "M", "B", 0, 0),
    ],
    "what a fill left of an unknown order stood in front": [
        ADD_5, (1, 1, 0, TICK, 2, 0, "T", "A", 1, 1), (1, 1, 9, TICK, 2, 0, "F", "B", 0, 0),
        (1, 1, 9, TICK, 1, LAST, "M", "B", 0, 0),
    ],
    "the next clip of an unknown iceberg stands behind whom the trade went on to": [
        ADD_5, (1, 1, 0, TICK, 3, 0, "T", "A", 1, 1), (1, 1, 9, TICK, 2, 0, "F", "B", 0, 0),
        (1, 1, 5, TICK, 1, 0, "F", "B", 0, 0), (1, 1, 9, TICK, 2, 0, "M", "B", 0, 0),
        (1, 1, 5, TICK, 1, LAST, "M", "B", 0, 0),
    ],
    "an unknown aggressor's own fill says nothing of a queue": [
        ADD_5, (1, 1, 9, TICK, 2, 0, "T", "B", 1, 1), (1, 1, 9, TICK, 2, 0, "F", "B", 0, 0),
        (1, 1, 9, TICK, 1, LAST, "M", "B", 0, 0),
    ],
    "an unknown order filled and moved": [
        ADD_5, (1, 1, 6, 2 * TICK, 3, LAST, "A", "B", 1, 1),
        (1, 1, 0, TICK, 2, 0, "T", "A", 1, 1), (1, 1, 9, TICK, 2, 0, "F", "B", 0, 0),
        (1, 1, 9, 2 * TICK, 1, LAST, "M", "B", 0, 0),
    ],
    "an implied trade fills an unknown order": [
        ADD_5, (1, 1, 0, TICK, 2, 0, "T", "N", 1, 1), (1, 1, 9, TICK, 2, 0, "F", "N", 0, 0),
        (1, 1, 9, TICK, 1, LAST, "M", "B", 0, 0),
    ],
    "cancels carry out fills one by one": [
        (1, 1, 5, TICK, 10, LAST, "A", "B", 1, 1), (1, 1, 6, TICK, 3, LAST, "A", "B", 1, 1),
        (1, 1, 0, TICK, 5, 0, "T", "A", 1, 1), (1, 1, 5, TICK, 3, 0, "F", "B", 0, 0),
        (1, 1, 5, TICK, 3, 0, "C", "B", 0, 0), (1, 1, 5, TICK, 2, 0, "F", "B", 0, 0),
        (1, 1, 5, TICK, 5, LAST, "M", "B", 0, 0),
    ],
    "a clear without the snapshot flag that a snapshot follows": [
        ADD_5, (1, 1, 0, UNDEF_PRICE, 0, 0, "R", "N", 1, 1),
        (1, 1, 5, TICK, 3, SNAPSHOT | LAST, "A", "B", 1, 1),
    ],
    "a clear without the snapshot flag and nothing else": [
        ADD_5, (1, 1, 0, UNDEF_PRICE, 0, 0, "R", "N", 1, 1),
        (1, 1, 6, TICK, 3, LAST, "A", "B", 1, 1),
    ],
    "an old event's fill says nothing about a new one": [
        ADD_5, (1, 1, 6, TICK, 3, LAST, "A", "B", 1, 1),
        (1, 1, 5, TICK, 2, LAST, "F", "B", 0, 0), (1, 1, 5, TICK, 2, LAST, "M", "B", 1, 1),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    compare(stream(CASES[name]), [1])


def dense_stream(seed: int, n: int) -> list[tuple[Any, ...]]:
    """Records that dwell: in a snapshot, in an event, on one price, so that rules interact."""
    rng = np.random.default_rng(seed)
    in_snapshot, out = False, []
    for _ in range(n):
        if rng.random() < (0.2 if in_snapshot else 0.04):
            in_snapshot = not in_snapshot
        last = rng.random() < (0.1 if in_snapshot else 0.6)
        kinds = "AAAAAAAARCMF" if in_snapshot and rng.random() < 0.9 else "AAAAMMMMCCCTFFN"
        same = rng.random() < (0.0 if last else 0.7)
        size = int(rng.integers(1, 6)) if rng.random() < 0.97 else int(rng.integers(0, 2**32))
        out.append((
            1 if rng.random() < 0.8 else 39, int(rng.integers(1, 3)), int(rng.integers(0, 14)),
            int(rng.integers(0, 5)) * TICK, size,
            LAST * last | SNAPSHOT * in_snapshot, kinds[rng.integers(len(kinds))],
            "BA"[rng.integers(2)], int(not same), int(not same),
        ))  # fmt: skip
    return out


@pytest.mark.parametrize(
    "block", [0, 1, *(pytest.param(block, marks=pytest.mark.long) for block in range(2, 10))]
)
def test_dense_streams(block: int) -> None:
    for seed in range(100 * block, 100 * block + 100):
        compare(stream(dense_stream(seed, 200)), [1, 3, 7])


# --- long streams and real files ------------------------------------------------------------------


def test_a_synthetic_session_of_many_orders() -> None:
    """Tables that must grow, levels that come and go, 8 books: 100,000 records."""
    naive, compiled = Naive(), Compiled()
    for k, chunk in enumerate(SyntheticSession(100_000, instruments=8, seed=11).chunks(5_000)):
        naive.apply(chunk)
        compiled.apply(chunk)
        if k % 5 == 0:
            assert_equal(naive, compiled)
    assert_equal(naive, compiled)


def test_thousands_of_books_in_one_stream() -> None:
    n = 6_000
    tape = np.zeros(2 * n, MBO_DTYPE)
    tape["length"], tape["rtype"], tape["publisher_id"] = 14, 160, 1
    tape["instrument_id"] = np.tile(np.arange(n) * 65_537 % 4_294_967_291, 2)
    tape["order_id"] = np.arange(2 * n) % (n // 2)  # ids are the book's own, they may repeat
    tape["price"] = np.arange(2 * n) * 1_000_000_000
    tape["size"], tape["flags"] = 3, LAST
    tape["action"], tape["side"] = ord("A"), np.where(np.arange(2 * n) % 3, ord("B"), ord("A"))
    naive, compiled = Naive(), Compiled()
    naive.apply(tape)
    compiled.apply(tape)
    assert compiled.book_keys() == naive.book_keys()
    for key in naive.book_keys():
        for side in "BA":
            assert compiled.queue(key, side) == naive.queue(key, side)


REAL_FILES = [
    "glbx/esh4-glbx-mdp3-20231224.mbo.dbn.zst",
    "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst",
    "glbx/esm4-glbx-mdp3-20240508-snapshot.mbo.dbn.zst",
    "dbeq/dbeq-basic-20240403.mbo.dbn.zst",
    "truth/dbeq-20240131/mbo.dbn.zst",
    "truth/xnas-arl-20250717/mbo.dbn.zst",
]


@pytest.mark.parametrize("name", REAL_FILES)
def test_every_real_file(name: str, data_file: Callable[[str], Path]) -> None:
    tape = read_mbo(data_file(name))
    naive, compiled = Naive(), Compiled()
    step = max(2_000, len(tape) // 40)
    for i in range(0, len(tape), step):
        naive.apply(tape[i : i + step])
        compiled.apply(tape[i : i + step])
        assert_equal(naive, compiled)
