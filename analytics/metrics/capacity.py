"""How large the strategy is beside its market, and how much larger it may grow."""

from typing import Final

from tapewire.analytics.capacity import Capacity
from tapewire.analytics.metrics.definition import CURRENCY, LOTS, RATIO, SHARE, Metric, ratio
from tapewire.analytics.metrics.inputs import FillTotals, ImpactTotals, Pnl
from tapewire.compiled.units import MONEY_UNITS

_NO_MARKET: Final = "the run has no markouts"
_TOTH: Final = (
    'B. Toth et al., "Anomalous price impact and the critical nature of liquidity in financial '
    'markets", Physical Review X 1, 021006 (2011)'
)


class MarketVolume(Metric):
    column = "market_volume"
    label = "Volume of its markets, lots"
    format = LOTS
    formula = "lots that were traded in its books since strategies might act"
    null = _NO_MARKET

    @staticmethod
    def compute(capacity: Capacity) -> int | None:
        return sum(capacity.markets.values()) if capacity.markets else None


class Participation(Metric):
    column = "participation"
    label = "Share of the market's volume"
    format = SHARE
    formula = "volume / market_volume; of all strategies together it is what they come to if added"
    null = f"{_NO_MARKET}, or nothing was traded"

    @staticmethod
    def compute(capacity: Capacity, fills: FillTotals) -> float | None:
        return ratio(fills.volume, sum(capacity.markets.values()))


class ExpectedImpact(Metric):
    column = "expected_impact"
    label = "Expected cost of impact"
    costs = True
    format = CURRENCY
    formula = (
        "sum over orders of Y x sigma x sqrt(lots filled / market_volume of the book) x lots "
        "filled x multiplier; Y = 1, sigma the root of the sum of squared changes of the mid, in "
        "price points, over steps of 2^30 ns, longer ones in long runs"
    )
    source = _TOTH
    null = f"{_NO_MARKET}, or nothing was traded"

    @staticmethod
    def compute(capacity: Capacity) -> float | None:
        return capacity.cost if capacity.markets and sum(capacity.markets.values()) else None


class CapacityMultiple(Metric):
    column = "capacity_multiple"
    label = "Capacity, multiples of its size"
    format = RATIO
    formula = (
        "((net_pnl - impact_pnl) / expected_impact)^2: with m times the lots, P&L after fees and "
        "before own impact grows with m and what impact is expected to cost with m^1.5, and this "
        "is where the two meet, if all else stays"
    )
    source = _TOTH
    null = "no P&L that impact could eat, or no expected_impact"

    @staticmethod
    def compute(capacity: Capacity, pnl: Pnl, impact: ImpactTotals) -> float | None:
        cost = ExpectedImpact.compute(capacity)
        made = (pnl.gross - pnl.fees + float(impact.money)) / MONEY_UNITS
        if not cost or made <= 0:
            return None
        return (made / cost) ** 2
