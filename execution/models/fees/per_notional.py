"""A share of what a fill is worth, in basis points, for makers and takers apart.

Fee = |price| x lots x multiplier x bps / 10,000, in exact integers (`notional.py`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.fees.notional import RATE_OF_BP, notional_fee

STATE = np.dtype([("rate", "i8", (2,))])  # of makers and takers, millionths of a basis point


def kernel(
    state: Any, price: int, lots: int, liquidity: int, multiplier_num: int, multiplier_den: int,
    traded: int, publisher_id: int, line: int,
) -> Any:  # fmt: skip
    """The share of the fill's value."""
    return notional_fee(price, lots, multiplier_num, multiplier_den, state.rate[liquidity])


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the rates into the state record."""
    state["rate"] = [int(parameters[name] * RATE_OF_BP) for name in ("maker_bps", "taker_bps")]


def bps(doc: str) -> ParameterSpec:
    """Declare a rate in basis points."""
    return ParameterSpec(Decimal, doc, Decimal(0), -10_000, 10_000, 6)


PER_NOTIONAL = ModelDefinition(
    family="fees",
    name="per_notional",
    doc="a share of what a fill is worth, for makers and takers apart",
    kernel=kernel,
    parameters={
        "maker_bps": bps("basis points of a resting order's fill; negative: a rebate"),
        "taker_bps": bps("basis points of a taking order's fill; negative: a rebate"),
    },
    state=STATE,
    prepare=prepare,
)
