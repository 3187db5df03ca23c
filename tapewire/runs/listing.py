"""Run folders side by side: what was run, when, and what came of it."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.analytics import load_run
from tapewire.analytics.metrics import METRICS
from tapewire.analytics.run_folder import MANIFEST
from tapewire.config.wording import suggest
from tapewire.errors import ConfigError, MissingFileError, TapewireError
from tapewire.runs.result_display import aligned, figure

#: What a run can be listed by, beside its metrics.
_FACTS: Final = ("run", "status", "ended", "events")
_STATUSES: Final = ("complete", "incomplete", "failed", "unreadable")
_SHOWN: Final = [metric for metric in METRICS if metric.terse]
_DIGEST_LETTERS: Final = 12
_NAMES_LETTERS_MAX: Final = 40


@dataclass(frozen=True)
class ListedRun:
    """A run folder as its manifest tells of it.

    Attributes
    ----------
    run
        The folder.
    status
        ``complete``, ``incomplete``, ``failed``, or ``unreadable``.
    ended
        When its manifest was written, UTC to the second, ISO 8601.
    strategies, symbols
        Names, each once.
    events
        Records that were replayed.
    digest
        Empty without a result.
    reason
        Why it has no result; empty where it has one.
    metrics
        Those of the whole run, as in the manifest.
    """

    run: str
    status: str
    ended: str
    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    events: int
    digest: str
    reason: str
    metrics: dict[str, Any]

    def value(self, column: str) -> Any:
        """Return a fact or a metric by its name; None where it has none."""
        return getattr(self, column) if column in _FACTS else self.metrics.get(column)

    def as_json(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)


def list_runs(
    folders: Iterable[Path],
    *,
    strategies: Sequence[str] = (),
    symbols: Sequence[str] = (),
    statuses: Sequence[str] = (),
    sort: str = "ended",
) -> list[ListedRun]:
    """Return the runs in folders, those of all folders together.

    Parameters
    ----------
    folders
        Run folders, or folders that have some directly in them.
    strategies, symbols, statuses
        Only runs that have one of these; none given: all.
    sort
        A fact or a metric; times and names ascending, figures with the best first: the least of
        what costs (fees, drawdowns, …), the largest of all else. Runs without a value come last.

    Raises
    ------
    MissingFileError
        If a folder is not there, or there is no run in any of them.
    ConfigError
        If there is nothing of that name to sort by, or no such status.
    """
    known = (*_FACTS, *(metric.column for metric in METRICS))
    if sort not in known:
        hint = suggest(sort, known)
        raise ConfigError(
            f"sort: expected one of {', '.join(_FACTS)} or a metric, found {sort!r}, {hint}"
        )
    for status in statuses:
        if status not in _STATUSES:
            raise ConfigError(f"status: expected one of {', '.join(_STATUSES)}, found {status!r}")
    found = [_listed(path) for path in _run_folders(folders)]
    wanted = [
        run
        for run in found
        if _overlap(run.strategies, strategies)
        and _overlap(run.symbols, symbols)
        and _overlap((run.status,), statuses)
    ]
    if sort in ("run", "status", "ended"):
        return sorted(wanted, key=lambda run: (str(run.value(sort)), run.run))
    sign = 1 if any(metric.column == sort and metric.costs for metric in METRICS) else -1
    return sorted(
        wanted, key=lambda run: (run.value(sort) is None, sign * float(run.value(sort) or 0))
    )


def _overlap(names: Sequence[str], wanted: Sequence[str]) -> bool:
    return not wanted or not set(names).isdisjoint(wanted)


def _run_folders(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    looked_in = []
    for folder in folders:
        if not folder.is_dir():
            raise MissingFileError(f"expected a folder of runs, found none at {folder}")
        looked_in.append(str(folder))
        if (folder / MANIFEST).is_file():
            found.append(folder)
        found += sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(".") and path.is_dir() and (path / MANIFEST).is_file()
        )
    if not found:
        raise MissingFileError(
            f"expected run folders in {', '.join(looked_in)}, found none: a run writes "
            f"{MANIFEST} last; tapewire run makes one"
        )
    return list(dict.fromkeys(found))


def _listed(path: Path) -> ListedRun:
    file = path / MANIFEST
    moment = datetime.datetime.fromtimestamp(int(file.stat().st_mtime), datetime.UTC)
    ended = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        run = load_run(path)
    except TapewireError as error:
        return ListedRun(str(path), "unreadable", ended, (), (), 0, "", str(error), {})
    manifest = run.manifest
    legs = manifest.get("legs") or []
    results = manifest.get("results") or {}
    return ListedRun(
        run=str(path),
        status=run.status,
        ended=ended,
        strategies=tuple(dict.fromkeys(str(leg["strategy_id"]) for leg in legs)),
        symbols=tuple(dict.fromkeys(str(leg["symbol"]) for leg in legs)),
        events=int(manifest.get("events") or 0),
        digest=str(manifest.get("digest") or ""),
        reason=run.headline if run.status != "complete" else "",
        metrics=dict(results.get("total") or {}),
    )


def as_table(runs: Sequence[ListedRun]) -> str:
    """Return runs as aligned lines, a reason below each that has no result."""
    head = ("run", "ended (UTC)", "strategies", "symbols", "events",
            *(metric.terse for metric in _SHOWN), "digest")  # fmt: skip
    rows = [head]
    for run in runs:
        figures = [figure(run.metrics.get(metric.column)) for metric in _SHOWN]
        rows.append((
            run.run, run.ended.replace("T", " ").rstrip("Z"), _few(run.strategies),
            _few(run.symbols), f"{run.events:,}",
            *(figures if run.status == "complete" else ["" for _ in figures]),
            run.digest[:_DIGEST_LETTERS] or run.status,
        ))  # fmt: skip
    lines = aligned(rows)
    for k in range(len(runs), 0, -1):
        if runs[k - 1].reason:
            lines.insert(k + 1, f"  {runs[k - 1].status}: {runs[k - 1].reason}")
    return "\n".join(lines)


def _few(names: Sequence[str]) -> str:
    text = ",".join(names)
    if len(text) <= _NAMES_LETTERS_MAX:
        return text
    return f"{names[0][:_NAMES_LETTERS_MAX]} and {len(names) - 1} more"
