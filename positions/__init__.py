"""Positions, profit and loss in exact integers, and the limits enforced before an order leaves."""

from tapewire.positions.rows import SAMPLE_DTYPE

__all__ = ["SAMPLE_DTYPE"]
