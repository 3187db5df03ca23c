"""Kernels of a simulated order's life: from the pool, through what is reported, back to the pool.

What its strategy has been told of it is in `knowledge`. ``open_orders`` of a function is the record
that heads a strategy's list of orders that it believes open, oldest first: anything with
``open_head`` and ``open_tail``.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.groups import leave_group, note_end, note_fill
from tapewire.execution.knowledge import is_known_open
from tapewire.execution.layout import (
    NEVER,
    fill_row_at,
    order_extra_at,
    order_row_at,
    own_at,
    party_at,
    tally_at,
)
from tapewire.execution.pricing import commission
from tapewire.execution.words import (
    BY_SETTLEMENT,
    FILLED,
    NEW,
    NO_EFFECT,
    NO_REASON,
    PARTIALLY_FILLED,
    PENDING_NEW,
    TERM_GROUP,
)
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE

# --- the pool ------------------------------------------------------------------------------------


@jit
def open_order(
    execution: Any, open_orders: Any, leg: int, now_ns: int, client_order_id: int, side: int,
    order_type: int, price: int, quantity: int, time_in_force: int,
) -> int:  # fmt: skip
    """Take a free order record and put it last among the open ones; returns its index."""
    index = execution.own_free
    own = own_at(execution.own_orders, index)
    execution.own_free = own.next
    execution.own_free_n -= 1
    own.client_order_id = client_order_id
    own.leg = leg
    own.side = side
    own.order_type = order_type
    own.time_in_force = time_in_force
    own.price = price
    own.quantity = quantity
    own.filled = 0
    own.stamp = 0
    own.queue_ahead = -1
    own.orders_ahead = -1
    own.lots_ahead = -1
    own.ts_sent = now_ns
    own.ts_arrived = 0
    own.status = PENDING_NEW
    own.reason = 0
    own.known_status = PENDING_NEW
    own.known_price = price
    own.known_quantity = quantity
    own.known_filled = 0
    own.settled = 0
    own.replaces = 0
    own.ts_replaced = 0
    own.requests = 0
    own.sends = 0
    own.tells = 0
    own.messages = 0
    if _has_been_bound(own):
        _unbind(own)
    own.sent_type = order_type
    own.word_quantity = quantity
    own.open_prev = open_orders.open_tail
    own.open_next = NIL
    if open_orders.open_tail == NIL:
        open_orders.open_head = index
    else:
        own_at(execution.own_orders, open_orders.open_tail).open_next = index
    open_orders.open_tail = index
    return index


@jit_inline
def _has_been_bound(own: Any) -> bool:
    """Whether a free record has anything of terms or groups left in it, or is new."""
    return (
        own.terms != 0
        or own.expire_ns != NEVER  # it was for the day
        or own.cut_reason != 0  # it met another of its house
        or own.link != NIL  # as in new memory
    )


@jit
def _unbind(own: Any) -> None:
    """Have an order ask for nothing but its price and quantity, and hang on nothing.

    Most never did, so that their records' last lines are not written to.
    """
    own.trigger_price = UNDEF_PRICE
    own.ts_triggered = 0
    own.expire_ns = NEVER
    own.peg_offset = 0
    own.terms = 0
    own.min_quantity = 0
    own.display_quantity = 0
    own.shown = 0
    own.group = 0
    own.link = NIL
    own.link_prev = NIL
    own.parent_id = 0
    own.parent = NIL
    own.lots = 0
    own.uncut = 0
    own.cut_reason = 0
    own.hanging = 0
    own.peg = 0


@jit
def give_back(execution: Any, open_orders: Any, order: int) -> None:
    """Free a closed order's record, once nothing can name it any more."""
    own = own_at(execution.own_orders, order)
    if own.messages > 0 or is_known_open(own):
        return
    if own.status == PENDING_NEW or is_live(own):
        return
    if own.open_prev == NIL:
        open_orders.open_head = own.open_next
    else:
        own_at(execution.own_orders, own.open_prev).open_next = own.open_next
    if own.open_next == NIL:
        open_orders.open_tail = own.open_prev
    else:
        own_at(execution.own_orders, own.open_next).open_prev = own.open_prev
    if execution.contingent != 0 and own.terms & TERM_GROUP:
        leave_group(execution, own)
    own.generation += 1
    own.next = execution.own_free
    execution.own_free = order
    execution.own_free_n += 1


@jit_inline
def handle_of(own: Any, order: int) -> int:
    """What names an order to its strategy: stale once the record serves another order."""
    return (own.generation << 32) | order


