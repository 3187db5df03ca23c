"""Kernels that make records of other schemas from MBO records."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.derive._rows import bar_trade, flush_waiting, note_sample, note_trade, write_row
from tapewire.derive._showing import event_of, keep_event, levels_of, show_levels
from tapewire.derive.layout import (
    KIND_BARS,
    KIND_BBO,
    KIND_BOOK,
    KIND_TRADES,
    ROWS_FULL,
    shown_at,
)
from tapewire.market.ahead import begin_ahead, look_ahead
from tapewire.market.applying import apply_record
from tapewire.market.events import close_event, closes_before
from tapewire.market.ids import book_of
from tapewire.market.layout import FAR_NOTHING, NEW_BOOK, NIL, OK, record_at
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_LAST,
    F_SNAPSHOT,
    RECORD_BYTES,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
)

#: Rows a record may give at most: of the event before it, of itself as a trade, of its own event.
_ROWS_PER_RECORD: Final = 3
_BIDS: Final = 1
_ASKS: Final = 2


@jit_entry
def derive_batch(market_state: Any, derive_state: Any, records: int, n: int, start: int) -> Any:
    """Pass over records from ``start`` on; (status, record to go on with)."""
    if derive_state[0].depth == 0:
        return _trades_alone(market_state[0], derive_state[0], records, n, start)
    return _with_books(market_state[0], derive_state[0], records, n, start)


@jit_entry
def derive_rest(derive_state: Any) -> int:
    """The data end: write what waits for the end of its interval; a status."""
    return flush_waiting(derive_state[0])


@jit
def _trades_alone(m: Any, d: Any, records: int, n: int, start: int) -> Any:
    """Make trades or bars, which need no book."""
    for i in range(start, n):
        record = record_at(records, i)
        if record.action != ACTION_TRADE:
            continue
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i
        if d.row_n == d.capacity:
            return ROWS_FULL, i
        d.clock = max(d.clock, record.ts_recv)
        if d.kind == KIND_BARS:
            if d.waiting_head != NIL and d.clock >= d.due_ns and flush_waiting(d) != OK:
                return ROWS_FULL, i
            bar_trade(d, book, record)
        else:
            write_row(d, record, record.side, 0, record.flags, 0)
        d.trades += 1
    return OK, n


@jit
def _with_books(m: Any, d: Any, records: int, n: int, start: int) -> Any:
    """Make what shows levels of books."""
    if m.far != FAR_NOTHING:
        begin_ahead(m, records, start, n)
    for i in range(start, n):
        if m.far != FAR_NOTHING:
            look_ahead(m, records, i, n)
        record = record_at(records, i)
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i
        if d.row_n > d.capacity - _ROWS_PER_RECORD:
            return ROWS_FULL, i
        if closes_before(m, book, record):
            close_event(m, book, 0)
            m.missing_last += 1
            _end_event(m, d, book, 0, event_of(d, book))
        d.clock = max(d.clock, record.ts_recv)
        if d.waiting_head != NIL and d.clock > d.due_ns and flush_waiting(d) != OK:
            return ROWS_FULL, i
        status = apply_record(m, book, record)
        if status != OK:
            return status, i
        last = record.flags & F_LAST
        event = records + i * RECORD_BYTES
        if _may_change_a_book(record.action):
            if last:
                shown_at(d.shown, book).event_open = 1
            else:
                keep_event(d, book, event)
        else:
            if record.action == ACTION_TRADE:
                d.trades += 1
                _show_trade(d, book, record)
            event = event_of(d, book)
        if last:
            close_event(m, book, record.flags)
            _end_event(m, d, book, record.flags, event)
    return OK, n


@jit_inline
def _may_change_a_book(action: int) -> bool:
    """Whether records of this action change books: trades, fills and N never do."""
    return (
        action == ACTION_ADD
        or action == ACTION_CANCEL
        or action == ACTION_MODIFY
        or action == ACTION_CLEAR
    )


@jit
def _show_trade(d: Any, book: int, record: Any) -> None:
    """A trade is shown beside the book as its event found it."""
    if d.kind == KIND_BBO:
        note_trade(d, book, record)
        note_sample(d, book, record.sequence, record.flags)
    else:
        write_row(d, record, record.side, 0, record.flags, levels_of(d, book))


@jit_inline
def _end_event(m: Any, d: Any, book: int, flags: int, event: int) -> None:
    """Show what an event left, if the best levels are others than before.

    ``event`` is the address of its last record that may have changed the book.
    """
    shown = shown_at(d.shown, book)
    changed, depth = show_levels(m, d, book, shown)
    first = shown.known == 0
    shown.known = 1
    if shown.event_open == 0:
        return
    shown.event_open = 0
    snapshot = flags & F_SNAPSHOT
    if d.kind == KIND_TRADES or not (changed != 0 or first or snapshot):
        return
    record = record_at(event, 0)
    row_flags = record.flags | (flags & F_LAST)
    if d.kind == KIND_BOOK:
        side = SIDE_NONE
        if d.sided != 0 and not snapshot:
            if changed == _BIDS:
                side = SIDE_BID
            elif changed == _ASKS:
                side = SIDE_ASK
        write_row(d, record, side, depth, row_flags, levels_of(d, book))
    else:
        note_sample(d, book, record.sequence, row_flags)
