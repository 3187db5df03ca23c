"""Kernels of positions with two sides: which fills open, which close, what each side then has.

In an account that hedges, longs and shorts of one instrument stand beside each other, as on venues
with a hedge mode and in FIX (``PositionEffect``, tag 77): an order opens, and adds to the side that
it is of, unless it says that it closes. What says so is reduce-only; exits of brackets and orders
of the simulation's own close, too.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import HEDGES, own_at, rules_at, tally_at
from tapewire.execution.words import (
    CLOSES,
    OPENS,
    SELL,
    TERM_GROUP,
    TERM_REDUCE_ONLY,
)


@jit_inline
def effect_of(own: Any) -> int:
    """What an order's fills do to a position with two sides."""
    is_exit = own.terms & TERM_GROUP != 0 and own.parent_id != 0
    if own.terms & TERM_REDUCE_ONLY != 0 or is_exit or own.client_order_id < 0:
        return CLOSES
    return OPENS


@jit_inline
def short_after(side: int, lots: int, effect: int, long_lots: int, short_lots: int) -> int:
    """Lots of the short side after a fill; before it the sides had these.

    What a closing fill has more than the side that it closes is added to its own side.
    """
    if side == SELL:
        return short_lots + (lots if effect == OPENS else max(0, lots - long_lots))
    return short_lots if effect == OPENS else max(0, short_lots - lots)


@jit_inline
def closable_lots(execution: Any, leg: int, side: int) -> int:
    """Lots that orders of a side may close, at the exchange."""
    tally = tally_at(execution.tallies, leg)
    if rules_at(execution.rules, leg).reduces & HEDGES:
        return tally.short if side != SELL else tally.position + tally.short
    return max(0, -side * tally.position)


@jit
def note_sides(execution: Any, index: int, lots: int) -> int:
    """An order has filled lots, which the position has already: what is short now; the effect."""
    own = own_at(execution.own_orders, index)
    tally = tally_at(execution.tallies, own.leg)
    effect = effect_of(own)
    long_lots = tally.position - own.side * lots + tally.short
    tally.short = short_after(own.side, lots, effect, long_lots, tally.short)
    return effect


@jit
def learn_sides(execution: Any, index: int, lots: int, position: int) -> None:
    """As `note_sides`, of what a strategy is told: its position after the fill is known."""
    own = own_at(execution.own_orders, index)
    tally = tally_at(execution.tallies, own.leg)
    long_lots = position - own.side * lots + tally.known_short
    tally.known_short = short_after(own.side, lots, effect_of(own), long_lots, tally.known_short)
