"""An order gets its part of the volume by size, to the fraction of a lot in the mean.

Lots = volume x size / sizes of all orders at the price, ours with them; a fraction of a lot is a
whole one with that probability, by a draw for each order and event. All sizes that there are fill
where the volume is enough for them. `pro_rata` is what venues do; this is it without their rounding
down, which gives small orders nothing and the front of the queue what is left.
"""

from typing import Any, Final

from tapewire.compiled.exact import multiply_divide
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.standing_layout import standing_at

_ONE: Final = 1 << 30


def kernel(
    state: Any, leaves: int, volume: int, behind: int, place: int, orders: int, standing: int,
    algorithm: int, bits: int,
) -> Any:  # fmt: skip
    """Its share, a fraction of a lot drawn for."""
    if place < 0:
        return behind
    everybody = 0
    for k in range(orders):
        everybody += standing_at(standing, k).lots
    if volume >= everybody:
        # What it stood there with, also if one of its group has shrunk it since.
        return max(leaves, standing_at(standing, place).lots)
    lots = standing_at(standing, place).lots
    share = multiply_divide(volume, lots, everybody)
    left = volume * lots - share * everybody  # both wrap alike
    return share + (1 if bits >> 33 < multiply_divide(left, _ONE, everybody) else 0)


SIZE_WEIGHTED = ModelDefinition(
    family="queue",
    name="size_weighted",
    doc="its part by size, fractions drawn for",
    kernel=kernel,
    whole_level=True,
    draws=True,
)
