"""The table of a study's trials: what varies, what came of it, what is best."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.schemas import MONEY_UNIT, Column, arrow_schema
from tapewire.atomic import atomic_file
from tapewire.config.wording import suggest
from tapewire.errors import ConfigError
from tapewire.studies.axes import Trial
from tapewire.studies.parts import ERRORS, FIGURES, KEYS, PRUNING, VALUES
from tapewire.studies.settings import Constraint, Objective, StudySettings

if TYPE_CHECKING:
    import pyarrow as pa

MONEY_COLUMNS: Final = frozenset(c.name for c in FIGURES if c.unit == MONEY_UNIT)
_MONEY_UNITS: Final = 1e9
_NOT_VARIED: Final = "does not vary in this trial"


def column_names(names: Sequence[str]) -> dict[str, str]:
    """Return the column of each name that varies: its last part where that is free."""
    taken = {column.name for column in (*KEYS, *FIGURES, *ERRORS, VALUES)}
    found: dict[str, str] = {}
    lasts = [name.rpartition(".")[2] for name in names]
    for name, last in zip(names, lasts, strict=True):
        alone = lasts.count(last) == 1
        found[name] = last if alone and last not in taken else f"vary.{name}"
    return found


def trial_columns(trials: Sequence[Trial]) -> list[tuple[Column, list[Any]]]:
    """Return the columns of what varies, with their values in the order of `trials`."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    columns = []
    for name, column in column_names(names).items():
        values = [trial.values.get(name) for trial in trials]
        kind = _type_of(values)
        if kind == "string":
            values = [None if v is None else _text(v) for v in values]
        columns.append((Column(column, kind, "", f"what varies: {name}", _NOT_VARIED), values))
    return columns


def _type_of(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return "bool"
    if kinds <= {int}:
        return "int64"
    return "float64" if kinds <= {int, float} else "string"


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def write_trials(
    path: Path,
    found: "pa.Table",
    trials: Sequence[Trial],
    days: Mapping[int, tuple[int, str]] | None = None,
) -> "pa.Table":
    """Write ``trials.parquet``: rows of parts, completed by what varies; return it.

    Parameters
    ----------
    path
        The file.
    found
        Rows of parts.
    trials
        All of them.
    days
        Where trials may be pruned: days seen, and the last of them, of those that were.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = found["trial"].to_pylist()
    by_number = {trial.number: trial for trial in trials}
    varied = trial_columns([by_number[number] for number in numbers])
    told = [json.dumps(dict(by_number[number].values), default=str) for number in numbers]
    varied.append((VALUES, told))
    last: list[Column] = []
    if days is not None:
        last = [*PRUNING]
        seen = [days.get(number, (None, None)) for number in numbers]
        varied += [(column, [one[k] for one in seen]) for k, column in enumerate(PRUNING)]
    parameters = [c for c, _ in varied if c is not VALUES and c not in last]
    schema = arrow_schema("trials", (*KEYS, *parameters, *FIGURES, *ERRORS, VALUES, *last))
    values = {c.name: pa.array(cells, schema.field(c.name).type) for c, cells in varied}
    columns = [values[f.name] if f.name in values else found[f.name] for f in schema]
    table = pa.table(columns, schema=schema)
    with atomic_file(path) as file:
        pq.write_table(table, file, version="2.6", compression="zstd", compression_level=1)
    return table


def write_table(path: Path, table: "pa.Table") -> None:
    """Write a table, whole or not at all."""
    import pyarrow.parquet as pq

    with atomic_file(path) as file:
        pq.write_table(table, file, version="2.6", compression="zstd", compression_level=1)


def digest_of(table: "pa.Table") -> str:
    """Return one digest for all rows: numbers, states and digests of strategies."""
    digest = hashlib.sha256()
    columns = [table[name].to_pylist() for name in ("trial", "status", "digest")]
    for number, status, mine in zip(*columns, strict=True):
        digest.update(f"{number} {status} {mine or ''}\n".encode())
    return digest.hexdigest()


def figures_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with money in currency."""
    return {
        name: value / _MONEY_UNITS if name in MONEY_COLUMNS and value is not None else value
        for name, value in row.items()
    }


def check_metrics(settings: StudySettings) -> None:
    """Refuse an objective or a constraint of what is no metric.

    Raises
    ------
    ConfigError
        Naming it.
    """
    numbers = {c.name for c in FIGURES if c.type in ("int64", "float64")}
    named = [("objective", o.metric) for o in settings.objectives]
    named += [("constraints", c.metric) for c in settings.kept]
    for key, metric in named:
        if metric not in numbers:
            raise ConfigError(
                f"study.{key}: expected a metric, found {metric!r}, {suggest(metric, numbers)}"
            )


class Ranking:
    """The best trials so far.

    Parameters
    ----------
    objective
        What is better.
    constraints
        What must hold.
    """

    def __init__(self, objective: Objective, constraints: Sequence[Constraint] = ()) -> None:
        self._objective = objective
        self._constraints = constraints
        #: Number and figures of the best; None where none has the objective and keeps all.
        self.best: dict[str, Any] | None = None
        self._score = float("-inf")

    def note(self, row: Mapping[str, Any]) -> None:
        """Look at a row of the table; of equals the first in number stays."""
        figures = figures_of(row)
        score = self.score_of(figures)
        if score is None:
            return
        if score > self._score or (
            score == self._score and self.best is not None and row["trial"] < self.best["trial"]
        ):
            self.best, self._score = figures, score

    def score_of(self, figures: Mapping[str, Any]) -> float | None:
        """Return how good a row is, money in currency; None where it does not count.

        A pruned trial, whose figures are of other days, does not.
        """
        if figures.get("status") == "pruned":
            return None
        if not all(c.keeps(figures.get(c.metric)) for c in self._constraints):
            return None
        return self._objective.score(figures)

    def order(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return rows that count, the best first, money in currency."""
        scored = [(self.score_of(f), f) for f in map(figures_of, rows)]
        known = [(score, row) for score, row in scored if score is not None]
        return [row for _, row in sorted(known, key=lambda one: (-one[0], one[1]["trial"]))]
