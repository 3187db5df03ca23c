"""Orders that hang on something, for compiled strategies: on a position, a price, another order.

As the terms of `terms`, all of it is set in the callback that submitted the orders.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_entry
from tapewire.execution.groups import CANCELS
from tapewire.execution.layout import HEDGES, REDUCES, execution_at, rules_at, tally_at
from tapewire.execution.words import (
    GTC,
    LIMIT,
    PEG_MID,
    PEG_OPPOSITE,
    PEG_TOUCH,
    TERM_GROUP,
    TERM_PEG,
    TERM_REDUCE_ONLY,
)
from tapewire.market.layout import NIL
from tapewire.strategies.context import first_open, is_open, next_open, request, submit_order
from tapewire.strategies.layout import REQUEST_CANCEL_ALL
from tapewire.strategies.terms import may_set, record_of

MID: Final = PEG_MID
TOUCH: Final = PEG_TOUCH
OPPOSITE: Final = PEG_OPPOSITE

_INDEX_MASK: Final = 0xFFFFFFFF
#: Ticks that an offset can't be further away than; INVALID_TERMS beyond.
_OFFSET_TICKS_MAX: Final = 1_000_000


@jit_entry
def reduce_only(ctx: Any, handle: int) -> None:
    """Have an order reduce the position only: cut to it, or rejected where there is none.

    In an account that hedges it closes lots of the side that it is against.
    """
    if may_set(ctx, handle):
        execution = execution_at(ctx.execution, 0)
        own = record_of(ctx, handle)
        own.terms |= TERM_REDUCE_ONLY
        rules_at(execution.rules, own.leg).reduces |= REDUCES
        execution.contingent = 1


@jit_entry
def long_lots(ctx: Any) -> int:
    """Lots held long in the book at hand, as far as it was told; with one side, if it is long."""
    return ctx.position + short_lots(ctx) if ctx.leg != NIL else 0


@jit_entry
def short_lots(ctx: Any) -> int:
    """Lots held short in the book at hand, as far as it was told; with one side, if it is short."""
    if ctx.leg == NIL:
        return 0
    execution = execution_at(ctx.execution, 0)
    if rules_at(execution.rules, ctx.leg).reduces & HEDGES:
        return tally_at(execution.tallies, ctx.leg).known_short
    return max(0, -ctx.position)


@jit_entry
def submit_pegged(
    ctx: Any, side: int, quantity: int, reference: int, offset_ticks: int, limit_price: int
) -> int:
    """Send an order whose price follows the market; its handle.

    ``reference`` is MID, TOUCH or OPPOSITE; ``offset_ticks`` count towards the other side;
    ``limit_price`` is the worst price, UNDEF_PRICE for none.
    """
    handle = submit_order(ctx, side, LIMIT, limit_price, quantity, GTC)
    peg(ctx, handle, reference, offset_ticks)
    return handle


@jit_entry
def peg(ctx: Any, handle: int, reference: int, offset_ticks: int) -> None:
    """Have a limit order's price follow the market, within its limit: see `submit_pegged`."""
    if may_set(ctx, handle):
        execution = execution_at(ctx.execution, 0)
        own = record_of(ctx, handle)
        own.terms |= TERM_PEG
        own.peg = reference if abs(offset_ticks) <= _OFFSET_TICKS_MAX else NIL
        own.peg_limit = own.price
        own.peg_offset = offset_ticks * rules_at(execution.rules, own.leg).tick_size
        execution.contingent = 1


@jit_entry
def oco(ctx: Any, one: int, other: int, at_once: int = 0) -> None:
    """Join two orders of a book, each perhaps in a group already: what fills is taken off the rest.

    Lots that one fills are taken off each of the others, which are canceled when none are left;
    with ``at_once`` the first fill of any of these two cancels the others.
    """
    if _join(ctx, one, other) and at_once != 0:
        record_of(ctx, one).hanging |= CANCELS
        record_of(ctx, other).hanging |= CANCELS


@jit_entry
def bracket(ctx: Any, entry: int, take_profit: int, stop_loss: int) -> None:
    """Make two orders the exits of an entry: they have the lots it has filled, between them."""
    attach(ctx, entry, take_profit)
    attach(ctx, entry, stop_loss)


@jit_entry
def attach(ctx: Any, entry: int, exit_order: int) -> None:
    """Make an order an exit of an entry; one to a bracket, or one of several."""
    if not _join(ctx, entry, exit_order):
        return
    own = record_of(ctx, exit_order)
    own.parent = entry & _INDEX_MASK
    own.parent_id = record_of(ctx, entry).client_order_id
    own.uncut = own.quantity


@jit
def _join(ctx: Any, one: int, other: int) -> bool:
    """Put the second order into the first one's group; False, and denied, if that can't be."""
    if not may_set(ctx, other):
        return False
    execution = execution_at(ctx.execution, 0)
    second = record_of(ctx, other)
    second.terms |= TERM_GROUP
    execution.contingent = 1
    if one == other or not may_set(ctx, one) or second.link != NIL:
        return False
    first = record_of(ctx, one)
    if first.leg != second.leg:
        return False
    first.terms |= TERM_GROUP
    if first.link == NIL:
        rules = rules_at(execution.rules, first.leg)
        rules.groups += 1
        first.group = rules.groups
        first.link = one & _INDEX_MASK
        first.link_prev = one & _INDEX_MASK
    second.group = first.group
    second.link = first.link
    second.link_prev = one & _INDEX_MASK
    after = record_of(ctx, first.link)
    after.link_prev = other & _INDEX_MASK
    first.link = other & _INDEX_MASK
    return True


@jit_entry
def mass_cancel(ctx: Any) -> None:
    """Ask, in one message, for all its orders in this book to be canceled that are there by then.

    Each tells of its end (``MASS_CANCEL``); there is no other answer.
    """
    handle = first_open(ctx)
    while handle != NIL:
        if record_of(ctx, handle).leg == ctx.leg and is_open(ctx, handle):
            request(ctx, REQUEST_CANCEL_ALL, handle, 0, 0)
            return
        handle = next_open(ctx, handle)
