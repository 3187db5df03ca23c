"""Kernels of stop orders that wait for their trigger: at the exchange, but in no queue.

A stop is triggered by a trade at its trigger or through it, as CME Globex has it ("activated when
the market trades at or through the stop trigger price"), whatever kind of trade it is: an auction's
as well. One whose trigger has been traded already is not taken (iLink reject codes 2060 and 2061).
Per book, its ``venue`` keeps the nearest triggers, so that most trades are known to concern none.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import (
    ALWAYS,
    NEVER,
    TRACE_TRIGGER,
    own_at,
    party_at,
    rules_at,
    trace_at,
)
from tapewire.execution.words import BUY, LIMIT, MARKET, NO_REASON, SELL, STOP, TRIGGER_PASSED
from tapewire.market.layout import NIL, book_at
from tapewire.market.records import UNDEF_PRICE


@jit
def trigger_fault(market: Any, execution: Any, own: Any, trigger_price: int) -> int:
    """Why a trigger can't be waited for, or NO_REASON: the market has traded there already."""
    book = book_at(market.books, party_at(execution.parties, own.leg).book)
    if book.last_trade_px == UNDEF_PRICE:
        return NO_REASON
    if (book.last_trade_px - trigger_price) * own.side >= 0:
        return TRIGGER_PASSED
    return NO_REASON


@jit
def hold_stop(execution: Any, index: int) -> None:
    """Let a stop wait, behind those whose trigger is as near or nearer."""
    own = own_at(execution.own_orders, index)
    rules = rules_at(execution.rules, own.leg)
    previous = NIL
    following = rules.stop_buys if own.side == BUY else rules.stop_sells
    while following != NIL:
        other = own_at(execution.own_orders, following)
        if (other.trigger_price - own.trigger_price) * own.side > 0:
            break
        previous = following
        following = other.next
    own.prev = previous
    own.next = following
    if following != NIL:
        own_at(execution.own_orders, following).prev = index
    if previous != NIL:
        own_at(execution.own_orders, previous).next = index
    elif own.side == BUY:
        rules.stop_buys = index
    else:
        rules.stop_sells = index
    rules.stops += 1


@jit
def pull_trigger(execution: Any, own: Any, ts_event: int) -> None:
    """Make a stop the market or limit order that it is for."""
    protection = rules_at(execution.rules, own.leg).protection
    own.ts_triggered = ts_event
    if own.order_type == STOP and protection < 0:
        own.order_type = MARKET
        return
    if own.order_type == STOP:
        own.price = own.trigger_price + protection * own.side
    own.order_type = LIMIT


@jit
def release_stop(execution: Any, index: int) -> None:
    """Take a stop out of those that wait."""
    own = own_at(execution.own_orders, index)
    rules = rules_at(execution.rules, own.leg)
    if own.next != NIL:
        own_at(execution.own_orders, own.next).prev = own.prev
    if own.prev != NIL:
        own_at(execution.own_orders, own.prev).next = own.next
    elif own.side == BUY:
        rules.stop_buys = own.next
    else:
        rules.stop_sells = own.next
    rules.stops -= 1


# --- what an event triggers -----------------------------------------------------------------------


@jit
def traded_range(execution: Any, traces: int) -> Any:
    """Lowest and highest price of the event's trades that may trigger a stop; (low, high)."""
    low = NEVER
    high = ALWAYS
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_TRIGGER:
            low = min(low, trace.price)
            high = max(high, trace.price)
        at = trace.next
    return low, high


@jit
def next_triggered(execution: Any, rules: Any, low: int, high: int) -> int:
    """The first of a party's stops that trades between two prices trigger, or NIL.

    Buys first, nearest trigger first, and in order of arrival where triggers are equal.
    """
    for side in (BUY, SELL):
        index = rules.stop_buys if side == BUY else rules.stop_sells
        if index != NIL:
            traded = high if side == BUY else low
            trigger_price = own_at(execution.own_orders, index).trigger_price
            if (traded - trigger_price) * side >= 0 and low <= high:
                return index
    return NIL


# --- bounds ---------------------------------------------------------------------------------------


@jit_inline
def open_stop_bounds(venue: Any) -> None:
    """Bounds of a book in which no stop waits."""
    venue.stop_buy = NEVER
    venue.stop_sell = ALWAYS


@jit_inline
def tighten_stop_bounds(execution: Any, venue: Any, rules: Any) -> None:
    """Take one leg's nearest triggers into its book's bounds."""
    if rules.stop_buys != NIL:
        own = own_at(execution.own_orders, rules.stop_buys)
        venue.stop_buy = min(venue.stop_buy, own.trigger_price)
    if rules.stop_sells != NIL:
        own = own_at(execution.own_orders, rules.stop_sells)
        venue.stop_sell = max(venue.stop_sell, own.trigger_price)


@jit
def note_stops(execution: Any, venue: Any, rules: Any, stops_before: int) -> None:
    """Keep the bounds of a book true after one party's stops changed."""
    venue.stops += rules.stops - stops_before
    if venue.stops == 0:
        open_stop_bounds(venue)
    tighten_stop_bounds(execution, venue, rules)
