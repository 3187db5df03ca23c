"""Moving averages of the close, and where two of them stand to each other."""

from collections.abc import Callable
from typing import Final, Protocol

from tapewire.candles.columns import BarRow, Floats
from tapewire.candles.indicators.definition import (
    PRICE,
    IndicatorDefinition,
    IndicatorOutput,
    Values,
    fast_below_slow,
    period,
)
from tapewire.candles.indicators.steps import ExponentialStep, MeanStep, WeightedStep
from tapewire.candles.indicators.talib_calls import talib_call

_MURPHY: Final = "Murphy, Technical Analysis of the Financial Markets, 1999, chapter 9"


class _Step(Protocol):
    def push(self, value: float) -> float: ...


class _Average:
    def __init__(self, step: _Step) -> None:
        self._step = step

    def push(self, bar: BarRow) -> tuple[float, ...]:
        return (self._step.push(bar.close),)


class _Cross:
    def __init__(self, fast: _Step, slow: _Step) -> None:
        self._fast = fast
        self._slow = slow

    def push(self, bar: BarRow) -> tuple[float, ...]:
        fast, slow = self._fast.push(bar.close), self._slow.push(bar.close)
        return fast - slow, fast, slow


def _average(
    name: str, function: str, formula: str, step: Callable[[int], _Step]
) -> IndicatorDefinition:
    def batch(close: Floats, values: Values) -> tuple[Floats, ...]:
        return talib_call(function, close, timeperiod=values["period"])

    return IndicatorDefinition(
        name=name,
        formula=formula,
        source=_MURPHY,
        inputs=("close",),
        parameters={"period": period(20)},
        outputs=(IndicatorOutput(name, PRICE),),
        batch=batch,
        stream=lambda values: _Average(step(values["period"])),
        lookback=lambda values: values["period"] - 1,
    )


def _cross(name: str, function: str, step: Callable[[int], _Step]) -> IndicatorDefinition:
    def batch(close: Floats, values: Values) -> tuple[Floats, ...]:
        (fast,) = talib_call(function, close, timeperiod=values["fast"])
        (slow,) = talib_call(function, close, timeperiod=values["slow"])
        return fast - slow, fast, slow

    average = name.removesuffix("_cross")
    return IndicatorDefinition(
        name=name,
        formula=f"{average}(fast) − {average}(slow) of the close",
        source=_MURPHY,
        inputs=("close",),
        parameters={
            "fast": period(10, "Bars of the fast average."),
            "slow": period(30, "Bars of the slow average."),
        },
        outputs=(
            IndicatorOutput("difference", PRICE),
            IndicatorOutput("fast", PRICE),
            IndicatorOutput("slow", PRICE),
        ),
        batch=batch,
        stream=lambda values: _Cross(step(values["fast"]), step(values["slow"])),
        lookback=lambda values: values["fast"] - 1,
        against=0.0,
        fault=fast_below_slow,
    )


SMA: Final = _average("sma", "SMA", "mean of the last `period` closes", MeanStep)
EMA: Final = _average(
    "ema", "EMA",
    "before + (close − before) · 2 / (period + 1), from the mean of the first `period` closes on",
    ExponentialStep,
)  # fmt: skip
WMA: Final = _average(
    "wma", "WMA", "mean of the last `period` closes, weighted 1 to `period`", WeightedStep
)
SMA_CROSS: Final = _cross("sma_cross", "SMA", MeanStep)
EMA_CROSS: Final = _cross("ema_cross", "EMA", ExponentialStep)
