"""The upper bound: the order stands first in its queue, all volume at its price reaches it."""

from typing import Any

from tapewire.execution.models.definition import ModelDefinition


def kernel(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    """All that came to its price, whoever stood ahead."""
    return whole


OPTIMISTIC = ModelDefinition(
    family="fill",
    name="optimistic",
    doc="first in its queue: all volume at its price",
    kernel=kernel,
    whole_level=True,
)
