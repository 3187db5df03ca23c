"""Kernel of the average true range, which stops and targets are measured by."""

from typing import Any

from tapewire.compiled.jit import jit_entry


@jit_entry
def true_range_average(high: Any, low: Any, close: Any, period: int, out: Any) -> None:
    """Average true range as Wilder smooths it: NaN until the mean of the first ``period`` ranges.

    Source: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978). The first bar has no
    close before it, and no range.
    """
    n = len(close)
    out[: min(period, n)] = float("nan")
    average = 0.0
    for i in range(1, n):
        before = float(close[i - 1])
        span = max(float(high[i]), before) - min(float(low[i]), before)
        if i <= period:
            average += span / period
        else:
            average += (span - average) / period
        if i >= period:
            out[i] = average
