"""What an account has: orders, fills, positions, and which outcomes are unknown.

A fold of the journal's records, one at a time: rails apply each as they have written it, and
whoever reads the journal again comes to the same. Times and prices are those of the records; it
reads no clock. Exact integers; a slow twin is in ``tests/naive/rails.py``.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tapewire.execution.codes import OrderStatus
from tapewire.live.orders import (
    BrokerDown,
    CancelOrder,
    CancelRejected,
    FillUndone,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnclear,
    ReplaceOrder,
    ReplaceRejected,
)
from tapewire.live.rails.records import (
    EXECUTIONS_PER_RECORD,
    JournalStamp,
    KeptExecution,
    KeptExecutions,
    KeptHorizon,
    KeptOrder,
    KeptPosition,
    KeptSession,
    OutcomeKnown,
    PositionAdopted,
    PositionValued,
    SessionBegan,
    SessionEnded,
    StateChanged,
)
from tapewire.market.records import UNDEF_PRICE
from tapewire.wire.codec import Message

#: Orders that have ended and are still known, so that a late or second word of one is understood.
ENDED_KEPT: Final = 4_096
_OPEN: Final = (OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass
class RailsOrder:
    """An order that was sent, or was about to be.

    Attributes
    ----------
    price, quantity
        As replaced; the quantity in lots, with what has filled.
    requested
        The largest quantity that a replace under way asks for; 0: none.
    sent_ns, asked_ns, requested_ns
        When it was journaled, the last request about it, and the last replace among those; ns
        since the epoch.
    cancels_ns
        When the cancels of it were journaled that have no answer yet.
    is_unknown
        Whether the outcome of it, or of a request about it, is.
    is_absent
        Whether it ended because a report did not have it.
    """

    order: NewOrder
    sent_ns: int
    price: int
    quantity: int
    status: OrderStatus = OrderStatus.PENDING_NEW
    filled: int = 0
    requested: int = 0
    venue_order_id: str = ""
    asked_ns: int = 0
    requested_ns: int = 0
    is_unknown: bool = False
    is_absent: bool = False
    cancels_ns: list[int] = field(default_factory=list)
    executions: dict[str, KeptExecution] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.status in _OPEN

    @property
    def is_canceling(self) -> bool:
        """Whether a cancel of it is under way."""
        return bool(self.cancels_ns)

    @property
    def is_waiting(self) -> bool:
        """Whether a word of the venue is due."""
        return (
            self.status == OrderStatus.PENDING_NEW or self.is_canceling or self.requested > 0
        ) and self.is_open

    @property
    def open_lots(self) -> int:
        """The most lots that may still fill of it."""
        return max(0, max(self.quantity, self.requested) - self.filled) if self.is_open else 0


@dataclass
class AccountPosition:
    """A position: lots, below 0 short; what they took, 1e-9 price times lots; fees paid.

    Attributes
    ----------
    mark
        The price of these lots that is journaled last, 1e-9; None: none since the last fill.
    multiplier_num, multiplier_den
        Of the contract when a session last listed it; 0 as the first: none has been heard of.
    """

    lots: int = 0
    cash: int = 0
    fees: int = 0
    mark: int | None = None
    multiplier_num: int = 0
    multiplier_den: int = 1

    def book(self, side: int, price: int, lots: int, fee: int) -> None:
        """Book a fill."""
        self.lots += side * lots
        self.cash -= side * price * lots
        self.fees += fee
        self.mark = None  # of other lots: an old price beside a new fill would make up a loss

    def adopt(self, lots: int, average_px: int) -> None:
        """Take over lots at a price, which is what they are worth until there is another one."""
        mark = self.mark if self.lots else average_px
        self.book(1, average_px, lots, 0)
        self.mark = mark

    def pnl(self, mark: int, numerator: int, denominator: int) -> int:
        """P&L at a price, 1e-9 currency, rounded down: as `tapewire.positions` has it."""
        return (self.cash + self.lots * mark) * numerator // denominator - self.fees


class AccountLedger:
    """All of an account; see the module.

    Attributes
    ----------
    open, ended : dict of RailsOrder by client order id
        Those that have ended in the order in which they did, the last `ENDED_KEPT`.
    positions : dict of AccountPosition by symbol
    horizon_ns
        Orders that ended up to here may be forgotten; 0: no session has ever begun.
    account, session, epoch
        Of the last session that began.
    ending, state
        How that one ended, in words, and what it was allowed last, as far as either was said.
    fills
        Counted.
    """

    def __init__(self) -> None:
        self.open: dict[str, RailsOrder] = {}
        self.ended: OrderedDict[str, RailsOrder] = OrderedDict()
        self.positions: dict[str, AccountPosition] = {}
        self.horizon_ns = 0
        self.now_ns = 0
        self.account = self.session = ""
        self.epoch = 0
        self.ending: SessionEnded | None = None
        self.state: StateChanged | None = None
        self.fills = 0

    def order(self, client_order_id: str) -> RailsOrder | None:
        """Return an order that is known; None if there is none of that id."""
        return self.open.get(client_order_id) or self.ended.get(client_order_id)

    def position(self, symbol: str) -> AccountPosition:
        """Return the position in an instrument, made if there was none."""
        return self.positions.setdefault(symbol, AccountPosition())

    def open_lots(self, symbol: str, side: int) -> int:
        """Return the lots of a side that may still fill."""
        return sum(
            one.open_lots
            for one in self.open.values()
            if one.order.symbol == symbol and one.order.side == side
        )

    @property
    def unknown(self) -> list[RailsOrder]:
        """Orders whose outcome is unknown, or that of a request about them."""
        return [one for one in self.open.values() if one.is_unknown]

    def says_nothing_new(self, record: Message) -> bool:
        """Whether an event tells what is known: a second word of the same thing."""
        if isinstance(record, OrderFilled):
            order = self.order(record.client_order_id)
            return order is not None and record.execution_id in order.executions
        if isinstance(record, FillUndone):
            order = self.order(record.client_order_id)
            was = order.executions.get(record.execution_id) if order else None
            return was is not None and was.lots == 0
        if isinstance(record, OrderAccepted):
            order = self.order(record.client_order_id)
            return (
                order is not None
                and not order.is_absent
                and (order.status != OrderStatus.PENDING_NEW)
            )
        if isinstance(record, OrderCanceled | OrderExpired | OrderRejected | OrderDenied):
            order = self.order(record.client_order_id)
            return order is not None and not order.is_open
        return False

    # --- the fold ---------------------------------------------------------------------------------

    def apply(self, record: Message) -> None:
        """Take a record."""
        if isinstance(record, JournalStamp):
            self.now_ns = max(self.now_ns, record.ts)
        elif isinstance(record, NewOrder):
            self.open[record.client_order_id] = RailsOrder(
                record, self.now_ns, record.price, record.quantity, asked_ns=self.now_ns
            )
        elif isinstance(record, SessionBegan | KeptSession):
            self.account, self.session, self.epoch = record.account, record.session, record.epoch
            self.ending = None
            if isinstance(record, SessionBegan):
                self._cut()
        elif isinstance(record, SessionEnded):
            self.ending = record
        elif isinstance(record, StateChanged):
            self.state = record
        elif isinstance(record, BrokerDown):
            self._cut()
        elif isinstance(record, PositionAdopted):
            self.position(record.symbol).adopt(record.lots, record.average_px)
        elif isinstance(record, PositionValued):
            held = self.position(record.symbol)
            held.mark = None if record.mark == UNDEF_PRICE else record.mark
            held.multiplier_num, held.multiplier_den = record.multiplier_num, record.multiplier_den
        elif isinstance(record, KeptOrder | KeptExecutions | KeptPosition | KeptHorizon):
            self._restore(record)
        else:
            self._apply_to_order(record)

    def _apply_to_order(self, record: Message) -> None:
        order = self.order(getattr(record, "client_order_id", ""))
        if order is None:
            return
        if isinstance(record, OrderFilled):
            self._fill(order, record)
        elif isinstance(record, FillUndone):
            self._undo(order, record)
        elif isinstance(record, CancelOrder):
            order.cancels_ns.append(self.now_ns)
            order.asked_ns = self.now_ns
        elif isinstance(record, ReplaceOrder):
            order.requested = max(order.requested, record.quantity)
            order.asked_ns = order.requested_ns = self.now_ns
        elif isinstance(record, OrderUnclear):
            order.is_unknown = True
        elif isinstance(record, OutcomeKnown):
            self._settle(order, record)
        else:
            self._answer(order, record)

    def _answer(self, order: RailsOrder, record: Message) -> None:
        """Take what the venue says of an order or a request."""
        if isinstance(record, OrderAccepted):
            if order.status == OrderStatus.PENDING_NEW or order.is_absent:
                self._reopen(order)
                order.status = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW
            order.venue_order_id = record.venue_order_id
        elif isinstance(record, OrderReplaced):
            order.price, order.quantity, order.requested = record.price, record.quantity, 0
            if order.is_open and order.filled >= order.quantity:
                self._end(order, OrderStatus.FILLED)
        elif isinstance(record, CancelRejected):
            del order.cancels_ns[:1]  # answers come in the order of what they answer
        elif isinstance(record, ReplaceRejected):
            order.requested = 0
            if order.is_open and order.filled >= order.quantity:
                self._end(order, OrderStatus.FILLED)
        elif isinstance(record, OrderCanceled):
            self._end(order, OrderStatus.CANCELED)
        elif isinstance(record, OrderExpired):
            self._end(order, OrderStatus.EXPIRED)
        elif isinstance(record, OrderRejected):
            self._end(order, OrderStatus.REJECTED)
        elif isinstance(record, OrderDenied):
            self._end(order, OrderStatus.DENIED)

    def _fill(self, order: RailsOrder, fill: OrderFilled) -> None:
        """Count an execution, once: also one that comes behind the end of its order."""
        if fill.execution_id in order.executions:
            return
        fee = fill.commission or 0
        order.executions[fill.execution_id] = KeptExecution(
            fill.execution_id, fill.last_px, fill.last_qty, fee
        )
        order.filled += fill.last_qty
        self.fills += 1
        self.position(order.order.symbol).book(order.order.side, fill.last_px, fill.last_qty, fee)
        if not order.is_open:
            return
        if order.filled >= max(order.quantity, order.requested):
            self._end(order, OrderStatus.FILLED)
        else:
            order.status = OrderStatus.PARTIALLY_FILLED

    def _undo(self, order: RailsOrder, undone: FillUndone) -> None:
        """Take an execution back; its id stays known, so that it is not counted again."""
        was = order.executions.get(undone.execution_id)
        if was is None or was.lots == 0:
            return
        order.executions[was.execution_id] = KeptExecution(was.execution_id, was.price, 0, 0)
        order.filled -= was.lots
        self.position(order.order.symbol).book(-order.order.side, was.price, was.lots, -was.fee)

    def _settle(self, order: RailsOrder, record: OutcomeKnown) -> None:
        order.is_unknown = False  # cancels that are left were sent since the report was asked for
        order.requested = 0
        if record.is_absent:
            self._end(order, OrderStatus.CANCELED)
            order.is_absent = True
        elif order.is_open and order.filled >= order.quantity:
            self._end(order, OrderStatus.FILLED)

    def _end(self, order: RailsOrder, status: OrderStatus) -> None:
        if not order.is_open:
            return
        order.status = status
        order.is_unknown = False
        order.requested = 0
        order.cancels_ns.clear()
        del self.open[order.order.client_order_id]
        self.ended[order.order.client_order_id] = order
        order.asked_ns = self.now_ns
        while len(self.ended) > ENDED_KEPT:
            _, forgotten = self.ended.popitem(last=False)
            self.horizon_ns = max(self.horizon_ns, forgotten.asked_ns)

    def _reopen(self, order: RailsOrder) -> None:
        """Take back an order that a report did not have, and the venue has now."""
        order.is_absent = False
        name = order.order.client_order_id
        self.ended.pop(name, None)
        self.open[name] = order

    def _cut(self) -> None:
        """The connection is gone: whatever was on its way may have arrived, or not."""
        for one in self.open.values():
            one.is_unknown |= one.is_waiting

    # --- a new file -------------------------------------------------------------------------------

    def kept(self) -> Iterator[Message]:
        """Yield the records that a new file begins with, from which all of it comes again."""
        yield KeptHorizon(self.horizon_ns)
        if self.epoch:
            yield KeptSession(self.account, self.session, self.epoch)
        for said in (self.ending, self.state):
            if said is not None:
                yield said
        for symbol, held in self.positions.items():
            yield KeptPosition(
                symbol, held.lots, str(held.cash), str(held.fees),
                UNDEF_PRICE if held.mark is None else held.mark,
                held.multiplier_num, held.multiplier_den,
            )  # fmt: skip
        for one in (*self.ended.values(), *self.open.values()):
            yield KeptOrder(
                one.order, one.asked_ns if not one.is_open else one.sent_ns, int(one.status),
                one.venue_order_id, one.price, one.quantity, one.filled, one.requested,
                one.is_unknown, one.is_absent, len(one.cancels_ns),
            )  # fmt: skip
            found = tuple(one.executions.values())
            for at in range(0, len(found), EXECUTIONS_PER_RECORD):
                yield KeptExecutions(
                    one.order.client_order_id, found[at : at + EXECUTIONS_PER_RECORD]
                )

    def _restore(self, record: Message) -> None:
        if isinstance(record, KeptHorizon):
            self.horizon_ns = record.ts
        elif isinstance(record, KeptPosition):
            self.positions[record.symbol] = AccountPosition(
                record.lots, int(record.cash), int(record.fees),
                None if record.mark == UNDEF_PRICE else record.mark,
                record.multiplier_num, record.multiplier_den,
            )  # fmt: skip
        elif isinstance(record, KeptOrder):
            one = RailsOrder(
                record.order, record.sent, record.price, record.quantity,
                OrderStatus(record.status), record.filled, record.requested,
                record.venue_order_id, record.sent, record.sent if record.requested else 0,
                record.is_unknown, record.is_absent, [record.sent] * record.canceling,
            )  # fmt: skip
            (self.open if one.is_open else self.ended)[record.order.client_order_id] = one
        elif isinstance(record, KeptExecutions):
            order = self.order(record.client_order_id)
            if order is not None:
                order.executions.update((one.execution_id, one) for one in record.executions)
