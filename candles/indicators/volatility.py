"""How far prices go."""

from typing import Final

from tapewire.candles.columns import BarRow, Floats
from tapewire.candles.indicators.definition import (
    PRICE,
    IndicatorDefinition,
    IndicatorOutput,
    Values,
    factor,
    period,
)
from tapewire.candles.indicators.steps import MeanStep, RangeStep, SpreadStep, WilderStep
from tapewire.candles.indicators.talib_calls import talib_call


def _atr_batch(high: Floats, low: Floats, close: Floats, values: Values) -> tuple[Floats, ...]:
    return talib_call("ATR", high, low, close, timeperiod=values["period"])


class _Atr:
    def __init__(self, values: Values) -> None:
        self._range = RangeStep()
        self._mean = WilderStep(values["period"])

    def push(self, bar: BarRow) -> tuple[float, ...]:
        true_range = self._range.push(bar.high, bar.low, bar.close)
        return (true_range if true_range != true_range else self._mean.push(true_range),)


ATR: Final = IndicatorDefinition(
    name="atr",
    formula="Wilder's mean of true ranges: the greatest of high − low, |high − close before| and "
    "|low − close before|; the first bar has none",
    source="Wilder, New Concepts in Technical Trading Systems, 1978, section 3",
    inputs=("high", "low", "close"),
    parameters={"period": period(14)},
    outputs=(IndicatorOutput("atr", PRICE, 0.0),),
    batch=_atr_batch,
    stream=_Atr,
    lookback=lambda values: values["period"],
)


def _stddev_batch(close: Floats, values: Values) -> tuple[Floats, ...]:
    # TA-Lib takes squares from each other: of distances from the first close, they are small.
    return talib_call("STDDEV", close - close[0], timeperiod=values["period"], nbdev=1.0)


class _Stddev:
    def __init__(self, values: Values) -> None:
        self._spread = SpreadStep(values["period"])
        self._first: float | None = None

    def push(self, bar: BarRow) -> tuple[float, ...]:
        if self._first is None:
            self._first = bar.close
        return (self._spread.push(bar.close - self._first),)


def _bbands_batch(close: Floats, values: Values) -> tuple[Floats, ...]:
    (middle,) = talib_call("SMA", close, timeperiod=values["period"])
    away = _stddev_batch(close, values)[0] * values["width"]
    return middle, middle + away, middle - away


class _Bbands:
    def __init__(self, values: Values) -> None:
        self._mean = MeanStep(values["period"])
        self._stddev = _Stddev(values)
        self._width = values["width"]

    def push(self, bar: BarRow) -> tuple[float, ...]:
        middle = self._mean.push(bar.close)
        away = self._stddev.push(bar)[0] * self._width
        return middle, middle + away, middle - away


BBANDS: Final = IndicatorDefinition(
    name="bbands",
    formula="middle: mean of the last `period` closes; upper, lower: `width` standard deviations "
    "(divided by `period`) above and below",
    source="Bollinger, Bollinger on Bollinger Bands, 2001",
    inputs=("close",),
    parameters={
        "period": period(20),
        "width": factor(2.0, "Standard deviations between the middle and a band."),
    },
    outputs=(
        IndicatorOutput("middle", PRICE),
        IndicatorOutput("upper", PRICE),
        IndicatorOutput("lower", PRICE),
    ),
    batch=_bbands_batch,
    stream=_Bbands,
    lookback=lambda values: values["period"] - 1,
)


STDDEV: Final = IndicatorDefinition(
    name="stddev",
    formula="√ (mean of squares − square of the mean) of the last `period` closes",
    source="Bollinger, Bollinger on Bollinger Bands, 2001",
    inputs=("close",),
    parameters={"period": period(20)},
    outputs=(IndicatorOutput("stddev", PRICE, 0.0),),
    batch=_stddev_batch,
    stream=_Stddev,
    lookback=lambda values: values["period"] - 1,
)
