"""Requests of strategies that are not compiled: by address and whole numbers, in 0.1 µs."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from tapewire.compiled.jit import entry_of, jit_entry
from tapewire.features.evaluating import evaluate_one
from tapewire.strategies.context import (
    cancel,
    lots_ahead,
    orders_ahead,
    replace,
    set_timer,
    submit_order,
)
from tapewire.strategies.contingent import attach, mass_cancel, oco, peg, reduce_only, short_lots
from tapewire.strategies.layout import context_at
from tapewire.strategies.terms import set_terms

# What `hang_at` is asked for.
REDUCE_ONLY: Final = 1  # an order
PEG: Final = 2  # an order, its reference, ticks
OCO: Final = 3  # two orders, at once
ATTACH: Final = 4  # an entry, its exit
MASS_CANCEL: Final = 5  # a leg


@jit_entry
def submit_at(
    context: int, leg: int, side: int, order_type: int, price: int, quantity: int,
    time_in_force: int,
) -> int:  # fmt: skip
    """Send an order on a leg; its handle, or -1 if there have been too many requests."""
    ctx = context_at(context, 0)
    at_hand = ctx.leg
    ctx.leg = leg
    handle = submit_order(ctx, side, order_type, price, quantity, time_in_force)
    ctx.leg = at_hand
    return handle


@jit_entry
def submit_terms_at(
    context: int, leg: int, side: int, order_type: int, price: int, quantity: int,
    time_in_force: int, terms: int, trigger_price: int, expire_ns: int, min_quantity: int,
    display_quantity: int,
) -> int:  # fmt: skip
    """As `submit_at`, of an order that has terms."""
    handle = submit_at(context, leg, side, order_type, price, quantity, time_in_force)
    set_terms(
        context_at(context, 0), handle, terms, trigger_price, expire_ns, min_quantity,
        display_quantity,
    )  # fmt: skip
    return handle


@jit_entry
def hang_at(context: int, what: int, one: int, other: int, number: int) -> int:
    """Say what an order hangs on, or cancel all of a leg: one of the words above."""
    ctx = context_at(context, 0)
    if what == REDUCE_ONLY:
        reduce_only(ctx, one)
    elif what == PEG:
        peg(ctx, one, other, number)
    elif what == OCO:
        oco(ctx, one, other, number)
    elif what == ATTACH:
        attach(ctx, one, other)
    else:
        at_hand = ctx.leg
        ctx.leg = one
        mass_cancel(ctx)
        ctx.leg = at_hand
    return 0


@jit_entry
def cancel_at(context: int, handle: int) -> int:
    """Ask for an order to be canceled."""
    cancel(context_at(context, 0), handle)
    return 0


@jit_entry
def replace_at(context: int, handle: int, price: int, quantity: int) -> int:
    """Ask for a new price and total quantity of an order."""
    replace(context_at(context, 0), handle, price, quantity)
    return 0


@jit_entry
def set_timer_at(context: int, leg: int, ts_ns: int, timer_id: int) -> int:
    """Ask to be called at a local time."""
    ctx = context_at(context, 0)
    at_hand = ctx.leg
    ctx.leg = leg
    set_timer(ctx, ts_ns, timer_id)
    ctx.leg = at_hand
    return 0


@jit_entry
def orders_ahead_at(context: int, handle: int) -> int:
    """Orders ahead of an open order in its queue."""
    return orders_ahead(context_at(context, 0), handle)


@jit_entry
def lots_ahead_at(context: int, handle: int) -> int:
    """Lots ahead of an open order in its queue."""
    return lots_ahead(context_at(context, 0), handle)


@jit_entry
def short_lots_at(context: int) -> int:
    """Lots held short in the book at hand."""
    return short_lots(context_at(context, 0))


@cache
def feature_entry() -> Callable[..., Any]:
    """The way into the kernel that works out one feature."""
    return entry_of(evaluate_one)


def load_kernels() -> None:
    """Compile, or load, what strategies in plain Python call."""
    entries()
    feature_entry()


@cache
def entries() -> tuple[Callable[..., Any], ...]:
    """The ways into the kernels above, in their order."""
    return tuple(
        entry_of(kernel)
        for kernel in (
            submit_at, cancel_at, replace_at, set_timer_at, orders_ahead_at, lots_ahead_at,
            submit_terms_at, hang_at, short_lots_at,
        )
    )  # fmt: skip
