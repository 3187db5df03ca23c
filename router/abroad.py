"""Orders of a simulation that go to a broker elsewhere: what leaves it, and what it is told.

Books, accounts, limits and strategies are those of any simulation. The exchange is not: an order is
what its broker says of it, word by word, and between two words nothing becomes of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tapewire.compiled.jit import entry_of
from tapewire.execution.codes import ACCOUNT_ID, Liquidity, OrderStatus, OrderType, Reason, Side
from tapewire.execution.codes import TimeInForce as Tif
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import _abroad as kernels
from tapewire.router._layout import (
    ARRIVE_CANCEL,
    ARRIVE_CANCEL_ALL,
    ARRIVE_NEW,
    ARRIVE_REPLACE,
    TELL_ACCEPTED,
    TELL_CHANGED,
    TELL_CLOSED,
    TELL_FILL,
    TELL_REFUSED,
    TELL_REPLACED,
)

if TYPE_CHECKING:
    from tapewire.router._memory import Memory

RequestKind = Literal["new", "cancel", "cancel_all", "replace"]
_KINDS: Final[dict[int, RequestKind]] = {
    ARRIVE_NEW: "new", ARRIVE_CANCEL: "cancel", ARRIVE_CANCEL_ALL: "cancel_all",
    ARRIVE_REPLACE: "replace",
}  # fmt: skip
#: Fields of a request that are called the same in its record.
_SAME: Final = (
    "leg", "client_order_id", "side", "order_type", "time_in_force", "price", "trigger_price",
    "quantity", "lots", "expire_ns", "terms",
)  # fmt: skip
_INDEX_MASK: Final = 0xFFFFFFFF
_OPEN: Final = (OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class AbroadRequest:
    """What a strategy has asked for, and no limit of the run has stopped.

    Attributes
    ----------
    order
        The handle of the order: stale once the order has ended and its strategy knows.
    leg
        Whose; of ``cancel_all`` all of that leg's orders are meant.
    price, quantity
        Of a replace the new ones, else the order's own: 1e-9 (`UNDEF_PRICE`: none) and lots.
    lots
        What a replace reserves, to be given back with its answer.
    terms
        `execution.codes.Term`.
    of_trigger
        The price of a replace is that of a stop's trigger.
    ts_ns
        Local time at which it left.
    """

    kind: RequestKind
    order: int
    leg: int
    client_order_id: int
    side: int
    order_type: int
    time_in_force: int
    price: int
    trigger_price: int
    quantity: int
    lots: int
    expire_ns: int
    terms: int
    of_trigger: bool
    ts_ns: int


@dataclass(frozen=True, slots=True)
class Said:
    """When something happened to an order, and when that is heard; ns since the epoch.

    Clocks differ: what is said to have happened before it was asked for, or after it was heard of,
    happened then.

    Attributes
    ----------
    ts_event
        By the venue's clock.
    ts_known
        By the strategy's; what is earlier than it was told before is told now.
    """

    ts_event: int
    ts_known: int


class Abroad:
    """The way out of a simulation and back. What says something of a stale handle raises KeyError.

    Parameters
    ----------
    memory
        Of the simulation.
    retry
        Calls what returns a status until there is room for it.
    let_pass
        Lets time pass, to a time in ns.
    """

    def __init__(
        self, memory: "Memory", retry: Callable[[Callable[[], int]], None],
        let_pass: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._memory, self._retry = memory, retry
        self.let_pass = let_pass
        self._request, self._word = np.zeros(1, kernels.REQUEST), np.zeros(1, kernels.WORD)
        self._account_orders = 0
        self._take = entry_of(kernels.take_request)
        self._hear_entry = entry_of(kernels.hear)
        self._open_entry = entry_of(kernels.open_account_order)

    # --- what leaves ------------------------------------------------------------------------------

    def take(self) -> list[AbroadRequest]:
        """Return what has left since the last call, in the order in which it did."""
        taken = []
        take, router = self._take, self._memory.router_address
        row = self._request[0]
        while take(router, self._request.ctypes.data):
            taken.append(
                AbroadRequest(
                    kind=_KINDS[int(row["kind"])],
                    order=int(row["handle"]),
                    of_trigger=bool(row["of_trigger"]),
                    ts_ns=int(row["ts"]),
                    **{name: int(row[name]) for name in _SAME},
                )
            )
        return taken

    def open_orders(self, leg: int) -> list[int]:
        """Handles of a leg's orders that its strategy believes open, oldest first."""
        own_orders = self._memory.own_orders.records
        instance = int(self._memory.legs.records[leg]["instance"])
        place = self._memory.places.get(instance)
        contexts = self._memory.contexts if place is None else place.context
        index = int(contexts.records[instance if place is None else 0]["open_head"])
        found = []
        while index != NIL:
            own = own_orders[index]
            if int(own["leg"]) == leg and int(own["known_status"]) in _OPEN:
                found.append(int(own["generation"]) << 32 | index)
            index = int(own["open_next"])
        return found

    # --- what is heard ----------------------------------------------------------------------------

    def leaves(self, order: int) -> int:
        """Lots of an order that may still fill; 0: it has ended.

        Raises
        ------
        KeyError
            If its record serves another one by now.
        """
        own = self._own(order)
        is_open = int(own["status"]) in _OPEN
        return int(own["quantity"]) - int(own["filled"]) if is_open else 0

    def accept(self, order: int, said: Said) -> None:
        """The venue has a new order."""
        self._hear(order, TELL_ACCEPTED, said)

    def fill(
        self, order: int, price: int, lots: int, liquidity: Liquidity, commission: int | None,
        said: Said,
    ) -> None:  # fmt: skip
        """Lots of an order have traded: at most as many as it `leaves`.

        ``commission`` is in 1e-9 currency; None: what the run's fee model says.
        """
        self._hear(
            order, TELL_FILL, said, price=price, lots=lots, liquidity=int(liquidity),
            commission=commission or 0, has_commission=commission is not None,
        )  # fmt: skip

    def close(
        self, order: int, status: OrderStatus, reason: Reason, said: Said, *, answers: bool = False
    ) -> None:
        """An order has ended without (another) fill; ``answers``: a cancel has done it."""
        self._hear(
            order, TELL_CLOSED, said, status=int(status), reason=int(reason), answers=answers
        )

    def replace(self, order: int, price: int, quantity: int, said: Said, *, lots: int) -> None:
        """A replace that reserved so many lots was carried out."""
        self._hear(
            order, TELL_REPLACED, said, price=price, quantity=quantity, lots=lots, answers=True
        )

    def change(self, order: int, price: int, quantity: int, said: Said) -> None:
        """The venue has changed an order by its own will."""
        self._hear(
            order, TELL_CHANGED, said, price=price, quantity=quantity, reason=int(Reason.BROKER)
        )

    def refuse(
        self, order: int, reason: Reason, said: Said, *, price: int = UNDEF_PRICE,
        quantity: int = 0, lots: int = 0,
    ) -> None:  # fmt: skip
        """A cancel, or a replace to a price and quantity, was refused; it reserved so many lots."""
        self._hear(
            order, TELL_REFUSED, said, reason=int(reason), price=price, quantity=quantity,
            lots=lots, answers=True,
        )  # fmt: skip

    def open_account_order(self, leg: int, side: Side, lots: int, said: Said) -> int:
        """Make an order that no strategy sent, and the account has, a leg's; return its handle."""
        self._fill_word(
            said, leg=leg, client_order_id=ACCOUNT_ID - self._account_orders, side=int(side),
            order_type=int(OrderType.MARKET), time_in_force=int(Tif.GTC), price=UNDEF_PRICE,
            quantity=lots,
        )  # fmt: skip
        self._account_orders += 1
        self._call(self._open_entry)
        return int(self._word[0]["handle"])

    def _own(self, order: int) -> Any:
        own = self._memory.own_orders.records[order & _INDEX_MASK]
        if int(own["generation"]) != order >> 32:
            raise KeyError(order)
        return own

    def _hear(self, order: int, kind: int, said: Said, **more: int) -> None:
        self._own(order)
        self._fill_word(said, kind=kind, handle=order, **more)
        self._call(self._hear_entry)

    def _fill_word(self, said: Said, **more: int) -> None:
        self._word[:] = 0
        word = self._word[0]
        word["ts_event"], word["ts_known"] = said.ts_event, said.ts_known
        for name, value in more.items():
            word[name] = value

    def _call(self, entry: Callable[[int, int], int]) -> None:
        router = self._memory.router_address
        self._retry(lambda: entry(router, self._word.ctypes.data))
