"""Trials that are hopeless after a few days are not played to the end.

Each batch is played over the first days, then those that are left over some more, until those
that are still left are played over all: each time an ordinary run with an earlier end, so that any
row can be run again. Successive halving (Jamieson, Talwalkar 2016) keeps the better part of a
batch; a trial that is behind is one below the median, or the worst quarter, of what those of
earlier batches had made by the same day (the rule of Google Vizier: Golovin and others 2017);
Optuna's pruners decide by all trials so far. Who plays what, and when it was stopped, changes
nothing: it is decided when the batch is done, in the order of its trials.
"""

import copy
import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.config.schema import DatabentoSource, RunConfig
from tapewire.errors import ConfigError
from tapewire.inputs.data_days import days_in
from tapewire.runs.requests import OPTION_KEYS
from tapewire.studies.asking import DATA_SOURCE
from tapewire.studies.axes import DAY, SYMBOLS, Trial
from tapewire.studies.base import Base
from tapewire.studies.folder import StudyFolder
from tapewire.studies.parts import parts_in, read_parts
from tapewire.studies.session import StudyHooks, StudySession
from tapewire.studies.settings import StudySettings
from tapewire.studies.table import Ranking, figures_of

PRUNERS: Final = ("halving", "median", "quartile", "hyperband")
#: Of what trials before had made by the same day, the share that one has to be above.
BEHIND: Final = {"median": 0.5, "quartile": 0.25}
#: Trials played to the end before any is held against them.
ENDED_MIN: Final = 5
#: Status of a trial that was not played to the end.
PRUNED: Final = "pruned"

#: Whether each of some trials goes on: told the days played, values and scores of each.
Decide = Callable[[int, Sequence[Mapping[str, Any]], Sequence[float | None]], Sequence[bool]]


@dataclass(frozen=True)
class Pruning:
    """When trials are looked at, and how many stay.

    Attributes
    ----------
    pruner
        One of `PRUNERS`.
    after
        Days before the first look.
    factor
        Each look is at so many times the days of the last; of `halving` one of so many stays.
    every
        Each look is so many days after the last instead; None: as `factor` says.
    """

    pruner: str
    after: int = 1
    factor: int = 2
    every: int | None = None

    def next(self, played: int) -> int:
        """Return the days before the look that follows one after so many."""
        return played * self.factor if self.every is None else played + self.every

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {name: value for name, value in vars(self).items() if value is not None}


def rungs_of(base: RunConfig, settings: StudySettings, pruning: Pruning) -> list[tuple[int, str]]:
    """Return the looks at trials: days played, and the UTC day that is the first not played.

    Raises
    ------
    ConfigError
        If there are too few days, trials are over different data, or there is no such pruner.
    """
    if pruning.pruner not in PRUNERS:
        raise ConfigError(
            f"--prune: expected {', '.join(PRUNERS[:-1])} or {PRUNERS[-1]}, found "
            f"{pruning.pruner!r}"
        )
    if len(settings.objective) > 1:
        raise ConfigError(
            f"--prune: expected one objective with it, found {len(settings.objective)}"
        )
    for name in settings.vary:
        if name in (DAY, SYMBOLS) or DATA_SOURCE in name.split("."):
            raise ConfigError(f"--prune: expected trials over the same data, found {name} to vary")
    source = base.backtest.data_source
    if not isinstance(source, DatabentoSource):
        raise ConfigError("--prune: expected market data files, found a synthetic session")
    days = days_in(source)
    found = []
    played = pruning.after
    while played < len(days):
        found.append((played, days[played].isoformat()))
        played = pruning.next(played)
    if not found:
        raise ConfigError(
            f"--prune: expected more than {pruning.after} days (--prune-after) to look at trials "
            f"before the last, found {len(days)}"
        )
    return found


def halved(factor: int) -> Decide:
    """Return successive halving: of a batch the best one of `factor`, rounded up, goes on.

    A trial whose objective has no value yet is behind all others; where none has one, all go on.
    """

    def decide(
        days: int, values: Sequence[Mapping[str, Any]], scores: Sequence[float | None]
    ) -> list[bool]:
        if all(score is None for score in scores):
            return [True] * len(scores)
        order = sorted(range(len(scores)), key=lambda k: (_behind(scores[k]), k))
        kept = set(order[: math.ceil(len(scores) / factor)])
        return [k in kept for k in range(len(scores))]

    return decide


