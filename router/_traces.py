"""What an event leaves behind for resting simulated orders and for strategies that watch trades.

Traces are kept only while somebody may need them, and freed when the event is finished.
"""

from typing import Any

from tapewire.execution._layout import (
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_TRADE,
    trace_at,
)
from tapewire.market._book import side_of
from tapewire.market._ids import find_order
from tapewire.market._layout import (
    ASK,
    BID,
    book_at,
    order_at,
)
from tapewire.market.jit import jit, jit_inline
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_TOB,
    SIDE_ASK,
    UNDEF_PRICE,
)

from ._layout import (
    ALWAYS,
    NIL,
    ON_TRADE,
)


@jit
def _push_trace(execution: Any, watch: Any, kind: int, side: int, price: int, lots: int) -> int:
    index = execution.trace_free
    trace = trace_at(execution.traces, index)
    execution.trace_free = trace.next
    execution.trace_free_n -= 1
    trace.kind = kind
    trace.side = side
    trace.price = price
    trace.lots = lots
    trace.stamp = NIL
    trace.order_id = 0
    trace.order = NIL
    trace.next = NIL
    if watch.traces_tail == NIL:
        watch.traces = index
    else:
        trace_at(execution.traces, watch.traces_tail).next = index
    watch.traces_tail = index
    watch.wake = ALWAYS
    return index


@jit
def free_traces(execution: Any, watch: Any) -> None:
    index = watch.traces
    while index != NIL:
        trace = trace_at(execution.traces, index)
        following = trace.next
        trace.next = execution.trace_free
        execution.trace_free = index
        execution.trace_free_n += 1
        index = following
    watch.traces = NIL
    watch.traces_tail = NIL


@jit_inline
def note_trade_record(market: Any, execution: Any, watch: Any, book: int, record: Any) -> None:
    """Before a T or F is applied: remember what resting simulated orders must be told."""
    side = side_of(record)
    if record.action == ACTION_TRADE:
        watch.volume += record.size
        if watch.subscriptions & ON_TRADE:
            _push_trace(execution, watch, TRACE_TRADE, side, record.price, record.size)
        return
    # Volume at better prices than any simulated order's could not have been theirs.
    at_or_past_bid = (side == BID) & (record.price <= watch.own_bid)
    at_or_past_ask = (side == ASK) & (record.price >= watch.own_ask)
    if at_or_past_bid | at_or_past_ask:
        _note_fill(market, execution, watch, book, side, record)


@jit
def _note_fill(market: Any, execution: Any, watch: Any, book: int, side: int, record: Any) -> None:
    state = book_at(market.books, book)
    aggressors_own = state.trade_side == side or (
        record.order_id != 0 and record.order_id == state.trade_order_id
    )
    if watch.resting == 0 or aggressors_own:
        return
    # At the price itself only volume from behind the first of them counts.
    first_stamp = watch.own_bid_stamp if side == BID else watch.own_ask_stamp
    if record.price != (watch.own_bid if side == BID else watch.own_ask):
        first_stamp = ALWAYS
    index = find_order(market, book, record.order_id)
    if index == NIL:
        if first_stamp == ALWAYS:
            _push_trace(execution, watch, TRACE_FILL, side, record.price, record.size)
        return
    order = order_at(market.orders, index)
    shown = order.size - (order.filled if order.event == state.event else 0)
    shown = min(max(shown, 0), record.size)
    if shown > 0 and order.stamp > first_stamp:
        trace = _push_trace(execution, watch, TRACE_FILL, side, record.price, shown)
        trace_at(execution.traces, trace).stamp = order.stamp
    if shown < record.size:  # later clips of an iceberg: each stood at the back of the queue
        trace = _push_trace(execution, watch, TRACE_FILL, side, record.price, record.size - shown)
        trace_at(execution.traces, trace).stamp = market.stamp


@jit_inline
def crosses(watch: Any, record: Any) -> bool:
    """Whether an add or modify reaches across a resting simulated order."""
    sells = record.side == SIDE_ASK
    below = record.price <= watch.own_bid
    above = record.price >= watch.own_ask
    # Not a conditional expression: sides come in no order, a branch on them is guessed wrong.
    reaches = (below & sells) | (above & (not sells))
    if not reaches:  # nearly always, whatever the record is
        return False
    return (
        watch.resting > 0
        and (record.action == ACTION_ADD or record.action == ACTION_MODIFY)
        and side_of(record) != NIL
        and record.price != UNDEF_PRICE
    )


@jit
def note_incoming(execution: Any, watch: Any, record: Any) -> None:
    index = _push_trace(
        execution, watch, TRACE_INCOMING, side_of(record), record.price, record.size
    )
    if not record.flags & F_TOB:
        trace_at(execution.traces, index).order_id = record.order_id
