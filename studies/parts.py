"""Parts of a study's table: what one pass leaves, and how parts become the table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.metrics import METRICS
from tapewire.analytics.schemas import Column, arrow_schema
from tapewire.atomic import atomic_file
from tapewire.studies.blocks import BLOCKS

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns before what varies.
KEYS: Final = (
    Column("trial", "int64", "", "number of the trial, from 1"),
    Column("status", "string", "", "complete, or failed"),
    Column("digest", "string", "", "digest of its strategy", "it failed, or was never called"),
)
#: Columns after the metrics.
ERRORS: Final = (
    Column("error", "string", "", "why it failed", "it did not"),
    Column("traceback", "string", "", "where", "it did not fail"),
)
#: The last columns of a table whose trials may be pruned.
PRUNING: Final = (
    Column("days", "int64", "count", "UTC days that a pruned trial was played", "it was not"),
    Column("last_day", "string", "", "the last of them", "it was not pruned"),
)
#: The last column of other tables.
VALUES: Final = Column("values", "string", "", "what varies, as JSON, by its name in the study")
_NEVER: Final = "the trial failed, its strategy was never called, or the metric has no value"
#: Columns of figures, the same for every study.
FIGURES: Final = tuple(metric.schema()._replace(null=_NEVER) for metric in METRICS)
_PART: Final = (*KEYS, *FIGURES, *ERRORS)
_BLOCKS_SUFFIX: Final = ".blocks.parquet"
#: Of a part's metadata.
_FACTS: Final = b"tapewire.pass"


@dataclass(frozen=True)
class FailedTrial:
    """A trial without a result."""

    number: int
    error: str
    message: str
    traceback: str = ""


def write_part(
    path: Path,
    rows: Sequence[tuple["pa.Table", Mapping[str, str], Mapping[str, int]]],
    blocks: Sequence[Mapping[str, Any]],
    failed: Sequence[FailedTrial],
    found: Mapping[str, Any] | None = None,
) -> None:
    """Write what a pass found, whole or not at all.

    Parameters
    ----------
    path
        ``….parquet``; blocks go beside it.
    rows
        Of each run: its ``metrics.parquet``, digests by strategy, trial numbers by strategy.
    blocks
        Of each run, columns of `BLOCKS`.
    failed
        Trials without a result.
    found
        What was read, see `facts_of`.
    """
    import pyarrow as pa

    tables = [_figures(*one) for one in rows]
    if failed:
        tables.append(_failures(failed))
    schema = arrow_schema("trials", _PART)
    table = pa.concat_tables([t.cast(schema) for t in tables]).sort_by("trial")
    block_schema = arrow_schema("blocks", BLOCKS)
    parts = [
        pa.table([pa.array(b[f.name]).cast(f.type) for f in block_schema], schema=block_schema)
        for b in blocks
    ]
    together = pa.concat_tables(parts) if parts else block_schema.empty_table()
    _write(together.sort_by([("trial", "ascending"), ("block", "ascending")]), blocks_of(path))
    told = {_FACTS: json.dumps(found or {}).encode(), **(table.schema.metadata or {})}
    _write(table.replace_schema_metadata(told), path)


def facts_of(part: "pa.Table") -> dict[str, Any]:
    """Return ``inputs``, ``events`` and ``warnings`` of a pass; nothing where it read nothing."""
    found = json.loads((part.schema.metadata or {}).get(_FACTS, b"{}"))
    assert isinstance(found, dict)
    return found


def blocks_of(path: Path) -> Path:
    """Return where the blocks of a part are."""
    return path.with_name(path.name.removesuffix(".parquet") + _BLOCKS_SUFFIX)


def parts_in(folder: Path) -> list[Path]:
    """Return the parts there are; one is whole when its file is there."""
    found = folder.glob("*.parquet")
    return sorted(path for path in found if not path.name.endswith(_BLOCKS_SUFFIX))


def _write(table: "pa.Table", path: Path) -> None:
    import pyarrow.parquet as pq

    with atomic_file(path) as file:
        pq.write_table(table, file, version="2.6", compression="zstd", compression_level=1)


def _figures(
    metrics: "pa.Table", digests: Mapping[str, str], trials: Mapping[str, int]
) -> "pa.Table":
    """Return a row for each trial of a run."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mine = metrics.filter(pc.equal(metrics["scope"], "strategy"))
    at = {name: row for row, name in enumerate(mine["strategy_id"].to_pylist())}
    names = sorted(trials, key=trials.__getitem__)
    rows = pa.array([at.get(name) for name in names], pa.int64())
    figures = mine.select([column.name for column in FIGURES]).take(rows)
    count = len(names)
    columns = {
        "trial": pa.array([trials[name] for name in names], pa.int64()),
        "status": pa.array(["complete"] * count),
        "digest": pa.array([digests.get(name) for name in names], pa.string()),
        **{name: figures[name] for name in figures.column_names},
        "error": pa.nulls(count, pa.string()),
        "traceback": pa.nulls(count, pa.string()),
    }
    return pa.table([columns[c.name] for c in _PART], names=[c.name for c in _PART])


def _failures(failed: Sequence[FailedTrial]) -> "pa.Table":
    import pyarrow as pa

    schema = arrow_schema("trials", _PART)
    told = {
        "trial": [one.number for one in failed],
        "status": ["failed"] * len(failed),
        "error": [f"{one.error}: {one.message}" for one in failed],
        "traceback": [one.traceback or None for one in failed],
    }
    return pa.table(
        [pa.array(told.get(field.name, [None] * len(failed)), field.type) for field in schema],
        names=schema.names,
    )


def read_parts(paths: Iterable[Path]) -> tuple["pa.Table", "pa.Table"]:
    """Return trials and blocks of some parts, in the order of their numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = list(paths)
    trials = [arrow_schema("trials", _PART).empty_table(), *(pq.read_table(p) for p in paths)]
    blocks = [
        arrow_schema("blocks", BLOCKS).empty_table(), *(pq.read_table(blocks_of(p)) for p in paths)
    ]  # fmt: skip
    return (
        pa.concat_tables(trials).sort_by("trial"),
        pa.concat_tables(blocks).sort_by([("trial", "ascending"), ("block", "ascending")]),
    )
