"""First come, first served: volume executed against an order behind ours would have hit ours."""

from typing import Any

from tapewire.execution.models.definition import ModelDefinition


def kernel(state: Any, lots: int, stamp: int, own_stamp: int) -> Any:
    """All lots of orders behind ours, none of those ahead."""
    return lots if stamp > own_stamp else 0


FIFO = ModelDefinition(
    family="queue",
    name="fifo",
    doc="by time of arrival at a price",
    kernel=kernel,
)
