"""What is said of real orders: commands on their way to a broker, what it says of them, reports.

Every party speaks of orders in these words: who decides, the rails, the adapters of brokers. All of
it is typed, bounded and immutable, and goes over sockets and into journals as msgpack (`ORDERS`).
Prices are int64, 1 unit = 1e-9; sizes are lots; times are ns since the epoch, UTC. Words are the
integers of `tapewire.execution.codes`. Whether a command makes sense, `live/soundness.py` says.

An order has one name for its whole life, the `client_order_id` that its owner gives it, which no
other order of the account ever has: the same name twice is one order.
"""

from typing import Annotated, Final

from msgspec import Meta

from tapewire.wire.codec import Clock, Codec, Message, Name, Part

CLIENT_ID_CHARS_MAX: Final = 36
LOTS_MAX: Final = 2**31 - 1
REASON_CHARS_MAX: Final = 500
#: Of each kind in one report.
REPORTED_MAX: Final = 10_000
#: A report is the largest message by far.
MESSAGE_BYTES_MAX: Final = 8 << 20
#: `OrderFilled.liquidity` where the venue does not say.
LIQUIDITY_UNKNOWN: Final = -1

ClientId = Annotated[
    str, Meta(min_length=1, max_length=CLIENT_ID_CHARS_MAX, pattern=r"^[A-Za-z0-9-]+$")
]
#: As a `ClientId`, or empty: the venue has an order that is none of ours.
MaybeClientId = Annotated[str, Meta(max_length=CLIENT_ID_CHARS_MAX, pattern=r"^[A-Za-z0-9-]*$")]
Price = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Lots = Annotated[int, Meta(ge=1, le=LOTS_MAX)]
LotsOrNone = Annotated[int, Meta(ge=0, le=LOTS_MAX)]
#: Below 0: short.
SignedLots = Annotated[int, Meta(ge=-LOTS_MAX, le=LOTS_MAX)]
#: Money units (1e-9 of the currency).
Money = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Word = Annotated[int, Meta(ge=-128, le=127)]
Why = Annotated[str, Meta(max_length=REASON_CHARS_MAX)]


# --- commands, on their way to a broker -----------------------------------------------------------


class NewOrder(Message, frozen=True):
    """An order to be sent.

    Attributes
    ----------
    price
        `UNDEF_PRICE` for orders without a limit.
    trigger_price
        `UNDEF_PRICE` for orders that are no stops.
    expire_ns
        Of a GTD order; else 0.
    """

    client_order_id: ClientId
    strategy_id: Name
    symbol: Name
    side: Word
    order_type: Word
    time_in_force: Word
    price: Price
    trigger_price: Price
    quantity: Lots
    post_only: bool
    reduce_only: bool
    ts_decided: Clock
    expire_ns: Clock = 0


class CancelOrder(Message, frozen=True):
    """An open order is to be taken back."""

    client_order_id: ClientId
    ts_decided: Clock


class ReplaceOrder(Message, frozen=True):
    """An open order's price and quantity are to change; its name and all else stay.

    Attributes
    ----------
    quantity
        Of the whole order: what has filled counts.
    """

    client_order_id: ClientId
    price: Price
    quantity: Lots
    ts_decided: Clock


# --- events, on their way from one ----------------------------------------------------------------
# Each has `ts_event`, the venue's clock (0: it does not say), and `ts_recv`, this host's.


class OrderAccepted(Message, frozen=True):
    """The venue has the order."""

    client_order_id: ClientId
    venue_order_id: Name
    ts_event: Clock
    ts_recv: Clock


class OrderDenied(Message, frozen=True):
    """The rails have stopped the order, or the adapter: it was never sent."""

    client_order_id: ClientId
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


class OrderRejected(Message, frozen=True):
    """The venue does not take the order."""

    client_order_id: ClientId
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


class OrderFilled(Message, frozen=True):
    """Lots of the order have traded.

    Attributes
    ----------
    execution_id
        The venue's name of this fill, by which it is counted once however often it is told.
    leaves_qty
        Lots that may still trade.
    liquidity
        A `Liquidity` of `tapewire.execution.codes`, or `LIQUIDITY_UNKNOWN`.
    commission
        Of this fill; None where the venue does not say.
    """

    client_order_id: ClientId
    execution_id: Name
    last_px: Price
    last_qty: Lots
    leaves_qty: LotsOrNone
    liquidity: Word
    commission: Money | None
    ts_event: Clock
    ts_recv: Clock


