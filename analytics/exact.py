"""Integer arithmetic that is exact or fails: no silent wrap of ``int64``, no float.

numpy's ``int64`` wraps without a word. These helpers bound the result with Python integers first
and only then use the fast path; otherwise they compute with Python integers throughout.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapewire.errors import SimulationError

Int64Array: TypeAlias = NDArray[np.int64]
#: int64, or Python integers (dtype object) where int64 would not hold them.
IntArray: TypeAlias = NDArray[Any]

INT64_MAX: Final = 2**63 - 1
_HALF_WORD: Final = 32
_LOW_WORD: Final = 0xFFFF_FFFF
#: Of a value whose square is taken by parts, the bits of the lower: their products fit 63 bits.
_SQUARED_BITS: Final = 30
#: Keys within such a span are sorted by their digits, which is faster.
_KEYS_SPAN_MAX: Final = 65_536


def magnitude(values: IntArray | int) -> int:
    """Return the largest absolute value as a Python integer; 0 when empty."""
    if isinstance(values, int):
        return abs(values)
    if values.size == 0:
        return 0
    return max(abs(int(values.max())), abs(int(values.min())))


def widen(values: IntArray) -> IntArray:
    """Return the values as Python integers."""
    return values.astype(object)


def multiply(a: IntArray, b: IntArray | int) -> IntArray:
    """Return ``a * b``, as int64 where every product fits, else as Python integers."""
    if magnitude(a) * magnitude(b) <= INT64_MAX:
        return np.asarray(a * b)
    return np.asarray(widen(a) * (b if isinstance(b, int) else widen(b)))


def add(a: IntArray, b: IntArray) -> IntArray:
    """Return ``a + b``, as int64 where every sum fits, else as Python integers."""
    if magnitude(a) + magnitude(b) <= INT64_MAX:
        return np.asarray(a + b)
    return np.asarray(widen(a) + widen(b))


def scale(values: IntArray, numerator: IntArray | int, denominator: IntArray | int) -> IntArray:
    """Return ``values * numerator // denominator``, rounded towards minus infinity, exactly."""
    return np.asarray(multiply(values, numerator) // denominator)


def total(values: IntArray) -> int:
    """Return the sum as a Python integer."""
    if values.dtype == object:
        return sum(int(v) for v in values)
    if magnitude(values) * values.size <= INT64_MAX:
        return int(values.sum())
    # Halves of words: of fewer than 2^31 values neither sum leaves 64 bits.
    return (int((values >> _HALF_WORD).sum()) << _HALF_WORD) + int((values & _LOW_WORD).sum())


def total_of_squares(values: Int64Array) -> int:
    """Return the sum of the squares as a Python integer."""
    high, low = values >> _SQUARED_BITS, values & ((1 << _SQUARED_BITS) - 1)
    squares = total(multiply(high, high)) << 2 * _SQUARED_BITS
    crossed = total(multiply(high, low)) << _SQUARED_BITS + 1
    return squares + crossed + total(low * low)


def sum_from(values: IntArray, starts: NDArray[np.intp]) -> IntArray:
    """Return the sum of each stretch of values that begins at ``starts``."""
    if values.dtype != object and magnitude(values) * values.size > INT64_MAX:
        values = widen(values)
    return np.asarray(np.add.reduceat(values, starts))


def running_total(values: IntArray, start: int) -> IntArray:
    """Return ``start + cumsum(values)``, as int64 where it fits, else as Python integers."""
    if abs(start) + magnitude(values) * values.size <= INT64_MAX:
        return np.asarray(np.cumsum(values, dtype=np.int64) + start)
    return np.asarray(np.cumsum(widen(values)) + start)


def to_int64(values: IntArray, what: str) -> Int64Array:
    """Return the values as int64.

    Raises
    ------
    SimulationError
        If one does not fit, naming ``what`` it was.
    """
    if values.dtype != object:
        return values.astype(np.int64, copy=False)
    if magnitude(values) > INT64_MAX:
        raise SimulationError(
            f"expected {what} within the 64-bit range (about 9.2 billion currency units at 1e-9), "
            f"found {max(values, key=abs)}; scale the multiplier or the quantities down"
        )
    return values.astype(np.int64)


def decimal_text(value: int, places: int = 9) -> str:
    """Return an integer in units of 10**-places as exact decimal text: ``-1500000000 -> -1.5``."""
    whole, rest = divmod(abs(value), 10**places)
    text = f"{whole}.{rest:0{places}d}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


def groups(keys: Int64Array) -> Iterable[tuple[int, NDArray[np.intp]]]:
    """Yield ``(key, row indices)`` per distinct key, keeping the rows' order within each."""
    if keys.size == 0:
        return
    low = int(keys.min())
    if int(keys.max()) - low < _KEYS_SPAN_MAX:
        order = np.argsort((keys - low).astype(np.uint16), kind="stable")
    else:
        order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    for start, stop in zip(starts, [*starts[1:], keys.size], strict=True):
        yield int(ordered[start]), order[start:stop]
