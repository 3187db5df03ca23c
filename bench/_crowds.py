"""Kernels of the crowd: order flow over many books, cheap enough for 11,000 of them.

A book is a window of ``LEVELS`` prices, each a queue of orders; bids and offers share the window,
since a book is never locked or crossed. Cancels and modifies pick any live order of a book with
the same chance, wherever it lies: the hard case for a cache. Draws are those of the synthetic
session, so a crowd depends on its seed alone.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.draws import draw, exponential, geometric
from tapewire.compiled.jit import jit, jit_entry
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_LAST,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_ASK,
    SIDE_BID,
)
from tapewire.replay.sizes import order_size

LEVELS: Final = 256
#: Levels from the other side's best within which half the orders are spread evenly.
DEPTH: Final = 100
TICK_SIZE: Final = 10_000_000  # 0.01
#: Records of the longest event: T, F and C of a trade.
EVENT_RECORDS_MAX: Final = 3
PUBLISHER_ID: Final = 2

_BID: Final = 0
_ASK: Final = 1
_NIL: Final = -1
_FEED_DELAY_NS: Final = 40_000

# What one event does, in 1/1024; the rest are adds and cancels in balance.
_TRADE: Final = 24
_MODIFY: Final = 120

# Purposes of draws, beyond those of the synthetic session.
_P_BOOK: Final = 256
_P_KIND: Final = 257
_P_PLACE: Final = 258
_P_SIZE: Final = 259
_P_PICK: Final = 260
_P_GAP: Final = 261
_P_TURN: Final = 262

CROWD_DTYPE: Final = np.dtype(
    [
        ("seed", "i8"),
        ("event", "i8"),  # events so far: the counter of the draws
        ("ts", "i8"),  # exchange clock, ns since the epoch
        ("gap_ns", "i8"),  # mean time between two events
        ("order_id", "i8"),  # last one given
        ("sequence", "i8"),
    ]
)
BOOK_DTYPE: Final = np.dtype(
    [
        ("instrument_id", "i8"),
        ("base_price", "i8"),  # price of level 0
        ("target", "i8"),  # orders it wants to hold
        ("first", "i8"),  # its part of the orders
        ("capacity", "i8"),
        ("free", "i8"),  # head of its list of free orders, linked by ``next``
        ("best_bid", "i8"),  # levels
        ("best_ask", "i8"),
        ("orders", "i8", (2,)),  # by side
    ]
)
LEVEL_DTYPE: Final = np.dtype([("head", "i4"), ("tail", "i4")])
ORDER_DTYPE: Final = np.dtype(
    [
        ("order_id", "i8"),  # 0: free
        ("level", "i4"),
        ("side", "i4"),
        ("size", "i4"),  # lots
        ("prev", "i4"),
        ("next", "i4"),
        ("pad", "i4"),
    ]
)


@jit_entry
def open_crowd(books: Any, levels: Any, orders: Any) -> None:
    """Empty books; instruments, prices, targets and parts are set by the caller."""
    for k in range(books.shape[0]):
        book = books[k]
        book.best_bid = LEVELS // 2 - 1
        book.best_ask = LEVELS // 2
        book.free = book.first
        for i in range(book.capacity):
            orders[book.first + i].next = book.first + i + 1
        orders[book.first + book.capacity - 1].next = _NIL
        for i in range(LEVELS):
            levels[k, i].head = _NIL
            levels[k, i].tail = _NIL


@jit_entry
def shuffle(turns: Any, seed: int) -> None:
    """Fisher and Yates, by the crowd's own draws."""
    for i in range(turns.shape[0] - 1, 0, -1):
        j = draw(seed, _P_TURN, i) % (i + 1)
        turn = turns[i]
        turns[i] = turns[j]
        turns[j] = turn


@jit
def _join(levels: Any, orders: Any, book: Any, k: int, slot: int) -> None:
    """Join the back of a queue."""
    order = orders[slot]
    level = levels[k, order.level]
    order.prev = level.tail
    order.next = _NIL
    if level.tail == _NIL:
        level.head = slot
    else:
        orders[level.tail].next = slot
    level.tail = slot
    first = book.orders[order.side] == 0
    book.orders[order.side] += 1
    if order.side == _BID:
        if first or order.level > book.best_bid:
            book.best_bid = order.level
    elif first or order.level < book.best_ask:
        book.best_ask = order.level


