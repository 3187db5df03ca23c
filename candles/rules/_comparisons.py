"""Bits of distinct comparisons: each indicator is computed once, compared, and dropped."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tapewire.candles.columns import Floats
from tapewire.candles.frames import Timeframes
from tapewire.candles.indicators.computing import computed
from tapewire.candles.indicators.registry import find_indicator
from tapewire.candles.rules._kernels import compare, spread
from tapewire.candles.rules.plan import (
    CROSSES_ABOVE,
    CROSSES_BELOW,
    NOT_CROSSES_ABOVE,
    NOT_CROSSES_BELOW,
    ComparisonKey,
    SeriesKey,
    SourceKey,
    values_of,
)

Words = npt.NDArray[np.int64]


def words_for(count: int) -> int:
    """Return words that hold a bit per bar."""
    return -(-count // 64)


def _timeframe_of(key: ComparisonKey, primary: str) -> str:
    """Return the timeframe whose bars a comparison has a bit for.

    Where two timeframes meet, or what is told is that nothing crosses, from one primary bar to the
    next, it is the primary one.
    """
    timeframe = key.left.source.timeframe
    if key.code in (NOT_CROSSES_ABOVE, NOT_CROSSES_BELOW):
        return primary
    if isinstance(key.right, SeriesKey) and key.right.source.timeframe != timeframe:
        return primary
    return timeframe


class BitStore:
    """Bits of comparisons for strategies of one primary timeframe.

    Attributes
    ----------
    count : int
        Bars of the primary timeframe.
    words : int
        Words that hold a bit for each.
    """

    def __init__(self, frames: Timeframes, primary: str) -> None:
        self._frames = frames
        self._primary = primary
        self.count = len(frames.of_name(primary))
        self.words = words_for(self.count)
        self._bits: dict[ComparisonKey, Words] = {}
        self._series: dict[SourceKey, tuple[Floats, ...]] = {}
        self._awaited: Counter[SourceKey] = Counter()

    @staticmethod
    def bytes_of(key: ComparisonKey, frames: Timeframes, primary: str) -> int:
        """Return what the bits of a comparison take at the most."""
        return 8 * words_for(len(frames.of_name(_timeframe_of(key, primary))))

    def fill(self, keys: Iterable[ComparisonKey]) -> None:
        """Work out comparisons that are not there; those of one indicator together."""
        by_source: dict[SourceKey, list[ComparisonKey]] = defaultdict(list)
        for key in keys:
            if key in self._bits:
                self._bits[key] = self._bits.pop(key)  # asked for last
                continue
            by_source[key.left.source].append(key)
            self._awaited.update(_sources_of(key))
        for together in by_source.values():
            # What compares with one other indicator comes together, too.
            together.sort(key=lambda key: isinstance(key.right, SeriesKey))
            for key in together:
                self._bits[key] = self._compared(key)
                for source in _sources_of(key):
                    self._awaited[source] -= 1
                    if not self._awaited[source]:
                        del self._series[source], self._awaited[source]

    def forget(self, memory_bytes: int) -> None:
        """Keep bits of so many bytes at most: those that were asked for last."""
        held = sum(words.nbytes for words in self._bits.values())
        for key in list(self._bits):
            if held <= memory_bytes:
                break
            held -= self._bits.pop(key).nbytes

    def write(self, key: ComparisonKey, words: Words) -> None:
        """Write the bits of a comparison, one per primary bar."""
        timeframe = _timeframe_of(key, self._primary)
        if timeframe == self._primary:
            words[:] = self._bits[key]
            return
        starts = self._frames.seen(self._primary, timeframe).starts
        crosses = key.code in (CROSSES_ABOVE, CROSSES_BELOW)
        spread(self._bits[key], starts, int(crosses), self.count, words)

    def _compared(self, key: ComparisonKey) -> Words:
        timeframe = _timeframe_of(key, self._primary)
        left = self._as_seen(key.left, timeframe)
        words = np.empty(words_for(len(left)), np.int64)
        if isinstance(key.right, SeriesKey):
            right = self._as_seen(key.right, timeframe)
        else:
            right = np.broadcast_to(np.float64(key.right), left.shape)
        compare(key.code, left, right, words)
        return words

    def _as_seen(self, key: SeriesKey, timeframe: str) -> Floats:
        """Return a series as bars of the primary timeframe see it: each one, or as it changes."""
        values = self._values(key.source)[key.output]
        own = key.source.timeframe
        if own == self._primary:
            return values
        if timeframe == own:
            return values[self._frames.seen(self._primary, own).bars]
        return self._frames.as_seen(self._primary, own, values)

    def _values(self, source: SourceKey) -> tuple[Floats, ...]:
        found = self._series.get(source)
        if found is None:
            bars = self._frames.of_name(source.timeframe).bars
            found = computed(find_indicator(source.indicator), bars, values_of(source))
            self._series[source] = found
        return found


def _sources_of(key: ComparisonKey) -> set[Any]:
    right = {key.right.source} if isinstance(key.right, SeriesKey) else set()
    return {key.left.source, *right}
