"""Orders and fills, as a strategy in plain Python knows them."""

from typing import TYPE_CHECKING, Final, NamedTuple

from tapewire.execution.codes import DENIALS, OrderStatus, Reason, Side

if TYPE_CHECKING:
    from tapewire.strategies.plain.context import Context

_OPEN: Final = frozenset(
    map(id, (OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED))
)


class Order:
    """An order, as far as its strategy was told.

    Attributes
    ----------
    id : int
        ``client_order_id`` of the results; negative of an order by which the simulation closes a
        position after the loss limit.
    symbol : str
    side : Side
    order_type : OrderType
    time_in_force : TimeInForce
    price : int or None
        1e-9; None of a market order.
    trigger_price : int or None
        1e-9, of a stop.
    quantity, filled : int
        Lots.
    status : OrderStatus
    reason : Reason
        Why it was denied, rejected, canceled or expired.
    requests : int
        Cancels and replaces that are unanswered.
    parent : Order or None
        The entry, of a bracket's exit.
    """

    __slots__ = (
        "_context", "_handle", "_leg", "filled", "id", "order_type", "parent", "price", "quantity",
        "reason",
        "requests", "side", "status", "symbol", "time_in_force", "trigger_price",
    )  # fmt: skip

    def __init__(
        self, context: "Context", handle: int, leg: int, number: int, symbol: str, side: int,
        order_type: int, price: int | None, quantity: int, time_in_force: int,
    ) -> None:  # fmt: skip
        self._context = context
        self._handle = handle
        self._leg = leg
        self.id = number
        self.symbol = symbol
        self.side = side
        self.order_type = order_type
        self.price = price
        self.quantity = quantity
        self.time_in_force = time_in_force
        self.trigger_price: int | None = None
        self.parent: Order | None = None
        self.filled = 0
        self.status = OrderStatus.PENDING_NEW
        self.reason = Reason.NONE
        self.requests = 0

    def __repr__(self) -> str:
        price = "market" if self.price is None else f"{self.price / 1e9:g}"
        return (
            f"Order({self.id}, {Side(self.side).name} {self.quantity} {self.symbol} @ {price}, "
            f"{self.status.name}, filled {self.filled})"
        )

    @property
    def leaves(self) -> int:
        """Lots still to be filled; 0 once it is closed."""
        return self.quantity - self.filled if self.is_open else 0

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled, as far as the strategy was told."""
        return id(self.status) in _OPEN  # members are single; comparing them takes longer

    @property
    def was_denied(self) -> bool:
        """Whether it, or the last change of it, was denied before it left: see ``reason``.

        A denial is told at the same time: wait for the next event, whoever asks again at once is
        denied again.
        """
        return self.reason in DENIALS

    @property
    def orders_ahead(self) -> int | None:
        """Orders ahead of it in its queue as of the last event; None until it is known to rest.

        None where its place is guessed from the sizes of levels, too.
        """
        return self._context._place_of(self, lots=False)

    @property
    def lots_ahead(self) -> int | None:
        """Lots ahead of it in its queue as of the last event; None until it is known to rest.

        Where its place is guessed, to the nearest lot, and None while its level is out of sight.
        """
        return self._context._place_of(self, lots=True)


class Fill(NamedTuple):
    """A fill: price in 1e-9, quantity in lots, commission in 1e-9 currency."""

    order: Order
    price: int
    quantity: int
    side: int
    commission: int


STATUSES: Final = {int(item): item for item in OrderStatus}
REASONS: Final = {int(item): item for item in Reason}
