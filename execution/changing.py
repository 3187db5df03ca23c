"""Kernels of orders that the exchange changes by itself, because of what happened to another.

See `groups` for the rules.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.groups import (
    DORMANT,
    ENTRY_DONE,
    GROWN,
    is_dormant,
    is_exit,
    reducible_lots,
)
from tapewire.execution.layout import own_at
from tapewire.execution.orders import close_own, is_live
from tapewire.execution.pegging import pegged_price
from tapewire.execution.resting import unrest
from tapewire.execution.words import (
    CANCELED,
    NO_REFERENCE,
    OTHER_FILLED,
    REDUCE_ONLY,
    REJECTED,
    TERM_GROUP,
    TERM_PEG,
)
from tapewire.market.records import UNDEF_PRICE


@jit
def begins(market: Any, execution: Any, index: int, ts_event: int) -> bool:
    """Whether an order that arrives may act now; else it waits for its entry, or has ended."""
    own = own_at(execution.own_orders, index)
    if own.terms & TERM_GROUP:
        if is_exit(own):
            own.hanging &= ~GROWN
            if own.lots == 0:
                own.hanging |= DORMANT
                if own.hanging & ENTRY_DONE:
                    cancel_cut(execution, index, ts_event)
                return False
            own.quantity = own.lots
        elif own.quantity == 0:
            cancel_cut(execution, index, ts_event)
            return False
    if own.terms & TERM_PEG:
        price = pegged_price(market, execution, index)
        if price == UNDEF_PRICE:
            close_own(execution, own, REJECTED, NO_REFERENCE, ts_event)
            return False
        own.price = price
    return True


@jit
def fits(execution: Any, index: int) -> bool:
    """Leave a reduce-only order no more lots than it may have; False if that is none."""
    own = own_at(execution.own_orders, index)
    lots = reducible_lots(execution, index)
    if lots == 0:
        return False
    if own.quantity - own.filled > lots:
        if own.uncut == 0:
            own.uncut = own.quantity
        own.cut_reason = REDUCE_ONLY
        own.quantity = own.filled + lots
    return True


@jit
def follow(execution: Any, index: int, ts_event: int) -> bool:
    """Carry out what a change means for an order; whether it is now to act as if it had arrived.

    An exit that grows loses its place, as an order does that gets more lots by a replace.
    """
    own = own_at(execution.own_orders, index)
    if not is_live(own):
        return False
    if not is_exit(own):
        if own.quantity == own.filled:
            unrest(execution, index)
            cancel_cut(execution, index, ts_event)
        return False
    grown = own.hanging & GROWN != 0
    own.hanging &= ~GROWN
    if own.lots == 0:
        if not is_dormant(own):
            unrest(execution, index)
            own.hanging |= DORMANT
            own.quantity = own.uncut
        if own.hanging & ENTRY_DONE:
            cancel_cut(execution, index, ts_event)
        return False
    if not grown:
        return False
    unrest(execution, index)
    own.quantity = own.filled + own.lots
    return True


@jit
def cancel_cut(execution: Any, index: int, ts_event: int) -> None:
    """End an order that has no lots left, with those it was sent with in its row."""
    own = own_at(execution.own_orders, index)
    if own.uncut != 0:
        own.quantity = own.uncut
    own.hanging &= ~DORMANT
    reason = own.cut_reason if own.cut_reason != 0 else OTHER_FILLED
    close_own(execution, own, CANCELED, reason, ts_event)
