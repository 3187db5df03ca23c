"""Kernels of drawing: uniform numbers by key, many at once."""

from typing import Any

from tapewire.compiled.draws import draw
from tapewire.compiled.jit import jit_entry

#: Draws are whole numbers below this.
_DRAWN = 2.0**63


@jit_entry
def fill_uniform(out: Any, key: int, first: int) -> None:
    """Numbers from 0 to below 1 of a key, from the first-th on; 53 bits of each count."""
    for k in range(len(out)):
        out[k] = float(draw(key, 0, first + k) >> 10) / (_DRAWN / 1024)
