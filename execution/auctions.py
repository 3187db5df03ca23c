"""Kernels of simulated orders where a venue clears: in its auctions, and as a halt ends."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.claims import claim_queue
from tapewire.execution.clips import hide_taken, is_iceberg
from tapewire.execution.layout import TRACE_AUCTION, TRACE_AUCTION_FILL, own_at, party_at, trace_at
from tapewire.execution.orders import fill
from tapewire.execution.pricing import taking_price
from tapewire.execution.resting import unrest
from tapewire.execution.words import (
    BUY,
    BY_AUCTION,
    BY_CROSSING,
    BY_TAKING,
    FILLED,
    MAKER,
    SELL,
    TAKER,
)
from tapewire.market.layout import ASK, BID, NIL, level_at, rung_at, side_at
from tapewire.market.records import UNDEF_PRICE


@jit
def clearing_price_of(execution: Any, traces: int) -> int:
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
    party = party_at(execution.parties, leg)
    price = clearing_price_of(execution, traces)
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
        index = party.waiting
        while index != NIL:
            following = own_at(execution.own_orders, index).next
            if own_at(execution.own_orders, index).side == own_side:
                given += _fill_in_auction(
                    market, execution, index, price, cleared - given, ts_event
                )
            index = following
        index = party.buys if own_side == BUY else party.sells
        while index != NIL:
            own = own_at(execution.own_orders, index)
            following = own.next
            if (own.price - price) * own.side < 0:
                break
            available = cleared
            if own.price == price:
                available = min(cleared, _cleared_behind(execution, traces, own, book_side))
            available -= given
            if is_iceberg(own) and own.price == price:
                available = min(available, own.shown)
            given += _fill_in_auction(market, execution, index, price, available, ts_event)
            index = following


@jit
def _fill_in_auction(
    market: Any, execution: Any, index: int, price: int, available: int, ts_event: int
) -> int:
    """Fill an order with lots an auction cleared; returns how many."""
    own = own_at(execution.own_orders, index)
    lots = min(own.quantity - own.filled, available)
    if lots <= 0:
        return 0
    if own.filled + lots == own.quantity:
        unrest(execution, index)
    fill(execution, index, price, lots, MAKER, BY_AUCTION, ts_event)
    if is_iceberg(own):
        hide_taken(market, execution, index, lots)
    return lots


@jit
def _cleared_behind(execution: Any, traces: int, own: Any, book_side: int) -> int:
    """Lots cleared of orders behind ours at the auction's price."""
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
def match_standing(
    market: Any, execution: Any, party: Any, own_side: int, clearing_price: int, ts_event: int
) -> None:
    """After a halt: let our orders and real ones that stand across each other trade.

    Nobody could meet anybody when they came. Best price first on both sides, in queue order;
    whoever stood there first has its price, and at an auction's price all have that.
    """
    index = party.buys if own_side == BUY else party.sells
    ladder = side_at(market.sides, 2 * party.book + (ASK if own_side == BUY else BID))
    touched = 0
    while index != NIL:
        own = own_at(execution.own_orders, index)
        following = own.next
        filled = own.filled
        late = 0  # of orders that came after ours
        for k in range(ladder.n - 1, -1, -1):
            rung = rung_at(market.rungs, ladder.offset + k)
            price = -rung.key if own_side == BUY else rung.key
            wanted = own.quantity - own.filled - late
            if (own.price - price) * own.side < 0 or wanted == 0:
                break
            head = level_at(market.levels, rung.level).head
            taken, earlier, touched = claim_queue(
                market, execution, head, party.owner, wanted, touched, own.stamp
            )
            if execution.claim_shortage != 0:
                return
            if price == clearing_price and taken > 0:
                fill(execution, index, price, taken, MAKER, BY_AUCTION, ts_event)
                continue
            if earlier > 0:
                fill_price = taking_price(execution, own, price, earlier, ts_event)
                fill(execution, index, fill_price, earlier, TAKER, BY_TAKING, ts_event)
            late += taken - earlier
        if late > 0:
            fill(execution, index, own.price, late, MAKER, BY_CROSSING, ts_event)
        if own.status == FILLED:
            unrest(execution, index)
        elif is_iceberg(own) and own.filled > filled:
            hide_taken(market, execution, index, own.filled - filled)
        index = following
