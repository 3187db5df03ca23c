"""Kernels of the synthetic session: a small market whose order flow is drawn, not recorded.

One step draws an instrument, a gap in time and something to happen (an add, a cancel, a modify, a
trade), checks that the book stays sound, applies it and writes the records Databento would have
published for it. All state is in arrays, so a session does not depend on the chunk size.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.draws import draw, exponential
from tapewire.compiled.jit import jit, jit_entry
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_BAD_TS_RECV,
    F_LAST,
    F_SNAPSHOT,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
    UNDEF_PRICE,
)
from tapewire.replay._synth_books import (
    ASK,
    BID,
    LEVELS,
    MAX_SPREAD_TICKS,
    NIL,
    ORDERS_MAX,
    TAIL_TICKS,
    choose_level,
    choose_order,
    drop,
    join,
    leave,
    may_leave,
    new_order,
    next_level,
)
from tapewire.replay.sizes import order_size

#: Resting orders one trade may touch, and the records its event may then have.
TOUCHED_MAX: Final = 40
EVENT_RECORDS_MAX: Final = 2 * TOUCHED_MAX + MAX_SPREAD_TICKS + 2
TICK_SIZE: Final = 250_000_000  # 0.25
#: Records per event of the mix below, in 1/1024: the pace of time is set by it.
RECORDS_PER_EVENT_1024: Final = 1160

#: F_LAST with Databento's publisher-specific bit 2, as every GLBX live record has it.
_LIVE_LAST: Final = F_LAST | 2
_SNAPSHOT_FLAGS: Final = F_SNAPSHOT | F_BAD_TS_RECV

# What one step does, in 1/65536. An order that a trade removed leaves by a C record too, so
# adds and C records balance whatever these say; see _wants_add.
_ADD: Final = 27_900
_CANCEL: Final = 25_900
_MODIFY: Final = 8_900
#: 1,000 s; also keeps the products of a draw within 63 bits.
_MEAN_GAP_MAX_NS: Final = 1_000_000_000_000

# Purposes of draws.
_P_INSTRUMENT: Final = 1
_P_GAP: Final = 2
_P_KIND: Final = 3
_P_SIDE: Final = 4
_P_SIZE: Final = 6
_P_PICK: Final = 7
_P_TRADE: Final = 8
_P_DELAY: Final = 9
_P_DRIFT: Final = 10
_P_BUSY: Final = 11
_P_PLACE: Final = 12
_P_SNAPSHOT: Final = 64

ENGINE_DTYPE: Final = np.dtype(
    [
        ("seed", "i8"),
        ("event", "i8"),  # events so far: the counter of the draws
        ("ts_event", "i8"),
        ("ts_recv", "i8"),
        ("ts_end", "i8"),  # the session's end, ts_event never passes it
        ("order_id", "i8"),  # last one given
        ("sequence", "i8"),
        ("left", "i8"),  # records still to be written
        ("snapshot_book", "i8"),  # where the start snapshot is: instrument and order
        ("snapshot_order", "i8"),
        ("snapshot_orders", "i8"),  # per instrument
    ]
)


# --- records ------------------------------------------------------------------------------------


@jit
def _write(
    out: Any, n: int, engine: Any, book: Any, action: int, side: int,
    level: int, size: int, order_id: int, flags: int,
) -> Any:  # fmt: skip
    """Write a record of the engine's moment; returns the next row."""
    r = out[n]
    r.length = RECORD_LENGTH_WORDS
    r.rtype = RTYPE_MBO
    r.publisher_id = 1
    r.instrument_id = book.instrument_id
    r.ts_event = engine.ts_event
    r.order_id = order_id
    r.price = book.base_price + level * TICK_SIZE
    r.size = size
    r.flags = flags
    r.channel_id = 0
    r.action = action
    r.side = SIDE_BID if side == BID else SIDE_ASK
    r.ts_recv = engine.ts_recv
    r.ts_in_delta = 12_000 + (engine.sequence * 7_919) % 6_000
    r.sequence = engine.sequence
    return n + 1


@jit
def _add(out: Any, n: int, engine: Any, book: Any, levels: Any, orders: Any, side: int) -> Any:
    """A new order at a drawn place, of a drawn size."""
    level = choose_level(levels, book, side, draw(engine.seed, _P_PLACE, engine.event))
    bits = draw(engine.seed, _P_SIZE, engine.event)
    size = order_size(bits)
    engine.order_id += 1
    slot = new_order(levels, orders, book, engine.order_id, side, level, size)
    if size > 4 and (bits >> 32) & 7 == 0:  # an iceberg: what shows is one clip of several
        orders[slot].clip = size
        orders[slot].hidden = size * (2 + (bits >> 35) % 8)
        levels[level].icebergs += 1
    return _write(out, n, engine, book, ACTION_ADD, side, level, size, engine.order_id, _LIVE_LAST)


