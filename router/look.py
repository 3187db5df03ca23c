"""What can be looked at between two batches: books, orders at the exchange, accounts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tapewire.execution.codes import OrderType, Side
from tapewire.execution.estimates import UNKNOWN
from tapewire.execution.models.queue.estimate import LOT
from tapewire.market.layout import ASK, BID, NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.rows import SAMPLE_DTYPE
from tapewire.router._memory import Memory
from tapewire.router.results import RestingOrder

if TYPE_CHECKING:
    from tapewire.router.abroad import Abroad

IntArray = npt.NDArray[np.int64]


class Look:
    """The inside of a simulation, as of the last record it was fed. Everything it gives is a copy.

    A record may be one of several of its event: the book is then as far as that record.
    """

    def __init__(self, memory: Memory, abroad: "Abroad | None" = None) -> None:
        self._memory, self._abroad = memory, abroad

    def books(self) -> list[tuple[int, int]]:
        """(publisher_id, instrument_id) of every book so far, in order of appearance."""
        market = self._memory.market
        keys = market.books.records["key"][: int(market.state[0]["book_n"])]
        return [(int(key) >> 32, int(key) & 0xFFFFFFFF) for key in keys]

    def levels(
        self, publisher_id: int, instrument_id: int, depth: int
    ) -> tuple[tuple[IntArray, ...], tuple[IntArray, ...]]:
        """Prices (1e-9), sizes and counts of a book's bids and asks, best first, at most ``depth``.

        Of a book that no record was for yet there are none.
        """
        market = self._memory.market
        book = market.find(publisher_id << 32 | instrument_id)
        if book == NIL:
            none = tuple(np.zeros(0, np.int64) for _ in range(3))
            return none, none
        sides = []
        for side in (BID, ASK):
            columns = market.best_levels(book, side, depth)
            there = int(np.count_nonzero(columns[0] != UNDEF_PRICE))
            sides.append(tuple(column[:there] for column in columns))
        return sides[0], sides[1]

    def orders(self) -> list[RestingOrder]:
        """Simulated orders at the exchange: leg by leg, buys then sells, best price first.

        Then those that wait for a halt to end, and stops, nearest trigger first. Orders that a
        broker works are those that their strategy believes open, oldest first; what is ahead of
        them nobody tells.
        """
        queues: dict[tuple[int, int], IntArray] = {}
        found = []
        for leg in range(int(self._memory.router["leg_n"])):
            for own in self._at_the_exchange(leg):
                price = int(own["price"])
                rests = self._abroad is None and int(own["order_type"]) == OrderType.LIMIT
                lots, count = self._ahead(leg, own, queues) if rests else (None, None)
                found.append(
                    RestingOrder(
                        leg=leg,
                        client_order_id=int(own["client_order_id"]),
                        side=int(own["side"]),
                        order_type=int(own["order_type"]),
                        time_in_force=int(own["time_in_force"]),
                        status=int(own["status"]),
                        price=None if price == UNDEF_PRICE else price,
                        quantity=int(own["quantity"]),
                        filled=int(own["filled"]),
                        ahead=lots,
                        replaces=int(own["replaces"]),
                        ts_arrived=int(own["ts_arrived"]),
                        orders_ahead=count,
                    )
                )
        return found

    def accounts(self) -> npt.NDArray[Any]:
        """One ``SAMPLE_DTYPE`` row per leg, of its account at the exchange now."""
        n = int(self._memory.router["leg_n"])
        accounts = self._memory.accounts.records[:n]
        rows = np.zeros(n, SAMPLE_DTYPE)
        for name in (
            "position", "cash", "realized", "fees", "mark", "volume", "max_position",
        ):  # fmt: skip
            rows[name] = accounts[name]
        rows["leg"] = np.arange(n)
        rows["ts"] = self._memory.router["stream_clock"]
        return rows

    def _at_the_exchange(self, leg: int) -> Iterator[Any]:
        if self._abroad is not None:
            for order in self._abroad.open_orders(leg):
                yield self._memory.own_orders.records[order & 0xFFFFFFFF]
            return
        parties, rules = self._memory.parties.records, self._memory.rules.records[leg]
        party = parties[int(parties[leg]["owner"])]
        for heads, head in (
            (party, "buys"), (party, "sells"), (party, "waiting"), (rules, "stop_buys"),
            (rules, "stop_sells"),
        ):  # fmt: skip
            index = int(heads[head])
            while index != NIL:
                own = self._memory.own_orders.records[index]
                if own["leg"] == leg:
                    yield own
                index = int(own["next"])

    def _ahead(
        self, leg: int, own: Any, queues: dict[tuple[int, int], IntArray]
    ) -> tuple[int | None, int | None]:
        """Lots and orders ahead of an order; lots as guessed, where that is so; None: unknown."""
        if own["front"] != UNKNOWN:
            return (int(own["front"]) + LOT // 2) // LOT, None
        book = int(self._memory.parties.records[leg]["book"])
        if self._memory.market.books.records["quoted"][book]:
            return None, None
        side = BID if own["side"] == Side.BUY else ASK
        if (book, side) not in queues:
            queues[book, side] = self._memory.market.queue(book, side)
        prices, _, sizes, stamps = queues[book, side].T
        is_ahead = (prices == own["price"]) & (stamps < own["stamp"])
        return int(sizes[is_ahead].sum()), int(np.count_nonzero(is_ahead))
