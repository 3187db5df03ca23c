"""Random draws that depend on nothing but their arguments: counter-based, in integers.

No generator has a state that somebody else could advance, so a draw is the same whoever else draws.
"""

import hashlib
from typing import Any

import numpy as np

from tapewire.compiled.jit import jit


@jit
def _mix(z: Any) -> Any:
    """Finalizer of splitmix64: every bit of the input moves every bit of the output."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit
def draw(seed: int, purpose: int, counter: int) -> Any:
    """63 uniform bits that depend on the three arguments only (splitmix64, Steele et al. 2014)."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    key = _mix(np.uint64(seed) + golden * np.uint64(purpose))
    z = _mix(key + golden * np.uint64(counter + 1))
    return np.int64(z >> np.uint64(1))


def key_of(seed: int, *names: object) -> int:
    """A key for all draws that concern what is named: 63 bits that nothing else shifts."""
    text = "\x1f".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


@jit
def draw_for(key: int, order: int, purpose: int, counter: int) -> Any:
    """63 uniform bits for one of several draws about one order, for one purpose.

    With a key of (seed, strategy), they depend on nothing but these, the order and the purpose.
    """
    return draw(draw(key, purpose, order), purpose, counter)


@jit
def geometric(bits: int) -> int:
    """Trailing ones of the bits: 0, 1, 2, … with halving probability."""
    count = 0
    while bits & 1:
        bits >>= 1
        count += 1
    return count


@jit
def exponential(bits: int, mean: int) -> int:
    """An exponential variate in integers: −log2 with its fraction taken as linear."""
    fraction = (bits >> 34) & 0xFFFF
    return mean * ((geometric(bits & 0xFFFFFFFF) << 16) + 65_536 - fraction) // 98_304
