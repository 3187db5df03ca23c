"""Word from the exchange to a strategy: when it gets there, and the log of orders' changes."""

from typing import Any

from tapewire.compiled.jit import jit, word
from tapewire.execution.codes import OrderEvent, OrderStatus
from tapewire.execution.latency import response_ns
from tapewire.execution.layout import event_row_at, own_at, session_at
from tapewire.market.records import UNDEF_PRICE

from ._layout import (
    NOTICE_FEED,
    TELL_ACCEPTED,
    TELL_REFUSED,
    TELL_REPLACED,
    instance_at,
    leg_at,
    message_at,
)
from ._messages import tell_strategy

SENT = word(OrderEvent.SENT)
CANCEL_SENT = word(OrderEvent.CANCEL_SENT)
REPLACE_SENT = word(OrderEvent.REPLACE_SENT)
ORDER_DENIED = word(OrderEvent.DENIED)
REQUEST_REFUSED = word(OrderEvent.REFUSED)
_ACCEPTED = word(OrderEvent.ACCEPTED)
_REPLACED = word(OrderEvent.REPLACED)
_PARTIALLY_FILLED = word(OrderEvent.PARTIALLY_FILLED)
_FILLED = word(OrderEvent.FILLED)
_CANCELED = word(OrderEvent.CANCELED)
_EXPIRED = word(OrderEvent.EXPIRED)
_STATUS_EXPIRED = int(OrderStatus.EXPIRED)


@jit
def notify(
    execution: Any, router: Any, leg_index: int, order: int, kind: int, ts_event: int,
    captured_ns: int,
) -> int:  # fmt: skip
    """Send word of something at the exchange to the leg's strategy; returns the message.

    It takes the response latency. Under ``fill_notice: feed`` what a market record caused is known
    no earlier than that record, captured at ``captured_ns`` (0: no record did it), and what one
    exchange session tells keeps its order.
    """
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    due = response_ns(instance, ts_event)
    if router.fill_notice == NOTICE_FEED:
        due = max(due, captured_ns + instance.feed_ns, leg.notice_floor)
        leg.notice_floor = due
    return tell_strategy(router, execution, leg.instance, due, kind, order)


@jit
def log_event(
    execution: Any, order: int, event: int, reason: int, ts_event: int, ts_known: int
) -> int:
    """Write a row about an order as it is now; returns the row. Only where a log is kept."""
    own = own_at(execution.own_orders, order)
    session = session_at(execution.sessions, own.leg)
    index = execution.event_n
    row = event_row_at(execution.events, index)
    execution.event_n += 1
    row.leg = own.leg
    row.client_order_id = own.client_order_id
    row.publisher_id = session.publisher_id
    row.instrument_id = session.instrument_id
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
    return index


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
def log_answer(
    execution: Any, router: Any, told: int, ts_event: int, old_price: int, old_quantity: int
) -> None:
    """Write the row of what a message tells the strategy, unless that is a fill."""
    message = message_at(router.messages, told)
    own = own_at(execution.own_orders, message.order)
    reason = message.reason
    event = _ACCEPTED
    if message.kind == TELL_REPLACED:
        event = _REPLACED
    elif message.kind == TELL_REFUSED:
        event = REQUEST_REFUSED
    elif message.kind != TELL_ACCEPTED:
        reason = own.reason
        event = _EXPIRED if own.status == _STATUS_EXPIRED else _CANCELED
    clock = instance_at(router.instances, leg_at(router.legs, own.leg).instance).clock
    row = log_event(execution, message.order, event, reason, ts_event, max(message.ts, clock))
    if message.quantity > 0 and (message.kind == TELL_REPLACED or message.kind == TELL_REFUSED):
        log_replace(execution, row, message.price, message.quantity, old_price, old_quantity)


@jit
def log_fill(execution: Any, fill: Any) -> None:
    """Write the row of a fill."""
    own = own_at(execution.own_orders, fill.order)
    own.settled += fill.last_qty
    event = _FILLED if own.settled == own.quantity else _PARTIALLY_FILLED
    index = log_event(execution, fill.order, event, 0, fill.ts_event, fill.ts_known)
    row = event_row_at(execution.events, index)
    row.last_px = fill.last_px
    row.last_qty = fill.last_qty
