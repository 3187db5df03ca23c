"""A venue for rails to be tested against: it keeps its own books, and misbehaves on command.

Commands on their way to it and words on their way from it are two queues; a cut loses what is in
them, or lets commands arrive whose answers are lost. It knows what it was sent, and how often.
"""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapewire.errors import BrokerDownError
from tapewire.execution.codes import OrderStatus, OrderType, TimeInForce
from tapewire.live.orders import (
    AccountReport,
    BrokerDown,
    BrokerUp,
    CancelOrder,
    CancelRejected,
    Command,
    FillReport,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderReport,
    PositionReport,
    ReplaceOrder,
    ReplaceRejected,
)

OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass
class VenueOrder:
    order: NewOrder
    venue_order_id: str
    price: int
    quantity: int
    filled: int = 0
    status: OrderStatus = OrderStatus.NEW


@dataclass
class Venue:
    """The venue's own books, which outlive whoever is connected."""

    price: int = 100 * 10**9
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    fills: list[FillReport] = field(default_factory=list)
    positions: Counter[str] = field(default_factory=Counter)
    #: How often a new order of each id has come.
    received: Counter[str] = field(default_factory=Counter)
    rejects: bool = False
    #: Lots that a market order finds; the rest of it is canceled. None: any.
    market_lots: int | None = None
    #: Orders with requests that it has taken and not answered, as its reports say.
    pending: set[str] = field(default_factory=set)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def take(self, command: Command | tuple[NewOrder, ...], now_ns: int) -> list[Any]:
        """Do what is asked; return what there is to say."""
        if isinstance(command, tuple):
            return [self.report(now_ns, command)]
        name = command.client_order_id
        if isinstance(command, NewOrder):
            return self._new(command, now_ns)
        known = self.orders.get(name)
        is_open = known is not None and known.status in OPEN
        if isinstance(command, CancelOrder):
            if known is None or not is_open:
                return [CancelRejected(name, "not open", now_ns, now_ns)]
            known.status = OrderStatus.CANCELED
            return [OrderCanceled(name, "asked for", now_ns, now_ns)]
        if known is None or not is_open or command.quantity <= known.filled:
            return [ReplaceRejected(name, "not open", now_ns, now_ns)]
        known.price, known.quantity = command.price, command.quantity
        return [OrderReplaced(name, command.price, command.quantity, now_ns, now_ns)]

    def _new(self, order: NewOrder, now_ns: int) -> list[Any]:
        name = order.client_order_id
        self.received[name] += 1
        if self.rejects:
            self.orders[name] = VenueOrder(order, "", order.price, order.quantity)
            self.orders[name].status = OrderStatus.REJECTED
            return [OrderRejected(name, "on command", now_ns, now_ns)]
        number = f"V{next(self.numbers)}"
        self.orders[name] = VenueOrder(order, number, order.price, order.quantity)
        said: list[Any] = [OrderAccepted(name, number, now_ns, now_ns)]
        if order.order_type == OrderType.MARKET:
            found = order.quantity if self.market_lots is None else self.market_lots
            said += self.fill(name, min(found, order.quantity), now_ns)
            if self.orders[name].status in OPEN:
                self.orders[name].status = OrderStatus.CANCELED
                said.append(OrderCanceled(name, "nothing more to take", now_ns, now_ns))
        elif order.time_in_force == TimeInForce.IOC:
            self.orders[name].status = OrderStatus.CANCELED
            said.append(OrderCanceled(name, "nothing to take", now_ns, now_ns))
        return said

    def fill(self, name: str, lots: int, now_ns: int) -> list[Any]:
        """Trade lots of an open order."""
        one = self.orders[name]
        assert one.status in OPEN
        assert one.filled + lots <= one.quantity
        one.filled += lots
        one.status = (
            OrderStatus.FILLED if one.filled == one.quantity else OrderStatus.PARTIALLY_FILLED
        )
        px = self.price if one.order.order_type == OrderType.MARKET else one.price
        self.positions[one.order.symbol] += one.order.side * lots
        execution = f"X{next(self.numbers)}"
        self.fills.append(
            FillReport(execution, name, one.order.symbol, one.order.side, px, lots, now_ns)
        )
        leaves = one.quantity - one.filled
        return [OrderFilled(name, execution, px, lots, leaves, 0, 0, now_ns, now_ns)]

    @property
    def open(self) -> list[str]:
        return [name for name, one in self.orders.items() if one.status in OPEN]

    def report(self, now_ns: int, asked: Sequence[NewOrder] = ()) -> AccountReport:
        """The account: what is open, and what is asked for by name, also where it is not known."""
        names = dict.fromkeys([*self.open, *(one.client_order_id for one in asked)])
        unknown = {one.client_order_id: one for one in asked}
        orders = tuple(
            _reported(name, self.orders[name], is_pending=name in self.pending)
            if name in self.orders
            else _never_had(unknown[name])
            for name in names
        )
        positions = tuple(PositionReport(s, n, self.price) for s, n in self.positions.items() if n)
        return AccountReport(
            orders, tuple(self.fills[-5_000:]), positions, True, True, True, "", now_ns, now_ns
        )


