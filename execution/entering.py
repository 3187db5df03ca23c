"""Kernels of what a venue asks of an order that is about to act: its band, its terms, its price.

- A limit may not reach further past the last trade than the band (CME's price banding, iLink
  reject code 2179: bids too high and offers too low; a limit that waits far away is fine).
- A market order under protection becomes a limit order at the best price it meets plus (a sale:
  minus) the protection, a market-to-limit order one at that best price; what does not fill rests
  there. A stop under protection is one at its trigger plus the protection. So CME Globex has them:
  "the unfilled quantity remains in the order book as a limit order at the limit of the protected
  range".
- A minimum quantity, of a FOK all of it, is there at once or the order ends.
- A post-only order does not take: it is rejected, or priced one tick behind what it would meet.

What an order meets is what is free for its strategy: what that took already is gone.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.claims import free_in_queue
from tapewire.execution.layout import own_at, party_at, rules_at
from tapewire.execution.meeting import best_of_others, lots_in_reach
from tapewire.execution.words import (
    BUY,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    MARKET_HALTED,
    MARKET_TO_LIMIT,
    MIN_QUANTITY,
    NO_LIQUIDITY,
    NO_REASON,
    POST_ONLY,
    PRICE_BAND,
    TERM_MINIMUM,
    TERM_POST_ONLY,
    TERM_REPRICE,
)
from tapewire.market.layout import ASK, BID, book_at, level_at, rung_at, side_at
from tapewire.market.records import UNDEF_PRICE


@jit
def band_fault(market: Any, execution: Any, own: Any, price: int) -> int:
    """Why the venue does not take a limit price, or NO_REASON; UNDEF_PRICE is none."""
    rules = rules_at(execution.rules, own.leg)
    if rules.band < 0 or own.order_type != LIMIT:
        return NO_REASON
    book = book_at(market.books, party_at(execution.parties, own.leg).book)
    if book.last_trade_px == UNDEF_PRICE:
        return NO_REASON
    if (price - book.last_trade_px) * own.side > rules.band:
        return PRICE_BAND
    return NO_REASON


@jit
def is_protected(execution: Any, own: Any) -> bool:
    """Whether the venue bounds a market order's price; the simulation's own it leaves alone."""
    rules = rules_at(execution.rules, own.leg)
    return own.order_type == MARKET and rules.protection >= 0 and own.client_order_id > 0


@jit
def prepare(market: Any, execution: Any, index: int, is_open: bool) -> int:
    """See to the terms of an order that enters; why it may not, or NO_REASON."""
    own = own_at(execution.own_orders, index)
    is_bounded = own.order_type == MARKET_TO_LIMIT or is_protected(execution, own)
    if is_open and is_bounded and not bound_price(market, execution, own):
        return NO_LIQUIDITY
    if is_open and makes_only_fault(market, execution, own, own.price) != NO_REASON:
        return POST_ONLY
    if own.time_in_force == FOK or own.terms & TERM_MINIMUM:
        if not is_open:
            return MARKET_HALTED
        least = own.quantity if own.time_in_force == FOK else own.min_quantity
        if lots_in_reach(market, execution, own, least) < least:
            return MIN_QUANTITY
    if is_open and own.terms & TERM_REPRICE:
        reprice(market, execution, own)
    return NO_REASON


@jit
def bound_price(market: Any, execution: Any, own: Any) -> bool:
    """Make a market order the limit order that the venue has it be; False if it meets nothing."""
    best = best_free_price(market, execution, own)
    if best == UNDEF_PRICE:
        return False
    own.price = best
    if own.order_type == MARKET:
        own.price += rules_at(execution.rules, own.leg).protection * own.side
        if own.time_in_force == IOC:
            own.time_in_force = GTC  # what is left of it rests
    own.order_type = LIMIT
    return True


@jit
def makes_only_fault(market: Any, execution: Any, own: Any, price: int) -> int:
    """POST_ONLY of a post-only order that would take at a price, or NO_REASON."""
    if own.terms & TERM_POST_ONLY:
        best = best_free_price(market, execution, own)
        if best != UNDEF_PRICE and (price - best) * own.side >= 0:
            return POST_ONLY
    return NO_REASON


@jit
def reprice(market: Any, execution: Any, own: Any) -> None:
    """Put a post-only order that would take one tick behind what it would meet."""
    best = best_free_price(market, execution, own)
    if best != UNDEF_PRICE and (own.price - best) * own.side >= 0:
        own.price = best - rules_at(execution.rules, own.leg).tick_size * own.side


@jit
def best_free_price(market: Any, execution: Any, own: Any) -> int:
    """Best price of the other side at which an order could take anything, or UNDEF_PRICE."""
    party = party_at(execution.parties, own.leg)
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * party.book + side)
    met = best_of_others(execution, own)
    for k in range(ladder.n - 1, -1, -1):
        rung = rung_at(market.rungs, ladder.offset + k)
        if free_in_queue(market, level_at(market.levels, rung.level).head, party.owner, 1) > 0:
            price = -rung.key if side == ASK else rung.key
            return price if met == UNDEF_PRICE or (met - price) * own.side > 0 else met
    return met
