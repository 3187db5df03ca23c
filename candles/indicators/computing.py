"""Indicators of bars: computed whole, or bar by bar."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from tapewire.candles.columns import BarColumns, Floats
from tapewire.candles.indicators.definition import (
    IndicatorDefinition,
    IndicatorStream,
    Values,
)
from tapewire.candles.indicators.registry import find_indicator, parameters_of
from tapewire.errors import ConfigError, InputError

#: What is done where a column has a NaN among its values.
NanPolicy = Literal["refuse", "segment"]
_POLICIES: Final = ("refuse", "segment")


def indicator(
    name: str,
    bars: BarColumns,
    parameters: Mapping[str, Any] | None = None,
    *,
    nan: NanPolicy = "refuse",
) -> dict[str, Floats]:
    """Compute an indicator of bars.

    Parameters
    ----------
    name, parameters
        As `INDICATORS` has them; what is left out has its default.
    bars
        Of any number; of fewer than the indicator looks back, all values are NaN.
    nan
        Where a NaN (or an infinite number) follows on a value: ``refuse`` to compute, or compute
        each ``segment`` between them for itself, as if the data began there.

    Returns
    -------
    dict of str to float64 (n,)
        By output, the first one first; each value is known at the end of its bar. NaN at the
        beginning, until there are enough bars.

    Raises
    ------
    ConfigError
        If there is no such indicator, parameter or policy, or a parameter is wrong.
    InputError
        If a column has a NaN among its values, and that is refused.
    """
    if nan not in _POLICIES:
        raise ConfigError(f"nan: expected {' or '.join(_POLICIES)}, found {nan!r}")
    definition = find_indicator(name)
    values = parameters_of(definition, parameters or {})
    found = computed(definition, bars, values, nan=nan)
    return {one.name: array for one, array in zip(definition.outputs, found, strict=True)}


def computed(
    definition: IndicatorDefinition, bars: BarColumns, values: Values, *, nan: NanPolicy = "refuse"
) -> tuple[Floats, ...]:
    """Compute an indicator whose parameters are complete; see `indicator`."""
    columns = [getattr(bars, name) for name in definition.inputs]
    finite = np.ones(len(bars), np.bool_)
    for column in columns:
        finite &= np.isfinite(column)
    if finite.all():
        return _whole(definition, columns, values)
    spans = _spans(finite)
    if nan == "refuse" and (len(spans) > 1 or (len(spans) and spans[0][1] < len(bars))):
        row = int(spans[0][1])
        bad = next(
            name for name, column in zip(definition.inputs, columns, strict=True)
            if not np.isfinite(column[row])
        )  # fmt: skip
        raise InputError(
            f"{definition.name}: expected numbers, found {getattr(bars, bad)[row]} as {bad} of row "
            f"{row}; nan='segment' computes what lies between such rows for itself"
        )
    out = tuple(np.full(len(bars), np.nan) for _ in definition.outputs)
    for first, last in spans:
        part = _whole(definition, [column[first:last] for column in columns], values)
        for whole, one in zip(out, part, strict=True):
            whole[first:last] = one
    return out


def _whole(
    definition: IndicatorDefinition, columns: list[Any], values: Values
) -> tuple[Floats, ...]:
    n = len(columns[0])
    if n <= definition.lookback(values):
        return tuple(np.full(n, np.nan) for _ in definition.outputs)
    return definition.batch(*columns, values)


def _spans(finite: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return (first, last + 1) of each run of True."""
    edges = np.diff(np.concatenate(([0], finite.astype(np.int8), [0])))
    return np.column_stack((np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)))


def indicator_stream(name: str, parameters: Mapping[str, Any] | None = None) -> IndicatorStream:
    """Return an indicator to feed bar by bar: its values are those of `indicator`.

    Bars have to be finite. Memory is bounded by the parameters, whatever the number of bars.

    Raises
    ------
    ConfigError
        If there is no such indicator or parameter, or a parameter is wrong.
    """
    definition = find_indicator(name)
    return definition.stream(parameters_of(definition, parameters or {}))
