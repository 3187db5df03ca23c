"""Values that strategies record of their own, until they are drained."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.positions.rows import SERIES_DTYPE
from tapewire.strategies.place import Place

_NO_ROWS: Final = np.zeros(0, SERIES_DTYPE)


class Series:
    """Rows of a simulation's series, and the names that they count.

    Attributes
    ----------
    names : list of str
        A row's ``name`` is a position in it.
    """

    def __init__(self, places: Mapping[int, Place]) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._places = places

    @property
    def is_waiting(self) -> bool:
        """Whether there are rows to be taken."""
        return any(place.series for place in self._places.values())

    def take(self) -> npt.NDArray[Any]:
        """Return the rows since the last call, shape (n,), dtype ``SERIES_DTYPE``.

        Strategy by strategy, each by time.
        """
        if not self.is_waiting:
            return _NO_ROWS
        rows = [
            (leg, self._number(name), ts_ns, value)
            for place in self._places.values()
            for leg, name, ts_ns, value in place.series
        ]
        for place in self._places.values():
            place.series.clear()
        return np.array(rows, SERIES_DTYPE)

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number
