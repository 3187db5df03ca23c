"""The naive and the compiled books behind one interface, so that one test runs against both."""

from typing import Any

import numpy as np

from tapewire.market import BookSet

from .book import UNDEF_PRICE, NaiveBooks

Key = tuple[int, int]
#: (price, lots, orders) of the bids, then the asks, best first, padded to the depth.
Top = tuple[tuple[int, int, int], ...]


class Naive:
    def __init__(self) -> None:
        self.books = NaiveBooks()

    @property
    def counts(self) -> Any:
        return self.books.counts

    def apply(self, records: np.ndarray) -> None:
        self.books.apply(records)

    def book_keys(self) -> list[Key]:
        return list(self.books.books)

    def top(self, key: Key, depth: int) -> Top:
        out: list[tuple[int, int, int]] = []
        for side in "BA":
            levels = self.books.books[key].levels(side, depth)
            out += levels + [(UNDEF_PRICE, 0, 0)] * (depth - len(levels))
        return tuple(out)

    def queue(self, key: Key, side: str) -> list[tuple[int, int, int]]:
        return self.books.books[key].queue(side)

    def levels(self, key: Key, side: str) -> list[tuple[int, int, int]]:
        return self.books.books[key].levels(side)


class Compiled:
    def __init__(self) -> None:
        self.books = BookSet()

    @property
    def counts(self) -> Any:
        return self.books.counts

    def apply(self, records: np.ndarray) -> None:
        self.books.apply(records)

    def book_keys(self) -> list[Key]:
        return self.books.keys()

    def top(self, key: Key, depth: int) -> Top:
        columns = [c.tolist() for c in self.books.top(*key, depth)]
        return tuple(level for s in (0, 3) for level in zip(*columns[s : s + 3], strict=True))

    def queue(self, key: Key, side: str) -> list[tuple[int, int, int]]:
        return [(p, i % 2**64, z) for p, i, z in self.books.orders(*key, side).tolist()]

    def levels(self, key: Key, side: str) -> list[tuple[int, int, int]]:
        return [tuple(level) for level in self.books.level_totals(*key, side).tolist()]


BOTH = [Naive, Compiled]
COMPARED = (
    "records", "event_ends", "clears", "snapshots", "unknown_cancels", "unknown_modifies",
    "unknown_fills", "duplicate_adds", "ignored_records", "missing_last", "locked_events",
    "crossed_events",
)  # fmt: skip


def assert_equal(naive: Naive, compiled: Compiled) -> None:
    """Same books, same queues in the same order, same levels, same counts; and sound ones."""
    assert compiled.book_keys() == naive.book_keys()
    for key in naive.book_keys():
        for side in "BA":
            queue = compiled.queue(key, side)
            levels = compiled.levels(key, side)
            assert queue == naive.queue(key, side), (key, side)
            assert levels == naive.levels(key, side), (key, side)
            at_price: dict[int, list[int]] = {}
            for price, _, size in queue:
                at_price.setdefault(price, []).append(size)
            for price, lots, orders in levels:
                assert lots == sum(at_price.get(price, ()))
                assert orders in (len(at_price.get(price, ())), 0)
        for depth in (1, 3):
            assert compiled.top(key, depth) == naive.top(key, depth)
    found = compiled.counts
    assert {name: found[name] for name in COMPARED} == {
        name: naive.counts[name] for name in COMPARED
    }
