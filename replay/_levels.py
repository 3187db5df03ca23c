"""Kernel that tells the levels of books as orders, one for each level; words of 64 bits in and out.

Layout of records: the DBN specification, ``MbpMsg``, ``BboMsg``, ``CmbpMsg`` and ``MboMsg``.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit, jit_entry
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_MODIFY,
    ACTION_NONE,
    ACTION_TRADE,
    F_BAD_TS_RECV,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_MBP,
    F_SNAPSHOT,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
    UNDEF_PRICE,
)

#: What records of a schema tell beside the levels.
CHANGES: Final = 0  # what changed them; a trade comes before what it did to them
TRADES: Final = 1  # a trade, which found them so
QUOTES: Final = 2  # nothing

LEVELS_MAX: Final = 10
#: Records that one record may become: a clear or a trade, each level of both sides gone and new,
#: and one that ends its event.
OUT_MAX: Final = 2 + 4 * LEVELS_MAX
MBO_WORDS: Final = 7
_HEAD_WORDS: Final = 6
_LEVEL_WORDS: Final = 4
_PLACES: Final = -0x10000  # publisher and instrument in the first word
_MBO_HEAD: Final = RECORD_LENGTH_WORDS | RTYPE_MBO << 8

#: The levels of one book, best first, as they were told last, by side; 0 lots: there is none.
LADDER: Final = np.dtype(
    [
        ("price", "i8", (2, LEVELS_MAX)),
        ("lots", "i8", (2, LEVELS_MAX)),
        ("order_id", "i8", (2, LEVELS_MAX)),
        ("begun", "i8"),
    ]
)


@jit
def _tell(
    given: Any, out: Any, at: int, action: int, side: int, order_id: int, price: int, lots: int
) -> int:
    """Write one record with the times of a given one, that does not end its event; the next."""
    flags = given[3] >> 48
    kept = F_MAYBE_BAD_BOOK | F_BAD_TS_RECV
    # What is told is live, also where it was a snapshot's, of which every one is flagged so, or of
    # a clear, with which Databento begins a session.
    if flags & F_SNAPSHOT or given[3] >> 32 & 0xFF == ACTION_CLEAR:
        kept = F_MAYBE_BAD_BOOK
    flags = flags & kept | F_MBP
    out[at, 0] = given[0] & _PLACES | _MBO_HEAD
    out[at, 1] = given[1]
    out[at, 2] = order_id
    out[at, 3] = price
    out[at, 4] = lots | flags << 32 | action << 48 | side << 56
    out[at, 5] = given[4]
    out[at, 6] = given[5]
    return at + 1


@jit
def _unchanged(given: Any, depth: int, ladder: Any, side: int) -> bool:
    """Whether one side has the levels that were told last, place by place."""
    for k in range(depth):
        level = _HEAD_WORDS + _LEVEL_WORDS * k
        price = given[level + side]
        lots = given[level + 2] >> (32 * side) & 0xFFFFFFFF
        if price == UNDEF_PRICE:
            lots = 0
        if lots != ladder.lots[side, k] or (lots != 0 and price != ladder.price[side, k]):
            return False
    return True


@jit
def _tell_side(
    given: Any, depth: int, ladder: Any, side: int, ids: Any, room: Any, out: Any, at: int
) -> int:
    """Tell what changed of one side's levels: gone first, other sizes, new ones."""
    if _unchanged(given, depth, ladder, side):
        return at
    of_side = SIDE_BID if side == 0 else SIDE_ASK
    prices, sizes, kept = room[0], room[1], room[2]  # kept: ids of the fresh ones that were there
    n = 0
    for k in range(depth):
        level = _HEAD_WORDS + _LEVEL_WORDS * k
        lots = given[level + 2] >> (32 * side) & 0xFFFFFFFF
        if given[level + side] != UNDEF_PRICE and lots != 0:
            prices[n] = given[level + side]
            sizes[n] = lots
            kept[n] = 0
            n += 1
    for k in range(LEVELS_MAX):
        if ladder.lots[side, k] == 0:
            break
        found = n - 1
        while found >= 0 and prices[found] != ladder.price[side, k]:
            found -= 1
        order_id = ladder.order_id[side, k]
        if found < 0:
            at = _tell(
                given, out, at, ACTION_CANCEL, of_side, order_id, ladder.price[side, k],
                ladder.lots[side, k],
            )  # fmt: skip
        else:
            kept[found] = order_id
            if sizes[found] == ladder.lots[side, k]:
                sizes[found] = -sizes[found]
    for j in range(n):
        if sizes[j] < 0:
            sizes[j] = -sizes[j]
        elif kept[j] != 0:
            at = _tell(given, out, at, ACTION_MODIFY, of_side, kept[j], prices[j], sizes[j])
        else:
            ids[0] += 1
            kept[j] = ids[0]
            at = _tell(given, out, at, ACTION_ADD, of_side, kept[j], prices[j], sizes[j])
    for k in range(LEVELS_MAX):
        ladder.price[side, k] = prices[k] if k < n else 0
        ladder.lots[side, k] = sizes[k] if k < n else 0
        ladder.order_id[side, k] = kept[k] if k < n else 0
    return at


@jit_entry
def tell_levels(
    given: Any, books: Any, ladders: Any, depth: int, kind: int, ids: Any, out: Any, start: int
) -> Any:
    """Tell records of levels as records of orders, as long as there is room.

    Parameters
    ----------
    given
        Records, int64, shape (n, words); the words of ``depth`` levels are the last ones.
    books
        int64, shape (n,): the place of each record's book in ``ladders`` (``LADDER``).
    kind
        CHANGES, TRADES or QUOTES.
    ids
        int64, shape (1,): the last order id that was given.
    out
        int64, shape (m, MBO_WORDS).
    start
        The record to begin with.

    Returns
    -------
    (int, int)
        The record to go on with, and the records written.
    """
    at = 0
    i = start
    room = np.empty((3, LEVELS_MAX), np.int64)
    while i < given.shape[0] and at + OUT_MAX <= out.shape[0]:
        record = given[i]
        ladder = ladders[books[i]]
        i += 1
        action = record[3] >> 32 & 0xFF
        side = record[3] >> 40 & 0xFF
        cleared = kind == CHANGES and action == ACTION_CLEAR
        if ladder.begun == 0 or cleared:
            ladder.begun = 1
            ladder.lots[:] = 0
            at = _tell(record, out, at, ACTION_CLEAR, SIDE_NONE, 0, UNDEF_PRICE, 0)
            if cleared and not record[3] >> 48 & F_SNAPSHOT:
                out[at - 1, 4] |= F_LAST << 32  # at once, not in favour of a snapshot to come
            else:  # no word of the venue's: what follows in its event takes the place of what was
                out[at - 1, 4] |= F_SNAPSHOT << 32
        told = at
        if kind == CHANGES and action == ACTION_TRADE:
            at = _tell(record, out, at, ACTION_TRADE, side, 0, record[2], record[3] & 0xFFFFFFFF)
        at = _tell_side(record, depth, ladder, 0, ids, room, out, at)
        at = _tell_side(record, depth, ladder, 1, ids, room, out, at)
        if kind == TRADES:
            at = _tell(record, out, at, ACTION_TRADE, side, 0, record[2], record[3] & 0xFFFFFFFF)
        if kind != CHANGES or record[3] >> 48 & F_LAST:
            if at == told:  # time goes on
                at = _tell(record, out, at, ACTION_NONE, SIDE_NONE, 0, UNDEF_PRICE, 0)
            out[at - 1, 4] |= F_LAST << 32
    return i, at
