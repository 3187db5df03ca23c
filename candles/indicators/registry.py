"""All indicators, found by name, and their parameters checked."""

import difflib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from tapewire.candles.indicators import averages, oscillators, prices, trend, volatility, volume
from tapewire.candles.indicators.definition import IndicatorDefinition
from tapewire.compiled.parameters import ParameterSpec
from tapewire.errors import ConfigError

#: An indicator is a definition in the file of its family and a line here.
INDICATORS: Final[Mapping[str, IndicatorDefinition]] = MappingProxyType(
    {
        one.name: one
        for one in (
            averages.SMA,
            averages.EMA,
            averages.WMA,
            averages.SMA_CROSS,
            averages.EMA_CROSS,
            oscillators.RSI,
            oscillators.STOCHASTIC,
            oscillators.CCI,
            oscillators.WILLIAMS_R,
            oscillators.MOMENTUM,
            oscillators.ROC,
            trend.MACD,
            trend.ADX,
            volatility.ATR,
            volatility.BBANDS,
            volatility.STDDEV,
            volume.OBV,
            volume.VWAP,
            volume.MFI,
            prices.HIGHEST,
            prices.LOWEST,
            prices.OPEN,
            prices.HIGH,
            prices.LOW,
            prices.CLOSE,
            prices.VOLUME_OF_BAR,
        )
    }
)


_TOLD_MAX: Final = 10**50


def find_indicator(name: str) -> IndicatorDefinition:
    """Return the indicator of a name.

    Raises
    ------
    ConfigError
        If there is none; the text names a close one.
    """
    found = INDICATORS.get(name)
    if found is None:
        raise ConfigError(f"there is no indicator {name!r}: {hint(name, INDICATORS)}")
    return found


def hint(name: str, known: Mapping[str, Any]) -> str:
    """Return the name that may have been meant, or those that there are."""
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def parameters_of(definition: IndicatorDefinition, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the parameters of an indicator and complete them with its defaults.

    Raises
    ------
    ConfigError
        If one is unknown, of another type, out of its range, or does not go with another.
    """
    values = {name: spec.default for name, spec in definition.parameters.items()}
    for name, value in given.items():
        spec = definition.parameters.get(name)
        if spec is None:
            raise ConfigError(
                f"{definition.name} has no parameter {name!r}: {hint(name, definition.parameters)}"
            )
        values[name] = _value(definition.name, name, spec, value)
    if fault := definition.fault(values):
        raise ConfigError(f"{definition.name}: {fault}")
    return values


def checked_parameters(name: str, given: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the parameters of an indicator in their order, as `parameters_of` completes them.

    What was right once is remembered.

    Raises
    ------
    ConfigError
        If there is no such indicator, or a parameter is wrong.
    """
    return _remembered(name, tuple((key, value, type(value)) for key, value in given.items()))


@lru_cache(maxsize=1 << 16)
def _remembered(name: str, given: tuple[tuple[str, Any, type], ...]) -> tuple[Any, ...]:
    # 14 and 14.0 are one key but for the type.
    found = parameters_of(find_indicator(name), {key: value for key, value, _ in given})
    return tuple(found.values())


def _value(indicator: str, name: str, spec: ParameterSpec, value: Any) -> Any:
    kinds = (int,) if spec.type is int else (int, float)
    expected = "a whole number" if spec.type is int else "a number"
    if isinstance(value, bool) or not isinstance(value, kinds) or value != value:
        raise ConfigError(f"{indicator}.{name}: expected {expected}, found {value!r}")
    if fault := spec.fault(value):
        # Python writes out no number of thousands of digits.
        found = value if abs(value) < _TOLD_MAX else f"more than {_TOLD_MAX:g}"
        raise ConfigError(f"{indicator}.{name}: expected {fault}, found {found}")
    return spec.type(value)
