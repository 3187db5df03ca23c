"""What positions take as margin, at its most: of each leg, of each strategy and of all."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array, groups, magnitude, multiply, running_total
from tapewire.analytics.ledger import Leg

#: By symbol: (from when on, ns; 1e-9 of the account's currency by lot), ascending; the first holds
#: before its time, too.
Margins: TypeAlias = Mapping[str, Sequence[tuple[int, int]]]


class MarginPeaks:
    """Follows the margin of positions fill by fill, in the order of the table.

    Parameters
    ----------
    legs
        The run's leg table.
    margins
        Of a lot by symbol; a leg of another symbol has none.
    """

    def __init__(self, legs: Sequence[Leg], margins: Margins) -> None:
        self._margins = margins
        self._per_lot = self._held = np.zeros(0, np.int64)
        #: Steps that are to come: when, of which leg, to what.
        self._steps: list[tuple[int, int, int]] = []
        self._names: dict[str, int] = {}
        self._clock = 0
        self._now: dict[tuple[str, int], int] = {}
        self._peak: dict[tuple[str, int], int] = {}
        self.grow(legs)

    def grow(self, legs: Sequence[Leg]) -> None:
        """Take a leg table that has grown."""
        known = [self._margins.get(leg.symbol) for leg in legs]
        before = len(self._held)
        first = [steps[0][1] if steps else 0 for steps in known[before:]]
        self._per_lot = np.r_[self._per_lot, np.array(first, np.int64)]
        self._held = np.r_[self._held, np.zeros(len(first), np.int64)]
        self._steps += [
            (ts, leg, margin)
            for leg, steps in enumerate(known) if leg >= before
            for ts, margin in (steps or ())[1:]
        ]  # fmt: skip
        self._steps.sort()
        for one in legs[before:]:
            self._names.setdefault(one.strategy_id, len(self._names))
        self._strategy = np.array([self._names[leg.strategy_id] for leg in legs], np.int64)
        for leg, steps in enumerate(known):
            if steps:
                for key in ("leg", leg), ("strategy", int(self._strategy[leg])), ("total", 0):
                    self._now.setdefault(key, 0)
                    self._peak.setdefault(key, 0)

    def add(self, leg: Int64Array, more: Int64Array, ts: Int64Array) -> None:
        """Take fills: by how many lots what is held grew, and when; shape (n,) each."""
        if not self._peak or not leg.size:
            return
        clock = np.maximum(np.maximum.accumulate(ts), self._clock)
        self._clock = int(clock[-1])
        begin = 0
        while self._steps and self._steps[0][0] <= self._clock:
            at = int(np.searchsorted(clock, self._steps[0][0]))
            self._book(leg[begin:at], more[begin:at])
            self._step()
            begin = at
        self._book(leg[begin:], more[begin:])

    def finish(self, end_ns: int) -> None:
        """Let rates change until the end."""
        while self._steps and self._steps[0][0] <= end_ns:
            self._step()

    def _step(self) -> None:
        """Have what a leg holds take another margin."""
        _, leg, margin = self._steps.pop(0)
        change = multiply(self._held[[leg]], np.array([margin - int(self._per_lot[leg])]))
        self._per_lot[leg] = margin
        self._change(np.array([leg]), change)

    def _book(self, leg: Int64Array, more: Int64Array) -> None:
        if leg.size:
            np.add.at(self._held, leg, more)
            self._change(leg, multiply(more, self._per_lot[leg]))

    def _change(self, leg: Int64Array, change: NDArray[np.int64]) -> None:
        for kind, keys in (
            ("leg", leg), ("strategy", self._strategy[leg]), ("total", np.zeros_like(leg)),
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
        return self._peak.get(("strategy", self._names[name]))

    def total(self) -> int | None:
        """The most that all took at one time."""
        return self._peak.get(("total", 0))
