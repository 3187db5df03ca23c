"""A table of orders by id, and records written from them: what the conversions share."""

from typing import Any

import numpy as np

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.market.records import RECORD_LENGTH_WORDS, RTYPE_MBO

#: An order; ``id`` `EMPTY` is an empty slot. ``price`` in units of 1e-9.
ORDER_DTYPE = np.dtype(
    [("id", "<i8"), ("price", "<i8"), ("size", "<i8"), ("instrument", "<i4"), ("side", "<i4")]
)
EMPTY = -(2**63)
_GOLDEN = -7046029254386353131


def empty_orders(size: int) -> np.ndarray:
    """An empty table (``ORDER_DTYPE``) of so many slots, a power of two."""
    orders = np.zeros(size, ORDER_DTYPE)
    orders["id"] = EMPTY
    return orders


@jit_inline
def slot_of(orders: Any, order_id: int) -> Any:
    """Where an order is, or the empty slot where it would go."""
    mask = orders.shape[0] - 1
    slot = ((order_id * _GOLDEN) >> 24) & mask
    while orders[slot].id != order_id and orders[slot].id != EMPTY:
        slot = (slot + 1) & mask
    return slot


@jit_inline
def put(
    orders: Any, slot: int, order_id: int, price: int, size: int, instrument: int, side: int
) -> None:
    """Fill an empty slot."""
    order = orders[slot]
    order.id = order_id
    order.price = price
    order.size = size
    order.instrument = instrument
    order.side = side


@jit
def remove(orders: Any, slot: int) -> None:
    """Empty a slot and move later entries of its run back (no tombstones)."""
    mask = orders.shape[0] - 1
    hole = slot
    probe = slot
    while True:
        probe = (probe + 1) & mask
        order_id = orders[probe].id
        if order_id == EMPTY:
            break
        home = ((order_id * _GOLDEN) >> 24) & mask
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            orders[hole] = orders[probe]
            hole = probe
    orders[hole].id = EMPTY


@jit_entry
def move_orders(old: np.ndarray, new: np.ndarray) -> None:
    """Put the orders of one table (``ORDER_DTYPE``) into a larger, empty one."""
    for k in range(old.shape[0]):
        if old[k].id != EMPTY:
            new[slot_of(new, old[k].id)] = old[k]


@jit_inline
def write_record(
    out: Any, at: int, publisher: int, instrument: int, sequence: int, ts: int, action: int,
    side: int, order_id: int, price: int, size: int, flags: int,
) -> int:  # fmt: skip
    """Write a record whose two clocks are one; the index behind it."""
    record = out[at]
    record.length = RECORD_LENGTH_WORDS
    record.rtype = RTYPE_MBO
    record.publisher_id = publisher
    record.instrument_id = instrument
    record.ts_event = ts
    record.order_id = order_id
    record.price = price
    record.size = size
    record.flags = flags
    record.channel_id = 0
    record.action = action
    record.side = side
    record.ts_recv = ts
    record.ts_in_delta = 0
    record.sequence = sequence
    return at + 1
