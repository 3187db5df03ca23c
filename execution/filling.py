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
from tapewire.execution.claims import claim, claimed_lots, find_claim
from tapewire.execution.clips import CLIPS_MAX, hide_taken, is_iceberg
from tapewire.execution.layout import (
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_UNSEEN,
    own_at,
    party_at,
    trace_at,
)
from tapewire.execution.models.fill import ask_fill
from tapewire.execution.models.latency.legs import LEGS
from tapewire.execution.models.queue import ask_queue
from tapewire.execution.models.record import models_at
from tapewire.execution.orders import fill
from tapewire.execution.resting import unrest
from tapewire.execution.traces import ASKS_CAME_IN, BIDS_CAME_IN, CAME_IN, FILLED_ASKS, FILLED_BIDS
from tapewire.execution.words import (
    BUY,
    BY_CROSSING,
    BY_QUEUE,
    BY_TRADE_THROUGH,
    BY_UNSEEN_TRADE,
    MAKER,
    SELL,
)
from tapewire.market.ids import find_order
from tapewire.market.layout import (
    ASK,
    BID,
    NIL,
    book_at,
    level_at,
    order_at,
    rung_at,
    side_at,
)

#: In the place of the number of an order's last event, which says nothing once that is complete.
_SEEN: Final = -1
#: Of a random draw; latency's draws have the numbers of its legs.
_FILL_PURPOSE: Final = len(LEGS)


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
        _forget_free_lots(execution, traces)
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
def find_incoming(market: Any, execution: Any, book: int, traces: int, kinds: int) -> None:
    """Look up the orders that came in, each once, as they are now that the event is complete."""
    if not kinds & CAME_IN:
        return
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        at = trace.next
        if trace.kind != TRACE_INCOMING:
            continue
        trace.order = NIL
        if trace.order_id != 0:  # it may have left again within its own event
            trace.order = find_order(market, book, trace.order_id)
        else:
            ladder = side_at(market.sides, 2 * book + trace.side)
            if ladder.n > 0:
                rung = rung_at(market.rungs, ladder.offset + ladder.n - 1)
                trace.order = level_at(market.levels, rung.level).head
        if trace.order != NIL:
            order = order_at(market.orders, trace.order)
            if order.event == _SEEN:
                trace.order = NIL
            order.event = _SEEN
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        at = trace.next
        if trace.kind == TRACE_INCOMING and trace.order != NIL:
            order_at(market.orders, trace.order).event = 0


@jit
def _forget_free_lots(execution: Any, traces: int) -> None:
    """Another leg: what an order that came in has for it is not known yet."""
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            trace.lots = NIL
        at = trace.next


@jit
def _free_lots(market: Any, trace: Any, own: Any, owner: int) -> int:
    """Lots an order that came in still has for ours, if it reaches ours at all."""
    if trace.order == NIL:
        return 0
    order = order_at(market.orders, trace.order)
    on_other_side = order.side == (ASK if own.side == BUY else BID)
    if not on_other_side or (own.price - order.price) * own.side < 0:
        return 0
    if trace.lots == NIL:  # the claims on an order are many where strategies are
        trace.claim = find_claim(market, order, owner)
        trace.lots = max(0, order.size - claimed_lots(market, trace.claim))
    return trace.lots


@jit
def _match_side(
    market: Any, execution: Any, party: Any, traces: int, own_side: int, ts_event: int
) -> None:
    """Hand the event's volume, and what of it then rests, to our orders it would have met."""
    book_side = BID if own_side == BUY else ASK
    index = party.buys if own_side == BUY else party.sells
    models = models_at(execution.models, party.models)
    spared = 0  # lots of real resting orders that ours traded in the place of
    clips = 0  # of icebergs, that have been taken
    fresh = market.stamp  # an order with this stamp or a later one is a clip shown since
    while index != NIL:
        own = own_at(execution.own_orders, index)
        following = own.next
        behind = 0
        through = 0
        unseen = 0
        rest = 0
        at = traces
        while at != NIL:
            trace = trace_at(execution.traces, at)
            if trace.kind == TRACE_FILL and trace.side == book_side:
                if (own.price - trace.price) * own.side > 0:
                    through += trace.lots
                elif trace.price == own.price and own.stamp < fresh:
                    behind += ask_queue(
                        models.queue, models.queue_call, models.queue_state,
                        trace.lots, trace.stamp, own.stamp,
                    )  # fmt: skip
            elif trace.kind == TRACE_UNSEEN and (trace.side == book_side or trace.side == NIL):
                if (own.price - trace.price) * own.side > 0:
                    unseen += trace.lots
            elif trace.kind == TRACE_INCOMING:
                rest += _free_lots(market, trace, own, party.owner)
            at = trace.next
        # An order further back sees a part of the volume this one saw, and what was given out came
        # from its near end: what is left for it is its own volume less all given so far.
        traded = max(0, behind + through + unseen - spared)
        if traded + rest <= 0:
            return  # nor is there anything for those behind it
        leaves = own.quantity - own.filled
        shows_part = is_iceberg(own)
        if shows_part and (behind > 0 or clips < CLIPS_MAX):
            leaves = own.shown
        lots = _granted(
            market, execution, models, party, own, leaves, traded, through + unseen, rest
        )
        if lots <= 0:
            index = following
            continue
        spared += lots - _claim_incoming(market, execution, party, traces, own, min(lots, rest))
        if own.filled + lots == own.quantity:
            unrest(execution, index)
        by_volume = min(lots, traded)
        if by_volume > 0:
            reason = BY_UNSEEN_TRADE
            if behind > 0:
                reason = BY_QUEUE
            elif through > 0:
                reason = BY_TRADE_THROUGH
            fill(execution, index, own.price, by_volume, MAKER, reason, ts_event)
        if lots > by_volume:
            crossed = lots - by_volume
            fill(execution, index, own.price, crossed, MAKER, BY_CROSSING, ts_event)
        if shows_part and own.filled < own.quantity and hide_taken(market, execution, index, lots):
            clips += 1
            # Its next clip comes after the other orders at its price.
            if following == NIL or own_at(execution.own_orders, following).price != own.price:
                following = index
        index = following


@jit_inline
def _granted(
    market: Any, execution: Any, models: Any, party: Any, own: Any, leaves: int, traded: int,
    beyond: int, incoming: int,
) -> int:  # fmt: skip
    """How many of the lots its place offers an order get to it, as the fill model has it."""
    bits = 0
    if models.fill_draws != 0:
        event = book_at(market.books, party.book).events
        bits = draw_for(party.key, own.client_order_id, _FILL_PURPOSE, event)
    lots = ask_fill(
        models.fill, models.fill_call, models.fill_state,
        leaves, traded, min(traded, beyond), incoming, bits,
    )  # fmt: skip
    return min(lots, leaves, traded + incoming)


@jit
def _claim_incoming(
    market: Any, execution: Any, party: Any, traces: int, own: Any, wanted: int
) -> int:
    """Claim lots of the orders that came in, in their order; returns how many."""
    left = wanted
    at = traces
    while at != NIL and left > 0:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            lots = min(left, _free_lots(market, trace, own, party.owner))
            if lots > 0:
                order = order_at(market.orders, trace.order)
                trace.claim = claim(market, order, trace.claim, party.owner, lots)
                trace.lots -= lots
                left -= lots
        at = trace.next
    return wanted - left
