"""Kernels that turn LOBSTER's rows into MBO records.

The rows of the orderbook file say how the book stands after each message, down to a number of
levels. Part of a level's size may be of orders that are older than the file, or that it does not
tell of: that part is one order of our own, ahead of the known ones (its *rest*).
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.compiled.memory import accessor
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_TRADE,
    F_LAST,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
)
from tapewire.replay._order_table import (
    EMPTY,
    converted_order_at,
    converted_record_at,
    put,
    remove,
    slot_of,
    write_record,
)

#: A level: its stated size is ``known`` (orders with ids) and ``rest`` (the order ``rest_id``).
LEVEL_DTYPE = np.dtype([("price", "<i8"), ("known", "<i8"), ("rest", "<i8"), ("rest_id", "<i8")])

#: What a conversion stands at, and where its arrays lie: a kernel that gets arrays counts who
#: holds them, which takes longer than all it does with them.
LOBSTER: Final = np.dtype(
    [
        ("orders_n", "i8"),  # known orders
        ("levels_n", "i8", (2,)),  # of bids, of asks
        ("next_id", "i8"),  # of the next rest
        ("unknown", "i8"),  # messages about orders that neither the file nor a rest has
        ("volume", "i8"),  # shares of all trade records
        ("rested", "i8"),  # shares of levels that were stated without a message
        ("publisher", "i8"),
        ("instrument", "i8"),
        ("row", "i8"),  # rows done so far
        ("at", "i8"),  # of them in these arrays
        ("rows", "i8"),  # in these arrays
        ("depth", "i8"),  # levels a side of a row of the orderbook file
        ("messages", "i8"),  # address: six int64 a row
        ("book", "i8"),  # address: 4 · depth int64 a row
        ("levels", "i8"),  # address: `LEVEL_DTYPE`, bids worst first, then asks
        ("levels_max", "i8"),  # a side
        ("orders", "i8"),  # address of a table of orders
        ("slots", "i8"),
        ("out", "i8"),  # address: ``MBO_KERNEL_DTYPE``
        ("out_max", "i8"),
    ]
)

# Why `convert_rows` returned.
ROWS_DONE = 0
NEEDS_ROOM = 1  # in the output, the levels or the orders
BAD_ROW = 2  # an unknown type or direction, an order added twice, a size that can't be

#: Records of a message, and of a level that has to be put right apart from its known orders.
_MESSAGE_RECORDS = 3
_LEVEL_RECORDS = 2
_PRICE_UNITS = 100_000  # 1e-4 in units of 1e-9
_SIZE_MAX = 2**32 - 1
_MESSAGE_WORDS = 6
_LEVEL_WORDS = 4

stated_at = accessor(np.dtype([("value", "i8")]), in_block=False)
lobster_level_at = accessor(LEVEL_DTYPE)


@jit_inline
def _level_at(s: Any, ask: int, k: int) -> Any:
    """The k-th level of a side, worst first."""
    return lobster_level_at(s.levels, ask * s.levels_max + k)


@jit_inline
def _stated(s: Any, row: int, ask: int, k: int, size: int) -> Any:
    """The price of the k-th level of a side that a row states, or its size."""
    return stated_at(s.book, (row * s.depth + k) * _LEVEL_WORDS + 2 - 2 * ask + size).value


@jit_inline
def _record(
    s: Any, n: int, ts: int, action: int, side: int, order_id: int, price: int, size: int
) -> int:
    """Write a record of the row at hand, without flags; the index behind it."""
    return write_record(
        s.out, n, s.publisher, s.instrument, s.row + 1, ts, action, side, order_id, price, size, 0
    )


@jit
def _find(s: Any, ask: int, price: int) -> int:
    """Where a price is among the levels, worst first, or where it would go."""
    low = 0
    high = s.levels_n[ask]
    while low < high:
        middle = (low + high) >> 1
        found = _level_at(s, ask, middle).price
        if (ask == 0 and found < price) or (ask == 1 and found > price):
            low = middle + 1
        else:
            high = middle
    return low


@jit
def _level(s: Any, ask: int, price: int) -> int:
    """The level of a price, made where it is missing."""
    count = s.levels_n[ask]
    at = _find(s, ask, price)
    if at < count and _level_at(s, ask, at).price == price:
        return at
    for k in range(count, at, -1):
        _copy_level(s, ask, k - 1, k)
    level = _level_at(s, ask, at)
    level.price = price
    level.known = 0
    level.rest = 0
    level.rest_id = 0
    s.levels_n[ask] = count + 1
    return at


@jit_inline
def _copy_level(s: Any, ask: int, k: int, to: int) -> None:
    """Copy the k-th level of a side to another place."""
    level = _level_at(s, ask, k)
    other = _level_at(s, ask, to)
    other.price = level.price
    other.known = level.known
    other.rest = level.rest
    other.rest_id = level.rest_id


@jit
def _drop_empty(s: Any, ask: int, at: int) -> None:
    """Take a level away if nothing is left of it."""
    level = _level_at(s, ask, at)
    if level.known != 0 or level.rest != 0:
        return
    count = s.levels_n[ask] - 1
    for k in range(at, count):
        _copy_level(s, ask, k + 1, k)
    s.levels_n[ask] = count


@jit_inline
def _side(ask: int) -> int:
    """The side's letter."""
    return SIDE_ASK if ask == 1 else SIDE_BID


