"""Steps that compiled indicators are made of: those of `steps`, in the same order of operations.

What a step keeps lies in an array of float64 that is zero at the start: how many numbers that takes
is said beside each. Rings stand last, so that an array may be longer than a period asks for.
"""

import math
from typing import Any, Final

from tapewire.compiled.jit import jit

NAN: Final = math.nan
_EPSILON: Final = 1e-14


@jit
def is_nothing(value: float) -> bool:
    """Whether TA-Lib takes a number for zero."""
    return -_EPSILON < value < _EPSILON


@jit
def mean_step(memory: Any, value: float, period: int) -> float:
    """The mean of the last values, of 2 + period numbers: count, sum, ring."""
    count = int(memory[0])
    memory[1] += value
    memory[2 + count % period] = value
    memory[0] = count = count + 1
    if count < period:
        return NAN
    total = memory[1]
    memory[1] -= memory[2 + count % period]
    return total / period


@jit
def exponential_step(memory: Any, value: float, period: int) -> float:
    """The exponential mean, of 2 numbers: count, value."""
    if memory[0] < period:
        memory[0] += 1
        memory[1] += value
        if memory[0] < period:
            return NAN
        memory[1] /= period
    else:
        memory[1] = (value - memory[1]) * (2.0 / (period + 1)) + memory[1]
    return memory[1]


@jit
def wilder_step(memory: Any, value: float, period: int) -> float:
    """Wilder's mean, of 2 numbers: count, value."""
    if memory[0] < period:
        memory[0] += 1
        memory[1] += value
        if memory[0] < period:
            return NAN
        memory[1] /= period
    else:
        memory[1] *= period - 1
        memory[1] += value
        memory[1] /= period
    return memory[1]


@jit
def weighted_step(memory: Any, value: float, period: int) -> float:
    """The weighted mean, of 4 + period numbers: count, sum, plain sum, what leaves, ring."""
    count = int(memory[0])
    memory[4 + count % period] = value
    memory[0] = count = count + 1
    memory[2] += value
    if count < period:
        memory[1] += value * count
        return NAN
    memory[2] -= memory[3]
    memory[1] += value * period
    memory[3] = memory[4 + count % period]
    mean = memory[1] / ((period * (period + 1)) >> 1)
    memory[1] -= memory[2]
    return mean


@jit
def spread_step(memory: Any, value: float, period: int) -> float:
    """The standard deviation, of 3 + period numbers: sum of squares, then those of the mean."""
    mean = mean_step(memory[1:], value, period)
    memory[0] += value * value
    if math.isnan(mean):
        return NAN
    variance = memory[0] / period
    oldest = memory[3 + int(memory[1]) % period]
    memory[0] -= oldest * oldest
    variance -= mean * mean
    return 0.0 if variance < _EPSILON else math.sqrt(variance)


@jit
def highest_step(memory: Any, value: float, period: int) -> float:
    """The highest of the last values, of 1 + period numbers: count, ring."""
    count = int(memory[0])
    memory[1 + count % period] = value
    memory[0] = count + 1
    if count + 1 < period:
        return NAN
    found = value
    for k in range(1, period + 1):
        found = max(found, memory[k])
    return found


@jit
def lowest_step(memory: Any, value: float, period: int) -> float:
    """The lowest of the last values, as `highest_step`."""
    count = int(memory[0])
    memory[1 + count % period] = value
    memory[0] = count + 1
    if count + 1 < period:
        return NAN
    found = value
    for k in range(1, period + 1):
        found = min(found, memory[k])
    return found


@jit
def range_step(memory: Any, high: float, low: float, close: float) -> float:
    """The true range, of 2 numbers: whether there was a bar, its close."""
    known, before = memory[0] != 0, memory[1]
    memory[0], memory[1] = 1.0, close
    if not known:
        return NAN
    return max(high - low, abs(before - high), abs(before - low))
