"""Kernels of price levels and the queues of orders at them.

Sides are 0 (bids) and 1 (asks); a level's key is its price for bids and the negated price for
asks, so one comparison serves both.
"""

from typing import Any

from tapewire.compiled.jit import (
    jit,
    jit_inline,
)
from tapewire.compiled.memory import offset_of
from tapewire.market.ids import (
    find_slot,
    remove_slot,
)
from tapewire.market.layout import (
    BID,
    GROW_LEVELS,
    GROW_ORDERS,
    GROW_RUNGS,
    LEVEL,
    LEVELS_PER_SIDE_MAX,
    NIL,
    NORMAL,
    OK,
    ORDER,
    TOO_MANY_LEVELS,
    claim_at,
    hint_at,
    level_at,
    link_at,
    order_at,
    rung_at,
    side_at,
)

#: Levels looked at one by one from the best before the search turns binary.
_NEAR_TOUCH_LEVELS = 12
_GOLDEN = -7046029254386353131
_LADDER_SALT = -4417276706812531889
_ORDER_BYTES = ORDER.itemsize
_LEVEL_BYTES = LEVEL.itemsize
_PREV, _NEXT = offset_of(ORDER, "prev"), offset_of(ORDER, "next")
_HEAD, _TAIL = offset_of(LEVEL, "head"), offset_of(LEVEL, "tail")
#: Free orders a record may need at most.
_ORDERS_PER_RECORD = 2


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
def place_of_hint(market: Any, at: int, key: int) -> int:
    """Where the hint to a ladder's level of a key is."""
    return (((key ^ (at * _LADDER_SALT)) * _GOLDEN) >> 32) & market.hint_mask


@jit_inline
def _hint_of(market: Any, at: int, key: int) -> Any:
    """Where a price's level was found last."""
    return hint_at(market.hints, place_of_hint(market, at, key))


@jit_inline
def find_level(market: Any, book: int, side: int, price: int) -> int:
    """Index of the level at a price, or NIL."""
    key = price if side == BID else -price
    at = 2 * book + side
    hinted = _hint_of(market, at, key).level
    level = level_at(market.levels, hinted)
    if level.key == key and level.ladder == at:
        return hinted
    ladder = side_at(market.sides, at)
    position = find_rung(market, ladder, key)
    if position < 0:
        return NIL
    rung = rung_at(market.rungs, ladder.offset + position)
    return rung.level if rung.key == key else NIL


@jit
def _move_ladder(market: Any, ladder: Any) -> int:
    """Give a full ladder twice the room at the end of the rung block."""
    capacity = max(8, ladder.capacity * 2)
    if capacity > LEVELS_PER_SIDE_MAX:
        return TOO_MANY_LEVELS
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
def _open_level(market: Any, at: int, position: int, key: int) -> int:
    """Insert a level after ``position``; room was checked before."""
    ladder = side_at(market.sides, at)
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
    level.ladder = at
    level.size = 0
    level.count = 0
    level.head = NIL
    level.tail = NIL
    rung = rung_at(rungs, offset + position + 1)
    rung.key = key
    rung.level = index
    return index


@jit_inline
def free_level(market: Any, index: int) -> None:
    """Give a level back that no ladder holds any more."""
    level = level_at(market.levels, index)
    level.ladder = NIL
    level.head = market.level_free
    market.level_free = index
    market.level_free_n += 1


@jit_inline
def _close_level(market: Any, ladder: Any, index: int) -> None:
    """Take an empty level out of its ladder."""
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
    free_level(market, index)


@jit
def _find_or_open(market: Any, at: int, key: int) -> int:
    """Index of the level with a key; opened if there is none."""
    ladder = side_at(market.sides, at)
    position = find_rung(market, ladder, key)
    if position >= 0:
        rung = rung_at(market.rungs, ladder.offset + position)
        if rung.key == key:
            return rung.level
    return _open_level(market, at, position, key)


@jit_inline
def room(market: Any, book: int, side: int) -> int:
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
def join(market: Any, index: int, book: int, side: int, price: int) -> None:
    """Put an order at the back of the queue at a price."""
    key = price if side == BID else -price
    at = 2 * book + side
    ladder = side_at(market.sides, at)
    hint = _hint_of(market, at, key)
    level_index = hint.level
    level = level_at(market.levels, level_index)
    if level.key != key or level.ladder != at:
        level_index = _find_or_open(market, at, key)
        hint.level = level_index
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


@jit
def join_front(market: Any, index: int, book: int, side: int, price: int) -> None:
    """Put an order ahead of everything at a price, simulated orders included."""
    join(market, index, book, side, price)
    order = order_at(market.orders, index)
    order.stamp = market.front_stamp
    market.front_stamp -= 1
    level = level_at(market.levels, order.level)
    if level.head == index:
        return
    level.tail = order.prev
    order_at(market.orders, order.prev).next = NIL
    order.prev = NIL
    order.next = level.head
    order_at(market.orders, level.head).prev = index
    level.head = index


@jit_inline
def leave(market: Any, index: int) -> None:
    """Take an order out of its queue; an emptied level is closed."""
    order = order_at(market.orders, index)
    level = level_at(market.levels, order.level)
    ladder = side_at(market.sides, 2 * order.book + order.side)
    # Where in its queue an order stood can't be guessed: choose addresses instead of branching.
    ahead, behind = order.prev, order.next
    own_level = market.levels + order.level * _LEVEL_BYTES
    before = own_level + _HEAD if ahead == NIL else market.orders + ahead * _ORDER_BYTES + _NEXT
    after = own_level + _TAIL if behind == NIL else market.orders + behind * _ORDER_BYTES + _PREV
    link_at(before, 0).index = behind
    link_at(after, 0).index = ahead
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


@jit
def clamp_claims(market: Any, order: Any, lots: int) -> None:
    """Lots that left take the claims on them along: what comes back later is new."""
    lots = max(lots, 0)
    index = order.claims
    while index != NIL:
        claim = claim_at(market.claims, index)
        claim.lots = min(claim.lots, lots)
        index = claim.next


@jit_inline
def free_order(market: Any, index: int) -> None:
    """Give an order's record back, with the claims on it."""
    order = order_at(market.orders, index)
    if order.claims != NIL:
        free_claims(market, order)
    order.next = market.order_free
    market.order_free = index
    market.order_free_n += 1


@jit_inline
def new_order(market: Any, book: int, order_id: int, size: int, kind: int) -> int:
    """Take a free record for an order with the next stamp; it is in no queue yet."""
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
def clear_side(market: Any, book: int, side: int) -> None:
    """Drop all orders and levels of a side."""
    ladder = side_at(market.sides, 2 * book + side)
    for k in range(ladder.n):
        level_index = rung_at(market.rungs, ladder.offset + k).level
        level = level_at(market.levels, level_index)
        index = level.head
        while index != NIL:
            order = order_at(market.orders, index)
            following = order.next
            if order.kind == NORMAL:
                remove_slot(market, find_slot(market, book, order.order_id))
            free_order(market, index)
            index = following
        free_level(market, level_index)
    ladder.n = 0
    ladder.orders = 0


@jit_inline
def best_key(market: Any, ladder: Any) -> int:
    """Key of the best level; the side must not be empty."""
    return rung_at(market.rungs, ladder.offset + ladder.n - 1).key
