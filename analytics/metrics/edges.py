"""Fills against the market: what was earned on the spread, and what became of it afterwards.

An edge is side x (mid - price) x multiplier, in currency per lot: above zero where we bought below
the mid or sold above it. A fill's own mid is the last before it; a markout is the edge against the
mid some time after it, by exchange time. Sums weigh by lots and leave out fills whose mid is not
known: those that are closer than that to the end of the data.
"""

from typing import Final

from tapewire.analytics.metrics.definition import CURRENCY, SMALL_CURRENCY, Metric
from tapewire.analytics.metrics.inputs import Edge, EdgeTotals, ImpactTotals, Pnl
from tapewire.compiled.units import MONEY_UNITS

_HUANG_STOLL: Final = (
    'R. D. Huang, H. R. Stoll, "Dealer versus auction markets", Journal of Financial Economics 41 '
    "(1996)"
)
_NO_MAKER: Final = "no maker fill with a mid"


def _money(edge: Edge) -> float | None:
    return float(edge.money) / MONEY_UNITS if edge.lots else None


class SpreadPnl(Metric):
    column = "spread_pnl"
    label = "P&L of the spread"
    format = CURRENCY
    formula = (
        "sum of side x (mid - price) x lots x multiplier over fills, by what they beat the mid, "
        "before own impact"
    )
    null = "no fill with a mid"

    @staticmethod
    def compute(edges: EdgeTotals, impact: ImpactTotals) -> float | None:
        spread = _money(edges.of_all("mid"))
        return None if spread is None else spread + float(impact.money) / MONEY_UNITS


class ImpactPnl(Metric):
    column = "impact_pnl"
    label = "P&L of own impact"
    format = CURRENCY
    formula = "-sum of impact x lots x multiplier over fills: what the impact model took"

    @staticmethod
    def compute(impact: ImpactTotals) -> float:
        return 0.0 - float(impact.money) / MONEY_UNITS


class InventoryPnl(Metric):
    column = "inventory_pnl"
    label = "P&L of the inventory"
    format = CURRENCY
    formula = "gross_pnl - spread_pnl - impact_pnl: what holding lots made as the mid moved"
    null = "no fill with a mid"

    @staticmethod
    def compute(edges: EdgeTotals, impact: ImpactTotals, pnl: Pnl) -> float | None:
        spread = SpreadPnl.compute(edges, impact)
        if spread is None:
            return None
        return pnl.gross / MONEY_UNITS - spread - ImpactPnl.compute(impact)


class SpreadCaptured(Metric):
    column = "spread_captured"
    label = "Spread captured, per lot"
    format = SMALL_CURRENCY
    formula = "mean edge of maker fills against the mid before them, per lot"
    null = _NO_MAKER

    @staticmethod
    def compute(edges: EdgeTotals) -> float | None:
        return edges.makers.get("mid", Edge()).per_lot


class RealisedSpread(Metric):
    column = "realised_spread_10s"
    label = "Realised spread after 10 s, per lot"
    format = SMALL_CURRENCY
    formula = "2 x mean edge of maker fills against the mid 10 s after them, per lot"
    source = _HUANG_STOLL + ", for our own fills, with 10 s in place of minutes"
    null = "no maker fill 10 s before the end of the data"

    @staticmethod
    def compute(edges: EdgeTotals) -> float | None:
        edge = edges.makers.get("mid_10s", Edge()).per_lot
        return None if edge is None else 2 * edge


class EffectiveSpread(Metric):
    column = "effective_spread"
    label = "Effective spread paid, per lot"
    costs = True
    format = SMALL_CURRENCY
    formula = "-2 x mean edge of taker fills against the mid before them, per lot"
    source = _HUANG_STOLL
    null = "no taker fill with a mid"

    @staticmethod
    def compute(edges: EdgeTotals) -> float | None:
        edge = edges.takers.get("mid", Edge()).per_lot
        return None if edge is None else -2 * edge


def _after(name: str, words: str) -> type[Metric]:
    """Return the markout at one of `HORIZONS`, by its name there and in words."""

    class Markout(Metric):
        column = f"markout_{name}"
        label = f"Markout after {words}, per lot"
        format = SMALL_CURRENCY
        formula = f"mean edge of all fills against the mid {words} after them, per lot"
        null = f"no fill {words} before the end of the data"

        @staticmethod
        def compute(edges: EdgeTotals) -> float | None:
            return edges.of_all(f"mid_{name}").per_lot

    return Markout


Markout1ms = _after("1ms", "1 ms")
Markout10ms = _after("10ms", "10 ms")
Markout100ms = _after("100ms", "100 ms")
Markout1s = _after("1s", "1 s")
Markout10s = _after("10s", "10 s")
Markout60s = _after("60s", "60 s")
