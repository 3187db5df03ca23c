"""What volume says."""

from typing import Final

import numpy as np

from tapewire.candles.columns import BarRow, Floats, Integers
from tapewire.candles.indicators._kernels import session_vwap
from tapewire.candles.indicators.definition import (
    PERCENT,
    PRICE,
    VOLUME,
    IndicatorDefinition,
    IndicatorOutput,
    Values,
    period,
)
from tapewire.candles.indicators.steps import NAN
from tapewire.candles.indicators.talib_calls import talib_call


def _obv_batch(close: Floats, volume: Floats, values: Values) -> tuple[Floats, ...]:
    return talib_call("OBV", close, volume)


class _Obv:
    def __init__(self, values: Values) -> None:
        self._close = NAN
        self._sum = 0.0

    def push(self, bar: BarRow) -> tuple[float, ...]:
        if self._close != self._close or bar.close > self._close:
            self._sum += bar.volume
        elif bar.close < self._close:
            self._sum -= bar.volume
        self._close = bar.close
        return (self._sum,)


OBV: Final = IndicatorDefinition(
    name="obv",
    formula="volume of bars that closed higher − volume of those that closed lower, from the "
    "first bar's volume on",
    source="Granville, Granville's New Key to Stock Market Profits, 1963",
    inputs=("close", "volume"),
    parameters={},
    outputs=(IndicatorOutput("obv", VOLUME),),
    batch=_obv_batch,
    stream=_Obv,
    lookback=lambda values: 0,
)


def _vwap_batch(
    high: Floats, low: Floats, close: Floats, volume: Floats, session: Integers, values: Values
) -> tuple[Floats, ...]:
    out = np.empty(len(close))
    session_vwap(high, low, close, volume, session, out)
    return (out,)


class _Vwap:
    def __init__(self, values: Values) -> None:
        self._session: int | None = None
        self._money = 0.0
        self._volume = 0.0

    def push(self, bar: BarRow) -> tuple[float, ...]:
        if bar.session != self._session:
            self._session = bar.session
            self._money = self._volume = 0.0
        self._money += (bar.high + bar.low + bar.close) / 3.0 * bar.volume
        self._volume += bar.volume
        return (self._money / self._volume if self._volume > 0.0 else NAN,)


VWAP: Final = IndicatorDefinition(
    name="vwap",
    formula="Σ (high + low + close) / 3 · volume / Σ volume since the session began; NaN until "
    "there is volume",
    source="Berkowitz, Logue and Noser, The total cost of transactions on the NYSE, 1988",
    inputs=("high", "low", "close", "volume", "session"),
    parameters={},
    outputs=(IndicatorOutput("vwap", PRICE),),
    batch=_vwap_batch,
    stream=_Vwap,
    lookback=lambda values: 0,
)


def _mfi_batch(
    high: Floats, low: Floats, close: Floats, volume: Floats, values: Values
) -> tuple[Floats, ...]:
    return talib_call("MFI", high, low, close, volume, timeperiod=values["period"])


class _Mfi:
    def __init__(self, values: Values) -> None:
        self._period = values["period"]
        self._price = NAN
        self._ring = [(0.0, 0.0)] * self._period
        self._count = 0
        self._up = 0.0
        self._down = 0.0

    def push(self, bar: BarRow) -> tuple[float, ...]:
        before, self._price = self._price, (bar.high + bar.low + bar.close) / 3.0
        if before != before:
            return (NAN,)
        money, change = self._price * bar.volume, self._price - before
        place = self._count % self._period
        self._up -= self._ring[place][0]
        self._down -= self._ring[place][1]
        up, down = (money if change > 0.0 else 0.0), (money if change < 0.0 else 0.0)
        self._ring[place] = (up, down)
        self._up += up
        self._down += down
        self._count += 1
        if self._count < self._period:
            return (NAN,)
        both = self._up + self._down
        return (0.0 if both < 1.0 else 100.0 * (self._up / both),)


MFI: Final = IndicatorDefinition(
    name="mfi",
    formula="100 · up / (up + down), sums of (high + low + close) / 3 · volume of the last "
    "`period` bars whose mean price rose or fell; 0 where both come to less than 1",
    source="Quong and Soudack, Volume-weighted RSI: Money Flow, 1989",
    inputs=("high", "low", "close", "volume"),
    parameters={"period": period(14)},
    outputs=(IndicatorOutput("mfi", PERCENT, 0.0, 100.0),),
    batch=_mfi_batch,
    stream=_Mfi,
    lookback=lambda values: values["period"],
)
