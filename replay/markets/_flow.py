"""Kernels of a synthetic market: orders come, change, go and trade, by the state of their book.

Rates of what happens depend on the distance from the touch, per order for cancels and modifies
(Cont, Stoikov and Talreja, A stochastic model for order book dynamics, Operations Research 58
(2010)), and on the queue at the touch and the spread (Huang, Lehalle and Rosenbaum, Simulating and
analyzing order book data: the queue-reactive model, JASA 110 (2015)). When anything happens is a
Hawkes process (`_clock`). The flow leans towards an efficient price that moves on its own.
"""

from typing import Any, Final

from tapewire.compiled.draws import draw
from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.market.records import ACTION_ADD, ACTION_CANCEL, ACTION_MODIFY
from tapewire.replay.markets._books import (
    ASK,
    BID,
    LEVELS,
    NEAR,
    NIL,
    ROOM_TICKS,
    away,
    depth_of,
    drop,
    in_window,
    join,
    leave,
    new_order,
)
from tapewire.replay.markets._clock import another, gap_ns
from tapewire.replay.markets._paths import follow_path
from tapewire.replay.markets._records import LIVE_LAST, write
from tapewire.replay.markets._tables import (
    FACTOR_ONE,
    FAR,
    PRICE_BITS,
    SIZES_N,
    SPREADS,
    TOUCH,
)
from tapewire.replay.markets._trades import EVENT_RECORDS_MAX, trade
from tapewire.replay.markets._weights import (
    ADDS_AWAY,
    ADDS_TOUCH,
    IMPROVES,
    KINDS,
    LEAVES_FAR,
    LEAVES_NEAR,
    MODIFIES_TOUCH,
    TRADES,
    WEIGHTS_N,
    below,
    near_depth,
    quantile,
    weigh,
)

#: How much the flow may lean, of 1024.
_LEAN_MAX: Final = 900
_TRIES: Final = 24

# Purposes of draws.
_P_KIND: Final = 1
_P_PLACE: Final = 2
_P_SIZE: Final = 3
_P_PICK: Final = 4
_P_TRADE: Final = 5


@jit
def _in_queue(orders: Any, level: Any, bits: int) -> Any:
    """An order of a queue, of two the younger: late arrivals leave more often."""
    count = level.count
    back = min((bits & 0xFFFFF) * count >> 20, (bits >> 20 & 0xFFFFF) * count >> 20)
    slot = level.tail
    while back > 0:
        slot = orders[slot].prev
        back -= 1
    return slot


@jit
def _far_order(orders: Any, alive: Any, book: Any, side: int, bits: int) -> Any:
    """An order of a side that is far from the touch; NIL if none was met."""
    for attempt in range(_TRIES):
        slot = alive[below(draw(bits, _P_PICK, attempt), book.alive)]
        order = orders[slot]
        if order.side == side and depth_of(book, side, order.level) >= NEAR:
            return slot
    return NIL


@jit
def _place(t: Any, book: Any, side: int, depth: int, bits: int) -> Any:
    """The level of a class of depth, within the spread and the window."""
    spread = book.best[ASK] - book.best[BID]
    ticks = depth - TOUCH
    if depth == FAR:
        ticks = max(NEAR, quantile(t.far, bits))
    elif depth == 0:
        ticks = -2 - ((bits & 0xFFFF) * max(spread - 2, 1) >> 16)
    return book.best[side] + away(side, max(ticks, 1 - spread))


@jit_inline
def _size(t: Any, depth: int, bits: int) -> Any:
    """Lots of a new order of a class of depth."""
    kind = 0 if depth <= TOUCH else (2 if depth == FAR else 1)
    return t.sizes[kind, bits & (SIZES_N - 1)]


@jit
def _add(
    out: Any, n: int, engine: Any, book: Any, t: Any, levels: Any, orders: Any, alive: Any,
    side: int, depth: int, bits: int,
) -> Any:  # fmt: skip
    """A new order; returns ``n`` unchanged where there is no room for one."""
    level = _place(t, book, side, depth, bits)
    if not in_window(level) or book.alive >= orders.shape[0] - 1:
        return n
    size = _size(t, depth, another(bits))
    engine.order_id += 1
    new_order(levels, orders, alive, book, engine.order_id, side, level, size)
    return write(out, n, engine, book, ACTION_ADD, side, level, size, engine.order_id, LIVE_LAST)


@jit
def _depth_class(t: Any, book: Any, kind: int, bits: int) -> Any:
    """The class of depth of a new order, by the weights of the spread."""
    spread = book.best[ASK] - book.best[BID]
    s = min(max(spread, 1), 3) - 1
    if kind == IMPROVES:
        if spread > SPREADS:
            return 1 if below(bits, spread - 1) == 0 else 0
        two = t.add[s, 0] if spread > 2 else 0
        return 0 if below(bits, two + t.add[s, 1]) < two else 1
    if kind == ADDS_TOUCH:
        return TOUCH
    pick = below(bits, t.away[s])
    for d in range(TOUCH + 1, FAR):
        pick -= t.add[s, d]
        if pick < 0:
            return d
    return FAR


