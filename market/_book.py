"""Kernels of the multi-instrument L3 book: what one record does to one book.

A record is applied whole or not at all. Whatever may be missing (a free order, level or rung) is
checked first and answered with a status, so that the shell can grow the block and try again.
Sides are 0 (bids) and 1 (asks); a level's key is its price for bids and the negated price for
asks, so one comparison serves both.
"""

from typing import Any

from ._layout import (
    ASK,
    BID,
    GHOST,
    GROW_LEVELS,
    GROW_ORDERS,
    GROW_RUNGS,
    NEW_BOOK,
    NIL,
    NORMAL,
    OK,
    TOP_OF_BOOK,
    book_at,
    book_slot_at,
    claim_at,
    level_at,
    order_at,
    record_at,
    rung_at,
    side_at,
    slot_at,
)
from .jit import jit, jit_inline
from .records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_BAD_TS_RECV,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_SNAPSHOT,
    F_TOB,
    SIDE_ASK,
    SIDE_BID,
    UNDEF_PRICE,
)

# 2^64 / golden ratio and a second odd constant, as signed words: Fibonacci hashing.
_GOLDEN = -7046029254386353131
_BOOK_SALT = -4417276706812531889
_TAG_MASK = 0xFFFFFFFF
#: Levels looked at one by one from the best before the search turns binary.
_NEAR_TOUCH_LEVELS = 12
#: Free orders a record may need at most.
_ORDERS_PER_RECORD = 2


# --- order ids ---------------------------------------------------------------------------------


@jit_inline
def _tag(book: int, order_id: int) -> Any:
    return (((order_id ^ (book * _BOOK_SALT)) * _GOLDEN) >> 32) & _TAG_MASK


@jit_inline
def find_slot(market: Any, book: int, order_id: int) -> int:
    """Slot of a resting order's id, or NIL."""
    tag = _tag(book, order_id)
    mask = market.slot_mask
    slots = market.slots
    position = tag & mask
    while True:
        entry = slot_at(slots, position).entry
        if entry == 0:
            return NIL
        if ((entry >> 32) & _TAG_MASK) == tag:
            order = order_at(market.orders, (entry & _TAG_MASK) - 1)
            if order.order_id == order_id and order.book == book:
                return position
        position = (position + 1) & mask


@jit_inline
def find_order(market: Any, book: int, order_id: int) -> int:
    """Index of a resting order by its id, or NIL."""
    slot = find_slot(market, book, order_id)
    if slot == NIL:
        return NIL
    return (slot_at(market.slots, slot).entry & _TAG_MASK) - 1


@jit_inline
def _insert_slot(market: Any, book: int, order_id: int, index: int) -> None:
    tag = _tag(book, order_id)
    mask = market.slot_mask
    slots = market.slots
    position = tag & mask
    while slot_at(slots, position).entry != 0:
        position = (position + 1) & mask
    slot_at(slots, position).entry = (tag << 32) | (index + 1)


@jit_inline
def _remove_slot(market: Any, position: int) -> None:
    """Empty a slot and move later entries of its run back (no tombstones)."""
    mask = market.slot_mask
    slots = market.slots
    hole = position
    probe = position
    while True:
        probe = (probe + 1) & mask
        entry = slot_at(slots, probe).entry
        if entry == 0:
            break
        home = (entry >> 32) & mask
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            slot_at(slots, hole).entry = entry
            hole = probe
    slot_at(slots, hole).entry = 0


@jit
def rebuild_slots(market: Any) -> None:
    """Fill an empty, larger id table from the books; the shell calls it after growing."""
    m = market[0]
    for book in range(m.book_n):
        for side in range(2):
            ladder = side_at(m.sides, 2 * book + side)
            for k in range(ladder.n):
                index = level_at(m.levels, rung_at(m.rungs, ladder.offset + k).level).head
                while index != NIL:
                    order = order_at(m.orders, index)
                    if order.kind == NORMAL:
                        _insert_slot(m, book, order.order_id, index)
                    index = order.next
        index = book_at(m.books, book).ghost_head
        while index != NIL:
            order = order_at(m.orders, index)
            _insert_slot(m, book, order.order_id, index)
            index = order.next


