"""Kernels of the synthetic session: the books its order flow acts on.

Every draw is counter-based and everything is integer arithmetic, so a session depends neither on
a random generator's state nor on the machine's floating point. A book is a fixed window of price
levels, each a queue of orders; it is never locked, crossed or wider than ``MAX_SPREAD_TICKS``.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.draws import geometric
from tapewire.compiled.jit import jit

LEVELS: Final = 2048
ORDERS_MAX: Final = 4096
MAX_SPREAD_TICKS: Final = 3
BID: Final = 0
ASK: Final = 1
NIL: Final = -1

# Depths: at the touch, near it (geometric), in the tail (uniform); in 1/1024.
_ADD_TOUCH: Final = 705
_ADD_NEAR: Final = 812
TAIL_TICKS: Final = 48
_CANCEL_TOUCH: Final = 640
_CANCEL_NEAR: Final = 840

BOOK_DTYPE: Final = np.dtype(
    [
        ("instrument_id", "i8"),
        ("base_price", "i8"),  # price of level 0
        ("best_bid", "i8"),  # levels
        ("best_ask", "i8"),
        ("bid_orders", "i8"),
        ("ask_orders", "i8"),
        ("target_orders", "i8"),
        ("free", "i8"),  # head of the list of free orders, linked by ``next``
        ("events", "i8"),
    ]
)
LEVEL_DTYPE: Final = np.dtype([("head", "i4"), ("tail", "i4"), ("count", "i4"), ("icebergs", "i4")])
ORDER_DTYPE: Final = np.dtype(
    [
        ("order_id", "i8"),  # 0: free
        ("level", "i4"),
        ("side", "i4"),
        ("size", "i4"),  # lots shown
        ("hidden", "i4"),  # lots an iceberg still holds back
        ("clip", "i4"),  # lots an iceberg shows at a time; 0: no iceberg
        ("prev", "i4"),
        ("next", "i4"),
        ("filled", "i4"),  # lots filled in the event being made
    ]
)


# --- the generator's own books ------------------------------------------------------------------


@jit
def join(levels: Any, orders: Any, book: Any, slot: int) -> None:
    """Put an order at the back of its level's queue."""
    order = orders[slot]
    level = levels[order.level]
    order.prev = level.tail
    order.next = NIL
    if level.tail == NIL:
        level.head = slot
    else:
        orders[level.tail].next = slot
    level.tail = slot
    level.count += 1
    level.icebergs += order.hidden > 0
    if order.side == BID:
        book.bid_orders += 1
        book.best_bid = max(book.best_bid, order.level)
    else:
        book.ask_orders += 1
        book.best_ask = min(book.best_ask, order.level)


@jit
def leave(levels: Any, orders: Any, book: Any, slot: int) -> None:
    """Take an order out of its queue; the next occupied level becomes the best."""
    order = orders[slot]
    level = levels[order.level]
    if order.prev == NIL:
        level.head = order.next
    else:
        orders[order.prev].next = order.next
    if order.next == NIL:
        level.tail = order.prev
    else:
        orders[order.next].prev = order.prev
    level.count -= 1
    level.icebergs -= order.hidden > 0
    if order.side == BID:
        book.bid_orders -= 1
        while book.best_bid >= 0 and levels[book.best_bid].count == 0:
            book.best_bid -= 1
    else:
        book.ask_orders -= 1
        while book.best_ask < LEVELS and levels[book.best_ask].count == 0:
            book.best_ask += 1


@jit
def new_order(
    levels: Any, orders: Any, book: Any, order_id: int, side: int, level: int, size: int
) -> Any:
    """Take a free record and join the back of a queue with it."""
    slot = book.free
    order = orders[slot]
    book.free = order.next
    order.order_id = order_id
    order.side = side
    order.level = level
    order.size = size
    order.hidden = 0
    order.clip = 0
    order.filled = 0
    join(levels, orders, book, slot)
    return slot


@jit
def drop(levels: Any, orders: Any, book: Any, slot: int) -> None:
    """Leave the queue and free the record."""
    leave(levels, orders, book, slot)
    orders[slot].order_id = 0
    orders[slot].next = book.free
    book.free = slot


@jit
def next_level(levels: Any, book: Any, side: int, level: int) -> Any:
    """The next occupied level behind ``level`` that keeps the spread bounded, or −1."""
    if side == BID:
        stop = book.best_ask - MAX_SPREAD_TICKS
        while level > stop:
            level -= 1
            if levels[level].count > 0:
                return level
    else:
        stop = book.best_bid + MAX_SPREAD_TICKS
        while level < stop:
            level += 1
            if levels[level].count > 0:
                return level
    return NIL


@jit
def may_leave(levels: Any, orders: Any, book: Any, slot: int) -> Any:
    """Whether the book stays sound without the order."""
    order = orders[slot]
    best = book.best_bid if order.side == BID else book.best_ask
    if order.level != best or levels[best].count > 1:
        return True
    return next_level(levels, book, order.side, best) != NIL


@jit
def choose_level(levels: Any, book: Any, side: int, bits: int) -> Any:
    """A level for a new order: improving, at the touch, near it or in the tail."""
    spread = book.best_ask - book.best_bid
    if spread > 1 and (bits & 3) < spread:
        depth = -1
    else:
        pick = (bits >> 2) & 1023
        if pick < _ADD_TOUCH:
            depth = 0
        elif pick < _ADD_NEAR:
            depth = 1 + geometric((bits >> 12) & 0xFFFF)
        else:
            depth = 2 + (bits >> 12) % TAIL_TICKS
    level = book.best_bid - depth if side == BID else book.best_ask + depth
    if levels[level].count > 16 + ((bits >> 40) & 31):  # a long queue is less inviting
        level += -1 if side == BID else 1
    return level


@jit
def choose_order(levels: Any, orders: Any, book: Any, side: int, bits: int) -> Any:
    """A resting order: at the touch, near it, or anywhere; late arrivals leave more often."""
    pick = bits & 1023
    if pick >= _CANCEL_NEAR:
        for attempt in range(16):
            slot = (bits >> 10) + attempt * 1_021
            slot = slot % ORDERS_MAX
            if orders[slot].order_id != 0:
                return slot
    depth = 0 if pick < _CANCEL_TOUCH else 1 + geometric((bits >> 10) & 7)
    level = book.best_bid if side == BID else book.best_ask
    if depth == 0 and levels[level].count < 4 and (bits >> 13) & 7 != 0:
        depth = 1  # the last few at the touch are the most patient
    for _ in range(depth):
        step = level - 1 if side == BID else level + 1
        if levels[step].count == 0:
            break
        level = step
    slot = levels[level].tail
    back = geometric((bits >> 20) & 0xFF) * 2 + ((bits >> 28) & 1)
    while back > 0 and orders[slot].prev != NIL:
        slot = orders[slot].prev
        back -= 1
    return slot
