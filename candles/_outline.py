"""Kernels of the outline: extremes of eight and of 64 bars, by which most bars are passed over."""

from typing import Any, Final

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
    highs: Any, lows: Any, closes: Any, few: Any, many: Any, i: int, end: int, lower: float,
    upper: float, least: float, most: float,
) -> Any:  # fmt: skip
    """The first bar from i up to an end whose range reaches one of two levels, else that end.

    Beside it, the lowest and highest close of the bars before it, and of ``least`` and ``most``.
    """
    while i < end:
        if i % _MANY == 0 and i + _MANY <= end:
            row = many[i // _MANY]
            size = _MANY
        elif i % _FEW == 0 and i + _FEW <= end:
            row = few[i // _FEW]
            size = _FEW
        else:
            size = 1
            if lows[i] <= lower or highs[i] >= upper:
                break
            price = float(closes[i])
            least, most = min(least, price), max(most, price)
            i += 1
            continue
        if row[0] <= lower or row[1] >= upper:
            # It is within these: bars one by one, or eights within 64.
            if size == _MANY:
                i, least, most = _first_of_few(few, i, lower, upper, least, most)
            while not (lows[i] <= lower or highs[i] >= upper):
                price = float(closes[i])
                least, most = min(least, price), max(most, price)
                i += 1
            break
        least, most = min(least, row[2]), max(most, row[3])
        i += size
    return i, least, most


@jit_inline
def _first_of_few(few: Any, i: int, lower: float, upper: float, least: float, most: float) -> Any:
    """The first eight bars, of some that are there, whose range reaches a level."""
    row = few[i // _FEW]
    while not (row[0] <= lower or row[1] >= upper):
        least, most = min(least, row[2]), max(most, row[3])
        i += _FEW
        row = few[i // _FEW]
    return i, least, most
