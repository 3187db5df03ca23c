"""P&L by session and by sample, and what it says about risk and return."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from tapewire.analytics.curves import Curve
from tapewire.analytics.metrics.definition import (
    COUNT,
    CURRENCY,
    RATIO,
    SHARE,
    SMALL_CURRENCY,
    Metric,
    ratio,
)
from tapewire.analytics.metrics.inputs import Sessions
from tapewire.compiled.units import MONEY_UNITS

#: Sessions per year used to annualise; exchanges trade about 252 days a year.
SESSIONS_PER_YEAR: Final = 252
#: Part of the sessions that is the tail, and the fewest sessions that have one.
TAIL: Final = 0.05
QUANTILE_SESSIONS_MIN: Final = 20


class SessionCount(Metric):
    column = "sessions"
    label = "Sessions (UTC days)"
    format = COUNT
    formula = "UTC days whose samples span at least an hour"

    @staticmethod
    def compute(sessions: Sessions) -> int:
        return len(sessions.results)


class SharpeAnnualised(Metric):
    column = "sharpe_annualised"
    label = "Sharpe, annualised"
    format = RATIO
    formula = (
        f"mean / standard deviation (n - 1) of net P&L by session x sqrt({SESSIONS_PER_YEAR}); "
        "a session is a UTC day with at least an hour of samples, risk-free rate 0"
    )
    source = (
        'W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994): the '
        "differential return against zero, in currency because a backtest of futures has no "
        "stated capital"
    )
    null = "needs at least 2 sessions whose P&L differs"
    absent = "No annualised Sharpe ratio: it needs at least 2 sessions that differ."

    @staticmethod
    def compute(sessions: Sessions) -> float | None:
        return sharpe_by_session(sessions.results)


class ProbabilisticSharpe(Metric):
    column = "probabilistic_sharpe"
    label = "Probability that the Sharpe ratio is above 0"
    format = SHARE
    formula = (
        "normal distribution function of s x sqrt(n - 1) / sqrt(1 - skewness x s + (kurtosis - 1) "
        "/ 4 x s^2), with s the Sharpe ratio by session, not annualised, of n sessions"
    )
    source = (
        'D. H. Bailey, M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk '
        "15 (2012)"
    )
    null = f"fewer than {QUANTILE_SESSIONS_MIN} sessions, or sessions that do not differ"

    @staticmethod
    def compute(sessions: Sessions) -> float | None:
        return probability_above_zero(sessions.results)


class SortinoAnnualised(Metric):
    column = "sortino_annualised"
    label = "Sortino, annualised"
    format = RATIO
    formula = (
        "mean of net P&L by session / square root of the mean over all sessions of the squared "
        f"losses, x sqrt({SESSIONS_PER_YEAR}); target 0"
    )
    source = (
        'F. A. Sortino, L. N. Price, "Performance Measurement in a Downside Risk Framework", '
        "Journal of Investing 3 (1994)"
    )
    null = "needs at least 2 sessions, and one that lost"

    @staticmethod
    def compute(sessions: Sessions) -> float | None:
        return sortino_by_session(sessions.results)


class Calmar(Metric):
    column = "calmar"
    label = "Calmar ratio"
    format = RATIO
    formula = (
        f"mean net P&L of a session x {SESSIONS_PER_YEAR} / max_drawdown, both in currency, the "
        "drawdown at every sample"
    )
    source = (
        'T. W. Young, "Calmar Ratio: A Smoother Tool", Futures 20 (1991), without compounding '
        "and over the whole run, since there may be no capital and no 36 months"
    )
    null = "needs at least 2 sessions, and a drawdown"

    @staticmethod
    def compute(sessions: Sessions, equity: Curve) -> float | None:
        results = sessions.results
        if len(results) < 2:
            return None
        return ratio(sum(results) / len(results) * SESSIONS_PER_YEAR, equity.max_drawdown)


class ValueAtRisk(Metric):
    column = "session_var_95"
    label = "Value at risk, session, 95 %"
    costs = True
    format = CURRENCY
    formula = (
        "loss that 95 % of the sessions stayed below, a positive number: minus the 5 % quantile "
        "of net P&L by session, linear between neighbours"
    )
    source = 'P. Jorion, "Value at Risk" (2007), historical simulation'
    null = f"fewer than {QUANTILE_SESSIONS_MIN} sessions"

    @staticmethod
    def compute(sessions: Sessions) -> float | None:
        results = sessions.results
        if len(results) < QUANTILE_SESSIONS_MIN:
            return None
        return 0.0 - float(np.quantile(np.array(results, np.float64), TAIL)) / MONEY_UNITS


class ExpectedShortfall(Metric):
    column = "session_es_95"
    label = "Expected shortfall, session, 95 %"
    costs = True
    format = CURRENCY
    formula = (
        "mean loss of the worst sessions, a positive number: of the floor((n - 1) x 5 %) + 1 worst "
        "of n"
    )
    source = 'C. Acerbi, D. Tasche, "On the coherence of expected shortfall" (2002)'
    null = f"fewer than {QUANTILE_SESSIONS_MIN} sessions"

    @staticmethod
    def compute(sessions: Sessions) -> float | None:
        results = sorted(sessions.results)
        if len(results) < QUANTILE_SESSIONS_MIN:
            return None
        worst = results[: math.floor((len(results) - 1) * TAIL) + 1]
        return 0.0 - sum(worst) / len(worst) / MONEY_UNITS


class Samples(Metric):
    column = "samples"
    label = "Samples"
    format = COUNT
    formula = "points of the P&L curve"

    @staticmethod
    def compute(equity: Curve) -> int:
        return equity.changes.count


class SamplePnlMean(Metric):
    column = "sample_pnl_mean"
    label = "P&L per sample, mean"
    format = SMALL_CURRENCY
    formula = "mean P&L change per sample"
    null = "no sample"

    @staticmethod
    def compute(equity: Curve) -> float | None:
        return equity.changes.mean if equity.changes.count else None


class SamplePnlDeviation(Metric):
    column = "sample_pnl_deviation"
    label = "P&L per sample, deviation"
    format = SMALL_CURRENCY
    formula = "standard deviation (n - 1) of P&L change per sample; not annualised"
    null = "fewer than 2 samples"

    @staticmethod
    def compute(equity: Curve) -> float | None:
        return equity.changes.deviation


def sharpe_by_session(results: Sequence[int]) -> float | None:
    """Return the annualised Sharpe ratio of net P&L by session.

    mean / standard deviation (n - 1) of the sessions' P&L, times sqrt(`SESSIONS_PER_YEAR`);
    risk-free rate 0, P&L in currency (Sharpe 1994). It does not depend on how often the P&L was
    sampled within a session.

    Parameters
    ----------
    results
        Net P&L of each session, see `session_results`.

    Returns
    -------
    float or None
        None for fewer than two sessions, or when every session made the same.
    """
    if len(results) < 2 or min(results) == max(results):
        return None
    mean = sum(results) / len(results)
    variance = sum((r - mean) ** 2 for r in results) / (len(results) - 1)
    return float(mean / variance**0.5 * SESSIONS_PER_YEAR**0.5)


def probability_above_zero(results: Sequence[int]) -> float | None:
    """Return the probability that the true Sharpe ratio behind results is above 0.

    Skewness and kurtosis are those of the sample, its deviation is over n - 1. None where there
    are too few results, or all are alike.
    """
    if len(results) < QUANTILE_SESSIONS_MIN or len(set(results)) == 1:
        return None
    values = np.array(results, float)
    apart = (values - values.mean()) / values.std()
    skewness, kurtosis = float((apart**3).mean()), float((apart**4).mean())
    sharpe = float(values.mean() / values.std(ddof=1))
    return probability_of_sharpe(sharpe, len(results), skewness, kurtosis)


def probability_of_sharpe(
    sharpe: float, n: int, skewness: float, kurtosis: float, benchmark: float = 0.0
) -> float:
    """Return the probability that a true Sharpe ratio is above a benchmark.

    Bailey and Lopez de Prado (2012), equation 11, of the ratio that n results have; ratios are by
    result, not annualised.
    """
    variance = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return 0.5 * math.erfc((benchmark - sharpe) * math.sqrt((n - 1) / variance / 2))


def sortino_by_session(results: Sequence[int]) -> float | None:
    """Return the annualised Sortino ratio of net P&L by session, target 0.

    mean / sqrt(mean(min(P&L, 0)^2)) over all sessions, times sqrt(`SESSIONS_PER_YEAR`).

    Returns
    -------
    float or None
        None for fewer than two sessions, or where none lost.
    """
    if len(results) < 2 or min(results) >= 0:
        return None
    below = sum(min(r, 0) ** 2 for r in results) / len(results)
    return float(sum(results) / len(results) / below**0.5 * SESSIONS_PER_YEAR**0.5)
