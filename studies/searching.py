"""What looks for the best: it asks for trials, is told what they came to, asks for better."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from tapewire.errors import ConfigError
from tapewire.studies.axes import value_at
from tapewire.studies.settings import Objective, Range, StudySettings

if TYPE_CHECKING:
    from tapewire.studies.pruning import Pruning

Values = dict[str, Any]
#: How good a trial is by each objective, more being better; None: it failed, or keeps not all.
Scores = Sequence[float] | None


class Search(Protocol):
    """A way of looking for the best. With one seed it asks for the same, told the same."""

    def ask(self, count: int) -> list[Values]:
        """Return the next trials, at most so many; none when it is done."""

    def tell(self, values: Values, scores: Scores) -> None:
        """Say what a trial came to that was asked for."""


@runtime_checkable
class Pruner(Protocol):
    """A search that says itself which trials are not to be played to the end."""

    def decide(
        self, days: int, values: Sequence[Mapping[str, Any]], scores: Sequence[float | None]
    ) -> Sequence[bool]:
        """Say of each trial whether it goes on, after so many days."""

    def prune(self, values: Values) -> None:
        """Say that a trial was not played to the end."""


@runtime_checkable
class Weighing(Protocol):
    """A search that learns from trials that break a constraint, by how far they do."""

    def weigh(self, values: Values, scores: Sequence[float], excess: Sequence[float]) -> None:
        """Say what a trial came to, kept or not.

        Parameters
        ----------
        values, scores
            As `Search.tell` takes them.
        excess
            How far it is beyond each constraint, at most 0 where it keeps it.
        """


class RandomSearch:
    """Draws each trial; the numbers of a trial depend on the seed and its place alone."""

    def __init__(self, vary: Mapping[str, Any], seed: int) -> None:
        self._vary = vary
        self._seed = seed
        self._asked = 0

    def ask(self, count: int) -> list[Values]:
        """See `Search`."""
        found = []
        for _ in range(count):
            random = np.random.Generator(np.random.PCG64([self._seed, self._asked]))
            shares = random.random(len(self._vary))
            found.append(values_of(self._vary, shares.tolist()))
            self._asked += 1
        return found

    def tell(self, values: Values, scores: Scores) -> None:
        """See `Search`: it learns nothing."""


def values_of(vary: Mapping[str, Any], shares: Sequence[float]) -> Values:
    """Return the values that shares of the axes, each from 0 to below 1, stand for."""
    return {
        name: value_at(given, share)
        for (name, given), share in zip(vary.items(), shares, strict=True)
    }


def size_of(vary: Mapping[str, Any]) -> int | None:
    """Return how many combinations there are; None where they can't be counted."""
    total = 1
    for given in vary.values():
        if isinstance(given, Range):
            if given.step is None:
                if not given.integer:
                    return None
                total *= int(given.to) - int(given.start) + 1
                continue
            total *= len(given.values() or ())
        else:
            total *= len(given)
    return total


def scores_of(
    figures: Mapping[str, Any], settings: StudySettings, objectives: Sequence[Objective]
) -> Scores:
    """Return how good a row is by each objective, money in currency; None where it can't count.

    It can't where it failed, was pruned, breaks a constraint, or an objective has no finite value.
    """
    if not all(c.keeps(figures.get(c.metric)) for c in settings.kept):
        return None
    return _scored(figures, objectives)


def weighed(
    figures: Mapping[str, Any], settings: StudySettings
) -> tuple[Sequence[float], Sequence[float]] | None:
    """Return what `Weighing` is told of a row; None where there is no number for some of it."""
    scores = _scored(figures, settings.objectives)
    excess = [c.excess(figures.get(c.metric)) for c in settings.kept]
    known = [far for far in excess if far is not None]
    return None if scores is None or len(known) < len(excess) else (scores, known)


def _scored(figures: Mapping[str, Any], objectives: Sequence[Objective]) -> Scores:
    if figures.get("status") == "pruned":
        return None
    found = [objective.score(figures) for objective in objectives]
    known = [score for score in found if score is not None]
    return known if len(known) == len(found) else None


def search_of(
    method: str,
    settings: StudySettings,
    batch: int,
    storage: str | None,
    pruning: "Pruning | None" = None,
    rungs: Sequence[tuple[int, str]] = (),
) -> Search:
    """Return the search of a name.

    Raises
    ------
    ConfigError
        If there is none, or what it needs is not installed.
    """
    if storage is not None and method not in ("tpe", "nsga2"):
        raise ConfigError("--storage: expected method tpe or nsga2 with it, which keep studies")
    if pruning is not None and pruning.pruner == "hyperband" and method not in ("tpe", "nsga2"):
        raise ConfigError(
            f"--prune {pruning.pruner}: expected method tpe or nsga2 with it, found {method}, "
            "which goes with halving, median and quartile"
        )
    if method == "random":
        return RandomSearch(settings.vary, settings.seed)
    if method == "genetic":
        from tapewire.studies.genetic import GeneticTrials

        if len(settings.objective) > 1:
            raise ConfigError(
                "--objective: expected one with method genetic, found "
                f"{len(settings.objective)}: nsga2 takes several"
            )
        return GeneticTrials(settings.vary, settings.seed, population=batch)
    if method in ("tpe", "nsga2"):
        from tapewire.studies.optuna_search import OptunaSearch

        return OptunaSearch(
            method, settings, population=batch, storage=storage, pruning=pruning, rungs=rungs
        )
    raise ConfigError(
        f"--method: expected random, genetic, tpe or nsga2, found {method!r} (tapewire sweep "
        "counts out grids)"
    )
