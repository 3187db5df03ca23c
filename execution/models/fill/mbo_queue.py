"""The exact queue of the data: every lot that would have met the order first is its own."""

from typing import Any

from tapewire.execution.models.definition import ModelDefinition


def kernel(state: Any, leaves: int, traded: int, beyond: int, incoming: int, bits: int) -> Any:
    """All that is offered."""
    return min(leaves, traded + incoming)


MBO_QUEUE = ModelDefinition(
    family="fill",
    name="mbo_queue",
    doc="the exact queue of the data",
    kernel=kernel,
)
