"""Indicators for compiled strategies: functions of what they keep, a bar and their parameters.

Each is called as each bar of its timeframe ends, and gives what the stream of its definition
gives: one number, or a tuple of its outputs; NaN where there is none yet. A bar is a row of
float64: open, high, low, close, volume, session. What an indicator keeps is an array of float64
that is zero at the start, at least `memory_of` long.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tapewire.candles.indicators.definition import Values
from tapewire.candles.indicators.step_kernels import (
    NAN,
    exponential_step,
    highest_step,
    is_nothing,
    lowest_step,
    mean_step,
    range_step,
    spread_step,
    weighted_step,
    wilder_step,
)
from tapewire.compiled.jit import jit_entry

#: Places in a bar.
OPEN: Final = 0
HIGH: Final = 1
LOW: Final = 2
CLOSE: Final = 3
VOLUME: Final = 4
SESSION: Final = 5
BAR_FIELDS: Final = 6


@jit_entry
def sma(memory: Any, bar: Any, period: int) -> float:
    """Mean of closes."""
    return mean_step(memory, bar[CLOSE], period)


@jit_entry
def ema(memory: Any, bar: Any, period: int) -> float:
    """Exponential mean of closes."""
    return exponential_step(memory, bar[CLOSE], period)


@jit_entry
def wma(memory: Any, bar: Any, period: int) -> float:
    """Weighted mean of closes."""
    return weighted_step(memory, bar[CLOSE], period)


@jit_entry
def sma_cross(memory: Any, bar: Any, fast: int, slow: int) -> tuple[float, float, float]:
    """The difference of two means, and both."""
    quick = mean_step(memory, bar[CLOSE], fast)
    late = mean_step(memory[2 + fast :], bar[CLOSE], slow)
    return quick - late, quick, late


@jit_entry
def ema_cross(memory: Any, bar: Any, fast: int, slow: int) -> tuple[float, float, float]:
    """The difference of two exponential means, and both."""
    quick = exponential_step(memory, bar[CLOSE], fast)
    late = exponential_step(memory[2:], bar[CLOSE], slow)
    return quick - late, quick, late


@jit_entry
def rsi(memory: Any, bar: Any, period: int) -> float:
    """Relative strength index."""
    known, before = memory[0] != 0, memory[1]
    memory[0], memory[1] = 1.0, bar[CLOSE]
    if not known:
        return NAN
    change = bar[CLOSE] - before
    gain = wilder_step(memory[2:], max(change, 0.0), period)
    loss = wilder_step(memory[4:], max(-change, 0.0), period)
    moved = gain + loss
    if math.isnan(moved):
        return NAN
    return 0.0 if is_nothing(moved) else 100.0 * (gain / moved)


@jit_entry
def stochastic(memory: Any, bar: Any, period: int, smooth: int, signal: int) -> tuple[float, float]:
    """Stochastic: k and d."""
    high = highest_step(memory, bar[HIGH], period)
    low = lowest_step(memory[1 + period :], bar[LOW], period)
    if math.isnan(high):
        return NAN, NAN
    part = (high - low) / 100.0
    raw = (bar[CLOSE] - low) / part if part != 0.0 else 0.0
    k = mean_step(memory[2 + 2 * period :], raw, smooth)
    if math.isnan(k):
        return NAN, NAN
    d = mean_step(memory[4 + 2 * period + smooth :], k, signal)
    if math.isnan(d):
        return NAN, NAN
    return k, d


@jit_entry
def cci(memory: Any, bar: Any, period: int) -> float:
    """Commodity channel index."""
    count = int(memory[0])
    if count == 0:
        memory[1] = bar[CLOSE]
    first = memory[1]
    last = ((bar[HIGH] - first) + (bar[LOW] - first) + (bar[CLOSE] - first)) / 3.0
    memory[2 + count % period] = last
    memory[0] = count + 1
    if count + 1 < period:
        return NAN
    total = 0.0
    for k in range(period):
        total += memory[2 + k]
    mean = total / period
    away = 0.0
    for k in range(period):
        away += abs(memory[2 + k] - mean)
    distance = last - mean
    if distance == 0.0 or away == 0.0:
        return 0.0
    return distance / (0.015 * (away / period))


@jit_entry
def williams_r(memory: Any, bar: Any, period: int) -> float:
    """Williams' %R."""
    high = highest_step(memory, bar[HIGH], period)
    low = lowest_step(memory[1 + period :], bar[LOW], period)
    if math.isnan(high):
        return NAN
    part = (high - low) / -100.0
    return (high - bar[CLOSE]) / part if part != 0.0 else 0.0