# --- books -------------------------------------------------------------------------------------


@jit_inline
def find_book(market: Any, key: int) -> int:
    """Index of the book of ``publisher_id << 32 | instrument_id``, or NIL."""
    mask = market.book_slot_mask
    position = ((key * _GOLDEN) >> 40) & mask
    while True:
        slot = book_slot_at(market.book_slots, position)
        if slot.book == 0:
            return NIL
        if slot.key == key:
            return slot.book - 1
        position = (position + 1) & mask


@jit_inline
def book_of(market: Any, record: Any) -> int:
    """Index of the record's book, or NIL with ``missing_key`` set."""
    key = (record.publisher_id << 32) | record.instrument_id
    if key == market.last_key:
        return market.last_book
    book = find_book(market, key)
    if book == NIL:
        market.missing_key = key
    else:
        market.last_key = key
        market.last_book = book
    return book


@jit
def add_book(market: Any, key: int) -> int:
    """Open the next book; the shell has made room. Returns its index."""
    m = market[0]
    index = m.book_n
    m.book_n += 1
    book = book_at(m.books, index)
    book.key = key
    book.ghost_head = NIL
    book.trade_side = NIL
    book.clock = 0
    mask = m.book_slot_mask
    position = ((key * _GOLDEN) >> 40) & mask
    while book_slot_at(m.book_slots, position).book != 0:
        position = (position + 1) & mask
    slot = book_slot_at(m.book_slots, position)
    slot.key = key
    slot.book = index + 1
    return index


@jit
def rebuild_book_slots(market: Any, keys: Any) -> None:
    """Fill an empty, larger book table; ``keys`` in order of book index."""
    m = market[0]
    for index in range(keys.shape[0]):
        position = ((keys[index] * _GOLDEN) >> 40) & m.book_slot_mask
        while book_slot_at(m.book_slots, position).book != 0:
            position = (position + 1) & m.book_slot_mask
        slot = book_slot_at(m.book_slots, position)
        slot.key = keys[index]
        slot.book = index + 1


# --- levels ------------------------------------------------------------------------------------


@jit_inline
def find_rung(market: Any, ladder: Any, key: int) -> int:
    """Position of the last rung with a key not above ``key`` (-1: none), near the touch first."""
    rungs = market.rungs
    offset = ladder.offset
    high = ladder.n - 1
    stop = high - _NEAR_TOUCH_LEVELS
    while high >= 0 and high > stop:
        if rung_at(rungs, offset + high).key <= key:
            return high
        high -= 1
    low = 0
    while low <= high:
        middle = (low + high) >> 1
        if rung_at(rungs, offset + middle).key <= key:
            low = middle + 1
        else:
            high = middle - 1
    return high


@jit_inline
def find_level(market: Any, book: int, side: int, price: int) -> int:
    """Index of the level at a price, or NIL."""
    key = price if side == BID else -price
    ladder = side_at(market.sides, 2 * book + side)
    position = find_rung(market, ladder, key)
    if position < 0:
        return NIL
    rung = rung_at(market.rungs, ladder.offset + position)
    return rung.level if rung.key == key else NIL


@jit
def _move_ladder(market: Any, ladder: Any) -> int:
    """Give a full ladder twice the room at the end of the rung block."""
    capacity = max(8, ladder.capacity * 2)
    if market.rung_used + capacity > market.rung_capacity:
        return GROW_RUNGS
    offset = market.rung_used
    market.rung_used += capacity
    for k in range(ladder.n):
        source = rung_at(market.rungs, ladder.offset + k)
        target = rung_at(market.rungs, offset + k)
        target.key = source.key
        target.level = source.level
    ladder.offset = offset
    ladder.capacity = capacity
    return OK


