"""What positions take as margin, at its most: of each leg, of each strategy and of all."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array, groups, magnitude, multiply, running_total
from tapewire.analytics.ledger import Leg


class MarginPeaks:
    """Follows the margin of positions fill by fill, in the order of the table.

    Parameters
    ----------
    legs
        The run's leg table.
    margins
        Of a lot by symbol, 1e-9 currency; a leg of another symbol has none.
    """

    def __init__(self, legs: Sequence[Leg], margins: Mapping[str, int]) -> None:
        self._of_symbol = margins
        self._now: dict[tuple[str, int], int] = {}
        self._peak: dict[tuple[str, int], int] = {}
        self.grow(legs)

    def grow(self, legs: Sequence[Leg]) -> None:
        """Take a leg table that has grown."""
        self._margins = [self._of_symbol.get(leg.symbol) for leg in legs]
        names = list(dict.fromkeys(leg.strategy_id for leg in legs))
        number = {name: i for i, name in enumerate(names)}
        self._strategy = [number[leg.strategy_id] for leg in legs]
        self._names = names
        for leg, margin in enumerate(self._margins):
            if margin is not None:
                for key in self._keys(leg):
                    self._now.setdefault(key, 0)
                    self._peak.setdefault(key, 0)

    def _keys(self, leg: int) -> tuple[tuple[str, int], ...]:
        return ("leg", leg), ("strategy", self._strategy[leg]), ("total", 0)

    def add(self, leg: Int64Array, signed: Int64Array, position: Int64Array) -> None:
        """Take fills: lots, a sale's negative, and the position after each; shape (n,) each."""
        if not self._peak:
            return
        per_lot = np.array([self._margins[k] or 0 for k in range(len(self._margins))], np.int64)
        lots = np.abs(position) - np.abs(position - signed)
        change = multiply(lots, per_lot[leg])
        strategy = np.array(self._strategy, np.int64)
        for kind, keys in (
            ("leg", leg), ("strategy", strategy[leg]), ("total", np.zeros_like(leg)),
        ):  # fmt: skip
            for number, rows in groups(keys):
                self._follow((kind, number), change, rows)

    def _follow(self, key: tuple[str, int], change: Int64Array, rows: NDArray[np.intp]) -> None:
        if key not in self._now:
            return
        line = running_total(change[rows], self._now[key])
        self._now[key] = int(line[-1])
        self._peak[key] = max(self._peak[key], magnitude(line))

    def of_leg(self, leg: int) -> int | None:
        """The most that one leg took, 1e-9 currency; None where no margin is known."""
        return self._peak.get(("leg", leg))

    def of_strategy(self, name: str) -> int | None:
        """The most that the legs of a strategy took at one time."""
        return self._peak.get(("strategy", self._names.index(name)))

    def total(self) -> int | None:
        """The most that all took at one time."""
        return self._peak.get(("total", 0))