@jit_entry
def momentum(memory: Any, bar: Any, period: int) -> float:
    """Close against that of some bars before."""
    count = int(memory[0])
    place = 1 + count % period
    before = memory[place] if count >= period else NAN
    memory[place] = bar[CLOSE]
    memory[0] = count + 1
    return bar[CLOSE] - before


@jit_entry
def roc(memory: Any, bar: Any, period: int) -> float:
    """Close against that of some bars before, percent."""
    count = int(memory[0])
    place = 1 + count % period
    before = memory[place] if count >= period else NAN
    memory[place] = bar[CLOSE]
    memory[0] = count + 1
    if math.isnan(before):
        return NAN
    return (bar[CLOSE] / before - 1.0) * 100.0 if before != 0.0 else 0.0


@jit_entry
def macd(memory: Any, bar: Any, fast: int, slow: int, signal: int) -> tuple[float, float, float]:
    """Macd, signal and histogram."""
    late = exponential_step(memory[1:], bar[CLOSE], slow)
    if memory[0] < slow - fast:
        memory[0] += 1
        return NAN, NAN, NAN
    quick = exponential_step(memory[3:], bar[CLOSE], fast)
    if math.isnan(late):
        return NAN, NAN, NAN
    difference = quick - late
    smoothed = exponential_step(memory[5:], difference, signal)
    if math.isnan(smoothed):
        return NAN, NAN, NAN
    return difference, smoothed, difference - smoothed


@jit_entry
def adx(memory: Any, bar: Any, period: int) -> tuple[float, float, float]:
    """ADX, +DI and -DI; kept: range (2), high, low, count, up, down, ranges, adx."""
    up, down = bar[HIGH] - memory[2], memory[3] - bar[LOW]
    memory[2], memory[3] = bar[HIGH], bar[LOW]
    true_range = range_step(memory, bar[HIGH], bar[LOW], bar[CLOSE])
    if math.isnan(true_range):
        return NAN, NAN, NAN
    memory[4] += 1
    if memory[4] >= period:
        memory[5] -= memory[5] / period
        memory[6] -= memory[6] / period
        memory[7] -= memory[7] / period
    if down > 0.0 and up < down:
        memory[6] += down
    elif up > 0.0 and up > down:
        memory[5] += up
    memory[7] += true_range
    if memory[4] < period:
        return NAN, NAN, NAN
    plus, minus, index = 0.0, 0.0, NAN
    if not is_nothing(memory[7]):
        plus = 100.0 * (memory[5] / memory[7])
        minus = 100.0 * (memory[6] / memory[7])
        both = plus + minus
        if not is_nothing(both):
            index = 100.0 * (abs(minus - plus) / both)
    smoothed = memory[4] - period + 1
    if smoothed <= period:
        if not math.isnan(index):
            memory[8] += index
        if smoothed < period:
            return NAN, plus, minus
        memory[8] /= period
    elif not math.isnan(index):
        memory[8] = (memory[8] * (period - 1) + index) / period
    return memory[8], plus, minus


@jit_entry
def atr(memory: Any, bar: Any, period: int) -> float:
    """Average true range."""
    true_range = range_step(memory, bar[HIGH], bar[LOW], bar[CLOSE])
    if math.isnan(true_range):
        return NAN
    return wilder_step(memory[2:], true_range, period)


@jit_entry
def stddev(memory: Any, bar: Any, period: int) -> float:
    """Standard deviation of closes, counted from the first."""
    if memory[0] == 0:
        memory[0], memory[1] = 1.0, bar[CLOSE]
    return spread_step(memory[2:], bar[CLOSE] - memory[1], period)


@jit_entry
def bbands(memory: Any, bar: Any, period: int, width: float) -> tuple[float, float, float]:
    """Middle, upper and lower band."""
    middle = mean_step(memory, bar[CLOSE], period)
    if memory[2 + period] == 0:
        memory[2 + period], memory[3 + period] = 1.0, bar[CLOSE]
    away = spread_step(memory[4 + period :], bar[CLOSE] - memory[3 + period], period) * width
    return middle, middle + away, middle - away


