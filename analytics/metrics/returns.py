"""P&L by session and by sample, and what it says about risk and return."""

from collections.abc import Sequence
from typing import Final

from tapewire.analytics.curves import Curve
from tapewire.analytics.metrics.definition import COUNT, RATIO, SMALL_CURRENCY, Metric
from tapewire.analytics.metrics.inputs import Sessions

#: Sessions per year used to annualise; exchanges trade about 252 days a year.
SESSIONS_PER_YEAR: Final = 252


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