@jit
def _modify(
    out: Any, n: int, engine: Any, book: Any, levels: Any, orders: Any, slot: int, bits: int
) -> Any:
    """A new price, fewer lots (keeps its place) or more lots (to the back of the queue)."""
    order = orders[slot]
    pick = bits & 127
    if pick < 100 or (order.size == 1 and pick < 118):
        best = book.best_bid if order.side == BID else book.best_ask
        level = choose_level(levels, book, order.side, draw(engine.seed, _P_PLACE, engine.event))
        if order.level != best and (bits >> 7) & 3 != 0:
            level = best  # following the price is what most modifies are for
        if level == order.level:
            level += -1 if order.side == BID else 1
        leave(levels, orders, book, slot)
        order.level = level
        if pick < 20:
            order.size += 1 + (bits >> 10) % 3
        join(levels, orders, book, slot)
    elif pick < 118:
        order.size = 1 + (bits >> 10) % (order.size - 1)
    else:
        leave(levels, orders, book, slot)
        order.size += 1 + (bits >> 10) % 4
        join(levels, orders, book, slot)
    return _write(
        out, n, engine, book, ACTION_MODIFY, order.side, order.level, order.size,
        order.order_id, _LIVE_LAST,
    )  # fmt: skip


@jit
def _take(
    out: Any, n: int, engine: Any, book: Any, levels: Any, orders: Any,
    touched: Any, side: int, lots: int, walk: bool, aggressor: int,
) -> Any:  # fmt: skip
    """The T and F records of an aggressor; returns (n, orders touched, lots left).

    A limit order takes the best level only, a market order walks (``walk``).
    """
    resting = ASK if side == BID else BID
    level = book.best_ask if side == BID else book.best_bid
    touched_n = 0
    while lots > 0 and level != NIL and touched_n < TOUCHED_MAX:
        trade = n
        n = _write(out, n, engine, book, ACTION_TRADE, side, level, 0, aggressor, 0)
        beyond = next_level(levels, book, resting, level)
        slot = levels[level].head
        while slot != NIL and lots > 0 and touched_n < TOUCHED_MAX:
            order = orders[slot]
            fill = min(lots, order.size)
            # The last order of a level nothing stands behind keeps a lot, or is left alone.
            if order.next == NIL and beyond == NIL and levels[level].icebergs == 0:
                fill = min(fill, order.size - 1)
                if fill == 0:
                    break
            n = _write(out, n, engine, book, ACTION_FILL, resting, level, fill, order.order_id, 0)
            order.filled = fill
            out[trade].size += fill
            lots -= fill
            touched[touched_n] = slot
            touched_n += 1
            slot = order.next
        if out[trade].size == 0:
            n -= 1
        if slot != NIL or levels[level].icebergs > 0 or not walk:
            break
        level = beyond
    return n, touched_n, lots


@jit
def _settle(out: Any, n: int, engine: Any, book: Any, levels: Any, orders: Any, slot: int) -> Any:
    """The C or M record that carries out a fill."""
    order = orders[slot]
    fill = order.filled
    order.filled = 0
    side = order.side
    level = order.level
    order_id = order.order_id
    if fill < order.size:
        order.size -= fill
        return _write(out, n, engine, book, ACTION_MODIFY, side, level, order.size, order_id, 0)
    if order.hidden > 0:  # the next clip queues up behind everybody
        leave(levels, orders, book, slot)
        order.size = min(order.clip, order.hidden)
        order.hidden -= order.size
        join(levels, orders, book, slot)
        return _write(out, n, engine, book, ACTION_MODIFY, side, level, order.size, order_id, 0)
    size = order.size
    drop(levels, orders, book, slot)
    return _write(out, n, engine, book, ACTION_CANCEL, side, level, size, order_id, 0)


