"""Kernels that turn NASDAQ TotalView-ITCH 5.0 messages into MBO records.

Source of the layouts: NASDAQ TotalView-ITCH 5.0 specification. All numbers are big-endian, a
message begins with its type (1 byte), stock locate (2), tracking number (2) and time (6 bytes, ns
since midnight). In a file each message stands behind its length (2 bytes).
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
from tapewire.replay._order_table import converted_order_at, put, remove, slot_of, write_record

#: Bytes of a message by its type; 0: there is no such type.
LENGTHS = np.zeros(256, np.int64)
for _type, _length in {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21,
    "A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19,
    "I": 50, "N": 20, "O": 48,
}.items():  # fmt: skip
    LENGTHS[ord(_type)] = _length

#: Types that say something about an order or a trade: the directory is complete before them.
ABOUT_ORDERS = np.zeros(256, np.int64)
ABOUT_ORDERS[list(b"AFECXDUPQB")] = 1

# Layout of the state, int64.
STATE_POSITION = 0  # where the next message begins in the data
STATE_MESSAGES = 1  # messages decoded so far
STATE_ORDERS = 2  # orders in the table
STATE_UNKNOWN = 3  # messages about orders that the file never added
STATE_VOLUME = 4  # shares of all trade records
STATE_MIDNIGHT = 5  # ns since the epoch, UTC, that the messages' times count from
STATE_PUBLISHER = 6
STATE_OPEN = 7  # 1 until the directory is complete
STATE_ENDED = 8  # 1 once the feed has said that no messages follow
STATE_COUNTS = 9  # messages by type, 256 of them
STATE_SIZE = STATE_COUNTS + 256

# Why `decode` returned.
NEEDS_DATA = 0  # the data ends before or inside the next message
OUTPUT_FULL = 1
TABLE_FULL = 2
AT_DIRECTORY = 3  # the next message is a stock directory: the shell reads it and goes on behind it
AT_FIRST_ORDER = 4  # the next message is the first about an order
AT_END = 5  # a message of length 0: the end of the session
AT_STATE = 6  # the next message is a stock's trading state: the shell reads it, too
BAD_TYPE = 7
BAD_LENGTH = 8
ORDER_TWICE = 9  # it adds an order that is there
TOO_MUCH = 10  # it takes more shares than the order has
TOO_LARGE = 11  # a cross of more shares than a record can hold

#: Most records a message becomes.
RECORDS_MAX = 3
_PRICE_UNITS = 100_000  # 1e-4 in units of 1e-9
_SIZE_MAX = 2**32 - 1


@jit_inline
def _number(data: Any, at: int, size: int) -> Any:
    """A big-endian number."""
    value = np.int64(0)
    for k in range(size):
        value = (value << 8) | np.int64(data[at + k])
    return value


@jit_inline
def _record(
    out: int, at: int, state: Any, locate: int, ts: int, action: int, side: int, order_id: int,
    price: int, size: int, flags: int,
) -> int:  # fmt: skip
    """Write a record of the message at hand; the index behind it."""
    return write_record(
        out, at, state[STATE_PUBLISHER], locate, state[STATE_MESSAGES], ts, action, side, order_id,
        price, size, flags,
    )  # fmt: skip


@jit_entry
def decode(
    data: np.ndarray,
    end: int,
    state: np.ndarray,
    orders: int,
    slots: int,
    wanted: np.ndarray,
    out: int,
    out_n: int,
) -> tuple[int, int]:
    """Decode messages, as far as they go.

    Parameters
    ----------
    data
        uint8, shape (≥ end,): messages with their lengths, from ``state[STATE_POSITION]`` on.
    state
        int64, shape (STATE_SIZE,), updated.
    orders, slots
        Address and size of a table of orders: the displayed ones of wanted stocks.
    wanted
        uint8, shape (65536,), 1 for the stock locates to be written.
    out, out_n
        Address and length of a block of ``MBO_KERNEL_DTYPE``, filled from its beginning.

    Returns
    -------
    written : int
        Records in ``out``.
    status : int
        Why it returned; ``state[STATE_POSITION]`` is where the message begins that it is about.
    """
    position = state[STATE_POSITION]
    written = 0
    status = NEEDS_DATA
    room = out_n - RECORDS_MAX
    most_orders = slots >> 1
    midnight = state[STATE_MIDNIGHT]
    while position + 2 <= end:
        length = _number(data, position, 2)
        if length == 0:
            status = AT_END
            break
        at = position + 2
        if at + length > end:
            break
        kind: Any = np.int64(data[at])
        if LENGTHS[kind] != length:
            status = BAD_TYPE if LENGTHS[kind] == 0 else BAD_LENGTH
            break
        if kind == 82:  # R
            status = AT_DIRECTORY
            break
        if kind == 72:  # H
            status = AT_STATE
            break
        if state[STATE_OPEN] == 1 and ABOUT_ORDERS[kind] == 1:
            status = AT_FIRST_ORDER
            break
        locate = _number(data, at + 1, 2)
        if ABOUT_ORDERS[kind] == 1 and wanted[locate] == 1:
            if written > room:
                status = OUTPUT_FULL
                break
            if state[STATE_ORDERS] >= most_orders:
                status = TABLE_FULL
                break
            ts = midnight + _number(data, at + 5, 6)
            state[STATE_MESSAGES] += 1  # the message's number is its records' sequence
            written, status = _message(
                data, at, kind, locate, ts, state, orders, slots, out, written
            )
            if status != NEEDS_DATA:
                state[STATE_MESSAGES] -= 1
                break
        else:
            state[STATE_MESSAGES] += 1
            if kind == 83 and data[at + 11] == 67:  # S of C: the end of messages
                state[STATE_ENDED] = 1
        state[STATE_COUNTS + kind] += 1
        position = at + length
    state[STATE_POSITION] = position
    return written, status


@jit
def _message(
    data: Any, at: int, kind: int, locate: int, ts: int, state: Any, orders: int, slots: int,
    out: int, n: int,
) -> tuple[int, int]:  # fmt: skip
    """Carry out one message about orders or trades; records in the output, and what is wrong."""
    first = _number(data, at + 11, 8)
    if kind == 65 or kind == 70:  # A, F: an order is added
        slot = slot_of(orders, slots, first)
        if converted_order_at(orders, slot).id == first:
            return n, ORDER_TWICE
        side = SIDE_BID if data[at + 19] == 66 else SIDE_ASK
        size = _number(data, at + 20, 4)
        price = _number(data, at + 32, 4) * _PRICE_UNITS
        put(orders, slot, first, price, size, locate, side)
        state[STATE_ORDERS] += 1
        return _record(out, n, state, locate, ts, ACTION_ADD, side, first, price, size, F_LAST), 0
    if kind == 80:  # P: a trade with a hidden order; since 2014 its side is B whatever it was
        size = _number(data, at + 20, 4)
        price = _number(data, at + 32, 4) * _PRICE_UNITS
        state[STATE_VOLUME] += size
        return _record(
            out, n, state, locate, ts, ACTION_TRADE, SIDE_NONE, 0, price, size, F_LAST
        ), 0
    if kind == 81:  # Q: a cross; of 0 shares where there was none
        price = _number(data, at + 27, 4) * _PRICE_UNITS
        if first < 0 or first > _SIZE_MAX:
            return n, TOO_LARGE
        if first == 0:
            return n, 0
        state[STATE_VOLUME] += first
        return _record(
            out, n, state, locate, ts, ACTION_TRADE, SIDE_NONE, 0, price, first, F_LAST
        ), 0
    if kind == 66:  # B: a trade is broken; no order is
        return n, 0
    slot = slot_of(orders, slots, first)
    order = converted_order_at(orders, slot)
    if order.id != first:
        state[STATE_UNKNOWN] += 1
        return n, 0
    resting: Any = np.int64(order.side)
    price = order.price
    if kind == 68:  # D
        n = _record(
            out, n, state, locate, ts, ACTION_CANCEL, resting, first, price, order.size, F_LAST
        )
        remove(orders, slots, slot)
        state[STATE_ORDERS] -= 1
        return n, 0
    if kind == 85:  # U: another order takes its place, behind all others
        second = _number(data, at + 19, 8)
        other = converted_order_at(orders, slot_of(orders, slots, second))
        if second == first or other.id == second:
            return n, ORDER_TWICE
        n = _record(out, n, state, locate, ts, ACTION_CANCEL, resting, first, price, order.size, 0)
        remove(orders, slots, slot)
        size = _number(data, at + 27, 4)
        price = _number(data, at + 31, 4) * _PRICE_UNITS
        put(orders, slot_of(orders, slots, second), second, price, size, locate, resting)
        return _record(
            out, n, state, locate, ts, ACTION_ADD, resting, second, price, size, F_LAST
        ), 0
    taken = _number(data, at + 19, 4)  # E, C, X
    if taken > order.size:
        return n, TOO_MUCH
    if kind != 88:  # E, C: a trade
        traded = price
        printable = True
        if kind == 67:
            traded = _number(data, at + 32, 4) * _PRICE_UNITS
            printable = data[at + 31] == 89
        if printable:
            aggressor = SIDE_ASK if resting == SIDE_BID else SIDE_BID
            n = _record(out, n, state, locate, ts, ACTION_TRADE, aggressor, 0, traded, taken, 0)
            state[STATE_VOLUME] += taken
        n = _record(out, n, state, locate, ts, ACTION_FILL, resting, first, traded, taken, 0)
    n = _record(out, n, state, locate, ts, ACTION_CANCEL, resting, first, price, taken, F_LAST)
    order.size -= taken
    if order.size == 0:
        remove(orders, slots, slot)
        state[STATE_ORDERS] -= 1
    return n, 0
