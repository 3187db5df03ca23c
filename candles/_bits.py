"""Kernels of signals as bits: 64 bars a word, packed once, walked from one set bit to the next.

A word is an int64; bars beyond the last one are clear.
"""

from typing import Any, Final

from numba.cpython.unsafe.numbers import trailing_zeros

from tapewire.candles.layout import BARS_PER_BITS, ENTER_LONG, ENTRIES, EXIT_LONG, EXIT_SHORT
from tapewire.compiled.jit import jit_entry, jit_inline

#: The lowest bit of each byte of a word, and what brings these bits together in its highest byte.
_LOWEST: Final = 0x0101010101010101
_GATHER: Final = 0x0102040810204080


@jit_inline
def next_bit(bits: Any, i: int, n: int) -> int:
    """The first bar from i on whose bit is set; n: there is none."""
    at = i >> 6
    if i >= n:
        return n
    word = bits[at] & (-1 << (i & 63))
    while word == 0:
        at += 1
        if at >= len(bits):
            return n
        word = bits[at]
    return (at << 6) + trailing_zeros(word)


@jit_inline
def has_bit(bits: Any, i: int) -> bool:
    """Whether a bar's bit is set."""
    return (bits[i >> 6] >> (i & 63)) & 1 != 0


@jit_inline
def _gathered(word: int, code: int) -> int:
    """The bit of a code in each of eight bytes, as eight bits."""
    lowest = _LOWEST
    found = 0
    if word & (lowest * code):
        shift = trailing_zeros(code)
        found = ((((word >> shift) & lowest) * _GATHER) >> 56) & 0xFF
    return found


@jit_entry
def pack_codes(words: Any, planes: Any) -> None:
    """Write codes, eight bars a word, as bits: rows of ``PLANES`` in `tapewire.candles.layout`."""
    planes[:] = 0
    for k in range(len(words)):
        word = words[k]
        if word:
            at, shift = k // 8, 8 * (k % 8)
            long = _gathered(word, ENTER_LONG)
            short = _gathered(word, ENTRIES - ENTER_LONG)
            planes[0, at] |= (long | short) << shift
            planes[1, at] |= long << shift
            planes[2, at] |= _gathered(word, EXIT_LONG) << shift
            planes[3, at] |= _gathered(word, EXIT_SHORT) << shift


@jit_entry
def pack_within(values: Any, least: float, most: float, out: Any) -> None:
    """Set the bits of bars whose value is between two, both included; NaN is not."""
    n = len(values)
    for at in range(len(out)):
        first = at * BARS_PER_BITS
        part = values[first : min(first + BARS_PER_BITS, n)]
        bits = 0
        for k in range(len(part)):
            bits |= (1 if part[k] >= least and part[k] <= most else 0) << k
        out[at] = bits
