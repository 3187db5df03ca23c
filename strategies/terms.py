"""Terms of an order, for compiled strategies: stops, and what is asked for beside price and lots.

A term is set on a handle in the callback that submitted the order, which leaves when the callback
returns. Later it changes nothing. What does not go together is denied: ``INVALID_TERMS``.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.execution.layout import execution_at, own_at
from tapewire.execution.words import (
    MARKET_TO_LIMIT,
    STOP,
    STOP_LIMIT,
    TERM_DISPLAY,
    TERM_EXPIRES,
    TERM_MINIMUM,
    TERM_POST_ONLY,
    TERM_REPRICE,
    TERM_STOP,
)
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.context import submit_order

_INDEX_MASK: Final = 0xFFFFFFFF
#: Lots that an order can't have.
_NO_LOTS: Final = -1
_LOTS_MAX: Final = 2**31 - 1


@jit_entry
def submit_stop(ctx: Any, side: int, trigger_price: int, quantity: int, time_in_force: int) -> int:
    """Send a stop order, a market order once the market trades at its trigger; its handle."""
    handle = submit_order(ctx, side, STOP, UNDEF_PRICE, quantity, time_in_force)
    _set_trigger(ctx, handle, trigger_price)
    return handle


@jit_entry
def submit_stop_limit(
    ctx: Any, side: int, trigger_price: int, price: int, quantity: int, time_in_force: int
) -> int:
    """Send a stop-limit order, a limit order once the market trades at its trigger; its handle."""
    handle = submit_order(ctx, side, STOP_LIMIT, price, quantity, time_in_force)
    _set_trigger(ctx, handle, trigger_price)
    return handle


@jit_entry
def submit_market_to_limit(ctx: Any, side: int, quantity: int, time_in_force: int) -> int:
    """Send an order that takes the best price only, and rests there; its handle."""
    return submit_order(ctx, side, MARKET_TO_LIMIT, UNDEF_PRICE, quantity, time_in_force)


@jit_entry
def post_only(ctx: Any, handle: int) -> None:
    """Have an order rejected rather than take."""
    if may_set(ctx, handle):
        record_of(ctx, handle).terms |= TERM_POST_ONLY


@jit_entry
def post_only_reprice(ctx: Any, handle: int) -> None:
    """Have an order go one tick behind the other side's best price rather than take."""
    if may_set(ctx, handle):
        record_of(ctx, handle).terms |= TERM_REPRICE


@jit_entry
def expire_at(ctx: Any, handle: int, ts_ns: int) -> None:
    """Have an order, sent as GTD, expire at a time of the exchange."""
    if may_set(ctx, handle):
        own = record_of(ctx, handle)
        own.terms |= TERM_EXPIRES
        own.expire_ns = ts_ns


@jit_entry
def take_at_least(ctx: Any, handle: int, lots: int) -> None:
    """Have an order take that many lots on arrival, or none and end."""
    if may_set(ctx, handle):
        own = record_of(ctx, handle)
        own.terms |= TERM_MINIMUM
        own.min_quantity = _lots(lots)


@jit_entry
def show_at_most(ctx: Any, handle: int, lots: int) -> None:
    """Have an order show that many lots, and as many again when they are gone: an iceberg."""
    if may_set(ctx, handle):
        own = record_of(ctx, handle)
        own.terms |= TERM_DISPLAY
        own.display_quantity = _lots(lots)


@jit
def set_terms(
    ctx: Any, handle: int, terms: int, trigger_price: int, expire_ns: int, min_quantity: int,
    display_quantity: int,
) -> None:  # fmt: skip
    """Give an order several terms at once; values that ``terms`` does not name mean nothing."""
    if not may_set(ctx, handle):
        return
    own = record_of(ctx, handle)
    own.terms |= terms
    if terms & TERM_STOP:
        own.trigger_price = trigger_price
    if terms & TERM_EXPIRES:
        own.expire_ns = expire_ns
    if terms & TERM_MINIMUM:
        own.min_quantity = _lots(min_quantity)
    if terms & TERM_DISPLAY:
        own.display_quantity = _lots(display_quantity)


@jit
def may_set(ctx: Any, handle: int) -> bool:
    """Whether the order has not left yet."""
    if handle == NIL:
        return False
    own = record_of(ctx, handle)
    return own.generation == handle >> 32 and own.sends == 0


@jit_inline
def record_of(ctx: Any, handle: int) -> Any:
    """The record that a handle names."""
    return own_at(execution_at(ctx.execution, 0).own_orders, handle & _INDEX_MASK)


@jit_inline
def _lots(lots: int) -> int:
    """Lots as a record holds them; none if there can't be so many."""
    return lots if 0 < lots <= _LOTS_MAX else _NO_LOTS


@jit_inline
def _set_trigger(ctx: Any, handle: int, trigger_price: int) -> None:
    """Make an order that was just opened a stop."""
    if may_set(ctx, handle):
        own = record_of(ctx, handle)
        own.terms |= TERM_STOP
        own.trigger_price = trigger_price
