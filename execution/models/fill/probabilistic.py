"""Volume at an order's own price reaches it with a probability; volume beyond its price always.

One draw for each order and event decides of all volume at its price, from 62 bits: it reaches the
order if bits / 2^62 < p. So p = 1 is `mbo_queue`, and p = 0 fills by trade-through alone.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition

_ONE: Final = 1 << 62
STATE = np.dtype([("threshold", "i8")])


def kernel(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    """All that is offered if the draw is below the probability, else what went beyond."""
    return traded + incoming if bits >> 1 < state.threshold else beyond + past


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the probability, as a part of 2^62, into the state record."""
    state["threshold"] = int(parameters["fill_probability_at_touch"] * _ONE)


PROBABILISTIC = ModelDefinition(
    family="fill",
    name="probabilistic",
    doc="volume at its price with a probability",
    kernel=kernel,
    parameters={
        "fill_probability_at_touch": ParameterSpec(
            Decimal, "probability that volume at an order's own price reaches it",
            Decimal("0.5"), 0, 1,
        ),
    },
    state=STATE,
    prepare=prepare,
    draws=True,
)  # fmt: skip