@jit
def _trade(
    out: Any, n: int, engine: Any, book: Any, levels: Any, orders: Any, touched: Any, side: int
) -> Any:
    """An aggressor's whole event; returns ``n`` unchanged if the book can't give anything."""
    bits = draw(engine.seed, _P_TRADE, engine.event)
    pick = bits & 1023
    lots = order_size(bits >> 10)
    if pick > 800:
        lots += (bits >> 30) % 12
    if pick > 900:  # a sweep
        lots += (bits >> 34) % 90
    walk = (bits >> 56) & 3 != 0
    known = (bits >> 44) & 63 != 0  # an implied or auction trade has no aggressor's id
    aggressor = engine.order_id + 1 if known else 0
    first = n
    n, touched_n, lots = _take(
        out, n, engine, book, levels, orders, touched, side, lots, walk, aggressor
    )
    if touched_n == 0:
        return first
    engine.order_id += 1 if known else 0
    engine.sequence += 1
    engine.ts_recv += 5_000 + (bits >> 50) % 30_000
    last_level = orders[touched[touched_n - 1]].level
    for k in range(touched_n):
        n = _settle(out, n, engine, book, levels, orders, touched[k])
    # A limit order rests what it could not get at the last price, if that level is now empty.
    if lots > 0 and known and not walk and levels[last_level].count == 0:
        size = min(lots, 9)
        new_order(levels, orders, book, aggressor, side, last_level, size)
        n = _write(out, n, engine, book, ACTION_ADD, side, last_level, size, aggressor, 0)
    out[n - 1].flags = _LIVE_LAST
    return n


# --- the session --------------------------------------------------------------------------------


@jit_entry
def open_books(books: Any, levels: Any, orders: Any) -> None:
    """Empty books with all their orders free; ids, prices and targets are set by the caller."""
    for k in range(books.shape[0]):
        books[k].best_bid = LEVELS // 2 - 1
        books[k].best_ask = LEVELS // 2
        books[k].free = 0
        for i in range(LEVELS):
            levels[k, i].head = NIL
            levels[k, i].tail = NIL
        for i in range(ORDERS_MAX):
            orders[k, i].next = i + 1


@jit_entry
def snapshot(out: Any, engines: Any, books: Any, levels: Any, orders: Any) -> Any:
    """Write the next part of the start snapshot; 0 when it is complete."""
    engine = engines[0]
    n = 0
    room = out.shape[0]
    ts_live = engine.ts_event
    while engine.snapshot_book < books.shape[0] and n < room:
        k = engine.snapshot_book
        book = books[k]
        i = engine.snapshot_order
        count = engine.snapshot_orders
        # Orders placed over the minutes before the session, each at its own time.
        engine.ts_event = ts_live - (count + 1 - i) * 97_003_001 - k
        if i == 0:
            n = _write(out, n, engine, book, ACTION_CLEAR, BID, 0, 0, 0, _SNAPSHOT_FLAGS)
            out[n - 1].side = SIDE_NONE
            out[n - 1].price = UNDEF_PRICE
        else:
            bits = draw(engine.seed, _P_SNAPSHOT + (k << 8), i)
            side = i & 1
            depth = _snapshot_depth(i, bits)
            level = LEVELS // 2 - 1 - depth if side == BID else LEVELS // 2 + depth
            engine.order_id += 1
            engine.sequence += 1
            size = order_size(bits >> 20)
            new_order(levels[k], orders[k], book, engine.order_id, side, level, size)
            flags = _SNAPSHOT_FLAGS | (F_LAST if i == count else 0)
            n = _write(out, n, engine, book, ACTION_ADD, side, level, size, engine.order_id, flags)
        out[n - 1].ts_in_delta = 0
        engine.left -= 1
        engine.snapshot_order += 1
        if engine.snapshot_order > count:
            engine.snapshot_order = 0
            engine.snapshot_book += 1
    engine.ts_event = ts_live
    return n


@jit
def _snapshot_depth(i: int, bits: int) -> Any:
    """First one order per level from the touch outwards, then denser near it."""
    if i <= 2 * TAIL_TICKS:
        return (i - 1) >> 1
    return (bits % 96) * ((bits >> 8) % 96) // 96


