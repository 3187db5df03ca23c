"""Kernels that turn LOBSTER's rows into MBO records.

The rows of the orderbook file say how the book stands after each message, down to a number of
levels. Part of a level's size may be of orders that are older than the file, or that it does not
tell of: that part is one order of our own, ahead of the known ones (its *rest*).
"""

from typing import Any

import numpy as np

from tapewire.compiled.jit import jit, jit_entry, jit_inline
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
from tapewire.replay._order_table import EMPTY, put, remove, slot_of, write_record

#: A level: its stated size is ``known`` (orders with ids) and ``rest`` (the order ``rest_id``).
LEVEL_DTYPE = np.dtype([("price", "<i8"), ("known", "<i8"), ("rest", "<i8"), ("rest_id", "<i8")])

# Layout of the state, int64.
STATE_ORDERS = 0  # known orders
STATE_LEVELS = 1  # of bids, then of asks
STATE_ASK_LEVELS = 2
STATE_NEXT_ID = 3  # of the next rest
STATE_UNKNOWN = 4  # messages about orders that neither the file nor a rest has
STATE_VOLUME = 5  # shares of all trade records
STATE_RESTED = 6  # shares of levels that were stated without a message
STATE_PUBLISHER = 7
STATE_INSTRUMENT = 8
STATE_ROW = 9  # rows done so far
STATE_AT = 10  # of them in these arrays
STATE_SIZE = 11

# Why `convert_rows` returned.
ROWS_DONE = 0
NEEDS_ROOM = 1  # in the output, the levels or the orders
BAD_ROW = 2  # an unknown type or direction, an order added twice, a size that can't be

#: Records of a message, and of a level that has to be put right apart from its known orders.
_MESSAGE_RECORDS = 3
_LEVEL_RECORDS = 2
_PRICE_UNITS = 100_000  # 1e-4 in units of 1e-9
_SIZE_MAX = 2**32 - 1


@jit_inline
def _record(
    out: Any, n: int, state: Any, ts: int, action: int, side: int, order_id: int, price: int,
    size: int,
) -> int:  # fmt: skip
    """Write a record of the row at hand, without flags; the index behind it."""
    return write_record(
        out, n, state[STATE_PUBLISHER], state[STATE_INSTRUMENT], state[STATE_ROW] + 1, ts, action,
        side, order_id, price, size, 0,
    )  # fmt: skip


@jit
def _find(levels: Any, count: int, ask: int, price: int) -> int:
    """Where a price is among the levels, worst first, or where it would go."""
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        found = levels[ask, middle].price
        if (ask == 0 and found < price) or (ask == 1 and found > price):
            low = middle + 1
        else:
            high = middle
    return low


@jit
def _level(levels: Any, state: Any, ask: int, price: int) -> int:
    """The level of a price, made where it is missing."""
    count = state[STATE_LEVELS + ask]
    at = _find(levels, count, ask, price)
    if at < count and levels[ask, at].price == price:
        return at
    for k in range(count, at, -1):
        levels[ask, k] = levels[ask, k - 1]
    level = levels[ask, at]
    level.price = price
    level.known = 0
    level.rest = 0
    level.rest_id = 0
    state[STATE_LEVELS + ask] = count + 1
    return at


@jit
def _drop_empty(levels: Any, state: Any, ask: int, at: int) -> None:
    """Take a level away if nothing is left of it."""
    if levels[ask, at].known != 0 or levels[ask, at].rest != 0:
        return
    count = state[STATE_LEVELS + ask] - 1
    for k in range(at, count):
        levels[ask, k] = levels[ask, k + 1]
    state[STATE_LEVELS + ask] = count


@jit_inline
def _side(ask: int) -> int:
    """The side's letter."""
    return SIDE_ASK if ask == 1 else SIDE_BID


