"""Kernels of the outline: extremes of eight and of 64 bars, by which most bars are passed over."""

from typing import Any, Final

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from tapewire.compiled.jit import jit, jit_entry, jit_inline

_INFINITY: Final = float("inf")
_FEW: Final = 8
_MANY: Final = 64


@jit_entry
def draw_outline(highs: Any, lows: Any, closes: Any, few: Any, many: Any) -> None:
    """Write lowest low, highest high, lowest and highest close of each eight and each 64 bars.

    ``few`` is (4, ceil(n / 8) + 8), ``many`` (4, ceil(n / 64) + 8), float64, in the prices' ticks:
    the last eight of each row are of no bars, and reach no level.
    """
    _extremes(highs, lows, closes, few, _FEW)
    _extremes(highs, lows, closes, many, _MANY)


@jit
def _extremes(highs: Any, lows: Any, closes: Any, out: Any, size: int) -> None:
    """Write the extremes of so many bars a row."""
    for at in range(out.shape[1]):
        low, high, least, most = _INFINITY, -_INFINITY, _INFINITY, -_INFINITY
        for i in range(at * size, min(at * size + size, len(closes))):
            low, high = min(low, float(lows[i])), max(high, float(highs[i]))
            least, most = min(least, float(closes[i])), max(most, float(closes[i]))
        out[0, at], out[1, at], out[2, at], out[3, at] = low, high, least, most


@jit_inline
def first_touch(
    highs: Any, lows: Any, few: Any, many: Any, i: int, end: int, lower: float, upper: float
) -> int:
    """The first bar from i up to an end whose range reaches one of two levels, else that end.

    Eight bars, or eight of eights and so on, are held against the levels at once, as bits: most
    positions end within a few of these, and no branch tells how many.
    """
    if i >= end:
        return end
    row, rows = i >> 3, few.shape[1] - _FEW
    touched = 0
    if few[0, row] <= lower or few[1, row] >= upper:
        touched = _touched_bars(highs, lows, row << 3, lower, upper) & (-1 << (i & 7))
    if touched == 0:
        row += 1
        eights = _touched(few[0], few[1], min(row, rows), lower, upper)
        if eights == 0 and (row << 3) + _MANY < end:
            block, last = (row + _FEW) >> 3, (end + _MANY - 1) >> 6
            blocks = 0
            while block < last:
                blocks = _touched(many[0], many[1], block, lower, upper)
                if blocks:
                    break
                block += _FEW
            if blocks == 0:
                return end
            row = (block + trailing_zeros(blocks)) << 3
            eights = _touched(few[0], few[1], row, lower, upper)
        if eights == 0:
            return end
        row += trailing_zeros(eights)
        touched = _touched_bars(highs, lows, row << 3, lower, upper)
    return min((row << 3) + trailing_zeros(touched), end)


@jit_inline
def _touched(lows: Any, highs: Any, first: int, lower: float, upper: float) -> int:
    """Which of eight reach a level, as bits; all of them are there."""
    found = 0
    for k in range(_FEW):
        i = np.uint64(first + k)  # never negative: it is not looked at for that
        found |= ((1 if lows[i] <= lower else 0) | (1 if highs[i] >= upper else 0)) << k
    return found


@jit_inline
def _touched_bars(highs: Any, lows: Any, first: int, lower: float, upper: float) -> int:
    """As `_touched`, where the last bars may be fewer than eight."""
    if first + _FEW <= len(lows):
        return _touched(lows, highs, first, lower, upper)
    found = 0
    for i in range(first, len(lows)):
        found |= (1 if lows[i] <= lower or highs[i] >= upper else 0) << (i - first)
    return found


@jit_inline
def extremes(closes: Any, few: Any, many: Any, i: int, end: int) -> Any:
    """The lowest and the highest close from one bar up to another."""
    least, most = _INFINITY, -_INFINITY
    while i < end:
        if i & 7 or i + _FEW > end:
            low = high = float(closes[i])
            i += 1
        elif i & 63 or i + _MANY > end:
            low, high = few[2, i >> 3], few[3, i >> 3]
            i += _FEW
        else:
            low, high = many[2, i >> 6], many[3, i >> 6]
            i += _MANY
        least = low if low < least else least
        most = high if high > most else most
    return least, most
