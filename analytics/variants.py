"""Strategies of one grid side by side: what varies among them, and what came of each."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tapewire.analytics.analysis import Analysis
from tapewire.analytics.heatmaps import heat_maps
from tapewire.analytics.report_tables import TABLE_ROWS_MAX, Table, cell, cut, table
from tapewire.analytics.schemas import Column

_KEYS: Final = (
    Column("strategy_id", "string", "", "name of the variant"),
    Column("variant_of", "string", "", "name of the entry of the configuration that it is of"),
    Column("digest", "string", "", "digest of the variant alone"),
)
_NOT_VARIED: Final = "does not vary within its entry"
_NEVER_CALLED: Final = "the variant had no book in the data, or the metric has no value"


class Variants:
    """The variants of a run, with their figures.

    Parameters
    ----------
    given : sequence of mappings
        ``strategy_id``, ``variant_of`` and ``parameters``, those that vary, of each.
    digests : mapping
        Digest by strategy.
    analysis : Analysis
        The run's metrics.
    """

    def __init__(
        self,
        given: Sequence[Mapping[str, Any]],
        digests: Mapping[str, str],
        analysis: Analysis,
    ) -> None:
        self._given = given
        self._digests = digests
        self._metrics = analysis.metrics
        self._figures = {
            row["strategy_id"]: row for row in analysis.rows if row["scope"] == "strategy"
        }
        names = dict.fromkeys(name for variant in given for name in variant["parameters"])
        taken = {column.name for column in (*_KEYS, *analysis.metrics.table)}
        #: Column by parameter; one that is called as another column gets a prefix.
        self._varied = {n: f"parameter.{n}" if n in taken else n for n in names}

    @property
    def schema(self) -> tuple[Column, ...]:
        """Columns of ``variants.parquet``."""
        varied = (
            Column(column, self._type_of(name), "", f"parameter {name}", _NOT_VARIED)
            for name, column in self._varied.items()
        )
        metrics = (metric.schema()._replace(null=_NEVER_CALLED) for metric in self._metrics)
        return (*_KEYS, *varied, *metrics)

    def columns(self) -> dict[str, list[Any]]:
        """Rows of ``variants.parquet`` as columns, in the order of the configuration."""
        ids = [variant["strategy_id"] for variant in self._given]
        found: dict[str, list[Any]] = {
            "strategy_id": ids,
            "variant_of": [variant["variant_of"] for variant in self._given],
            "digest": [self._digests[name] for name in ids],
        }
        for name, column in self._varied.items():
            as_text = self._type_of(name) == "string"
            values = [variant["parameters"].get(name) for variant in self._given]
            found[column] = [str(v) if as_text and v is not None else v for v in values]
        for metric in self._metrics:
            found[metric.column] = [self._figures.get(n, {}).get(metric.column) for n in ids]
        return found

    def _type_of(self, name: str) -> str:
        kinds = {type(variant["parameters"].get(name)) for variant in self._given} - {type(None)}
        if kinds == {bool}:
            return "bool"
        if kinds <= {int}:
            return "int64"
        return "float64" if kinds <= {int, float} else "string"

    def heat_maps(self) -> list[dict[str, Any]]:
        """Return maps of the grids of exactly two parameters."""
        return heat_maps(self._given, self._figures, self._metrics)

    def report_table(self) -> Table:
        """Return the table of the report: the best first, the others in the file."""
        chief = [metric for metric in self._metrics if metric.compact]
        called = [v for v in self._given if v["strategy_id"] in self._figures]
        called.sort(key=lambda v: -self._figures[v["strategy_id"]]["net_pnl"])
        rows = [
            [
                cell(variant["strategy_id"]),
                *(cell(_plain(variant["parameters"].get(name))) for name in self._varied),
                *(
                    cell(metric.format.text(self._figures[variant["strategy_id"]][metric.column]))
                    for metric in chief
                ),
            ]
            for variant in called[:TABLE_ROWS_MAX]
        ]
        head = ["Variant", *self._varied, *(metric.compact for metric in chief)]
        note = cut(len(called), "variants.parquet")
        return table(head, rows, caption="Best first", note=note)


def _plain(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
