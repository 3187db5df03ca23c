"""Fitness by folds: what a strategy is worth in each stretch of the bars, not in the best of all.

A declared strategy has nothing to be fitted, so a walk forward over it is a look at each stretch
alone: what lives off one of them has a poor median, and a poor worst.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.metrics.returns import SESSIONS_PER_YEAR
from tapewire.errors import ConfigError
from tapewire.generator.evaluating import EvaluatedStrategies
from tapewire.generator.footprints import Evaluated

Floats = NDArray[np.float64]

#: What is taken of the folds.
TAKES: Final = ("median", "worst")


@dataclass(frozen=True)
class FoldFitness:
    """Sharpe ratios of consecutive folds of sessions, and one number for all of them.

    Fold k of f has the sessions from floor(k d / f) up to floor((k + 1) d / f) of d. Its ratio is
    mean / standard deviation (n - 1) of net P&L by session, times sqrt(252), and 0 where every
    session made the same (nothing, as a rule). The fitness is the median of the ratios, or the
    least.

    Parameters
    ----------
    folds : int
        At least 2.
    take : str
        One of `TAKES`.

    Raises
    ------
    ConfigError
        If one is not.
    """

    folds: int = 5
    take: str = "median"

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"folds: expected at least 2, found {self.folds}")
        if self.take not in TAKES:
            raise ConfigError(f"take: expected one of {', '.join(TAKES)}, found {self.take!r}")

    def ratios(self, results: Floats) -> Floats:
        """Return the ratio of each fold; NaN where a fold has fewer than two sessions.

        Parameters
        ----------
        results
            Net P&L by session, shape (m, d).

        Returns
        -------
        float64 (m, folds)
        """
        m, d = results.shape
        found = np.full((m, self.folds), np.nan)
        for k in range(self.folds):
            part = results[:, k * d // self.folds : (k + 1) * d // self.folds]
            if part.shape[1] < 2:
                continue
            deviation = part.std(axis=1, ddof=1)
            quiet = (part == part[:, :1]).all(axis=1) | (deviation == 0)
            ratio = part.mean(axis=1) / np.where(quiet, 1.0, deviation)
            found[:, k] = np.where(quiet, 0.0, ratio) * SESSIONS_PER_YEAR**0.5
        return found

    def of(self, results: Floats) -> Floats:
        """Return the fitness of strategies, shape (m,), of their net P&L by session (m, d)."""
        ratios = self.ratios(results)
        return np.median(ratios, axis=1) if self.take == "median" else ratios.min(axis=1)

    def told(self, found: EvaluatedStrategies, initial_balance: float) -> list[Evaluated]:
        """Return evaluated strategies with this fitness, for a search to be told.

        Parameters
        ----------
        found
            Of a `tapewire.generator.evaluating.StrategyEvaluator` with ``keep_daily``. What it
            gave no fitness to, having too few trades, has none here.
        initial_balance
            Of the assumptions, currency.

        Raises
        ------
        ConfigError
            If there are too few sessions for so many folds, or equity was not kept.
        """
        if len(found.daily) != len(found.evaluated):
            raise ConfigError("folds: expected equity by session; evaluate with keep_daily")
        fitness: list[float | None] = []
        for one, equity in zip(found.evaluated, found.daily, strict=True):
            self.require(len(equity))
            if one.fitness is None:
                fitness.append(None)
                continue
            fitness.append(float(self.of(results_of(equity[None], initial_balance))[0]))
        return _with_fitness(found.evaluated, fitness)

    def require(self, sessions: int) -> None:
        """Refuse fewer than two sessions a fold, with ConfigError."""
        if sessions < 2 * self.folds:
            raise ConfigError(
                f"folds: expected at least {2 * self.folds} sessions for {self.folds} folds, found "
                f"{sessions}; give longer data or fewer folds"
            )


def results_of(daily: Floats, initial_balance: float) -> Floats:
    """Return net P&L by session of equity as sessions end, both (m, d)."""
    return np.diff(daily, axis=1, prepend=initial_balance)


def _with_fitness(
    evaluated: Sequence[Evaluated], fitness: Sequence[float | None]
) -> list[Evaluated]:
    return [replace(one, fitness=value) for one, value in zip(evaluated, fitness, strict=True)]
