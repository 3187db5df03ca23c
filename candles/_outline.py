"""Kernels of the outline: extremes of eight and of 64 bars, by which most bars are passed over."""

from typing import Any, Final

from numba.cpython.unsafe.numbers import trailing_zeros

from tapewire.compiled.jit import jit, jit_entry, jit_inline

_INFINITY: Final = float("inf")
_FEW: Final = 8
_MANY: Final = 64


@jit_entry
def draw_outline(highs: Any, lows: Any, closes: Any, few: Any, many: Any) -> None:
    """Write lowest low, highest high, lowest and highest close of each eight and each 64 bars.

    ``few`` is (ceil(n / 8), 4), ``many`` (ceil(n / 64), 4), float64, in the prices' ticks.
    """
    _extremes(highs, lows, closes, few, _FEW)
    _extremes(highs, lows, closes, many, _MANY)


@jit
def _extremes(highs: Any, lows: Any, closes: Any, out: Any, size: int) -> None:
    """Write the extremes of so many bars a row."""
    for at in range(len(out)):
        low, high, least, most = _INFINITY, -_INFINITY, _INFINITY, -_INFINITY
        for i in range(at * size, min(at * size + size, len(closes))):
            low, high = min(low, float(lows[i])), max(high, float(highs[i]))
            least, most = min(least, float(closes[i])), max(most, float(closes[i]))
        out[at, 0], out[at, 1], out[at, 2], out[at, 3] = low, high, least, most


@jit_inline
def first_touch(
    highs: Any, lows: Any, few: Any, many: Any, i: int, end: int, lower: float, upper: float
) -> int:
    """The first bar from i up to an end whose range reaches one of two levels, else that end.

    Eights up to a whole 64, then 64s, then eights again; of a touched one all bars are looked at.
    """
    if i >= end:
        return end
    row, last = i >> 3, (end + _FEW - 1) >> 3
    if few[row, 0] <= lower or few[row, 1] >= upper:
        touched = _touched(highs, lows, row << 3, lower, upper) & (-1 << (i & 7))
        if touched:
            return min((row << 3) + trailing_zeros(touched), end)
    row += 1
    stop = min(last, (row + 7) & -8)
    row = _first_row(few, row, stop, lower, upper)
    if row == stop and row < last:
        block = _first_row(many, row >> 3, (last + 7) >> 3, lower, upper)
        row = _first_row(few, block << 3, last, lower, upper)
    if row >= last:
        return end
    return min((row << 3) + trailing_zeros(_touched(highs, lows, row << 3, lower, upper)), end)


@jit_inline
def _first_row(rows: Any, i: int, end: int, lower: float, upper: float) -> int:
    """The first row of an outline, from one on, that reaches a level, else the end."""
    while i < end and not (rows[i, 0] <= lower or rows[i, 1] >= upper):
        i += 1
    return i


@jit_inline
def _touched(highs: Any, lows: Any, first: int, lower: float, upper: float) -> int:
    """Which of eight bars reach a level, as bits."""
    found = 0
    lows, highs = lows[first : first + _FEW], highs[first : first + _FEW]
    if len(lows) == _FEW:
        for k in range(_FEW):
            found |= ((1 if lows[k] <= lower else 0) | (1 if highs[k] >= upper else 0)) << k
    else:
        for k in range(len(lows)):
            found |= ((1 if lows[k] <= lower else 0) | (1 if highs[k] >= upper else 0)) << k
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
            low, high = few[i >> 3, 2], few[i >> 3, 3]
            i += _FEW
        else:
            low, high = many[i >> 6, 2], many[i >> 6, 3]
            i += _MANY
        least = low if low < least else least
        most = high if high > most else most
    return least, most
