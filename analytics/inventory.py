"""How long positions are held at their limit, and how fast they come back to 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array, add, multiply, total


@dataclass
class Inventory:
    """The position of one leg from its first fill to the last sample, or the sums over several.

    Times in ns of exchange time, positions in lots; all sums are exact.
    """

    COLUMNS: ClassVar = ("order_side", "last_qty", "position", "ts_event")

    at_limit_ns: int | None = None  # with at least the limit; None: there is no limit, or no fill
    limited_ns: int = 0  # since the first fill, where there is a limit
    squares: int = 0  # sum of position^2 x how long it was held
    pulled: int = 0  # minus the sum over fills of (position before x signed lots)
    _position: int = 0
    _ts: int | None = None

    def add(self, fills: Mapping[str, NDArray[Any]], limit: int | None) -> None:
        """Take fills of the leg, in the order they happened, under a limit of its position."""
        lots, after, ts = fills["last_qty"], fills["position"], fills["ts_event"]
        signed = np.where(fills["order_side"] == "BUY", lots, -lots)
        # A settlement may have closed what the fill before has left.
        self.pulled -= total(multiply(add(after, -signed), signed))
        since = np.diff(ts, prepend=ts[0] if self._ts is None else self._ts)
        self._hold(np.r_[self._position, after[:-1]], since, limit)
        self._position, self._ts = int(after[-1]), int(ts[-1])

    def finish(self, end_ns: int, limit: int | None) -> None:
        """Hold what the last fill has left until the end; without a fill there is nothing."""
        if self._ts is not None:
            since = max(end_ns - self._ts, 0)
            self._hold(np.array([self._position]), np.array([since]), limit)

    def _hold(self, held: Int64Array, since: Int64Array, limit: int | None) -> None:
        self.squares += total(multiply(multiply(held, held), since))
        if limit is not None:
            self.at_limit_ns = (self.at_limit_ns or 0) + total(since[np.abs(held) >= limit])
            self.limited_ns += total(since)

    def __add__(self, other: "Inventory") -> "Inventory":
        limited = [x for x in (self.at_limit_ns, other.at_limit_ns) if x is not None]
        return Inventory(
            sum(limited) if limited else None,
            self.limited_ns + other.limited_ns,
            self.squares + other.squares,
            self.pulled + other.pulled,
        )
