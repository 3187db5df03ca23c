"""The metrics of a run together: their columns, their values, their texts."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

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

    def compute(self, inputs: Inputs) -> dict[str, int | float | None]:
        """Return every metric by its column; None where there is no value."""
        return {
            column: metric.compute(**{name: getattr(inputs, name) for name in self._needs[column]})
            for column, metric in self._metrics.items()
        }

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