@jit
def _leave(levels: Any, orders: Any, book: Any, k: int, slot: int) -> None:
    """Take an order out of its queue; its side keeps another one."""
    order = orders[slot]
    level = levels[k, order.level]
    if order.prev == _NIL:
        level.head = order.next
    else:
        orders[order.prev].next = order.next
    if order.next == _NIL:
        level.tail = order.prev
    else:
        orders[order.next].prev = order.prev
    book.orders[order.side] -= 1
    if order.side == _BID:
        while levels[k, book.best_bid].head == _NIL:
            book.best_bid -= 1
    else:
        while levels[k, book.best_ask].head == _NIL:
            book.best_ask += 1


@jit
def _drop(levels: Any, orders: Any, book: Any, k: int, slot: int) -> None:
    """Leave the queue and free the record."""
    _leave(levels, orders, book, k, slot)
    orders[slot].order_id = 0
    orders[slot].next = book.free
    book.free = slot


@jit
def _place(book: Any, side: int, bits: int) -> Any:
    """A level for an order: half of them close to the other side's best, half spread evenly.

    The first one of a side stands in the middle of the window.
    """
    if book.orders[side] == 0:
        return LEVELS // 2 - 1 if side == _BID else LEVELS // 2
    if bits & 1:
        depth = 1 + geometric((bits >> 1) & 0xFF)
    else:
        depth = 1 + (bits >> 1) % DEPTH
    if side == _BID:
        return max(book.best_ask - depth, 0)
    return min(book.best_bid + depth, LEVELS - 1)


@jit
def _pull(book: Any) -> Any:
    """Chance, in 1/256, of what moves the price up: it comes back to the middle of the window."""
    return 128 + LEVELS // 2 - book.best_bid


@jit
def _pick(orders: Any, book: Any, bits: int) -> Any:
    """Any live order of a book that has one."""
    at = bits % book.capacity
    while orders[book.first + at].order_id == 0:
        bits = (bits * 6364136223846793005 + 1442695040888963407) & 0x7FFFFFFFFFFFFFFF
        at = (bits >> 20) % book.capacity
    return book.first + at


@jit
def _write(
    out: Any, n: int, crowd: Any, book: Any, action: int, side: int, level: int, size: int,
    order_id: int, flags: int,
) -> Any:  # fmt: skip
    """Write a record of the crowd's moment; returns the next row."""
    r = out[n]
    r.length = RECORD_LENGTH_WORDS
    r.rtype = RTYPE_MBO
    r.publisher_id = PUBLISHER_ID
    r.instrument_id = book.instrument_id
    r.ts_event = crowd.ts
    r.order_id = order_id
    r.price = book.base_price + level * TICK_SIZE
    r.size = size
    r.flags = flags
    r.channel_id = 0
    r.action = action
    r.side = SIDE_BID if side == _BID else SIDE_ASK
    r.ts_recv = crowd.ts + _FEED_DELAY_NS
    r.ts_in_delta = 15_000
    r.sequence = crowd.sequence & 0xFFFFFFFF
    return n + 1


@jit
def _advance(crowd: Any) -> None:
    """Move on to the next event, at a drawn time."""
    crowd.event += 1
    crowd.sequence += 1
    crowd.ts += 1 + exponential(draw(crowd.seed, _P_GAP, crowd.event), crowd.gap_ns)


@jit
def _add(
    out: Any, n: int, crowd: Any, books: Any, levels: Any, orders: Any, k: int, side: int
) -> Any:
    """A new order at a drawn place, of a drawn size."""
    book = books[k]
    slot = book.free
    order = orders[slot]
    book.free = order.next
    crowd.order_id += 1
    order.order_id = crowd.order_id
    order.side = side
    order.level = _place(book, side, draw(crowd.seed, _P_PLACE, crowd.event))
    order.size = order_size(draw(crowd.seed, _P_SIZE, crowd.event))
    _join(levels, orders, book, k, slot)
    return _write(
        out, n, crowd, book, ACTION_ADD, side, order.level, order.size, order.order_id, F_LAST
    )


@jit
def _modify(
    out: Any, n: int, crowd: Any, books: Any, levels: Any, orders: Any, k: int, bits: int
) -> Any:
    """A drawn order gets smaller, or moves."""
    book = books[k]
    slot = _pick(orders, book, bits >> 10)
    order = orders[slot]
    level = order.level
    size = order.size
    if bits & 7 < 5 and book.orders[order.side] > 1:
        level = _place(book, order.side, draw(crowd.seed, _P_PLACE, crowd.event))
    else:
        size = order_size(draw(crowd.seed, _P_SIZE, crowd.event))
    if (level != order.level or size > order.size) and book.orders[order.side] > 1:
        _leave(levels, orders, book, k, slot)  # loses its place
        order.level = level
        order.size = size
        _join(levels, orders, book, k, slot)
    order.size = size
    return _write(
        out, n, crowd, book, ACTION_MODIFY, order.side, level, size, order.order_id, F_LAST
    )


