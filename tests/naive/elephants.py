"""The elephant bar the slow way: windows summed anew for each bar, in the words of its page."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo


def naive_signals(rows: list[tuple[int, ...]], params: Any) -> list[set[str]]:
    """``rows`` are (ts, open, high, low, close, volume); EL and ES as each bar ends."""
    said: list[set[str]] = []
    for i, (ts, opened, high, low, close, volume) in enumerate(rows):
        said.append(set())
        window = rows[max(0, i + 1 - params.lookback) : i + 1]
        if len(window) < params.lookback or close == opened:
            continue
        span = high - low
        shadows = (high - max(opened, close)) + (min(opened, close) - low)
        large = _times_mean(span, [row[2] - row[3] for row in window]) >= params.min_amplitude
        busy = _times_mean(volume, [row[5] for row in window]) >= params.min_volume
        slim = float(Fraction(shadows, span)) <= params.max_shadow
        if large and busy and slim and _inside(ts, params):
            said[-1].add("EL" if close > opened else "ES")
    return said


def _times_mean(value: int, window: list[int]) -> float:
    """The nearest float to the exact ratio; 0 where all are 0."""
    return float(Fraction(value * len(window), sum(window))) if sum(window) else 0.0


def _inside(ts: int, params: Any) -> bool:
    moment = datetime.fromtimestamp(ts // 10**9, UTC).astimezone(ZoneInfo(params.time_zone))
    now = moment.strftime("%H:%M")
    if params.start == params.end:
        return True
    if params.start < params.end:
        return bool(params.start <= now < params.end)
    return bool(now >= params.start or now < params.end)


def naive_atr(rows: list[tuple[int, ...]], period: int) -> list[float]:
    """Wilder's average true range; NaN until there is one."""
    found = [float("nan")] * len(rows)
    ranges: list[float] = []
    for i in range(1, len(rows)):
        _, _, high, low, _, _ = rows[i]
        before = rows[i - 1][4]
        ranges.append(max(high - low, abs(high - before), abs(low - before)))
        if len(ranges) == period:
            found[i] = sum(ranges) / period
        elif len(ranges) > period:
            found[i] = (found[i - 1] * (period - 1) + ranges[-1]) / period
    return found
