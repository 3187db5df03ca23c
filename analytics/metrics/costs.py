"""What orders cost against the mid when they were decided and when they arrived.

Mids are the last ones by exchange time: slippage is held against the mid when an order reached the
exchange, the shortfall against the mid when the strategy sent it. Costs are positive numbers.
"""

from typing import Final

from tapewire.analytics.arrivals import OrderCosts
from tapewire.analytics.metrics.definition import MONEY, RATIO, SMALL_CURRENCY, Metric, ratio
from tapewire.compiled.units import MONEY_UNITS

_PEROLD: Final = (
    'A. F. Perold, "The Implementation Shortfall: Paper versus Reality", Journal of Portfolio '
    "Management 14 (1988)"
)
_NO_SLIPPAGE: Final = "no fill of an order with an arrival mid"
_NO_SHORTFALL: Final = "no order with a mid when it was sent and at its end"
_BPS: Final = 10_000


class Slippage(Metric):
    column = "slippage"
    label = "Slippage against arrival mid"
    costs = True
    format = MONEY
    formula = (
        "sum over fills of side x (price - mid when the order reached the exchange) x lots x "
        "multiplier; below 0 where fills were better than that mid"
    )
    null = _NO_SLIPPAGE

    @staticmethod
    def compute(costs: OrderCosts) -> int | None:
        return costs.slippage if costs.slipped_lots else None


class SlippagePerLot(Metric):
    column = "slippage_per_lot"
    label = "Slippage, per lot"
    costs = True
    format = SMALL_CURRENCY
    formula = "slippage / filled lots of its orders"
    null = _NO_SLIPPAGE

    @staticmethod
    def compute(costs: OrderCosts) -> float | None:
        return ratio(costs.slippage / MONEY_UNITS, costs.slipped_lots)


class ImplementationShortfall(Metric):
    column = "implementation_shortfall"
    label = "Implementation shortfall"
    costs = True
    format = MONEY
    formula = (
        "sum over orders that reached the exchange, or were on the way at the end, of: side x "
        "(price - m) x lots x multiplier over fills, "
        "commissions, and side x (mid at the order's end - m) x multiplier for each lot that was "
        "not filled; m is the mid when the order was sent"
    )
    source = _PEROLD + ": all of an order at once at m, on paper, minus what became of it"
    null = _NO_SHORTFALL

    @staticmethod
    def compute(costs: OrderCosts) -> int | None:
        return costs.shortfall if costs.orders else None


class OpportunityCost(Metric):
    column = "opportunity_cost"
    label = "Opportunity cost"
    costs = True
    format = SMALL_CURRENCY
    formula = (
        "part of implementation_shortfall: side x (mid at the order's end - mid when it was sent) "
        "x multiplier for each lot that was not filled"
    )
    source = _PEROLD
    null = _NO_SHORTFALL

    @staticmethod
    def compute(costs: OrderCosts) -> float | None:
        return float(costs.opportunity) / MONEY_UNITS if costs.orders else None


class ShortfallBps(Metric):
    column = "shortfall_bps"
    label = "Implementation shortfall, basis points"
    costs = True
    format = RATIO
    formula = (
        "implementation_shortfall x 10,000 / sum over its orders of mid when sent x lots ordered "
        "x multiplier"
    )
    source = _PEROLD
    null = _NO_SHORTFALL

    @staticmethod
    def compute(costs: OrderCosts) -> float | None:
        return ratio(float(costs.shortfall) * _BPS, float(costs.paper))
