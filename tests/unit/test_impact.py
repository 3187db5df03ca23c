"""Linear impact by hand; the end-to-end cases stand in test_orders_taking.py."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

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
