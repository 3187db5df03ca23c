"""How large a strategy is beside its market, and what its size is expected to cost.

The square-root law: lots Q that are taken or given as one push the price by Y sigma sqrt(Q / V),
with sigma what the price moves by and V what is traded over the same time (the time cancels: one
grows with its root, the other with it), and Y a number of order one, 1 here; see
`tapewire.execution.models.impact.square_root` for the source. What is filled of an order is one Q.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapewire.compiled.units import MONEY_UNITS
from tapewire.execution.codes import Reason


class MarketActivity(NamedTuple):
    """What happened in one book over the data.

    Attributes
    ----------
    volume
        Lots traded.
    variance
        Sum of squared changes of the mid, in price points squared.
    """

    volume: int
    variance: float


@dataclass
class Capacity:
    """A leg's size beside its market, or that of several together.

    Attributes
    ----------
    markets
        Lots traded in each book that it has.
    orders
        How many of its orders were filled by lots and what a price point is worth, as a fraction:
        whole numbers, so that sums do not depend on the order of orders.
    cost
        What these are expected to cost, currency; None: nothing is known of a market that it
        filled in.
    """

    COLUMNS: ClassVar = ("filled_qty", "reason")

    markets: dict[int, int] = field(default_factory=dict)
    orders: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    cost: float | None = 0.0

    def add(
        self, orders: Mapping[str, NDArray[Any]], multiplier_num: int, multiplier_den: int
    ) -> None:
        """Take orders of one leg; what settles a position is none of its own."""
        filled = orders["filled_qty"][orders["reason"] != Reason.SETTLEMENT.name]
        lots, counts = np.unique(filled[filled > 0], return_counts=True)
        for size, count in zip(lots.tolist(), counts.tolist(), strict=True):
            self.orders[size, multiplier_num, multiplier_den] += count

    @property
    def worth(self) -> float:
        """Sum over its orders of (lots filled) ^ 1.5 x what a price point is worth, currency."""
        total = 0.0
        for (size, num, den), count in sorted(self.orders.items()):
            total += count * float(size) ** 1.5 * num / den
        return total

    def finish(self, book: int, market: MarketActivity | None) -> None:
        """Hold what one leg has filled against its book."""
        if market is not None:
            self.markets[book] = market.volume
        if self.orders and (market is None or not market.volume):
            self.cost = None
        elif market is not None and market.volume:
            self.cost = sqrt(market.variance / market.volume) * self.worth

    def __add__(self, other: "Capacity") -> "Capacity":
        known = self.cost is not None and other.cost is not None
        return Capacity(
            self.markets | other.markets,
            self.orders + other.orders,
            (self.cost or 0.0) + (other.cost or 0.0) if known else None,
        )


def market_of(spans: NDArray[np.int64], number: NDArray[np.int64]) -> MarketActivity:
    """Return what happened in a book.

    Parameters
    ----------
    spans
        Best bid and ask as they stood last in a span of time, 1e-9, and lots traded by then;
        shape (n, 3), in order; a side that is empty is no price.
    number
        Which step of time each is of, ascending: of several of one the last counts.
    """
    last = np.flatnonzero(np.r_[number[1:] != number[:-1], len(number) > 0])
    bid, ask, volume = spans[last].T
    whole = np.abs(np.array([bid, ask])).max(axis=0, initial=0) < 2**62
    mid = (bid[whole] / MONEY_UNITS + ask[whole] / MONEY_UNITS) / 2
    return MarketActivity(int(volume[-1]) if len(volume) else 0, float((np.diff(mid) ** 2).sum()))
