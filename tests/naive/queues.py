"""Simulated orders in the very queues of the real ones: an entry in the list that is its level."""

from dataclasses import dataclass, field
from typing import Any

from .book import UNDEF_PRICE, NaiveBook, Order, Record

NAMES = {"B": 1, "A": -1}
NEVER = 2**63 - 1


@dataclass(eq=False)
class Mine:
    """A simulated order; it stands in a level's list among the real ones."""

    number: int
    side: str  # "B" or "A"
    kind: str  # LIMIT, MARKET, STOP, STOP_LIMIT, MARKET_TO_LIMIT: what it acts as
    tif: str  # GTC, IOC, FOK, DAY, GTD
    price: int
    quantity: int
    ts_sent: int
    filled: int = 0
    status: str = "PENDING_NEW"
    reason: str = "NONE"
    queue_ahead: int = -1
    ts_arrived: int = 0
    ts_closed: int = 0
    rank: int = 0
    display: int = 0  # lots it shows; 0: all
    shown: int = 0
    order_id: None = None
    sent: str = ""  # its kind as it was sent
    trigger: int = UNDEF_PRICE
    ts_triggered: int = 0
    expire: int = NEVER
    least: int = 0
    post: str = ""  # reject, reprice
    # of orders that hang on something: see `hanging`
    said: Any = None
    parent: Any = None
    uncut: int = 0
    why: str = ""
    began: bool = False
    guess: Any = None  # of its place, where that is guessed: see `estimates`

    @property
    def sign(self) -> int:
        return NAMES[self.side]

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled

    @property
    def visible(self) -> int:
        return self.shown if self.display else self.leaves

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
    trigger: int | None = None
    expire: int | None = None
    least: int = 0
    post: str = ""
    to_limit: bool = False
    display: int = 0
    reduce: bool = False
    peg: str = ""
    offset: int = 0
    group: str = ""
    parent: str = ""
    at_once: bool = False

    @property
    def kind(self) -> str:
        if self.peg:
            return "LIMIT"
        if self.to_limit:
            return "MARKET_TO_LIMIT"
        if self.trigger is not None:
            return "STOP" if self.price is None else "STOP_LIMIT"
        return "MARKET" if self.price is None else "LIMIT"


@dataclass
class SharedBook(NaiveBook):
    """The naive book, in whose queues simulated orders stand too."""

    resting: list[Mine] = field(default_factory=list)
    before: dict[int, Order] = field(default_factory=dict)  # real orders as a snapshot began
    next_rank: int = 1

    def new_rank(self) -> int:
        self.next_rank += 1
        return self.next_rank

    def join(self, order: Order) -> None:
        super().join(order)
        order.rank = self.new_rank()

    def move_to_front(self, order: Order) -> None:
        super().move_to_front(order)
        order.rank = -self.new_rank()

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
        order.shown = min(order.display, order.leaves)
        order.rank = self.new_rank()
        self.sides[order.side].setdefault(order.price, []).append(order)

    def take_out(self, order: Mine) -> None:
        self.resting.remove(order)
        level = self.sides[order.side][order.price]
        level[:] = [o for o in level if o is not order]
        if not level:
            del self.sides[order.side][order.price]

    @property
    def gapless(self) -> bool:
        ours = {side: {o.price for o in self.resting if o.side == side} for side in "BA"}
        best = []
        for side, end in (("B", max), ("A", min)):
            alone = {p for p in ours[side] if not self.real(side, p)}
            prices = self.sides[side].keys() - alone if alone else self.sides[side]
            best.append(end(prices, default=None))
        return best[0] is None or best[1] is None or best[0] < best[1]

    # --- a snapshot must leave everybody's place alone --------------------------------------------

    def apply(self, r: Record) -> bool:
        if self.snapshot_open and r.order_id not in self.orders and chr(r.action) in "CM":
            self.before.pop(r.order_id, None)  # somebody else than the snapshot named it
        return super().apply(r)

    def begin_snapshot(self, sure: bool = True) -> None:
        if not self.snapshot_open:
            self.before = {}
        self.before |= self.orders
        self.first_new = self.next_rank
        super().begin_snapshot(sure)

    def end_snapshot(self) -> None:
        # Who was there before keeps its rank, unless listed behind somebody with a later one. Who
        # is new, or lost its rank, stood ahead of those that are listed behind and kept theirs.
        super().end_snapshot()
        for side in "BA":
            for price in self.prices(side):
                latest, new = None, []
                for order in self.real(side, price):
                    old = self.before.get(order.order_id)
                    if old and (old.side, old.price) == (side, price):
                        order.rank = old.rank
                        if latest is None or order.rank >= latest:
                            latest = order.rank
                            for ahead in new:
                                ahead.rank = order.rank
                            new = []
                            continue
                        order.rank = self.new_rank()
                    new.append(order)
                level = self.sides[side][price]
                ours = [o for o in level if isinstance(o, Mine)]
                level[:] = self.real(side, price)
                for order in ours:
                    behind = [k for k, o in enumerate(level) if o.rank > order.rank]
                    level.insert(behind[0] if behind else len(level), order)
