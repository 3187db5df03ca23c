"""Each guard's figure, its bound, and what it means in words."""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

from tapewire.analytics.metrics.returns import SESSIONS_PER_YEAR, probability_of_sharpe
from tapewire.analytics.snooping import deflated_sharpe_of, ratio_and_shape
from tapewire.candles import BacktestConfig
from tapewire.generator.guards.evidence import Floats, SearchEvidence, SearchPopulation
from tapewire.generator.guards.settings import GuardSettings
from tapewire.generator.guards.trade_order import order_spread

_YEAR: Final = SESSIONS_PER_YEAR**0.5
_NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class GuardCheck:
    """One guard, asked of one strategy.

    Attributes
    ----------
    name
        Of `tapewire.generator.guards.settings`.
    passed
        Whether the figure keeps to the bound.
    figure, bound
        None: there is no value, which does not pass.
    sentence
        All of it in words.
    """

    name: str
    passed: bool
    figure: float | None
    bound: float | None
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class _Bound:
    """A bound in words: ``at least``, ``above``, ``at most``, ``below``."""

    relation: str
    value: float

    def holds(self, figure: float) -> bool:
        return {
            "at least": figure >= self.value,
            "above": figure > self.value,
            "at most": figure <= self.value,
        }[self.relation]


def _check(
    name: str, what: str, figure: float | None, bound: _Bound, form: str, why: str
) -> GuardCheck:
    """Hold a figure against a bound; ``why`` is said where it fails."""
    if figure is not None and not math.isfinite(figure):
        figure = None
    passed = figure is not None and bound.holds(figure)
    found = "no value" if figure is None else format(figure, form)
    said = f"{what} {found}, expected {bound.relation} {format(bound.value, form)}"
    sentence = f"passed: {said}" if passed else f"failed: {said}: {why}"
    return GuardCheck(name, passed, figure, bound.value, sentence)


def search_checks(
    one: SearchEvidence,
    population: SearchPopulation,
    settings: GuardSettings,
    config: BacktestConfig,
) -> list[GuardCheck]:
    """Hold a strategy against the guards on the bars of the search, those that are on."""
    trials = population.trials
    variance = trials.variance
    if settings.variance_by == "chance":
        variance = min(variance, 1.0 / max(1, len(one.results) - 1))
    deflated = deflated_sharpe_of(one.results, variance, trials.count)
    order = order_spread(
        one.pnl, config.initial_balance, compounding=config.quantity is None,
        draws=settings.order_draws, seed=settings.seed, ruin_loss=settings.ruin_loss,
    )  # fmt: skip
    folds, chosen = settings.fold_fitness, population.overfitting
    no_better = None if chosen is None else chosen.probability
    losing = None if chosen is None else chosen.loss_probability
    found = (
        _check(
            "trades", "closed trades", len(one.pnl), _Bound("at least", settings.trades_min), ",",
            "so few say nothing",
        ),
        _check(
            "walk_forward", f"{folds.take} Sharpe ratio of {folds.folds} folds", one.fitness,
            _Bound("above", settings.fold_fitness_min), ".2f",
            "it does not live in all of the time",
        ),
        _check(
            "costs", f"net P&L at {settings.cost_factor:g} times the costs", one.stressed_net,
            _Bound("above", 0.0), ",.2f", "what it earns does not bear higher costs",
        ),
        _check(
            "deflated_sharpe", "deflated Sharpe ratio", deflated,
            _Bound("at least", settings.deflated_sharpe_min), ".4f",
            f"the best of {trials.count:,} trials is as good by luck",
        ),
        _check(
            "overfitting", "probability of overfitting", no_better,
            _Bound("at most", settings.overfitting_max), ".3f",
            "what is best in one half of the time is no better than others in the other half",
        ),
        _check(
            "overfitting_loss", "probability that the best of one half loses in the other",
            losing, _Bound("at most", settings.overfitting_loss_max), ".3f",
            "choosing the best earns nothing afterwards",
        ),
        _check(
            "order_drawdown", "drawdown that 95 % of the orders of its trades stay within",
            order.drawdown, _Bound("at most", settings.order_drawdown_max), ".3f",
            "the same trades in another order fall deeper",
        ),
        _check(
            "order_ruin", f"probability that an order loses {settings.ruin_loss:.0%} of the "
            "balance", order.ruin, _Bound("at most", settings.ruin_max), ".3f",
            "the same trades in another order may be ruin",
        ),
    )  # fmt: skip
    return [check for check in found if settings.is_on(check.name)]


@dataclass(frozen=True, eq=False)
class HoldoutEvidence:
    """One strategy in the holdout.

    Attributes
    ----------
    results : float64 (d,)
        Net P&L by session.
    ratio : float
        Sharpe ratio by session, not annualised.
    trades : int
        Closed ones.
    shuffled : float, optional
        (1 + orders of the holdout's moves in which it is as good) / (1 + orders); None: not tried.
    """

    results: Floats
    ratio: float
    trades: int
    shuffled: float | None = None


def holdout_checks(
    one: SearchEvidence, kept: HoldoutEvidence, candidates: int, settings: GuardSettings
) -> list[GuardCheck]:
    """Hold one of some candidates against the guards in the holdout, those that are on."""
    each = settings.error_rate / candidates
    of = f"one of {candidates} candidates at {settings.error_rate:.0%} in all"
    found = (
        _check(
            "holdout_trades", "closed trades in the holdout", kept.trades,
            _Bound("at least", settings.holdout_trades_min), ",", "so few say nothing",
        ),
        _check(
            "holdout_sharpe", "probability that the Sharpe ratio in the holdout is above 0",
            _above_zero(kept.results), _Bound("at least", 1 - each), ".4f",
            f"what it earned there may be luck, for {of}",
        ),
        _check(
            "holdout_shuffled", "share of shuffled holdouts on which it is as good", kept.shuffled,
            _Bound("at most", each), ".4f",
            f"bars without memory would have earned it as much, for {of}",
        ),
        _check(
            "holdout_decay", "probability of so low a Sharpe ratio, were it as on the search",
            _as_low(one.results, kept.results), _Bound("at least", settings.decay_min), ".4f",
            f"{kept.ratio * _YEAR:.2f} a year in the holdout after {one.ratio * _YEAR:.2f}",
        ),
    )  # fmt: skip
    return [check for check in found if settings.is_on(check.name)]


def _above_zero(results: Floats) -> float | None:
    found = ratio_and_shape(results)
    if found is None or not found.variance(len(results)) > 0:
        return None
    return probability_of_sharpe(found.ratio, len(results), found.skewness, found.kurtosis)


def _as_low(before: Floats, after: Floats) -> float | None:
    """Return the normal distribution function of the difference of two ratios in its deviations.

    The variance of each ratio is that of Mertens, and they are of different sessions, so variances
    add up.
    """
    both = [ratio_and_shape(one) for one in (before, after)]
    if both[0] is None or both[1] is None:
        return None
    variance = both[0].variance(len(before)) + both[1].variance(len(after))
    if not variance > 0:
        return None
    return _NORMAL.cdf((both[1].ratio - both[0].ratio) / math.sqrt(variance))
