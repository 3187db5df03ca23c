"""Kernels that work out a set's columns as of a moment."""

from typing import Any

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.features._windows import locate
from tapewire.features.layout import column_at, features_at, number_at, window_at
from tapewire.features.registry import FEATURES


@jit_inline
def _none(feature: int, state: Any, column: Any, now_ns: int) -> float:
    """No feature has this number."""
    return 0.0


def _first_or(number: int, kernel: Any, otherwise: Any) -> Any:
    def value(feature: int, state: Any, column: Any, now_ns: int) -> Any:
        if feature == number:
            return kernel(state, column, now_ns)
        return otherwise(feature, state, column, now_ns)

    return jit_inline(value)


def _choice() -> Any:
    value: Any = _none
    for number, definition in reversed(list(enumerate(FEATURES))):
        value = _first_or(number, jit_inline(definition.kernel), value)
    return value


_value = _choice()


@jit
def evaluate_features(features: int, now_ns: int, out: int) -> None:
    """Write all columns to an address, as float64, as of a moment.

    A moment before the last event counts as that event's. What is kept stays as it is, so that
    nobody who looks changes what others see.
    """
    state = features_at(features, 0)
    moment = max(now_ns, state.clock)
    for k in range(state.window_n):
        locate(state, window_at(state.windows, k), moment)
    for k in range(state.column_n):
        column = column_at(state.columns, k)
        number_at(out, k).value = _value(column.feature, state, column, moment)


@jit
def evaluate_feature(features: int, k: int, now_ns: int) -> float:
    """One column as of a moment; see ``evaluate_features``."""
    state = features_at(features, 0)
    moment = max(now_ns, state.clock)
    column = column_at(state.columns, k)
    if column.word != 0:
        locate(state, window_at(state.windows, column.part), moment)
    return _value(column.feature, state, column, moment)


@jit_entry
def evaluate_all(features: int, now_ns: int, out: int) -> None:
    """As ``evaluate_features``, for Python."""
    evaluate_features(features, now_ns, out)


@jit_entry
def evaluate_one(features: int, k: int, now_ns: int) -> float:
    """As ``evaluate_feature``, for Python."""
    return evaluate_feature(features, k, now_ns)
