"""Returns: what was made of the capital that the configuration states.

A return needs a base. ``initial_capital`` in the configuration is what each strategy begins with;
the run's is the sum over its strategies. Without it there is money only, and these are null.
"""

from typing import Final

from tapewire.analytics.curves import Curve
from tapewire.analytics.metrics.definition import MONEY, SHARE, Metric
from tapewire.analytics.metrics.inputs import Capital, Pnl, Sessions
from tapewire.analytics.metrics.returns import SESSIONS_PER_YEAR

_NO_CAPITAL: Final = "no initial_capital"
_ABSENT: Final = "No returns: the configuration states no initial_capital."


class InitialCapital(Metric):
    column = "initial_capital"
    label = "Initial capital"
    format = MONEY
    formula = "initial_capital of the configuration, for each strategy"
    null = "none was stated"
    absent = _ABSENT

    @staticmethod
    def compute(capital: Capital) -> int | None:
        return capital.initial


class TotalReturn(Metric):
    column = "total_return"
    label = "Total return"
    format = SHARE
    formula = "net_pnl / initial_capital"
    null = _NO_CAPITAL

    @staticmethod
    def compute(pnl: Pnl, capital: Capital) -> float | None:
        return None if capital.initial is None else (pnl.gross - pnl.fees) / capital.initial


class AnnualisedReturn(Metric):
    column = "annualised_return"
    label = "Return, annualised"
    format = SHARE
    formula = f"mean net P&L of a session x {SESSIONS_PER_YEAR} / initial_capital, not compounded"
    null = f"{_NO_CAPITAL}, or fewer than 2 sessions"

    @staticmethod
    def compute(sessions: Sessions, capital: Capital) -> float | None:
        results = sessions.results
        if capital.initial is None or len(results) < 2:
            return None
        return sum(results) / len(results) * SESSIONS_PER_YEAR / capital.initial


class Cagr(Metric):
    column = "cagr"
    label = "CAGR"
    format = SHARE
    formula = (
        f"(1 + total_return) ^ ({SESSIONS_PER_YEAR} / sessions) - 1: the yearly rate that, "
        "compounded, gives the total return; -100 % where all was lost"
    )
    null = f"{_NO_CAPITAL}, fewer than 2 sessions, or a rate that no float holds (above 1e308)"

    @staticmethod
    def compute(pnl: Pnl, sessions: Sessions, capital: Capital) -> float | None:
        count = len(sessions.results)
        if capital.initial is None or count < 2:
            return None
        growth = 1 + (pnl.gross - pnl.fees) / capital.initial
        try:
            return float(max(growth, 0.0) ** (SESSIONS_PER_YEAR / count) - 1)
        except OverflowError:  # a few sessions that multiplied the capital, compounded to a year
            return None


class MaxDrawdownShare(Metric):
    column = "max_drawdown_of_capital"
    label = "Max drawdown, of capital"
    costs = True
    format = SHARE
    formula = (
        "max_drawdown / initial_capital: of what one began with, not of the high, since profits "
        "of a futures account are not put at risk by themselves"
    )
    null = _NO_CAPITAL

    @staticmethod
    def compute(equity: Curve, capital: Capital) -> float | None:
        return None if capital.initial is None else equity.max_drawdown / capital.initial


class MaxDrawdownOfPeak(Metric):
    column = "max_drawdown_of_peak"
    label = "Max drawdown, of its high"
    costs = True
    format = SHARE
    formula = (
        "largest of (high - sampled net P&L) / (initial_capital + high), high being the highest "
        "net P&L until then, at least 0"
    )
    null = _NO_CAPITAL

    @staticmethod
    def compute(equity: Curve, capital: Capital) -> float | None:
        return None if capital.initial is None else equity.max_drawdown_share
