"""Kernels that let ghosts follow their real orders: record by record, or after trades."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import own_at, party_at
from tapewire.market.applying import side_of
from tapewire.market.ids import key_of
from tapewire.market.layout import NIL, NO_ORDER, book_at, order_at, record_at
from tapewire.market.records import ACTION_ADD, ACTION_CANCEL, ACTION_MODIFY, UNDEF_PRICE
from tapewire.validation._events import known_order
from tapewire.validation._ghosts import (
    compare,
    new_ghost,
    place_ahead,
    replace,
    retire,
    send,
    tie,
)
from tapewire.validation.layout import ghost_at, listed_at, place_at, venue_at


@jit
def ask_before(market: Any, execution: Any, p: Any, record: Any, ts: int) -> int:
    """In an event without trades: do what the record does with the ghost, first.

    Returns the ghost that the record's order is to be tied to, or NIL.
    """
    order = known_order(market, p.book, record.order_id)
    index: Any = NIL
    if order != NIL:
        index = place_at(p.places, order).ghost
    side = side_of(record)
    stays = side != NIL and record.price != UNDEF_PRICE and record.size > 0
    if record.action == ACTION_ADD:
        if index != NIL:
            retire(execution, p, index, ts)
        if not stays or record.order_id == NO_ORDER:
            return NIL
        index = new_ghost(market, execution, p, record.order_id, side)
        venue_at(p.venues, p.book).live += 1
        send(market, execution, p, index, record.price, record.size, ts)
        return index
    if index == NIL:
        return NIL
    real = order_at(market.orders, order)
    if record.action == ACTION_CANCEL:
        if record.size >= real.size:
            retire(execution, p, index, ts)
            return NIL
        replace(market, execution, p, index, real.price, real.size - record.size, ts)
    elif record.action == ACTION_MODIFY:
        if record.size == 0 or (stays and side != real.side):
            retire(execution, p, index, ts)
            return NIL
        if not stays:
            return index
        replace(market, execution, p, index, record.price, record.size, ts)
    else:
        return NIL
    ghost_at(p.ghosts, index).changes += 1
    return index


@jit
def tie_after(market: Any, execution: Any, p: Any, record: Any, ts: int) -> None:
    """After the record: the ghost that was sent for it goes with its order."""
    if p.sent == NIL:
        return
    real = known_order(market, p.book, record.order_id)
    if real == NIL:
        retire(execution, p, p.sent, ts)
    else:
        tie(market, p, p.sent, real)


@jit
def settle(market: Any, execution: Any, p: Any, records: int, ts: int) -> None:
    """Compare what the event did, and let ghosts follow what became of their orders."""
    for k in range(p.listed_n):
        compare(p, listed_at(p.listed, k).index, ts)
    if p.traded == 0:
        return
    listed_n = p.listed_n
    for k in range(listed_n):
        index = listed_at(p.listed, k).index
        if ghost_at(p.ghosts, index).named == p.event:
            _follow(market, execution, p, index, ts)
    _add_new(market, execution, p, records, ts)
    for k in range(p.listed_n):
        compare(p, listed_at(p.listed, k).index, ts)


@jit
def _follow(market: Any, execution: Any, p: Any, index: int, ts: int) -> None:
    """After trades: a ghost stays, moves or leaves as its order did."""
    ghost = ghost_at(p.ghosts, index)
    ghost.named = 0
    real = known_order(market, p.book, ghost.order_id)
    if real == NIL or order_at(market.orders, real).side != ghost.side:
        retire(execution, p, index, ts)
        return
    order = order_at(market.orders, real)
    if order.stamp != ghost.stamp or order.price != ghost.price:
        place_ahead(market, execution, p, index, real, ts)
        ghost.changes += 1
    elif ghost.own != NIL and place_at(p.places, real).event != p.event:
        own = own_at(execution.own_orders, ghost.own)
        if own.quantity - own.filled > order.size and party_at(execution.parties, index).resting:
            replace(market, execution, p, index, order.price, order.size, ts)
            ghost.changes += 1
    tie(market, p, index, real)


@jit
def _add_new(market: Any, execution: Any, p: Any, records: int, ts: int) -> None:
    """After trades: orders that came to rest in the event get ghosts directly ahead of them."""
    key = book_at(market.books, p.book).key
    for k in range(p.first, p.last + 1):
        record = record_at(records, k)
        if key_of(record) != key or record.action != ACTION_ADD or record.order_id == NO_ORDER:
            continue
        real = known_order(market, p.book, record.order_id)
        if real == NIL:
            p.within_event += 1
            continue
        if place_at(p.places, real).ghost != NIL:
            continue
        index = new_ghost(market, execution, p, record.order_id, order_at(market.orders, real).side)
        venue_at(p.venues, p.book).live += 1
        place_ahead(market, execution, p, index, real, ts)
        tie(market, p, index, real)
