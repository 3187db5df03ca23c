"""Many L3 books at once: every resting order, in queue order, at every price."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.memory import Block
from tapewire.market import _batches, _reading, ids
from tapewire.market.layout import (
    AHEAD,
    AHEAD_RECORDS,
    BID,
    BOOK,
    BOOK_SLOT,
    CLAIM,
    COUNTERS,
    FAR_ALL,
    FAR_NOTHING,
    FAR_ORDERS,
    GROW_LEVELS,
    GROW_ORDERS,
    GROW_RUNGS,
    HINT,
    LEVEL,
    LEVELS_PER_SIDE_MAX,
    MARKET,
    NEW_BOOK,
    NIL,
    ORDER,
    RUNG,
    SIDE,
    SLOT,
    TOO_MANY_LEVELS,
)
from tapewire.market.records import F_LAST, RECORD_BYTES, UNDEF_PRICE

IntArray = npt.NDArray[np.int64]

#: Where every block starts; all of them double when full. Small, so that one liquid future stays
#: in the cache and an idle router stays light.
ORDERS_AT_START: Final = 4096
LEVELS_AT_START: Final = 1024
RUNGS_AT_START: Final = 2048
BOOKS_AT_START: Final = 16
CLAIMS_AT_START: Final = 1024
#: Slots of the order-id table per order: half empty keeps the probes short.
SLOTS_PER_ORDER: Final = 4
HINTS_PER_LEVEL: Final = 4
#: From these sizes on, blocks are so far from the core that looking ahead saves more than it
#: costs: measured with 2 MB of second-level cache.
FAR_BYTES: Final = 1 << 23
FAR_LEVELS_BYTES: Final = 1 << 21
#: Records per kernel call, so that a signal is seen between two of them however slow they are.
STEP_RECORDS: Final = 16_384
#: Limits; beyond them the run fails instead of eating the machine.
ORDERS_MAX: Final = 1 << 26
BOOKS_MAX: Final = 1 << 20


class BookLimitError(RuntimeError):
    """A stated limit of the book is reached."""


class MarketState:
    """The blocks behind the book kernels, and how they grow."""

    def __init__(self) -> None:
        self.state: npt.NDArray[Any] = np.zeros(1, MARKET)
        self.orders = Block(ORDER, ORDERS_AT_START)
        self.levels = Block(LEVEL, LEVELS_AT_START)
        self.rungs = Block(RUNG, RUNGS_AT_START)
        self.hints = Block(HINT, HINTS_PER_LEVEL * LEVELS_AT_START)
        self.books = Block(BOOK, BOOKS_AT_START)
        self.sides = Block(SIDE, 2 * BOOKS_AT_START)
        self.book_slots = Block(BOOK_SLOT, 4 * BOOKS_AT_START)
        self.claims = Block(CLAIM, CLAIMS_AT_START)
        self.slots = Block(SLOT, SLOTS_PER_ORDER * ORDERS_AT_START)
        self.ahead = Block(AHEAD, AHEAD_RECORDS)
        state = self.state[0]
        state["stamp"] = 1
        state["front_stamp"] = NIL - 1  # NIL stands for an unknown place
        state["last_key"] = NIL
        state["last_book"] = NIL
        for free in ("order_free", "level_free", "claim_free"):
            state[free] = NIL
        self._chain(self.orders, "next", "order_free", 0)
        self._chain(self.levels, "head", "level_free", 0)
        self.levels.records["ladder"] = NIL
        self._chain(self.claims, "next", "claim_free", 0)
        self._publish()
        state["far"] = self._far()

    def _chain(self, block: Block, link: str, head: str, first: int) -> None:
        """Put the records from ``first`` on in front of a free list, lowest index first."""
        n = block.capacity
        links = np.arange(first + 1, n + 1)
        links[-1] = self.state[0][head]
        block.records[link][first:] = links
        self.state[0][head] = first
        self.state[0][f"{head}_n"] += n - first

    def _publish(self) -> None:
        state = self.state[0]
        for name in ("orders", "levels", "rungs", "hints", "sides", "slots", "books", "claims"):
            state[name] = getattr(self, name).address
        state["book_slots"] = self.book_slots.address
        state["slot_mask"] = self.slots.capacity - 1
        state["hint_mask"] = self.hints.capacity - 1
        state["book_slot_mask"] = self.book_slots.capacity - 1
        state["rung_capacity"] = self.rungs.capacity
        state["ahead"] = self.ahead.address

    def _far(self) -> int:
        """Whether it pays to look ahead, and how much of it."""
        if self.nbytes < FAR_BYTES:
            return FAR_NOTHING
        blocks = (self.levels, self.rungs, self.books, self.sides)
        return FAR_ALL if sum(block.nbytes for block in blocks) > FAR_LEVELS_BYTES else FAR_ORDERS

    def resolve(self, status: int) -> None:
        """Do what a kernel asked for, so that the same record can be tried again."""
        if status == NEW_BOOK:
            self.open_book(self.missing_key)
            return
        if status == GROW_ORDERS:
            self._grow_orders()
        elif status == GROW_LEVELS:
            first = self.levels.capacity
            self.levels.grow(2 * first)
            self._chain(self.levels, "head", "level_free", first)
            self.levels.records["ladder"][first:] = NIL
            self.hints = Block(HINT, HINTS_PER_LEVEL * self.levels.capacity)
        elif status == GROW_RUNGS:
            self.rungs.grow(2 * self.rungs.capacity)
        elif status == TOO_MANY_LEVELS:
            raise BookLimitError(
                f"more than {LEVELS_PER_SIDE_MAX:,} price levels on one side of a book"
            )
        else:
            raise AssertionError(f"unknown kernel status {status}")
        self._publish()
        self.state[0]["far"] = self._far()

    def _grow_orders(self) -> None:
        first = self.orders.capacity
        if 2 * first > ORDERS_MAX:
            raise BookLimitError(f"more than {ORDERS_MAX:,} live orders")
        self.orders.grow(2 * first)
        self._chain(self.orders, "next", "order_free", first)
        self.slots = Block(SLOT, SLOTS_PER_ORDER * self.orders.capacity)
        self._publish()
        ids.rebuild_slots(self.state)

    def grow_claims(self) -> None:
        """Double the room for claims; asked for by execution's kernels."""
        first = self.claims.capacity
        self.claims.grow(2 * first)
        self._chain(self.claims, "next", "claim_free", first)
        self._publish()

    def open_book(self, key: int) -> int:
        """Open a book by ``publisher_id << 32 | instrument_id``; returns its index."""
        n = int(self.state[0]["book_n"])
        if n == self.books.capacity:
            if 2 * n > BOOKS_MAX:
                raise BookLimitError(f"more than {BOOKS_MAX:,} books")
            self.books.grow(2 * n)
            self.sides.grow(4 * n)
            self.book_slots = Block(BOOK_SLOT, 8 * n)
            self._publish()
            self.state[0]["far"] = self._far()
            ids.rebuild_book_slots(self.state, self.books.records["key"][:n].copy())
        return int(ids.add_book(self.state, key))

    def find(self, key: int) -> int:
        """Index of the book of ``publisher_id << 32 | instrument_id``, or NIL."""
        n = int(self.state[0]["book_n"])
        found = np.flatnonzero(self.books.records["key"][:n] == key)
        return int(found[0]) if found.size else NIL

    def best_levels(self, book: int, side: int, depth: int) -> tuple[IntArray, IntArray, IntArray]:
        """Prices (1e-9), sizes and counts of a side's best levels, best first, each (depth,).

        ``UNDEF_PRICE`` and zeros where there is no level.
        """
        prices, sizes, counts = (np.zeros(depth, np.int64) for _ in range(3))
        _reading.read_top(self.state, book, side, prices, sizes, counts)
        return prices, sizes, counts

    def queue(self, book: int, side: int) -> IntArray:
        """Resting orders of a side: (n, 4) of price, order_id, size, stamp of priority.

        Best price first, and in queue order at each price.
        """
        out = np.zeros((int(self.sides.records[2 * book + side]["orders"]), 4), np.int64)
        _reading.read_orders(self.state, book, side, out)
        return out

    @property
    def missing_key(self) -> int:
        """Key of the book that a record was for when a kernel asked for a new one."""
        return int(self.state[0]["missing_key"])

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks."""
        blocks = (
            self.orders, self.levels, self.rungs, self.books, self.sides, self.book_slots,
            self.claims, self.slots, self.hints,
        )  # fmt: skip
        return sum(block.nbytes for block in blocks)


def batch_address(records: npt.NDArray[Any]) -> tuple[int, int, npt.NDArray[Any]]:
    """Address and number of a batch's records, and the array that keeps them alive.

    Parameters
    ----------
    records : (n,) MBO_DTYPE, or any other dtype of the same 56 bytes (Databento's own names
        action and side as ``S1``)

    Raises
    ------
    TypeError
        If the records are of another size or shape.
    """
    if records.ndim != 1 or records.dtype.itemsize != RECORD_BYTES:
        raise TypeError(
            f"expected a 1-d array of MBO_DTYPE, found {records.ndim}-d of {records.dtype}"
        )
    kept = np.ascontiguousarray(records)
    return int(kept.ctypes.data), int(kept.size), kept


class BookSet:
    """L3 books of all (publisher, instrument) pairs in a stream of records.

    Examples
    --------
    >>> books = BookSet()
    >>> books.apply(records)                               # doctest: +SKIP
    >>> bid_px, bid_sz, bid_ct, *ask = books.top(1, 17077, depth=1)   # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._market = MarketState()

    def apply(self, records: npt.NDArray[Any]) -> None:
        """Apply records, shape (n,), dtype ``MBO_DTYPE``, in stream order."""
        address, n, _keep = batch_address(records)
        start = 0
        while start < n:
            stop = min(n, start + STEP_RECORDS)
            status, start = _batches.apply_batch(self._market.state, address, stop, start)
            if status:
                self._market.resolve(status)

    def depth_rows(
        self,
        records: npt.NDArray[Any],
        depth: int,
        book: tuple[int, int] | None = None,
        *,
        every_record: bool = False,
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Apply records and return the top levels after every event that they close.

        An event is one or more records up to the one flagged F_LAST.

        Parameters
        ----------
        records : (n,) MBO_DTYPE
        depth : levels per side
        book : (publisher_id, instrument_id), optional
            Write rows of this book only.
        every_record : bool
            Return the levels after every record instead, in mid-event too.

        Returns
        -------
        source : (rows,) int64
            Index into ``records`` of the record after which the row stands.
        prices, sizes, counts : (rows, 2, depth) int64
            Bids then asks, best first; prices in 1e-9, ``UNDEF_PRICE`` where there is no level.
        """
        address, n, _keep = batch_address(records)
        room = n if every_record else int(np.count_nonzero(records["flags"] & F_LAST))
        source = np.zeros(room, np.int64)
        prices, sizes, counts = (np.zeros((room, 2, depth), np.int64) for _ in range(3))
        start = row = 0
        while start < n:
            only = NIL if book is None else self._index(*book)
            if book is not None and only == NIL:
                only = -2  # not open yet: no rows until it is
            stop = min(n, start + STEP_RECORDS)
            status, start, rows = _batches.apply_batch_with_depth(
                self._market.state, address, stop, start, only, every_record, source[row:],
                prices[row:], sizes[row:], counts[row:],
            )  # fmt: skip
            row += rows
            if status:
                self._market.resolve(status)
        return source[:row], prices[:row], sizes[:row], counts[:row]

    def _index(self, publisher_id: int, instrument_id: int) -> int:
        return self._market.find(publisher_id << 32 | instrument_id)

    def _known(self, publisher_id: int, instrument_id: int) -> int:
        index = self._index(publisher_id, instrument_id)
        if index == NIL:
            raise KeyError(f"no book of publisher {publisher_id}, instrument {instrument_id}")
        return index

    def keys(self) -> list[tuple[int, int]]:
        """(publisher_id, instrument_id) of every book seen, in order of appearance."""
        keys = self._market.books.records["key"][: int(self._market.state[0]["book_n"])]
        return [(int(k) >> 32, int(k) & 0xFFFFFFFF) for k in keys]

    def top(
        self, publisher_id: int, instrument_id: int, depth: int = 1
    ) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray, IntArray]:
        """The best levels: bid prices, sizes, counts, ask prices, sizes, counts, each (depth,)."""
        book = self._known(publisher_id, instrument_id)
        bids, asks = (self._market.best_levels(book, side, depth) for side in (BID, 1 - BID))
        return *bids, *asks

    def orders(self, publisher_id: int, instrument_id: int, side: str) -> IntArray:
        """Resting orders of a side ("B" or "A"): (n, 3) of price, order_id, size.

        Best price first, and in queue order at each price. Ids above 2^63 appear negative, as
        the same 64 bits.
        """
        book = self._known(publisher_id, instrument_id)
        return self._market.queue(book, {"B": 0, "A": 1}[side])[:, :3]

    def level_totals(self, publisher_id: int, instrument_id: int, side: str) -> IntArray:
        """All levels of a side ("B" or "A"), best first: (n, 3) of price, size, orders."""
        book = self._known(publisher_id, instrument_id)
        code = {"B": 0, "A": 1}[side]
        n = int(self._market.sides.records[2 * book + code]["n"])
        return np.stack(self._market.best_levels(book, code, n), axis=1)

    @property
    def counts(self) -> dict[str, int]:
        """Counters of everything seen so far: records, events, unknown ids, crossed events, …"""
        state = self._market.state[0]
        return {name: int(state[name]) for name in COUNTERS}

    @property
    def nbytes(self) -> int:
        """Bytes of memory held by the books."""
        return self._market.nbytes


__all__ = [
    "STEP_RECORDS",
    "UNDEF_PRICE",
    "BookLimitError",
    "BookSet",
    "MarketState",
    "batch_address",
]
