"""Measures the flow of one book: counts by the state it met, and what the market looked like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import NS_PER_S
from tapewire.market import MarketState
from tapewire.market.book import STEP_RECORDS, batch_address
from tapewire.market.layout import NEW_BOOK, NIL
from tapewire.replay.markets._measuring import (
    DEPTH_ZERO,
    TALLY_DTYPE,
    TIME_BINS,
    measure_batch,
)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Moments kept for the fit of the clock: the first ones.
_TIMES_MAX: Final = 400_000
#: Seconds of mids kept: 11 days.
_SECONDS_MAX: Final = 1_000_000
#: Times over which the mid's changes are measured, in seconds.
HORIZONS_S: Final = (1, 10, 60)
_OCTAVE: Final = 16
_NOTHING: Final = np.iinfo(np.int64).min
#: Fields of a tally that are no counts.
_STATE: Final = frozenset(
    (
        "key", "tick", "sane", "best", "queue", "lots", "spread_class", "opened", "gone",
        "trade_lots", "trade_px", "walked", "rested", "again", "last_ns", "first_ns",
    )
)  # fmt: skip


class FlowMeasure:
    """Told of records, it counts what happens in one book.

    Only events count that met a book with a bid below its ask, and no snapshots.

    Parameters
    ----------
    publisher_id, instrument_id : int
        Whose book; records of others are passed over.
    tick : int
        In 1e-9.
    """

    def __init__(self, publisher_id: int, instrument_id: int, tick: int) -> None:
        self._market = MarketState()
        self.tick = tick
        self._tally: npt.NDArray[Any] = np.zeros(1, TALLY_DTYPE)
        self._tally["key"] = publisher_id << 32 | instrument_id
        self._tally["tick"] = tick
        self._tally["gone"] = NIL
        self._times = np.zeros(_TIMES_MAX, np.int64)
        self._mids = np.full(_SECONDS_MAX, _NOTHING, np.int64)

    def feed(self, records: npt.NDArray[Any]) -> None:
        """Pass over records, shape (n,), ``MBO_DTYPE``."""
        address, n, _keep = batch_address(records)
        at = 0
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            status, at = measure_batch(
                self._market.state, self._tally, self._times, self._mids, address, stop, at
            )
            if status == NEW_BOOK:
                self._market.resolve(NEW_BOOK)
            elif status:
                self._market.resolve(status)

    def measured(self) -> "Measured":
        """What was counted so far."""
        tally = self._tally[0].copy()
        seconds = float(tally["last_ns"] - tally["first_ns"]) / NS_PER_S
        times = self._times[: min(int(tally["steps"]), _TIMES_MAX)]
        return Measured(tally, self.tick, seconds, self._volatility(), times)

    def mids(self) -> FloatArray:
        """The mid as each second left it, in ticks."""
        tally = self._tally[0]
        seconds = int(tally["last_ns"] - tally["first_ns"]) // NS_PER_S
        mids = self._mids[: min(seconds + 1, _SECONDS_MAX)]
        known = mids != _NOTHING
        place = np.maximum.accumulate(np.where(known, np.arange(mids.size), 0))
        return mids[place] / (2 * self.tick)

    def _volatility(self) -> dict[int, float]:
        ticks, found = self.mids(), {}
        for horizon in HORIZONS_S:
            changes = ticks[horizon:] - ticks[:-horizon]
            found[horizon] = float(np.sqrt(np.mean(changes**2))) if changes.size > 1 else np.nan
        return found


@dataclass(frozen=True)
class Measured:
    """What one book was like.

    Attributes
    ----------
    tally
        Counts by the state of the book: one ``TALLY_DTYPE``.
    tick : int
        In 1e-9.
    seconds : float
        From the first to the last event.
    volatility : dict of int to float
        Standard deviation of the mid's changes over each horizon (s), in ticks; NaN if too short.
    times : (n,) int64
        Moments of events, ns, at most the first 400,000.
    """

    tally: Any
    tick: int
    seconds: float
    volatility: dict[int, float]
    times: IntArray

    @classmethod
    def together(cls, parts: Sequence["Measured"]) -> "Measured":
        """Several sessions as one: counts are added, variances averaged."""
        tally = parts[0].tally.copy()
        for name in TALLY_DTYPE.names or ():
            if name not in _STATE:
                tally[name] = sum(part.tally[name] for part in parts)
        volatility = {
            horizon: float(np.sqrt(np.mean([part.volatility[horizon] ** 2 for part in parts])))
            for horizon in HORIZONS_S
        }
        seconds = sum(part.seconds for part in parts)
        return cls(tally, parts[0].tick, seconds, volatility, parts[0].times)

    @property
    def steps(self) -> int:
        """Events that were counted."""
        return int(self.tally["steps"])

    def time_quantiles(self, name: str, at: FloatArray) -> FloatArray:
        """Quantiles of ``gaps`` or ``delays``, ns, to 3 %."""
        bins = np.arange(TIME_BINS)
        octave = np.maximum(bins // _OCTAVE - 1, 0)
        low = (bins - octave * _OCTAVE).astype(np.float64) * 2.0**octave
        return binned_quantiles(self.tally[name], low + 0.5 * 2.0**octave, at)

    def quantiles(self, name: str, at: FloatArray) -> FloatArray:
        """Quantiles of what has a bin per value: sizes, queues, spreads, depths."""
        counts = self.tally[name]
        if counts.ndim == 2:
            counts = counts.sum(axis=0)
        first = -DEPTH_ZERO if name.endswith("_depth") else 0
        return binned_quantiles(counts, np.arange(counts.size) + float(first), at)


def binned_quantiles(counts: IntArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """The smallest values that at least such shares of the counts do not exceed; NaN of none."""
    total = counts.sum()
    if total == 0:
        return np.full(at.size, np.nan)
    place = np.searchsorted(np.cumsum(counts), np.maximum(at * total, 1e-9))
    return np.asarray(values[np.minimum(place, values.size - 1)])
