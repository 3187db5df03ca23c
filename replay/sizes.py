"""Sizes of made-up orders."""

from tapewire.compiled.jit import jit


@jit
def order_size(bits: int) -> int:
    """Lots of a new order: mostly one, a tail to 16."""
    pick = bits & 1023
    if pick < 737:
        return 1
    if pick < 921:
        return 2 + (bits >> 10) % 3
    return 5 + (bits >> 10) % 12
