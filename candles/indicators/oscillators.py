"""Oscillators: how far prices went lately, against how far they go."""

from collections import deque
from typing import Final

from tapewire.candles.columns import BarRow, Floats
from tapewire.candles.indicators.definition import (
    INDEX,
    PERCENT,
    PRICE,
    IndicatorDefinition,
    IndicatorOutput,
    Values,
    period,
)
from tapewire.candles.indicators.steps import NAN, ExtremeStep, MeanStep, WilderStep, is_zero
from tapewire.candles.indicators.talib_calls import talib_call


def _rsi_batch(close: Floats, values: Values) -> tuple[Floats, ...]:
    return talib_call("RSI", close, timeperiod=values["period"])


class _Rsi:
    def __init__(self, values: Values) -> None:
        self._gain = WilderStep(values["period"])
        self._loss = WilderStep(values["period"])
        self._close = NAN

    def push(self, bar: BarRow) -> tuple[float, ...]:
        before, self._close = self._close, bar.close
        if before != before:
            return (NAN,)
        change = bar.close - before
        gain = self._gain.push(max(change, 0.0))
        loss = self._loss.push(max(-change, 0.0))
        moved = gain + loss
        if moved != moved:
            return (NAN,)
        return (0.0 if is_zero(moved) else 100.0 * (gain / moved),)


RSI: Final = IndicatorDefinition(
    name="rsi",
    formula="100 · gain / (gain + loss), Wilder's means of the closes' rises and falls; 0 where "
    "nothing moved",
    source="Wilder, New Concepts in Technical Trading Systems, 1978, section 6",
    inputs=("close",),
    parameters={"period": period(14)},
    outputs=(IndicatorOutput("rsi", PERCENT, 0.0, 100.0),),
    batch=_rsi_batch,
    stream=_Rsi,
    lookback=lambda values: values["period"],
)


def _stochastic_batch(
    high: Floats, low: Floats, close: Floats, values: Values
) -> tuple[Floats, ...]:
    return talib_call(
        "STOCH", high, low, close, fastk_period=values["period"], slowk_period=values["smooth"],
        slowk_matype=0, slowd_period=values["signal"], slowd_matype=0,
    )  # fmt: skip


class _Stochastic:
    def __init__(self, values: Values) -> None:
        self._high = ExtremeStep(values["period"], highest=True)
        self._low = ExtremeStep(values["period"], highest=False)
        self._k = MeanStep(values["smooth"])
        self._d = MeanStep(values["signal"])

    def push(self, bar: BarRow) -> tuple[float, ...]:
        high, low = self._high.push(bar.high), self._low.push(bar.low)
        if high != high:
            return NAN, NAN
        part = (high - low) / 100.0
        k = self._k.push((bar.close - low) / part if part != 0.0 else 0.0)
        if k != k:
            return NAN, NAN
        d = self._d.push(k)
        return (NAN, NAN) if d != d else (k, d)


STOCHASTIC: Final = IndicatorDefinition(
    name="stochastic",
    formula="k: mean over `smooth` bars of 100 · (close − lowest) / (highest − lowest), of the "
    "last `period` bars, 0 where those are equal; d: mean of the last `signal` k",
    source="Lane, Lane's Stochastics, Technical Analysis of Stocks & Commodities 2, 1984",
    inputs=("high", "low", "close"),
    parameters={
        "period": period(14),
        "smooth": period(3, "Bars that k is a mean over.", minimum=1),
        "signal": period(3, "Values of k that d is a mean of.", minimum=1),
    },
    outputs=(
        IndicatorOutput("k", PERCENT, 0.0, 100.0),
        IndicatorOutput("d", PERCENT, 0.0, 100.0),
    ),
    batch=_stochastic_batch,
    stream=_Stochastic,
    lookback=lambda v: v["period"] + v["smooth"] + v["signal"] - 3,
    against="d",
)


def _cci_batch(high: Floats, low: Floats, close: Floats, values: Values) -> tuple[Floats, ...]:
    # Distances from the first close: where nothing moves, they are 0, and the CCI is, too.
    moved = (column - close[0] for column in (high, low, close))
    return talib_call("CCI", *moved, timeperiod=values["period"])


