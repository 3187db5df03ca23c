"""The exact queue of the data: every lot that would have met the order first is its own."""

from typing import Any

from tapewire.execution.models.definition import ModelDefinition


def kernel(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    """All that is offered."""
    return traded + incoming


MBO_QUEUE = ModelDefinition(
    family="fill",
    name="mbo_queue",
    doc="the exact queue of the data",
    kernel=kernel,
)
