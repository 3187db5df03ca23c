"""Positions with a long and a short side, split up from the fills: the second set of their books.

In an account that hedges, a fill opens lots of its own side or closes those of the other one
(``PositionEffect``); what a closing fill has more than the other side holds opens its own. Each
side is a position by itself, which never turns: long lots are 0 or more, short lots 0 or less.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array, scale, to_int64

#: The sides, as `Parts.side` has them.
LONG: Final = 0
SHORT: Final = 1


@dataclass(frozen=True)
class Parts:
    """Fills by side, in order; each array of shape (n,), n at least the number of fills.

    Attributes
    ----------
    fill
        Which of the fills it is of, or is part of.
    side
        `LONG` or `SHORT`.
    signed
        Lots, positive for a buy.
    after
        Lots of that side after it, signed.
    """

    fill: Int64Array
    side: Int64Array
    signed: Int64Array
    after: Int64Array

    def more_held(self, fills: int) -> Int64Array:
        """Return by how many lots both sides together grew with each of the fills."""
        more = np.zeros(fills, np.int64)
        np.add.at(more, self.fill, np.abs(self.after) - np.abs(self.after - self.signed))
        return more

    def commissions(self, commission: Int64Array, lots: Int64Array) -> Int64Array:
        """Return the parts' shares of their fills' commissions by lots, which add up exactly."""
        whole, size = commission[self.fill], np.abs(self.signed)
        share = to_int64(scale(whole, size, lots[self.fill]), "commission of a part of a fill")
        is_second = np.r_[False, self.fill[1:] == self.fill[:-1]]
        before = np.r_[0, share[:-1]]
        return np.where(is_second, whole - before, share)


@dataclass
class Sides:
    """What one leg holds on each side, fill by fill."""

    long: int = 0
    short: int = 0  # 0 or less

    def split(self, signed: Int64Array, closes: NDArray[np.bool_]) -> Parts:
        """Take fills: lots, a sale's negative, and whether they close; shape (n,) each."""
        parts: list[tuple[int, int, int, int]] = []
        for k, (lots, is_close) in enumerate(zip(signed.tolist(), closes.tolist(), strict=True)):
            own = LONG if lots > 0 else SHORT
            held = self.short if own == LONG else self.long
            closed = min(abs(lots), abs(held)) * (1 if lots > 0 else -1) if is_close else 0
            for side, some in ((1 - own, closed), (own, lots - closed)):
                if some and side == LONG:
                    self.long += some
                elif some:
                    self.short += some
                if some:
                    parts.append((k, side, some, self.long if side == LONG else self.short))
        table = np.array(parts, np.int64).reshape(-1, 4)
        return Parts(*table.T)


@dataclass
class SideCosts:
    """Both sides of a leg at average cost, in exact integers: as the simulation keeps them."""

    sides: Sides
    cost_long: int = 0  # of the open lots, price units x lots, signed as they are
    cost_short: int = 0
    realized: int = 0

    def add(self, signed: Int64Array, price: Int64Array, closes: NDArray[np.bool_]) -> list[int]:
        """Take fills, in order; return what each realised, price units x lots."""
        parts = self.sides.split(signed, closes)
        paid = price[parts.fill].tolist()
        gains = [0] * len(signed)
        for fill, side, lots, after, px in zip(
            parts.fill.tolist(), parts.side.tolist(), parts.signed.tolist(), parts.after.tolist(),
            paid, strict=True,
        ):  # fmt: skip
            cost = self.cost_long if side == LONG else self.cost_short
            before = after - lots
            if abs(after) > abs(before):
                more = px * lots
            else:  # of a cost, the share of the lots that were closed, rounded down
                more = -(cost * abs(lots) // abs(before))
                gains[fill] = more - px * lots
                self.realized += gains[fill]
            if side == LONG:
                self.cost_long += more
            else:
                self.cost_short += more
        return gains
