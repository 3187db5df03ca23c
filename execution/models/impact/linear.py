"""Linear impact: so many basis points of the price per million of currency taken."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tapewire.compiled.exact import multiply_divide
from tapewire.compiled.parameters import ParameterSpec
from tapewire.compiled.units import MONEY_UNITS
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.impact.decay import DECAY_PARAMETER, check_decay, decay_of

STATE = np.dtype([("ppm", "i8")])  # 1e-6 basis points per million currency units
#: Basis points in 1, millionths in 1, and a million of currency.
_PER_UNIT: Final = 10_000_000_000_000_000


def kernel(state: Any, price: int, lots: int, multiplier_num: int, multiplier_den: int) -> Any:
    """Price units for taking ``lots`` at ``price``, rounded up.

    With b basis points per million, a fill of notional N (currency) is worse by b * N / 1e6 basis
    points of its price: by price * ppm * N / 1e16, where ppm = b * 1e6.
    """
    if state.ppm == 0:
        return 0
    magnitude = abs(price)
    notional = multiply_divide(magnitude, lots * multiplier_num, multiplier_den * MONEY_UNITS)
    if notional == 0:
        return 0
    weight = state.ppm * notional
    shift = multiply_divide(magnitude, weight, _PER_UNIT)
    # The remainder is below 2^63, so the wrapped difference is zero only where it is.
    return shift if shift * _PER_UNIT == magnitude * weight else shift + 1


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the rate into the state record."""
    state["ppm"] = int(Decimal(parameters["impact_bps_per_million"]).scaleb(6))


LINEAR = ModelDefinition(
    family="impact",
    name="linear",
    doc="basis points of the price per million of currency taken",
    kernel=kernel,
    parameters={
        "impact_bps_per_million": ParameterSpec(
            Decimal, "basis points per million of currency", Decimal(0), 0, 10_000, 6
        ),
        "decay": DECAY_PARAMETER,
    },
    state=STATE,
    prepare=prepare,
    check=check_decay,
    decay=decay_of,
)
