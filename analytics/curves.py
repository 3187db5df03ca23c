"""P&L over time per leg, strategy and in total, and pictures of it with few points.

A curve is fed chunk by chunk, so memory stays the same however long the run was.
"""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import (
    Int64Array,
    add,
    running_total,
    to_int64,
    total,
    total_of_squares,
)
from tapewire.compiled.units import MONEY_UNITS, NS_PER_DAY

#: int64 or float64.
Numbers: TypeAlias = NDArray[Any]
#: Time buckets of one charted line; each keeps up to four points (first, last, lowest, highest).
CHART_BUCKETS: Final = 600


def downsample_minmax(x: Int64Array, y: Numbers, origin: int, width: int) -> NDArray[np.intp]:
    """Choose the points of a line that keep its shape: per bucket first, last, lowest, highest.

    Buckets are equal spans of ``x``; a line drawn through the chosen points covers, in every
    bucket, exactly the range the full line covers, so no spike is lost, and its global minimum
    and maximum are among them. No value is averaged or made up.

    Parameters
    ----------
    x
        Ascending positions (ns), shape (n,).
    y
        Values, shape (n,), without NaN.
    origin, width
        Start of the first bucket and length of each, in units of ``x``; width at least 1.

    Returns
    -------
    ndarray
        Ascending indices into ``x``, at most four per bucket.
    """
    if x.size == 0:
        return np.empty(0, np.intp)
    bucket = (x - origin) // width
    starts = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    ends = np.r_[starts[1:], x.size] - 1
    by_value = np.lexsort((y, bucket))
    # Sorting by bucket first keeps every bucket where it was; within it the lowest comes first.
    return np.unique(np.concatenate((starts, ends, by_value[starts], by_value[ends])))