@jit_inline
def _open_level(market: Any, ladder: Any, position: int, key: int) -> int:
    """Insert a level after ``position``; room was checked before."""
    rungs = market.rungs
    offset = ladder.offset
    k = ladder.n - 1
    while k > position:
        source = rung_at(rungs, offset + k)
        target = rung_at(rungs, offset + k + 1)
        target.key = source.key
        target.level = source.level
        k -= 1
    ladder.n += 1
    index = market.level_free
    level = level_at(market.levels, index)
    market.level_free = level.head
    market.level_free_n -= 1
    level.key = key
    level.size = 0
    level.count = 0
    level.head = NIL
    level.tail = NIL
    rung = rung_at(rungs, offset + position + 1)
    rung.key = key
    rung.level = index
    return index


@jit_inline
def _close_level(market: Any, ladder: Any, index: int) -> None:
    rungs = market.rungs
    offset = ladder.offset
    level = level_at(market.levels, index)
    k = find_rung(market, ladder, level.key)
    last = ladder.n - 1
    while k < last:
        source = rung_at(rungs, offset + k + 1)
        target = rung_at(rungs, offset + k)
        target.key = source.key
        target.level = source.level
        k += 1
    ladder.n = last
    level.head = market.level_free
    market.level_free = index
    market.level_free_n += 1


# --- orders ------------------------------------------------------------------------------------


@jit_inline
def _room(market: Any, book: int, side: int) -> int:
    """Whether one more order at a new level would fit; a status."""
    if market.order_free_n < _ORDERS_PER_RECORD:
        return GROW_ORDERS
    if market.level_free_n == 0:
        return GROW_LEVELS
    ladder = side_at(market.sides, 2 * book + side)
    if ladder.n == ladder.capacity:
        return _move_ladder(market, ladder)
    return OK


@jit_inline
def _join(market: Any, index: int, book: int, side: int, price: int) -> None:
    """Put an order at the back of the queue at a price."""
    key = price if side == BID else -price
    ladder = side_at(market.sides, 2 * book + side)
    position = find_rung(market, ladder, key)
    level_index = NIL
    if position >= 0:
        rung = rung_at(market.rungs, ladder.offset + position)
        if rung.key == key:
            level_index = rung.level
    if level_index == NIL:
        level_index = _open_level(market, ladder, position, key)
    level = level_at(market.levels, level_index)
    order = order_at(market.orders, index)
    order.price = price
    order.side = side
    order.level = level_index
    order.prev = level.tail
    order.next = NIL
    if level.tail == NIL:
        level.head = index
    else:
        order_at(market.orders, level.tail).next = index
    level.tail = index
    level.count += 1
    level.size += order.size
    ladder.orders += 1


@jit_inline
def _leave(market: Any, index: int) -> None:
    """Take an order out of its queue; an emptied level is closed."""
    order = order_at(market.orders, index)
    level = level_at(market.levels, order.level)
    ladder = side_at(market.sides, 2 * order.book + order.side)
    if order.prev == NIL:
        level.head = order.next
    else:
        order_at(market.orders, order.prev).next = order.next
    if order.next == NIL:
        level.tail = order.prev
    else:
        order_at(market.orders, order.next).prev = order.prev
    level.count -= 1
    level.size -= order.size
    ladder.orders -= 1
    if level.count == 0:
        _close_level(market, ladder, order.level)


@jit
def free_claims(market: Any, order: Any) -> None:
    """Give back the claims on a resting order."""
    index = order.claims
    while index != NIL:
        claim = claim_at(market.claims, index)
        following = claim.next
        claim.next = market.claim_free
        market.claim_free = index
        market.claim_free_n += 1
        index = following
    order.claims = NIL


@jit_inline
def _free_order(market: Any, index: int) -> None:
    order = order_at(market.orders, index)
    if order.claims != NIL:
        free_claims(market, order)
    order.next = market.order_free
    market.order_free = index
    market.order_free_n += 1


