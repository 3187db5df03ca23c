"""No impact: what is taken is priced as the book has it."""

from typing import Any

from tapewire.execution.models.definition import ModelDefinition


def kernel(state: Any, price: int, lots: int, multiplier_num: int, multiplier_den: int) -> Any:
    """No shift."""
    return 0


NONE = ModelDefinition(
    family="impact",
    name="none",
    doc="taking fills are priced as the book has them",
    kernel=kernel,
)
