"""Kernels of what an event of the real market does to resting simulated orders.

An event is judged when it is complete. What it left for our orders is in its traces:

- volume of resting orders behind ours, or at worse prices, would have hit ours first;
- so would a trade at a worse price that no resting order is known for (implied, hidden);
- an order that came in across ours would have traded with ours before it could rest. Ours then
  spare the real orders that its trades would have reached last, its own rest before all of them:
  an aggressor's lots are handed out once;
- an auction clears at one price: ours that are better trade at it, ours at it by queue.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.market.ids import find_order
from tapewire.market.layout import (
    ASK,
    BID,
    NIL,
    level_at,
    order_at,
    rung_at,
    side_at,
)
from tapewire.market.records import UNDEF_PRICE

from ._impact import impact_price_units
from .layout import (
    TRACE_AUCTION,
    TRACE_AUCTION_FILL,
    TRACE_CLEAR,
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_UNSEEN,
    own_at,
    session_at,
    trace_at,
)
from .matching import (
    BUY,
    BY_AUCTION,
    BY_CROSSING,
    BY_QUEUE,
    BY_TAKING,
    BY_TRADE_THROUGH,
    BY_UNSEEN_TRADE,
    MAKER,
    SELL,
    TAKER,
    claim,
    claim_queue,
    claimed_lots,
    fill,
    find_claim,
    unrest,
)

#: In the place of the number of an order's last event, which says nothing once that is complete.
_SEEN = -1

# What an event's traces are about.
FILLED_BIDS = 1
FILLED_ASKS = 2
BIDS_CAME_IN = 4
ASKS_CAME_IN = 8
CLEARED_AUCTION = 16
CLEARED_BOOK = 32
_CAME_IN = BIDS_CAME_IN | ASKS_CAME_IN


@jit
def kinds_of(execution: Any, traces: int) -> int:
    """What an event's traces are about: any of the constants above."""
    kinds = 0
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            kinds |= BIDS_CAME_IN if trace.side == BID else ASKS_CAME_IN
        elif trace.kind == TRACE_FILL or trace.kind == TRACE_UNSEEN:
            if trace.side != ASK:
                kinds |= FILLED_BIDS
            if trace.side != BID:
                kinds |= FILLED_ASKS
        elif trace.kind == TRACE_AUCTION:
            kinds |= CLEARED_AUCTION
        elif trace.kind == TRACE_CLEAR:
            kinds |= CLEARED_BOOK
        at = trace.next
    return kinds


@jit
def match_event(
    market: Any, execution: Any, leg: int, traces: int, kinds: int, ts_event: int, reopened: bool
) -> None:
    """Fill a leg's resting orders from one complete event of an open book.

    ``kinds`` is what `kinds_of` says of its traces, in which `find_incoming` has looked up who came
    in; but not if it ``reopened`` the book, as the first event after a halt.
    """
    session = session_at(execution.sessions, leg)
    if reopened:
        kinds &= ~_CAME_IN  # they are among those that stand, below
    if kinds & _CAME_IN:
        _forget_free_lots(execution, traces)
    if kinds & (FILLED_BIDS | ASKS_CAME_IN) and session.buys != NIL:
        _match_side(market, execution, session, traces, BUY, ts_event)
    if kinds & (FILLED_ASKS | BIDS_CAME_IN) and session.sells != NIL:
        _match_side(market, execution, session, traces, SELL, ts_event)
    if reopened:
        clearing_price = _clearing_price(execution, traces)
        _match_standing(market, execution, session, BUY, clearing_price, ts_event)
        _match_standing(market, execution, session, SELL, clearing_price, ts_event)


# --- trades and what came in --------------------------------------------------------------------


@jit
def find_incoming(market: Any, execution: Any, book: int, traces: int, kinds: int) -> None:
    """Look up the orders that came in, each once, as they are now that the event is complete."""
    if not kinds & _CAME_IN:
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
    market: Any, execution: Any, session: Any, traces: int, own_side: int, ts_event: int
) -> None:
    """Hand the event's volume, and what of it then rests, to our orders it would have met."""
    book_side = BID if own_side == BUY else ASK
    index = session.buys if own_side == BUY else session.sells
    spared = 0  # lots of real resting orders that ours traded in the place of
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
                elif trace.price == own.price and trace.stamp > own.stamp:
                    behind += trace.lots
            elif trace.kind == TRACE_UNSEEN and (trace.side == book_side or trace.side == NIL):
                if (own.price - trace.price) * own.side > 0:
                    unseen += trace.lots
            elif trace.kind == TRACE_INCOMING:
                rest += _free_lots(market, trace, own, session.owner)
            at = trace.next
        # An order further back sees a part of the volume this one saw, and what was given out came
        # from its near end: what is left for it is its own volume less all given so far.
        traded = max(0, behind + through + unseen - spared)
        lots = min(own.quantity - own.filled, traded + rest)
        if lots <= 0:
            return
        spared += lots - _claim_incoming(market, execution, session, traces, own, min(lots, rest))
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
        index = following


