"""Kernels of the multi-instrument L3 book: what one record does to one book.

A record is applied whole or not at all. Whatever may be missing (a free order, level or rung) is
checked first and answered with a status, so that the shell can grow the block and try again.
"""

from typing import Any

import numpy as np

from tapewire.compiled.jit import (
    jit,
    jit_inline,
)
from tapewire.market._snapshots import (
    apply_snapshot_add,
    begin_snapshot,
    drop_ghost,
    end_snapshot,
)
from tapewire.market.flags import note_clear, note_flags
from tapewire.market.ids import (
    fill_slot,
    find_order,
    find_slot,
    order_in,
    remove_slot,
)
from tapewire.market.layout import (
    ASK,
    BID,
    EMPTY_SNAPSHOT,
    GHOST,
    MAYBE_SNAPSHOT,
    NIL,
    NO_ORDER,
    NO_SNAPSHOT,
    NORMAL,
    OK,
    TOP_OF_BOOK,
    book_at,
    level_at,
    order_at,
    rung_at,
    side_at,
)
from tapewire.market.queues import (
    clamp_claims,
    clear_side,
    free_claims,
    free_order,
    join,
    join_front,
    leave,
    new_order,
    room,
)
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_BAD_TS_RECV,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_MBP,
    F_SNAPSHOT,
    F_TOB,
    SIDE_ASK,
    SIDE_BID,
    UNDEF_PRICE,
)


@jit
def _apply_top_of_book(market: Any, book: int, side: int, record: Any) -> int:
    """A top-of-book publisher's quote replaces its whole side."""
    ladder = side_at(market.sides, 2 * book + side)
    empty = record.price == UNDEF_PRICE or record.size == 0
    if ladder.n == 1 and ladder.orders == 1 and not empty:
        rung = rung_at(market.rungs, ladder.offset)
        level = level_at(market.levels, rung.level)
        order = order_at(market.orders, level.head)
        if order.kind == TOP_OF_BOOK:
            if order.claims != NIL:  # a new price is new liquidity, a refresh is not
                if order.price != record.price:
                    free_claims(market, order)
                else:
                    clamp_claims(market, order, record.size)
            key = record.price if side == BID else -record.price
            rung.key = key
            level.key = key
            level.size = record.size
            order.price = record.price
            order.size = record.size
            order.stamp = market.stamp
            market.stamp += 1
            return OK
    space = room(market, book, side)
    if space != OK:
        return space
    book_at(market.books, book).quoted = 1
    clear_side(market, book, side)
    if not empty:
        index = new_order(market, book, 0, record.size, TOP_OF_BOOK)
        join(market, index, book, side, record.price)
    return OK


@jit_inline
def _take_out(market: Any, slot: int, index: int) -> None:
    """Remove an order from its queue and from the table of ids."""
    leave(market, index)
    remove_slot(market, slot)
    free_order(market, index)


@jit_inline
def _apply_add(market: Any, book: int, side: int, record: Any) -> int:
    """A joins the back of its queue; a status."""
    space = room(market, book, side)
    if space != OK:
        return space
    order_id = record.order_id
    slot = find_slot(market, book, order_id)
    index = order_in(market, slot)
    if index != NIL:  # the id is taken: the venue's newer word counts, at the back of the queue
        market.duplicate_adds += 1
        _take_out(market, slot, index)
        space = room(market, book, side)
        slot = find_slot(market, book, order_id)
    index = new_order(market, book, order_id, record.size, NORMAL)
    fill_slot(market, slot, book, order_id, index)
    join(market, index, book, side, record.price)
    return OK


@jit_inline
def _apply_cancel(market: Any, book: int, record: Any) -> None:
    """C takes lots of an order away, or all of it."""
    slot = find_slot(market, book, record.order_id)
    index = order_in(market, slot)
    if index == NIL:
        market.unknown_cancels += 1
        return
    order = order_at(market.orders, index)
    if order.kind == GHOST:
        market.unknown_cancels += 1
        drop_ghost(market, book, index)
        return
    if record.size >= order.size:
        _take_out(market, slot, index)
    else:
        order.size -= record.size
        level_at(market.levels, order.level).size -= record.size
        if order.filled > 0 and order.event == book_at(market.books, book).event:
            # It carries out fills of this event, before anything else.
            order.filled -= min(order.filled, record.size)
        if order.claims != NIL:
            clamp_claims(market, order, order.size)


