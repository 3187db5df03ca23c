"""Kernels of the books that a synthetic market's flow acts on: price levels, queues, orders.

A book is a fixed window of levels around where its session began. The flow never empties a side,
so that there are always a best bid and a best ask.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit, jit_inline

LEVELS: Final = 8_192
BID: Final = 0
ASK: Final = 1
NIL: Final = -1
#: Ticks from the touch that are told apart; what is farther away is one class.
NEAR: Final = 24
#: How far from the touch an order may be.
FAR_TICKS_MAX: Final = 1_500
#: How far the price may go from where its session began: beyond it orders would leave the window.
ROOM_TICKS: Final = LEVELS // 2 - FAR_TICKS_MAX - 64

BOOK_DTYPE: Final = np.dtype(
    [
        ("seed", "i8"),
        ("instrument_id", "i8"),
        ("tick", "i8"),  # in 1e-9
        ("base_price", "i8"),  # of level 0
        ("best", "i8", (2,)),  # levels: bid, ask
        ("orders", "i8", (2,)),
        ("alive", "i8"),  # orders of both sides
        ("free", "i8"),  # head of the list of free orders, linked by ``next``
        # What `_flow` knows of the orders near the touch but not at it, by side.
        ("near_stale", "i8", (2,)),  # whether it is to be found out anew
        ("near_orders", "i8", (2,)),
        ("near_weight", "i8", (2,)),
        ("gone", "i8"),  # the side whose best level emptied last
        ("events", "i8"),  # steps so far: the counter of the draws
        ("next_ns", "i8"),  # when the next one is due
        ("rate", "f8"),  # base intensity, per ns
        ("excess", "f8", (8,)),  # of the intensity, by component of the kernel
        # The efficient price it follows, in ticks / 65,536 above the middle of the window.
        ("path", "i8"),
        ("path_step", "i8"),  # how many steps it has gone
        ("path_seed", "i8"),  # books of one product have the same
        ("factor_seed", "i8"),  # all books have the same
        ("own_scale", "i8"),  # of the product's and the common part of a step
        ("factor_scale", "i8"),
        ("basis", "i8"),  # ticks / 65,536 above the product's price
    ]
)
LEVEL_DTYPE: Final = np.dtype([("head", "i4"), ("tail", "i4"), ("count", "i4")])
ORDER_DTYPE: Final = np.dtype(
    [
        ("order_id", "i8"),
        ("level", "i4"),
        ("side", "i4"),
        ("size", "i4"),
        ("filled", "i4"),  # lots filled in the event being made
        ("prev", "i4"),
        ("next", "i4"),
        ("place", "i4"),  # in the list of orders that are alive
    ]
)


@jit_inline
def away(side: int, ticks: int) -> Any:
    """Levels to go so that an order of a side is that many ticks farther from the touch."""
    return -ticks if side == BID else ticks


@jit_inline
def depth_of(book: Any, side: int, level: int) -> Any:
    """Ticks from the side's best price; below 0 where it would improve it."""
    return book.best[BID] - level if side == BID else level - book.best[ASK]


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
    side = order.side
    depth = depth_of(book, side, order.level)
    if book.orders[side] == 0 or depth < 0:
        book.best[side] = order.level
    if depth < NEAR and depth != 0:
        book.near_stale[side] = 1
    book.orders[side] += 1


@jit
def leave(levels: Any, orders: Any, book: Any, slot: int) -> None:
    """Take an order out of its queue; if its level empties, the next occupied one is the best."""
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
    side = order.side
    book.orders[side] -= 1
    if 0 < depth_of(book, side, order.level) < NEAR:
        book.near_stale[side] = 1
    if level.count == 0 and order.level == book.best[side]:
        book.gone = side
        book.near_stale[side] = 1
        step = away(side, 1)
        best = book.best[side]
        while book.orders[side] > 0 and levels[best].count == 0:
            best += step
        book.best[side] = best


@jit
def new_order(
    levels: Any, orders: Any, alive: Any, book: Any,
    order_id: int, side: int, level: int, size: int,
) -> Any:  # fmt: skip
    """Take a free record and join the back of a queue with it."""
    slot = book.free
    order = orders[slot]
    book.free = order.next
    order.order_id = order_id
    order.side = side
    order.level = level
    order.size = size
    order.filled = 0
    order.place = book.alive
    alive[book.alive] = slot
    book.alive += 1
    join(levels, orders, book, slot)
    return slot


@jit
def drop(levels: Any, orders: Any, alive: Any, book: Any, slot: int) -> None:
    """Leave the queue and free the record."""
    leave(levels, orders, book, slot)
    order = orders[slot]
    book.alive -= 1
    last = alive[book.alive]
    alive[order.place] = last
    orders[last].place = order.place
    order.order_id = 0
    order.next = book.free
    book.free = slot


@jit_inline
def in_window(level: int) -> Any:
    """Whether an order may stand there: what is near it has to be in the window, too."""
    return NEAR < level < LEVELS - NEAR


@jit
def next_level(levels: Any, book: Any, side: int, level: int) -> Any:
    """The next occupied level of a side behind one, within some ticks; NIL if there is none."""
    step = away(side, 1)
    for _ in range(NEAR):
        level += step
        if not in_window(level):
            break
        if levels[level].count > 0:
            return level
    return NIL
