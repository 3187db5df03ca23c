"""Kernels of pegged orders: their price follows the market, and never crosses it.

Pegged to the ``touch`` (its own side's best price), the ``opposite`` touch, or the ``mid``, rounded
away from the other side; an offset counts towards the other side. One tick behind the other side's
best is the nearest it gets, and its limit price, if it has one, the farthest. At the end of an
event that moves what it is pegged to it is priced anew, and joins the queue there as a new order
does: Nasdaq's Primary, Market and Midpoint Peg (Equity 4, Rule 4703(d)). Without a price to follow
it is rejected on arrival, and later stays where it is. Our own orders are no part of the market
that it follows.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import own_at, party_at, rules_at
from tapewire.execution.resting import rest, unrest
from tapewire.execution.words import BUY, PEG_OPPOSITE, PEG_TOUCH, TERM_PEG
from tapewire.market.layout import ASK, BID, NIL, side_at
from tapewire.market.queues import best_key
from tapewire.market.records import UNDEF_PRICE


@jit
def pegged_price(market: Any, execution: Any, index: int) -> int:
    """Where a pegged order belongs now; UNDEF_PRICE if there is nothing to follow."""
    own = own_at(execution.own_orders, index)
    book = party_at(execution.parties, own.leg).book
    tick = rules_at(execution.rules, own.leg).tick_size
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    bid = best_key(market, bids) if bids.n > 0 else UNDEF_PRICE
    ask = -best_key(market, asks) if asks.n > 0 else UNDEF_PRICE
    near = bid if own.side == BUY else ask
    far = ask if own.side == BUY else bid
    # Prices times the side: more is nearer to the other side for both.
    if own.peg == PEG_TOUCH:
        price = near
    elif own.peg == PEG_OPPOSITE:
        price = far
    elif near == UNDEF_PRICE or far == UNDEF_PRICE:
        price = UNDEF_PRICE
    else:
        price = ((near + far) * own.side // (2 * tick)) * tick * own.side
    if price == UNDEF_PRICE:
        return UNDEF_PRICE
    nearest = price * own.side + own.peg_offset
    if far != UNDEF_PRICE:
        nearest = min(nearest, far * own.side - tick)
    if own.peg_limit != UNDEF_PRICE:
        nearest = min(nearest, own.peg_limit * own.side)
    return nearest * own.side


@jit
def first_to_move(market: Any, execution: Any, first: int) -> int:
    """The first of some resting orders, best first, that is pegged and no longer in its place."""
    at = first
    while at != NIL:
        own = own_at(execution.own_orders, at)
        if own.terms & TERM_PEG:
            price = pegged_price(market, execution, at)
            if price != own.price and price != UNDEF_PRICE:
                return at
        at = own.next
    return NIL


@jit
def move(market: Any, execution: Any, index: int) -> None:
    """Price a pegged order anew; it joins the queue there behind all that rests."""
    own = own_at(execution.own_orders, index)
    price = pegged_price(market, execution, index)
    unrest(execution, index)
    own.price = price
    rest(market, execution, index)
