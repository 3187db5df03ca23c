"""Kernels that find things by number: orders by id, books by (publisher, instrument)."""

from typing import Any

import numpy as np

from tapewire.compiled.jit import jit_entry, jit_inline
from tapewire.market.layout import (
    NIL,
    NORMAL,
    book_at,
    book_slot_at,
    level_at,
    order_at,
    rung_at,
    side_at,
    slot_at,
)
from tapewire.market.records import UNDEF_PRICE

# 2^64 / golden ratio and a second odd constant, as signed words: Fibonacci hashing.
_GOLDEN = -7046029254386353131
_BOOK_SALT = -4417276706812531889
TAG_MASK = 0xFFFFFFFF


@jit_inline
def tag_of(book: int, order_id: int) -> Any:
    """Hash of an order's id in its book, 32 bits; its home slot are the lowest of them."""
    return (((order_id ^ (book * _BOOK_SALT)) * _GOLDEN) >> 32) & TAG_MASK


@jit_inline
def find_slot(market: Any, book: int, order_id: int) -> int:
    """Slot of a resting order's id, or else the empty slot where it would go."""
    tag = tag_of(book, order_id)
    mask = market.slot_mask
    slots = market.slots
    position = tag & mask
    while True:
        entry = slot_at(slots, position).entry
        if entry == 0:
            return position
        if ((entry >> 32) & TAG_MASK) == tag:
            order = order_at(market.orders, (entry & TAG_MASK) - 1)
            if order.order_id == order_id and order.book == book:
                return position
        position = (position + 1) & mask


@jit_inline
def order_in(market: Any, slot: int) -> int:
    """Index of the order whose id is in a slot; NIL for an empty slot."""
    return (slot_at(market.slots, slot).entry & TAG_MASK) - 1


@jit_inline
def find_order(market: Any, book: int, order_id: int) -> int:
    """Index of a resting order by its id, or NIL."""
    return order_in(market, find_slot(market, book, order_id))


@jit_inline
def fill_slot(market: Any, slot: int, book: int, order_id: int, index: int) -> None:
    """Put an order's id into the empty slot that ``find_slot`` found for it."""
    slot_at(market.slots, slot).entry = (tag_of(book, order_id) << 32) | (index + 1)


@jit_inline
def insert_slot(market: Any, book: int, order_id: int, index: int) -> None:
    """Have an order found by its id."""
    fill_slot(market, find_slot(market, book, order_id), book, order_id, index)


@jit_inline
def remove_slot(market: Any, position: int) -> None:
    """Empty a slot and move later entries of its run back (no tombstones)."""
    mask = market.slot_mask
    slots = market.slots
    hole = position
    probe = position
    while True:
        probe = (probe + 1) & mask
        entry = slot_at(slots, probe).entry
        if entry == 0:
            break
        home = (entry >> 32) & mask
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            slot_at(slots, hole).entry = entry
            hole = probe
    slot_at(slots, hole).entry = 0


@jit_entry
def rebuild_slots(market: Any) -> None:
    """Fill an empty, larger id table from the books; the shell calls it after growing."""
    m = market[0]
    for book in range(m.book_n):
        for side in range(2):
            ladder = side_at(m.sides, 2 * book + side)
            for k in range(ladder.n):
                index = level_at(m.levels, rung_at(m.rungs, ladder.offset + k).level).head
                while index != NIL:
                    order = order_at(m.orders, index)
                    if order.kind == NORMAL:
                        insert_slot(m, book, order.order_id, index)
                    index = order.next
        index = book_at(m.books, book).ghost_head
        while index != NIL:
            order = order_at(m.orders, index)
            insert_slot(m, book, order.order_id, index)
            index = order.next


@jit_inline
def find_book(market: Any, key: int) -> int:
    """Index of the book of ``publisher_id << 32 | instrument_id``, or NIL."""
    mask = market.book_slot_mask
    position = ((key * _GOLDEN) >> 40) & mask
    while True:
        slot = book_slot_at(market.book_slots, position)
        if slot.book == 0:
            return NIL
        if slot.key == key:
            return slot.book - 1
        position = (position + 1) & mask


@jit_inline
def key_of(record: Any) -> Any:
    """Key of the record's book; signed: numba compares signed with unsigned words as floats."""
    return np.int64(record.publisher_id << 32) | np.int64(record.instrument_id)


@jit_inline
def book_of(market: Any, record: Any) -> int:
    """Index of the record's book, or NIL with ``missing_key`` set."""
    key = key_of(record)
    if key == market.last_key:
        return market.last_book
    book = find_book(market, key)
    if book == NIL:
        market.missing_key = key
    else:
        market.last_key = key
        market.last_book = book
    return book


@jit_entry
def add_book(market: Any, key: int) -> int:
    """Open the next book; the shell has made room. Returns its index."""
    m = market[0]
    index = m.book_n
    m.book_n += 1
    book = book_at(m.books, index)
    book.key = key
    book.ghost_head = NIL
    book.trade_side = NIL
    book.clock = 0
    book.last_trade_px = UNDEF_PRICE
    mask = m.book_slot_mask
    position = ((key * _GOLDEN) >> 40) & mask
    while book_slot_at(m.book_slots, position).book != 0:
        position = (position + 1) & mask
    slot = book_slot_at(m.book_slots, position)
    slot.key = key
    slot.book = index + 1
    return index


@jit_entry
def rebuild_book_slots(market: Any, keys: Any) -> None:
    """Fill an empty, larger book table; ``keys`` in order of book index."""
    m = market[0]
    for index in range(keys.shape[0]):
        position = ((keys[index] * _GOLDEN) >> 40) & m.book_slot_mask
        while book_slot_at(m.book_slots, position).book != 0:
            position = (position + 1) & m.book_slot_mask
        slot = book_slot_at(m.book_slots, position)
        slot.key = keys[index]
        slot.book = index + 1
