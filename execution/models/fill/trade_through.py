"""Volume fills an order only if it trades some ticks beyond the order's price.

Lots = those that traded at least ``ticks`` ticks beyond it, and those of an order that came in
across it with such a limit. Volume at its own price, however much, is none of its business.
"""

from typing import Any

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition


def kernel(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    """What went beyond its price, and came in past it."""
    return beyond + past


TRADE_THROUGH = ModelDefinition(
    family="fill",
    name="trade_through",
    doc="volume that trades beyond its price",
    kernel=kernel,
    parameters={
        "ticks": ParameterSpec(int, "ticks beyond its price that volume has to trade", 1, 1, 1_000),
    },
    ticks=lambda parameters: int(parameters["ticks"]),
)