@jit_inline
def _new_order(market: Any, book: int, order_id: int, size: int, kind: int) -> int:
    index = market.order_free
    order = order_at(market.orders, index)
    market.order_free = order.next
    market.order_free_n -= 1
    order.order_id = order_id
    order.stamp = market.stamp
    market.stamp += 1
    order.size = size
    order.filled = 0
    order.event = 0
    order.claims = NIL
    order.book = book
    order.kind = kind
    return index


@jit
def _clear_side(market: Any, book: int, side: int) -> None:
    ladder = side_at(market.sides, 2 * book + side)
    for k in range(ladder.n):
        level_index = rung_at(market.rungs, ladder.offset + k).level
        level = level_at(market.levels, level_index)
        index = level.head
        while index != NIL:
            order = order_at(market.orders, index)
            following = order.next
            if order.kind == NORMAL:
                _remove_slot(market, find_slot(market, book, order.order_id))
            _free_order(market, index)
            index = following
        level.head = market.level_free
        market.level_free = level_index
        market.level_free_n += 1
    ladder.n = 0
    ladder.orders = 0


# --- snapshots ---------------------------------------------------------------------------------
# A snapshot in mid-stream must not reset anybody's place in the queue. So the orders present when
# it begins become ghosts: still known by id, in no queue. The snapshot confirms those that remain
# and they keep their stamp; the others are gone when it ends.


@jit
def _begin_snapshot(market: Any, book: int) -> None:
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
                    _free_order(market, index)
                index = following
            level.head = market.level_free
            market.level_free = level_index
            market.level_free_n += 1
        ladder.n = 0
        ladder.orders = 0
    record.in_snapshot = 1
    market.snapshots += 1


@jit
def _unlink_ghost(market: Any, book: int, index: int) -> None:
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
def _end_snapshot(market: Any, book: int) -> None:
    record = book_at(market.books, book)
    index = record.ghost_head
    while index != NIL:
        order = order_at(market.orders, index)
        following = order.next
        _remove_slot(market, find_slot(market, book, order.order_id))
        _free_order(market, index)
        index = following
    record.ghost_head = NIL
    record.in_snapshot = 0


@jit
def _apply_snapshot_add(market: Any, book: int, side: int, record: Any) -> int:
    state = book_at(market.books, book)
    index = find_order(market, book, record.order_id)
    again = index != NIL and order_at(market.orders, index).kind == NORMAL
    if state.in_snapshot == 0 or (again and state.in_snapshot == 2):
        _begin_snapshot(market, book)
    state.in_snapshot = 2
    room = _room(market, book, side)
    if room != OK:
        return room
    if index == NIL:
        index = _new_order(market, book, record.order_id, record.size, NORMAL)
        _insert_slot(market, book, record.order_id, index)
        _join(market, index, book, side, record.price)
    else:
        order = order_at(market.orders, index)
        same_place = order.price == record.price and order.side == side
        if order.kind == GHOST:
            _unlink_ghost(market, book, index)
        order.size = record.size
        _join(market, index, book, side, record.price)
        ahead = order.prev
        if not same_place or (ahead != NIL and order_at(market.orders, ahead).stamp > order.stamp):
            order.stamp = market.stamp
            market.stamp += 1
    return OK


# --- records -----------------------------------------------------------------------------------


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
            if order.claims != NIL and order.price != record.price:
                free_claims(market, order)  # a new price is new liquidity, a refresh is not
            key = record.price if side == BID else -record.price
            rung.key = key
            level.key = key
            level.size = record.size
            order.price = record.price
            order.size = record.size
            order.stamp = market.stamp
            market.stamp += 1
            return OK
    room = _room(market, book, side)
    if room != OK:
        return room
    _clear_side(market, book, side)
    if not empty:
        index = _new_order(market, book, 0, record.size, TOP_OF_BOOK)
        _join(market, index, book, side, record.price)
    return OK


