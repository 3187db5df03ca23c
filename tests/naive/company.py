"""The naive exchange for order logs that share a book: they stand in one and the same lists.

An order that arrives walks a list from its beginning: what is real it takes lot by lot, what is
another strategy's it trades with, or a rule prevents that.
"""

from dataclasses import dataclass, field

import numpy as np

from .book import UNDEF_PRICE
from .exchange import NaiveExchange
from .queues import Mine, Row


@dataclass(eq=False)
class Member(Mine):
    """A simulated order of one of the strategies."""

    who: str = ""


@dataclass(frozen=True)
class Player:
    """An order log, how long its requests take, and what prevents its self-trades."""

    log: list[Row]
    entry_ns: int
    prevention: str = "none"


@dataclass
class NaiveCompany(NaiveExchange):
    """``players`` by name, in the order of the run; names of orders are unique over all logs."""

    players: dict[str, Player] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    hits: list[tuple[str, int, int, str]] = field(default_factory=list)

    def send(self, start: int, end: int) -> list[tuple[int, Row]]:
        self.mine = {}
        found = []
        for place, (who, player) in enumerate(self.players.items()):
            numbers = 0
            for k, row in enumerate(sorted(player.log, key=lambda r: r.ts)):
                sent = max(row.ts, start)
                if sent > end:
                    continue
                if row.action == "new":
                    numbers += 1
                    kind = "MARKET" if row.price is None else "LIMIT"
                    self.mine[row.name] = Member(
                        numbers, row.side, kind, row.tif if kind == "LIMIT" else "IOC",
                        UNDEF_PRICE if row.price is None else row.price, row.quantity, sent,
                        sent=kind,
                        who=who,
                    )  # fmt: skip
                elif row.action == "replace" and self.mine[row.name].kind == "MARKET":
                    continue
                found.append((sent + player.entry_ns, place, k, row))
        return [(due, row) for due, _, _, row in sorted(found, key=lambda f: f[:3])]

    # --- meeting --------------------------------------------------------------------------------

    def player(self, order: Mine) -> Player:
        return self.players[order.who]  # type: ignore[attr-defined]

    def meets(self, order: Mine, other: Mine) -> bool:
        return self.player(order).prevention != "none" or order.who != other.who  # type: ignore[attr-defined]

    def take(self, order: Mine, at: int) -> None:
        if self.holds_back(order):
            return
        other = "A" if order.side == "B" else "B"
        for price in sorted(self.book.sides[other], reverse=other == "B"):
            if order.kind == "LIMIT" and order.beats(price) < 0:
                return
            lots = 0
            for there in list(self.book.sides[other][price]):
                if isinstance(there, Mine):
                    if self.meets(order, there) and lots < order.leaves:
                        self.take_real(order, price, lots, at)
                        lots = 0
                        self.meet(order, there, at)
                else:
                    while self.free(there) and lots < order.leaves and order.status != "CANCELED":
                        self.taken[self.key(there)] = self.taken.get(self.key(there), 0) + 1
                        lots += 1
            self.take_real(order, price, lots, at)
            if order.leaves == 0 or order.status == "CANCELED":
                return

    def take_real(self, order: Mine, price: int, lots: int, at: int) -> None:
        if lots:
            self.fill(order, self.with_impact(order, price, lots, at), lots, "TAKER", "TAKEN", at)

    def meet(self, order: Mine, there: Mine, at: int) -> None:
        """The first comes to the second, which stood there before; it may stand somewhere, too."""
        if order.status == "CANCELED":
            return
        lots = min(order.leaves, there.leaves)
        rule = self.player(order).prevention
        if rule == "none":
            for one in (there, order):
                if lots == one.leaves and one in self.book.resting:
                    self.leave(one)
            self.fill(there, there.price, lots, "MAKER", "COMPANY", at)
            self.fill(order, there.price, lots, "TAKER", "COMPANY", at)
            return
        cuts = {
            "cancel_newest": (0, order.leaves),
            "cancel_oldest": (there.leaves, 0),
            "cancel_both": (there.leaves, order.leaves),
            "decrement": (lots, lots),
        }
        for one, less in zip((there, order), cuts[rule], strict=True):
            if less == one.leaves:
                if one in self.book.resting:
                    self.leave(one)
                self.close(one, "CANCELED", "SELF_TRADE", at)
            else:
                one.quantity -= less

    def leave(self, order: Mine) -> None:
        """One that met another is gone: it does not stand before the others any more."""
        place = self.book.mine(order.side).index(order)
        self.hits = [
            (side, price, reach - (side == order.side and reach > place), why)
            for side, price, reach, why in self.hits
        ]
        self.book.take_out(order)

    def settle(self, order: Mine, at: int) -> None:
        if order.status == "CANCELED":
            return
        super().settle(order, at)
        if order in self.book.resting:
            level = self.book.sides[order.side][order.price]
            ours = [o for o in level if isinstance(o, Member) and o.who != order.who]  # type: ignore[attr-defined]
            order.queue_ahead += sum(o.visible for o in ours)

    def meet_company(self) -> None:
        for buy in self.book.mine("B"):
            for sell in self.book.mine("A"):
                if buy in self.book.resting and buy.price >= sell.price:
                    first, last = sorted((buy, sell), key=lambda o: o.rank)
                    if self.meets(last, first):
                        self.meet(last, first, self.book_clock)

    # --- rows -----------------------------------------------------------------------------------

    def fill(
        self, order: Mine, price: int, lots: int, liquidity: str, reason: str, at: int
    ) -> None:
        who: str = order.who  # type: ignore[attr-defined]
        self.position = self.positions.get(who, 0)
        super().fill(order, price, lots, liquidity, reason, at)
        self.positions[who] = self.position
        self.fills[-1]["who"] = who

    def report(self, order: Mine) -> None:
        super().report(order)
        self.orders[-1]["who"] = order.who  # type: ignore[attr-defined]

    def rows_of(self, who: str) -> tuple[list[dict], list[dict]]:
        """Fills and orders of one strategy."""
        return tuple(  # type: ignore[return-value]
            [{k: v for k, v in row.items() if k != "who"} for row in rows if row["who"] == who]
            for rows in (self.fills, self.orders)
        )

    def play(self, records: np.ndarray) -> "NaiveCompany":
        self.run(records)
        return self