@jit
def _claim_incoming(
    market: Any, execution: Any, session: Any, traces: int, own: Any, wanted: int
) -> int:
    """Claim lots of the orders that came in, in their order; returns how many."""
    left = wanted
    at = traces
    while at != NIL and left > 0:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            lots = min(left, _free_lots(market, trace, own, session.owner))
            if lots > 0:
                order = order_at(market.orders, trace.order)
                trace.claim = claim(market, order, trace.claim, session.owner, lots)
                trace.lots -= lots
                left -= lots
        at = trace.next
    return wanted - left


# --- auctions and reopenings --------------------------------------------------------------------


@jit
def _clearing_price(execution: Any, traces: int) -> int:
    """Price of the event's auction; UNDEF_PRICE if there was none."""
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_AUCTION:
            return trace.price
        at = trace.next
    return UNDEF_PRICE


@jit
def match_auction(market: Any, execution: Any, leg: int, traces: int, ts_event: int) -> None:
    """Let a leg's orders take part in the event's auction.

    Both sides trade at the clearing price: market orders that waited and orders better than it up
    to the lots the venue cleared, orders at it what was cleared behind them in the queue.
    """
    session = session_at(execution.sessions, leg)
    price = _clearing_price(execution, traces)
    for own_side in (BUY, SELL):
        book_side = BID if own_side == BUY else ASK
        cleared = 0
        at = traces
        while at != NIL:
            trace = trace_at(execution.traces, at)
            if trace.kind == TRACE_AUCTION and (trace.side == book_side or trace.side == NIL):
                cleared += trace.lots
            at = trace.next
        given = 0
        index = session.waiting
        while index != NIL:
            following = own_at(execution.own_orders, index).next
            if own_at(execution.own_orders, index).side == own_side:
                given += _fill_in_auction(execution, index, price, cleared - given, ts_event)
            index = following
        index = session.buys if own_side == BUY else session.sells
        while index != NIL:
            own = own_at(execution.own_orders, index)
            following = own.next
            if (own.price - price) * own.side < 0:
                break
            available = cleared
            if own.price == price:
                available = min(cleared, _cleared_behind(execution, traces, own, book_side))
            given += _fill_in_auction(execution, index, price, available - given, ts_event)
            index = following


@jit
def _fill_in_auction(execution: Any, index: int, price: int, available: int, ts_event: int) -> int:
    own = own_at(execution.own_orders, index)
    lots = min(own.quantity - own.filled, available)
    if lots <= 0:
        return 0
    if own.filled + lots == own.quantity:
        unrest(execution, index)
    fill(execution, index, price, lots, MAKER, BY_AUCTION, ts_event)
    return lots


@jit
def _cleared_behind(execution: Any, traces: int, own: Any, book_side: int) -> int:
    behind = 0
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_AUCTION_FILL and trace.side == book_side:
            if trace.price == own.price and trace.stamp > own.stamp:
                behind += trace.lots
        at = trace.next
    return behind


@jit
def _match_standing(
    market: Any, execution: Any, session: Any, own_side: int, clearing_price: int, ts_event: int
) -> None:
    """After a halt: let our orders and real ones that stand across each other trade.

    Nobody could meet anybody when they came. Best price first on both sides, in queue order;
    whoever stood there first has its price, and at an auction's price all have that.
    """
    index = session.buys if own_side == BUY else session.sells
    ladder = side_at(market.sides, 2 * session.book + (ASK if own_side == BUY else BID))
    touched = 0
    while index != NIL:
        own = own_at(execution.own_orders, index)
        following = own.next
        late = 0  # of orders that came after ours
        for k in range(ladder.n - 1, -1, -1):
            rung = rung_at(market.rungs, ladder.offset + k)
            price = -rung.key if own_side == BUY else rung.key
            wanted = own.quantity - own.filled - late
            if (own.price - price) * own.side < 0 or wanted == 0:
                break
            head = level_at(market.levels, rung.level).head
            taken, earlier, touched = claim_queue(
                market, execution, head, session.owner, wanted, touched, own.stamp
            )
            if execution.claim_shortage != 0:
                return
            if price == clearing_price and taken > 0:
                fill(execution, index, price, taken, MAKER, BY_AUCTION, ts_event)
                continue
            if earlier > 0:
                shift = impact_price_units(execution, session, price, earlier)
                fill_price = price + shift * own.side
                if (fill_price - own.price) * own.side > 0:
                    fill_price = own.price  # never worse than its limit
                fill(execution, index, fill_price, earlier, TAKER, BY_TAKING, ts_event)
            late += taken - earlier
        if late > 0:
            fill(execution, index, own.price, late, MAKER, BY_CROSSING, ts_event)
        if own.filled == own.quantity:
            unrest(execution, index)
        index = following
