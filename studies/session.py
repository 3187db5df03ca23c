"""Trials of one study as they are done: planned, handed out, gathered, told."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow.parquet as pq

from tapewire.atomic import atomic_write
from tapewire.errors import ConfigError, SimulationError, WireError
from tapewire.executors import Executor, Failure, Outcome, Task
from tapewire.studies import apart
from tapewire.studies.axes import MARKET, Trial
from tapewire.studies.base import Base, PlannedTrial
from tapewire.studies.folder import StudyFolder
from tapewire.studies.parts import FailedTrial, facts_of, write_part
from tapewire.studies.passes import TASK
from tapewire.studies.planning import PASS_TRIALS_MAX, Pass, passes_of
from tapewire.studies.table import Ranking

if TYPE_CHECKING:
    import pyarrow as pa

    from tapewire.studies.markets import MarketMaker

#: How long one pass may take.
PASS_TIMEOUT_S: Final = 24 * 3600.0
#: Files from this size on are worth a word before they are read.
_SAID_BYTES_MIN: Final = 1 << 30


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is."""

    trials: int
    #: Of how many; None where that is not known beforehand.
    trials_total: int | None
    failed: int
    passes: int
    passes_total: int
    #: Passes that are done, with the parts of those under way.
    share: float
    elapsed_s: float
    #: The best row so far, money in currency.
    best: dict[str, Any] | None


@dataclass
class StudyHooks:
    """What is told while a study goes on; silent by default."""

    announce: Callable[[str], None] = lambda text: None
    progress: Callable[[StudyProgress], None] = lambda progress: None


@dataclass
class _Tally:
    trials: int = 0
    failed: int = 0
    passes: int = 0
    passes_total: int = 0
    under_way: dict[int, float] = field(default_factory=dict)


