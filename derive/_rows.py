"""Kernels that write records: of trades and books, samples of the best levels, bars."""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.derive._showing import levels_of
from tapewire.derive.layout import (
    KIND_BARS,
    LEVEL_BYTES,
    ROW_BYTES,
    ROWS_FULL,
    WORD_BYTES,
    derive_bar_at,
    derive_bbo_at,
    derive_row_at,
    derive_word_at,
    shown_at,
)
from tapewire.market.layout import NIL, OK
from tapewire.market.records import UNDEF_PRICE


@jit_inline
def write_row(d: Any, record: Any, side: int, depth: int, flags: int, levels: int) -> None:
    """Write a record of trades, tbbo or mbp, and levels beside it; there is room for it."""
    at = d.rows + d.row_n * d.row_bytes
    row = derive_row_at(at, 0)
    row.length = d.row_bytes // 4
    row.rtype = d.rtype
    row.publisher_id = record.publisher_id
    row.instrument_id = record.instrument_id
    row.ts_event = record.ts_event
    row.price = record.price
    row.size = record.size
    row.action = record.action
    row.side = side
    row.flags = flags
    row.depth = depth
    row.ts_recv = record.ts_recv
    row.ts_in_delta = record.ts_in_delta
    row.sequence = record.sequence
    _copy_levels(at, levels, d.depth)
    d.row_n += 1


@jit_inline
def _copy_levels(row: int, levels: int, depth: int) -> None:
    """Copy the levels last said of a book behind the head of a record."""
    for k in range(depth * LEVEL_BYTES // WORD_BYTES):
        derive_word_at(row + ROW_BYTES, k).value = derive_word_at(levels, k).value


@jit_inline
def note_trade(d: Any, book: int, record: Any) -> None:
    """Remember a book's last trade."""
    shown = shown_at(d.shown, book)
    shown.trade_ts_event = record.ts_event
    shown.trade_price = record.price
    shown.trade_size = record.size
    shown.trade_side = record.side


@jit_inline
def note_sample(d: Any, book: int, sequence: int, flags: int) -> None:
    """A book has something to say at the end of the interval, which may be this very moment."""
    shown = shown_at(d.shown, book)
    shown.sequence = sequence
    shown.flags = flags
    if shown.waiting == 0:
        _wait(d, book, -(-d.clock // d.interval_ns) * d.interval_ns)


@jit_inline
def bar_trade(d: Any, book: int, record: Any) -> None:
    """A trade is part of its book's bar; one without a price is not."""
    if record.price == UNDEF_PRICE:
        return
    shown = shown_at(d.shown, book)
    price = record.price
    if shown.waiting == 0:
        _wait(d, book, (d.clock // d.interval_ns + 1) * d.interval_ns)
        shown.open = price
        shown.high = price
        shown.low = price
        shown.volume = 0
    shown.high = max(shown.high, price)
    shown.low = min(shown.low, price)
    shown.close = price
    shown.volume += record.size


@jit_inline
def _wait(d: Any, book: int, due_ns: int) -> None:
    """Put a book last in the line of those that wait for the end of the interval."""
    shown = shown_at(d.shown, book)
    shown.waiting = 1
    shown.next = NIL
    if d.waiting_head == NIL:
        d.waiting_head = book
        d.due_ns = due_ns
    else:
        shown_at(d.shown, d.waiting_tail).next = book
    d.waiting_tail = book


@jit
def flush_waiting(d: Any) -> int:
    """Write what waits for the end of the interval; ROWS_FULL: to be called again."""
    while d.waiting_head != NIL:
        if d.row_n == d.capacity:
            return ROWS_FULL
        book = d.waiting_head
        shown = shown_at(d.shown, book)
        if d.kind == KIND_BARS:
            _write_bar(d, book, shown)
        else:
            _write_sample(d, book, shown)
        d.row_n += 1
        shown.waiting = 0
        d.waiting_head = shown.next
    return OK


@jit_inline
def _write_bar(d: Any, book: int, shown: Any) -> None:
    """Write a book's bar, of the interval that ends."""
    bar = derive_bar_at(d.rows + d.row_n * d.row_bytes, 0)
    bar.length = d.row_bytes // 4
    bar.rtype = d.rtype
    bar.publisher_id = shown.key >> 32
    bar.instrument_id = shown.key & 0xFFFFFFFF
    bar.ts_event = d.due_ns - d.interval_ns
    bar.open = shown.open
    bar.high = shown.high
    bar.low = shown.low
    bar.close = shown.close
    bar.volume = shown.volume


@jit_inline
def _write_sample(d: Any, book: int, shown: Any) -> None:
    """Write a book's last trade and best levels, as of the end of the interval."""
    at = d.rows + d.row_n * d.row_bytes
    row = derive_bbo_at(at, 0)
    row.length = d.row_bytes // 4
    row.rtype = d.rtype
    row.publisher_id = shown.key >> 32
    row.instrument_id = shown.key & 0xFFFFFFFF
    row.ts_event = shown.trade_ts_event
    row.price = shown.trade_price
    row.size = shown.trade_size
    row.side = shown.trade_side
    row.flags = shown.flags
    row.ts_recv = d.due_ns
    row.sequence = shown.sequence
    _copy_levels(at, levels_of(d, book), d.depth)