@jit
def _take_known(
    out: Any, n: int, state: Any, levels: Any, orders: Any, ts: int, ask: int, price: int, rest: int
) -> int:
    """Take all known orders of a level away; its rest is theirs then, and so many more."""
    known = levels[ask, _level(levels, state, ask, price)].known
    for slot in range(orders.shape[0] if known > 0 else 0):
        # A removed entry's place may be taken by a later one: look at it again.
        while (
            orders[slot].id != EMPTY
            and orders[slot].price == price
            and orders[slot].side == _side(ask)
        ):
            size: Any = np.int64(orders[slot].size)
            order_id = orders[slot].id
            n = _record(out, n, state, ts, ACTION_CANCEL, _side(ask), order_id, price, size)
            remove(orders, slot)
            state[STATE_ORDERS] -= 1
    level = levels[ask, _level(levels, state, ask, price)]
    level.known = 0
    return _set_rest(out, n, state, levels, ts, ask, price, rest)


@jit
def _set_rest(
    out: Any, n: int, state: Any, levels: Any, ts: int, ask: int, price: int, rest: int
) -> int:
    """Bring the part of a level that is of no known order to a size; records of that."""
    at = _level(levels, state, ask, price)
    level = levels[ask, at]
    if rest < level.rest:
        less = level.rest - rest
        n = _record(out, n, state, ts, ACTION_CANCEL, _side(ask), level.rest_id, price, less)
        level.rest = rest
    elif rest > level.rest:
        if level.rest > 0:
            n = _record(
                out, n, state, ts, ACTION_CANCEL, _side(ask), level.rest_id, price, level.rest
            )
        level.rest_id = state[STATE_NEXT_ID]
        state[STATE_NEXT_ID] += 1
        state[STATE_RESTED] += rest - level.rest
        n = _record(out, n, state, ts, ACTION_ADD, _side(ask), level.rest_id, price, rest)
        level.rest = rest
    _drop_empty(levels, state, ask, at)
    return n


@jit
def _put_right(
    out: Any, n: int, state: Any, levels: Any, orders: Any, book: Any, row: int, ts: int, ask: int
) -> int:
    """Bring one side of the book to what a row states, as far down as that goes."""
    depth = book.shape[1] >> 2
    stated = 0
    while stated < depth and book[row, 4 * stated + 3 - 2 * ask] > 0:
        stated += 1
    worst = np.int64(0)
    for k in range(stated):
        price = book[row, 4 * k + 2 - 2 * ask] * _PRICE_UNITS
        worst = price
        # Levels of ours above it that are not stated are gone.
        while True:
            at = state[STATE_LEVELS + ask] - 1 - k
            if at < 0:
                break
            found = levels[ask, at].price
            if (ask == 0 and found <= price) or (ask == 1 and found >= price):
                break
            n = _take_known(out, n, state, levels, orders, ts, ask, found, 0)
        at = _level(levels, state, ask, price)
        size = book[row, 4 * k + 3 - 2 * ask]
        known = levels[ask, at].known
        if size >= known:
            if size - known != levels[ask, at].rest:
                n = _set_rest(out, n, state, levels, ts, ask, price, size - known)
        else:
            n = _take_known(out, n, state, levels, orders, ts, ask, price, size)
    if stated < depth:  # it states all there is
        while state[STATE_LEVELS + ask] > stated:
            found = levels[ask, 0].price
            if stated > 0 and found == worst:
                break
            n = _take_known(out, n, state, levels, orders, ts, ask, found, 0)
    return n


@jit
def _take(
    out: Any, n: int, state: Any, levels: Any, orders: Any, ts: int, kind: int, order_id: int,
    size: int, price: int, ask: int,
) -> int:  # fmt: skip
    """Take shares of an order away, by a cancel or a trade: of its level's rest if it is older."""
    slot = slot_of(orders, order_id)
    known = orders[slot].id == order_id
    traded = price
    if known:
        price = orders[slot].price
        ask = 1 if orders[slot].side == SIDE_ASK else 0
    at = _find(levels, state[STATE_LEVELS + ask], ask, price)
    there = at < state[STATE_LEVELS + ask] and levels[ask, at].price == price
    taken: Any = np.int64(0)
    resting: Any = np.int64(0)
    if known:
        taken = min(np.int64(size), np.int64(orders[slot].size))
        resting = order_id
    elif there and levels[ask, at].rest > 0:
        taken = min(np.int64(size), np.int64(levels[ask, at].rest))
        resting = levels[ask, at].rest_id
    else:
        state[STATE_UNKNOWN] += 1
    if kind == 4:
        aggressor = _side(1 - ask)
        n = _record(out, n, state, ts, ACTION_TRADE, aggressor, 0, traded, size)
        state[STATE_VOLUME] += size
        if taken > 0:
            n = _record(out, n, state, ts, ACTION_FILL, _side(ask), resting, traded, taken)
    if taken == 0:
        return n
    n = _record(out, n, state, ts, ACTION_CANCEL, _side(ask), resting, price, taken)
    if known:
        orders[slot].size -= taken
        if orders[slot].size == 0:
            remove(orders, slot)
            state[STATE_ORDERS] -= 1
        levels[ask, at].known -= taken
    else:
        levels[ask, at].rest -= taken
    _drop_empty(levels, state, ask, at)
    return n


