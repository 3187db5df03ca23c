"""What stood ahead of an order in its queue, and what became of it, from the records alone."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.market import BookSet
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_LAST,
    F_SNAPSHOT,
    UNDEF_PRICE,
)

#: Levels of each side that are told.
LEVELS: Final = 3
_SIDES: Final = {"BUY": "B", "SELL": "A"}


@dataclass
class Left:
    """Orders that left a queue, and their lots."""

    orders: int = 0
    lots: int = 0

    def add(self, lots: int, *, whole: bool) -> None:
        """Count lots, and an order if those were its last."""
        self.lots += lots
        self.orders += whole


@dataclass
class Placing:
    """An order's coming to a place in the book: it arrived, or was replaced.

    Attributes
    ----------
    what : str
        ``arrived`` or ``replaced``.
    ts : int
        At the exchange, ns.
    price, quantity : int or None, int
        1e-9, lots.
    bids, asks : list of (price, lots, orders)
        The best levels as it came.
    orders_ahead, lots_ahead : int
        At its price.
    canceled, filled, moved : Left
        What left ahead of it until it moved again or ended; moved away or made larger.
    still_ahead : Left
        What had not left by then.
    cleared : bool
        Whether the book was cleared or taken from a snapshot meanwhile: nothing is followed then.
    """

    what: str
    ts: int
    price: int | None
    quantity: int
    bids: list[tuple[int, int, int]] = field(default_factory=list)
    asks: list[tuple[int, int, int]] = field(default_factory=list)
    orders_ahead: int = 0
    lots_ahead: int = 0
    canceled: Left = field(default_factory=Left)
    filled: Left = field(default_factory=Left)
    moved: Left = field(default_factory=Left)
    still_ahead: Left = field(default_factory=Left)
    cleared: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Everything as it goes into JSON."""
        return asdict(self)