@jit_inline
def _apply_modify(market: Any, book: int, side: int, record: Any) -> int:
    """M changes price or size; more lots or a new price lose the place; a status."""
    index = find_order(market, book, record.order_id)
    if index != NIL and order_at(market.orders, index).kind == GHOST:
        drop_ghost(market, book, index)
        index = NIL
    if index == NIL:
        at_front = _stood_in_front(market, book, side, record)
        status = _apply_add(market, book, side, record)
        if status == OK:
            market.unknown_modifies += 1
            if at_front:
                _move_to_front(market, book, side, record)
        return status
    order = order_at(market.orders, index)
    size = record.size
    filled = order.filled if order.event == book_at(market.books, book).event else 0
    if order.claims != NIL:
        clamp_claims(market, order, min(size, order.size - filled))
    if order.price == record.price and order.side == side:
        if size <= order.size - filled:  # a decrease, or just what the fills left: keeps its place
            level_at(market.levels, order.level).size += size - order.size
            order.size = size
            order.filled = 0
            return OK
    space = room(market, book, side)
    if space != OK:
        return space
    leave(market, index)
    order.size = size
    order.filled = 0
    order.stamp = market.stamp
    market.stamp += 1
    join(market, index, book, side, record.price)
    return OK


@jit
def _apply_modify_to_nothing(market: Any, book: int, record: Any) -> None:
    """An M to nothing is a cancel."""
    slot = find_slot(market, book, record.order_id)
    index = order_in(market, slot)
    if index == NIL:
        market.unknown_modifies += 1
        return
    if order_at(market.orders, index).kind == GHOST:
        market.unknown_modifies += 1
        drop_ghost(market, book, index)
        return
    _take_out(market, slot, index)


@jit_inline
def is_aggressors_own(state: Any, side: int, order_id: int) -> bool:
    """Whether an F of a side tells of the aggressor's own order: it is not resting volume."""
    same_side = side != NIL and state.trade_side == side
    return same_side or (order_id != NO_ORDER and order_id == state.trade_order_id)


@jit
def _note_front(market: Any, book: int, side: int, record: Any) -> None:
    """Remember the order an F names, if nobody had heard of it.

    Whoever trades goes on to the next order when one is exhausted. So what the event's last F
    leaves of an order stood in front of its queue, and what an earlier one shows again is an
    iceberg's next clip. ``side`` is NIL where it isn't known.
    """
    state = book_at(market.books, book)
    if is_aggressors_own(state, side, record.order_id):
        return
    if state.front_event != state.event:
        state.front_event = state.event
        state.front_ids[0] = NO_ORDER
        state.front_ids[1] = NO_ORDER
    order_id = record.order_id if _knows_not(market, book, record.order_id) else NO_ORDER
    for at in range(2):
        if side == NIL or side == at:
            state.front_ids[at] = order_id
            state.front_prices[at] = record.price


@jit
def _knows_not(market: Any, book: int, order_id: int) -> bool:
    """Whether no living order has this id."""
    index = find_order(market, book, order_id)
    return index == NIL or order_at(market.orders, index).kind == GHOST


@jit
def _stood_in_front(market: Any, book: int, side: int, record: Any) -> bool:
    """Whether an M of an unknown order tells what a fill of the same event left of it."""
    state = book_at(market.books, book)
    return (
        state.front_event == state.event
        and record.order_id != NO_ORDER
        and state.front_ids[side] == record.order_id
        and state.front_prices[side] == record.price
    )


@jit
def _move_to_front(market: Any, book: int, side: int, record: Any) -> None:
    """Put an order that stood in front of its queue back there."""
    index = find_order(market, book, record.order_id)
    leave(market, index)
    join_front(market, index, book, side, record.price)


