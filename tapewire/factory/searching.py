"""Generations: strategies that are asked for, traded and kept, batch by batch."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapewire.errors import ConfigError, InterruptedRunError
from tapewire.factory.asked import WALK_FORWARD, FactorySettings
from tapewire.factory.datasets import FactoryBars, read_again, require_same_bars
from tapewire.factory.judging import JudgedGeneration, judge
from tapewire.factory.keeping import new_results, new_strategies, tried
from tapewire.factory.methods import search_of
from tapewire.factory.opening import opened_store
from tapewire.factory.searches import AskTell
from tapewire.factory.summing import GenerationSums
from tapewire.generator import StrategyEvaluator
from tapewire.inputs.candle_outputs import all_cores, stoppable
from tapewire.inputs.telling import Steps

if TYPE_CHECKING:
    from tapewire.candles.rules import DeclaredStrategy
    from tapewire.store import Store

#: Of results by which a search chose.
SEARCH: str = "search"


@dataclass(frozen=True)
class GenerationResult:
    """What a generation came to.

    Attributes
    ----------
    id : int
        In the store.
    store : str
        Where that is.
    status : str
        ``complete``, or ``stopped``.
    method, dataset : str
    batches, trials : int
        Kept, and strategies that were tried in them.
    digest : str
        Of all results: equal generations have equal ones.
    best : list of (str, float)
        Names and fitness of the best, the fittest first.
    elapsed_s : float
        Of this call.
    judged : JudgedGeneration, optional
        What is to be thought of the best, as far as it can be said with the holdout closed.
    not_judged : str
        Why they were not judged; empty if they were.
    """

    id: int
    store: str
    status: str
    method: str
    dataset: str
    batches: int
    trials: int
    digest: str
    best: list[tuple[str, float]]
    elapsed_s: float
    judged: JudgedGeneration | None = None
    not_judged: str = ""


def generate(
    bars: FactoryBars,
    settings: FactorySettings | None = None,
    *,
    store: "str | Store | None" = None,
    jobs: int | None = None,
    judges: bool = True,
) -> GenerationResult:
    """Search for strategies on the search part of bars, and keep all of them.

    Parameters
    ----------
    bars
        See `tapewire.factory.read_bars`; the last of them stay closed.
    settings
        What is asked for; None: a thousand random ones.
    store
        See `tapewire.factory.opening.store_url`; made where there is none.
    jobs
        Threads; None: one for each core. They change nothing in what is found.
    judges
        Hold the best against the guards that need no holdout, see `judge_generation`.

    Raises
    ------
    ConfigError
        If nothing can meet the constraints, or other bars have this dataset's name.
    InputError
        If the bars are too few, or of another length than the timeframes want.
    StoreError
        If the store can't be used.
    InterruptedRunError
        If it was stopped; what is finished is kept, and `evolve` goes on.
    """
    asked = settings or FactorySettings()
    # What may be wrong with what was asked for is said before there is a store.
    search = search_of(asked)
    search.ask()
    bars.require_timeframes(asked.timeframes, asked.holdout_share, asked.metric)
    with opened_store(store, create=True) as opened:
        require_free_name(opened, bars)
        return _Generation(opened, bars, asked, jobs, search=search).run(judges=judges)


def evolve(
    generation_id: int,
    *,
    store: "str | Store | None" = None,
    data: Path | None = None,
    generations: int = 0,
    jobs: int | None = None,
    force: bool = False,
    judges: bool = True,
    may_be_complete: bool = False,
) -> GenerationResult:
    """Go on with a generation that was stopped or killed, or for some generations more.

    What is found is what an unbroken one would have found.

    Parameters
    ----------
    generation_id, store
        Which, and where.
    data
        The file of its bars; None: where it was.
    generations
        So many more, of a genetic one.
    jobs, judges
        See `generate`.
    force
        Go on although the holdout was opened for it.
    may_be_complete
        One that has nothing to go on with is judged only; else that is an error.

    Raises
    ------
    ConfigError
        If these are other bars, there is nothing to go on with, or its holdout was opened.
    InputError, StoreError, InterruptedRunError
        See `generate`.
    """
    with opened_store(store) as opened:
        record = opened.generation(generation_id)
        settings = FactorySettings.of_json(record.settings)
        dataset = opened.dataset(record.dataset_id)
        bars = read_again(dataset.description, data)
        require_same_bars(bars, dataset.description, dataset.digest, f"generation {generation_id}")
        if generations < 0 or (generations and settings.method != "genetic"):
            raise ConfigError(
                f"generations: expected more of a genetic search, found {generations} of a "
                f"{settings.method} one"
            )
        if opened.holdout_openings(record.dataset_id, generation_id) and not force:
            raise ConfigError(
                f"generation {generation_id}: its holdout was opened, and a search that goes on "
                "after that has seen it: begin a new one, or --force"
            )
        going = _Generation(opened, bars, settings, jobs, generation_id, more=generations)
        return going.run(judges=judges, may_be_complete=may_be_complete)


def require_free_name(store: "Store", bars: FactoryBars) -> None:
    """Refuse bars whose name other bars have.

    Raises
    ------
    ConfigError
        Saying which.
    """
    for known in store.datasets():
        if known.name == bars.name and known.digest != bars.digest:
            require_same_bars(
                bars, known.description, known.digest,
                f"dataset {bars.name!r} in the store (or another name: --dataset NAME)",
            )  # fmt: skip


class _Generation:
    """One generation under way."""

    def __init__(
        self, store: "Store", bars: FactoryBars, settings: FactorySettings, jobs: int | None,
        generation_id: int | None = None, *, more: int = 0, search: AskTell | None = None,
    ) -> None:  # fmt: skip
        self._store, self._bars, self._settings = store, bars, settings
        self._id = generation_id
        state: dict[str, Any] = {}
        self._batches = self._trials = self._dataset_id = 0
        if generation_id is not None:
            record = store.generation(generation_id)
            state, self._batches, self._trials = record.state, record.batches, record.trials
            self._dataset_id = record.dataset_id
        self._search = search or search_of(settings, state.get("search"), more=more)
        self._sums = GenerationSums.of_json(state["sums"]) if state else GenerationSums()
        self._total = settings.count + more * settings.population
        self._evaluator = StrategyEvaluator(
            bars.search_candles(settings.holdout_share), settings.config(),
            objective=settings.metric, trades_min=settings.trades_min, clock=bars.clock,
            jobs=jobs or all_cores(), keep_daily=True,
        )  # fmt: skip

    def run(self, *, judges: bool, may_be_complete: bool = False) -> GenerationResult:
        began_s = time.perf_counter()
        # All that may be wrong with what was asked for is said before anything is kept.
        asked = self._search.ask()
        if self._id is not None and not asked and not may_be_complete:
            raise ConfigError(
                f"generation {self._id}: it is complete; more of a genetic search: --generations N"
            )
        if self._id is not None and asked:
            self._store.resume_generation(self._id)
        try:
            with stoppable(), Steps("strategies tried", self._total) as steps:
                while asked:
                    self._batch(asked, steps)
                    asked = self._search.ask()
        except (KeyboardInterrupt, InterruptedRunError):
            if self._id is None:
                raise
            self._store.end_generation(self._id, "stopped")
            raise InterruptedRunError(
                f"stopped after {self._batches} batches, which are kept: tapewire factory evolve "
                f"{self._id} goes on"
            ) from None
        assert self._id is not None
        self._store.end_generation(self._id, "complete")
        judged, why_not = self._judged() if judges else (None, "as was asked for")
        elapsed_s = time.perf_counter() - began_s
        return replace(self._result("complete", elapsed_s), judged=judged, not_judged=why_not)

    def _judged(self) -> tuple[JudgedGeneration | None, str]:
        """Judge the best; what can't be judged (too few sessions, no fitness) is said, and kept."""
        assert self._id is not None
        record, settings = self._store.generation(self._id), self._settings
        try:
            with stoppable():
                found = judge(
                    self._store, record, self._bars, settings, settings.guard_settings(),
                    jobs=self._evaluator.jobs,
                )  # fmt: skip
        except ConfigError as error:
            return None, str(error)
        return found, ""

    def _batch(self, asked: "Sequence[DeclaredStrategy]", steps: Steps) -> None:
        before = self._trials
        came = self._evaluator.evaluate(asked, progress=lambda done, _: steps(before + done))
        if self._settings.objective == WALK_FORWARD:
            folds = self._settings.guard_settings().fold_fitness
            fitness = folds.told(came, self._evaluator.config.initial_balance)
            came = replace(came, evaluated=fitness)
        self._search.tell(came.evaluated)
        if self._id is None:
            self._dataset_id = self._store.add_dataset(self._bars.digest, self._bars.description)
            self._id = self._store.begin_generation(self._settings.as_json(), self._dataset_id)
        strategies = new_strategies(asked, f"g{self._id}-")
        results = new_results([one.hash for one in strategies], came, self._dataset_id, SEARCH)
        said = getattr(self._search, "history", None)
        self._sums.add(self._batches, tried(results), _said(said[-1]) if said else {})
        state = {"search": self._search.state(), "sums": self._sums.as_json()}
        self._store.save_batch(
            self._id, self._batches, strategies, results, trials=len(asked), state=state
        )
        self._batches += 1
        self._trials += len(asked)

    def _result(self, status: str, elapsed_s: float) -> GenerationResult:
        assert self._id is not None
        known = self._store.known_hashes([code for _, code in self._sums.best[:10]])
        best = [
            (self._store.strategy(known[code]).name, value)
            for value, code in self._sums.best[:10]
        ]  # fmt: skip
        return GenerationResult(
            self._id, self._store.url, status, self._settings.method, self._bars.name,
            self._batches, self._trials, self._sums.digest, best, round(elapsed_s, 3),
        )  # fmt: skip


def _said(summary: Any) -> dict[str, Any]:
    """What a search says of its last generation, under the names of the sums' history."""
    return {
        "best": summary.best,
        "median": summary.median,
        "distinct": summary.distinct_share,
        "overlap": summary.mean_overlap,
    }
