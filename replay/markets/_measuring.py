"""Kernels that measure the flow of one book: what happens where, in which state of the book."""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.market.applying import apply_record, side_of
from tapewire.market.events import close_event, closes_before
from tapewire.market.ids import book_of, find_order
from tapewire.market.layout import (
    ASK,
    BID,
    NEW_BOOK,
    NIL,
    NO_SNAPSHOT,
    OK,
    book_at,
    level_at,
    order_at,
    record_at,
    rung_at,
    side_at,
)
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_LAST,
    F_SNAPSHOT,
)
from tapewire.replay.markets._books import NEAR
from tapewire.replay.markets._tables import DEPTHS, FAR, QUEUES, SPREADS, TOUCH
from tapewire.replay.markets._weights import queue_class

#: Bins of sizes, spreads and depths: one each, the last one for all beyond.
SIZE_BINS: Final = 4_096
SPREAD_BINS: Final = 64
DEPTH_BINS: Final = 2_048
#: Depth 0 is this bin: some orders improve the price.
DEPTH_ZERO: Final = 32
#: Bins of times: 16 per factor of two.
TIME_BINS: Final = 64 * 16
_OCTAVE_BITS: Final = 4
_NS_PER_S: Final = 1_000_000_000

TALLY_DTYPE: Final = np.dtype(
    [
        ("key", "i8"),  # publisher_id << 32 | instrument_id
        ("tick", "i8"),
        # The book as the current event met it.
        ("sane", "i8"),  # both sides there, the bid below the ask
        ("best", "i8", (2,)),  # prices
        ("queue", "i8", (2,)),  # orders at the best
        ("lots", "i8", (2,)),
        ("spread_class", "i8"),
        ("opened", "i8"),  # there was a trade since the book was crossed last: no auction
        ("gone", "i8"),  # the side whose best price went away last
        ("trade_lots", "i8"),  # of the current event
        ("trade_px", "i8"),
        ("walked", "i8"),
        ("rested", "i8"),
        ("again", "i8"),  # the record was counted, but its book had no room for it
        ("last_ns", "i8"),
        ("first_ns", "i8"),
        # Counts of what happened, and of what it might have happened to.
        ("steps", "i8"),
        ("add", "i8", (SPREADS, DEPTHS)),
        ("spreads_met", "i8", (SPREADS,)),  # per event
        ("touch_add", "i8", (QUEUES,)),
        ("touch_cancel", "i8", (QUEUES,)),
        ("touch_modify", "i8", (QUEUES,)),
        ("trade", "i8", (QUEUES,)),
        ("queues_met", "i8", (QUEUES,)),  # per event and side
        ("queue_orders", "i8", (QUEUES,)),
        ("cancel", "i8", (NEAR + 1,)),
        ("modify", "i8", (NEAR + 1,)),
        ("orders_met", "i8", (NEAR + 1,)),
        ("move", "i8", (DEPTHS,)),
        ("modify_kinds", "i8", (2, 3)),  # at the touch, elsewhere: new price, fewer, more lots
        ("improved", "i8", (2,)),  # on the side that emptied, on the other
        ("emptied", "i8"),  # trades that took all of the best level; of those walked and rested
        ("emptied_walked", "i8"),
        ("emptied_rested", "i8"),
        ("filled", "i8"),  # orders that traded in full, and those that then showed again
        ("refreshed", "i8"),
        # What it looked like.
        ("actions", "i8", (256,)),
        ("spread", "i8", (SPREAD_BINS,)),
        ("best_orders", "i8", (SIZE_BINS,)),
        ("best_lots", "i8", (SIZE_BINS,)),
        ("sizes", "i8", (3, SIZE_BINS)),
        ("trade_sizes", "i8", (SIZE_BINS,)),
        ("add_depth", "i8", (DEPTH_BINS,)),
        ("cancel_depth", "i8", (DEPTH_BINS,)),
        ("gaps", "i8", (TIME_BINS,)),
        ("delays", "i8", (TIME_BINS,)),
    ]
)


@jit_inline
def _bin_of(value: int, bins: int) -> Any:
    """The value itself, or the last bin."""
    return min(max(value, 0), bins - 1)