def bucket_width(first: int, last: int, buckets: int = CHART_BUCKETS) -> int:
    """Return the bucket length (at least 1) that covers [first, last] with ``buckets`` buckets."""
    return max(1, -(-(last - first + 1) // buckets))


class Line:
    """A line for a chart: takes any number of points, keeps a bounded few, extremes included."""

    def __init__(self, first_ns: int, last_ns: int, buckets: int = CHART_BUCKETS) -> None:
        self._origin = first_ns
        self._width = bucket_width(first_ns, last_ns, buckets)
        self._ts: list[Int64Array] = []
        self._values: list[Numbers] = []

    def add(self, ts: Int64Array, values: Numbers) -> None:
        """Add points, ascending within the chunk and over all chunks."""
        keep = downsample_minmax(ts, values, self._origin, self._width)
        self._ts.append(ts[keep])
        self._values.append(values[keep])

    def points(self) -> tuple[Int64Array, Numbers]:
        """Return times and values, at most four per bucket."""
        if not self._ts:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        ts, values = np.concatenate(self._ts), np.concatenate(self._values)
        keep = downsample_minmax(ts, values, self._origin, self._width)
        return ts[keep], values[keep]


@dataclass
class Spread:
    """Count, sum and sum of squares of changes in 1e-9 currency, exactly: chunks do not show."""

    count: int = 0
    sum: int = 0
    squares: int = 0

    def add(self, values: Int64Array) -> None:
        """Take a chunk of values."""
        self.count += values.size
        self.sum += total(values)
        self.squares += total_of_squares(values)

    @property
    def mean(self) -> float:
        """Mean in currency; 0 of no values."""
        return self.sum / (self.count * MONEY_UNITS) if self.count else 0.0

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation (n - 1) in currency; None for fewer than two values."""
        if self.count < 2:
            return None
        spread = self.count * self.squares - self.sum * self.sum
        return float((spread / (self.count * (self.count - 1) * MONEY_UNITS**2)) ** 0.5)


@dataclass
class Day:
    """First and last point of a UTC day, and the cumulative P&L (1e-9 currency) at the last."""

    first_ns: int
    last_ns: int = 0
    pnl: int = 0


@dataclass
class Curve:
    """The P&L of a leg, a strategy or the whole run, and what is read off it.

    Several rows at one instant (one per leg) are one point: the sum after the last of them.
    Money in 1e-9 currency units; the curve starts at a P&L of 0.
    """

    line: Line | None = None
    drawdown_line: Line | None = None
    pnl: int = 0
    peak: int = 0
    peak_ns: int | None = None
    max_drawdown: int = 0
    drawdown_peak_ns: int | None = None
    drawdown_ns: int | None = None
    #: What one began with, where that is known, and the largest share of a high, that included,
    #: by which the P&L fell.
    capital: int | None = None
    max_drawdown_share: float = 0.0
    changes: Spread = field(default_factory=Spread)
    #: UTC days with a point, by days since the epoch; midnight belongs to the day it ends.
    days: dict[int, Day] = field(default_factory=dict)
    _running: int = 0
    _waiting_ns: int | None = None

    def add(self, ts: Int64Array, delta: Int64Array) -> None:
        """Add changes of P&L at ascending times; several at one time are one point."""
        if ts.size == 0:
            return
        values = to_int64(running_total(delta, self._running), "P&L over several legs")
        last_of_instant = np.r_[ts[1:] != ts[:-1], False]
        if self._waiting_ns is not None and ts[0] != self._waiting_ns:
            self._emit(np.array([self._waiting_ns]), np.array([self._running]))
        self._emit(ts[last_of_instant], values[last_of_instant])
        self._waiting_ns, self._running = int(ts[-1]), int(values[-1])

    def finish(self) -> None:
        """Take in the last point, which was held back for others at the same instant."""
        if self._waiting_ns is not None:
            self._emit(np.array([self._waiting_ns]), np.array([self._running]))
            self._waiting_ns = None

    def _emit(self, ts: Int64Array, pnl: Int64Array) -> None:
        if ts.size == 0:
            return
        before = np.r_[self.pnl, pnl[:-1]]
        self.changes.add(to_int64(add(pnl, -before), "P&L change"))
        highest = np.maximum.accumulate(np.maximum(pnl, self.peak))
        drawdown = to_int64(highest - pnl, "drawdown")
        self._note_drawdown(ts, pnl, highest, drawdown)
        if self.capital is not None:
            shares = drawdown / (highest.astype(np.float64) + self.capital)
            self.max_drawdown_share = max(self.max_drawdown_share, float(shares.max()))
        self.peak, self.pnl = int(highest[-1]), int(pnl[-1])
        self._note_days(ts, pnl)
        if self.line is not None:
            self.line.add(ts, pnl)
        if self.drawdown_line is not None:
            self.drawdown_line.add(ts, -drawdown)

    def _note_days(self, ts: Int64Array, pnl: Int64Array) -> None:
        day = (ts - 1) // NS_PER_DAY
        ends = np.flatnonzero(np.r_[day[1:] != day[:-1], True])
        for begin, end in zip([0, *(ends[:-1] + 1)], ends, strict=True):
            mine = self.days.setdefault(int(day[end]), Day(int(ts[begin])))
            mine.last_ns, mine.pnl = int(ts[end]), int(pnl[end])

    def _note_drawdown(
        self, ts: Int64Array, pnl: Int64Array, highest: Int64Array, drawdown: Int64Array
    ) -> None:
        if self.peak_ns is None:
            self.peak_ns = int(ts[0])
        deepest = int(drawdown.argmax())
        if drawdown[deepest] > self.max_drawdown:
            self.max_drawdown = int(drawdown[deepest])
            self.drawdown_ns = int(ts[deepest])
            # The peak it fell from: the first point at that height, here or in a chunk before.
            fresh = np.flatnonzero(pnl[: deepest + 1] == highest[deepest])
            risen = int(highest[deepest]) > self.peak
            self.drawdown_peak_ns = int(ts[fresh[0]]) if risen else self.peak_ns
        if int(highest[-1]) > self.peak:
            self.peak_ns = int(ts[np.flatnonzero(pnl == highest[-1])[0]])
