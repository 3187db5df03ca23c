"""Rows that wait to be looked at together, in memory that follows their number."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: So many parts are joined …
_PARTS: Final = 64
#: … if they have fewer rows than this on average: an array of its own, and the room that it came
#: in, take some hundred bytes, as much as a row or two.
_SMALL_ROWS: Final = 256


class WaitingRows:
    """Takes rows in parts, and gives them back together.

    A run that is fed event by event brings millions of parts of a row or two each, which would hold
    many times what their rows do. Small ones are joined by the dozen; large ones are not copied
    before they are taken.

    Parameters
    ----------
    none
        What is given back where there are none: of their dtype and width, shape (0,) or (0, k).
    """

    def __init__(self, none: NDArray[Any]) -> None:
        self._none = none
        self._parts: list[NDArray[Any]] = []
        self._rows = 0
        self._late_parts = self._late_rows = 0  # since some were last joined, or left as they are

    def __len__(self) -> int:
        """How many rows there are."""
        return self._rows

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows, in their order; don't write to them afterwards."""
        if not len(rows):
            return
        self._parts.append(rows)
        self._rows += len(rows)
        self._late_parts += 1
        self._late_rows += len(rows)
        if self._late_parts == _PARTS:
            if self._late_rows < _PARTS * _SMALL_ROWS:
                self._parts[-_PARTS:] = [_joined(self._parts[-_PARTS:])]
            self._late_parts = self._late_rows = 0

    def clear(self) -> None:
        """Let go of them."""
        self._parts = []
        self._rows = self._late_parts = self._late_rows = 0

    def take(self) -> NDArray[Any]:
        """Return all of them in one array; none are left."""
        rows = _joined(self._parts) if self._parts else self._none
        self.clear()
        return rows


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return rows together; records are copied as bytes, since numpy copies them field by field."""
    if parts[0].dtype.names is None:
        return np.concatenate(parts)
    joined = np.concatenate([np.ascontiguousarray(rows).view(np.uint8) for rows in parts])
    return joined.view(parts[0].dtype)
