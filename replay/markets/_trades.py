"""Kernels of trades: an aggressor meets resting orders, and what becomes of them."""

from typing import Any, Final

from tapewire.compiled.jit import jit
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
)
from tapewire.replay.markets._books import (
    NIL,
    depth_of,
    drop,
    join,
    leave,
    new_order,
    next_level,
)
from tapewire.replay.markets._records import LIVE_LAST, write
from tapewire.replay.markets._tables import FACTOR_ONE, SIZES_N

#: Resting orders one trade may touch, the levels it may walk, the records its event may have.
TOUCHED_MAX: Final = 64
LEVELS_MAX: Final = 8
EVENT_RECORDS_MAX: Final = 2 * TOUCHED_MAX + LEVELS_MAX + 2


@jit
def _take(
    out: Any, n: int, engine: Any, book: Any, t: Any, levels: Any, orders: Any, touched: Any,
    side: int, lots: int, walk: bool,
) -> Any:  # fmt: skip
    """The T and F records of an aggressor; returns (n, orders touched, lots left).

    The last order of a side keeps a lot, or is left alone.
    """
    resting = 1 - side
    aggressor = engine.order_id + 1
    level = book.best[resting]
    touched_n = 0
    left_n = book.orders[resting]
    for _ in range(LEVELS_MAX):
        if lots == 0 or level == NIL or touched_n == TOUCHED_MAX:
            break
        traded = n
        n = write(out, n, engine, book, ACTION_TRADE, side, level, 0, aggressor, 0)
        slot = levels[level].head
        while slot != NIL and lots > 0 and touched_n < TOUCHED_MAX:
            order = orders[slot]
            filled = min(lots, order.size)
            if left_n == 1:
                filled = min(filled, order.size - 1)
                if filled == 0:
                    break
            n = write(out, n, engine, book, ACTION_FILL, resting, level, filled, order.order_id, 0)
            order.filled = filled
            out[traded].size += filled
            lots -= filled
            touched[touched_n] = slot
            touched_n += 1
            left_n -= 1
            slot = order.next
        if out[traded].size == 0:
            n -= 1
        if slot != NIL or not walk:
            break
        level = next_level(levels, book, resting, level)
    return n, touched_n, lots


@jit
def _settle(
    out: Any, n: int, engine: Any, book: Any, levels: Any, orders: Any, alive: Any,
    slot: int, shows_again: bool,
) -> Any:  # fmt: skip
    """The C or M record that carries out a fill."""
    order = orders[slot]
    filled = order.filled
    order.filled = 0
    side = order.side
    level = order.level
    order_id = order.order_id
    size = order.size
    if filled < size:
        order.size = size - filled
        return write(out, n, engine, book, ACTION_MODIFY, side, level, size - filled, order_id, 0)
    if shows_again or book.orders[side] == 1:  # an iceberg's next clip, behind everybody
        leave(levels, orders, book, slot)
        join(levels, orders, book, slot)
        return write(out, n, engine, book, ACTION_MODIFY, side, level, size, order_id, 0)
    drop(levels, orders, alive, book, slot)
    return write(out, n, engine, book, ACTION_CANCEL, side, level, size, order_id, 0)


@jit
def trade(
    out: Any, n: int, engine: Any, book: Any, t: Any, levels: Any, orders: Any, alive: Any,
    touched: Any, side: int, bits: int,
) -> Any:  # fmt: skip
    """An aggressor's whole event; returns ``n`` unchanged if the book can't give anything."""
    lots = t.lots[bits & (SIZES_N - 1)]
    walk = (bits >> 12) & (FACTOR_ONE - 1) < t.walk
    first = n
    n, touched_n, lots = _take(
        out, n, engine, book, t, levels, orders, touched, side, lots, walk
    )  # fmt: skip
    if touched_n == 0:
        return first
    engine.order_id += 1
    last_level = orders[touched[touched_n - 1]].level
    for k in range(touched_n):
        again = ((bits >> 22) + k * 389) & (FACTOR_ONE - 1) < t.refresh
        n = _settle(out, n, engine, book, levels, orders, alive, touched[k], again)
    rests = lots > 0 and (bits >> 33) & (FACTOR_ONE - 1) < t.rest
    gone = depth_of(book, 1 - side, last_level) < 0  # and nothing better shows again
    if rests and gone and book.alive < orders.shape[0] - 1:
        size = min(lots, 16)
        order_id = engine.order_id
        new_order(levels, orders, alive, book, order_id, side, last_level, size)
        n = write(out, n, engine, book, ACTION_ADD, side, last_level, size, order_id, 0)
    out[n - 1].flags = LIVE_LAST
    return n
