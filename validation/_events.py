"""Kernels that find where an event ends before it is applied, and what is in it."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.market.applying import side_of
from tapewire.market.ids import find_order, key_of
from tapewire.market.layout import GHOST, NIL, NO_ORDER, book_at, order_at, record_at
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_LAST,
    F_SNAPSHOT,
    F_TOB,
    UNDEF_PRICE,
)
from tapewire.validation.layout import (
    AUCTION,
    GROW_TAKERS,
    ICEBERG,
    IMPLIED,
    OWN_TRADE,
    ghost_at,
    listed_at,
    place_at,
    taker_at,
    venue_at,
)

#: An event without F_LAST ends where its book is silent for so many records, or at that length.
SILENT_RECORDS_MAX: Final = 1 << 10
EVENT_RECORDS_MAX: Final = 1 << 16


@jit_inline
def is_plain(record: Any) -> bool:
    """Whether a record is none of an order's life: of a snapshot, a clear, or a top of book."""
    return record.flags & (F_SNAPSHOT | F_TOB) != 0 or record.action == ACTION_CLEAR


@jit
def find_last(market: Any, book: int, records: int, n: int, first: int, is_end: bool) -> int:
    """Last record of the event that begins at ``first``; NIL if that may be in the next batch."""
    key = book_at(market.books, book).key
    before = record_at(records, first)
    last = first
    if before.flags & F_LAST:
        return last
    k = first + 1
    while k < n:
        record = record_at(records, k)
        if key_of(record) == key:
            moved = record.ts_event != before.ts_event and record.ts_recv != before.ts_recv
            if moved or is_plain(record):
                return last
            last = k
            if record.flags & F_LAST:
                return last
            before = record
        if k - last > SILENT_RECORDS_MAX or k - first > EVENT_RECORDS_MAX:
            return last
        k += 1
    return last if is_end else NIL


@jit
def count_event(market: Any, p: Any, records: int) -> Any:
    """Count the event at hand.

    Returns (records, records that may send an order, whether it traded, whether orders left).
    """
    key = book_at(market.books, p.book).key
    count = 0
    requests = 0
    traded = False
    left = False
    for k in range(p.first, p.last + 1):
        record = record_at(records, k)
        if key_of(record) != key:
            continue
        count += 1
        traded |= record.action == ACTION_TRADE or record.action == ACTION_FILL
        left |= record.action == ACTION_CANCEL
        if record.action != ACTION_FILL and record.action != ACTION_CANCEL:
            requests += 1
    return count, requests, traded, left


@jit_inline
def known_order(market: Any, book: int, order_id: int) -> int:
    """Index of a living order, or NIL."""
    if order_id == NO_ORDER:
        return NIL
    index = find_order(market, book, order_id)
    if index != NIL and order_at(market.orders, index).kind == GHOST:
        return NIL
    return index


@jit
def list_ghost(p: Any, index: int) -> Any:
    """Look at a ghost in the event at hand, once; returns it, with its lots of this event."""
    ghost = ghost_at(p.ghosts, index)
    if ghost.event != p.event:
        ghost.event = p.event
        ghost.real_lots = 0
        ghost.ghost_lots = 0
        ghost.real_px = UNDEF_PRICE
        ghost.ghost_px = UNDEF_PRICE
    if ghost.listed != p.event:
        ghost.listed = p.event
        listed_at(p.listed, p.listed_n).index = index
        p.listed_n += 1
    return ghost


@jit
def read_event(market: Any, p: Any, records: int) -> int:
    """Before an event with trades: who takes, who is filled, what is unusual; a status."""
    key = book_at(market.books, p.book).key
    venue = venue_at(p.venues, p.book)
    trade_side = NIL
    trade_id = NO_ORDER
    traded = 0
    filled = 0
    auction_px = UNDEF_PRICE
    for k in range(p.first, p.last + 1):
        record = record_at(records, k)
        if key_of(record) != key:
            continue
        order = known_order(market, p.book, record.order_id)
        if record.action == ACTION_TRADE:
            trade_side = side_of(record)
            trade_id = record.order_id
            if trade_side == NIL:
                p.nobodys_lots += record.size
                if venue.gapless == 0:
                    p.facts |= 1 << AUCTION
                    auction_px = record.price
                else:
                    p.facts |= 1 << IMPLIED
            else:
                traded += record.size
                if not _note_taker(p, record, trade_side):
                    return GROW_TAKERS
        elif record.action == ACTION_FILL:
            side = side_of(record)
            if order != NIL:
                side = order_at(market.orders, order).side
            own = side != NIL and trade_side == side
            own |= trade_id != NO_ORDER and record.order_id == trade_id
            if own:
                p.facts |= 1 << OWN_TRADE
            else:
                filled += record.size
            if order == NIL:
                if not own:
                    p.facts |= 1 << IMPLIED
                continue
            price = record.price if auction_px == UNDEF_PRICE else auction_px
            _note_fill(market, p, order, price, record.size, own)
        elif order != NIL:
            at = place_at(p.places, order).ghost
            if at != NIL:
                list_ghost(p, at).named = p.event
    if traded > filled and auction_px == UNDEF_PRICE:
        p.facts |= 1 << IMPLIED
    _note_rests(market, p, records, key)
    return 0


@jit
def _note_fill(market: Any, p: Any, order: int, price: int, lots: int, own: bool) -> None:
    """An F of a living order."""
    place = place_at(p.places, order)
    if place.event != p.event:
        place.event = p.event
        place.lots = 0
    if own:
        if place.ghost != NIL:
            ghost = list_ghost(p, place.ghost)
            ghost.named = p.event
            ghost.took = p.event
        return
    place.lots += lots
    if place.lots > order_at(market.orders, order).size:
        p.facts |= 1 << ICEBERG
    if place.ghost == NIL:
        p.other_lots += lots
        return
    ghost = list_ghost(p, place.ghost)
    ghost.named = p.event
    ghost.real_lots += lots
    ghost.real_px = price


@jit
def _note_taker(p: Any, record: Any, side: int) -> bool:
    """A T: lots of an aggressor; False if there is no room for one more."""
    for k in range(p.taker_n):
        taker = taker_at(p.takers, k)
        if taker.order_id == record.order_id and taker.side == side:
            taker.lots += record.size
            worse = record.price > taker.worst_px if side == 0 else record.price < taker.worst_px
            if worse:
                taker.worst_px = record.price
            return True
    if p.taker_n == p.taker_capacity:
        return False
    taker = taker_at(p.takers, p.taker_n)
    p.taker_n += 1
    taker.order_id = record.order_id
    taker.side = side
    taker.lots = record.size
    taker.rest = 0
    taker.worst_px = record.price
    taker.limit_px = UNDEF_PRICE
    return True


@jit
def _note_rests(market: Any, p: Any, records: int, key: int) -> None:
    """What an aggressor left in the book tells its limit."""
    for k in range(p.first, p.last + 1):
        record = record_at(records, k)
        comes = record.action == ACTION_ADD or record.action == ACTION_MODIFY
        if key_of(record) != key or not comes or record.order_id == NO_ORDER:
            continue
        for t in range(p.taker_n):
            taker = taker_at(p.takers, t)
            if taker.order_id == record.order_id and taker.side == side_of(record):
                taker.limit_px = record.price
                taker.rest = record.size
