"""The metrics of a run together: their columns, their values, their texts."""

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from tapewire.analytics.exact import INT64_MAX
from tapewire.analytics.metrics.definition import Metric
from tapewire.analytics.metrics.inputs import INPUT_TYPES, Inputs
from tapewire.analytics.schemas import Column

#: Columns before the metrics: whom a row is about.
SCOPE: Final = (
    Column("scope", "string", "", "total, strategy or leg"),
    Column("strategy_id", "string", "", "name of the strategy", "scope total"),
    Column("leg", "int32", "index", "key into the manifest's legs", "scope is not leg"),
    Column("publisher_id", "uint16", "", "Databento publisher", "scope is not leg"),
    Column("instrument_id", "uint32", "", "instrument", "scope is not leg"),
    Column("symbol", "string", "", "raw symbol", "scope is not leg"),
)
_REQUIRED: Final = ("column", "label", "format", "formula", "compute")


def defined_in(family: ModuleType) -> list[type[Metric]]:
    """Return the metrics a file defines, in its order."""
    return [
        member
        for member in vars(family).values()
        if inspect.isclass(member)
        and issubclass(member, Metric)
        and member.__module__ == family.__name__
    ]


class Registry:
    """Metrics in the order of their columns.

    Parameters
    ----------
    metrics
        Their classes; each column once.

    Raises
    ------
    TypeError
        If a metric lacks a part of its definition, or needs an input that there is not.
    ValueError
        If two have the same column.
    """

    def __init__(self, metrics: Iterable[type[Metric]]) -> None:
        self._metrics: dict[str, type[Metric]] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        taken = {column.name for column in SCOPE}
        for metric in metrics:
            needs = _needs(metric)
            if metric.column in taken:
                raise ValueError(
                    f"{_name(metric)}: expected a column of its own, found {metric.column!r} again"
                )
            taken.add(metric.column)
            self._metrics[metric.column] = metric
            self._needs[metric.column] = needs

    def __iter__(self) -> Iterator[type[Metric]]:
        return iter(self._metrics.values())

    def with_metrics(self, *metrics: type[Metric]) -> "Registry":
        """Return a registry that has these, too, after its own."""
        return Registry([*self, *metrics])

    @property
    def table(self) -> tuple[Column, ...]:
        """Columns of ``metrics.parquet``."""
        return (*SCOPE, *(metric.schema() for metric in self))

    def columns(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Return rows of ``metrics.parquet`` as columns."""
        return {c.name: [row[c.name] for row in rows] for c in self.table}

    def compute(
        self, inputs: Inputs, failed: dict[str, str] | None = None
    ) -> dict[str, int | float | None]:
        """Return every metric by its column; None where there is no value.

        Parameters
        ----------
        inputs
            What they are computed from.
        failed
            Gets, by column, what is wrong with metrics that raise or give what their column can't
            hold. These have no value then, and a run keeps all others: `failures` has the words for
            its warnings. Without it such an error is raised.
        """
        values: dict[str, int | float | None] = {}
        for column, metric in self._metrics.items():
            try:
                given = {name: getattr(inputs, name) for name in self._needs[column]}
                values[column] = _storable(metric, metric.compute(**given))
            except Exception as error:
                if failed is None:
                    raise
                values[column] = None
                failed.setdefault(column, f"{type(error).__name__}: {error}")
        return values

    def text(self, row: Mapping[str, Any], column: str) -> str:
        """Return a metric of a row as the report shows it."""
        return self._metrics[column].format.text(row[column])

    def headline(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row's metrics ready for JSON, money as exact decimal text in currency."""
        known = {m.column: (row[m.column], m.format.manifest) for m in self}
        return {
            column: None if value is None else ready(value)
            for column, (value, ready) in known.items()
            if ready is not None
        }


def failures(failed: Mapping[str, str]) -> list[str]:
    """Return a run's warnings of metrics that failed."""
    return [
        f"metric {column} has no value where it failed, which is a defect of it: {error}"
        for column, error in failed.items()
    ]


def _storable(metric: type[Metric], value: float | None) -> int | float | None:
    """Return a value; refuse what neither its column nor the manifest can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite value or None, found {value}")
    if metric.format.type == "int64" and value is not None and abs(value) > INT64_MAX:
        raise ValueError(f"expected a value within the 64-bit range, found {value}")
    return value


def _needs(metric: type[Metric]) -> tuple[str, ...]:
    """Return the names of its inputs; refuse a definition that is not whole."""
    missing = [name for name in _REQUIRED if not hasattr(metric, name)]
    if missing:
        raise TypeError(f"{_name(metric)}: expected {', '.join(missing)}, found none")
    parameters = inspect.signature(metric.compute, eval_str=True).parameters
    for name, parameter in parameters.items():
        if name not in INPUT_TYPES:
            raise TypeError(
                f"{_name(metric)}: expected inputs of {', '.join(INPUT_TYPES)}, found {name!r}; "
                "a new one is a field of Tally or a cached property of Inputs"
            )
        if parameter.annotation is not INPUT_TYPES[name]:
            raise TypeError(
                f"{_name(metric)}: expected {name} as {INPUT_TYPES[name].__name__}, "
                f"found {parameter.annotation!r}"
            )
    return tuple(parameters)


def _name(metric: type[Metric]) -> str:
    return f"{metric.__module__}.{metric.__qualname__}"
