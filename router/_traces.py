"""What an event leaves behind for resting simulated orders and for strategies that watch trades.

Traces are kept only while somebody may need them, and freed when the event is finished.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import (
    TRACE_AUCTION,
    TRACE_AUCTION_FILL,
    TRACE_CLEAR,
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_TRADE,
    TRACE_UNSEEN,
    trace_at,
)
from tapewire.market.applying import is_aggressors_own, side_of
from tapewire.market.ids import find_order
from tapewire.market.layout import (
    ASK,
    BID,
    GHOST,
    book_at,
    order_at,
)
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_SNAPSHOT,
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
    watch.unseen = NIL


@jit_inline
def note_trade_record(market: Any, execution: Any, watch: Any, book: int, record: Any) -> None:
    """Before a T, F or R is applied: remember what resting simulated orders must be told."""
    if record.action == ACTION_TRADE:
        side = side_of(record)
        watch.volume += record.size
        watch.unseen = NIL
        watch.in_auction = 0
        if watch.subscriptions & ON_TRADE:
            _push_trace(execution, watch, TRACE_TRADE, side, record.price, record.size)
        # Who trades at a worse price than ours would have met ours first.
        below = (side != BID) & (record.price < watch.own_bid)
        above = (side != ASK) & (record.price > watch.own_ask)
        if below | above | (side == NIL):
            _note_trade(execution, watch, side, record)
    elif record.action == ACTION_FILL:
        # Volume at better prices than any simulated order's could not have been theirs.
        at_or_past = (record.price <= watch.own_bid) | (record.price >= watch.own_ask)
        if at_or_past | (watch.unseen != NIL):
            _note_fill(market, execution, watch, book, record)
    elif watch.resting > 0 and not record.flags & F_SNAPSHOT:
        snapshots = book_at(market.books, book).snapshots
        _push_trace(execution, watch, TRACE_CLEAR, NIL, UNDEF_PRICE, snapshots)


@jit
def _note_trade(execution: Any, watch: Any, side: int, record: Any) -> None:
    if watch.resting == 0:
        return
    if side == NIL and watch.gapless == 0 and not record.flags & F_TOB:
        # Nobody aggresses in an auction, and only there orders that cross have waited.
        watch.in_auction = 1
        _push_trace(execution, watch, TRACE_AUCTION, NIL, record.price, record.size)
    elif execution.fills_unseen != 0:
        passive: Any = NIL
        if side != NIL:
            passive = ASK if side == BID else BID
        watch.unseen = _push_trace(
            execution, watch, TRACE_UNSEEN, passive, record.price, record.size
        )


@jit
def _note_fill(market: Any, execution: Any, watch: Any, book: int, record: Any) -> None:
    state = book_at(market.books, book)
    index = find_order(market, book, record.order_id)
    side = side_of(record)
    if index != NIL and order_at(market.orders, index).kind == GHOST:
        index = NIL
    if index != NIL:  # what the resting order says counts: implied and auction fills have no side
        side = order_at(market.orders, index).side
    if watch.resting == 0 or is_aggressors_own(state, side, record.order_id):
        return
    if watch.unseen != NIL and (index != NIL or side != NIL):
        unseen = trace_at(execution.traces, watch.unseen)
        unseen.lots = max(0, unseen.lots - record.size)
    if index == NIL:
        _note_unknown_fill(execution, watch, side, record)
        return
    order = order_at(market.orders, index)
    kind = TRACE_FILL
    if watch.in_auction != 0 or record.price != order.price:
        kind = TRACE_AUCTION_FILL
        if watch.in_auction == 0:
            _push_trace(execution, watch, TRACE_AUCTION, side, record.price, record.size)
        if record.price != order.price:
            return  # better than the auction's price: ours at it are behind
    if (record.price > watch.own_bid) if side == BID else (record.price < watch.own_ask):
        return
    # At the price itself only volume from behind the first of them counts.
    first_stamp = watch.own_bid_stamp if side == BID else watch.own_ask_stamp
    if record.price != (watch.own_bid if side == BID else watch.own_ask):
        first_stamp = ALWAYS
    shown = order.size - (order.filled if order.event == state.event else 0)
    shown = min(max(shown, 0), record.size)
    if shown > 0 and order.stamp > first_stamp:
        trace = _push_trace(execution, watch, kind, side, record.price, shown)
        trace_at(execution.traces, trace).stamp = order.stamp
    if shown < record.size:  # later clips of an iceberg: each stood at the back of the queue
        trace = _push_trace(execution, watch, kind, side, record.price, record.size - shown)
        trace_at(execution.traces, trace).stamp = market.stamp


@jit
def _note_unknown_fill(execution: Any, watch: Any, side: int, record: Any) -> None:
    """An F of an order nobody knows: implied or hidden, not known to stand behind anything."""
    if side == NIL or execution.fills_unseen == 0:
        return  # without a side it is a part of its T
    if (record.price < watch.own_bid) if side == BID else (record.price > watch.own_ask):
        _push_trace(execution, watch, TRACE_UNSEEN, side, record.price, record.size)


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
