"""Trials that are asked for by what looks for the best, batch by batch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError
from tapewire.studies.axes import Trial
from tapewire.studies.base import Base
from tapewire.studies.conducting import Means, conduct, plan_of
from tapewire.studies.pruning import (
    BEHIND,
    PRUNED,
    Behind,
    PrunedSession,
    Pruning,
    halved,
    rungs_of,
)
from tapewire.studies.searching import (
    Pruner,
    Search,
    Values,
    Weighing,
    scores_of,
    search_of,
    size_of,
    weighed,
)
from tapewire.studies.session import StudySession
from tapewire.studies.settings import StudySettings
from tapewire.studies.study import Study
from tapewire.studies.table import check_metrics, figures_of

METHODS: Final = ("random", "genetic", "tpe", "nsga2")
#: Batches in a row without anything new, after which a search is done.
_IDLE_MAX: Final = 5


@dataclass(frozen=True)
class Budget:
    """How the best is looked for, and how long.

    Attributes
    ----------
    method
        One of `METHODS`.
    trials
        At most so many.
    batch
        Asked for at a time: a generation.
    storage
        Where Optuna keeps its study; in memory without.
    pruning
        Which trials are not played to the end; None: all are.
    """

    method: str = "genetic"
    trials: int = 200
    batch: int = 32
    storage: str | None = None
    pruning: Pruning | None = None


def optimize_checked(
    base: RunConfig, settings: StudySettings, budget: Budget, means: Means
) -> Study:
    """Look for the best of what a study varies.

    Raises
    ------
    TapewireError
        See `tapewire.optimize`.
    """
    check_metrics(settings)
    if settings.trials is not None:
        raise ConfigError("study.trials: expected vary, what is looked for in, found trials")
    rungs = [] if budget.pruning is None else rungs_of(base, settings, budget.pruning)
    search = search_of(budget.method, settings, budget.batch, budget.storage, budget.pruning, rungs)
    total = min(budget.trials, size_of(settings.vary) or budget.trials)
    plan = plan_of("optimize", base, settings) | {
        "search": {"method": budget.method, "trials": budget.trials, "batch": budget.batch}
    }

    if budget.pruning is not None:
        plan |= {"prune": budget.pruning.to_dict()}

    def work(session: StudySession) -> list[Trial]:
        player: StudySession | PrunedSession = session
        if budget.pruning is not None:
            player = _pruned(session, search, budget.pruning, rungs, settings, plan["base"])
        return _search(search, player, settings, total, budget.batch)

    first = Base(plan["base"], list(settings.vary))
    return conduct(plan, settings, first, means, total=total, work=work)


def _pruned(
    session: StudySession,
    search: Search,
    pruning: Pruning,
    rungs: Sequence[tuple[int, str]],
    settings: StudySettings,
    document: Mapping[str, Any],
) -> PrunedSession:
    """Return a session whose trials are looked at as somebody asked for."""
    if isinstance(search, Pruner):
        return PrunedSession(session, rungs, settings, search.decide, document)
    if pruning.pruner in BEHIND:
        rule = Behind(BEHIND[pruning.pruner])
        return PrunedSession(session, rungs, settings, rule.decide, document, rule.ended)
    return PrunedSession(session, rungs, settings, halved(pruning.factor), document)


def _search(
    search: Search,
    session: StudySession | PrunedSession,
    settings: StudySettings,
    total: int,
    batch: int,
) -> list[Trial]:
    """Ask and tell until there are enough trials, or nothing new; return them.

    What is asked for again is told what it came to, and is no trial.
    """
    known: dict[str, dict[str, Any]] = {}
    trials: list[Trial] = []
    idle = 0
    while len(trials) < total and idle < _IDLE_MAX:
        asked = search.ask(min(batch, total - len(trials)))
        if not asked:
            break
        fresh = _fresh(asked, known, len(trials))
        idle = 0 if fresh else idle + 1
        for trial, row in zip(fresh, session.run(fresh), strict=True):
            known[_key(trial.values)] = figures_of(row)
        trials += fresh
        for values in asked:
            figures = known[_key(values)]
            if figures["status"] == PRUNED and isinstance(search, Pruner):
                search.prune(values)
            elif isinstance(search, Weighing) and (found := weighed(figures, settings)):
                search.weigh(values, *found)
            else:
                search.tell(values, scores_of(figures, settings, settings.objectives))
    return trials


def _fresh(asked: Sequence[Values], known: dict[str, Any], count: int) -> list[Trial]:
    """Return trials of what nobody asked for before, numbered on."""
    found = {_key(values): values for values in asked if _key(values) not in known}
    return [Trial(count + k, values) for k, values in enumerate(found.values(), 1)]


def _key(values: Any) -> str:
    return json.dumps(dict(values), default=str)
