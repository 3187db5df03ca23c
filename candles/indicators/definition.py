"""What an indicator consists of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tapewire.candles.columns import BarRow, Floats
from tapewire.compiled.parameters import ParameterSpec

#: Most bars that an average may go over: TA-Lib's own bound.
PERIOD_MAX: Final = 100_000

#: Units of what an indicator gives. A price is in units of the bars' prices.
PRICE: Final = "price"
PERCENT: Final = "percent"
VOLUME: Final = "volume"
INDEX: Final = "index"


@dataclass(frozen=True)
class IndicatorOutput:
    """One series that an indicator gives.

    Attributes
    ----------
    name : str
    unit : str
        ``price``, ``percent``, ``volume`` or ``index`` (a number without a unit).
    low, high : float, optional
        Bounds of its values; None: there is none.
    """

    name: str
    unit: str
    low: float | None = None
    high: float | None = None


class IndicatorStream(Protocol):
    """An indicator fed bar by bar."""

    def push(self, bar: BarRow) -> tuple[float, ...]:
        """Take the next bar; return each output as of its end, NaN where there is none yet."""


Values = Mapping[str, Any]


@dataclass(frozen=True)
class IndicatorDefinition:
    """An indicator: numbers about bars, each known at the end of its bar.

    Parameters
    ----------
    name : str
    formula, source : str
        For people.
    inputs : tuple of str
        Columns it is computed from, in the order `batch` takes them.
    parameters : mapping of str to ParameterSpec
    outputs : tuple of IndicatorOutput
        The first is the one that is meant where none is named.
    batch : function of (*columns, parameters)
        Takes contiguous arrays, as many as `inputs`, finite but for leading NaN, longer than
        `lookback`; returns a float64 array of that length per output, NaN before the first value.
    stream : function of parameters
        Makes an `IndicatorStream` that gives the same values.
    lookback : function of parameters
        Bars before the first value of any output.
    against : float or str, optional
        What a comparison that names nothing compares the first output with: a number, or another
        output; None: a comparison has to name something.
    fault : function of parameters
        What is wrong with parameters that are right each for itself; empty if nothing is.
    """

    name: str
    formula: str
    source: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, ParameterSpec]
    outputs: tuple[IndicatorOutput, ...]
    batch: Callable[..., tuple[Floats, ...]]
    stream: Callable[[Values], IndicatorStream]
    lookback: Callable[[Values], int]
    against: float | str | None = None
    fault: Callable[[Values], str] = lambda values: ""

    def output(self, name: str | None) -> int | None:
        """Return the place of an output (None: the first); None if there is none of this name."""
        if name is None:
            return 0
        names = [one.name for one in self.outputs]
        return names.index(name) if name in names else None


def period(default: int, doc: str = "Bars it goes over.", minimum: int = 2) -> ParameterSpec:
    """Declare a number of bars."""
    return ParameterSpec(int, doc, default, minimum, PERIOD_MAX)


def factor(default: float, doc: str, maximum: float = 100.0) -> ParameterSpec:
    """Declare a number above zero that something is multiplied by."""
    return ParameterSpec(float, doc, default, 0.01, maximum)


def fast_below_slow(values: Values) -> str:
    """Say what is wrong where a fast period is no shorter than the slow one."""
    if values["fast"] < values["slow"]:
        return ""
    return f"expected fast below slow, found {values['fast']} and {values['slow']}"