@jit
def _take_known(s: Any, n: int, ts: int, ask: int, price: int, rest: int) -> int:
    """Take all known orders of a level away; its rest is theirs then, and so many more."""
    known = _level_at(s, ask, _level(s, ask, price)).known
    for slot in range(s.slots if known > 0 else 0):
        order = converted_order_at(s.orders, slot)
        # A removed entry's place may be taken by a later one: look at it again.
        while order.id != EMPTY and order.price == price and order.side == _side(ask):
            n = _record(s, n, ts, ACTION_CANCEL, _side(ask), order.id, price, order.size)
            remove(s.orders, s.slots, slot)
            s.orders_n -= 1
    _level_at(s, ask, _level(s, ask, price)).known = 0
    return _set_rest(s, n, ts, ask, price, rest)


@jit
def _set_rest(s: Any, n: int, ts: int, ask: int, price: int, rest: int) -> int:
    """Bring the part of a level that is of no known order to a size; records of that."""
    at = _level(s, ask, price)
    level = _level_at(s, ask, at)
    if rest < level.rest:
        less = level.rest - rest
        n = _record(s, n, ts, ACTION_CANCEL, _side(ask), level.rest_id, price, less)
        level.rest = rest
    elif rest > level.rest:
        if level.rest > 0:
            n = _record(s, n, ts, ACTION_CANCEL, _side(ask), level.rest_id, price, level.rest)
        level.rest_id = s.next_id
        s.next_id += 1
        s.rested += rest - level.rest
        n = _record(s, n, ts, ACTION_ADD, _side(ask), level.rest_id, price, rest)
        level.rest = rest
    _drop_empty(s, ask, at)
    return n


@jit
def _put_right(s: Any, n: int, row: int, ts: int, ask: int) -> int:
    """Bring one side of the book to what a row states, as far down as that goes."""
    stated = 0
    while stated < s.depth and _stated(s, row, ask, stated, 1) > 0:
        stated += 1
    worst = np.int64(0)
    for k in range(stated):
        price = _stated(s, row, ask, k, 0) * _PRICE_UNITS
        worst = price
        # Levels of ours above it that are not stated are gone.
        while True:
            at = s.levels_n[ask] - 1 - k
            if at < 0:
                break
            found = _level_at(s, ask, at).price
            if (ask == 0 and found <= price) or (ask == 1 and found >= price):
                break
            n = _take_known(s, n, ts, ask, found, 0)
        at = _level(s, ask, price)
        size = _stated(s, row, ask, k, 1)
        level = _level_at(s, ask, at)
        if size >= level.known:
            if size - level.known != level.rest:
                n = _set_rest(s, n, ts, ask, price, size - level.known)
        else:
            n = _take_known(s, n, ts, ask, price, size)
    if stated < s.depth:  # it states all there is
        while s.levels_n[ask] > stated:
            found = _level_at(s, ask, 0).price
            if stated > 0 and found == worst:
                break
            n = _take_known(s, n, ts, ask, found, 0)
    return n


