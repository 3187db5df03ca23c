"""Kernels of strategies made by rule: uniform numbers by key, overlaps of rows of bits."""

from typing import Any

import numpy as np

from tapewire.compiled.draws import draw
from tapewire.compiled.jit import jit_entry, jit_inline

#: Draws are whole numbers below this.
_DRAWN = 2.0**63


@jit_entry
def fill_uniform(out: Any, key: int, first: int) -> None:
    """Numbers from 0 to below 1 of a key, from the first-th on; 53 bits of each count."""
    for k in range(len(out)):
        out[k] = float(draw(key, 0, first + k) >> 10) / (_DRAWN / 1024)


@jit_inline
def _ones(word: Any) -> Any:
    """Bits that are set in a word of 64, counted in pairs, fours and bytes (Warren 2012, 5-1)."""
    pairs = np.uint64(0x5555555555555555)
    fours = np.uint64(0x3333333333333333)
    eights = np.uint64(0x0F0F0F0F0F0F0F0F)
    word = word - ((word >> np.uint64(1)) & pairs)
    word = (word & fours) + ((word >> np.uint64(2)) & fours)
    word = (word + (word >> np.uint64(4))) & eights
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@jit_entry
def fill_overlaps(planes: Any, out: Any) -> None:
    """Write Jaccard's index of each two rows of bits (m, words) as a table (m, m)."""
    m, words = planes.shape
    held = np.zeros(m, np.int64)
    for i in range(m):
        for w in range(words):
            held[i] += np.int64(_ones(planes[i, w]))
        out[i, i] = 1.0 if held[i] else 0.0
    for i in range(m):
        for j in range(i):
            both = np.int64(0)
            for w in range(words):
                both += np.int64(_ones(planes[i, w] & planes[j, w]))
            either = held[i] + held[j] - both
            share = both / either if either else 0.0
            out[i, j], out[j, i] = share, share
