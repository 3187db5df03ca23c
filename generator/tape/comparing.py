"""Comparisons for compiled strategies: those of `tapewire.candles.rules.comparing`.

What is NaN, not known yet, compares with nothing.
"""

import math
from typing import Final

import numpy as np

from tapewire.candles.rules.plan import TOLERANCE
from tapewire.compiled.jit import jit_entry

_EXACT: Final = 2.0**53


@jit_entry
def is_above(left: float, right: float) -> bool:
    """Greater."""
    return left - right > TOLERANCE * max(1.0, abs(right))


@jit_entry
def is_at_least(left: float, right: float) -> bool:
    """Greater or equal."""
    return left - right >= -TOLERANCE * max(1.0, abs(right))


@jit_entry
def is_below(left: float, right: float) -> bool:
    """Less."""
    return left - right < -TOLERANCE * max(1.0, abs(right))


@jit_entry
def is_at_most(left: float, right: float) -> bool:
    """Less or equal."""
    return left - right <= TOLERANCE * max(1.0, abs(right))


@jit_entry
def crosses_above(left: float, right: float, left_before: float, right_before: float) -> bool:
    """Greater, and not so at the bar before."""
    return is_above(left, right) and is_at_most(left_before, right_before)


@jit_entry
def crosses_below(left: float, right: float, left_before: float, right_before: float) -> bool:
    """Less, and not so at the bar before."""
    return is_below(left, right) and is_at_least(left_before, right_before)


@jit_entry
def does_not_cross_above(
    left: float, right: float, left_before: float, right_before: float
) -> bool:
    """All are known, and it does not cross."""
    known = not math.isnan(left + right + left_before + right_before)
    return known and not crosses_above(left, right, left_before, right_before)


@jit_entry
def does_not_cross_below(
    left: float, right: float, left_before: float, right_before: float
) -> bool:
    """All are known, and it does not cross."""
    known = not math.isnan(left + right + left_before + right_before)
    return known and not crosses_below(left, right, left_before, right_before)


@jit_entry
def in_ticks(price: float, unit: float) -> float:
    """A price in currency as a number of units: a whole one where it was meant so."""
    number = price / unit
    whole = np.rint(number) if abs(number) < _EXACT else number
    return whole if abs(number - whole) <= TOLERANCE * max(1.0, abs(whole)) else number
