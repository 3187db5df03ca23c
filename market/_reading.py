"""Kernels that copy a book out: its best levels, its queues."""

from typing import Any

from tapewire.compiled.jit import jit_entry, jit_inline
from tapewire.market.layout import (
    BID,
    NIL,
    TOP_OF_BOOK,
    level_at,
    order_at,
    rung_at,
    side_at,
)
from tapewire.market.records import (
    UNDEF_PRICE,
)


@jit_entry
def read_top(market: Any, book: int, side: int, prices: Any, sizes: Any, counts: Any) -> None:
    """Write the best levels of a side, best first; UNDEF_PRICE and zeros where there are none.

    A top-of-book publisher says how much, never how many: its count is 0, as in Databento's MBP.
    """
    m = market[0]
    write_top(m, book, side, prices, sizes, counts)


@jit_inline
def write_top(m: Any, book: int, side: int, prices: Any, sizes: Any, counts: Any) -> None:
    """Write a side's best levels, best first; beyond its last one there is no price."""
    ladder = side_at(m.sides, 2 * book + side)
    for k in range(prices.shape[0]):
        if k < ladder.n:
            rung = rung_at(m.rungs, ladder.offset + ladder.n - 1 - k)
            level = level_at(m.levels, rung.level)
            prices[k] = rung.key if side == BID else -rung.key
            sizes[k] = level.size
            kind = order_at(m.orders, level.head).kind
            counts[k] = 0 if kind == TOP_OF_BOOK else level.count
        else:
            prices[k] = UNDEF_PRICE
            sizes[k] = 0
            counts[k] = 0


@jit_entry
def read_orders(market: Any, book: int, side: int, out: Any) -> int:
    """Write (price, order_id, size, stamp) of a side's orders, best first, in queue order."""
    m = market[0]
    ladder = side_at(m.sides, 2 * book + side)
    n = 0
    for k in range(ladder.n - 1, -1, -1):
        index = level_at(m.levels, rung_at(m.rungs, ladder.offset + k).level).head
        while index != NIL:
            order = order_at(m.orders, index)
            out[n, 0] = order.price
            out[n, 1] = order.order_id
            out[n, 2] = order.size
            out[n, 3] = order.stamp
            n += 1
            index = order.next
    return n
