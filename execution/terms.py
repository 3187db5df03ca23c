"""Kernels of what an order asks for beside price and quantity: whether it goes together.

This is looked at before the order leaves. What the venue asks of it then is in `entering`.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import ALWAYS, NEVER, own_at
from tapewire.execution.words import (
    DENIED,
    ENTRY_DENIED,
    FOK,
    GTC,
    GTD,
    INVALID_PRICE,
    INVALID_QUANTITY,
    INVALID_TERMS,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    NO_REASON,
    PEG_OPPOSITE,
    PEG_TOUCH,
    STOP,
    STOP_LIMIT,
    TERM_DISPLAY,
    TERM_EXPIRES,
    TERM_GROUP,
    TERM_MINIMUM,
    TERM_PEG,
    TERM_POST_ONLY,
    TERM_REDUCE_ONLY,
    TERM_REPRICE,
    TERM_STOP,
)
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE

#: Lots one order may have.
QUANTITY_MAX: Final = 2**31 - 1
_MAKES_ONLY: Final = TERM_POST_ONLY | TERM_REPRICE
_HANGS: Final = TERM_GROUP | TERM_PEG | TERM_REDUCE_ONLY
_KNOWN: Final = _MAKES_ONLY | TERM_EXPIRES | TERM_MINIMUM | TERM_STOP | TERM_DISPLAY | _HANGS


@jit_inline
def has_terms(own: Any) -> bool:
    """Whether an order is more than a market or limit order, GTC or IOC."""
    return own.terms != 0 or own.order_type > LIMIT or own.time_in_force > IOC


@jit_inline
def has_price(order_type: int) -> bool:
    """Whether an order of a type is sent with a limit price."""
    return order_type == LIMIT or order_type == STOP_LIMIT


@jit_inline
def is_held(order_type: int) -> bool:
    """Whether an order of a type waits for its trigger."""
    return order_type == STOP or order_type == STOP_LIMIT


@jit_inline
def quantity_fault(rules: Any, quantity: int) -> bool:
    """Whether a quantity is none, too much, less than the venue's least or no multiple of a lot."""
    if quantity < rules.min_lots or quantity > QUANTITY_MAX:
        return True
    return rules.lot > 1 and quantity % rules.lot != 0


@jit_inline
def price_fault(rules: Any, price: int) -> bool:
    """Whether a price is none, or not a multiple of the tick size."""
    if price == UNDEF_PRICE or price == ALWAYS:
        return True
    return rules.tick_size > 0 and price % rules.tick_size != 0


@jit
def no_rules(rules: Any) -> None:
    """Have a party's venue ask nothing of its orders, of which none waits."""
    rules.expire_due = NEVER
    rules.tick_size = 0
    rules.protection = NIL
    rules.band = NIL
    rules.lot = 1
    rules.min_lots = 1
    rules.stop_buys = NIL
    rules.stop_sells = NIL
    rules.stops = 0
    rules.pegs = 0
    rules.groups = 0
    rules.reduces = 0
    rules.self_trade = 0


@jit
def terms_fault(execution: Any, rules: Any, own: Any) -> int:
    """Why an order that has terms can't be sent, or NO_REASON."""
    terms = own.terms
    kind = own.order_type
    force = own.time_in_force
    at_once = force == IOC or force == FOK
    if terms & ~_KNOWN or is_held(kind) != (terms & TERM_STOP != 0):
        return INVALID_TERMS
    if (force == GTD) != (terms & TERM_EXPIRES != 0):
        return INVALID_TERMS
    if kind == MARKET and not at_once:
        return INVALID_TERMS
    makes_only = terms & _MAKES_ONLY
    if makes_only != 0 and (
        kind != LIMIT or at_once or terms & TERM_MINIMUM or makes_only == _MAKES_ONLY
    ):
        return INVALID_TERMS
    if terms & (TERM_GROUP | TERM_PEG):
        fault = _hanging_fault(execution, rules, own, at_once)
        if fault != NO_REASON:
            return fault
    if makes_only == TERM_REPRICE and rules.tick_size == 0:
        return INVALID_TERMS
    if terms & TERM_MINIMUM:
        if kind == MARKET_TO_LIMIT or is_held(kind) or force == FOK:
            return INVALID_TERMS
        if own.min_quantity <= 0 or own.min_quantity > own.quantity:
            return INVALID_QUANTITY
    if terms & TERM_DISPLAY:
        if at_once or kind == MARKET or kind == STOP:
            return INVALID_TERMS
        if own.display_quantity <= 0 or own.display_quantity > own.quantity:
            return INVALID_QUANTITY
    if terms & TERM_STOP and price_fault(rules, own.trigger_price):
        return INVALID_PRICE
    return NO_REASON


@jit
def _hanging_fault(execution: Any, rules: Any, own: Any, at_once: bool) -> int:
    """Why an order of a group, or a pegged one, can't be sent, or NO_REASON."""
    if own.terms & TERM_PEG:
        alone = own.terms & ~(TERM_PEG | TERM_DISPLAY | TERM_REDUCE_ONLY | TERM_EXPIRES) == 0
        rests = own.order_type == LIMIT and not at_once
        known = PEG_TOUCH <= own.peg <= PEG_OPPOSITE and rules.tick_size > 0
        return NO_REASON if alone and rests and known else INVALID_TERMS
    if own.link == NIL:
        return INVALID_TERMS
    if own.parent == NIL:
        return NO_REASON
    if own_at(execution.own_orders, own.parent).status == DENIED:
        return ENTRY_DENIED
    return NO_REASON if own.time_in_force == GTC else INVALID_TERMS


@jit_inline
def is_free(own: Any) -> bool:
    """Whether an order is pegged and has no limit price."""
    return own.terms & TERM_PEG != 0 and own.price == UNDEF_PRICE
