"""How an account is wound up: orders canceled, positions closed, each try told and counted."""

from typing import Final

from tapewire.execution.codes import OrderType, Side, TimeInForce
from tapewire.live.orders import LOTS_MAX, CancelOrder, NewOrder
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.soundness import client_order_id
from tapewire.market.records import UNDEF_PRICE

#: Numbers of the rails' own orders begin here; the engine's are below.
OWN_NUMBER_FIRST: Final = 50_000_000_000
#: Market orders that made a position no smaller, before a person is asked.
FLATTEN_TRIES_MAX: Final = 5
_OWNER: Final = "rails"


class Winder:
    """Says what is to be sent to wind up; sends nothing itself.

    Parameters
    ----------
    ledger
    session
        Whose orders it makes.
    retry_ns, answer_ns
        Between two tries of the same thing; how long a cancel may go without an answer.
    """

    def __init__(self, ledger: AccountLedger, session: str, retry_ns: int, answer_ns: int) -> None:
        self._ledger, self._session = ledger, session
        self._retry_ns, self._answer_ns = retry_ns, answer_ns
        self._number = OWN_NUMBER_FIRST
        self._tries: dict[str, int] = {}
        self._tried_lots: dict[str, int] = {}
        self._tried_ns: dict[str, int] = {}
        self._closed_ns: dict[str, int] = {}
        self._given_up: set[str] = set()
        self._to_tell: list[str] = []

    def cancels(self, now_ns: int, only: set[str] | None = None) -> list[CancelOrder]:
        """Return cancels of open orders that are due one: of all, or of those that are named."""
        due = []
        for name, order in self._ledger.open.items():
            if only is not None and name not in only:
                continue
            tried = self._tried_ns.get(name)
            wait_ns = self._answer_ns if order.is_canceling else self._retry_ns
            if tried is None or now_ns - tried >= wait_ns:
                self._tried_ns[name] = now_ns
                due.append(CancelOrder(order.order.client_order_id, now_ns))
        for name in [one for one in self._tried_ns if one not in self._ledger.open]:
            del self._tried_ns[name]
        self._forget_closed()
        return due

    def is_flat(self) -> bool:
        """Whether nothing is held, and nothing can be bought or sold any more."""
        return not self._ledger.open and not any(
            held.lots for held in self._ledger.positions.values()
        )

    def give_up(self) -> list[str]:
        """Return instruments that could not be closed, each once."""
        told, self._to_tell = self._to_tell, []
        return told

    def flattening(self, now_ns: int) -> list[NewOrder]:
        """Return market orders that close what is held; none while an order is open.

        What is held has to be certain: it is asked only of a reconciled account.
        """
        if self._ledger.open:
            return []
        orders = []
        for symbol, held in sorted(self._ledger.positions.items()):
            if held.lots and now_ns - self._closed_ns.get(symbol, 0) >= self._retry_ns:
                order = self._closing(symbol, held.lots, now_ns)
                orders += [order] if order is not None else []
        return orders

    def _forget_closed(self) -> None:
        """Count the tries of what is flat anew, should it be held again."""
        for symbol in [one for one in self._tries if not self._ledger.position(one).lots]:
            del self._tries[symbol], self._closed_ns[symbol], self._tried_lots[symbol]
            self._given_up.discard(symbol)

    def _closing(self, symbol: str, lots: int, now_ns: int) -> NewOrder | None:
        tries = self._tries.get(symbol, 0)
        if abs(lots) < abs(self._tried_lots.get(symbol, 0)):
            tries = 0  # in parts, as a book's levels come back
            self._given_up.discard(symbol)
        if tries == FLATTEN_TRIES_MAX:
            if symbol not in self._given_up:
                self._given_up.add(symbol)
                self._to_tell.append(symbol)
            return None
        self._tries[symbol], self._tried_lots[symbol] = tries + 1, lots
        self._closed_ns[symbol] = now_ns
        self._number += 1
        return NewOrder(
            client_order_id(self._session, self._number), _OWNER, symbol,
            int(Side.SELL if lots > 0 else Side.BUY), int(OrderType.MARKET),
            int(TimeInForce.IOC), UNDEF_PRICE, UNDEF_PRICE, min(abs(lots), LOTS_MAX),
            False, False, now_ns,
        )  # fmt: skip
