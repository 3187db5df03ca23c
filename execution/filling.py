"""Kernels of what an event of the real market does to resting simulated orders.

An event is judged when it is complete. What it left for our orders is in its traces:

- volume of resting orders behind ours, or at worse prices, would have hit ours first;
- so would a trade at a worse price that no resting order is known for (implied, hidden);
- an order that came in across ours would have traded with ours before it could rest. Ours then
  spare the real orders that its trades would have reached last, its own rest before all of them:
  an aggressor's lots are handed out once.

An auction clears at one price: see `auctions`.
"""

from typing import Any, Final

from tapewire.compiled.draws import draw_for
from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.auctions import clearing_price_of, match_standing
from tapewire.execution.clips import CLIPS_MAX, hide_taken, is_iceberg, visible_lots
from tapewire.execution.estimates import estimate_of, pass_volume
from tapewire.execution.incoming import claim_incoming, forget_free_lots
from tapewire.execution.layout import (
    UNSEEN_SHARED,
    own_at,
    party_at,
    tally_at,
)
from tapewire.execution.models.fill import ask_fill
from tapewire.execution.models.latency.legs import LEGS
from tapewire.execution.models.queue import ask_queue
from tapewire.execution.models.queue.estimate import EXACT
from tapewire.execution.models.record import models_at
from tapewire.execution.offers import offered
from tapewire.execution.orders import fill
from tapewire.execution.resting import unrest
from tapewire.execution.standing import line_up, place_of
from tapewire.execution.traces import ASKS_CAME_IN, BIDS_CAME_IN, CAME_IN, FILLED_ASKS, FILLED_BIDS
from tapewire.execution.words import (
    BUY,
    BY_CROSSING,
    BY_QUEUE,
    BY_TRADE_THROUGH,
    BY_UNSEEN_TRADE,
    FILLED,
    MAKER,
    SELL,
)
from tapewire.market.layout import (
    NIL,
    book_at,
)
from tapewire.market.records import UNDEF_PRICE

#: Of a random draw; latency's draws have the numbers of its legs.
_FILL_PURPOSE: Final = len(LEGS)
_QUEUE_PURPOSE: Final = _FILL_PURPOSE + 1


@jit
def match_event(
    market: Any, execution: Any, leg: int, traces: int, kinds: int, ts_event: int, reopened: bool
) -> None:
    """Fill a leg's resting orders from one complete event of an open book.

    ``kinds`` is what `kinds_of` says of its traces, in which `find_incoming` has looked up who came
    in; but not if it ``reopened`` the book, as the first event after a halt.
    """
    party = party_at(execution.parties, leg)
    if reopened:
        kinds &= ~CAME_IN  # they are among those that stand, below
    if kinds & CAME_IN:
        forget_free_lots(execution, traces)
    if kinds & (FILLED_BIDS | ASKS_CAME_IN) and party.buys != NIL:
        _match_side(market, execution, party, traces, BUY, ts_event)
    if kinds & (FILLED_ASKS | BIDS_CAME_IN) and party.sells != NIL:
        _match_side(market, execution, party, traces, SELL, ts_event)
    if reopened:
        clearing_price = clearing_price_of(execution, traces)
        match_standing(market, execution, party, BUY, clearing_price, ts_event)
        match_standing(market, execution, party, SELL, clearing_price, ts_event)


# --- trades and what came in --------------------------------------------------------------------


