"""Rows of features of contracts that roll or expire: those of the times they are meant for.

A book that is left stands still, and is no market any more: rows sampled by time would go on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tapewire.features.passing import FeaturePass, FeatureRows

_EVER = -(2**63)
_NEVER = 2**63 - 1


def until_expiry(
    times: Mapping[int, Sequence[tuple[int, int]]], expiries_ns: Mapping[int, int]
) -> dict[int, list[tuple[int, int]]]:
    """Return the times for which instruments are meant, none of them after its expiry.

    Parameters
    ----------
    times
        As `RowReach` takes them.
    expiries_ns
        When instruments expire, ns since the epoch, by id: that moment is no time of theirs.

    Examples
    --------
    >>> until_expiry({1: [(0, 10), (20, 30)], 2: [(0, 10)]}, {1: 25, 3: 7})[1]
    [(0, 10), (20, 25)]
    """
    found = {number: list(some) for number, some in times.items()}
    for number, expiry_ns in expiries_ns.items():
        before = [
            (start_ns, min(end_ns, expiry_ns))
            for start_ns, end_ns in found.get(number, [(_EVER, _NEVER)])
            if start_ns < expiry_ns
        ]
        found[number] = before or [(expiry_ns, expiry_ns)]
    return found


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
