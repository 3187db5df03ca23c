"""A table of orders by id, and records written from them: what the conversions share."""

from typing import Any

import numpy as np

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.compiled.memory import Block, accessor
from tapewire.market.records import MBO_KERNEL_DTYPE, RECORD_LENGTH_WORDS, RTYPE_MBO

#: An order; ``id`` `EMPTY` is an empty slot. ``price`` in units of 1e-9.
ORDER_DTYPE = np.dtype(
    [("id", "<i8"), ("price", "<i8"), ("size", "<i8"), ("instrument", "<i4"), ("side", "<i4")]
)
EMPTY = -(2**63)
_GOLDEN = -7046029254386353131


converted_order_at = accessor(ORDER_DTYPE)
converted_record_at = accessor(MBO_KERNEL_DTYPE)


def empty_orders(size: int) -> Block:
    """An empty table (``ORDER_DTYPE``) of so many slots, a power of two."""
    orders = Block(ORDER_DTYPE, size)
    orders.records["id"] = EMPTY
    return orders


def twice_as_large(orders: Block) -> Block:
    """A table of twice as many slots with the same orders."""
    larger = empty_orders(2 * orders.capacity)
    _move_orders(orders.address, orders.capacity, larger.address, larger.capacity)
    return larger


@jit_inline
def slot_of(orders: int, slots: int, order_id: int) -> Any:
    """Where an order is, or the empty slot where it would go, in a table at an address."""
    mask = slots - 1
    slot = ((order_id * _GOLDEN) >> 24) & mask
    while True:
        found = converted_order_at(orders, slot).id
        if found == order_id or found == EMPTY:
            return slot
        slot = (slot + 1) & mask


@jit_inline
def put(
    orders: int, slot: int, order_id: int, price: int, size: int, instrument: int, side: int
) -> None:
    """Fill an empty slot."""
    order = converted_order_at(orders, slot)
    order.id = order_id
    order.price = price
    order.size = size
    order.instrument = instrument
    order.side = side


@jit
def remove(orders: int, slots: int, slot: int) -> None:
    """Empty a slot and move later entries of its run back (no tombstones)."""
    mask = slots - 1
    hole = slot
    probe = slot
    while True:
        probe = (probe + 1) & mask
        order = converted_order_at(orders, probe)
        if order.id == EMPTY:
            break
        home = ((order.id * _GOLDEN) >> 24) & mask
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            put(orders, hole, order.id, order.price, order.size, order.instrument, order.side)
            hole = probe
    converted_order_at(orders, hole).id = EMPTY


@jit_entry
def _move_orders(old: int, old_slots: int, new: int, new_slots: int) -> None:
    """Put the orders of one table into a larger, empty one."""
    for k in range(old_slots):
        order = converted_order_at(old, k)
        if order.id != EMPTY:
            slot = slot_of(new, new_slots, order.id)
            put(new, slot, order.id, order.price, order.size, order.instrument, order.side)


@jit_inline
def write_record(
    out: int, at: int, publisher: int, instrument: int, sequence: int, ts: int, action: int,
    side: int, order_id: int, price: int, size: int, flags: int,
) -> int:  # fmt: skip
    """Write a record whose two clocks are one; the index behind it."""
    record = converted_record_at(out, at)
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
