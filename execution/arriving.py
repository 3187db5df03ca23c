"""Kernels of what a simulated order does at the exchange: arrive, take, rest, leave.

While the book is halted an arriving order takes nothing: a limit order that may rest joins its
queue, a market order waits for the reopening or ends, as the policy says. What real volume does to
resting orders is in `filling`.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.changing import begins, fits
from tapewire.execution.claims import claim_queue
from tapewire.execution.entering import (
    band_fault,
    bound_price,
    is_protected,
    makes_only_fault,
    prepare,
    reprice,
)
from tapewire.execution.groups import is_dormant, is_exit
from tapewire.execution.layout import own_at, party_at, rules_at
from tapewire.execution.meeting import first_met, take_among
from tapewire.execution.orders import close_own, fill, is_live
from tapewire.execution.pricing import taking_price
from tapewire.execution.resting import rest, stop_waiting, unrest, wait
from tapewire.execution.stops import hold_stop, pull_trigger, trigger_fault
from tapewire.execution.terms import has_terms, is_held
from tapewire.execution.words import (
    BUY,
    BY_TAKING,
    CANCELED,
    DAY,
    EXPIRED,
    FOK,
    GOOD_TILL_DATE,
    IOC,
    LIMIT,
    MARKET,
    MARKET_HALTED,
    NEW,
    NO_LIQUIDITY,
    NO_REASON,
    POST_ONLY,
    REDUCE_ONLY,
    REJECTED,
    SESSION_CLOSE,
    TAKER,
    TERM_GROUP,
    TERM_MINIMUM,
    TERM_PEG,
    TERM_POST_ONLY,
    TERM_REDUCE_ONLY,
    TERM_REPRICE,
    TRIGGER_PASSED,
    UNKNOWN_ORDER,
    USER_CANCEL,
)
from tapewire.market.layout import ASK, BID, NIL, level_at, rung_at, side_at
from tapewire.market.queues import best_key


@jit
def arrive_new(market: Any, execution: Any, index: int, is_open: bool, ts_event: int) -> None:
    """A new order reaches the exchange, whose book is open or halted."""
    own = own_at(execution.own_orders, index)
    own.ts_arrived = ts_event
    own.status = NEW
    if execution.contingent == 0 or begins(market, execution, index, ts_event):
        act(market, execution, index, is_open, ts_event)


@jit
def act(market: Any, execution: Any, index: int, is_open: bool, ts_event: int) -> None:
    """An order that has arrived, or an exit that has got lots, begins to count."""
    own = own_at(execution.own_orders, index)
    refused = band_fault(market, execution, own, own.price)
    if is_held(own.order_type):
        refused = trigger_fault(market, execution, own, own.trigger_price)
        if refused != NO_REASON and is_exit(own):  # who guards a position does not look away
            pull_trigger(execution, own, ts_event)
            refused = NO_REASON
    if refused != NO_REASON:
        close_own(execution, own, REJECTED, refused, ts_event)
    elif own.expire_ns <= ts_event:
        close_own(execution, own, EXPIRED, expiry_reason(own), ts_event)
    elif is_held(own.order_type):
        hold_stop(execution, index)
    else:
        enter(market, execution, index, is_open, ts_event)


@jit
def enter(market: Any, execution: Any, index: int, is_open: bool, ts_event: int) -> None:
    """An order acts for the first time: as it arrives, or a stop as it is triggered."""
    own = own_at(execution.own_orders, index)
    if own.terms & TERM_REDUCE_ONLY and not fits(execution, index):
        close_own(execution, own, REJECTED, REDUCE_ONLY, ts_event)
        return
    if has_terms(own) or is_protected(execution, own):
        fault = prepare(market, execution, index, is_open)
        if fault != NO_REASON:
            status = REJECTED if fault == POST_ONLY else EXPIRED
            close_own(execution, own, status, fault, ts_event)
            return
    _take_and_rest(market, execution, index, is_open, ts_event)


@jit_inline
def can_wait(own: Any) -> bool:
    """Whether an order may come to a halted book: else it would end, or rest where it takes."""
    force = own.time_in_force
    if force == FOK or (force == IOC and own.order_type == LIMIT):
        return False
    return own.terms & (TERM_MINIMUM | TERM_POST_ONLY | TERM_REPRICE) == 0


@jit_inline
def expiry_reason(own: Any) -> int:
    """Why an order expires whose time is over."""
    return SESSION_CLOSE if own.time_in_force == DAY else GOOD_TILL_DATE


@jit
def arrive_replace(
    market: Any, execution: Any, index: int, price: int, quantity: int, is_open: bool,
    ts_event: int, of_trigger: bool = False,
) -> int:  # fmt: skip
    """A replace reaches the exchange; why it is refused, or NO_REASON.

    ``quantity`` is the new total, as in FIX: lots already filled count. Less at the same price
    keeps its place; a new price or more lots lose it. ``of_trigger``: the price is a stop's new
    trigger. What is refused leaves the order as it is. Of a group's order the price changes only,
    of a pegged one the quantity.
    """
    own = own_at(execution.own_orders, index)
    if own.terms & TERM_GROUP and is_live(own):
        quantity = own.quantity
    if own.terms & TERM_PEG:
        price = own.price
    refused = _replace_fault(market, execution, own, price, quantity, of_trigger, is_open)
    if refused != NO_REASON:
        return refused
    own.replaces += 1
    own.ts_replaced = ts_event
    if is_dormant(own):
        if of_trigger:
            own.trigger_price = price
        else:
            own.price = price
        return NO_REASON
    if quantity <= own.filled:
        own.quantity = own.filled
        unrest(execution, index)
        close_own(execution, own, CANCELED, USER_CANCEL, ts_event)
        return NO_REASON
    if price == (own.trigger_price if of_trigger else own.price) and quantity <= own.quantity:
        own.quantity = quantity
        own.shown = min(own.shown, quantity - own.filled)
        return NO_REASON
    unrest(execution, index)
    own.quantity = quantity
    if of_trigger:
        own.trigger_price = price
    else:
        own.price = price
    if is_held(own.order_type):
        hold_stop(execution, index)
        return NO_REASON
    if is_open and own.terms & TERM_REPRICE:
        reprice(market, execution, own)
    if own.terms & TERM_REDUCE_ONLY and not fits(execution, index):
        close_own(execution, own, CANCELED, REDUCE_ONLY, ts_event)
        return NO_REASON
    _take_and_rest(market, execution, index, is_open, ts_event)
    return NO_REASON


@jit
def _replace_fault(
    market: Any, execution: Any, own: Any, price: int, quantity: int, of_trigger: bool,
    is_open: bool,
) -> int:  # fmt: skip
    """Why a replace is refused, or NO_REASON."""
    if not is_live(own):
        return UNKNOWN_ORDER
    if of_trigger:
        if own.ts_triggered != 0:
            return TRIGGER_PASSED
        return trigger_fault(market, execution, own, price)
    if quantity <= own.filled or own.order_type != LIMIT:
        return NO_REASON
    refused = NO_REASON
    if price != own.price:
        refused = band_fault(market, execution, own, price)
    if refused == NO_REASON and is_open:
        refused = makes_only_fault(market, execution, own, price)
    return refused


@jit
def arrive_cancel(execution: Any, index: int, reason: int, ts_event: int) -> bool:
    """A cancel reaches the exchange; False if the order is no longer there."""
    own = own_at(execution.own_orders, index)
    if not is_live(own):
        return False
    cancel_resting(execution, index, reason, ts_event)
    return True


@jit
def _take_and_rest(market: Any, execution: Any, index: int, is_open: bool, ts_event: int) -> None:
    """Take what the order meets; what is left of it rests, waits or ends."""
    own = own_at(execution.own_orders, index)
    if is_open and _meets(market, execution, own):
        take(market, execution, index, 0, ts_event)
        if own.filled == own.quantity or not is_live(own):
            return
    if not is_open and own.order_type != LIMIT and execution.market_waits != 0:
        wait(execution, index)
    elif own.order_type != LIMIT or own.time_in_force == IOC or own.time_in_force == FOK:
        reason = NO_LIQUIDITY if is_open else MARKET_HALTED
        close_own(execution, own, EXPIRED, reason, ts_event)
    else:
        rest(market, execution, index)


@jit_inline
def _meets(market: Any, execution: Any, own: Any) -> bool:
    """Whether the other side's best level is within the order's price."""
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * party_at(execution.parties, own.leg).book + side)
    if first_met(execution, own) != NIL:
        return True
    if ladder.n == 0:
        return False
    key = best_key(market, ladder)
    best = -key if side == ASK else key
    return own.order_type != LIMIT or (best - own.price) * own.side <= 0


@jit
def take(market: Any, execution: Any, index: int, touched: int, ts_event: int) -> int:
    """Walk the other side of the book, best level first, each level in queue order.

    ``touched`` real orders were taken from before; returns how many with this one.
    """
    own = own_at(execution.own_orders, index)
    if rules_at(execution.rules, own.leg).self_trade != 0:
        return take_among(market, execution, index, touched, ts_event)
    party = party_at(execution.parties, own.leg)
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * party.book + side)
    for k in range(ladder.n - 1, -1, -1):
        rung = rung_at(market.rungs, ladder.offset + k)
        price = -rung.key if side == ASK else rung.key
        if own.order_type == LIMIT and (price - own.price) * own.side > 0:
            break
        head = level_at(market.levels, rung.level).head
        wanted = own.quantity - own.filled
        taken, _, touched = claim_queue(market, execution, head, party.owner, wanted, touched, 0)
        if execution.claim_shortage != 0:
            break
        if taken > 0:
            fill_price = taking_price(execution, own, price, taken, ts_event)
            fill(execution, index, fill_price, taken, TAKER, BY_TAKING, ts_event)
        if own.filled == own.quantity:
            break
    return touched


@jit
def take_waiting(market: Any, execution: Any, index: int, touched: int, ts_event: int) -> int:
    """The book has reopened: a market order that waited for it takes, and ends or rests.

    ``touched`` and the return value are as in `take`.
    """
    own = own_at(execution.own_orders, index)
    stop_waiting(execution, index)
    if own.order_type != MARKET or is_protected(execution, own):
        if not bound_price(market, execution, own):
            close_own(execution, own, EXPIRED, NO_LIQUIDITY, ts_event)
            return touched
    touched = take(market, execution, index, touched, ts_event)
    if own.filled == own.quantity or not is_live(own) or execution.claim_shortage != 0:
        return touched
    if own.order_type == LIMIT and own.time_in_force != IOC:
        rest(market, execution, index)
    else:
        close_own(execution, own, EXPIRED, NO_LIQUIDITY, ts_event)
    return touched


@jit
def cancel_resting(execution: Any, order: int, reason: int, ts_event: int) -> None:
    """The exchange takes a working order out by itself."""
    own = own_at(execution.own_orders, order)
    unrest(execution, order)
    close_own(execution, own, CANCELED, reason, ts_event)
