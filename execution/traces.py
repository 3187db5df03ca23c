"""Kernels of what an event leaves behind: for resting simulated orders, and for who watches trades.

Traces are kept only while somebody may need them, and freed when the event is finished. ``venue``
is what is kept per book, see `layout.VENUE_FIRST`.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import (
    ALWAYS,
    SHUT_STATES,
    TRACE_AUCTION,
    TRACE_AUCTION_FILL,
    TRACE_CLEAR,
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_TRADE,
    TRACE_TRIGGER,
    TRACE_UNSEEN,
    UNSEEN_IGNORED,
    UNSEEN_THROUGH,
    trace_at,
)
from tapewire.market.applying import is_aggressors_own, side_of
from tapewire.market.ids import find_order
from tapewire.market.layout import ASK, BID, GHOST, NIL, book_at, order_at
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

# What an event's traces are about.
FILLED_BIDS: Final = 1
FILLED_ASKS: Final = 2
BIDS_CAME_IN: Final = 4
ASKS_CAME_IN: Final = 8
CLEARED_AUCTION: Final = 16
CLEARED_BOOK: Final = 32
CAME_IN: Final = BIDS_CAME_IN | ASKS_CAME_IN

#: Traces one record may leave.
TRACES_OF_RECORD: Final = 3


@jit
def _push_trace(execution: Any, venue: Any, kind: int, side: int, price: int, lots: int) -> int:
    """Append a trace to the event's list; there is room for it."""
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
    if venue.traces_tail == NIL:
        venue.traces = index
    else:
        trace_at(execution.traces, venue.traces_tail).next = index
    venue.traces_tail = index
    venue.wake = ALWAYS
    return index


@jit
def free_traces(execution: Any, venue: Any) -> None:
    """Give the event's traces back."""
    index = venue.traces
    while index != NIL:
        trace = trace_at(execution.traces, index)
        following = trace.next
        trace.next = execution.trace_free
        execution.trace_free = index
        execution.trace_free_n += 1
        index = following
    venue.traces = NIL
    venue.traces_tail = NIL
    venue.unseen = NIL


@jit_inline
def note_trade_record(
    market: Any, execution: Any, venue: Any, book: int, record: Any, shows_trades: bool
) -> None:
    """Before a T, F or R is applied: remember what resting simulated orders must be told.

    ``shows_trades`` keeps a trace of every T that has a price, for strategies.
    """
    if record.action == ACTION_TRADE:
        side = side_of(record)
        venue.volume += record.size
        venue.unseen = NIL
        venue.in_auction = 0
        if record.price == UNDEF_PRICE:
            return  # it is nowhere: neither through an order, nor shown, nor an auction's
        if shows_trades:
            _push_trace(execution, venue, TRACE_TRADE, side, record.price, record.size)
        # Who trades at a worse price than ours would have met ours first.
        below = (side != BID) & (record.price < venue.own_bid)
        above = (side != ASK) & (record.price > venue.own_ask)
        quoted = book_at(market.books, book).quoted != 0
        if quoted or execution.fills_unseen > UNSEEN_THROUGH:
            below |= (side != BID) & (record.price == venue.own_bid)
            above |= (side != ASK) & (record.price == venue.own_ask)
        if quoted:
            if below | above:
                _note_level_trade(execution, venue, side, record)
        elif below | above | (side == NIL):
            _note_trade(execution, venue, side, record)
        if (record.price >= venue.stop_buy) | (record.price <= venue.stop_sell):
            _note_trigger(execution, venue, record)
    elif record.action == ACTION_FILL:
        # Volume at better prices than any simulated order's could not have been theirs.
        at_or_past = (record.price <= venue.own_bid) | (record.price >= venue.own_ask)
        if at_or_past | (venue.unseen != NIL):
            _note_fill(market, execution, venue, book, record)
    elif venue.resting + venue.stops > 0 and not record.flags & F_SNAPSHOT:
        snapshots = book_at(market.books, book).snapshots
        _push_trace(execution, venue, TRACE_CLEAR, NIL, UNDEF_PRICE, snapshots)


@jit
def _note_trade(execution: Any, venue: Any, side: int, record: Any) -> None:
    """A T that may concern resting orders: an auction's, or one nobody's F may explain."""
    if venue.resting == 0:
        return
    waited = venue.gapless == 0 or venue.shut & SHUT_STATES != 0
    if side == NIL and waited and not record.flags & F_TOB:
        # Nobody aggresses in an auction, and only there orders that cross have waited.
        venue.in_auction = 1
        _push_trace(execution, venue, TRACE_AUCTION, NIL, record.price, record.size)
    elif execution.fills_unseen != UNSEEN_IGNORED:
        passive: Any = NIL
        if side != NIL:
            passive = ASK if side == BID else BID
        venue.unseen = _push_trace(
            execution, venue, TRACE_UNSEEN, passive, record.price, record.size
        )


@jit
def _note_level_trade(execution: Any, venue: Any, side: int, record: Any) -> None:
    """A T of a publisher that gives no orders: volume of the level at its price."""
    if venue.resting > 0:
        passive: Any = NIL  # where it does not say who came in, the price tells
        if side != NIL:
            passive = ASK if side == BID else BID
        _push_trace(execution, venue, TRACE_FILL, passive, record.price, record.size)


@jit
def _note_trigger(execution: Any, venue: Any, record: Any) -> None:
    """A T at a stop's trigger or through it."""
    if venue.stops > 0:
        _push_trace(execution, venue, TRACE_TRIGGER, NIL, record.price, record.size)


