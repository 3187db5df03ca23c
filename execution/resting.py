"""Kernels of simulated orders that wait: for volume in the exact MBO queue, or for a reopening.

A resting order joins with the next priority stamp, so the orders ahead of it are those at its price
with a smaller stamp, whatever joins or leaves later. Per book, its ``venue`` keeps bounds on where
simulated orders rest, so that most records are known to concern none of them at a glance.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.clips import show_clip, visible_lots
from tapewire.execution.estimates import begin_estimate, estimate_of, lots_ahead
from tapewire.execution.groups import DORMANT, is_dormant
from tapewire.execution.houses import house_of
from tapewire.execution.layout import ALWAYS, NEVER, own_at, party_at
from tapewire.execution.models.queue.estimate import EXACT
from tapewire.execution.models.record import models_at
from tapewire.execution.stops import release_stop
from tapewire.execution.terms import is_held
from tapewire.execution.words import BUY, LIMIT
from tapewire.market.layout import ASK, BID, NIL, level_at, order_at
from tapewire.market.queues import find_level


@jit
def rest(market: Any, execution: Any, index: int) -> None:
    """Join the queue at the order's price, behind everything that rests there now."""
    own = own_at(execution.own_orders, index)
    party = house_of(execution, own.leg)
    side = BID if own.side == BUY else ASK
    level = find_level(market, party.book, side, own.price)
    own.queue_ahead = 0 if level == NIL else level_at(market.levels, level).size
    own.stamp = market.stamp
    market.stamp += 1
    begin_estimate(market, execution, party, own)
    show_clip(own)
    previous = NIL
    following = party.buys if own.side == BUY else party.sells
    while following != NIL:
        other = own_at(execution.own_orders, following)
        if (own.price - other.price) * own.side > 0:
            break
        if other.price == own.price and other.leg != own.leg:  # of who shares the book
            own.queue_ahead += visible_lots(other)
        previous = following
        following = other.next
    own.prev = previous
    own.next = following
    if following != NIL:
        own_at(execution.own_orders, following).prev = index
    if previous != NIL:
        own_at(execution.own_orders, previous).next = index
    elif own.side == BUY:
        party.buys = index
    else:
        party.sells = index
    party.resting += 1


@jit
def wait(execution: Any, index: int) -> None:
    """Let a market order wait for the reopening, behind those that wait already."""
    own = own_at(execution.own_orders, index)
    party = house_of(execution, own.leg)
    own.next = NIL
    if party.waiting == NIL:
        party.waiting = index
    else:
        first = own_at(execution.own_orders, party.waiting)
        own.prev = first.prev
        own_at(execution.own_orders, own.prev).next = index
    own_at(execution.own_orders, party.waiting).prev = index
    party.resting += 1


@jit
def stop_waiting(execution: Any, index: int) -> None:
    """Take a market order out of those that wait."""
    own = own_at(execution.own_orders, index)
    party = house_of(execution, own.leg)
    if own.next != NIL:
        own_at(execution.own_orders, own.next).prev = own.prev
    elif party.waiting != index:  # the last: the first knows who is now
        own_at(execution.own_orders, party.waiting).prev = own.prev
    if party.waiting == index:
        party.waiting = own.next
    else:
        own_at(execution.own_orders, own.prev).next = own.next
    party.resting -= 1


@jit
def unrest(execution: Any, index: int) -> None:
    """Take an order out of the resting or the waiting ones, or the stops."""
    own = own_at(execution.own_orders, index)
    party = house_of(execution, own.leg)
    if is_dormant(own):
        own.hanging &= ~DORMANT
        return
    if own.order_type != LIMIT:
        if is_held(own.order_type):
            release_stop(execution, index)
        else:
            stop_waiting(execution, index)
        return
    if own.next != NIL:
        own_at(execution.own_orders, own.next).prev = own.prev
    if own.prev != NIL:
        own_at(execution.own_orders, own.prev).next = own.next
    elif own.side == BUY:
        party.buys = own.next
    else:
        party.sells = own.next
    party.resting -= 1
    own.stamp = 0


@jit
def place_in_queue(market: Any, execution: Any, index: int) -> Any:
    """Orders and lots of the book ahead of a resting order; (orders, lots), -1 if unknown."""
    own = own_at(execution.own_orders, index)
    if estimate_of(market, execution, house_of(execution, own.leg)) != EXACT:
        return NIL, lots_ahead(own)
    side = BID if own.side == BUY else ASK
    level = find_level(market, party_at(execution.parties, own.leg).book, side, own.price)
    orders = 0
    lots = 0
    at = NIL if level == NIL else level_at(market.levels, level).head
    while at != NIL:
        other = order_at(market.orders, at)
        if other.stamp > own.stamp:
            break
        orders += 1
        lots += other.size
        at = other.next
    return orders, lots


@jit
def first_resting(party: Any) -> int:
    """An order of the party that rests or waits, or NIL."""
    if party.waiting != NIL:
        return party.waiting
    return party.buys if party.buys != NIL else party.sells


# --- bounds --------------------------------------------------------------------------------------


@jit_inline
def open_bounds(venue: Any) -> None:
    """Bounds of a book in which no simulated order rests."""
    venue.own_bid = ALWAYS
    venue.own_ask = NEVER
    venue.own_bid_stamp = NEVER
    venue.own_ask_stamp = NEVER


@jit_inline
def tighten_bounds(execution: Any, venue: Any, party: Any) -> None:
    """Take one leg's best resting orders into its book's bounds."""
    if party.waiting != NIL:  # a market order is better than any price
        venue.own_bid = NEVER
        venue.own_bid_stamp = ALWAYS
        venue.own_ask = ALWAYS
        venue.own_ask_stamp = ALWAYS
        return
    # Of a whole level, the volume ahead of ours is asked for too.
    whole = models_at(execution.models, party.models).whole_level != 0
    if party.buys != NIL:
        own = own_at(execution.own_orders, party.buys)
        venue.own_bid = max(venue.own_bid, own.price)
        venue.own_bid_stamp = min(venue.own_bid_stamp, ALWAYS if whole else own.stamp)
    if party.sells != NIL:
        own = own_at(execution.own_orders, party.sells)
        venue.own_ask = min(venue.own_ask, own.price)
        venue.own_ask_stamp = min(venue.own_ask_stamp, ALWAYS if whole else own.stamp)


@jit
def note_change(execution: Any, venue: Any, party: Any, resting_before: int) -> None:
    """Keep the bounds of a book true after one party's resting orders changed."""
    venue.resting += party.resting - resting_before
    if venue.resting == 0:
        open_bounds(venue)
    elif venue.estimates != 0:
        venue.wake = ALWAYS
    tighten_bounds(execution, venue, party)