@jit_inline
def _apply_fill(market: Any, book: int, record: Any) -> None:
    """An F changes no book; it tells the M that may follow how much of the order traded."""
    index = find_order(market, book, record.order_id)
    if index == NIL or order_at(market.orders, index).kind == GHOST:
        market.unknown_fills += 1
        _note_front(market, book, side_of(record), record)
        return
    order = order_at(market.orders, index)
    event = book_at(market.books, book).event
    if book_at(market.books, book).front_event == event:
        side: Any = np.int64(order.side)
        _note_front(market, book, side, record)
    if order.event != event:
        order.event = event
        order.filled = 0
    filled: Any = np.int64(order.filled) + np.int64(record.size)
    order.filled = min(filled, 0xFFFFFFFF)


@jit
def _apply_clear(market: Any, book: int, record: Any) -> int:
    """R empties the book, at once or in favour of the snapshot that begins; FLAGGED or OK.

    Levels that are told anew have no orders whose places could be kept: they go at once, and those
    that follow in the same event are live.
    """
    state = book_at(market.books, book)
    is_snapshots = record.flags & F_SNAPSHOT != 0
    if record.flags & (F_MBP if is_snapshots else F_LAST):
        end_snapshot(market, book)
        clear_side(market, book, BID)
        clear_side(market, book, ASK)
    else:
        begin_snapshot(market, book, EMPTY_SNAPSHOT if is_snapshots else MAYBE_SNAPSHOT)
    state.trade_side = NIL
    state.trade_order_id = NO_ORDER
    state.rebuilds += 1
    market.clears += 1
    return note_clear(market, state, record.flags)


@jit_inline
def side_of(record: Any) -> int:
    """BID, ASK or NIL."""
    if record.side == SIDE_BID:
        return BID
    if record.side == SIDE_ASK:
        return ASK
    return NIL


@jit_inline
def apply_record(market: Any, book: int, record: Any) -> int:
    """Apply one record to its book; a status, with nothing changed unless it is OK or FLAGGED."""
    state = book_at(market.books, book)
    action = record.action
    flags = record.flags
    if state.in_snapshot != NO_SNAPSHOT and not (flags & F_SNAPSHOT):
        end_snapshot(market, book)
        state.event += 1
    status = OK
    if action == ACTION_ADD:
        side = side_of(record)
        if flags & F_TOB:
            if side == NIL:
                market.ignored_records += 1
            else:
                status = _apply_top_of_book(market, book, side, record)
        elif side == NIL or record.price == UNDEF_PRICE or record.size == 0:
            market.ignored_records += 1
        elif flags & F_SNAPSHOT:
            status = apply_snapshot_add(market, book, side, record)
        else:
            status = _apply_add(market, book, side, record)
        if status != OK:
            return status
        market.adds += 1
    elif action == ACTION_CANCEL:
        _apply_cancel(market, book, record)
        market.cancels += 1
    elif action == ACTION_MODIFY:
        side = side_of(record)
        if record.size == 0:
            _apply_modify_to_nothing(market, book, record)
        elif side == NIL or record.price == UNDEF_PRICE:
            market.ignored_records += 1
        else:
            status = _apply_modify(market, book, side, record)
            if status != OK:
                return status
        market.modifies += 1
    elif action == ACTION_FILL:
        _apply_fill(market, book, record)
        market.fills += 1
    elif action == ACTION_TRADE:
        state.trade_side = side_of(record)
        state.trade_order_id = record.order_id
        state.trades += 1
        if record.price != UNDEF_PRICE:
            state.last_trade_px = record.price
        state.volume += record.size
        market.trades += 1
    elif action == ACTION_CLEAR:
        status = _apply_clear(market, book, record)
    if flags & (F_BAD_TS_RECV | F_MAYBE_BAD_BOOK | F_SNAPSHOT | F_MBP):
        if flags & F_MBP:
            state.quoted = 1
        market.bad_ts_recv += (flags & F_BAD_TS_RECV) != 0
        market.maybe_bad_book += (flags & F_MAYBE_BAD_BOOK) != 0
        market.snapshot_records += (flags & F_SNAPSHOT) != 0
        if flags & (F_BAD_TS_RECV | F_MAYBE_BAD_BOOK):
            status = max(status, note_flags(market, state, action, flags))
    state.open += 1
    state.ts_event = record.ts_event
    state.ts_recv = record.ts_recv
    market.records += 1
    return status
