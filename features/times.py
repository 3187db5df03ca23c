"""Features of the clock."""

from typing import Any, Final

from tapewire.compiled.units import NS_PER_DAY, NS_PER_S
from tapewire.features.definition import FeatureDefinition


def _time_of_day(state: Any, column: Any, now_ns: int) -> float:
    """Time since midnight."""
    return (now_ns % NS_PER_DAY) / NS_PER_S


def _time_to_close(state: Any, column: Any, now_ns: int) -> float:
    """Time to the next close."""
    return ((state.close_ns - now_ns) % NS_PER_DAY) / NS_PER_S


TIME_OF_DAY: Final = FeatureDefinition(
    name="time_of_day",
    formula="time since midnight, UTC",
    unit="seconds",
    source="Admati and Pfleiderer, A theory of intraday patterns, 1988",
    kernel=_time_of_day,
)
TIME_TO_CLOSE: Final = FeatureDefinition(
    name="time_to_close",
    formula="time to the next close: the time of day that was given, else midnight, UTC",
    unit="seconds",
    source="Admati and Pfleiderer, A theory of intraday patterns, 1988",
    kernel=_time_to_close,
)
