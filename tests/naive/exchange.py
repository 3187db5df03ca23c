"""A slow, obvious exchange for order logs: the twin of the compiled simulation on one book.

The market is the naive book. A simulated order is an entry in the very list of orders that is its
price level, so its place in the queue is its place in the list and nothing has to be numbered. Lots
are handed out one by one. Latency is fixed, there is one book and one order log.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

import numpy as np

from .book import F_LAST, F_SNAPSHOT, F_TOB, UNDEF_PRICE, NaiveBook, Order, Record, rows

QUANTITY_MAX = 2**31 - 1
NAMES = {"B": 1, "A": -1}


@dataclass(eq=False)
class Mine:
    """A simulated order; it stands in a level's list among the real ones."""

    number: int
    side: str  # "B" or "A"
    kind: str  # LIMIT, MARKET
    tif: str  # GTC, IOC
    price: int
    quantity: int
    ts_sent: int
    filled: int = 0
    status: str = "PENDING_NEW"
    reason: str = "NONE"
    queue_ahead: int = -1
    ts_arrived: int = 0
    ts_closed: int = 0
    order_id: None = None

    @property
    def sign(self) -> int:
        return NAMES[self.side]

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled

    def beats(self, price: int) -> int:
        """How much better our price is for the other side than ``price``."""
        return (self.price - price) * self.sign


@dataclass(frozen=True)
class Row:
    """One line of an order log."""

    ts: int
    action: str
    name: str
    side: str = ""
    price: int | None = None
    quantity: int = 0
    tif: str = "GTC"


@dataclass
class SharedBook(NaiveBook):
    """The naive book, in whose queues simulated orders stand too."""

    resting: list[Mine] = field(default_factory=list)
    before: dict[Mine, list[int]] = field(default_factory=dict)  # real orders ahead, front first

    def real(self, side: str, price: int) -> list[Order]:
        return [o for o in self.sides[side].get(price, []) if isinstance(o, Order)]

    def prices(self, side: str) -> list[int]:
        return [p for p in super().prices(side) if self.real(side, p)]

    def mine(self, side: str) -> list[Mine]:
        """Resting simulated orders, best price first, then in queue order."""
        prices = sorted({o.price for o in self.resting if o.side == side}, reverse=side == "B")
        return [o for p in prices for o in self.sides[side][p] if isinstance(o, Mine)]

    def clear(self, side: str) -> None:
        for order in [o for p in self.prices(side) for o in self.real(side, p)]:
            self.leave(order)

    def put(self, order: Mine) -> None:
        self.resting.append(order)
        self.sides[order.side].setdefault(order.price, []).append(order)

    def take_out(self, order: Mine) -> None:
        self.resting.remove(order)
        level = self.sides[order.side][order.price]
        level[:] = [o for o in level if o is not order]
        if not level:
            del self.sides[order.side][order.price]

    @property
    def gapless(self) -> bool:
        bids, asks = self.prices("B"), self.prices("A")
        return not bids or not asks or bids[0] < asks[0]

    # --- a snapshot must leave everybody's place alone --------------------------------------------

    def begin_snapshot(self) -> None:
        if not self.snapshot_open:
            self.before = {
                order: [
                    o.order_id
                    for o in self.sides[side][order.price][
                        : self.sides[side][order.price].index(order)
                    ]
                    if isinstance(o, Order)
                ]
                for side in "BA"
                for order in self.mine(side)
            }
        super().begin_snapshot()

    def end_snapshot(self) -> None:
        # Those that were ahead and still stand in the same order are ahead; the first that is new,
        # came from behind or changed its rank is behind, and all after it.
        super().end_snapshot()
        ours = list(self.before)  # best first, then in queue order
        for order in ours:
            self.take_out(order)
        places = []
        for order in ours:
            ranks = {order_id: k for k, order_id in enumerate(self.before[order])}
            ahead, last = 0, -1
            for other in self.real(order.side, order.price):
                if ranks.get(other.order_id, -1) <= last:
                    break
                last = ranks[other.order_id]
                ahead += 1
            places.append((order, ahead))
        for order, ahead in reversed(places):
            self.put(order)
            level = self.sides[order.side][order.price]
            level.insert(ahead, level.pop())


