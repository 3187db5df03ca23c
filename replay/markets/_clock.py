"""Kernels of when things happen: Hawkes processes, in arithmetic that is the same everywhere.

The intensity is ``rate + sum of excess``; each event adds ``jump[k]`` to the k-th excess, which
decays exponentially. The next event is the first of the draws for each part (Dassios and Zhao,
Exact simulation of Hawkes process with exponentially decaying intensity, Electronic
Communications in Probability 18 (2013)). Logarithm and exponential are tables and series of the
four basic operations, which IEEE 754 fixes to the last bit; a library's are not the same on every
machine.
"""

from decimal import Decimal, localcontext
from typing import Any, Final

import numpy as np

from tapewire.compiled.draws import draw, geometric
from tapewire.compiled.jit import jit, jit_inline

#: Components of the kernel: `tapewire.replay.markets.model.DECAYS_S` has their times.
COMPONENTS: Final = 6
#: 1 hour: no gap is longer.
_GAP_NS_MAX: Final = 3.6e12
#: Of the events that a component still has to come: less than that are none.
_NOTHING: Final = 1e-7
#: Purposes of draws from here on are the clock's.
P_CLOCK: Final = 32
_PARTS: Final = 256
_LN2: Final = 0.6931471805599453
_PER_PART: Final = _PARTS / _LN2
_PART_LN: Final = _LN2 / _PARTS
_HALVINGS_MAX: Final = 63
_ODD: Final = -7046029254386353131  # 2^64 / golden ratio, as a signed word
_ALL_BITS: Final = 2**63 - 1


def _table(function: Any, n: int) -> Any:
    """Values of a function of k / _PARTS, to the last bit on every machine."""
    with localcontext() as context:
        context.prec = 40
        return np.array([float(function(Decimal(k) / _PARTS)) for k in range(n)])


#: 2 to the power of -k / _PARTS; of -k; and -ln(1 / 2 + k / (2 _PARTS)), from ln 2 down to 0.
_ROOTS: Final = _table(lambda x: (-x * Decimal(2).ln()).exp(), _PARTS)
_HALVES: Final = np.array([0.5**k for k in range(_HALVINGS_MAX + 1)])
_LOGS: Final = _table(lambda x: -((1 + x) / 2).ln(), _PARTS + 1)


@jit
def exp_of(x: float) -> Any:
    """Exponential of a number not above 0, to 1e-8; 0 far below."""
    parts = -x * _PER_PART
    whole = int(min(parts, 1e9))
    halvings = whole // _PARTS
    if halvings > _HALVINGS_MAX:
        return 0.0
    r = (parts - whole) * -_PART_LN
    return _HALVES[halvings] * _ROOTS[whole % _PARTS] * (1.0 + r * (1.0 + 0.5 * r))


@jit
def log_of(x: float) -> Any:
    """Natural logarithm of a number above 0 and at most 1, to 1e-6."""
    whole = 0
    x = max(x, 1e-18)
    while x < 0.5 and whole < _HALVINGS_MAX:
        x *= 2.0
        whole += 1
    part = int((2.0 * x - 1.0) * _PARTS)
    at = 0.5 + 0.5 * part / _PARTS
    r = (x - at) / at
    return r * (1.0 - r * (0.5 - r / 3)) - _LOGS[part] - whole * _LN2


@jit_inline
def another(bits: int) -> Any:
    """63 bits more out of a draw, for what need not be as good as a draw of its own."""
    bits *= _ODD
    return (bits ^ (bits >> 29)) & _ALL_BITS


@jit_inline
def waiting(bits: int) -> Any:
    """An exponential variate of mean 1, of 31 bits: halvings, and within one, by a table."""
    part = (bits >> 15) & (_PARTS - 1)
    share = ((bits >> 23) & 255) * (1.0 / 256)
    inner = _LOGS[part] + (_LOGS[part + 1] - _LOGS[part]) * share
    return geometric(bits & 0x7FFF) * _LN2 + inner


@jit
def gap_ns(book: Any, rates: Any) -> Any:
    """Draw the time to the next event, and let the intensity decay over it.

    ``rates`` is (2, COMPONENTS) float64: decays per ns and jumps of the intensity per ns.
    """
    bits = draw(book.seed, P_CLOCK, book.events)
    gap = waiting(bits) / book.rate
    for k in range(COMPONENTS):
        bits = another(bits)
        excess = book.excess[k]
        if excess > _NOTHING * rates[0, k]:
            used = waiting(bits) * rates[0, k]
            if used < excess:
                gap = min(gap, -log_of(1.0 - used / excess) / rates[0, k])
    gap = min(gap, _GAP_NS_MAX)
    for k in range(COMPONENTS):
        excess = book.excess[k]
        if excess > 0.0:
            excess *= exp_of(-gap * rates[0, k])
        book.excess[k] = excess + rates[1, k]
    return 1 + int(gap)