@jit
def _note_fill(market: Any, execution: Any, venue: Any, book: int, record: Any) -> None:
    """An F at or past our best: whose volume it was, and where in the queue that stood."""
    state = book_at(market.books, book)
    index = find_order(market, book, record.order_id)
    side = side_of(record)
    if index != NIL and order_at(market.orders, index).kind == GHOST:
        index = NIL
    if index != NIL:  # what the resting order says counts: implied and auction fills have no side
        side = order_at(market.orders, index).side
    if venue.resting == 0 or is_aggressors_own(state, side, record.order_id):
        return
    if state.quoted != 0:  # its T has said it
        return
    if venue.unseen != NIL and (index != NIL or side != NIL):
        unseen = trace_at(execution.traces, venue.unseen)
        unseen.lots = max(0, unseen.lots - record.size)
    if record.price == UNDEF_PRICE:  # it explains its T's volume, but is nowhere
        return
    if index == NIL:
        _note_unknown_fill(execution, venue, side, record)
        return
    order = order_at(market.orders, index)
    kind = TRACE_FILL
    if venue.in_auction != 0 or record.price != order.price:
        kind = TRACE_AUCTION_FILL
        if venue.in_auction == 0:
            _push_trace(execution, venue, TRACE_AUCTION, side, record.price, record.size)
        if record.price != order.price:
            return  # better than the auction's price: ours at it are behind
    if (record.price > venue.own_bid) if side == BID else (record.price < venue.own_ask):
        return
    # At the price itself only volume from behind the first of them counts.
    first_stamp = venue.own_bid_stamp if side == BID else venue.own_ask_stamp
    if record.price != (venue.own_bid if side == BID else venue.own_ask):
        first_stamp = ALWAYS
    shown = order.size - (order.filled if order.event == state.event else 0)
    shown = min(max(shown, 0), record.size)
    if shown > 0 and order.stamp > first_stamp:
        _push_fill(market, execution, venue, kind, side, record, shown, order.stamp)
    if shown < record.size:  # later clips of an iceberg: each stood at the back of the queue
        left = record.size - shown
        _push_fill(market, execution, venue, kind, side, record, left, market.stamp)


@jit
def _push_fill(
    market: Any, execution: Any, venue: Any, kind: int, side: int, record: Any, lots: int,
    stamp: int,
) -> None:  # fmt: skip
    """Remember lots of a resting order that traded, and how the queue stood then."""
    trace = trace_at(
        execution.traces, _push_trace(execution, venue, kind, side, record.price, lots)
    )
    trace.stamp = stamp
    trace.joined = market.stamp
    trace.order_id = record.order_id


@jit
def _note_unknown_fill(execution: Any, venue: Any, side: int, record: Any) -> None:
    """An F of an order nobody knows: implied or hidden, not known to stand behind anything."""
    if side == NIL or execution.fills_unseen == UNSEEN_IGNORED:
        return  # without a side it is a part of its T
    passed = (record.price < venue.own_bid) if side == BID else (record.price > venue.own_ask)
    met = record.price == (venue.own_bid if side == BID else venue.own_ask)
    if passed or (met and execution.fills_unseen > UNSEEN_THROUGH):
        _push_trace(execution, venue, TRACE_UNSEEN, side, record.price, record.size)


@jit_inline
def crosses(venue: Any, record: Any) -> bool:
    """Whether an add or modify reaches across a resting simulated order."""
    sells = record.side == SIDE_ASK
    below = record.price <= venue.own_bid
    above = record.price >= venue.own_ask
    # Not a conditional expression: sides come in no order, a branch on them is guessed wrong.
    reaches = (below & sells) | (above & (not sells))
    if not reaches:  # nearly always, whatever the record is
        return False
    return (
        venue.resting > 0
        and (record.action == ACTION_ADD or record.action == ACTION_MODIFY)
        and side_of(record) != NIL
        and record.price != UNDEF_PRICE
    )


@jit
def note_incoming(execution: Any, venue: Any, record: Any) -> None:
    """After an order has come in across a resting simulated one: remember it."""
    index = _push_trace(
        execution, venue, TRACE_INCOMING, side_of(record), record.price, record.size
    )
    if not record.flags & F_TOB:
        trace_at(execution.traces, index).order_id = record.order_id


# --- what was noted -------------------------------------------------------------------------------


@jit
def kinds_of(execution: Any, traces: int) -> int:
    """What an event's traces are about: any of the constants above."""
    kinds = 0
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            kinds |= BIDS_CAME_IN if trace.side == BID else ASKS_CAME_IN
        elif trace.kind == TRACE_FILL or trace.kind == TRACE_UNSEEN:
            if trace.side != ASK:
                kinds |= FILLED_BIDS
            if trace.side != BID:
                kinds |= FILLED_ASKS
        elif trace.kind == TRACE_AUCTION:
            kinds |= CLEARED_AUCTION
        elif trace.kind == TRACE_CLEAR:
            kinds |= CLEARED_BOOK
        at = trace.next
    return kinds


@jit
def count_traces(execution: Any, traces: int, kind: int) -> int:
    """How many traces of a kind there are; of any kind, if that is NIL."""
    count = 0
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if kind == NIL or trace.kind == kind:
            count += 1
        at = trace.next
    return count


@jit
def is_cleared(market: Any, execution: Any, traces: int, book: int) -> bool:
    """Whether the venue cleared the book for good: no snapshot followed within the event."""
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_CLEAR:
            return trace.lots == book_at(market.books, book).snapshots
        at = trace.next
    return False