@jit
def _advance(engine: Any) -> None:
    """Move the clocks to the next event: bursts, quiet and busy spells, the feed's delay."""
    bits = draw(engine.seed, _P_GAP, engine.event)
    events_left = max(1, engine.left * 1024 // RECORDS_PER_EVENT_1024)
    mean = max(2, (engine.ts_end - engine.ts_event) // events_left)
    busy = draw(engine.seed, _P_BUSY, engine.event >> 11) & 3
    mean = min(mean, _MEAN_GAP_MAX_NS) * (1 + busy) * 2 // 5
    if bits & 1023 < 560:  # within a burst
        mean = max(2, mean // 256)
    else:
        mean = mean * 9 // 4
    gap = 1 + exponential(bits >> 10, mean)
    engine.ts_event = min(engine.ts_event + gap, engine.ts_end)
    bits = draw(engine.seed, _P_DELAY, engine.event)
    delay = 80_000 + min(exponential(bits, 40_000), 220_000)
    engine.ts_recv = max(engine.ts_recv, engine.ts_event + delay)
    engine.sequence += 1 + ((bits >> 58) & 1)


@jit
def _instrument(cumulative: Any, bits: int) -> Any:
    """Draw an instrument by its activity: first cumulative weight above the draw."""
    pick = bits % cumulative[cumulative.shape[0] - 1]
    low = 0
    high = cumulative.shape[0] - 1
    while low < high:
        middle = (low + high) >> 1
        if cumulative[middle] > pick:
            high = middle
        else:
            low = middle + 1
    return low


@jit
def _up(engine: Any, book: Any, k: int) -> Any:
    """Probability, in 1/256, that the next push is upwards: spells, and home from far away."""
    spell = draw(engine.seed, _P_DRIFT + (k << 8), book.events >> 11)
    away = LEVELS // 2 - book.best_bid
    home = away // 32 + away * abs(away) // 8_192
    return min(max(80 + spell % 97 + home, 8), 248)


@jit
def _step(
    out: Any, n: int, engine: Any, book: Any, levels: Any, orders: Any, touched: Any,
    k: int, single: bool,
) -> Any:  # fmt: skip
    """One event of one instrument."""
    kind = draw(engine.seed, _P_KIND, engine.event) & 0xFFFF
    bits = draw(engine.seed, _P_SIDE, engine.event)
    up = (bits & 255) < _up(engine, book, k)
    # Fewer orders than its target draw adds, more draw cancels: about a hundredth per percent.
    have = book.bid_orders + book.ask_orders
    lean = min(max((book.target_orders - have) * 16, -9_000), 9_000)
    lighter = BID if book.bid_orders < book.ask_orders else ASK
    balanced = lighter if (bits >> 8) & 7 == 0 else (bits >> 11) & 1
    if kind >= _ADD + _CANCEL + _MODIFY and not single:
        after = _trade(out, n, engine, book, levels, orders, touched, BID if up else ASK)
        if after > n:
            return after
    elif kind >= _ADD + lean:
        # Rising prices: offers are pulled and bids move up; falling: the reverse.
        side = balanced
        if (bits >> 12) & 3 == 0:
            side = ASK if up else BID
        pick = draw(engine.seed, _P_PICK, engine.event)
        slot = choose_order(levels, orders, book, side, pick)
        if may_leave(levels, orders, book, slot):
            order = orders[slot]
            if kind >= _ADD + _CANCEL and kind < _ADD + _CANCEL + _MODIFY:
                return _modify(out, n, engine, book, levels, orders, slot, pick >> 40)
            n = _write(
                out, n, engine, book, ACTION_CANCEL, order.side, order.level, order.size,
                order.order_id, _LIVE_LAST,
            )  # fmt: skip
            drop(levels, orders, book, slot)
            return n
    side = balanced
    if book.best_ask - book.best_bid > 1 and (bits >> 12) & 1:
        side = BID if up else ASK
    if have >= ORDERS_MAX - 1:  # full: never reached while the lean holds; one leaves instead
        slot = levels[book.best_bid].head
        order = orders[slot]
        order.size += 1
        leave(levels, orders, book, slot)
        join(levels, orders, book, slot)
        return _write(
            out, n, engine, book, ACTION_MODIFY, order.side, order.level, order.size,
            order.order_id, _LIVE_LAST,
        )  # fmt: skip
    return _add(out, n, engine, book, levels, orders, side)


@jit_entry
def live(
    out: Any, engines: Any, books: Any, levels: Any, orders: Any, cumulative: Any, touched: Any
) -> Any:
    """Fill ``out`` with whole events while there is room for any; 0 when the session is over."""
    engine = engines[0]
    n = 0
    room = out.shape[0] - EVENT_RECORDS_MAX
    while engine.left > 0 and n <= room:
        engine.event += 1
        _advance(engine)
        k = _instrument(cumulative, draw(engine.seed, _P_INSTRUMENT, engine.event))
        book = books[k]
        book.events += 1
        single = engine.left < EVENT_RECORDS_MAX
        after = _step(out, n, engine, book, levels[k], orders[k], touched, k, single)
        engine.left -= after - n
        n = after
    return n
