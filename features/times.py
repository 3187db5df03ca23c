"""Features of the clock."""

from typing import Any, Final

import numpy as np

from tapewire.compiled.units import NS_PER_DAY, NS_PER_S
from tapewire.features.definition import FeatureDefinition
from tapewire.features.layout import word_at


def _time_of_day(state: Any, column: Any, now_ns: int) -> float:
    """Time since midnight."""
    return (now_ns % NS_PER_DAY) / NS_PER_S


def _time_to_close(state: Any, column: Any, now_ns: int) -> float:
    """Time to the next close; of those that are known, if any are."""
    if state.close_n == 0:
        return ((state.close_ns - now_ns) % NS_PER_DAY) / NS_PER_S
    low = 0
    high = state.close_n
    while low < high:
        middle = (low + high) >> 1
        if word_at(state.closes, middle).value < now_ns:
            low = middle + 1
        else:
            high = middle
    if low == state.close_n:
        return np.nan
    return (word_at(state.closes, low).value - now_ns) / NS_PER_S


TIME_OF_DAY: Final = FeatureDefinition(
    name="time_of_day",
    formula="time since midnight, UTC",
    unit="seconds",
    source="Admati and Pfleiderer, A theory of intraday patterns, 1988",
    kernel=_time_of_day,
)
TIME_TO_CLOSE: Final = FeatureDefinition(
    name="time_to_close",
    formula="time to the session's next close, or to the time of day given, else midnight, UTC",
    unit="seconds",
    source="Admati and Pfleiderer, A theory of intraday patterns, 1988",
    kernel=_time_to_close,
)
