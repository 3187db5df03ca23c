"""Whether there is a trend, and which way."""

from typing import Final

from tapewire.candles.columns import BarRow, Floats
from tapewire.candles.indicators.definition import (
    PERCENT,
    PRICE,
    IndicatorDefinition,
    IndicatorOutput,
    Values,
    fast_below_slow,
    period,
)
from tapewire.candles.indicators.steps import NAN, ExponentialStep, RangeStep, is_zero
from tapewire.candles.indicators.talib_calls import talib_call


def _macd_batch(close: Floats, values: Values) -> tuple[Floats, ...]:
    return talib_call(
        "MACD", close, fastperiod=values["fast"], slowperiod=values["slow"],
        signalperiod=values["signal"],
    )  # fmt: skip


class _Macd:
    def __init__(self, values: Values) -> None:
        self._late = values["slow"] - values["fast"]
        self._fast = ExponentialStep(values["fast"])
        self._slow = ExponentialStep(values["slow"])
        self._signal = ExponentialStep(values["signal"])

    def push(self, bar: BarRow) -> tuple[float, ...]:
        slow = self._slow.push(bar.close)
        # TA-Lib has both averages begin at one bar.
        if self._late:
            self._late -= 1
            return NAN, NAN, NAN
        fast = self._fast.push(bar.close)
        if slow != slow:
            return NAN, NAN, NAN
        macd = fast - slow
        signal = self._signal.push(macd)
        return (NAN, NAN, NAN) if signal != signal else (macd, signal, macd - signal)


MACD: Final = IndicatorDefinition(
    name="macd",
    formula="macd: ema(fast) − ema(slow) of the close, both from bar `slow` on; signal: its ema; "
    "histogram: macd − signal",
    source="Appel, The Moving Average Convergence Divergence Method, 1979",
    inputs=("close",),
    parameters={
        "fast": period(12, "Bars of the fast average."),
        "slow": period(26, "Bars of the slow average."),
        "signal": period(9, "Values of macd that signal goes over.", minimum=1),
    },
    outputs=(
        IndicatorOutput("macd", PRICE),
        IndicatorOutput("signal", PRICE),
        IndicatorOutput("histogram", PRICE),
    ),
    batch=_macd_batch,
    stream=_Macd,
    lookback=lambda values: values["slow"] + values["signal"] - 2,
    against="signal",
    fault=fast_below_slow,
)


def _adx_batch(high: Floats, low: Floats, close: Floats, values: Values) -> tuple[Floats, ...]:
    names = ("ADX", "PLUS_DI", "MINUS_DI")
    return tuple(talib_call(one, high, low, close, timeperiod=values["period"])[0] for one in names)


class _Adx:
    """Wilder's sums of movements up and down and of true ranges, and what they come to."""

    def __init__(self, values: Values) -> None:
        self._period = values["period"]
        self._range = RangeStep()
        self._high = NAN
        self._low = NAN
        self._count = 0  # of movements
        self._up = 0.0
        self._down = 0.0
        self._ranges = 0.0
        self._adx = 0.0

    def push(self, bar: BarRow) -> tuple[float, ...]:
        up, down = bar.high - self._high, self._low - bar.low
        self._high, self._low = bar.high, bar.low
        true_range = self._range.push(bar.high, bar.low, bar.close)
        if true_range != true_range:
            return NAN, NAN, NAN
        self._count += 1
        if self._count >= self._period:
            self._up -= self._up / self._period
            self._down -= self._down / self._period
            self._ranges -= self._ranges / self._period
        if down > 0.0 and up < down:
            self._down += down
        elif up > 0.0 and up > down:
            self._up += up
        self._ranges += true_range
        if self._count < self._period:
            return NAN, NAN, NAN
        return self._out()

    def _out(self) -> tuple[float, ...]:
        if is_zero(self._ranges):
            plus, minus, index = 0.0, 0.0, NAN
        else:
            plus = 100.0 * (self._up / self._ranges)
            minus = 100.0 * (self._down / self._ranges)
            both = plus + minus
            index = NAN if is_zero(both) else 100.0 * (abs(minus - plus) / both)
        smoothed = self._count - self._period + 1  # values of the index until now
        if smoothed <= self._period:
            if index == index:
                self._adx += index
            if smoothed < self._period:
                return NAN, plus, minus
            self._adx /= self._period
        elif index == index:
            self._adx = (self._adx * (self._period - 1) + index) / self._period
        return self._adx, plus, minus


ADX: Final = IndicatorDefinition(
    name="adx",
    formula="plus_di, minus_di: 100 · Wilder's sum of movements up, down / that of true ranges; "
    "adx: Wilder's mean of 100 · |plus_di − minus_di| / (plus_di + minus_di)",
    source="Wilder, New Concepts in Technical Trading Systems, 1978, section 4",
    inputs=("high", "low", "close"),
    parameters={"period": period(14)},
    outputs=(
        IndicatorOutput("adx", PERCENT, 0.0, 100.0),
        IndicatorOutput("plus_di", PERCENT, 0.0, 100.0),
        IndicatorOutput("minus_di", PERCENT, 0.0, 100.0),
    ),
    batch=_adx_batch,
    stream=_Adx,
    lookback=lambda values: values["period"],
)
