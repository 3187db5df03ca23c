"""How far the P&L fell from its high, and when."""

from tapewire.analytics.curves import Curve
from tapewire.analytics.metrics.definition import MONEY, TIME, Metric


class MaxDrawdown(Metric):
    column = "max_drawdown"
    label = "Max drawdown"
    costs = True
    compact = "Max drawdown"
    format = MONEY
    formula = "largest fall of sampled net P&L from its high"

    @staticmethod
    def compute(equity: Curve) -> int:
        return equity.max_drawdown


class MaxDrawdownPeakTime(Metric):
    column = "max_drawdown_peak_ts"
    label = "Drawdown from (UTC)"
    format = TIME
    formula = "the high it fell from"
    null = "no drawdown"

    @staticmethod
    def compute(equity: Curve) -> int | None:
        return equity.drawdown_peak_ns


class MaxDrawdownTime(Metric):
    column = "max_drawdown_ts"
    label = "Drawdown to (UTC)"
    format = TIME
    formula = "the low it fell to"
    null = "no drawdown"

    @staticmethod
    def compute(equity: Curve) -> int | None:
        return equity.drawdown_ns
