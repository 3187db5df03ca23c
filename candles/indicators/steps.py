"""What streams are made of: the recurrences of TA-Lib, a value at a time.

Each does what TA-Lib's C code does, in its order, so that a stream's values are those of the whole
series but for rounding: compilers may fuse or turn around operations there.
"""

import math
from collections import deque
from typing import Final

NAN: Final = math.nan
#: Below this TA-Lib takes a number for zero.
EPSILON: Final = 1e-14


def is_zero(value: float) -> bool:
    """Whether TA-Lib takes a number for zero."""
    return -EPSILON < value < EPSILON


class MeanStep:
    """The mean of the last `period` values: a running sum."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._sum = 0.0
        self._values: deque[float] = deque()

    def push(self, value: float) -> float:
        """Take a value; NaN until there are as many as the period."""
        self._sum += value
        self._values.append(value)
        if len(self._values) < self._period:
            return NAN
        total = self._sum
        self._sum -= self._values.popleft()
        return total / self._period


class ExponentialStep:
    """The exponential mean, which begins as the mean of the first `period` values."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._factor = 2.0 / (period + 1)
        self._count = 0
        self._value = 0.0

    def push(self, value: float) -> float:
        """Take a value; NaN until there are as many as the period."""
        if self._count < self._period:
            self._count += 1
            self._value += value
            if self._count < self._period:
                return NAN
            self._value /= self._period
        else:
            self._value = (value - self._value) * self._factor + self._value
        return self._value


class WilderStep:
    """Wilder's mean: it begins as a mean, then each value counts one `period`-th."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._count = 0
        self._value = 0.0

    def push(self, value: float) -> float:
        """Take a value; NaN until there are as many as the period."""
        if self._count < self._period:
            self._count += 1
            self._value += value
            if self._count < self._period:
                return NAN
            self._value /= self._period
        else:
            self._value *= self._period - 1
            self._value += value
            self._value /= self._period
        return self._value


class WeightedStep:
    """The mean of the last `period` values, weighted 1 (the oldest) to `period`."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._divider = (period * (period + 1)) >> 1
        self._count = 0
        self._sum = 0.0
        self._plain = 0.0
        self._leaving = 0.0
        self._values: deque[float] = deque()

    def push(self, value: float) -> float:
        """Take a value; NaN until there are as many as the period."""
        self._values.append(value)
        self._count += 1
        self._plain += value
        if self._count < self._period:
            self._sum += value * self._count
            return NAN
        self._plain -= self._leaving
        self._sum += value * self._period
        self._leaving = self._values.popleft()
        mean = self._sum / self._divider
        self._sum -= self._plain
        return mean


class SpreadStep:
    """The standard deviation (divided by the period) of the last `period` values."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._mean = MeanStep(period)
        self._squares = 0.0
        self._values: deque[float] = deque()

    def push(self, value: float) -> float:
        """Take a value; NaN until there are as many as the period."""
        mean = self._mean.push(value)
        self._squares += value * value
        self._values.append(value)
        if math.isnan(mean):
            return NAN
        variance = self._squares / self._period
        oldest = self._values.popleft()
        self._squares -= oldest * oldest
        variance -= mean * mean
        return 0.0 if variance < EPSILON else math.sqrt(variance)


class ExtremeStep:
    """The highest, or lowest, of the last `period` values: a queue of those that may become it."""

    def __init__(self, period: int, *, highest: bool) -> None:
        self._period = period
        self._sign = 1.0 if highest else -1.0
        self._count = 0
        self._queue: deque[tuple[int, float]] = deque()

    def push(self, value: float) -> float:
        """Take a value; NaN until there are as many as the period."""
        signed = self._sign * value
        while self._queue and self._queue[-1][1] <= signed:
            self._queue.pop()
        self._queue.append((self._count, signed))
        if self._queue[0][0] <= self._count - self._period:
            self._queue.popleft()
        self._count += 1
        return self._sign * self._queue[0][1] if self._count >= self._period else NAN


class RangeStep:
    """The true range: of a bar's high and low and the close before it."""

    def __init__(self) -> None:
        self._close = NAN

    def push(self, high: float, low: float, close: float) -> float:
        """Take a bar; NaN at the first."""
        before, self._close = self._close, close
        if math.isnan(before):
            return NAN
        return max(high - low, abs(before - high), abs(before - low))