@jit
def time_bin(ns: int) -> Any:
    """Bin of a time above 0: 16 per factor of two."""
    octave = 0
    ns = max(ns, 1)
    while ns >> octave >= 1 << (_OCTAVE_BITS + 1):
        octave += 1
    if ns < 1 << _OCTAVE_BITS:
        return ns
    return _bin_of((octave << _OCTAVE_BITS) + (ns >> octave), TIME_BINS)


@jit_inline
def _depth_class(ticks: int) -> Any:
    """Class of a depth in ticks; below 0 it improves the price."""
    if ticks >= NEAR:
        return FAR
    return max(ticks, -2) + TOUCH


@jit
def _meet(market: Any, tally: Any, book: int, flags: int) -> None:
    """An event begins: note the book that it meets."""
    state = book_at(market.books, book)
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    tally.trade_lots = 0
    tally.walked = 0
    tally.rested = 0
    tally.sane = 0
    in_snapshot = state.in_snapshot != NO_SNAPSHOT or flags & F_SNAPSHOT != 0
    if in_snapshot or bids.n == 0 or asks.n == 0:
        tally.opened = 0
        return
    for side in range(2):
        ladder = bids if side == BID else asks
        rung = rung_at(market.rungs, ladder.offset + ladder.n - 1)
        level = level_at(market.levels, rung.level)
        tally.best[side] = level.key if side == BID else -level.key
        tally.queue[side] = level.count
        tally.lots[side] = level.size
    ticks = (tally.best[ASK] - tally.best[BID]) // tally.tick
    if ticks <= 0:
        tally.opened = 0
    if tally.opened == 0:
        return
    tally.sane = 1
    tally.spread_class = min(ticks, SPREADS) - 1
    tally.steps += 1
    tally.spreads_met[tally.spread_class] += 1
    for side in range(2):
        ladder = bids if side == BID else asks
        _meet_side(market, tally, side, ladder)


@jit
def _meet_side(market: Any, tally: Any, side: int, ladder: Any) -> None:
    """Count the orders of a side that the event could have concerned."""
    q = queue_class(tally.queue[side])
    tally.queues_met[q] += 1
    tally.queue_orders[q] += tally.queue[side]
    best = tally.best[side] if side == BID else -tally.best[side]
    near = 0
    for k in range(ladder.n - 1, max(ladder.n - 1 - NEAR, -1), -1):
        level = level_at(market.levels, rung_at(market.rungs, ladder.offset + k).level)
        depth = (best - level.key) // tally.tick
        if depth >= NEAR:
            break
        tally.orders_met[depth] += level.count
        near += level.count
    tally.orders_met[NEAR] += ladder.orders - near


