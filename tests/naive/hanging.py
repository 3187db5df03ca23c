"""The slow exchange with orders that hang on others, on a position or on a price.

What a fill means for others is worked out from the fills so far, each time anew.
"""

from dataclasses import dataclass, field
from math import ceil, floor

from .book import UNDEF_PRICE, Record
from .exchange import STOPS, NaiveExchange
from .queues import Mine, Row

LIVE = ("NEW", "PARTIALLY_FILLED")


@dataclass
class NaiveHanging(NaiveExchange):
    """``groups`` are lists of orders of which one cancels other, ``exits`` those of an entry."""

    groups: dict[str, list[Mine]] = field(default_factory=dict)
    exits: dict[int, list[Mine]] = field(default_factory=dict)
    changed: list[Mine] = field(default_factory=list)
    grown: list[Mine] = field(default_factory=list)
    dormant: list[Mine] = field(default_factory=list)
    ended: list[Mine] = field(default_factory=list)  # entries that fill no more

    def send(self, start: int, end: int) -> list[tuple[int, Row]]:
        out = super().send(start, end)
        for row in self.log:
            order = self.mine.get(row.name)
            if order is None or row.action != "new":
                continue
            order.said = row
            if row.group:
                self.groups.setdefault(row.group, []).append(order)
            if row.parent:
                order.parent = self.mine[row.parent]
                self.exits.setdefault(order.parent.number, []).append(order)
        return out

    def bad_terms(self, row: Row) -> str:
        return "INVALID_TERMS" if row.peg and row.tif != "GTC" else super().bad_terms(row)

    # --- lots that may fill -----------------------------------------------------------------------

    def free_lots(self, order: Mine) -> int:
        """Lots that an exit or an order of a group may fill now."""
        if order.parent is not None:
            others = self.exits[order.parent.number]
            return order.parent.filled - sum(o.filled for o in others)
        others = self.groups[order.said.group]
        if order.said.at_once and any(o.filled for o in others if o is not order):
            return 0
        return max(0, (order.uncut or order.quantity) - sum(o.filled for o in others))

    def change(self, order: Mine, why: str) -> None:
        """Take off what may fill no more; what follows is done when the fills are over."""
        lots = self.free_lots(order)
        if order.status not in (*LIVE, "PENDING_NEW"):
            return
        if order.parent is None or (order.status in LIVE and order not in self.dormant):
            if lots < order.leaves:
                order.uncut = order.uncut or order.quantity
                order.quantity = order.filled + lots
                order.shown = min(order.shown, lots)
        if why:
            order.why = why
        if order.status in LIVE and order not in self.changed:
            self.changed.append(order)

    def fill(
        self, order: Mine, price: int, lots: int, liquidity: str, reason: str, at: int
    ) -> None:
        super().fill(order, price, lots, liquidity, reason, at)
        for other in self.ring(order):
            if other.parent is order:
                self.grown.append(other)
                self.change(other, "")
            elif other.parent is order.parent and other.leaves:
                self.change(other, "OTHER_FILLED")
        if order.leaves == 0:
            self.end(order)
        room = max(0, -order.sign * self.position)
        for other in self.there(order.side):
            if other.said.reduce:
                if other.leaves > room:
                    other.uncut = other.uncut or other.quantity
                    other.quantity = other.filled + room
                    other.shown = min(other.shown, room)
                    other.why = "REDUCE_ONLY"
                    if other.status in LIVE and other not in self.changed:
                        self.changed.append(other)
                room -= other.leaves

    def there(self, side: str) -> list[Mine]:
        """Orders of a side that wait for a halt to end, and those that rest."""
        return [o for o in self.waiting if o.side == side] + self.book.mine(side)

    def ring(self, order: Mine) -> list[Mine]:
        """All that hangs together with an order, from the next one on."""
        if order.parent is not None or order.number in self.exits:
            entry = order.parent or order
            ring = [entry, *reversed(self.exits[entry.number])]
        else:
            ring = self.groups.get(order.said.group, [order])
            ring = [ring[0], *reversed(ring[1:])]  # each joined right behind the first
        at = ring.index(order)
        return ring[at + 1 :] + ring[:at]

    def end(self, order: Mine) -> None:
        self.ended.append(order)
        for other in self.ring(order) if order.number in self.exits else []:
            other.why = other.why or "ENTRY_ENDED"
            if other.status in LIVE and other not in self.changed:
                self.changed.append(other)

    def close(self, order: Mine, status: str, reason: str, at: int) -> None:
        super().close(order, status, reason, at)
        self.end(order)

    # --- what follows -----------------------------------------------------------------------------

    def carry_out(self, at: int) -> None:
        while self.changed:
            order = self.changed.pop(0)
            grown = order in self.grown
            self.grown = [o for o in self.grown if o is not order]
            if order.status not in LIVE:
                continue
            if order.parent is None:
                if order.leaves == 0:
                    self.take_out(order)
                    self.cancel_cut(order, at)
                continue
            lots = self.free_lots(order)
            if lots == 0:
                if order not in self.dormant:
                    self.take_out(order)
                    self.dormant.append(order)
                    order.quantity = order.said.quantity
                if order.parent in self.ended:
                    self.take_out(order)
                    self.cancel_cut(order, at)
            elif grown:
                self.take_out(order)
                order.quantity = order.filled + lots
                if order.kind in STOPS and self.has_traded(order, order.trigger):
                    self.stops.append(order)
                    self.trigger(order, at)
                else:
                    self.act(order, at)

    def cancel_cut(self, order: Mine, at: int) -> None:
        order.quantity = order.uncut or order.quantity
        self.close(order, "CANCELED", order.why or "OTHER_FILLED", at)

    def clear(self, order: Mine) -> None:
        if order.leaves == 0:
            self.take_out(order)
            self.cancel_cut(order, self.book_clock)
        else:
            super().clear(order)

    def take_out(self, order: Mine) -> None:
        if order in self.dormant:
            self.dormant.remove(order)
        else:
            super().take_out(order)

    # --- arrivals ---------------------------------------------------------------------------------

    def act(self, order: Mine, at: int) -> None:
        """As it arrives, an order may have to wait for its entry, or be gone already."""
        if order.parent is not None and order.ts_arrived == at and not order.began:
            self.grown = [o for o in self.grown if o is not order]
            order.began = True
            order.uncut = order.said.quantity
            lots = self.free_lots(order)
            if lots == 0:
                self.dormant.append(order)
                if order.parent in self.ended:
                    self.dormant.remove(order)
                    self.cancel_cut(order, at)
                return
            order.quantity = lots
            if order.kind in STOPS and self.has_traded(order, order.trigger):
                self.stops.append(order)
                self.trigger(order, at)
                return
        elif order.leaves == 0:
            self.cancel_cut(order, at)
            return
        if order.said.peg:
            price = self.pegged(order)
            if price is None:
                self.close(order, "REJECTED", "NO_REFERENCE", at)
                return
            order.price = price
        super().act(order, at)

    def enter(self, order: Mine, at: int) -> None:
        if order.said.reduce and not self.fits(order):
            self.close(order, "REJECTED", "REDUCE_ONLY", at)
            return
        super().enter(order, at)

    def fits(self, order: Mine) -> bool:
        room = max(0, -order.sign * self.position)
        room -= sum(o.leaves for o in self.there(order.side) if o.said.reduce)
        if room <= 0:
            return False
        if order.leaves > room:
            order.uncut = order.uncut or order.quantity
            order.quantity = order.filled + room
            order.why = "REDUCE_ONLY"
        return True

    def may_stay(self, order: Mine, at: int) -> bool:
        if order.said.reduce and not self.fits(order):
            self.close(order, "CANCELED", "REDUCE_ONLY", at)
            return False
        return True

    def replace(self, order: Mine, price: int, quantity: int, at: int) -> None:
        if len(self.ring(order)) > 0:
            quantity = order.quantity
        if order in self.dormant:
            if order.sent == "STOP":
                if not self.has_traded(order, price):
                    order.trigger = price
            else:
                order.price = price
            return
        super().replace(order, order.price if order.said.peg else price, quantity, at)

    def request(self, row: Row, order: Mine, at: int) -> None:
        if row.action == "mass_cancel":
            for other in list(self.mine.values()):
                if other.status in LIVE:
                    self.take_out(other)
                    self.close(other, "CANCELED", "MASS_CANCEL", at)
        else:
            super().request(row, order, at)
        self.carry_out(at)

    # --- events -----------------------------------------------------------------------------------

    def after_fills(self, at: int) -> None:
        self.carry_out(at)

    def finish(self, event: list[Record]) -> None:
        super().finish(event)
        while self.gapless:
            pegs = [
                o for side in "BA" for o in self.book.mine(side)
                if o.said.peg and self.pegged(o) not in (None, o.price)
            ]  # fmt: skip
            if not pegs:
                return
            order = pegs[0]
            self.book.take_out(order)
            order.price = self.pegged(order) or 0
            self.join(order)

    def pegged(self, order: Mine) -> int | None:
        """Where a pegged order belongs, if there is anything that it follows."""
        row, tick = order.said, self.tick
        best = {side: prices[0] for side in "BA" if (prices := self.book.prices(side))}
        far_side = "A" if order.side == "B" else "B"
        near, far = best.get(order.side), best.get(far_side)
        if row.peg == "mid":
            if near is None or far is None:
                return None
            half = (near + far) / (2 * tick)
            price = (floor(half) if order.sign > 0 else ceil(half)) * tick
        else:
            followed = near if row.peg == "touch" else far
            if followed is None:
                return None
            price = followed
        price += order.sign * row.offset * tick
        for bound in (None if far is None else far - order.sign * tick, row.price):
            if bound not in (None, UNDEF_PRICE):
                price = min(price, bound) if order.sign > 0 else max(price, bound)
        return price