@jit
def _trade(
    out: Any, n: int, crowd: Any, books: Any, levels: Any, orders: Any, k: int, bits: int
) -> Any:
    """T, F and C of an aggressor that takes from the first order at the best price."""
    book = books[k]
    buys = (bits & 255) < _pull(book)
    side = _BID if buys else _ASK
    resting = _ASK if buys else _BID
    level = book.best_ask if buys else book.best_bid
    slot = levels[k, level].head
    order = orders[slot]
    lots = min(order_size(bits >> 10), order.size)
    if lots == order.size and book.orders[resting] == 1:
        return n
    crowd.order_id += 1  # the aggressor's, which never rests
    n = _write(out, n, crowd, book, ACTION_TRADE, side, level, lots, crowd.order_id, 0)
    n = _write(out, n, crowd, book, ACTION_FILL, resting, level, lots, order.order_id, 0)
    n = _write(out, n, crowd, book, ACTION_CANCEL, resting, level, lots, order.order_id, F_LAST)
    if lots == order.size:
        _drop(levels, orders, book, k, slot)
    else:
        order.size -= lots
    return n


@jit_entry
def opening(
    out: Any, crowds: Any, books: Any, levels: Any, orders: Any, turns: Any, start: int
) -> Any:
    """One add for each book named in ``turns`` from ``start`` on; the number of records."""
    crowd = crowds[0]
    n = min(out.shape[0], turns.shape[0] - start)
    for i in range(n):
        _advance(crowd)
        k = turns[start + i]
        # The first order of a book is a bid, the second an offer, the rest as they come.
        book = books[k]
        side = (draw(crowd.seed, _P_KIND, crowd.event) >> 20) & 1
        if book.orders[_BID] == 0:
            side = _BID
        elif book.orders[_ASK] == 0:
            side = _ASK
        _add(out, i, crowd, books, levels, orders, k, side)
    return n


@jit_entry
def steady(out: Any, crowds: Any, books: Any, levels: Any, orders: Any, shares: Any) -> Any:
    """Fill ``out`` up to the last whole event with books around their targets; the records.

    ``shares`` are cumulated weights: how often a book has the next event.
    """
    crowd = crowds[0]
    n = 0
    room = out.shape[0] - EVENT_RECORDS_MAX
    last = shares.shape[0] - 1
    while n <= room:
        _advance(crowd)
        pick = draw(crowd.seed, _P_BOOK, crowd.event) % shares[last]
        low = 0
        high = last
        while low < high:
            middle = (low + high) >> 1
            if shares[middle] > pick:
                high = middle
            else:
                low = middle + 1
        k = low
        book = books[k]
        bits = draw(crowd.seed, _P_KIND, crowd.event)
        kind = bits & 1023
        side = _BID if (bits >> 34) & 255 < _pull(book) else _ASK
        have = book.orders[_BID] + book.orders[_ASK]
        picked = draw(crowd.seed, _P_PICK, crowd.event)
        if kind < _TRADE:
            before = n
            n = _trade(out, n, crowd, books, levels, orders, k, picked)
            if n > before:
                continue
        elif kind < _TRADE + _MODIFY:
            n = _modify(out, n, crowd, books, levels, orders, k, picked)
            continue
        # Fewer orders than the target draw adds, more draw cancels.
        lean = (book.target - have) * 2_048 // book.target
        adds = ((bits >> 24) & 1023) < 512 + lean
        if adds and book.free != _NIL:
            n = _add(out, n, crowd, books, levels, orders, k, side)
            continue
        slot = _pick(orders, book, picked)
        order = orders[slot]
        if book.orders[order.side] == 1:  # a side keeps its last order
            if book.free != _NIL:
                n = _add(out, n, crowd, books, levels, orders, k, order.side)
            continue
        n = _write(
            out, n, crowd, book, ACTION_CANCEL, order.side, order.level, order.size,
            order.order_id, F_LAST,
        )  # fmt: skip
        _drop(levels, orders, book, k, slot)
    return n