@jit
def _take(
    s: Any, n: int, ts: int, kind: int, order_id: int, size: int, price: int, ask: int
) -> int:
    """Take shares of an order away, by a cancel or a trade: of its level's rest if it is older."""
    slot = slot_of(s.orders, s.slots, order_id)
    order = converted_order_at(s.orders, slot)
    known = order.id == order_id
    traded = price
    if known:
        price = order.price
        ask = 1 if order.side == SIDE_ASK else 0
    at = _find(s, ask, price)
    level = _level_at(s, ask, at)
    there = at < s.levels_n[ask] and level.price == price
    taken: Any = np.int64(0)
    resting: Any = np.int64(0)
    if known:
        taken = min(np.int64(size), np.int64(order.size))
        resting = order_id
    elif there and level.rest > 0:
        taken = min(np.int64(size), np.int64(level.rest))
        resting = level.rest_id
    else:
        s.unknown += 1
    if kind == 4:
        aggressor = _side(1 - ask)
        n = _record(s, n, ts, ACTION_TRADE, aggressor, 0, traded, size)
        s.volume += size
        if taken > 0:
            n = _record(s, n, ts, ACTION_FILL, _side(ask), resting, traded, taken)
    if taken == 0:
        return n
    n = _record(s, n, ts, ACTION_CANCEL, _side(ask), resting, price, taken)
    if known:
        order.size -= taken
        if order.size == 0:
            remove(s.orders, s.slots, slot)
            s.orders_n -= 1
        level.known -= taken
    else:
        level.rest -= taken
    _drop_empty(s, ask, at)
    return n


@jit_entry
def convert_rows(state: np.ndarray) -> tuple[int, int]:
    """Turn rows of both files into records, as far as there is room.

    Parameters
    ----------
    state
        ``LOBSTER``, shape (1,), updated; rows from its ``at`` on are looked at. A row of messages
        is time (ns since the epoch), type, order id, size, price (1e-4) and direction (1 buy, -1
        sell), one of the book ask price, ask size, bid price and bid size of each level.

    Returns
    -------
    written : int
        Records in the output, filled from its beginning.
    status : int
        Why it returned.
    """
    s = state[0]
    n = 0
    while s.at < s.rows:
        row = s.at
        levels_n = s.levels_n[0] + s.levels_n[1]
        most = _MESSAGE_RECORDS + _LEVEL_RECORDS * (levels_n + 2 * s.depth + 2) + s.orders_n
        if (
            n + most > s.out_max
            or max(s.levels_n[0], s.levels_n[1]) + s.depth + 1 > s.levels_max
            or s.orders_n >= s.slots >> 1
        ):
            return n, NEEDS_ROOM
        word = row * _MESSAGE_WORDS
        ts = stated_at(s.messages, word).value
        kind = stated_at(s.messages, word + 1).value
        order_id = stated_at(s.messages, word + 2).value
        size = stated_at(s.messages, word + 3).value
        price = stated_at(s.messages, word + 4).value * _PRICE_UNITS
        direction = stated_at(s.messages, word + 5).value
        if kind < 1 or kind > 7 or (direction != 1 and direction != -1):
            return n, BAD_ROW
        if kind != 7 and (size < (1 if kind <= 4 else 0) or size > _SIZE_MAX):
            return n, BAD_ROW
        ask = 1 if direction == -1 else 0
        begin = n
        if kind == 1:
            slot = slot_of(s.orders, s.slots, order_id)
            if converted_order_at(s.orders, slot).id == order_id:
                return n, BAD_ROW
            put(s.orders, slot, order_id, price, size, 0, _side(ask))
            s.orders_n += 1
            _level_at(s, ask, _level(s, ask, price)).known += size
            n = _record(s, n, ts, ACTION_ADD, _side(ask), order_id, price, size)
        elif kind <= 4:
            n = _take(s, n, ts, kind, order_id, size, price, ask)
        elif kind <= 6 and size > 0:  # a hidden order, a cross
            n = _record(s, n, ts, ACTION_TRADE, SIDE_NONE, 0, price, size)
            s.volume += size
        for side in range(2):
            n = _put_right(s, n, row, ts, side)
        if n > begin:
            converted_record_at(s.out, n - 1).flags = F_LAST
        s.row += 1
        s.at += 1
    return n, ROWS_DONE