def _reported(name: str, one: VenueOrder, *, is_pending: bool) -> OrderReport:
    return OrderReport(name, one.venue_order_id, one.order.symbol, one.order.side, one.price,
                       one.quantity, one.filled, int(one.status), is_pending)  # fmt: skip


def _never_had(one: NewOrder) -> OrderReport:
    return OrderReport(one.client_order_id, "", one.symbol, one.side, one.price, one.quantity, 0,
                       int(OrderStatus.REJECTED))  # fmt: skip


class VenueBroker:
    """An adapter to a `Venue` in the same process, moved on by who tests.

    Attributes
    ----------
    before_send
        Called with each new order that leaves.
    """

    def __init__(self, venue: Venue, before_send: Callable[[NewOrder], None] = lambda one: None):
        self.venue = venue
        self.before_send = before_send
        self.is_up = False
        self.sessions = 0
        self.going: list[Any] = []
        self.coming: list[Any] = []
        self.now_ns = 0

    # --- the protocol -----------------------------------------------------------------------------

    def connect(self) -> None:
        self.is_up = True
        self.sessions += 1
        self.coming.append(BrokerUp(f"v{self.sessions}", self.now_ns, self.now_ns))

    def _require_up(self) -> None:
        if not self.is_up:
            raise BrokerDownError("the venue is away: connect first")

    def submit(self, order: NewOrder) -> None:
        self._require_up()
        self.before_send(order)
        self.going.append(order)

    def cancel(self, command: CancelOrder) -> None:
        self._require_up()
        self.going.append(command)

    def replace(self, command: ReplaceOrder) -> None:
        self._require_up()
        self.going.append(command)

    def request_report(self, since_ns: int, unsettled: Sequence[NewOrder] = ()) -> None:
        self._require_up()
        self.going.append(tuple(unsettled))

    def poll(self, wait_s: float) -> list[Any]:
        coming, self.coming = self.coming, []
        return coming

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self.is_up = False

    # --- what happens to it -----------------------------------------------------------------------

    def step(self, count: int = 10**6) -> None:
        """Have so many commands arrive, and their answers come."""
        for _ in range(min(count, len(self.going))):
            self.coming += self.venue.take(self.going.pop(0), self.now_ns)

    def fill(self, name: str, lots: int) -> None:
        self.coming += self.venue.fill(name, lots, self.now_ns)

    def cut(self, draw: random.Random | None = None, *, arrive: int = 0, why: str = "cut") -> None:
        """Lose the connection: of the commands on their way some arrive, of the answers none."""
        count = draw.randint(0, len(self.going)) if draw else arrive
        for command in self.going[:count]:
            self.venue.take(command, self.now_ns)
        kept = draw.randint(0, len(self.coming)) if draw else 0
        self.going, self.coming = [], self.coming[:kept]
        if self.is_up:
            self.is_up = False
            self.coming.append(BrokerDown(why, False, self.now_ns, self.now_ns))


class SteppingBroker(VenueBroker):
    """The same, whose venue acts at once: for rails in a process of their own."""

    def poll(self, wait_s: float) -> list[Any]:
        self.now_ns = time.time_ns()
        self.step()
        return super().poll(wait_s)


def open_broker(**options: Any) -> SteppingBroker:
    """As a factory of settings."""
    return SteppingBroker(Venue(**options))
