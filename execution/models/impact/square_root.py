"""Square-root impact: a fill pushes the price by Y sigma sqrt(Q / V) of it.

sigma is the daily volatility, V the daily volume in lots, Q what an order takes in one moment, in
lots, and Y a number of order one: Toth, Lemperiere, Deremble, de Lataillade, Kockelkoren and
Bouchaud, Anomalous price impact and the critical nature of liquidity in financial markets, Physical
Review X 1, 021006 (2011). The root is taken to 2^-28, everything else is exact and rounded up.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.exact import multiply_divide, square_root
from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.impact.decay import (
    DECAY_PARAMETER,
    check_decay,
    decay_of,
    decay_record,
)

STATE: Final = np.dtype([("rate", "i8"), ("volume", "i8")])  # Y sigma in 1e-6 bps; V in lots
_ROOT_BITS: Final = 28
#: Ratios Q / V from here on are rooted without a fraction, which would leave 63 bits.
_RATIO_MAX: Final = 64
#: Millionths of a basis point in 1.
_PER_UNIT: Final = 10_000_000_000


def kernel(state: Any, price: int, lots: int, multiplier_num: int, multiplier_den: int) -> Any:
    """Price units for taking ``lots``, rounded up."""
    magnitude = abs(price)
    if lots >= _RATIO_MAX * state.volume:
        root = square_root(lots // state.volume) << _ROOT_BITS
    else:
        root = square_root(multiply_divide(lots, 1 << (2 * _ROOT_BITS), state.volume))
    weight = multiply_divide(magnitude, state.rate, _PER_UNIT)
    if weight * _PER_UNIT != magnitude * state.rate:  # of both the same bits are cut
        weight += 1
    shift = multiply_divide(weight, root, 1 << _ROOT_BITS)
    return shift if shift << _ROOT_BITS == weight * root else shift + 1


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write rate and volume into the state record."""
    rate = parameters["y"] * parameters["daily_volatility_bps"]
    state["rate"] = int(rate.scaleb(6))
    state["volume"] = parameters["daily_volume"]


def _decay(parameters: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Without a section, a push concerns its own order alone: what that takes counts together."""
    found = decay_of(parameters)
    return decay_record({"type": "none", "temporary": 1}) if found is None else found


SQUARE_ROOT = ModelDefinition(
    family="impact",
    name="square_root",
    doc="Y sigma sqrt(Q / V) of the price, of daily volatility and volume",
    kernel=kernel,
    parameters={
        "y": ParameterSpec(Decimal, "Y, a number of order one", Decimal(1), 0, 10, 3),
        "daily_volatility_bps": ParameterSpec(
            Decimal, "sigma, basis points of the price in a day", None, 0, 10_000, 3
        ),
        "daily_volume": ParameterSpec(int, "V, lots in a day", None, 1, 10**12),
        "decay": DECAY_PARAMETER,
    },
    state=STATE,
    prepare=prepare,
    check=check_decay,
    decay=_decay,
)
