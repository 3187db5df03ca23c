"""What is known of orders at a venue over FIX: terms, names of their requests, what is unanswered.

A request has a name of its own (ClOrdID): an order's first is its `client_order_id`; that of a
cancel or replace has a point and a number behind it, which is the time it was sent at, so that no
later process gives it again. Whose a name is can be told from it alone.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal

from tapewire.live.orders import CLIENT_ID_CHARS_MAX
from tapewire.market.records import UNDEF_PRICE

Request = Literal["new", "cancel", "replace"]
#: Orders that have ended and are still known, for what comes late.
ENDED_MAX: Final = 10_000
#: Executions by their names.
SEEN_MAX: Final = 100_000
#: Messages that were sent, and whose request they were.
SENT_MAX: Final = 10_000
_NS_PER_MS: Final = 10**6


@dataclass(slots=True)
class FixOrder:
    """An order as far as it is known here.

    Attributes
    ----------
    exec_inst, position_effect
        As FIX writes them.
    request_id
        The ClOrdID that the venue knows it by now.
    pending
        Requests without an answer, by ClOrdID.
    filled
        Lots, by fills that were told.
    """

    client_order_id: str
    symbol: str
    side: int
    quantity: int
    order_type: int = 0
    time_in_force: int = 0
    price: int = UNDEF_PRICE
    trigger_price: int = UNDEF_PRICE
    exec_inst: str = ""
    position_effect: str = ""
    expire_ns: int = 0
    venue_order_id: str = ""
    request_id: str = ""
    filled: int = 0
    is_open: bool = True
    pending: dict[str, Request] = field(default_factory=dict)


class FixOrders:
    """All that are open, and the last that have ended."""

    def __init__(self) -> None:
        self._orders: dict[str, FixOrder] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._by_venue: dict[str, str] = {}
        self._sent: OrderedDict[int, str] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._last_ms = 0

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._orders

    def add(self, order: FixOrder) -> None:
        """Know an order from now on."""
        self._orders[order.client_order_id] = order

    def get(self, client_order_id: str) -> FixOrder | None:
        """Return an order by its own name."""
        return self._orders.get(client_order_id)

    def of_request(self, request_id: str, venue_order_id: str) -> str:
        """Return whose a request is; empty: it is none of ours."""
        client_order_id = request_id.partition(".")[0]
        plain = client_order_id.replace("-", "a")
        if plain.isascii() and plain.isalnum() and len(plain) <= CLIENT_ID_CHARS_MAX:
            return client_order_id
        return "" if request_id else self._by_venue.get(venue_order_id, "")

    def next_request_id(self, client_order_id: str, ts_ns: int) -> str:
        """Return a name for a cancel or replace of an order."""
        self._last_ms = max(self._last_ms + 1, ts_ns // _NS_PER_MS)
        return f"{client_order_id}.{self._last_ms:x}"

    def name_at_venue(self, order: FixOrder, venue_order_id: str) -> None:
        """Note the venue's own name of an order."""
        if venue_order_id and venue_order_id != "NONE":
            self._by_venue.pop(order.venue_order_id, None)
            order.venue_order_id = venue_order_id
            self._by_venue[venue_order_id] = order.client_order_id

    def end(self, order: FixOrder) -> None:
        """Note that nothing of an order can trade any more."""
        order.is_open = False
        order.pending.clear()
        self._ended[order.client_order_id] = None
        while len(self._ended) > ENDED_MAX:
            oldest, _ = self._ended.popitem(last=False)
            gone = self._orders.pop(oldest, None)
            if gone is not None:
                self._by_venue.pop(gone.venue_order_id, None)

    def reopen(self, order: FixOrder) -> None:
        """Note that the venue has an order that it did not have when it was asked for."""
        order.is_open = True
        self._ended.pop(order.client_order_id, None)

    def sent(self, number: int, request_id: str) -> None:
        """Note which message a request was."""
        self._sent[number] = request_id
        while len(self._sent) > SENT_MAX:
            self._sent.popitem(last=False)

    def sent_as(self, number: int) -> str:
        """Return the request that a message was; empty where it was none."""
        return self._sent.get(number, "")

    def sent_between(self, first: int, last: int) -> list[str]:
        """Return requests without an answer that were messages of these numbers."""
        return [
            name
            for number, name in self._sent.items()
            if first <= number <= last
            and (order := self._orders.get(self.of_request(name, ""))) is not None
            and name in order.pending
        ]

    def forget_sent(self) -> None:
        """Messages have other numbers from now on."""
        self._sent.clear()

    def is_new_execution(self, execution_id: str) -> bool:
        """Whether something is told for the first time; it is not any more behind this."""
        if execution_id in self._seen:
            return False
        self._seen[execution_id] = None
        while len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        return True

    def unanswered(self) -> list[FixOrder]:
        """Orders with requests that no answer has come to."""
        return [order for order in self._orders.values() if order.pending]
