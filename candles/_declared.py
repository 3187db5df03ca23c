"""Kernels of declared strategies: bits become one byte a bar, trades what is held at some bars."""

from typing import Any

from tapewire.candles.layout import END, ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
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


@jit_entry
def directions_held(trades: Any, count: int, moments: Any, held: Any) -> None:
    """Write the direction (k,) that is held as each of k bars ends, by the first trades.

    ``moments`` are the bars, ascending. A trade is held from its entry's bar up to that of its
    exit; one that is open at the end, as the last bar ends, too.
    """
    held[:] = 0
    for place in range(count):
        one = trades[place]
        # The first moment from the entry on.
        low, high = 0, len(moments)
        while low < high:
            middle = (low + high) >> 1
            if moments[middle] < one.entry_bar:
                low = middle + 1
            else:
                high = middle
        until = one.exit_bar + 1 if one.reason == END else one.exit_bar
        while low < len(moments) and moments[low] < until:
            held[low] = one.direction
            low += 1
