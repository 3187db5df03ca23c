"""Rows of features of contracts that roll: those of the days on which a symbol means them.

A book that is left stands still, and is no market any more: rows sampled by time would go on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tapewire.features.passing import FeaturePass, FeatureRows

_NEVER = 2**63 - 1


class RowReach:
    """Tells which rows are of times for which their instrument is meant.

    Parameters
    ----------
    times
        ``[start_ns, end_ns)`` in order, by instrument id; one that is not there is meant all the
        time.
    """

    def __init__(self, times: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        self._times = times

    def __bool__(self) -> bool:
        return bool(self._times)

    def within(self, given: FeatureRows, ahead: FeaturePass) -> FeatureRows:
        """Return the rows that are of such times; changes of mids stay as they are."""
        row_ends_ns, _ = self.ends(given.rows, ahead)
        kept = given.rows["ts"] < row_ends_ns
        return FeatureRows(given.rows[kept], given.values[kept], given.mids)

    def ends(
        self, rows: npt.NDArray[Any], ahead: FeaturePass
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return when the time around each row ends, and the last one of its book, (n,) ns each.

        Of a row outside such times the first is 0.
        """
        row_ends_ns = np.full(len(rows), _NEVER, np.int64)
        book_ends_ns = row_ends_ns.copy()
        _, instruments = ahead.keys(rows["book"])
        for number, times in self._times.items():
            places = np.flatnonzero(instruments == number)
            starts, ends = np.array(times, np.int64).T
            at = np.searchsorted(starts, rows["ts"][places], "right") - 1
            ends_ns = np.where(at >= 0, ends[np.maximum(at, 0)], 0)
            row_ends_ns[places] = np.where(rows["ts"][places] < ends_ns, ends_ns, 0)
            book_ends_ns[places] = ends.max()
        return row_ends_ns, book_ends_ns
