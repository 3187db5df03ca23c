"""Fills against the market: each metric worked by hand, and that no metric goes without."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapewire.analytics.markouts import HORIZONS, NO_PRICE
from tapewire.analytics.metrics import METRICS
from tapewire.analytics.metrics.inputs import EdgeTotals, ImpactTotals, Pnl

E9 = 10**9
METRIC = {metric.column: metric for metric in METRICS}


def value(column: str, **inputs: Any) -> Any:
    return METRIC[column].compute(**inputs)


def edges(*fills: tuple[str, str, float, int, tuple[float | None, ...]]) -> EdgeTotals:
    """Totals of fills: side, liquidity, price, lots, and the mid before and at each horizon."""
    names = ("mid", *(f"mid_{name}" for name in HORIZONS))
    columns = {
        "order_side": np.array([fill[0] for fill in fills], object),
        "liquidity_side": np.array([fill[1] for fill in fills], object),
        "last_px": np.array([round(fill[2] * E9) for fill in fills]),
        "last_qty": np.array([fill[3] for fill in fills]),
    }
    for at, name in enumerate(names):
        mids = [fill[4][at] for fill in fills]
        columns[name] = np.array([NO_PRICE if mid is None else round(mid * E9) for mid in mids])
    totals = EdgeTotals()
    totals.add(columns, 50, 1)  # a point is worth 50
    return totals


#         before  1 ms   10 ms  100 ms  1 s    10 s    60 s
BOUGHT = (100.25, 100.5, 100.0, 100.25, 99.75, 100.75, 101.0)
SOLD = (100.25, 100.0, 100.0, 99.75, 100.75, None, None)
TAKEN = (100.25, 100.25, 100.5, 100.75, 100.5, 100.0, None)


def three_fills() -> EdgeTotals:
    return edges(
        ("BUY", "MAKER", 100.0, 2, BOUGHT),
        ("SELL", "MAKER", 100.5, 1, SOLD),
        ("BUY", "TAKER", 100.5, 1, TAKEN),
    )


def test_spreads_by_hand() -> None:
    fills = three_fills()
    # Makers: 2 x 0.25 and 1 x 0.25 points of 50 on 3 lots.
    assert value("spread_captured", edges=fills) == pytest.approx(0.75 * 50 / 3)
    # Of makers only the purchase has a mid 10 s later: 0.75 points a lot, twice.
    assert value("realised_spread_10s", edges=fills) == pytest.approx(2 * 0.75 * 50)
    # The taker paid a quarter point above the mid: half of what the spread is.
    assert value("effective_spread", edges=fills) == pytest.approx(2 * 0.25 * 50)


@pytest.mark.parametrize(
    ("name", "points", "lots"),
    [
        ("1ms", 2 * 0.5 + 0.5 - 0.25, 4),
        ("10ms", 2 * 0.0 + 0.5 + 0.0, 4),
        ("100ms", 2 * 0.25 + 0.75 + 0.25, 4),
        ("1s", 2 * -0.25 - 0.25 + 0.0, 4),
        ("10s", 2 * 0.75 - 0.5, 3),  # the sale was too close to the end
        ("60s", 2 * 1.0, 2),
    ],
)
def test_markouts_by_hand(name: str, points: float, lots: int) -> None:
    assert value(f"markout_{name}", edges=three_fills()) == pytest.approx(points * 50 / lots)


def test_without_a_mid_there_is_no_edge() -> None:
    nowhere = (None,) * (1 + len(HORIZONS))
    alone = edges(("BUY", "TAKER", 100.0, 1, nowhere))
    for column in ("spread_captured", "realised_spread_10s", "effective_spread", "markout_1ms"):
        assert value(column, edges=alone) is None
    assert value("spread_pnl", edges=alone, impact=ImpactTotals()) is None
    assert value("inventory_pnl", edges=alone, impact=ImpactTotals(), pnl=Pnl()) is None


def test_gross_pnl_is_spread_inventory_and_impact() -> None:
    fills, impact = three_fills(), ImpactTotals()
    impact.add({"impact": np.array([0, 0, E9 // 4]), "last_qty": np.array([2, 1, 1])}, 50, 1)
    # Against the mid they beat: 2 x 0.25 + 0.25 - 0.25 points; a quarter of it was own impact.
    assert value("spread_pnl", edges=fills, impact=impact) == pytest.approx((0.5 + 0.25) * 50)
    assert value("impact_pnl", impact=impact) == pytest.approx(-0.25 * 50)
    pnl = Pnl(realized=20 * E9, unrealized=30 * E9)
    left = 50 - (0.5 + 0.25) * 50 + 0.25 * 50
    assert value("inventory_pnl", edges=fills, impact=impact, pnl=pnl) == pytest.approx(left)


def test_each_metric_is_worked_by_hand_somewhere() -> None:
    """A metric nobody wrote an expectation for is one nobody checked."""
    unit = Path(__file__).parent
    worked = ["test_metrics", "test_metric_values", "test_metric_edges", "test_capacity",
              "test_hedging"]  # fmt: skip
    text = "".join((unit / f"{name}.py").read_text() for name in worked)
    named = set(re.findall(r'"(\w+)"', text)) | {f"markout_{name}" for name in HORIZONS}
    unnamed = [metric.column for metric in METRICS if metric.column not in named]
    assert not unnamed, f"expected a hand-worked value of each metric, found none of {unnamed}"
