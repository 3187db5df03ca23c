"""Kernels that send the aggressors of an event again, before it, and compare what they take."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.arriving import arrive_new
from tapewire.execution.layout import fill_row_at, own_at, party_at
from tapewire.execution.orders import give_back
from tapewire.execution.words import FILLED, IOC
from tapewire.market.applying import side_of
from tapewire.market.ids import key_of
from tapewire.market.layout import NIL, NO_ORDER, book_at, record_at
from tapewire.market.records import ACTION_FILL, ACTION_TRADE, UNDEF_PRICE
from tapewire.validation._ghosts import class_of, free_ghost, new_ghost, note_difference, open_own
from tapewire.validation.layout import SAME, count_at, ghost_at, taker_at, venue_at


@jit
def send_takers(market: Any, execution: Any, p: Any, records: int, ts: int) -> None:
    """Send the event's aggressors, in their order: what one took is not there for the next."""
    if p.taker_n == 0:
        return
    for k in range(p.taker_n):
        taker = taker_at(p.takers, k)
        index = new_ghost(market, execution, p, taker.order_id, taker.side)
        if k > 0:  # all of one event are one owner
            _share_owner(execution, p, index)
        ghost = ghost_at(p.ghosts, index)
        price = taker.worst_px
        lots = taker.lots
        if taker.limit_px != UNDEF_PRICE:
            price = taker.limit_px
            lots += taker.rest
        ghost.own = open_own(execution, p, index, price, lots, IOC, ts)
        is_open = venue_at(p.venues, p.book).gapless != 0
        arrive_new(market, execution, ghost.own, is_open, ts)
        _compare(market, execution, p, records, k, ts)
        own_at(execution.own_orders, ghost.own).known_status = FILLED
        give_back(execution, p, ghost.own)
        ghost.own = NIL
        free_ghost(execution, p, index)


@jit
def _share_owner(execution: Any, p: Any, index: int) -> None:
    """Give a party the owner before its own."""
    party_at(execution.parties, index).owner -= 1
    p.owners -= 1


@jit
def _compare(market: Any, execution: Any, p: Any, records: int, k: int, ts: int) -> None:
    """Compare what an aggressor took with what the one sent again took, price by price."""
    taker = taker_at(p.takers, k)
    same = 0
    taken = 0
    for f in range(execution.fill_n):
        row = fill_row_at(execution.fills, f)
        taken += row.last_qty
        same += min(row.last_qty, _traded_at(market, p, records, taker, row.last_px))
    execution.fill_n = 0
    execution.order_n = 0
    execution.order_extra_n = 0
    p.taken_lots += taker.lots
    p.same_taken_lots += same
    kind = SAME
    if same != taker.lots or same != taken:
        kind = class_of(p, False, False)
        note_difference(
            p, taker.order_id, taker.side, taker.worst_px, taker.lots, taken, True, kind, ts
        )
    count = count_at(p.taking, kind)
    count.orders += 1
    count.traded_orders += 1
    count.missed_lots += taker.lots - same
    count.extra_lots += taken - same


@jit
def _traded_at(market: Any, p: Any, records: int, taker: Any, price: int) -> int:
    """Lots that an aggressor of the event took at a price.

    A T may stand for several prices: what orders were filled with says which. Volume without an
    F has the price of its T.
    """
    key = book_at(market.books, p.book).key
    lots = 0
    unseen = 0  # of the T at hand, at the price
    is_its = False
    at_price = False
    for k in range(p.first, p.last + 1):
        record = record_at(records, k)
        if key_of(record) != key:
            continue
        if record.action == ACTION_TRADE:
            lots += unseen
            unseen = 0
            is_its = record.order_id == taker.order_id and side_of(record) == taker.side
            at_price = record.price == price
            unseen = record.size if is_its and at_price else 0
        elif record.action == ACTION_FILL and is_its:
            own = record.order_id == taker.order_id and record.order_id != NO_ORDER
            if own or side_of(record) == taker.side:
                continue
            if record.price == price:
                lots += record.size
            if at_price:
                unseen = max(0, unseen - record.size)
    return lots + unseen
