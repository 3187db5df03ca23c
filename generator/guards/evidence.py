"""What the bars of a search say of all that were tried, and of the best of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.metrics.returns import SESSIONS_PER_YEAR
from tapewire.analytics.snooping import Overfitting, overfitting, sharpe
from tapewire.candles import BacktestConfig, Candles
from tapewire.candles.declared import DeclaredBars, DeclaredStrategies, run_declared
from tapewire.candles.optimizer import outcomes
from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.sessions import SessionClock
from tapewire.errors import ConfigError
from tapewire.generator.canonical import strategy_hash
from tapewire.generator.guards.folds import results_of
from tapewire.generator.guards.settings import GuardSettings
from tapewire.generator.guards.trading import ratio_of, session_results, stressed

Floats = NDArray[np.float64]
#: Told of what is done, how much of it, and how much there is.
GuardProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Trials:
    """All that was tried on the bars of a search, by whomever, kept or not.

    Attributes
    ----------
    count : int
        Strategies that were evaluated.
    variance : float
        Of their Sharpe ratios by session, not annualised.
    """

    count: int
    variance: float

    def __post_init__(self) -> None:
        if self.count < 1 or not self.variance >= 0:
            raise ConfigError(
                "trials: expected at least 1 and a variance of at least 0, found "
                f"{self.count} and {self.variance}"
            )

    @classmethod
    def of(cls, ratios: Iterable[float | None], *, annualised: bool = True) -> "Trials":
        """Count Sharpe ratios; one without a value (None, NaN) was tried all the same."""
        values = np.array([np.nan if one is None else one for one in ratios], float)
        known = values[np.isfinite(values)]
        scale = SESSIONS_PER_YEAR if annualised else 1
        return cls(len(values), float(known.var(ddof=1)) / scale if len(known) > 1 else 0.0)


@dataclass(frozen=True)
class SearchPopulation:
    """What holds of all strategies of a search together.

    Attributes
    ----------
    evaluated : int
        Strategies that were given.
    sessions : int
        Of the search.
    trials : Trials
    overfitting : Overfitting, optional
        None: too few strategies or sessions.
    """

    evaluated: int
    sessions: int
    trials: Trials
    overfitting: Overfitting | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class SearchEvidence:
    """One strategy on the bars of the search.

    Attributes
    ----------
    strategy : DeclaredStrategy
    hash : str
    results : float64 (d,)
        Net P&L by session.
    ratio : float
        Sharpe ratio by session, not annualised.
    fitness : float
        By folds.
    pnl : float64 (n,)
        Net P&L of each closed trade.
    stressed_net : float
        Net P&L at higher costs.
    """

    strategy: DeclaredStrategy
    hash: str
    results: Floats
    ratio: float
    fitness: float
    pnl: Floats
    stressed_net: float


def gather(
    strategies: Sequence[DeclaredStrategy],
    candles: Candles,
    settings: GuardSettings,
    config: BacktestConfig,
    *,
    trials: Trials | None,
    sample: Sequence[DeclaredStrategy],
    clock: SessionClock | None,
    jobs: int,
    progress: GuardProgress,
) -> tuple[SearchPopulation, list[SearchEvidence]]:
    """Trade all strategies on the bars of a search, and look closely at the best.

    Equity by session is kept of at most ``overfitting_trials`` of them, however many there are.

    Returns
    -------
    SearchPopulation, list of SearchEvidence
        The best first, no two alike.

    Raises
    ------
    ConfigError
        If there is no strategy, there are too few sessions for the folds, not as many of all
        strategies, or more strategies than trials.
    """
    if not strategies:
        raise ConfigError("strategies: expected at least one to judge, found none")
    if trials is not None and trials.count < len(strategies):
        raise ConfigError(
            f"trials: expected at least the {len(strategies):,} strategies that are judged, found "
            f"{trials.count:,}"
        )
    ratios, closed, columns = _traded(strategies, candles, settings, config, clock, jobs, progress)
    settings.fold_fitness.require(columns.shape[0])
    if sample:
        _, _, found_columns = _traded(sample, candles, settings, config, clock, jobs, progress)
        _require_as_many(len(columns), len(found_columns))
        columns = found_columns
    enough = closed >= settings.trades_min
    order = np.lexsort((np.arange(len(ratios)), -np.nan_to_num(ratios, nan=-np.inf), ~enough))
    best: dict[str, DeclaredStrategy] = {}
    for place in order.tolist():
        if len(best) == settings.judged:
            break
        best.setdefault(strategy_hash(strategies[place]), strategies[place])
    evidence = _looked_at(best, candles, settings, config, clock, progress)
    both = np.column_stack([columns, evidence[0].results])
    found = overfitting(both, settings.overfitting_parts)
    known = trials or Trials.of(ratios.tolist(), annualised=False)
    return SearchPopulation(len(strategies), columns.shape[0], known, found), evidence


def _traded(
    strategies: Sequence[DeclaredStrategy],
    candles: Candles,
    settings: GuardSettings,
    config: BacktestConfig,
    clock: SessionClock | None,
    jobs: int,
    progress: GuardProgress,
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Return ratios and closed trades of all (m,), and P&L by session (d, k) of some of them."""
    count = len(strategies)
    ratios, closed = np.full(count, np.nan), np.zeros(count, np.int64)
    few = min(count, settings.overfitting_trials)
    columns = {place: k for k, place in enumerate((np.arange(few) * count // few).tolist())}
    sample: Floats | None = None
    rows = [{"strategy": one} for one in strategies]
    done = 0
    for outcome in outcomes(DeclaredStrategies(clock), candles, rows, config, jobs):
        results = results_of(outcome.daily, config.initial_balance)
        if sample is None:
            sample = np.empty((results.shape[1], few))
        _require_as_many(len(sample), results.shape[1])
        ratios[outcome.places] = sharpe(results.T)
        closed[outcome.places] = outcome.summaries["trades"]
        for k, place in enumerate(outcome.places):
            if place in columns:
                sample[:, columns[place]] = results[k]
        done += len(outcome.places)
        progress("search", done, count)
    assert sample is not None, "there is a strategy"
    return ratios, closed, sample


def _require_as_many(sessions: int, others: int) -> None:
    if sessions != others:
        raise ConfigError(
            f"strategies: expected as many sessions of all, found some with {sessions} and some "
            f"with {others}: judge those of one primary timeframe at a time"
        )


def _looked_at(
    best: dict[str, DeclaredStrategy],
    candles: Candles,
    settings: GuardSettings,
    config: BacktestConfig,
    clock: SessionClock | None,
    progress: GuardProgress,
) -> list[SearchEvidence]:
    bars = DeclaredBars.of(candles, best.values(), clock)
    costly = stressed(config, candles, settings.cost_factor)
    found = []
    for found_hash, strategy in best.items():
        result = run_declared(strategy, bars, config)
        results = session_results(result)
        at_cost = run_declared(strategy, bars, costly)
        found.append(
            SearchEvidence(
                strategy, found_hash, results, ratio_of(results),
                float(settings.fold_fitness.of(results[None])[0]),
                np.array(result.trade_records["pnl"]),
                at_cost.final_balance - config.initial_balance,
            )
        )  # fmt: skip
        progress("judged", len(found), len(best))
    return found