class QueueStory:
    """Follows the orders ahead of one, over the records of its book.

    Parameters
    ----------
    side : str
        ``BUY`` or ``SELL``.
    book : (publisher_id, instrument_id)
    placings : list of Placing
        By time; what they tell of the book is filled in.
    ends : int
        When the order ended, ns at the exchange.
    """

    def __init__(
        self, side: str, book: tuple[int, int], placings: list[Placing], ends: int
    ) -> None:
        self._side = _SIDES[side]
        self._key = book
        self._books = BookSet()
        self._waiting = list(placings)
        self._now: Placing | None = None
        self._ends = ends
        self._ahead: dict[int, int] = {}
        self._pending: dict[int, int] = {}  # lots of an order's F in the event at hand
        self._clock = 0
        self._before: npt.NDArray[Any] | None = None  # last record of the batch before
        self.done = False

    def feed(self, records: npt.NDArray[Any]) -> None:
        """Go on over records of the book, shape (n,), in their order."""
        if not records.size or self.done:
            return
        clocks = np.maximum.accumulate(
            np.maximum(records["ts_event"].astype(np.int64), self._clock)
        )
        starts = self._starts(records)
        at = 0
        while not self.done:
            moment = self._waiting[0].ts if self._waiting else self._ends
            # An order acts before the first event that is later than it.
            later = np.flatnonzero(starts[at:] & (clocks[at:] > moment))
            stop = at + int(later[0]) if later.size else len(records)
            self._follow(records[at:stop], starts[at:stop])
            self._books.apply(records[at:stop])
            at = stop
            if not later.size:
                break
            if self._waiting:
                self._place(self._waiting.pop(0))
            else:
                self.finish()
        self._clock = int(clocks[-1])
        self._before = records[-1:].copy()

    def finish(self) -> None:
        """The order has ended, or the data have."""
        while self._waiting:
            self._place(self._waiting.pop(0))
        self._leave_off()
        self.done = True

    def _starts(self, records: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which records begin an event."""
        before = records[:1] if self._before is None else self._before
        previous = np.concatenate([before, records[:-1]])
        starts = (previous["flags"] & F_LAST) != 0
        starts |= (previous["ts_event"] != records["ts_event"]) & (
            previous["ts_recv"] != records["ts_recv"]
        )
        if self._before is None:
            starts[0] = True
        return np.asarray(starts)

    def _place(self, placing: Placing) -> None:
        """The order comes to the book as it stands."""
        self._leave_off()
        self._now = placing
        if self._key not in set(self._books.keys()):
            return
        bid_px, bid_sz, bid_ct, ask_px, ask_sz, ask_ct = self._books.top(*self._key, depth=LEVELS)
        placing.bids = _levels(bid_px, bid_sz, bid_ct)
        placing.asks = _levels(ask_px, ask_sz, ask_ct)
        if placing.price is None:
            return
        queue = self._books.orders(*self._key, self._side)
        for k, (_, order_id, size) in enumerate(queue[queue[:, 0] == placing.price].tolist()):
            self._ahead[order_id or -1 - k] = size
        placing.orders_ahead = len(self._ahead)
        placing.lots_ahead = sum(self._ahead.values())

    def _leave_off(self) -> None:
        """The order leaves its place."""
        if self._now is not None:
            self._now.still_ahead = Left(len(self._ahead), sum(self._ahead.values()))
        self._ahead, self._pending, self._now = {}, {}, None

    # --- what leaves ------------------------------------------------------------------------------

    def _follow(self, records: npt.NDArray[Any], starts: npt.NDArray[np.bool_]) -> None:
        """Count what leaves of the orders ahead."""
        placing = self._now
        if placing is None or not self._ahead:
            return
        ids = np.array(list(self._ahead), np.int64).astype(np.uint64)
        resets = (records["action"] == ACTION_CLEAR) | ((records["flags"] & F_SNAPSHOT) != 0)
        events = np.cumsum(starts, dtype=np.int64)
        event = -1
        for k in np.flatnonzero(np.isin(records["order_id"], ids) | resets).tolist():
            record = records[k]
            if resets[k]:
                placing.cleared = True
                self._ahead = {}
                return
            if events[k] != event:
                event = int(events[k])
                self._pending = {}
            order_id = int(record["order_id"].astype(np.int64))
            if order_id not in self._ahead:
                continue
            action, size = int(record["action"]), int(record["size"])
            if action == ACTION_FILL:
                if not _is_own(records, events, k, self._side):
                    self._fill(placing, order_id, size)
            elif action == ACTION_CANCEL or (action == ACTION_MODIFY and size == 0):
                self._cancel(placing, order_id, size if action == ACTION_CANCEL else 1 << 62)
            elif action in (ACTION_MODIFY, ACTION_ADD):
                self._modify(placing, order_id, int(record["price"]), size, action == ACTION_ADD)

    def _fill(self, placing: Placing, order_id: int, lots: int) -> None:
        lots = min(lots, self._ahead[order_id])
        self._pending[order_id] = self._pending.get(order_id, 0) + lots
        self._take(placing.filled, order_id, lots)

    def _cancel(self, placing: Placing, order_id: int, lots: int) -> None:
        carried = self._pending.pop(order_id, 0)  # it carries out fills first
        left = self._ahead[order_id]
        whole = lots >= left + carried
        self._take(placing.canceled, order_id, left if whole else max(0, lots - carried))

    def _modify(self, placing: Placing, order_id: int, price: int, lots: int, again: bool) -> None:
        left = self._ahead[order_id]
        if price != placing.price or lots > left or again:
            self._take(placing.moved, order_id, left)
        elif lots < left:
            self._take(placing.canceled, order_id, left - lots)

    def _take(self, left: Left, order_id: int, lots: int) -> None:
        self._ahead[order_id] -= lots
        gone = self._ahead[order_id] == 0
        left.add(lots, whole=gone)
        if gone:
            del self._ahead[order_id]


def _levels(
    prices: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> list[tuple[int, int, int]]:
    rows = zip(prices.tolist(), sizes.tolist(), counts.tolist(), strict=True)
    return [row for row in rows if row[0] != UNDEF_PRICE]


def _is_own(records: npt.NDArray[Any], events: npt.NDArray[np.int64], k: int, side: str) -> bool:
    """Whether an F tells of the aggressor's own order, by the T before it in its event."""
    for j in range(k - 1, -1, -1):
        if events[j] != events[k]:
            return False
        if records[j]["action"] == ACTION_TRADE:
            same = chr(records[j]["side"]) == side
            named = int(records[j]["order_id"]) == int(records[k]["order_id"]) != 0
            return same or named
    return False
