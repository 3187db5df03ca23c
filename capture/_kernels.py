"""Kernels that build the books of a capture and count what is odd about it."""

from typing import Any, Final

from tapewire.capture._fills import check_fill, end_fills
from tapewire.capture.layout import AHEAD_KEPT_MAX, AHEAD_MAX, GROW_AHEAD, seen_at
from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.market.ahead import begin_ahead, look_ahead
from tapewire.market.applying import apply_record
from tapewire.market.events import close_event, closes_before
from tapewire.market.flags import note_missing_last
from tapewire.market.ids import book_of, find_order
from tapewire.market.layout import (
    FAR_NOTHING,
    NEW_BOOK,
    NIL,
    NORMAL,
    OK,
    book_at,
    order_at,
    record_at,
)
from tapewire.market.records import (
    ACTION_CANCEL,
    ACTION_FILL,
    F_LAST,
    F_SNAPSHOT,
)

#: Of a fill: those it passes over, and its own order.
_KEPT_PER_RECORD: Final = AHEAD_MAX + 1
#: What a time says that is not known: 2^64 − 1, as the same 64 bits.
_UNDEF_TIMESTAMP: Final = -1


@jit_entry
def check_batch(market_state: Any, capture_state: Any, records: int, n: int, start: int) -> Any:
    """Pass over records from ``start`` on; (status, record to go on with)."""
    m = market_state[0]
    c = capture_state[0]
    if m.far != FAR_NOTHING:
        begin_ahead(m, records, start, n)
    for i in range(start, n):
        if m.far != FAR_NOTHING:
            look_ahead(m, records, i, n)
        record = record_at(records, i)
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i
        if c.ahead_n > c.ahead_capacity - _KEPT_PER_RECORD:
            if c.ahead_capacity < AHEAD_KEPT_MAX:
                return GROW_AHEAD, i
            _end_all_fills(m, c)
        if closes_before(m, book, record):
            _close(m, c, book, 0)
            note_missing_last(m, book)
        if record.action == ACTION_FILL:  # these two never ask for room, so they come but once
            check_fill(m, c, book, record)
        elif record.action == ACTION_CANCEL:
            _check_cancel(m, c, book, record)
        cancels, modifies, adds = m.unknown_cancels, m.unknown_modifies, m.duplicate_adds
        status = apply_record(m, book, record)
        if status != OK:
            return status, i
        if m.unknown_cancels != cancels and cancels == 0:
            c.first_unknown_cancels = c.record
        if m.unknown_modifies != modifies and modifies == 0:
            c.first_unknown_modifies = c.record
        if m.duplicate_adds != adds and adds == 0:
            c.first_duplicate_adds = c.record
        _check_clocks(c, book, record)
        if record.price < 0:
            c.negative_prices += 1
        if record.flags & F_LAST:
            _close(m, c, book, record.flags)
        c.record += 1
    return OK, n


@jit_entry
def end_check(market_state: Any, capture_state: Any) -> None:
    """The data end: what is locked or crossed was so until then."""
    c = capture_state[0]
    for book in range(market_state[0].book_n):
        seen = seen_at(c.seen, book)
        if seen.locked_ns != 0:
            c.locked_ns += c.clock - seen.locked_ns
            seen.locked_ns = 0
        if seen.crossed_ns != 0:
            c.crossed_ns += c.clock - seen.crossed_ns
            seen.crossed_ns = 0


@jit
def _end_all_fills(m: Any, c: Any) -> None:
    """Judge the fills of all open events by what is known of them: there are too many."""
    for book in range(m.book_n):
        end_fills(m, c, book)


@jit_inline
def _check_cancel(m: Any, c: Any, book: int, record: Any) -> None:
    """Look at a C before it takes effect: it can't take more than there is."""
    index = find_order(m, book, record.order_id)
    if index != NIL and order_at(m.orders, index).kind == NORMAL:
        if record.size > order_at(m.orders, index).size:
            if c.excess_cancels == 0:
                c.first_excess_cancels = c.record
            c.excess_cancels += 1


@jit_inline
def _check_clocks(c: Any, book: int, record: Any) -> None:
    """Both clocks go on; a snapshot's exchange times are old, and say nothing."""
    if record.ts_recv == _UNDEF_TIMESTAMP:
        c.undefined_ts_recv += 1
        return
    if record.ts_recv < c.last_ts_recv:
        if c.ts_recv_backward == 0:
            c.first_ts_recv_backward = c.record
        c.ts_recv_backward += 1
    c.last_ts_recv = record.ts_recv
    if record.flags & F_SNAPSHOT:
        return
    c.clock = max(c.clock, record.ts_recv)
    if record.ts_event > record.ts_recv:
        if c.ts_event_after_ts_recv == 0:
            c.first_ts_event_after_ts_recv = c.record
        c.ts_event_after_ts_recv += 1
    seen = seen_at(c.seen, book)
    if record.ts_event < seen.ts_event:
        c.ts_event_backward += 1
    seen.ts_event = record.ts_event


@jit_inline
def _close(m: Any, c: Any, book: int, flags: int) -> None:
    """End the book's event: its fills, and how long it is locked or crossed."""
    end_fills(m, c, book)
    locked, crossed = m.locked_events, m.crossed_events
    close_event(m, book, flags)
    is_locked = m.locked_events != locked
    is_crossed = m.crossed_events != crossed
    if is_locked or is_crossed:
        if book_at(m.books, book).volume == 0:
            c.locked_before_trading += is_locked
            c.crossed_before_trading += is_crossed
        elif is_crossed and m.crossed_events - c.crossed_before_trading == 1:
            c.first_crossed_trading = c.record
    seen = seen_at(c.seen, book)
    if is_locked != (seen.locked_ns != 0):
        c.locked_ns += 0 if is_locked else c.clock - seen.locked_ns
        seen.locked_ns = c.clock if is_locked else 0
    if is_crossed != (seen.crossed_ns != 0):
        c.crossed_ns += 0 if is_crossed else c.clock - seen.crossed_ns
        seen.crossed_ns = c.clock if is_crossed else 0
