"""What a simulation hands out: who traded where, and the rows it reports."""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tapewire.execution.codes import own_order_name
from tapewire.execution.rows import EVENT_DTYPE, FEE_DTYPE, TOUCH_DTYPE, whole_orders
from tapewire.positions.rows import SERIES_DTYPE

_NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)
_NO_SERIES: Final = np.zeros(0, SERIES_DTYPE)
_NO_FEES: Final = np.zeros(0, FEE_DTYPE)
_NO_TOUCHES: Final = np.zeros(0, TOUCH_DTYPE)


class Worths(NamedTuple):
    """What legs' price points are worth now, and what they have realised at other rates.

    Attributes
    ----------
    num, den
        A price point is worth ``num / den`` currency by lot; int64, shape (legs,).
    units, money
        What is realised at rates that change, as far as strategies know: price units x lots, and
        1e-9 currency; 0 where what a point is worth is fixed.
    """

    num: npt.NDArray[np.int64]
    den: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    money: npt.NDArray[np.int64]


@dataclass(frozen=True)
class LegInfo:
    """One strategy instance on one book, as results name it.

    ``client_order_labels[k - 1]`` is the name of ``client_order_id`` k, where a log gave names;
    ``position_limit`` are the lots that its position may have, where there is such a limit.
    """

    leg: int
    strategy_id: str
    publisher_id: int
    instrument_id: int
    symbol: str
    tick_size: int
    multiplier_num: int
    multiplier_den: int
    client_order_labels: tuple[str, ...] | None = None
    position_limit: int | None = None

    def order_name(self, client_order_id: int) -> str:
        """Return an order's id as text: the user's own label where there is one."""
        labels = self.client_order_labels or ()
        if client_order_id < 0:
            return own_order_name(client_order_id)
        return (
            labels[client_order_id - 1] if client_order_id <= len(labels) else f"{client_order_id}"
        )


@dataclass(frozen=True)
class RestingOrder:
    """A simulated order as the exchange has it.

    Attributes
    ----------
    leg, client_order_id
        Whose it is, and which.
    side, order_type, time_in_force, status
        Codes of `tapewire.execution.codes`.
    price
        1e-9; None of a market order, which waits for a reopening.
    quantity, filled
        Lots, after replaces.
    ahead
        Lots of the market that stand ahead of it at its price; None where it stands in no queue.
    replaces
        How many took effect so far.
    ts_arrived
        When it reached the exchange, ns.
    orders_ahead
        Orders of the market that stand there; None where that is not known.
    """

    leg: int
    client_order_id: int
    side: int
    order_type: int
    time_in_force: int
    status: int
    price: int | None
    quantity: int
    filled: int
    ahead: int | None
    replaces: int
    ts_arrived: int
    orders_ahead: int | None = None


@dataclass(slots=True)
class Drained:
    """Rows reported since the last drain: copies, in the order in which they happened.

    There may be one for each event: it is not frozen, which would take most of a microsecond.
    """

    fills: npt.NDArray[Any]
    #: ``ORDER_CORE_DTYPE`` and ``ORDER_EXTRA_DTYPE``; see `orders`.
    order_core: npt.NDArray[Any]
    order_extras: npt.NDArray[Any]
    samples: npt.NDArray[Any]
    #: Changes of orders; none unless ``event_log`` asks for them.
    events: npt.NDArray[Any] = field(default_factory=lambda: _NO_EVENTS)
    #: Values that strategies recorded, by the time they did.
    series: npt.NDArray[Any] = field(default_factory=lambda: _NO_SERIES)
    #: Lines of the fees of these fills, where fee models tell lines apart.
    fees: npt.NDArray[Any] = field(default_factory=lambda: _NO_FEES)
    #: Best prices of books as they moved; none unless ``touches`` asks for them.
    touches: npt.NDArray[Any] = field(default_factory=lambda: _NO_TOUCHES)
    _orders: npt.NDArray[Any] | None = None

    @property
    def orders(self) -> npt.NDArray[Any]:
        """The orders, ``ORDER_DTYPE``; put together when they are asked for."""
        if self._orders is None:
            self._orders = whole_orders(self.order_core, self.order_extras)
        return self._orders
