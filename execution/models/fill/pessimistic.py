"""The lower bound: the order stands last in its queue, only volume beyond its price reaches it.

As `trade_through` with one tick, by the name of what it is for.
"""

from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.fill.trade_through import kernel

PESSIMISTIC = ModelDefinition(
    family="fill",
    name="pessimistic",
    doc="last in its queue: only volume beyond its price",
    kernel=kernel,
)
