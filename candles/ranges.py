"""Average true ranges of candles, for stops and targets that hang on them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tapewire.candles._ranges import true_range_average
from tapewire.candles.data import Candles

Floats = npt.NDArray[np.float64]


def average_true_ranges(candles: Candles, periods: Iterable[int]) -> dict[int, Floats]:
    """Return Wilder's average true ranges by their periods, as engines take them.

    Parameters
    ----------
    candles
        n bars.
    periods
        Bars of each, as `BacktestConfig.atr_periods` has them.

    Returns
    -------
    dict of float64 (n,)
        In ticks; NaN for the first ``period`` bars. Source: see `tapewire.candles._ranges`.
    """
    found = {}
    for period in periods:
        found[period] = np.empty(len(candles))
        true_range_average(candles.high, candles.low, candles.close, period, found[period])
    return found
