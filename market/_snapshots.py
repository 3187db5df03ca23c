"""Kernels that take in a snapshot of a book.

A snapshot in mid-stream must not reset anybody's place in the queue. So the orders present when it
begins become ghosts: still known by id, in no queue. The snapshot confirms those that remain and
they keep their stamp; the others are gone when it ends. Then the stamps are set right: an order
listed behind one that came later has lost its place, and one nobody had heard of stood ahead of
whatever known order is listed behind it.
"""

from typing import Any

from tapewire.compiled.jit import (
    jit,
)
from tapewire.market.ids import (
    find_order,
    find_slot,
    insert_slot,
    remove_slot,
)
from tapewire.market.layout import (
    EMPTY_SNAPSHOT,
    FILLED_SNAPSHOT,
    GHOST,
    MAYBE_SNAPSHOT,
    NIL,
    NO_SNAPSHOT,
    NORMAL,
    OK,
    book_at,
    level_at,
    order_at,
    rung_at,
    side_at,
)
from tapewire.market.queues import (
    clamp_claims,
    free_level,
    free_order,
    join,
    new_order,
    room,
)


@jit
def begin_snapshot(market: Any, book: int, kind: int) -> None:
    """Turn the book's orders into ghosts; ``kind`` is one of ``*_SNAPSHOT``."""
    record = book_at(market.books, book)
    for side in range(2):
        ladder = side_at(market.sides, 2 * book + side)
        for k in range(ladder.n):
            level_index = rung_at(market.rungs, ladder.offset + k).level
            level = level_at(market.levels, level_index)
            index = level.head
            while index != NIL:
                order = order_at(market.orders, index)
                following = order.next
                if order.kind == NORMAL:
                    order.kind = GHOST
                    order.prev = NIL
                    order.next = record.ghost_head
                    if record.ghost_head != NIL:
                        order_at(market.orders, record.ghost_head).prev = index
                    record.ghost_head = index
                else:
                    free_order(market, index)
                index = following
            free_level(market, level_index)
        ladder.n = 0
        ladder.orders = 0
    record.in_snapshot = kind
    record.snapshot_stamp = market.stamp
    if kind != MAYBE_SNAPSHOT:
        count_snapshot(market, record)


@jit
def count_snapshot(market: Any, record: Any) -> None:
    """Count a snapshot, for its book and for the market."""
    record.snapshots += 1
    record.rebuilds += 1
    market.snapshots += 1


@jit
def _unlink_ghost(market: Any, book: int, index: int) -> None:
    """Make an order of an earlier snapshot a living one again."""
    record = book_at(market.books, book)
    order = order_at(market.orders, index)
    if order.prev == NIL:
        record.ghost_head = order.next
    else:
        order_at(market.orders, order.prev).next = order.next
    if order.next != NIL:
        order_at(market.orders, order.next).prev = order.prev
    order.kind = NORMAL


@jit
def end_snapshot(market: Any, book: int) -> None:
    """The snapshot is whole: orders that were not in it are gone."""
    record = book_at(market.books, book)
    index = record.ghost_head
    while index != NIL:
        order = order_at(market.orders, index)
        following = order.next
        remove_slot(market, find_slot(market, book, order.order_id))
        free_order(market, index)
        index = following
    record.ghost_head = NIL
    if record.in_snapshot == FILLED_SNAPSHOT:
        _settle_stamps(market, book)
    record.in_snapshot = NO_SNAPSHOT


@jit
def _settle_stamps(market: Any, book: int) -> None:
    """Make the stamps of every queue say what the snapshot's order of listing says.

    Those that were there before keep theirs, unless they are listed behind one with a later stamp.
    The others have stamps of this snapshot, which mean the back of the queue; one that is followed
    by an order that kept its stamp takes that order's.
    """
    new_from = book_at(market.books, book).snapshot_stamp
    for side in range(2):
        ladder = side_at(market.sides, 2 * book + side)
        for k in range(ladder.n):
            level = level_at(market.levels, rung_at(market.rungs, ladder.offset + k).level)
            latest = market.front_stamp
            index = level.head
            while index != NIL:
                order = order_at(market.orders, index)
                if order.stamp < latest:
                    order.stamp = market.stamp
                    market.stamp += 1
                elif order.stamp < new_from:
                    latest = order.stamp
                index = order.next
            kept = NIL
            index = level.tail
            while index != NIL:
                order = order_at(market.orders, index)
                if order.stamp < new_from:
                    kept = index
                elif kept != NIL:
                    order.stamp = order_at(market.orders, kept).stamp
                index = order.prev


@jit
def drop_ghost(market: Any, book: int, index: int) -> None:
    """Forget a ghost that something other than its confirmation named."""
    _unlink_ghost(market, book, index)
    remove_slot(market, find_slot(market, book, order_at(market.orders, index).order_id))
    free_order(market, index)


@jit
def apply_snapshot_add(market: Any, book: int, side: int, record: Any) -> int:
    """Take an order of a snapshot in, beginning one where none has begun; a status."""
    state = book_at(market.books, book)
    index = find_order(market, book, record.order_id)
    again = index != NIL and order_at(market.orders, index).kind == NORMAL
    if state.in_snapshot == NO_SNAPSHOT or again:
        begin_snapshot(market, book, EMPTY_SNAPSHOT)
    elif state.in_snapshot == MAYBE_SNAPSHOT:
        count_snapshot(market, state)
    state.in_snapshot = FILLED_SNAPSHOT
    space = room(market, book, side)
    if space != OK:
        return space
    if index == NIL:
        index = new_order(market, book, record.order_id, record.size, NORMAL)
        insert_slot(market, book, record.order_id, index)
        join(market, index, book, side, record.price)
    else:
        order = order_at(market.orders, index)
        same_place = order.price == record.price and order.side == side
        if order.kind == GHOST:
            _unlink_ghost(market, book, index)
        order.size = record.size
        if order.claims != NIL:
            clamp_claims(market, order, order.size)
        join(market, index, book, side, record.price)
        if not same_place:
            order.stamp = market.stamp
            market.stamp += 1
    return OK
