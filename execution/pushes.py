"""Kernels of what a party's own taking has pushed the price by, and what is left of that.

The market of the data never saw our orders. So what they would have done to its prices is
remembered apart: each taking fill pushes the price by what the impact model says, the push decays
as the model has it, and later taking fills and the party's marks are shifted by what is left.
Resting orders fill at their own price.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import party_at, tally_at
from tapewire.execution.models.impact.decay import SHARE_BITS, STEP_BITS
from tapewire.execution.models.record import decay_at, models_at

#: Bits of a halving: a step of the table, and its fraction.
_PHASE_BITS = 16
_LOW_MASK = (1 << SHARE_BITS) - 1
_FRACTION_BITS = _PHASE_BITS - STEP_BITS
_FRACTION_MASK = (1 << _FRACTION_BITS) - 1


@jit_inline
def share_of(value: int, share: int) -> int:
    """``value * share / 2^24`` towards 0, of a share from 0 to 2^24, without leaving 63 bits."""
    magnitude = abs(value)
    part = (magnitude >> SHARE_BITS) * share + (((magnitude & _LOW_MASK) * share) >> SHARE_BITS)
    return part if value >= 0 else -part


@jit
def faded(decay: Any, part: int, value: int, elapsed_ns: int) -> int:
    """What is left of one of the parts after some time, rounded towards 0."""
    half_life_ns = decay.half_life_ns[part]
    halvings = elapsed_ns // half_life_ns
    if value == 0 or halvings > 62:
        return 0
    rest = elapsed_ns - halvings * half_life_ns
    if half_life_ns < 1 << 46:
        phase = (rest << _PHASE_BITS) // half_life_ns
    else:
        phase = min(rest // (half_life_ns >> _PHASE_BITS), (1 << _PHASE_BITS) - 1)
    step = phase >> _FRACTION_BITS
    high = decay.halving[step]
    low = decay.halving[step + 1]
    share = high - (((high - low) * (phase & _FRACTION_MASK)) >> _FRACTION_BITS)
    left = share_of(abs(value), share) >> halvings
    return left if value >= 0 else -left


@jit
def push_left(execution: Any, party_index: int, now_ns: int) -> int:
    """Price units that a party's own taking has pushed the price by, as of now; 0 if none."""
    party = party_at(execution.parties, party_index)
    address = models_at(execution.models, party.models).impact_decay
    if address == 0:
        return 0
    decay = decay_at(address, 0)
    tally = tally_at(execution.tallies, party_index)
    elapsed_ns = max(now_ns - tally.pushed_ns, 0)
    left = tally.push_lasting
    for part in range(decay.n):
        left += faded(decay, part, tally.push_parts[part], elapsed_ns)
    return left


@jit_inline
def own_mark(execution: Any, party_index: int, moves: int, mark: int, now_ns: int) -> int:
    """The market's mark, and what is left of the party's own push where that is remembered."""
    return mark + push_left(execution, party_index, now_ns) if moves != 0 else mark


@jit
def begin_sweep(execution: Any, party_index: int, side: int, lots: int, now_ns: int) -> int:
    """An order takes lots; returns how many it has taken in this moment."""
    tally = tally_at(execution.tallies, party_index)
    if tally.sweep_ns != now_ns or tally.sweep_side != side:
        tally.sweep_base = push_left(execution, party_index, now_ns)
        tally.sweep_ns = now_ns
        tally.sweep_side = side
        tally.sweep_lots = 0
        tally.sweep_shift = 0
    tally.sweep_lots += lots
    return tally.sweep_lots


@jit
def push(execution: Any, party_index: int, address: int, shift: int, now_ns: int) -> None:
    """Remember that all lots of this moment together shift the price by that much."""
    decay = decay_at(address, 0)
    tally = tally_at(execution.tallies, party_index)
    elapsed_ns = max(now_ns - tally.pushed_ns, 0)
    more = tally.sweep_side * (shift - tally.sweep_shift)
    for part in range(decay.n):
        left = faded(decay, part, tally.push_parts[part], elapsed_ns)
        tally.push_parts[part] = left + share_of(more, decay.share[part])
    tally.push_lasting += share_of(more, decay.lasting)
    tally.pushed_ns = max(tally.pushed_ns, now_ns)
    tally.sweep_shift = shift