class StudySession:
    """The trials of one study, as they are done.

    Parameters
    ----------
    base
        What they differ from.
    folder
        Where their rows go; what is there already is not done again.
    executor
        Who does them.
    ranking
        What is best.
    hooks
        Who is told.
    block_ns
        Length of a block.
    keep_runs
        Leave the run folder of each pass in ``runs/``.
    trials_total
        How many there will be, where that is known.
    trials_max
        Trials of one pass.
    markets
        How synthetic markets of trials are made, see `tapewire.studies.markets`.
    """

    def __init__(
        self,
        base: Base,
        folder: StudyFolder,
        executor: Executor,
        ranking: Ranking,
        hooks: StudyHooks,
        *,
        block_ns: int,
        keep_runs: bool = False,
        trials_total: int | None = None,
        trials_max: int = PASS_TRIALS_MAX,
        markets: "MarketMaker | None" = None,
    ) -> None:
        #: Trials that ended before the last day: their rows and blocks, and days seen, the last.
        self.early: list[tuple[pa.Table, pa.Table]] = []
        self.days: dict[int, tuple[int, str]] = {}
        self._markets = markets
        self._base = base
        self.folder = folder
        self.executor = executor
        self._ranking = ranking
        self.hooks = hooks
        self._block_ns = block_ns
        self._keep_runs = keep_runs
        self._trials_total = trials_total
        self._trials_max = trials_max
        self._began_s = time.monotonic()
        self._tally = _Tally()
        self._rows: dict[int, dict[str, Any]] = {}
        #: What was read, by the name of the file.
        self.inputs: dict[str, dict[str, Any]] = {}
        self.warnings: dict[str, None] = {}
        self._hashed: set[str] = set()
        self._said: set[str] = set()
        self.events = 0
        self.worker_s = 0.0
        #: Where passes were done, where that is not this machine: how many by node.
        self.nodes: dict[str, int] = {}
        if keep_runs and not executor.here:
            raise ConfigError(
                "--keep-runs: expected workers of this machine with it, found a cluster's, whose "
                "folders are elsewhere"
            )
        for path in folder.done():
            self._read(pq.read_table(path))

    def run(self, trials: Iterable[Trial]) -> list[dict[str, Any]]:
        """Do trials; return their rows in their order, as the parts have them.

        Raises
        ------
        ConfigError
            If a value is wrong.
        SimulationError, WireError
            If a pass can't be done, and it is nobody's of the trials.
        """
        trials = list(trials)
        todo = [self._base.planned(trial) for trial in trials if trial.number not in self._rows]
        passes = passes_of(todo, self.executor.workers, self._trials_max)
        self._tally.passes_total += len(passes)
        self._do(passes)
        return [self._rows[trial.number] for trial in trials]

    def _do(self, passes: Sequence[Pass]) -> None:
        waiting = list(reversed(passes))
        given: dict[int, Pass] = {}

        def tasks() -> Iterator[Task]:
            while waiting:
                one = waiting.pop()
                key = len(given)
                given[key] = one
                yield self._task(key, one)

        while waiting:
            for outcome in self.executor.outcomes(tasks(), self._heard):
                again = self._take(given[outcome.key], outcome)
                waiting += again
                self._tally.passes_total += len(again) - bool(again)
                self._tell()

    def _task(self, key: int, one: Pass) -> Task:
        if not self.executor.here:
            trials = {planned.entry.name: planned.trial.number for planned in one.trials}
            given = apart.argument_of(one.config, trials, self._block_ns, self._hash_said)
            return Task(key, apart.TASK, given, PASS_TIMEOUT_S)
        path = self.folder.passes / f"{one.name}.json"
        atomic_write(path, json.dumps(one.config.to_dict()))
        runs = self.folder.runs if self._keep_runs else self.folder.work
        argument: dict[str, Any] = {
            "config": str(path),
            "trials": {planned.entry.name: planned.trial.number for planned in one.trials},
            "part": str(self.folder.parts / f"{one.name}.parquet"),
            "folder": str(runs / one.name),
            "block_ns": self._block_ns,
            "keep": self._keep_runs,
            "alone": self.executor.workers > 1,
        }
        first = one.trials[0].trial
        if self._markets is not None and MARKET in first.values:  # such a pass has no other trial
            argument["market"] = self._markets.argument(first.number, first.values[MARKET])
        return Task(key, TASK, argument, PASS_TIMEOUT_S)

    def _hash_said(self, path: str) -> None:
        size = Path(path).stat().st_size if Path(path).exists() else 0
        if size >= _SAID_BYTES_MIN and path not in self._hashed:
            self.hooks.announce(f"reading {path} for its hash, {size / 1e9:.1f} GB …")
        self._hashed.add(path)

    def _heard(self, key: int, said: Any) -> None:
        if isinstance(said, str):
            if said not in self._said:  # each worker says it
                self._said.add(said)
                self.hooks.announce(said)
            return
        done, total = said
        self._tally.under_way[key] = done / total if total else 0.0
        self._tell()

    def _take(self, one: Pass, outcome: Outcome) -> list[Pass]:
        """Take in what came of a pass; return what is to be done instead of it."""
        self._tally.under_way.pop(outcome.key, None)
        self._tally.passes += 1
        self.worker_s += outcome.elapsed_s
        path = self.folder.parts / f"{one.name}.parquet"
        if not self.executor.here and outcome.where:
            node = outcome.where.partition("@")[2]
            self.nodes[node] = self.nodes.get(node, 0) + 1
        if outcome.failure is not None:
            failure = outcome.failure
            if failure.kind == "raised":
                raise _error_of(failure, one)
            if len(one.trials) > 1:  # whose fault it is, nobody says: halves do
                self._tally.passes -= 1
                return list(one.halves())
            write_part(path, [], [], [_failed(one.trials[0], failure)])
        elif not self.executor.here:
            apart.store(outcome.value, path)
        self._read(pq.read_table(path))
        return []

    def note(self, found: dict[str, Any], trials: int) -> None:
        """Take in what a run of so many trials read and warned of.

        Raises
        ------
        ConfigError
            If data are others than they were.
        """
        for one in found.get("inputs", ()):
            known = self.inputs.setdefault(one["file"], one)
            if {**known, "records_used": 0} != {**one, "records_used": 0}:
                raise ConfigError(
                    f"{one['file']} changed while the study went on: its trials can't be compared "
                    "(--force begins it anew)"
                )
        self.warnings |= dict.fromkeys(found.get("warnings", ()))
        self.events += found.get("events", 0) * trials

    def _read(self, rows: "pa.Table") -> None:
        """Take in a part, of this session or of one that was stopped."""
        self.note(facts_of(rows), rows.num_rows)
        for row in rows.to_pylist():
            self._rows[row["trial"]] = row
            self._tally.trials += 1
            self._tally.failed += row["status"] == "failed"
            self._ranking.note(row)

    def _tell(self) -> None:
        tally = self._tally
        done = tally.passes + sum(list(tally.under_way.values()))
        self.hooks.progress(
            StudyProgress(
                tally.trials,
                self._trials_total,
                tally.failed,
                tally.passes,
                tally.passes_total,
                min(1.0, done / tally.passes_total) if tally.passes_total else 1.0,
                time.monotonic() - self._began_s,
                self._ranking.best,
            )
        )

    def end_early(
        self,
        trials: "pa.Table",
        blocks: "pa.Table",
        days: int,
        last: str,
        inputs: Mapping[str, dict[str, Any]],
        failed: int,
    ) -> None:
        """Take in trials that were not played to the end.

        Parameters
        ----------
        trials, blocks
            Their rows.
        days, last
            How many UTC days they saw, and which was the last.
        inputs
            What they read, by name.
        failed
            How many of them failed.
        """
        self.early.append((trials, blocks))
        self.days |= dict.fromkeys(trials["trial"].to_pylist(), (days, last))
        for name, one in inputs.items():
            self.inputs.setdefault(name, one)
        self._tally.trials += trials.num_rows
        self._tally.failed += failed
        self._tell()

    @property
    def best(self) -> dict[str, Any] | None:
        """The best row so far, money in currency."""
        return self._ranking.best

    @property
    def failed(self) -> int:
        """How many trials have failed."""
        return self._tally.failed

    @property
    def done(self) -> int:
        """How many trials have a row."""
        return self._tally.trials


def _failed(planned: PlannedTrial, failure: Failure) -> FailedTrial:
    return FailedTrial(planned.trial.number, failure.error, failure.message, failure.traceback)


def _error_of(failure: Failure, one: Pass) -> Exception:
    """Return what is to be raised for a pass that failed as a whole."""
    from tapewire import errors

    kind = getattr(errors, failure.error, None)
    if isinstance(kind, type) and issubclass(kind, errors.TapewireError):
        return kind(f"trials {_span(one)}: {failure.message}")
    if failure.kind == "lost":
        return WireError(f"trials {_span(one)}: {failure.message}")
    return SimulationError(
        f"trials {_span(one)}: {failure.error}: {failure.message}\n{failure.traceback}"
    )


def _span(one: Pass) -> str:
    numbers = [planned.trial.number for planned in one.trials]
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
