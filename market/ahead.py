"""Looking ahead: the memory that the next records touch is asked for before they need it.

With thousands of books or hundreds of thousands of orders nearly all of it lies far from the core,
one thing behind the other: a book, a slot of the id table, the order in it, its level and its
neighbours. Each record is looked at three times before it is applied, one step further each time,
so that the waits overlap with one another and with the records before it. Nothing here changes
anything but its own notes: a guess that the records in between make wrong costs a little time.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.compiled.memory import prefetch
from tapewire.market.ids import TAG_MASK, find_book, key_of, tag_of
from tapewire.market.layout import (
    AHEAD_RECORDS,
    ASK,
    BID,
    BOOK,
    FAR_ALL,
    HINT,
    LEVEL,
    NIL,
    ORDER,
    RUNG,
    SIDE,
    SLOT,
    ahead_at,
    hint_at,
    level_at,
    order_at,
    record_at,
    side_at,
    slot_at,
)
from tapewire.market.queues import place_of_hint
from tapewire.market.records import ACTION_ADD, ACTION_MODIFY, ACTION_TRADE, SIDE_ASK

#: How many records ahead each step is.
_FIRST = 12
_SECOND = 8
_THIRD = 4
_MASK = AHEAD_RECORDS - 1

_BOOK_BYTES = BOOK.itemsize
_HINT_BYTES = HINT.itemsize
_LEVEL_BYTES = LEVEL.itemsize
_ORDER_BYTES = ORDER.itemsize
_RUNG_BYTES = RUNG.itemsize
_SIDE_BYTES = SIDE.itemsize
_SLOT_BYTES = SLOT.itemsize
_LINE_BYTES = 64


@jit_inline
def _look_for_book(market: Any, records: int, i: int) -> None:
    """The book, the slot of the order's id, the hint to the level of an order that joins one."""
    m = market
    record = record_at(records, i)
    ahead = ahead_at(m.ahead, i & _MASK)
    key = key_of(record)
    if key != m.ahead_key:
        m.ahead_key = key
        book = find_book(m, key)
        m.ahead_book = book
        if book != NIL and m.far == FAR_ALL:
            prefetch(m.books + book * _BOOK_BYTES)
            prefetch(m.books + book * _BOOK_BYTES + _LINE_BYTES)
            prefetch(m.sides + 2 * book * _SIDE_BYTES)
            if m.beside != 0:
                prefetch(m.beside + book * m.beside_bytes)
    book = m.ahead_book
    ahead.book = book
    ahead.order = NIL
    ahead.hint = NIL
    if book != NIL:
        action = record.action
        if action != ACTION_TRADE:
            prefetch(m.slots + (tag_of(book, record.order_id) & m.slot_mask) * _SLOT_BYTES)
        if m.far == FAR_ALL and (action == ACTION_ADD or action == ACTION_MODIFY):
            side = ASK if record.side == SIDE_ASK else BID
            level_key = -record.price if side == ASK else record.price
            hint = place_of_hint(m, 2 * book + side, level_key)
            ahead.hint = hint
            prefetch(m.hints + hint * _HINT_BYTES)


@jit_inline
def _look_for_order(market: Any, records: int, i: int) -> None:
    """The order, the best levels of its book, the level that an order is about to join."""
    m = market
    record = record_at(records, i)
    ahead = ahead_at(m.ahead, i & _MASK)
    book = ahead.book
    if book == NIL:
        return
    if m.far == FAR_ALL:
        bids = side_at(m.sides, 2 * book + BID)
        asks = side_at(m.sides, 2 * book + ASK)
        prefetch(m.rungs + (bids.offset + bids.n - 1) * _RUNG_BYTES)
        prefetch(m.rungs + (asks.offset + asks.n - 1) * _RUNG_BYTES)
        if ahead.hint != NIL:
            level = hint_at(m.hints, ahead.hint).level
            ahead.level = level
            prefetch(m.levels + level * _LEVEL_BYTES)
    if record.action != ACTION_ADD and record.action != ACTION_TRADE:
        tag = tag_of(book, record.order_id)
        position = tag & m.slot_mask
        entry = slot_at(m.slots, position).entry
        if entry != 0 and ((entry >> 32) & TAG_MASK) != tag:
            entry = slot_at(m.slots, (position + 1) & m.slot_mask).entry
        if entry != 0 and ((entry >> 32) & TAG_MASK) == tag:
            order = (entry & TAG_MASK) - 1
            ahead.order = order
            prefetch(m.orders + order * _ORDER_BYTES)


@jit_inline
def _look_for_neighbours(market: Any, i: int) -> None:
    """The order's level and its neighbours in the queue, or the last one of the queue it joins."""
    m = market
    ahead = ahead_at(m.ahead, i & _MASK)
    if ahead.order != NIL:
        order = order_at(m.orders, ahead.order)
        prefetch(m.orders + order.prev * _ORDER_BYTES)
        prefetch(m.orders + order.next * _ORDER_BYTES)
        prefetch(m.levels + order.level * _LEVEL_BYTES)
    if ahead.hint != NIL:
        prefetch(m.orders + level_at(m.levels, ahead.level).tail * _ORDER_BYTES)


@jit
def begin_ahead(market: Any, records: int, start: int, n: int) -> None:
    """Look at the first records of a batch; blocks may have moved since the last one."""
    market.ahead_key = market.last_key
    market.ahead_book = market.last_book
    for i in range(start, min(start + _FIRST, n)):
        _look_for_book(market, records, i)
    for i in range(start, min(start + _SECOND, n)):
        _look_for_order(market, records, i)
    for i in range(start, min(start + _THIRD, n)):
        _look_for_neighbours(market, i)


@jit
def look_ahead(market: Any, records: int, i: int, n: int) -> None:
    """Take every step once, before record ``i`` of ``n`` is applied."""
    if i + _FIRST < n:
        _look_for_book(market, records, i + _FIRST)
    if i + _SECOND < n:
        _look_for_order(market, records, i + _SECOND)
    if i + _THIRD < n:
        _look_for_neighbours(market, i + _THIRD)
