"""Linear impact by hand; the end-to-end cases stand in test_orders_taking.py."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics_rows import E9
from stories import Log, Tape, play
from tapewire.analytics.metrics.edges import ImpactPnl, InventoryPnl, SpreadPnl
from tapewire.analytics.metrics.inputs import Edge, EdgeTotals, ImpactTotals, Pnl
from tapewire.compiled.jit import jit_entry, jit_inline
from tapewire.execution.models.impact import linear

_kernel = jit_inline(linear.kernel)


@jit_entry
def _impact(states: Any, price: int, lots: int, num: int, den: int) -> int:
    return _kernel(states[0], price, lots, num, den)


@pytest.mark.parametrize(
    ("price", "lots", "multiplier", "bps_per_million", "expected"),
    [
        # ES at 4,810.25, 10 lots, 2 bps: notional 2,405,125; 4810.25 * 2e-4 * 2.405125
        ("4810.25", 10, 50, "2", "2.31385050625"),
        # one lot: notional 240,512 (cut to whole currency); 4810.25 * 2e-4 * 0.240512
        ("4810.25", 1, 50, "2", "0.2313845696"),
        ("100", 1, 1, "0", "0"),
        ("0", 10, 50, "2", "0"),
        ("-4810.25", 10, 50, "2", "2.31385050625"),
        # below one currency unit there is no notional to speak of
        ("0.5", 1, 1, "1000", "0"),
    ],
)
def test_by_hand(
    price: str, lots: int, multiplier: int, bps_per_million: str, expected: str
) -> None:
    state = np.zeros(1, linear.STATE)
    linear.prepare({"impact_bps_per_million": Decimal(bps_per_million)}, state[0])
    units = _impact(state, int(Decimal(price) * 10**9), lots, multiplier, 1)
    exact = Decimal(expected) * 10**9
    assert units == exact.to_integral_value(rounding="ROUND_CEILING")


def test_a_fill_says_what_impact_made_of_its_price(tmp_path: Path) -> None:
    """Of 7 lots 5 are taken at 101 and 2 at 102; a limit lets impact have nothing."""
    tape = Tape().add(0, 1, "A", 101, 5).add(0, 2, "A", 102, 5).tick(1_000)
    log = Log().buy(10, "taker", 7, None).buy(20, "limited", 3, 102)
    found = play(tmp_path, tape, log, impact_ppm=20_000_000)
    fills = found.rows.fills
    taken = [(int(row["last_qty"]), int(row["last_px"]) - int(row["impact"])) for row in fills]
    assert taken == [(5, 101 * E9), (2, 102 * E9), (3, 102 * E9)]
    assert fills["impact"][0] > 0 < fills["impact"][1]
    assert fills["impact"][2] == 0


def test_what_impact_took_is_part_of_the_pnl() -> None:
    """Two lots 0.25 worse and three 0.5 better, 50 a point: 25 paid, 75 got."""
    impact = ImpactTotals()
    impact.add({"impact": np.array([E9 // 4, -E9 // 2]), "last_qty": np.array([2, 3])}, 50, 1)
    assert impact.money == (25 - 75) * E9
    assert ImpactPnl.compute(impact) == 50.0
    edges = EdgeTotals(takers={"mid": Edge(5, Fraction(10 * E9))})
    spread = SpreadPnl.compute(edges, impact)
    assert spread == 10.0 - 50.0
    assert InventoryPnl.compute(edges, impact, Pnl(realized=7 * E9)) == 7.0 - spread - 50.0
