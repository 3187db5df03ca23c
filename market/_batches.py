"""Kernels that apply whole batches to the books, with nobody watching."""

from typing import Any

from tapewire.compiled.jit import jit_entry
from tapewire.market._reading import write_top
from tapewire.market.ahead import begin_ahead, look_ahead
from tapewire.market.applying import apply_record
from tapewire.market.events import close_event, closes_before
from tapewire.market.flags import note_missing_last
from tapewire.market.ids import book_of
from tapewire.market.layout import (
    FAR_NOTHING,
    NEW_BOOK,
    NIL,
    OK,
    record_at,
)
from tapewire.market.records import F_LAST


@jit_entry
def apply_batch(market: Any, records: int, n: int, start: int) -> Any:
    """Apply records from ``start`` on; returns (status, index of the first record not applied).

    ``records`` is the address of ``n`` records, so that read-only, unaligned and strided callers
    all meet the one compiled kernel.
    """
    m = market[0]
    if m.far != FAR_NOTHING:
        begin_ahead(m, records, start, n)
    for i in range(start, n):
        if m.far != FAR_NOTHING:
            look_ahead(m, records, i, n)
        record = record_at(records, i)
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i
        if closes_before(m, book, record):
            close_event(m, book, 0)
            note_missing_last(m, book)
        status = apply_record(m, book, record)
        if status != OK:
            return status, i
        if record.flags & F_LAST:
            close_event(m, book, record.flags)
    return OK, n


@jit_entry
def apply_batch_with_depth(
    market: Any, records: int, n: int, start: int, only_book: int, every_record: bool,
    source: Any, prices: Any, sizes: Any, counts: Any,
) -> Any:  # fmt: skip
    """As ``apply_batch``, writing the top levels after events of ``only_book`` (NIL: all).

    That is after every record, or else after those that close an event. ``source[row]`` is the
    index of the record; ``prices``, ``sizes`` and
    ``counts`` are (rows, 2, depth). Returns (status, next record, rows written).
    """
    m = market[0]
    rows = 0
    for i in range(start, n):
        record = record_at(records, i)
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i, rows
        if closes_before(m, book, record):
            close_event(m, book, 0)
            note_missing_last(m, book)
        status = apply_record(m, book, record)
        if status != OK:
            return status, i, rows
        closes = record.flags & F_LAST
        if closes:
            close_event(m, book, record.flags)
        if closes or every_record:
            if only_book == NIL or only_book == book:
                for side in range(2):
                    write_top(
                        m, book, side, prices[rows, side], sizes[rows, side], counts[rows, side]
                    )
                source[rows] = i
                rows += 1
    return OK, n, rows
