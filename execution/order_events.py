"""Kernels that write the log of orders' changes, row by row; called only where a log is kept."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import event_row_at, own_at, party_at
from tapewire.execution.words import LOG_FILLED, LOG_PARTIALLY_FILLED
from tapewire.market.records import UNDEF_PRICE


@jit
def log_event(
    execution: Any, order: int, event: int, reason: int, ts_event: int, ts_known: int
) -> int:
    """Write a row about an order as it is now; returns the row. Only where a log is kept."""
    own = own_at(execution.own_orders, order)
    party = party_at(execution.parties, own.leg)
    index = execution.event_n
    row = event_row_at(execution.events, index)
    execution.event_n += 1
    row.leg = own.leg
    row.client_order_id = own.client_order_id
    row.publisher_id = party.publisher_id
    row.instrument_id = party.instrument_id
    row.side = own.side
    row.event = event
    row.reason = reason
    row.price = own.price
    row.quantity = own.quantity
    row.old_price = UNDEF_PRICE
    row.old_quantity = 0
    row.last_px = UNDEF_PRICE
    row.last_qty = 0
    row.filled_qty = own.settled
    row.ts_event = ts_event
    row.ts_known = ts_known
    row.limit_value = 0
    row.limit_found = 0
    return index


@jit
def log_limit(execution: Any, row: int, value: int, found: int) -> None:
    """Complete a row about what a limit has stopped."""
    event = event_row_at(execution.events, row)
    event.limit_value = value
    event.limit_found = found


@jit
def log_replace(
    execution: Any, row: int, price: int, quantity: int, old_price: int, old_quantity: int
) -> None:
    """Complete a row about a replace: wanted or done, from what to what."""
    replace = event_row_at(execution.events, row)
    replace.price = price
    replace.quantity = quantity
    replace.old_price = old_price
    replace.old_quantity = old_quantity


@jit
def log_fill(execution: Any, fill: Any) -> None:
    """Write the row of a fill."""
    own = own_at(execution.own_orders, fill.order)
    own.settled += fill.last_qty
    event = LOG_FILLED if own.settled == own.quantity else LOG_PARTIALLY_FILLED
    index = log_event(execution, fill.order, event, 0, fill.ts_event, fill.ts_known)
    row = event_row_at(execution.events, index)
    row.last_px = fill.last_px
    row.last_qty = fill.last_qty