@jit_inline
def _apply_add(market: Any, book: int, side: int, record: Any) -> int:
    room = _room(market, book, side)
    if room != OK:
        return room
    slot = find_slot(market, book, record.order_id)
    if slot != NIL:  # the id is taken: the venue's newer word counts, at the back of the queue
        market.duplicate_adds += 1
        index = (slot_at(market.slots, slot).entry & _TAG_MASK) - 1
        _leave(market, index)
        _remove_slot(market, slot)
        _free_order(market, index)
        room = _room(market, book, side)
    index = _new_order(market, book, record.order_id, record.size, NORMAL)
    _insert_slot(market, book, record.order_id, index)
    _join(market, index, book, side, record.price)
    return OK


@jit_inline
def _apply_cancel(market: Any, book: int, record: Any) -> None:
    slot = find_slot(market, book, record.order_id)
    if slot == NIL:
        market.unknown_cancels += 1
        return
    index = (slot_at(market.slots, slot).entry & _TAG_MASK) - 1
    order = order_at(market.orders, index)
    if record.size >= order.size:
        _leave(market, index)
        _remove_slot(market, slot)
        _free_order(market, index)
    else:
        order.size -= record.size
        level_at(market.levels, order.level).size -= record.size


@jit_inline
def _apply_modify(market: Any, book: int, side: int, record: Any) -> int:
    index = find_order(market, book, record.order_id)
    if index == NIL:
        status = _apply_add(market, book, side, record)
        if status == OK:
            market.unknown_modifies += 1
        return status
    order = order_at(market.orders, index)
    size = record.size
    if order.price == record.price and order.side == side:
        filled = order.filled if order.event == book_at(market.books, book).event else 0
        if size <= order.size - filled:  # a decrease, or just what the fills left: keeps its place
            level_at(market.levels, order.level).size += size - order.size
            order.size = size
            order.filled = 0
            return OK
    room = _room(market, book, side)
    if room != OK:
        return room
    _leave(market, index)
    order.size = size
    order.filled = 0
    order.stamp = market.stamp
    market.stamp += 1
    _join(market, index, book, side, record.price)
    return OK


@jit
def _apply_modify_to_nothing(market: Any, book: int, record: Any) -> None:
    """An M to nothing is a cancel."""
    slot = find_slot(market, book, record.order_id)
    if slot == NIL:
        market.unknown_modifies += 1
        return
    index = (slot_at(market.slots, slot).entry & _TAG_MASK) - 1
    _leave(market, index)
    _remove_slot(market, slot)
    _free_order(market, index)


@jit_inline
def _apply_fill(market: Any, book: int, record: Any) -> None:
    """An F changes no book; it tells the M that may follow how much of the order traded."""
    index = find_order(market, book, record.order_id)
    if index == NIL:
        market.unknown_fills += 1
        return
    order = order_at(market.orders, index)
    event = book_at(market.books, book).event
    if order.event != event:
        order.event = event
        order.filled = 0
    order.filled += record.size


@jit
def _apply_clear(market: Any, book: int, record: Any) -> None:
    state = book_at(market.books, book)
    if record.flags & F_SNAPSHOT:
        _begin_snapshot(market, book)
    else:
        _end_snapshot(market, book)
        _clear_side(market, book, BID)
        _clear_side(market, book, ASK)
    state.trade_side = NIL
    market.clears += 1


@jit_inline
def side_of(record: Any) -> int:
    """BID, ASK or NIL."""
    if record.side == SIDE_BID:
        return BID
    if record.side == SIDE_ASK:
        return ASK
    return NIL


@jit_inline
def closes_before(market: Any, book: int, record: Any) -> bool:
    """Whether the record begins a new event although the last one carried no F_LAST.

    Both clocks moving on says so: the records of one event share at least one of them.
    """
    state = book_at(market.books, book)
    return (
        state.open != 0
        and state.in_snapshot == 0
        and record.ts_event != state.ts_event
        and record.ts_recv != state.ts_recv
    )