@jit_entry
def convert_rows(
    messages: np.ndarray,
    book: np.ndarray,
    state: np.ndarray,
    levels: np.ndarray,
    orders: np.ndarray,
    out: np.ndarray,
) -> tuple[int, int]:
    """Turn rows of both files into records, as far as there is room.

    Parameters
    ----------
    messages
        int64, shape (n, 6): time (ns since the epoch), type, order id, size, price (1e-4),
        direction (1 buy, -1 sell).
    book
        int64, shape (n, 4 · levels): ask price, ask size, bid price, bid size of each level.
    state
        int64, shape (STATE_SIZE,), updated; rows from ``state[STATE_AT]`` on are looked at.
    levels
        ``LEVEL_DTYPE``, shape (2, m): bids and asks, worst first.
    orders
        A table of known orders.
    out
        ``MBO_KERNEL_DTYPE``, filled from its beginning.

    Returns
    -------
    written : int
        Records in ``out``.
    status : int
        Why it returned.
    """
    n = 0
    depth = book.shape[1] >> 2
    while state[STATE_AT] < messages.shape[0]:
        row = state[STATE_AT]
        most_levels = max(state[STATE_LEVELS], state[STATE_ASK_LEVELS]) + depth + 1
        most = (
            _MESSAGE_RECORDS
            + _LEVEL_RECORDS * (state[STATE_LEVELS] + state[STATE_ASK_LEVELS] + 2 * depth + 2)
            + state[STATE_ORDERS]
        )
        if (
            n + most > out.shape[0]
            or most_levels > levels.shape[1]
            or state[STATE_ORDERS] >= orders.shape[0] >> 1
        ):
            return n, NEEDS_ROOM
        ts, kind, order_id, size = (
            messages[row, 0], messages[row, 1], messages[row, 2], messages[row, 3],
        )  # fmt: skip
        price = messages[row, 4] * _PRICE_UNITS
        direction = messages[row, 5]
        if kind < 1 or kind > 7 or (direction != 1 and direction != -1):
            return n, BAD_ROW
        if kind != 7 and (size < (1 if kind <= 4 else 0) or size > _SIZE_MAX):
            return n, BAD_ROW
        ask = 1 if direction == -1 else 0
        begin = n
        if kind == 1:
            slot = slot_of(orders, order_id)
            if orders[slot].id == order_id:
                return n, BAD_ROW
            put(orders, slot, order_id, price, size, 0, _side(ask))
            state[STATE_ORDERS] += 1
            levels[ask, _level(levels, state, ask, price)].known += size
            n = _record(out, n, state, ts, ACTION_ADD, _side(ask), order_id, price, size)
        elif kind <= 4:
            n = _take(out, n, state, levels, orders, ts, kind, order_id, size, price, ask)
        elif kind <= 6 and size > 0:  # a hidden order, a cross
            n = _record(out, n, state, ts, ACTION_TRADE, SIDE_NONE, 0, price, size)
            state[STATE_VOLUME] += size
        for side in range(2):
            n = _put_right(out, n, state, levels, orders, book, row, ts, side)
        if n > begin:
            out[n - 1].flags = F_LAST
        state[STATE_ROW] += 1
        state[STATE_AT] += 1
    return n, ROWS_DONE
