"""Kernels of icebergs: orders that show a part of their lots, and the next part when it is gone.

A new clip stands behind all that rests at its price, as on the venue: CME Globex, *Order Display
Quantity*. Within one event an aggressor takes what the orders of a price show, real and simulated,
before any next clip. How much a real iceberg shows is not in the data, so its further clips count
as coming before ours: hidden lots are reached by what went beyond our price, or came to rest across
it, alone.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.estimates import begin_estimate
from tapewire.execution.houses import house_of
from tapewire.execution.layout import own_at
from tapewire.execution.words import BUY
from tapewire.market.layout import ASK, BID, NIL, level_at
from tapewire.market.queues import find_level

#: Clips that one event takes one by one of a side; then an iceberg gives all it has.
CLIPS_MAX: Final = 64


@jit_inline
def is_iceberg(own: Any) -> bool:
    """Whether an order shows a part of its lots only."""
    return own.display_quantity > 0


@jit_inline
def visible_lots(own: Any) -> int:
    """Lots of a resting order that show."""
    return own.shown if own.display_quantity > 0 else own.quantity - own.filled


@jit_inline
def show_clip(own: Any) -> None:
    """Show as much as an iceberg shows of what is left of it."""
    own.shown = min(own.display_quantity, own.quantity - own.filled)


@jit
def hide_taken(market: Any, execution: Any, index: int, lots: int) -> bool:
    """Lots of a resting iceberg have been filled; whether its next clip has taken a new place."""
    own = own_at(execution.own_orders, index)
    own.shown -= lots
    if own.shown > 0 or own.filled == own.quantity:
        return False
    show_clip(own)
    _go_behind(market, execution, index)
    return True


@jit
def _go_behind(market: Any, execution: Any, index: int) -> None:
    """Join the queue anew: behind all that rests at the price, real and simulated."""
    own = own_at(execution.own_orders, index)
    party = house_of(execution, own.leg)
    level = find_level(market, party.book, BID if own.side == BUY else ASK, own.price)
    own.queue_ahead = 0 if level == NIL else level_at(market.levels, level).size
    own.stamp = market.stamp
    market.stamp += 1
    begin_estimate(market, execution, party, own)
    last = index
    following = own.next
    while following != NIL and own_at(execution.own_orders, following).price == own.price:
        last = following
        other = own_at(execution.own_orders, following)
        if other.leg != own.leg:  # of who shares the book
            own.queue_ahead += visible_lots(other)
        following = other.next
    if last == index:
        return
    if own.prev != NIL:
        own_at(execution.own_orders, own.prev).next = own.next
    elif own.side == BUY:
        party.buys = own.next
    else:
        party.sells = own.next
    own_at(execution.own_orders, own.next).prev = own.prev
    own.prev = last
    own.next = following
    own_at(execution.own_orders, last).next = index
    if following != NIL:
        own_at(execution.own_orders, following).prev = index
