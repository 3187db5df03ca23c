"""Kernels that keep, beside the books, which record gave each resting order its place."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_entry
from tapewire.market.applying import apply_record, side_of
from tapewire.market.events import close_event, closes_before
from tapewire.market.ids import book_of, find_order
from tapewire.market.layout import (
    NEW_BOOK,
    NIL,
    OK,
    TOP_OF_BOOK,
    book_at,
    level_at,
    order_at,
    record_at,
    rung_at,
    side_at,
)
from tapewire.market.records import ACTION_ADD, ACTION_MODIFY, F_LAST, F_TOB

# Columns of the origins, a row per order of the order block.
TS_EVENT: Final = 0
SEQUENCE: Final = 1
ORIGIN_COLUMNS: Final = 2

#: No order has it.
_NO_STAMP: Final = -(2**63)

# Columns of the resting orders read out.
PRICE: Final = 0
ORDER_ID: Final = 1
SIZE: Final = 2
IS_TOP: Final = 3  # a top-of-book publisher's whole side
RESTING_TS_EVENT: Final = 4
RESTING_SEQUENCE: Final = 5
RESTING_COLUMNS: Final = 6


@jit
def _order_of(market: Any, book: int, record: Any) -> int:
    """Index of the order that an add or modify is about, or NIL."""
    if not record.flags & F_TOB:
        return int(find_order(market, book, record.order_id))
    side = side_of(record)
    if side == NIL:
        return NIL
    ladder = side_at(market.sides, 2 * book + side)
    if ladder.n == 0:
        return NIL
    return int(level_at(market.levels, rung_at(market.rungs, ladder.offset).level).head)


@jit
def _stamp_of(market: Any, index: int) -> int:
    """Queue stamp of an order, or that of none."""
    return _NO_STAMP if index == NIL else int(order_at(market.orders, index).stamp)


@jit_entry
def apply_batch_with_origins(
    market: Any, records: int, n: int, start: int, origins: Any
) -> Any:  # fmt: skip
    """As ``apply_batch``; also keeps each book's clock, and in ``origins`` where orders are from.

    ``origins`` is (orders, ORIGIN_COLUMNS), as long as the order block.
    """
    m = market[0]
    for i in range(start, n):
        record = record_at(records, i)
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i
        if closes_before(m, book, record):
            close_event(m, book, 0)
            m.missing_last += 1
        places = record.action == ACTION_ADD or record.action == ACTION_MODIFY
        before = _NO_STAMP
        if places:
            before = _stamp_of(m, _order_of(m, book, record))
        status = apply_record(m, book, record)
        if status != OK:
            return status, i
        state = book_at(m.books, book)
        state.clock = max(state.clock, record.ts_event)
        if places:
            index = _order_of(m, book, record)
            if index != NIL and _stamp_of(m, index) != before:  # it has a new place
                origins[index, TS_EVENT] = record.ts_event
                origins[index, SEQUENCE] = record.sequence
        if record.flags & F_LAST:
            close_event(m, book, record.flags)
    return OK, n


@jit_entry
def read_resting(market: Any, book: int, side: int, origins: Any, out: Any) -> None:
    """Write a side's orders, best first, in queue order; ``out`` is (orders, RESTING_COLUMNS)."""
    m = market[0]
    ladder = side_at(m.sides, 2 * book + side)
    n = 0
    for k in range(ladder.n - 1, -1, -1):
        index = level_at(m.levels, rung_at(m.rungs, ladder.offset + k).level).head
        while index != NIL:
            order = order_at(m.orders, index)
            out[n, PRICE] = order.price
            out[n, ORDER_ID] = order.order_id
            out[n, SIZE] = order.size
            out[n, IS_TOP] = order.kind == TOP_OF_BOOK
            out[n, RESTING_TS_EVENT] = origins[index, TS_EVENT]
            out[n, RESTING_SEQUENCE] = origins[index, SEQUENCE]
            n += 1
            index = order.next
