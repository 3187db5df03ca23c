"""Columns of the bars themselves, and the extremes of the last of them."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from tapewire.candles.columns import BarRow, Floats
from tapewire.candles.indicators.definition import (
    PRICE,
    VOLUME,
    IndicatorDefinition,
    IndicatorOutput,
    Values,
    period,
)
from tapewire.candles.indicators.steps import ExtremeStep
from tapewire.candles.indicators.talib_calls import talib_call


class _Itself:
    def __init__(self, column: str) -> None:
        self._place = BarRow._fields.index(column)

    def push(self, bar: BarRow) -> tuple[float, ...]:
        return (float(bar[self._place]),)


def _itself(column: Floats, values: Values) -> tuple[Floats, ...]:
    return (np.array(column),)


def _column(name: str, unit: str) -> IndicatorDefinition:
    return IndicatorDefinition(
        name=name,
        formula=f"the bar's {name}",
        source="the data",
        inputs=(name,),
        parameters={},
        outputs=(IndicatorOutput(name, unit, 0.0 if unit == VOLUME else None),),
        batch=_itself,
        stream=lambda values: _Itself(name),
        lookback=lambda values: 0,
    )


OPEN: Final = _column("open", PRICE)
HIGH: Final = _column("high", PRICE)
LOW: Final = _column("low", PRICE)
CLOSE: Final = _column("close", PRICE)
VOLUME_OF_BAR: Final = _column("volume", VOLUME)


class _Extreme:
    def __init__(self, column: str, values: Values, *, highest: bool) -> None:
        self._place = BarRow._fields.index(column)
        self._step = ExtremeStep(values["period"], highest=highest)

    def push(self, bar: BarRow) -> tuple[float, ...]:
        return (self._step.push(bar[self._place]),)


def _extreme_batch(function: str) -> Callable[..., tuple[Floats, ...]]:
    def batch(column: Floats, values: Values) -> tuple[Floats, ...]:
        return talib_call(function, column, timeperiod=values["period"])

    return batch


def _extreme(name: str, column: str, **rest: Any) -> IndicatorDefinition:
    highest = name == "highest"
    return IndicatorDefinition(
        name=name,
        formula=f"the {name} {column} of the last `period` bars, this one among them",
        source="Donchian, Trend-following methods in commodity price analysis, 1957",
        inputs=(column,),
        parameters={"period": period(20)},
        outputs=(IndicatorOutput(name, PRICE),),
        batch=_extreme_batch("MAX" if highest else "MIN"),
        stream=lambda values: _Extreme(column, values, highest=highest),
        lookback=lambda values: values["period"] - 1,
        **rest,
    )


HIGHEST: Final = _extreme("highest", "high")
LOWEST: Final = _extreme("lowest", "low")