@dataclass
class NaiveExchange:
    """Plays an order log through records of one book.

    ``fills`` and ``orders`` are dicts with the columns that mean something, in the order in which
    they happened.
    """

    log: Iterable[Row]
    entry_ns: int
    response_ns: int
    fee: int = 0
    impact_ppm: int = 0
    multiplier: Fraction = Fraction(1)
    tick: int = 0
    halts: bool = True
    book: SharedBook = field(default_factory=SharedBook)
    denials: list[tuple[int, Mine, str]] = field(default_factory=list)
    fills: list[dict[str, int | str]] = field(default_factory=list)
    orders: list[dict[str, int | str | None]] = field(default_factory=list)
    halted: bool = False
    taken: dict[int | str, int] = field(default_factory=dict)  # lots we took, by real order
    position: int = 0
    book_clock: int = 0

    def run(self, records: np.ndarray) -> "NaiveExchange":
        stream = list(rows(records))
        start = stream[0].ts_recv
        end = max(r.ts_recv for r in stream)
        self.requests = self.send(start, end)
        event: list[Record] = []
        for r in stream:
            last = event[-1] if event else None
            if last and r.ts_event != last.ts_event and r.ts_recv != last.ts_recv:
                if not self.book.snapshot_open:
                    self.finish(event)
                    event = []
            if not event:
                self.arrive_before(max(r.ts_event, self.book_clock))
            self.note(event, r)
            event.append(r)
            self.book_clock = max(self.book_clock, r.ts_event)
            if r.flags & F_LAST:
                self.finish(event)
                event = []
        if event:
            self.finish(event)
        self.arrive_before(end + 1)
        for order in self.mine.values():
            if order.status in ("PENDING_NEW", "NEW", "PARTIALLY_FILLED"):
                order.reason = "END_OF_DATA"
                self.report(order)
        return self

    # --- requests -------------------------------------------------------------------------------

    def bad_quantity(self, quantity: int) -> bool:
        return not 0 < quantity <= QUANTITY_MAX

    def bad_price(self, price: int) -> bool:
        return self.tick > 0 and price % self.tick != 0

    def send(self, start: int, end: int) -> list[tuple[int, Row]]:
        """All requests that leave, by the time of their arrival."""
        self.mine: dict[str, Mine] = {}
        out = []
        for row in sorted(self.log, key=lambda r: r.ts):
            sent = max(row.ts, start)
            if sent > end:
                continue
            if row.action == "new":
                kind = "MARKET" if row.price is None else "LIMIT"
                order = Mine(
                    len(self.mine) + 1, row.side, kind, row.tif if kind == "LIMIT" else "IOC",
                    UNDEF_PRICE if row.price is None else row.price, row.quantity, sent,
                )  # fmt: skip
                self.mine[row.name] = order
                reason = ""
                if self.bad_quantity(row.quantity):
                    reason = "INVALID_QUANTITY"
                elif row.price is not None and self.bad_price(row.price):
                    reason = "INVALID_PRICE"
                if reason:
                    self.denials.append((sent, order, reason))
                    continue
            elif row.action == "replace" and (
                self.bad_quantity(row.quantity)
                or self.bad_price(row.price or 0)
                or self.mine[row.name].kind == "MARKET"
            ):
                continue
            out.append((sent + self.entry_ns, row))
        return out

    def arrive_before(self, now: int) -> None:
        """Everything that reaches the exchange before an event at ``now``."""
        while self.denials and self.denials[0][0] < now:
            sent, order, reason = self.denials.pop(0)
            self.close(order, "DENIED", reason, sent)
        while self.requests and self.requests[0][0] < now:
            if self.halts and not self.book.gapless:
                return
            due, row = self.requests.pop(0)
            at = max(due, self.book_clock)
            order = self.mine[row.name]
            if row.action == "new":
                if order.status != "DENIED":
                    self.arrive(order, at)
            elif order.status not in ("NEW", "PARTIALLY_FILLED"):
                continue
            elif row.action == "cancel":
                self.book.take_out(order)
                self.close(order, "CANCELED", "USER_CANCEL", at)
            else:
                self.replace(order, row.price or 0, row.quantity, at)

    def arrive(self, order: Mine, at: int) -> None:
        order.ts_arrived = at
        order.status = "NEW"
        self.take(order, at)
        self.settle(order, at)

    def replace(self, order: Mine, price: int, quantity: int, at: int) -> None:
        if quantity <= order.filled:
            self.book.take_out(order)
            order.quantity = order.filled
            self.close(order, "CANCELED", "USER_CANCEL", at)
        elif price == order.price and quantity <= order.quantity:
            order.quantity = quantity
        else:
            self.book.take_out(order)
            order.price, order.quantity = price, quantity
            self.take(order, at)
            self.settle(order, at)

    def settle(self, order: Mine, at: int) -> None:
        """What taking left of an order rests, or ends."""
        if order.leaves == 0:
            return
        if order.tif == "IOC":
            self.close(order, "EXPIRED", "NO_LIQUIDITY", at)
        else:
            order.queue_ahead = sum(o.size for o in self.book.real(order.side, order.price))
            self.book.put(order)

    # --- taking ---------------------------------------------------------------------------------

    def key(self, real: Order) -> int | str:
        return real.side if real.order_id is None else real.order_id

    def free(self, real: Order) -> int:
        return max(0, real.size - self.taken.get(self.key(real), 0))

    def take(self, order: Mine, at: int) -> None:
        other = "A" if order.side == "B" else "B"
        for price in self.book.prices(other):
            if order.kind == "LIMIT" and order.beats(price) < 0:
                return
            lots = 0
            for real in self.book.real(other, price):
                while self.free(real) and lots < order.leaves:
                    self.taken[self.key(real)] = self.taken.get(self.key(real), 0) + 1
                    lots += 1
            if lots:
                self.fill(order, self.with_impact(order, price, lots), lots, "TAKER", "TAKEN", at)
            if order.leaves == 0:
                return

    def with_impact(self, order: Mine, price: int, lots: int) -> int:
        notional = floor(abs(price) * lots * self.multiplier / 10**9)
        worse = price + order.sign * ceil(Fraction(abs(price) * self.impact_ppm * notional, 10**16))
        return order.price if order.kind == "LIMIT" and order.beats(worse) < 0 else worse

    # --- events ---------------------------------------------------------------------------------

    def note(self, event: list[Record], r: Record) -> None:
        """Apply a record; remember what it means to resting simulated orders."""
        if not event:
            self.hits: list[tuple[str, int, int]] = []  # side, price, our orders ahead
            self.crossers: list[int | str] = []
            self.trade: Record | None = None
        action, side = chr(r.action), chr(r.side)
        if action == "T":
            self.trade = r
        elif action == "F" and side in "BA":
            own = self.trade is not None and (
                chr(self.trade.side) == side or r.order_id == self.trade.order_id != 0
            )
            if not own:
                self.hit(r, side)
        self.forget(r)
        self.book.apply(r)
        if action in "AM" and side in "BA" and r.price != UNDEF_PRICE:
            against = self.book.mine("A" if side == "B" else "B")
            if any(order.beats(r.price) >= 0 for order in against):
                self.crossers.append(side if r.flags & F_TOB else r.order_id)

    def hit(self, r: Record, side: str) -> None:
        """How many of our orders each lot of an F would have met before it got where it did."""
        better = [o for o in self.book.mine(side) if o.beats(r.price) > 0]
        level = self.book.sides[side].get(r.price, [])
        real = self.book.orders.get(r.order_id)
        if real in level:
            place = level.index(real)
            shown = real.size - self.book.filled[r.order_id]
        else:  # implied or hidden: not known to stand behind anything
            place, shown = 0, r.size
        ahead = [o for o in level[:place] if isinstance(o, Mine)]
        everybody = [o for o in level if isinstance(o, Mine)]
        for lot in range(r.size):
            at_price = ahead if lot < shown else everybody  # an iceberg's later clips: at the back
            self.hits.append((side, r.price, len(better) + len(at_price)))

    def forget(self, r: Record) -> None:
        """What we took of a real order goes with the lots that leave, and with the order."""
        action, real = chr(r.action), self.book.orders.get(r.order_id)
        if action == "A" and r.flags & F_TOB:
            quote = [
                o for p in self.book.prices(chr(r.side)) for o in self.book.real(chr(r.side), p)
            ]
            if not quote or quote[0].price != r.price or r.size == 0:
                self.taken.pop(chr(r.side), None)
            else:
                self.limit(chr(r.side), r.size)
        elif real is None:
            return
        elif r.flags & F_SNAPSHOT:
            if action == "A" and chr(r.side) in "BA" and r.price != UNDEF_PRICE and r.size:
                self.limit(r.order_id, r.size)
        elif (
            action == "A"
            or (action == "C" and r.size >= real.size)
            or (action == "M" and r.size == 0)
        ):
            self.taken.pop(r.order_id, None)
        elif action == "C":
            self.limit(r.order_id, real.size - r.size)
        elif action == "M" and chr(r.side) in "BA" and r.price != UNDEF_PRICE:
            self.limit(r.order_id, min(r.size, real.size - self.book.filled[r.order_id]))
        elif action == "R":
            self.taken.clear()

    def limit(self, key: int | str, lots: int) -> None:
        """No more can be taken of an order than it still has; what it gains later is new."""
        if key in self.taken:
            self.taken[key] = min(self.taken[key], max(0, lots))

    def finish(self, event: list[Record]) -> None:
        if self.book.last is not None:
            self.book.close_event()
        there = self.book.orders
        self.taken = {k: v for k, v in self.taken.items() if k in there or k in ("A", "B")}
        if self.halts and not self.book.gapless:
            self.halted = True
            return
        for side in "BA":
            self.displace(side)
        for name in self.crossers:
            self.meet(name)
        if self.halted:
            self.halted = False
            for side in "BA":
                self.reopen(side)

    def reopen(self, side: str) -> None:
        """After a halt, what came to stand across our orders meanwhile trades with them."""
        other = "A" if side == "B" else "B"
        for order in list(self.book.mine(side)):
            lots = 0
            for price in self.book.prices(other):
                for real in self.book.real(other, price):
                    if order.beats(price) >= 0:
                        taken = min(self.free(real), order.leaves - lots)
                        self.taken[self.key(real)] = self.taken.get(self.key(real), 0) + taken
                        lots += taken
            if lots == 0:
                continue
            if lots == order.leaves:
                self.book.take_out(order)
            self.fill(order, order.price, lots, "MAKER", "CROSSED", self.book_clock)

    def displace(self, side: str) -> None:
        """The real volume would have met our orders first, one after the other.

        Each lot of ours saves the real lot that the sweep reached last.
        """
        hits = sorted((reach, price) for s, price, reach in self.hits if s == side)
        left = list(hits)
        for k, order in enumerate(self.book.mine(side)):
            beyond = [hit for hit in left if hit[0] > k]
            lots = min(order.leaves, len(beyond))
            if lots == 0:
                continue
            left = left[: len(left) - lots]
            queued = any(reach > k and price == order.price for reach, price in hits)
            if lots == order.leaves:
                self.book.take_out(order)
            reason = "QUEUE" if queued else "TRADE_THROUGH"
            self.fill(order, order.price, lots, "MAKER", reason, self.book_clock)

    def meet(self, name: int | str) -> None:
        """A real order that came in across ours trades with us, at our price."""
        if isinstance(name, str):
            prices = self.book.prices(name)
            real = self.book.real(name, prices[0])[0] if prices else None
        else:
            real = self.book.orders.get(name)
        if real is None:
            return
        for order in self.book.mine("A" if real.side == "B" else "B"):
            if order.beats(real.price) < 0:
                return
            lots = min(order.leaves, self.free(real))
            if lots == 0:
                return
            self.taken[self.key(real)] = self.taken.get(self.key(real), 0) + lots
            if lots == order.leaves:
                self.book.take_out(order)
            self.fill(order, order.price, lots, "MAKER", "CROSSED", self.book_clock)

    # --- rows -----------------------------------------------------------------------------------

    def fill(
        self, order: Mine, price: int, lots: int, liquidity: str, reason: str, at: int
    ) -> None:
        order.filled += lots
        order.status = "FILLED" if order.leaves == 0 else "PARTIALLY_FILLED"
        self.position += order.sign * lots
        self.fills.append(
            {
                "client_order_id": order.number,
                "side": order.sign,
                "last_px": price,
                "last_qty": lots,
                "liquidity": liquidity,
                "reason": reason,
                "commission": lots * self.fee,
                "position": self.position,
                "ts_event": at,
                "ts_known": at + self.response_ns,
            }
        )
        if order.leaves == 0:
            order.ts_closed = at
            self.report(order)

    def close(self, order: Mine, status: str, reason: str, at: int) -> None:
        order.status, order.reason, order.ts_closed = status, reason, at
        self.report(order)

    def report(self, order: Mine) -> None:
        self.orders.append(
            {
                "client_order_id": order.number,
                "side": order.sign,
                "order_type": order.kind,
                "time_in_force": order.tif,
                "status": order.status,
                "reason": order.reason,
                "price": order.price,
                "quantity": order.quantity,
                "filled_qty": order.filled,
                "queue_ahead": order.queue_ahead,
                "ts_sent": order.ts_sent,
                "ts_arrived": order.ts_arrived,
                "ts_closed": order.ts_closed,
            }
        )