@jit_inline
def apply_record(market: Any, book: int, record: Any) -> int:
    """Apply one record to its book; a status, with nothing changed unless it is OK."""
    state = book_at(market.books, book)
    action = record.action
    flags = record.flags
    if state.in_snapshot != 0 and not (flags & F_SNAPSHOT):
        _end_snapshot(market, book)
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
            status = _apply_snapshot_add(market, book, side, record)
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
        state.last_trade_px = record.price
        state.last_trade_size = record.size
        state.volume += record.size
        market.trades += 1
    elif action == ACTION_CLEAR:
        _apply_clear(market, book, record)
    if flags & (F_BAD_TS_RECV | F_MAYBE_BAD_BOOK | F_SNAPSHOT):
        market.bad_ts_recv += (flags & F_BAD_TS_RECV) != 0
        market.maybe_bad_book += (flags & F_MAYBE_BAD_BOOK) != 0
        market.snapshot_records += (flags & F_SNAPSHOT) != 0
    state.open += 1
    state.ts_event = record.ts_event
    state.ts_recv = record.ts_recv
    market.records += 1
    return OK


@jit_inline
def best_key(market: Any, ladder: Any) -> int:
    """Key of the best level; the side must not be empty."""
    return rung_at(market.rungs, ladder.offset + ladder.n - 1).key


@jit_inline
def close_event(market: Any, book: int, flags: int) -> None:
    """End the book's current event."""
    state = book_at(market.books, book)
    if state.in_snapshot == 2 and flags & F_SNAPSHOT:
        _end_snapshot(market, book)
    state.open = 0
    state.event += 1
    state.events += 1
    state.trades = 0
    state.trade_side = NIL
    market.event_ends += 1
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n > 0 and asks.n > 0:
        gap = -best_key(market, asks) - best_key(market, bids)
        if gap <= 0:
            if gap == 0:
                market.locked_events += 1
            else:
                market.crossed_events += 1


@jit
def apply_batch(market: Any, records: int, n: int, start: int) -> Any:
    """Apply records from ``start`` on; returns (status, index of the first record not applied).

    ``records`` is the address of ``n`` records, so that read-only, unaligned and strided callers
    all meet the one compiled kernel.
    """
    m = market[0]
    for i in range(start, n):
        record = record_at(records, i)
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i
        if closes_before(m, book, record):
            close_event(m, book, 0)
            m.missing_last += 1
        status = apply_record(m, book, record)
        if status != OK:
            return status, i
        if record.flags & F_LAST:
            close_event(m, book, record.flags)
    return OK, n


# --- reading -----------------------------------------------------------------------------------


@jit
def read_top(market: Any, book: int, side: int, prices: Any, sizes: Any, counts: Any) -> None:
    """Write the best levels of a side, best first; UNDEF_PRICE and zeros where there are none.

    A top-of-book publisher says how much, never how many: its count is 0, as in Databento's MBP.
    """
    m = market[0]
    _read_top(m, book, side, prices, sizes, counts)


@jit_inline
def _read_top(m: Any, book: int, side: int, prices: Any, sizes: Any, counts: Any) -> None:
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


@jit
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


@jit
def apply_batch_with_depth(
    market: Any, records: int, n: int, start: int, only_book: int, source: Any, prices: Any,
    sizes: Any, counts: Any,
) -> Any:  # fmt: skip
    """As ``apply_batch``, writing the top levels after every event of ``only_book`` (NIL: all).

    ``source[row]`` is the index of the record that closed the event; ``prices``, ``sizes`` and
    ``counts`` are (rows, 2, depth). Returns (status, next record, rows written).
    """
    m = market[0]
    rows = 0
    for i in range(start, n):
        record = record_at(records, i)
        book = book_of(m, record)
        if book == NIL:
            return NEW_BOOK, i, rows
        if closes_before(m, book, record):
            close_event(m, book, 0)
            m.missing_last += 1
        status = apply_record(m, book, record)
        if status != OK:
            return status, i, rows
        if record.flags & F_LAST:
            close_event(m, book, record.flags)
            if only_book == NIL or only_book == book:
                for side in range(2):
                    _read_top(
                        m, book, side, prices[rows, side], sizes[rows, side], counts[rows, side]
                    )
                source[rows] = i
                rows += 1
    return OK, n, rows
