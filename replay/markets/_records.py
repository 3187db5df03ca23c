"""Kernels that write the records of a synthetic market."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_entry
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CLEAR,
    F_BAD_TS_RECV,
    F_LAST,
    F_SNAPSHOT,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
    UNDEF_PRICE,
)
from tapewire.replay.markets._books import ASK, BID, LEVELS, NIL, away

#: F_LAST with Databento's publisher-specific bit 2, as every GLBX live record has it.
LIVE_LAST: Final = F_LAST | 2
_SNAPSHOT_FLAGS: Final = F_SNAPSHOT | F_BAD_TS_RECV
#: Orders of a snapshot were placed that far apart, in ns.
_SNAPSHOT_STEP_NS: Final = 97_003_001


@jit
def write(
    out: Any, n: int, engine: Any, book: Any, action: int, side: int,
    level: int, size: int, order_id: int, flags: int,
) -> Any:  # fmt: skip
    """Write a record of the engine's moment; returns the next row."""
    r = out[n]
    r.length = RECORD_LENGTH_WORDS
    r.rtype = RTYPE_MBO
    r.publisher_id = 1
    r.instrument_id = book.instrument_id
    r.ts_event = engine.ts_event
    r.order_id = order_id
    r.price = book.base_price + level * book.tick
    r.size = size
    r.flags = flags
    r.channel_id = 0
    r.action = action
    r.side = SIDE_BID if side == BID else SIDE_ASK
    r.ts_recv = engine.ts_recv
    r.ts_in_delta = 12_000 + (engine.sequence * 7_919) % 6_000
    r.sequence = engine.sequence & 0xFFFFFFFF
    return n + 1


@jit_entry
def snapshot(out: Any, engines: Any, books: Any, levels: Any, orders: Any) -> Any:
    """Write the next part of the snapshot of all books, best levels first; 0 when it is complete.

    A book begins with an R; each of its orders is an A. All carry ``F_SNAPSHOT``, the last one
    ``F_LAST``, and the times of the orders are before the session's.
    """
    engine = engines[0]
    n = 0
    room = out.shape[0]
    ts_live = engine.ts_event
    while engine.snapshot_book < books.shape[0] and n < room:
        k = engine.snapshot_book
        book = books[k]
        if engine.snapshot_level == NIL:
            engine.ts_event = ts_live - (book.alive + 1) * _SNAPSHOT_STEP_NS
            n = write(out, n, engine, book, ACTION_CLEAR, BID, 0, 0, 0, _SNAPSHOT_FLAGS)
            r = out[n - 1]
            r.side = SIDE_NONE
            r.price = UNDEF_PRICE
            r.ts_in_delta = 0
            engine.left -= 1
            engine.snapshot_side = BID
            engine.snapshot_level = book.best[BID]
            engine.snapshot_order = levels[k, book.best[BID]].head
            continue
        side = engine.snapshot_side
        slot = engine.snapshot_order
        order = orders[k, slot]
        engine.ts_event = ts_live - (book.alive - slot % book.alive) * _SNAPSHOT_STEP_NS
        n = write(
            out, n, engine, book, ACTION_ADD, side, order.level, order.size, order.order_id,
            _SNAPSHOT_FLAGS,
        )  # fmt: skip
        out[n - 1].ts_in_delta = 0
        engine.left -= 1
        slot = order.next
        level = engine.snapshot_level
        while slot == NIL and 0 < level < LEVELS - 1:
            level += away(side, 1)
            slot = levels[k, level].head
        engine.snapshot_level = level
        engine.snapshot_order = slot
        if slot == NIL:
            if side == BID:
                engine.snapshot_side = ASK
                engine.snapshot_level = book.best[ASK]
                engine.snapshot_order = levels[k, book.best[ASK]].head
            else:
                out[n - 1].flags |= F_LAST
                engine.snapshot_book += 1
                engine.snapshot_level = NIL
    engine.ts_event = ts_live
    return n
