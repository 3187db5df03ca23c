"""Runs side by side: their figures, their P&L over time, and where their configurations differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.analytics import formats as f
from tapewire.analytics.charts import equity_chart, equity_frame
from tapewire.analytics.equity import equity_line
from tapewire.analytics.metrics import METRICS, Metric
from tapewire.analytics.rendering import render_page
from tapewire.analytics.report_tables import cell, table
from tapewire.analytics.run import Run
from tapewire.errors import MissingFileError

#: Runs of one comparison: as many as have a colour of their own.
COMPARED_MAX: Final = 8
_ABSENT: Final = "not there"


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; every mapping and row is in the order of the runs.

    Attributes
    ----------
    names
        What each run is called.
    runs
        Those runs.
    metrics
        Of each run, the metrics of all of it.
    differences
        By dotted key of the configuration, the values where not all runs have one.
    same_digest, same_inputs
        Whether they did the same, and saw the same files (by their hashes).
    """

    names: tuple[str, ...]
    runs: tuple[Run, ...]
    metrics: tuple[dict[str, Any], ...]
    differences: dict[str, tuple[Any, ...]]
    same_digest: bool
    same_inputs: bool

    def as_json(self) -> dict[str, Any]:
        """Return everything but the curves, ready for JSON."""
        return {
            "runs": [str(run.path) for run in self.runs],
            "same_digest": self.same_digest,
            "same_inputs": self.same_inputs,
            "metrics": {
                name: METRICS.headline(row)
                for name, row in zip(self.names, self.metrics, strict=True)
            },
            "differences": {
                key: dict(zip(self.names, values, strict=True))
                for key, values in self.differences.items()
            },
        }


def compare(runs: Sequence[Run]) -> Comparison:
    """Put complete runs side by side.

    Raises
    ------
    MissingFileError
        If one has no result.
    """
    for run in runs:
        if run.status != "complete":
            raise MissingFileError(
                f"expected a complete run in {run.path}, found one that is {run.status}: "
                f"{run.headline}"
            )
    rows = [{metric.column: _total(run, metric) for metric in METRICS} for run in runs]
    flat = [_flat(run.manifest["config"]) for run in runs]
    keys = sorted({key for each in flat for key in each})
    table_of = {key: tuple(each.get(key, _ABSENT) for each in flat) for key in keys}
    differences = {
        key: values
        for key, values in table_of.items()
        if any(value != values[0] for value in values)
    }
    inputs = [_hashes(run.manifest["inputs"]) for run in runs]
    return Comparison(
        _names(runs), tuple(runs), tuple(rows), differences,
        len({run.manifest["digest"] for run in runs}) == 1,
        all(each == inputs[0] for each in inputs),
    )  # fmt: skip


def _total(run: Run, metric: type[Metric]) -> Any:
    """A metric of all of a run; None where it has none, or is older than the metric."""
    import pyarrow as pa

    table = run.metrics
    if metric.column not in table.column_names:
        return None
    value = table.column(metric.column)[:1]
    if pa.types.is_timestamp(value.type):
        value = value.cast(pa.int64())
    return value[0].as_py()


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Folder names, or whole paths where those are not told apart by them."""
    short = [run.path.name or str(run.path) for run in runs]
    return tuple(short if len(set(short)) == len(short) else (str(run.path) for run in runs))


def _hashes(inputs: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [file.get("xxh3_128") or file.get("sha256") or file.get("file") for file in inputs]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            key: leaf
            for name, part in value.items()
            for key, leaf in _flat(part, f"{path}.{name}" if path else str(name)).items()
        }
    if isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        parts = ((part.get("name", k) if isinstance(part, Mapping) else k, part)
                 for k, part in enumerate(value))  # fmt: skip
        return {
            key: leaf
            for name, part in parts
            for key, leaf in _flat(part, f"{path}[{name}]").items()
        }
    return {path: value}


def text_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return a heading and a row per metric that some run has, as text."""
    rows = [("metric", *comparison.names)]
    for metric in METRICS:
        values = [row[metric.column] for row in comparison.metrics]
        if any(value is not None for value in values):
            rows.append((metric.label, *(metric.format.text(value) for value in values)))
    return rows


def difference_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return a heading and a row per key of the configuration that differs, as text."""
    rows = [("configuration", *comparison.names)]
    for key, values in comparison.differences.items():
        rows.append((key, *(f.plain(value) for value in values)))
    return rows


def render_comparison(comparison: Comparison) -> str:
    """Return the page: P&L over one another, figures, and what the configurations differ in."""
    lines = {
        name: equity_line(run.path / "equity.parquet")
        for name, run in zip(comparison.names, comparison.runs, strict=True)
    }
    warnings = []
    if not comparison.same_inputs:
        warnings.append("The runs did not see the same input files.")
    if comparison.same_digest:
        warnings.append("The runs did the same: they have one digest.")
    figures = _page_table(text_rows(comparison))
    differ = _page_table(difference_rows(comparison), wrap=True)
    if not comparison.differences:
        differ["note"] = "None."
    facts = [_facts(name, run) for name, run in zip(comparison.names, comparison.runs, strict=True)]
    where = _page_table([("Run", "Folder", "Events", "Digest"), *facts], wrap=True)
    return render_page(
        equity_chart(lines),
        brand="Tapewire comparison",
        title=", ".join(comparison.names),
        version=comparison.runs[0].manifest["versions"].get("tapewire", ""),
        period=f"{len(comparison.runs)} runs side by side",
        warnings=warnings,
        parts_first=[{"title": "Configuration, where it differs", "tables": [differ]}],
        charts=[equity_frame()],
        parts=[
            {"title": "Metrics", "tables": [figures]},
            {"title": "Runs", "tables": [where]},
        ],
        footnote="Times are UTC. Money is in the instruments' currency. Simulated results say "
        "nothing certain about live ones.",
    )  # fmt: skip


def _facts(name: str, run: Run) -> tuple[str, ...]:
    manifest = run.manifest
    return name, str(run.path), f.count(manifest["events"]), str(manifest["digest"])


def _page_table(rows: Sequence[Sequence[str]], *, wrap: bool = False) -> dict[str, Any]:
    head, *body = rows
    kind = "text wrap" if wrap else ""
    cells = [[cell(first), *(cell(text, kind) for text in others)] for first, *others in body]
    return table(list(head), cells, text_columns=tuple(range(1, len(head))) if wrap else ())
