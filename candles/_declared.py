"""Kernel of declared strategies: what bits say becomes one byte a bar."""

from typing import Any

from tapewire.candles.layout import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from tapewire.compiled.jit import jit_entry


@jit_entry
def codes_of_bits(bits: Any, codes: Any) -> None:
    """Write the codes (n,) of four rows of bits: entry and exit long, entry and exit short.

    Bit b of word w is bar 64 w + b. What contradicts itself is no entry, as in
    `tapewire.candles.signals.consistent`.
    """
    n = len(codes)
    codes[:] = 0
    for w in range(bits.shape[1]):
        leave_long, leave_short = bits[1, w], bits[3, w]
        long, short = bits[0, w] & ~leave_long, bits[2, w] & ~leave_short
        if long | short | leave_long | leave_short == 0:
            continue
        enter_long, enter_short = long & ~short, short & ~long
        first = 64 * w
        for b in range(min(64, n - first)):
            code = (enter_long >> b & 1) * ENTER_LONG + (leave_long >> b & 1) * EXIT_LONG
            code += (enter_short >> b & 1) * ENTER_SHORT + (leave_short >> b & 1) * EXIT_SHORT
            codes[first + b] = code