class _Cci:
    def __init__(self, values: Values) -> None:
        self._period = values["period"]
        self._ring = [0.0] * self._period
        self._count = 0
        self._first = 0.0

    def push(self, bar: BarRow) -> tuple[float, ...]:
        if self._count == 0:
            self._first = bar.close
        first = self._first
        last = ((bar.high - first) + (bar.low - first) + (bar.close - first)) / 3.0
        # A ring, summed in the order of its places, as TA-Lib has it.
        self._ring[self._count % self._period] = last
        self._count += 1
        if self._count < self._period:
            return (NAN,)
        total = 0.0
        for value in self._ring:
            total += value
        mean = total / self._period
        away = 0.0
        for value in self._ring:
            away += abs(value - mean)
        distance = last - mean
        if distance == 0.0 or away == 0.0:
            return (0.0,)
        return (distance / (0.015 * (away / self._period)),)


CCI: Final = IndicatorDefinition(
    name="cci",
    formula="(p − mean of p) / (0.015 · mean distance of p from it), p being (high + low + close) "
    "/ 3 of the last `period` bars; 0 where nothing moved",
    source="Lambert, Commodity Channel Index, Commodities (Futures) 9, 1980",
    inputs=("high", "low", "close"),
    parameters={"period": period(20)},
    outputs=(IndicatorOutput("cci", INDEX),),
    batch=_cci_batch,
    stream=_Cci,
    lookback=lambda values: values["period"] - 1,
)


def _williams_batch(high: Floats, low: Floats, close: Floats, values: Values) -> tuple[Floats, ...]:
    return talib_call("WILLR", high, low, close, timeperiod=values["period"])


class _Williams:
    def __init__(self, values: Values) -> None:
        self._high = ExtremeStep(values["period"], highest=True)
        self._low = ExtremeStep(values["period"], highest=False)

    def push(self, bar: BarRow) -> tuple[float, ...]:
        high, low = self._high.push(bar.high), self._low.push(bar.low)
        if high != high:
            return (NAN,)
        part = (high - low) / -100.0
        return ((high - bar.close) / part if part != 0.0 else 0.0,)


WILLIAMS_R: Final = IndicatorDefinition(
    name="williams_r",
    formula="−100 · (highest − close) / (highest − lowest) of the last `period` bars; 0 where "
    "those are equal",
    source="Williams, How I Made One Million Dollars Last Year Trading Commodities, 1973",
    inputs=("high", "low", "close"),
    parameters={"period": period(14)},
    outputs=(IndicatorOutput("williams_r", PERCENT, -100.0, 0.0),),
    batch=_williams_batch,
    stream=_Williams,
    lookback=lambda values: values["period"] - 1,
)


def _momentum_batch(close: Floats, values: Values) -> tuple[Floats, ...]:
    return talib_call("MOM", close, timeperiod=values["period"])


def _roc_batch(close: Floats, values: Values) -> tuple[Floats, ...]:
    return talib_call("ROC", close, timeperiod=values["period"])


class _Since:
    """The close against that of `period` bars before."""

    def __init__(self, values: Values, *, as_share: bool) -> None:
        self._closes: deque[float] = deque(maxlen=values["period"])
        self._as_share = as_share

    def push(self, bar: BarRow) -> tuple[float, ...]:
        known = len(self._closes) == self._closes.maxlen
        before = self._closes[0] if known else NAN
        self._closes.append(bar.close)
        if not known or not self._as_share:
            return (bar.close - before,)
        return ((bar.close / before - 1.0) * 100.0 if before != 0.0 else 0.0,)


MOMENTUM: Final = IndicatorDefinition(
    name="momentum",
    formula="close − close of `period` bars before",
    source="Murphy, Technical Analysis of the Financial Markets, 1999, chapter 10",
    inputs=("close",),
    parameters={"period": period(10, "Bars it looks back.", minimum=1)},
    outputs=(IndicatorOutput("momentum", PRICE),),
    batch=_momentum_batch,
    stream=lambda values: _Since(values, as_share=False),
    lookback=lambda values: values["period"],
)

ROC: Final = IndicatorDefinition(
    name="roc",
    formula="100 · (close / close of `period` bars before − 1); 0 where that was 0",
    source="Murphy, Technical Analysis of the Financial Markets, 1999, chapter 10",
    inputs=("close",),
    parameters={"period": period(10, "Bars it looks back.", minimum=1)},
    outputs=(IndicatorOutput("roc", PERCENT),),
    batch=_roc_batch,
    stream=lambda values: _Since(values, as_share=True),
    lookback=lambda values: values["period"],
)
