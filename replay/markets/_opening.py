"""Kernels that fill the books a session begins with."""

from typing import Any, Final

from tapewire.compiled.draws import draw
from tapewire.compiled.jit import jit, jit_entry
from tapewire.replay.markets._books import ASK, BID, LEVELS, NEAR, NIL, away, in_window, new_order
from tapewire.replay.markets._clock import gap_ns
from tapewire.replay.markets._tables import SIZES_N
from tapewire.replay.markets._weights import quantile

_P_OPEN: Final = 24
_P_OPEN_SIZE: Final = 25
_SHARE_ONE: Final = 1_024


@jit
def _fill(
    engine: Any, book: Any, t: Any, levels: Any, orders: Any, alive: Any, profile: Any
) -> None:
    """Place the orders of both sides: what a depth has on average, and those far away."""
    k = 0
    for side in range(2):
        touch = LEVELS // 2 - 1 if side == BID else LEVELS // 2
        for d in range(NEAR + 1):
            k += 1
            share = draw(book.seed, _P_OPEN, k) & (_SHARE_ONE - 1)
            count = (profile[d] + share) // _SHARE_ONE
            if d == 0:
                count = max(count, 1)
            for _ in range(count):
                k += 1
                ticks = d
                if d == NEAR:
                    ticks = max(NEAR, quantile(t.far, draw(book.seed, _P_OPEN, k)))
                level = touch + away(side, ticks)
                if not in_window(level) or book.alive >= orders.shape[0] - 1:
                    continue
                kind = 0 if d == 0 else (2 if d == NEAR else 1)
                size = t.sizes[kind, draw(book.seed, _P_OPEN_SIZE, k) & (SIZES_N - 1)]
                engine.order_id += 1
                new_order(levels, orders, alive, book, engine.order_id, side, level, size)


@jit_entry
def open_books(
    engines: Any, books: Any, levels: Any, orders: Any, alive: Any, tables: Any, rates: Any,
    profile: Any, heap: Any,
) -> None:  # fmt: skip
    """Fill empty books around the middle of their windows, and draw when each has its first event.

    ``profile`` is (NEAR + 1,) int64: orders at a depth, in 1/1024, and of those farther away.
    """
    engine = engines[0]
    for k in range(books.shape[0]):
        book = books[k]
        book.best[BID] = LEVELS // 2 - 1
        book.best[ASK] = LEVELS // 2
        book.free = 0
        for i in range(LEVELS):
            levels[k, i].head = NIL
            levels[k, i].tail = NIL
        for i in range(orders.shape[1]):
            orders[k, i].next = i + 1
        _fill(engine, book, tables[0], levels[k], orders[k], alive[k], profile)
        book.events = 1
        book.next_ns = engine.ts_start + gap_ns(book, rates)
    # The earliest first: a sorted list is a heap.
    for at in range(books.shape[0]):
        k = at
        while k > 0 and books[heap[k - 1]].next_ns > books[at].next_ns:
            heap[k] = heap[k - 1]
            k -= 1
        heap[k] = at