@jit
def _note(market: Any, tally: Any, book: int, record: Any) -> None:
    """Count what a record does, before it is done."""
    state = book_at(market.books, book)
    action = record.action
    side = side_of(record)
    if action == ACTION_TRADE:
        if side != NIL:
            if tally.trade_lots > 0 and record.price != tally.trade_px:
                tally.walked = 1
            tally.trade_px = record.price
            tally.trade_lots += record.size
        return
    if side == NIL or action == ACTION_FILL:
        return
    sign = 1 if side == BID else -1
    index = find_order(market, book, record.order_id)
    if state.trades > 0:
        if action == ACTION_ADD:
            tally.rested = 1
        elif index != NIL:
            order = order_at(market.orders, index)
            if order.event == state.event and order.filled >= order.size:
                tally.filled += 1
                tally.refreshed += action == ACTION_MODIFY
        return
    if action == ACTION_ADD:
        _note_add(tally, side, sign * (tally.best[side] - record.price) // tally.tick, record.size)
    elif index != NIL:
        order = order_at(market.orders, index)
        depth = sign * (tally.best[side] - order.price) // tally.tick
        q = queue_class(tally.queue[side])
        near = min(max(depth, 0), NEAR)
        if action == ACTION_CANCEL:
            tally.cancel[near] += 1
            tally.cancel_depth[_bin_of(depth + DEPTH_ZERO, DEPTH_BINS)] += 1
            if depth == 0:
                tally.touch_cancel[q] += 1
        elif action == ACTION_MODIFY:
            tally.modify[near] += 1
            if depth == 0:
                tally.touch_modify[q] += 1
            kind = 2
            if record.price != order.price:
                kind = 0
                to = sign * (tally.best[side] - record.price) // tally.tick
                tally.move[_depth_class(to)] += 1
            elif record.size < order.size:
                kind = 1
            tally.modify_kinds[min(near, 1), kind] += 1


@jit
def _note_add(tally: Any, side: int, depth: int, size: int) -> None:
    """Count a new order."""
    tally.add[tally.spread_class, _depth_class(depth)] += 1
    tally.add_depth[_bin_of(depth + DEPTH_ZERO, DEPTH_BINS)] += 1
    kind = 0 if depth <= 0 else (2 if depth >= NEAR else 1)
    tally.sizes[kind, _bin_of(size, SIZE_BINS)] += 1
    if depth == 0:
        tally.touch_add[queue_class(tally.queue[side])] += 1
    if depth < 0 and tally.gone != NIL:
        tally.improved[0 if side == tally.gone else 1] += 1


@jit
def _close(market: Any, tally: Any, book: int, ts_event: int, times: Any, mids: Any) -> None:
    """An event that met a sane book is complete: note what it leaves."""
    if tally.trade_lots > 0 and book_at(market.books, book).trade_side != NIL:
        taken = 1 - book_at(market.books, book).trade_side
        tally.trade[queue_class(tally.queue[taken])] += 1
        tally.trade_sizes[_bin_of(tally.trade_lots, SIZE_BINS)] += 1
        if tally.trade_lots >= tally.lots[taken]:
            tally.emptied += 1
            tally.emptied_walked += tally.walked
            tally.emptied_rested += tally.rested
    if tally.first_ns == 0:
        tally.first_ns = ts_event
    else:
        tally.gaps[time_bin(ts_event - tally.last_ns)] += 1
    tally.last_ns = ts_event
    if tally.steps <= times.shape[0]:
        times[tally.steps - 1] = ts_event
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n == 0 or asks.n == 0:
        return
    bid = level_at(market.levels, rung_at(market.rungs, bids.offset + bids.n - 1).level)
    ask = level_at(market.levels, rung_at(market.rungs, asks.offset + asks.n - 1).level)
    if bid.key < tally.best[BID]:
        tally.gone = BID
    if -ask.key > tally.best[ASK]:
        tally.gone = ASK
    tally.spread[_bin_of((-ask.key - bid.key) // tally.tick, SPREAD_BINS)] += 1
    for level in (bid, ask):
        tally.best_orders[_bin_of(level.count, SIZE_BINS)] += 1
        tally.best_lots[_bin_of(level.size, SIZE_BINS)] += 1
    second = (ts_event - tally.first_ns) // _NS_PER_S
    if 0 <= second < mids.shape[0]:
        mids[second] = bid.key - ask.key


@jit
def _before(market: Any, tally: Any, book: int, record: Any, times: Any, mids: Any) -> None:
    """Look at the book and the record before the one changes the other."""
    state = book_at(market.books, book)
    if closes_before(market, book, record):
        if tally.sane:
            _close(market, tally, book, state.ts_event, times, mids)
        close_event(market, book, 0)
        market.missing_last += 1
    if state.open == 0:
        _meet(market, tally, book, record.flags)
    tally.opened |= record.action == ACTION_TRADE
    if tally.sane:
        _note(market, tally, book, record)
        tally.actions[record.action] += 1
        tally.delays[time_bin(record.ts_recv - record.ts_event)] += 1


@jit_entry
def measure_batch(
    market_state: Any, tallies: Any, times: Any, mids: Any, records: int, n: int, start: int
) -> Any:
    """Pass over records from ``start`` on; (status, record to go on with).

    Parameters
    ----------
    times : (m,) int64
        Gets the moments of the first m events.
    mids : (s,) int64
        Gets bid + ask in 1e-9 as each second left it; seconds without an event stay as they are.
    """
    market = market_state[0]
    tally = tallies[0]
    for i in range(start, n):
        record = record_at(records, i)
        key = (np.int64(record.publisher_id) << 32) | np.int64(record.instrument_id)
        if key != tally.key:
            continue
        book = book_of(market, record)
        if book == NIL:
            return NEW_BOOK, i
        if tally.again == 0:
            _before(market, tally, book, record, times, mids)
        status = apply_record(market, book, record)
        tally.again = status != OK
        if status != OK:
            return status, i
        if record.flags & F_LAST:
            if tally.sane:
                _close(market, tally, book, record.ts_event, times, mids)
            close_event(market, book, record.flags)
    return OK, n
