"""What a day and a queue looked like: sums by hour of the day, orders by lots ahead of them."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array
from tapewire.compiled.units import NS_PER_S

HOURS: Final = 24
_NS_PER_HOUR: Final = 3_600 * NS_PER_S
_DOUBLING: Final = np.left_shift(np.int64(1), np.arange(63, dtype=np.int64))


def _hourly() -> Int64Array:
    return np.zeros(HOURS, np.int64)


@dataclass
class HourProfile:
    """Sums by hour of the UTC day, each int64, shape (24,).

    ``pnl`` is what net P&L changed by (1e-9 currency), ``fills`` counts fills, ``lots`` what they
    traded. A change of P&L belongs to the hour that its sample ends, a fill to the hour it is in.
    """

    pnl: Int64Array = field(default_factory=_hourly)
    fills: Int64Array = field(default_factory=_hourly)
    lots: Int64Array = field(default_factory=_hourly)

    def add_pnl(self, ts: Int64Array, delta: Int64Array) -> None:
        """Add changes of net P&L at times in ns."""
        np.add.at(self.pnl, (ts - 1) // _NS_PER_HOUR % HOURS, delta)

    def add_fills(self, ts: Int64Array, lots: Int64Array) -> None:
        """Add fills of some lots at times in ns."""
        hour = ts // _NS_PER_HOUR % HOURS
        np.add.at(self.fills, hour, 1)
        np.add.at(self.lots, hour, lots)


@dataclass
class QueuePlaces:
    """Orders by lots ahead of them when they last joined a queue, in classes that double.

    Class 0 is the front (nothing ahead), class k has 2^(k-1) to 2^k - 1 lots ahead. ``joined``
    counts every order that rested, ``filled`` those of them that were filled in part or whole;
    each int64, shape (64,).
    """

    joined: Int64Array = field(default_factory=lambda: np.zeros(64, np.int64))
    filled: Int64Array = field(default_factory=lambda: np.zeros(64, np.int64))

    def add(self, queue_ahead: Int64Array, filled_qty: Int64Array) -> None:
        """Add orders: lots ahead (negative where an order joined no queue) and lots filled."""
        rested = queue_ahead >= 0
        place = place_of(queue_ahead[rested])
        self.joined += np.bincount(place, minlength=64)
        self.filled += np.bincount(place[filled_qty[rested] > 0], minlength=64)

    def classes(self) -> list[tuple[str, int, int]]:
        """Return label, orders that joined and orders that filled, up to the last class used."""
        (used,) = np.nonzero(self.joined)
        if not used.size:
            return []
        return [
            (class_label(k), int(self.joined[k]), int(self.filled[k]))
            for k in range(int(used[-1]) + 1)
        ]


def place_of(lots: Int64Array) -> NDArray[np.intp]:
    """Return the class of lots ahead: how many of 1, 2, 4, 8, … are not above it."""
    return np.searchsorted(_DOUBLING, lots, side="right")


def class_label(k: int) -> str:
    """Return the lots of a class as text."""
    if k < 2:
        return str(k)
    return f"{1 << (k - 1):,}\N{EN DASH}{(1 << k) - 1:,}"