@jit
def _match_side(
    market: Any, execution: Any, party: Any, traces: int, own_side: int, ts_event: int
) -> None:
    """Hand the event's volume, and what of it then rests, to our orders it would have met."""
    index = party.buys if own_side == BUY else party.sells
    models = models_at(execution.models, party.models)
    whole = models.whole_level != 0
    exact = estimate_of(market, execution, party) == EXACT
    given = 0  # lots of the event's volume that ours got: real resting orders were spared them
    price = UNDEF_PRICE  # of the order at hand
    first = NIL  # of ours at that price
    given_better = 0  # what ours at better prices got
    came_in = 0  # what then rested, before those at this price got of it
    lined_up = False  # whether the queue at this price is known
    clips = 0  # of icebergs, that have been taken
    fresh = market.stamp  # an order with this stamp or a later one is a clip shown since
    while index != NIL:
        own = own_at(execution.own_orders, index)
        following = own.next
        if own.filled == own.quantity:  # another of its group has filled
            index = following
            continue
        seen, behind, met, through, passed, far, rest, past = offered(
            market, execution, party, traces, own
        )
        is_next_clip = own.stamp >= fresh
        if is_next_clip:  # behind all that was at its price
            seen = 0
            behind = 0
            met = 0
        elif not exact:
            behind = pass_volume(own, seen)
        if own.price != price:
            price = own.price
            first = index
            given_better = given
            came_in = rest
            lined_up = False
        # An order further back sees a part of the volume this one saw, and what was given out came
        # from its far end: what is left for it is its own volume less all given so far.
        first_come = max(0, behind + met + through + passed - given)
        left = first_come
        if whole:
            left = max(0, seen + met + through + passed - given)
        if left + rest <= 0:
            if exact and not whole and execution.fills_unseen != UNSEEN_SHARED:
                return  # nor is there anything for those behind it
            index = following
            continue
        volume = first_come + rest
        if whole and exact and not is_next_clip:
            volume = max(0, seen + met + through + passed - given_better) + came_in
            if not lined_up:
                line_up(market, execution, party, traces, first)
                lined_up = True
        leaves = visible_lots(own)
        if behind + met == 0 and clips >= CLIPS_MAX:
            leaves = own.quantity - own.filled
        reach = left + rest
        if not is_next_clip:
            reach = first_come + rest
            if exact:
                reach = _reach(market, execution, models, party, own, index, leaves, volume, reach)
            reach = min(reach, left + rest)
        incoming = min(rest, reach)
        beyond = min(max(0, far - given), reach - incoming)
        past = min(past, incoming)
        reached = _granted(
            market, execution, models, party, own, leaves, reach - incoming, beyond, left + rest,
            incoming, past,
        )  # fmt: skip
        lots = min(reached, leaves, left + rest)
        if lots <= 0:
            index = following
            continue
        by_volume = min(lots, beyond)
        from_rest = min(lots, past)
        reason = BY_UNSEEN_TRADE
        if through > 0:
            reason = BY_TRADE_THROUGH
        if reached > beyond + past:  # volume at its own price is in it
            by_volume = min(lots, left)
            from_rest = min(lots, rest)
            if (seen if whole else behind) > 0:
                reason = BY_QUEUE
        given += lots - claim_incoming(market, execution, party, traces, own, from_rest)
        if own.filled + lots == own.quantity:
            unrest(execution, index)
        if by_volume > 0:
            fill(execution, index, own.price, by_volume, MAKER, reason, ts_event)
        if lots > by_volume:
            crossed = lots - by_volume
            fill(execution, index, own.price, crossed, MAKER, BY_CROSSING, ts_event)
        if is_iceberg(own) and own.status != FILLED and hide_taken(market, execution, index, lots):
            clips += 1
            # Its next clip comes after the other orders at its price.
            if following == NIL or own_at(execution.own_orders, following).price != own.price:
                following = index
        index = following


@jit_inline
def _reach(
    market: Any, execution: Any, models: Any, party: Any, own: Any, index: int, leaves: int,
    volume: int, behind: int,
) -> int:  # fmt: skip
    """How many of the lots that came to its price reach an order, as the queue model has it."""
    bits = 0
    if models.queue_draws != 0:
        event = book_at(market.books, party.book).events
        key = party_at(execution.parties, own.leg).key
        bits = draw_for(key, own.client_order_id, _QUEUE_PURPOSE, event)
    place = NIL
    orders = 0
    if models.whole_level != 0:
        place = place_of(execution, index)
        orders = execution.standing_n
    reach = ask_queue(
        models.queue, models.queue_call, models.queue_state,
        leaves, volume, behind, place, orders, execution.standing,
        tally_at(execution.tallies, own.leg).algorithm, bits,
    )  # fmt: skip
    return max(0, reach)


@jit_inline
def _granted(
    market: Any, execution: Any, models: Any, party: Any, own: Any, leaves: int, traded: int,
    beyond: int, whole: int, incoming: int, past: int,
) -> int:  # fmt: skip
    """How many of the lots its place offers an order get to it, as the fill model has it."""
    bits = 0
    if models.fill_draws != 0:
        event = book_at(market.books, party.book).events
        key = party_at(execution.parties, own.leg).key
        bits = draw_for(key, own.client_order_id, _FILL_PURPOSE, event)
    return ask_fill(
        models.fill, models.fill_call, models.fill_state,
        leaves, traded, beyond, whole, incoming, past, bits,
    )  # fmt: skip