@jit
def _modify(
    out: Any, n: int, engine: Any, book: Any, t: Any, levels: Any, orders: Any, slot: int
) -> Any:
    """A new price, fewer lots (keeps its place) or more (to the back of the queue)."""
    bits = draw(book.seed, _P_PLACE, book.events)
    order = orders[slot]
    side = order.side
    elsewhere = 0 if order.level == book.best[side] else 1
    pick = bits & (FACTOR_ONE - 1)
    if pick < t.moves[elsewhere]:
        to = below(bits, t.move[FAR])
        depth = 0
        while depth < FAR and t.move[depth] <= to:
            depth += 1
        level = _place(t, book, side, depth, draw(book.seed, _P_SIZE, book.events))
        if level == order.level:
            level += away(side, 1)
        if not in_window(level) or book.orders[side] == 1:
            return n
        leave(levels, orders, book, slot)
        order.level = level
        join(levels, orders, book, slot)
    elif pick < t.moves[elsewhere] + t.downs[elsewhere] and order.size > 1:
        order.size = 1 + ((bits >> 10 & 0xFFFF) * (order.size - 1) >> 16)
    else:
        leave(levels, orders, book, slot)
        order.size += 1 + (bits >> 10) % 3
        join(levels, orders, book, slot)
    return write(
        out, n, engine, book, ACTION_MODIFY, side, order.level, order.size, order.order_id,
        LIVE_LAST,
    )  # fmt: skip


@jit
def _lean(engine: Any, book: Any, t: Any) -> Any:
    """How far the flow leans upwards, of 1024: towards the efficient price."""
    follow_path(book, engine.ts_event - engine.ts_start)
    middle = (book.best[BID] + book.best[ASK] - LEVELS) << (PRICE_BITS - 1)
    if abs(middle) > ROOM_TICKS << PRICE_BITS:  # home, however weak the pull
        return -_LEAN_MAX if middle > 0 else _LEAN_MAX
    off = book.path + book.basis - middle
    return min(max((off * t.pull) >> PRICE_BITS, -_LEAN_MAX), _LEAN_MAX)


@jit
def _step(
    out: Any, n: int, engine: Any, book: Any, t: Any, levels: Any, orders: Any, alive: Any,
    touched: Any, w: Any, single: bool, bits: int,
) -> Any:  # fmt: skip
    """One event of one book; returns ``n`` unchanged where what was drawn can't be."""
    total = weigh(t, book, levels, _lean(engine, book, t), w)
    pick = below(bits, total)
    at = 0
    while at < WEIGHTS_N - 1 and pick >= w[at]:
        pick -= w[at]
        at += 1
    side = at // KINDS
    kind = at % KINDS
    bits = draw(book.seed, _P_PICK, book.events)
    if kind <= ADDS_AWAY:
        depth = _depth_class(t, book, kind, bits)
        bits = another(bits)
        return _add(out, n, engine, book, t, levels, orders, alive, side, depth, bits)
    if kind == TRADES:
        if single:
            return n
        return trade(out, n, engine, book, t, levels, orders, alive, touched, side, bits)
    depth = 0
    if kind == LEAVES_FAR:
        depth = NEAR
        slot = _far_order(orders, alive, book, side, bits)
        if slot == NIL:
            return n
    else:
        if kind == LEAVES_NEAR:
            depth = near_depth(t, book, levels, side, bits)
        level = levels[book.best[side] + away(side, depth)]
        slot = _in_queue(orders, level, another(bits))
    modifies = kind == MODIFIES_TOUCH
    if depth > 0:
        modifies = below(draw(bits, _P_KIND, depth), t.leave[depth]) < t.modify[depth]
    if modifies:
        return _modify(out, n, engine, book, t, levels, orders, slot)
    if book.orders[side] == 1:
        return n
    order = orders[slot]
    n = write(
        out, n, engine, book, ACTION_CANCEL, side, order.level, order.size, order.order_id,
        LIVE_LAST,
    )  # fmt: skip
    drop(levels, orders, alive, book, slot)
    return n


@jit
def _sift(heap: Any, books: Any) -> None:
    """The first book's time has moved on: put it where it belongs (ties: the lower number)."""
    n = heap.shape[0]
    at = 0
    moved = heap[0]
    due = books[moved].next_ns
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n:
            a = books[heap[child]].next_ns
            b = books[heap[child + 1]].next_ns
            if b < a or (b == a and heap[child + 1] < heap[child]):
                child += 1
        first = books[heap[child]].next_ns
        if first > due or (first == due and heap[child] > moved):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


@jit_entry
def live(
    out: Any, engines: Any, books: Any, levels: Any, orders: Any, alive: Any, tables: Any,
    rates: Any, heap: Any, touched: Any, w: Any,
) -> Any:  # fmt: skip
    """Fill ``out`` with whole events while there is room for any; 0 when the session is over."""
    engine = engines[0]
    t = tables[0]
    n = 0
    room = out.shape[0] - EVENT_RECORDS_MAX
    while engine.left > 0 and n <= room:
        k = heap[0]
        book = books[k]
        if book.next_ns >= engine.ts_end:
            break
        engine.ts_event = book.next_ns
        engine.sequence += 1
        bits = draw(book.seed, _P_KIND, book.events)
        delay = quantile(t.delay, bits & 0x7FFFFFFF)
        engine.ts_recv = max(engine.ts_recv, engine.ts_event + delay)
        single = engine.left < EVENT_RECORDS_MAX
        before = n
        while n == before:  # an add that has room is always possible sooner or later
            n = _step(
                out, n, engine, book, t, levels[k], orders[k], alive[k], touched, w, single, bits,
            )  # fmt: skip
            book.events += 1
            if n == before:
                bits = draw(book.seed, _P_KIND, book.events)
        engine.left -= n - before
        book.next_ns += gap_ns(book, rates)
        _sift(heap, books)
    return n
