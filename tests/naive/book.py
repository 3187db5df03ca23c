"""A slow, obvious L3 book: the twin every compiled book is compared with.

An order is an object, a level is a list of orders in queue order, a side is a dict of levels.
Rules are those of DESIGN section 5; where that is silent, they are stated beside the code.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

UNDEF_PRICE = 2**63 - 1
F_LAST, F_TOB, F_SNAPSHOT, F_MBP = 128, 64, 32, 16


class Record(NamedTuple):
    """One MboMsg with the field order of the file."""

    length: int
    rtype: int
    publisher_id: int
    instrument_id: int
    ts_event: int
    order_id: int
    price: int
    size: int
    flags: int
    channel_id: int
    action: int
    side: int
    ts_recv: int
    ts_in_delta: int
    sequence: int


def rows(records: np.ndarray) -> Iterator[Record]:
    return map(Record._make, records.tolist())


@dataclass
class Order:
    order_id: int | None  # None: a top-of-book publisher's whole side
    side: str
    price: int
    size: int
    rank: int = 0  # of those who count: smaller came earlier


@dataclass
class NaiveBook:
    """One book; ``counts`` is shared by all books of a set."""

    counts: Counter[str] = field(default_factory=Counter)
    orders: dict[int, Order] = field(default_factory=dict)
    sides: dict[str, dict[int, list[Order]]] = field(default_factory=lambda: {"B": {}, "A": {}})
    filled: Counter[int] = field(default_factory=Counter)  # lots of F in the current event
    trade: Record | None = None  # the event's last T
    # The event's last F of each side, where it named an order nobody had heard of: (id, price).
    front: dict[str, tuple[int, int]] = field(default_factory=dict)
    quoted: bool = False  # whether its publisher gives sizes and no orders
    snapshot_open: bool = False
    snapshot_sure: bool = False  # else an R without F_SNAPSHOT, and what follows will tell
    snapshot_adds: int = 0  # adds of the snapshot under way
    last: Record | None = None  # last record of an event still open

    # --- queues -------------------------------------------------------------------------------

    def join(self, order: Order) -> None:
        self.sides[order.side].setdefault(order.price, []).append(order)
        if order.order_id is not None:
            self.orders[order.order_id] = order

    def move_to_front(self, order: Order) -> None:
        level = self.sides[order.side][order.price]
        level.insert(0, level.pop())

    def leave(self, order: Order) -> None:
        level = self.sides[order.side][order.price]
        level[:] = [o for o in level if o is not order]
        if not level:
            del self.sides[order.side][order.price]
        if order.order_id is not None:
            del self.orders[order.order_id]

    def clear(self, side: str) -> None:
        for level in list(self.sides[side].values()):
            for order in list(level):
                self.leave(order)

    # --- records ------------------------------------------------------------------------------

    def apply(self, r: Record) -> bool:
        """Apply one record; returns whether it closed an event."""
        self.counts["records"] += 1
        if self.ends_before(r):
            self.close_event()
            self.counts["missing_last"] += 1
        if self.snapshot_open and not r.flags & F_SNAPSHOT:
            self.end_snapshot()
        action = chr(r.action)
        if action == "A":
            self.add(r)
        elif action == "C":
            self.cancel(r)
        elif action == "M":
            self.modify(r)
        elif action == "R":
            self.reset(r)
        elif action == "T":
            self.trade = r
        elif action == "F":
            self.note_front(r)
            if r.order_id in self.orders:
                self.filled[r.order_id] += r.size
            else:
                self.counts["unknown_fills"] += 1
        self.last = r
        if r.flags & F_LAST:
            if r.flags & F_SNAPSHOT and self.snapshot_adds:
                self.end_snapshot()
            self.close_event()
            return True
        return False

    def ends_before(self, r: Record) -> bool:
        """Whether no F_LAST came, but both clocks moved on: another event begins."""
        return (
            self.last is not None
            and not (self.snapshot_open and self.snapshot_sure)
            and r.ts_event != self.last.ts_event
            and r.ts_recv != self.last.ts_recv
        )

    def close_event(self) -> None:
        self.last = self.trade = None
        self.filled.clear()
        self.front.clear()
        self.counts["event_ends"] += 1
        bids, asks = self.sides["B"], self.sides["A"]
        if bids and asks:
            gap = min(asks) - max(bids)
            self.counts["locked_events"] += gap == 0
            self.counts["crossed_events"] += gap < 0

    def is_aggressors_own(self, r: Record) -> bool:
        """Whether an F tells of the aggressor itself."""
        if self.trade is None:
            return False
        real = self.orders.get(r.order_id)
        side = real.side if real else self.side_of(r)
        same_side = side is not None and side == self.side_of(self.trade)
        return same_side or r.order_id == self.trade.order_id != 0

    def note_front(self, r: Record) -> None:
        """What the last F of a side leaves of an order stood in front of its queue."""
        if self.is_aggressors_own(r):
            return
        real = self.orders.get(r.order_id)
        side = real.side if real else self.side_of(r)
        for name in side or "BA":
            self.front.pop(name, None)
            if real is None and r.order_id:
                self.front[name] = r.order_id, r.price

    def side_of(self, r: Record) -> str | None:
        return chr(r.side) if chr(r.side) in "BA" else None

    def usable(self, r: Record) -> bool:
        good = self.side_of(r) is not None and r.price != UNDEF_PRICE and r.size > 0
        self.counts["ignored_records"] += not good
        return good

    def add(self, r: Record) -> None:
        side = self.side_of(r)
        if r.flags & F_TOB:
            if side is None:
                self.counts["ignored_records"] += 1
                return
            self.quoted = True
            self.clear(side)
            if r.price != UNDEF_PRICE and r.size > 0:
                self.join(Order(None, side, r.price, r.size))
            return
        if not self.usable(r):
            return
        if r.flags & F_SNAPSHOT:
            self.snapshot_add(r)
            return
        if r.order_id in self.orders:  # the venue's newer word counts
            self.counts["duplicate_adds"] += 1
            self.leave(self.orders[r.order_id])
        self.filled.pop(r.order_id, None)
        self.join(Order(r.order_id, side, r.price, r.size))

    def cancel(self, r: Record) -> None:
        order = self.orders.get(r.order_id)
        if order is None:
            self.counts["unknown_cancels"] += 1
        elif r.size < order.size:
            order.size -= r.size
            # It carries out fills of this event, before anything else.
            self.filled[r.order_id] = max(0, self.filled[r.order_id] - r.size)
        else:
            self.leave(order)
            self.filled.pop(r.order_id, None)

    def modify(self, r: Record) -> None:
        order = self.orders.get(r.order_id)
        if r.size == 0:  # a modify to nothing is a cancel
            if order is None:
                self.counts["unknown_modifies"] += 1
            else:
                self.leave(order)
                self.filled.pop(r.order_id, None)
            return
        if not self.usable(r):
            return
        if order is None:
            self.counts["unknown_modifies"] += 1
            joined = Order(r.order_id, chr(r.side), r.price, r.size)
            self.join(joined)
            if self.front.get(joined.side) == (r.order_id, r.price):
                self.move_to_front(joined)
            return
        # More than what the event's fills left: an iceberg shows its next clip, or an increase.
        keeps_place = (
            order.price == r.price
            and order.side == chr(r.side)
            and r.size <= order.size - self.filled[r.order_id]
        )
        self.filled.pop(r.order_id, None)
        if keeps_place:
            order.size = r.size
        else:
            self.leave(order)
            self.join(Order(r.order_id, chr(r.side), r.price, r.size))

    def reset(self, r: Record) -> None:
        self.counts["clears"] += 1
        self.trade = None
        if r.flags & F_SNAPSHOT and r.flags & F_MBP:  # a file of levels begins; they follow, live
            self.snapshot_open = False
            self.snapshot_adds = 0
            self.clear("B")
            self.clear("A")
            self.filled.clear()
        elif r.flags & F_SNAPSHOT:
            self.begin_snapshot()
        elif r.flags & F_LAST:
            self.clear("B")
            self.clear("A")
            self.filled.clear()
        else:
            self.begin_snapshot(sure=False)

    # --- snapshots ----------------------------------------------------------------------------
    # A snapshot says all there is, in queue order: it replaces the book. That orders which were
    # there before keep their place against simulated orders is the business of execution.

    def begin_snapshot(self, sure: bool = True) -> None:
        self.counts["snapshots"] += sure
        self.clear("B")
        self.clear("A")
        self.filled.clear()
        self.snapshot_open = True
        self.snapshot_sure = sure
        self.snapshot_adds = 0

    def end_snapshot(self) -> None:
        self.snapshot_open = False
        self.snapshot_adds = 0
        self.filled.clear()
        self.front.clear()

    def snapshot_add(self, r: Record) -> None:
        if not self.snapshot_open or r.order_id in self.orders:
            self.begin_snapshot()
        self.counts["snapshots"] += not self.snapshot_sure
        self.snapshot_sure = True
        self.snapshot_adds += 1
        self.join(Order(r.order_id, chr(r.side), r.price, r.size))

    # --- reading ------------------------------------------------------------------------------

    def prices(self, side: str) -> list[int]:
        return sorted(self.sides[side], reverse=side == "B")

    def levels(self, side: str, depth: int | None = None) -> list[tuple[int, int, int]]:
        """(price, lots, orders) best first; a top-of-book quote counts no orders."""
        out = []
        for price in self.prices(side)[:depth]:
            queue = self.sides[side][price]
            quoted = queue[0].order_id is None
            out.append((price, sum(o.size for o in queue), 0 if quoted else len(queue)))
        return out

    def queue(self, side: str) -> list[tuple[int, int, int]]:
        """(price, order id, lots) best first, in queue order; id 0 for a quote."""
        return [
            (o.price, o.order_id or 0, o.size)
            for price in self.prices(side)
            for o in self.sides[side][price]
        ]


class NaiveBooks:
    """All books of a stream, keyed by (publisher_id, instrument_id)."""

    def __init__(self) -> None:
        self.books: dict[tuple[int, int], NaiveBook] = {}
        self.counts: Counter[str] = Counter()

    def step(self, r: Record) -> bool:
        """Apply one record; returns whether it closed an event of its book."""
        key = r.publisher_id, r.instrument_id
        if key not in self.books:
            self.books[key] = NaiveBook(self.counts)
        return self.books[key].apply(r)

    def apply(self, records: np.ndarray | Iterable[Record]) -> None:
        stream = rows(records) if isinstance(records, np.ndarray) else records
        for r in stream:
            self.step(r)