# --- at the exchange -----------------------------------------------------------------------------


@jit_inline
def is_live(own: Any) -> bool:
    """Whether the exchange has the order working."""
    return own.status == NEW or own.status == PARTIALLY_FILLED


@jit
def fill(
    execution: Any, index: int, price: int, lots: int, liquidity: int, reason: int, ts_event: int
) -> None:
    """Give lots to an order and report it; the order too, if that was its last."""
    own = own_at(execution.own_orders, index)
    party = party_at(execution.parties, own.leg)
    own.filled += lots
    own.status = FILLED if own.filled == own.quantity else PARTIALLY_FILLED
    row = fill_row_at(execution.fills, execution.fill_n)
    execution.fill_n += 1
    row.leg = own.leg
    row.order = index
    row.client_order_id = own.client_order_id
    row.publisher_id = party.publisher_id
    row.instrument_id = party.instrument_id
    row.side = own.side
    row.last_px = price
    row.last_qty = lots
    row.liquidity = liquidity
    row.reason = reason
    row.commission = 0
    if reason != BY_SETTLEMENT:
        row.commission = commission(execution, own.leg, price, lots, liquidity, ts_event)
    row.ts_event = ts_event
    row.ts_placed = max(own.ts_arrived, own.ts_replaced)
    row.lots_ahead = own.queue_ahead
    row.impact = execution.impact
    row.effect = NO_EFFECT
    execution.impact = 0
    tally_at(execution.tallies, own.leg).position += own.side * lots
    if own.status == FILLED:
        write_order_row(execution, own, ts_event)
    if execution.contingent != 0:
        note_fill(execution, index, lots, ts_event)


@jit
def close_own(execution: Any, own: Any, status: int, reason: int, ts_closed: int) -> None:
    """End an order's life without a fill; the simulation's own keep what they were sent for."""
    own.status = status
    if own.reason == NO_REASON:
        own.reason = reason
    write_order_row(execution, own, ts_closed)
    if execution.contingent != 0:
        note_end(execution, own, ts_closed)


@jit
def write_order_row(execution: Any, own: Any, ts_closed: int) -> None:
    """Report an order whose life is over (or the data); room was made before."""
    party = party_at(execution.parties, own.leg)
    row = order_row_at(execution.orders, execution.order_n)
    execution.order_n += 1
    row.leg = own.leg
    row.client_order_id = own.client_order_id
    row.publisher_id = party.publisher_id
    row.instrument_id = party.instrument_id
    row.side = own.side
    row.order_type = own.sent_type
    row.time_in_force = own.time_in_force
    row.status = own.status
    row.reason = own.reason
    row.price = own.price
    row.quantity = own.quantity
    row.filled_qty = own.filled
    row.queue_ahead = own.queue_ahead
    row.ts_sent = own.ts_sent
    row.ts_arrived = own.ts_arrived
    row.ts_closed = ts_closed
    row.replaces = own.replaces
    row.ts_replaced = own.ts_replaced
    if own.terms != 0 or own.expire_ns != NEVER:
        write_order_extra(execution, own)


@jit
def write_order_limit(execution: Any, own: Any, value: int, found: int) -> None:
    """Add to the order reported last the numbers of the limit that stopped it."""
    last = execution.order_extra_n - 1
    if last < 0 or order_extra_at(execution.order_extras, last).row != execution.order_n - 1:
        write_order_extra(execution, own)
        last += 1
    row = order_extra_at(execution.order_extras, last)
    row.limit_value = value
    row.limit_found = found


@jit
def write_order_extra(execution: Any, own: Any) -> None:
    """Report what most orders don't have of the one reported last."""
    row = order_extra_at(execution.order_extras, execution.order_extra_n)
    execution.order_extra_n += 1
    row.row = execution.order_n - 1
    row.limit_value = 0
    row.limit_found = 0
    row.terms = own.terms
    row.expire_ns = own.expire_ns
    if own.terms == 0:
        row.trigger_price = UNDEF_PRICE
        row.ts_triggered = 0
        row.min_quantity = 0
        row.display_quantity = 0
        row.peg = 0
        row.peg_offset = 0
        row.group = 0
        row.parent = 0
        return
    row.trigger_price = own.trigger_price
    row.ts_triggered = own.ts_triggered
    row.min_quantity = own.min_quantity
    row.display_quantity = own.display_quantity
    row.peg = own.peg
    row.peg_offset = own.peg_offset
    row.group = own.group
    row.parent = own.parent_id