class FillUndone(Message, frozen=True):
    """The venue takes a fill back; one that it corrects is undone, and told again under a new name.

    Attributes
    ----------
    execution_id
        Of the fill that is none.
    """

    client_order_id: ClientId
    execution_id: Name
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


class OrderCanceled(Message, frozen=True):
    """The order is no more, on request or by the venue's own will."""

    client_order_id: ClientId
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


class OrderExpired(Message, frozen=True):
    """The order's time is over."""

    client_order_id: ClientId
    ts_event: Clock
    ts_recv: Clock


class OrderReplaced(Message, frozen=True):
    """The order has another price and quantity, as asked or by the venue's own will."""

    client_order_id: ClientId
    price: Price
    quantity: Lots
    ts_event: Clock
    ts_recv: Clock


class CancelRejected(Message, frozen=True):
    """The venue does not take the order back: it may have filled."""

    client_order_id: ClientId
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


class ReplaceRejected(Message, frozen=True):
    """The order stays as it was."""

    client_order_id: ClientId
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


class OrderUnclear(Message, frozen=True):
    """What became of the order, or of what was asked of it, is unknown until a report says.

    A cut came between what was sent and its answer, or the answer makes no sense.
    """

    client_order_id: ClientId
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


class BrokerUp(Message, frozen=True):
    """There is a session: orders may be sent."""

    session: Name
    ts_event: Clock
    ts_recv: Clock


class BrokerDown(Message, frozen=True):
    """There is no session any more, or none came about.

    Attributes
    ----------
    is_final
        Another try would end the same way: somebody must change something.
    """

    reason_text: Why
    is_final: bool
    ts_event: Clock
    ts_recv: Clock


class BrokerNotice(Message, frozen=True):
    """Something that a person should read, and no order depends on."""

    text: Why
    ts_event: Clock
    ts_recv: Clock


# --- reports, to hold one's own books against -----------------------------------------------------


class OrderReport(Part, frozen=True):
    """An order as the venue has it.

    Attributes
    ----------
    client_order_id
        Empty: it is none of ours.
    status
        An `OrderStatus` of `tapewire.execution.codes`.
    is_pending
        Whether the venue has a cancel or replace of it that it has not answered.
    """

    client_order_id: MaybeClientId
    venue_order_id: Name
    symbol: Name
    side: Word
    price: Price
    quantity: Lots
    filled_qty: LotsOrNone
    status: Word
    is_pending: bool = False


class FillReport(Part, frozen=True):
    """A fill as the venue has it."""

    execution_id: Name
    client_order_id: MaybeClientId
    symbol: Name
    side: Word
    last_px: Price
    last_qty: Lots
    ts_event: Clock


class PositionReport(Part, frozen=True):
    """A position as the venue has it; `average_px` is None where it does not say."""

    symbol: Name
    lots: SignedLots
    average_px: Price | None


class AccountReport(Message, frozen=True):
    """What the venue has of an account.

    Attributes
    ----------
    orders
        All that are open, and those that the adapter asked for by name.
    fills
        Since when was asked, as far as the venue tells.
    has_fills, has_positions
        Whether the venue tells of these at all: where not, they are empty and say nothing.
    is_complete
        Everything that was asked for has come; else nothing follows from what is missing.
    reason_text
        Why it is not.
    """

    orders: Annotated[tuple[OrderReport, ...], Meta(max_length=REPORTED_MAX)]
    fills: Annotated[tuple[FillReport, ...], Meta(max_length=REPORTED_MAX)]
    positions: Annotated[tuple[PositionReport, ...], Meta(max_length=REPORTED_MAX)]
    has_fills: bool
    has_positions: bool
    is_complete: bool
    reason_text: Why
    ts_event: Clock
    ts_recv: Clock


Command = NewOrder | CancelOrder | ReplaceOrder
BrokerEvent = (
    OrderAccepted | OrderDenied | OrderRejected | OrderFilled | FillUndone | OrderCanceled
    | OrderExpired | OrderReplaced | CancelRejected | ReplaceRejected | OrderUnclear | BrokerUp
    | BrokerDown | BrokerNotice | AccountReport
)  # fmt: skip

#: Commands and events as bytes, and back, whoever wrote them.
ORDERS: Final[Codec[Command | BrokerEvent]] = Codec(
    Command | BrokerEvent, magic=b"TWO1", noun="message about orders",
    bytes_max=MESSAGE_BYTES_MAX, too_large="ask for a shorter time",
)  # fmt: skip
