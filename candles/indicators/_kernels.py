"""Kernels of indicators that TA-Lib does not have."""

from tapewire.candles.columns import Floats, Integers
from tapewire.compiled.jit import jit_entry


@jit_entry
def session_vwap(
    high: Floats, low: Floats, close: Floats, volume: Floats, session: Integers, out: Floats
) -> None:
    """Fill `out` with the volume-weighted mean price since each bar's session began."""
    money = 0.0
    lots = 0.0
    for i in range(len(close)):
        if i == 0 or session[i] != session[i - 1]:
            money = 0.0
            lots = 0.0
        money += (high[i] + low[i] + close[i]) / 3.0 * volume[i]
        lots += volume[i]
        out[i] = money / lots if lots > 0.0 else float("nan")
