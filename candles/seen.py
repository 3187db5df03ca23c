"""Values of indicators as bars of a primary timeframe see them, and how they compare.

The comparisons are those of declared rules (`tapewire.candles.rules.comparing`): what is not known
yet compares with nothing, and what is as near as a formula's rounding is equal.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

from tapewire.candles.columns import BarRow, Floats
from tapewire.candles.frames import Timeframes
from tapewire.candles.indicators.computing import computed
from tapewire.candles.indicators.definition import PRICE, IndicatorDefinition, IndicatorStream
from tapewire.candles.indicators.registry import find_indicator, hint, parameters_of
from tapewire.candles.rules.comparing import holds
from tapewire.candles.rules.plan import (
    CROSSES_ABOVE,
    CROSSES_BELOW,
    GREATER,
    GREATER_OR_EQUAL,
    LESS,
    LESS_OR_EQUAL,
    NOT_CROSSES_ABOVE,
    NOT_CROSSES_BELOW,
    in_units,
)
from tapewire.errors import ConfigError


class SeenValue:
    """What a primary bar sees of a series at its end, and what the bar before it saw.

    Parameters
    ----------
    now, before
        NaN: not known yet.
    price_unit
        Currency per unit, of a series of prices: numbers it is compared with are in currency. None
        of any other series.
    """

    __slots__ = ("before", "now", "price_unit")

    def __init__(
        self, now: float = math.nan, before: float = math.nan, price_unit: float | None = None
    ) -> None:
        self.now, self.before, self.price_unit = now, before, price_unit

    def see(self, value: float) -> None:
        """Take the value at the next primary bar's end."""
        self.before, self.now = self.now, value

    def is_above(self, other: "SeenValue | float") -> bool:
        """Greater."""
        return self.compares(GREATER, other)

    def is_at_least(self, other: "SeenValue | float") -> bool:
        """Greater or equal."""
        return self.compares(GREATER_OR_EQUAL, other)

    def is_below(self, other: "SeenValue | float") -> bool:
        """Less."""
        return self.compares(LESS, other)

    def is_at_most(self, other: "SeenValue | float") -> bool:
        """Less or equal."""
        return self.compares(LESS_OR_EQUAL, other)

    def crosses_above(self, other: "SeenValue | float") -> bool:
        """Greater, and not so at the bar before."""
        return self.compares(CROSSES_ABOVE, other)

    def crosses_below(self, other: "SeenValue | float") -> bool:
        """Less, and not so at the bar before."""
        return self.compares(CROSSES_BELOW, other)

    def does_not_cross_above(self, other: "SeenValue | float") -> bool:
        """Both are known, now and at the bar before, and it does not cross."""
        return self.compares(NOT_CROSSES_ABOVE, other)

    def does_not_cross_below(self, other: "SeenValue | float") -> bool:
        """Both are known, now and at the bar before, and it does not cross."""
        return self.compares(NOT_CROSSES_BELOW, other)

    def compares(self, code: int, other: "SeenValue | float") -> bool:
        """Whether a comparison of `tapewire.candles.rules.plan` holds."""
        if isinstance(other, SeenValue):
            return holds(code, self.now, other.now, self.before, other.before)
        number = float(other) if self.price_unit is None else in_units(other, self.price_unit)
        return holds(code, self.now, number, self.before, number)


class SeenColumn:
    """A whole series as primary bars see it: an item is what one of them sees.

    Parameters
    ----------
    values : float64 (n,)
        One per primary bar, known at its end.
    price_unit
        As of `SeenValue`.
    """

    def __init__(self, values: Floats, price_unit: float | None = None) -> None:
        self.values, self.price_unit = values, price_unit

    @classmethod
    def of(
        cls, frames: Timeframes, primary: str, name: str, timeframe: str | None = None,
        output: str | None = None, **parameters: Any,
    ) -> Self:  # fmt: skip
        """Compute an indicator of bars.

        Parameters
        ----------
        frames
            Bars of both timeframes.
        primary
            The timeframe whose bars see it.
        name, output, **parameters
            As `tapewire.candles.indicators.INDICATORS` has them; what is left out has its default,
            no output is the first.
        timeframe
            Of the bars it is computed from; None: the primary one.

        Raises
        ------
        ConfigError
            If there is no such indicator, parameter, output or timeframe, or TA-Lib is missing.
        InputError
            If bars have a NaN among their values.
        """
        definition, place, values = _found(name, output, parameters)
        bars = frames.of_name(timeframe or primary).bars
        column = computed(definition, bars, values)[place]
        if timeframe not in (None, primary):
            column = frames.as_seen(primary, timeframe or primary, column)
        return cls(column, _unit_of(definition, place, bars.price_unit))

    def __getitem__(self, index: int) -> SeenValue:
        """What the primary bar of a place sees."""
        before = float(self.values[index - 1]) if index else math.nan
        return SeenValue(float(self.values[index]), before, self.price_unit)


class SeenStreams:
    """Indicators of several timeframes, fed bar by bar, seen as primary bars end.

    Parameters
    ----------
    primary
        The timeframe whose bars see them.
    price_unit
        Currency per unit of the bars' prices.
    """

    def __init__(self, primary: str, price_unit: float) -> None:
        self._primary, self._price_unit = primary, price_unit
        self._fed: dict[str, dict[Any, IndicatorStream]] = {}
        self._latest: dict[Any, tuple[float, ...]] = {}
        self._seen: dict[Any, SeenValue] = {}

    def add(
        self, name: str, timeframe: str | None = None, output: str | None = None, **parameters: Any
    ) -> SeenValue:
        """Return what will be seen of an indicator; the arguments are those of `SeenColumn.of`.

        Raises
        ------
        ConfigError
            If there is no such indicator, parameter or output, or a parameter is wrong.
        """
        definition, place, values = _found(name, output, parameters)
        own = timeframe or self._primary
        source = (own, name, tuple(values.values()))
        if (source, place) not in self._seen:
            streams = self._fed.setdefault(own, {})
            if source not in streams:
                streams[source] = definition.stream(values)
            unit = _unit_of(definition, place, self._price_unit)
            self._seen[source, place] = SeenValue(price_unit=unit)
        return self._seen[source, place]

    def push(self, timeframe: str, bar: BarRow) -> None:
        """Take a bar that has ended."""
        for source, stream in self._fed.get(timeframe, {}).items():
            self._latest[source] = stream.push(bar)
        if timeframe == self._primary:
            for (source, place), value in self._seen.items():
                latest = self._latest.get(source)
                value.see(math.nan if latest is None else latest[place])


def _found(
    name: str, output: str | None, parameters: Mapping[str, Any]
) -> tuple[IndicatorDefinition, int, dict[str, Any]]:
    definition = find_indicator(name)
    place = definition.output(output)
    if place is None:
        known = {one.name: one for one in definition.outputs}
        raise ConfigError(f"{name} has no output {output!r}: {hint(str(output), known)}")
    return definition, place, parameters_of(definition, parameters)


def _unit_of(definition: IndicatorDefinition, place: int, price_unit: float) -> float | None:
    return price_unit if definition.outputs[place].unit == PRICE else None