class Behind:
    """Gives up trials that are below a share of what earlier batches had made by the same day.

    Those that count were played to the end. While they are fewer than `ENDED_MIN`, and where a
    trial has no value of the objective yet, it goes on.

    Parameters
    ----------
    share
        From 0 to 1: 0.5 is the median.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._now: dict[str, dict[int, float]] = {}  # of this batch: scores by days, by values
        self._before: dict[int, list[float]] = {}  # of those before: by days

    def decide(
        self, days: int, values: Sequence[Mapping[str, Any]], scores: Sequence[float | None]
    ) -> list[bool]:
        """See `Decide`."""
        before = self._before.get(days, ())
        bound = -math.inf
        if len(before) >= ENDED_MIN:
            bound = float(np.quantile(before, self._share))
        for one, score in zip(values, scores, strict=True):
            if score is not None:
                self._now.setdefault(_key(one), {})[days] = score
        return [score is None or score >= bound for score in scores]

    def ended(self, values: Sequence[Mapping[str, Any]]) -> None:
        """Take in the trials of a batch that were played to the end."""
        for one in values:
            for days, score in self._now.get(_key(one), {}).items():
                self._before.setdefault(days, []).append(score)
        self._now = {}


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), default=str)


def _behind(score: float | None) -> float:
    return math.inf if score is None else -score


def until(document: Mapping[str, Any], day: str) -> dict[str, Any]:
    """Return a configuration that ends where a UTC day begins."""
    found = copy.deepcopy(dict(document))
    place: Any = found
    *path, last = OPTION_KEYS["end"]
    for key in path:
        place = place[key]
    place[str(last)] = f"{day}T00:00Z"
    return found


def day_after(day: str, days: int = 1) -> str:
    """Return the day after a UTC day, as 2024-03-04."""
    return (dt.date.fromisoformat(day) + dt.timedelta(days)).isoformat()


class _RungFolder(StudyFolder):
    """A part of a study's folder, for the trials of one look."""

    def __init__(self, whole: StudyFolder, days: int) -> None:
        self.path = whole.path
        self._name = f"days-{days:05d}"
        self._lock = -1  # the study's
        self._whole = whole
        for folder in (self.parts, self.passes):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def parts(self) -> Path:
        return self._whole.parts / self._name

    @property
    def passes(self) -> Path:
        return self._whole.passes / self._name

    @property
    def work(self) -> Path:
        return self._whole.work / self._name

    def done(self) -> list[Path]:
        return parts_in(self.parts)


class PrunedSession:
    """A session whose trials are looked at after some days.

    Parameters
    ----------
    session
        Plays what is left over all days.
    rungs
        See `rungs_of`.
    settings
        Of the study.
    decide
        Who goes on.
    document
        What trials differ from.
    ended
        Told, of each batch, who was played to the end.
    """

    def __init__(
        self,
        session: StudySession,
        rungs: Sequence[tuple[int, str]],
        settings: StudySettings,
        decide: Decide,
        document: Mapping[str, Any],
        ended: Callable[[Sequence[Mapping[str, Any]]], None] = lambda values: None,
    ) -> None:
        self._session = session
        self._ended = ended
        self._objective = settings.objectives[0]
        self._decide = decide
        self._rungs = [
            (days, day, self._looking(days, day, settings, document)) for days, day in rungs
        ]

    def _looking(
        self, days: int, day: str, settings: StudySettings, document: Mapping[str, Any]
    ) -> StudySession:
        whole = self._session
        base = Base(until(document, day), list(settings.vary))
        hooks = StudyHooks(announce=whole.hooks.announce)
        session = StudySession(
            base, _RungFolder(whole.folder, days), whole.executor, Ranking(self._objective), hooks,
            block_ns=settings.block_ns,
        )  # fmt: skip
        whole.warnings |= session.warnings
        session.warnings, session.nodes = whole.warnings, whole.nodes
        whole.events += session.events
        return session

    def run(self, trials: Sequence[Trial]) -> list[dict[str, Any]]:
        """Play trials; return a row of each, of those that were stopped over the days they saw."""
        left = list(trials)
        ended: dict[int, dict[str, Any]] = {}
        for days, day, session in self._rungs:
            if not left:
                break
            many = "trial" if len(left) == 1 else "trials"
            over = "the first day" if days == 1 else f"{days} days"
            self._session.hooks.announce(f"{len(left)} {many} over {over} …")
            before, worker_s = session.events, session.worker_s
            rows = session.run(left)
            self._session.events += session.events - before
            self._session.worker_s += session.worker_s - worker_s
            whole = [(t, row) for t, row in zip(left, rows, strict=True) if row["error"] is None]
            failed = {row["trial"] for row in rows} - {row["trial"] for _, row in whole}
            scores = [self._objective.score(figures_of(row)) for _, row in whole]
            goes_on = self._decide(days, [trial.values for trial, _ in whole], scores)
            pruned = {t.number for (t, _), on in zip(whole, goes_on, strict=True) if not on}
            for row in rows:
                if row["trial"] in pruned:
                    ended[row["trial"]] = {**row, "status": PRUNED}
                elif row["trial"] in failed:
                    ended[row["trial"]] = row
            self._keep(session, pruned, failed, days, day)
            left = [trial for trial in left if trial.number not in ended]
        rows = self._session.run(left)
        self._ended([t.values for t, row in zip(left, rows, strict=True) if row["error"] is None])
        ended |= {row["trial"]: row for row in rows}
        return [ended[trial.number] for trial in trials]

    def _keep(
        self, session: StudySession, pruned: set[int], failed: set[int], days: int, day: str
    ) -> None:
        """Give the rows of trials that end here to the session that has the table."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not pruned | failed:
            return
        trials, blocks = read_parts(session.folder.done())
        mine = pa.array(sorted(pruned | failed), pa.int64())
        trials = trials.filter(pc.is_in(trials["trial"], mine))
        blocks = blocks.filter(pc.is_in(blocks["trial"], mine))
        status = ["failed" if t in failed else PRUNED for t in trials["trial"].to_pylist()]
        field = trials.schema.field("status")
        at = trials.schema.get_field_index("status")
        trials = trials.set_column(at, field, pa.array(status, field.type))
        self._session.end_early(
            trials, blocks, days, day_after(day, -1), session.inputs, len(failed)
        )
