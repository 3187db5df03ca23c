"""A fixed amount per contract and side."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition

STATE = np.dtype([("per_lot", "i8")])  # 1e-9 currency


def kernel(
    state: Any, price: int, lots: int, liquidity: int, multiplier_num: int, multiplier_den: int,
    traded: int, publisher_id: int, line: int,
) -> Any:  # fmt: skip
    """The amount, once per lot."""
    return state.per_lot * lots


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the amount into the state record."""
    state["per_lot"] = int(Decimal(parameters["per_contract"]).scaleb(9))


PER_CONTRACT = ModelDefinition(
    family="fees",
    name="per_contract",
    doc="a fixed amount per contract and side",
    kernel=kernel,
    parameters={
        "per_contract": ParameterSpec(
            Decimal, "currency per contract and side; negative: a rebate", Decimal(0), -1000, 1000
        ),
    },
    state=STATE,
    prepare=prepare,
)
