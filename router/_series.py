"""Values that strategies record of their own, until they are drained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tapewire.positions.rows import SERIES_DTYPE


class Series:
    """Rows of a simulation's series, and the names that they count.

    Attributes
    ----------
    names : list of str
        A row's ``name`` is a position in it.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._rows: list[tuple[int, int, int, float]] = []

    def add(self, leg: int, name: str, ts_ns: int, value: float) -> None:
        """Take one value."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        self._rows.append((leg, number, ts_ns, value))

    def take(self) -> npt.NDArray[Any]:
        """Return the rows since the last call, shape (n,), dtype ``SERIES_DTYPE``."""
        rows: Sequence[tuple[int, int, int, float]] = self._rows
        taken = np.array(rows, SERIES_DTYPE)
        self._rows = []
        return taken
