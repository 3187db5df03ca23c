"""First come, first served: volume executed against an order behind ours would have hit ours."""

from typing import Any

from tapewire.execution.models.definition import ModelDefinition


def kernel(
    state: Any, leaves: int, volume: int, behind: int, place: int, orders: int, standing: int,
    algorithm: int, bits: int,
) -> Any:  # fmt: skip
    """All lots of orders behind ours, none of those ahead."""
    return behind


FIFO = ModelDefinition(
    family="queue",
    name="fifo",
    doc="by time of arrival at a price",
    kernel=kernel,
)