@jit_entry
def obv(memory: Any, bar: Any) -> float:
    """On-balance volume; kept: whether there was a bar, its close, the sum."""
    if memory[0] == 0 or bar[CLOSE] > memory[1]:
        memory[2] += bar[VOLUME]
    elif bar[CLOSE] < memory[1]:
        memory[2] -= bar[VOLUME]
    memory[0], memory[1] = 1.0, bar[CLOSE]
    return memory[2]


@jit_entry
def vwap(memory: Any, bar: Any) -> float:
    """Volume-weighted mean price of a session; kept: bars, session, money, volume."""
    if memory[0] == 0 or bar[SESSION] != memory[1]:
        memory[2] = memory[3] = 0.0
    memory[0], memory[1] = 1.0, bar[SESSION]
    memory[2] += (bar[HIGH] + bar[LOW] + bar[CLOSE]) / 3.0 * bar[VOLUME]
    memory[3] += bar[VOLUME]
    return memory[2] / memory[3] if memory[3] > 0.0 else NAN


@jit_entry
def mfi(memory: Any, bar: Any, period: int) -> float:
    """Money flow index; kept: whether there was a bar, its price, count, up, down, two rings."""
    known, before = memory[0] != 0, memory[1]
    price = (bar[HIGH] + bar[LOW] + bar[CLOSE]) / 3.0
    memory[0], memory[1] = 1.0, price
    if not known:
        return NAN
    money, change = price * bar[VOLUME], price - before
    count = int(memory[2])
    place = 5 + count % period
    memory[3] -= memory[place]
    memory[4] -= memory[place + period]
    memory[place] = money if change > 0.0 else 0.0
    memory[place + period] = money if change < 0.0 else 0.0
    memory[3] += memory[place]
    memory[4] += memory[place + period]
    memory[2] = count + 1
    if count + 1 < period:
        return NAN
    both = memory[3] + memory[4]
    return 0.0 if both < 1.0 else 100.0 * (memory[3] / both)


@jit_entry
def highest(memory: Any, bar: Any, period: int) -> float:
    """Highest high."""
    return highest_step(memory, bar[HIGH], period)


@jit_entry
def lowest(memory: Any, bar: Any, period: int) -> float:
    """Lowest low."""
    return lowest_step(memory, bar[LOW], period)


#: Columns of a bar, which are read off it.
COLUMNS: Final = {"open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME}

#: By indicator: its function, and how many numbers it keeps.
COMPILED: Final[Mapping[str, tuple[Callable[..., Any], Callable[[Values], int]]]] = {
    "sma": (sma, lambda v: 2 + v["period"]),
    "ema": (ema, lambda v: 2),
    "wma": (wma, lambda v: 4 + v["period"]),
    "sma_cross": (sma_cross, lambda v: 4 + v["fast"] + v["slow"]),
    "ema_cross": (ema_cross, lambda v: 4),
    "rsi": (rsi, lambda v: 6),
    "stochastic": (stochastic, lambda v: 6 + 2 * v["period"] + v["smooth"] + v["signal"]),
    "cci": (cci, lambda v: 2 + v["period"]),
    "williams_r": (williams_r, lambda v: 2 + 2 * v["period"]),
    "momentum": (momentum, lambda v: 1 + v["period"]),
    "roc": (roc, lambda v: 1 + v["period"]),
    "macd": (macd, lambda v: 7),
    "adx": (adx, lambda v: 9),
    "atr": (atr, lambda v: 4),
    "bbands": (bbands, lambda v: 7 + 2 * v["period"]),
    "stddev": (stddev, lambda v: 5 + v["period"]),
    "obv": (obv, lambda v: 3),
    "vwap": (vwap, lambda v: 4),
    "mfi": (mfi, lambda v: 5 + 2 * v["period"]),
    "highest": (highest, lambda v: 1 + v["period"]),
    "lowest": (lowest, lambda v: 1 + v["period"]),
}


def memory_of(name: str, values: Values) -> int:
    """Return how many numbers an indicator keeps, of complete parameters; 0 of a bar's columns."""
    return 0 if name in COLUMNS else COMPILED[name][1](values)
