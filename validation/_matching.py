"""Kernels that let an event act on the ghosts it may concern, each on its own."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.auctions import match_auction
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.filling import match_event
from tapewire.execution.layout import (
    TRACE_AUCTION,
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_UNSEEN,
    own_at,
    party_at,
    trace_at,
)
from tapewire.execution.resting import rest
from tapewire.execution.traces import CLEARED_AUCTION
from tapewire.execution.words import FILLED, GTC, NEW
from tapewire.market.layout import ASK, BID, NIL, level_at, order_at, rung_at, side_at
from tapewire.validation._events import list_ghost
from tapewire.validation._ghosts import drop_order, note_resting, open_own, take_rows
from tapewire.validation.layout import (
    GROW_CLAIMS,
    ICEBERG,
    ghost_at,
    listed_at,
    place_at,
    venue_at,
)

#: Claims that one ghost may need in one event.
CLAIMS_PER_MATCH = 2 * STEP_ROWS


@jit
def list_reached(market: Any, execution: Any, p: Any) -> None:
    """List the ghosts that stand where the event's volume may have reached."""
    at = venue_at(p.venues, p.book).traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        at = trace.next
        if trace.kind == TRACE_FILL:
            _list_from_touch(market, p, trace.side, trace.price)
        elif trace.kind == TRACE_INCOMING:
            _list_from_touch(market, p, ASK if trace.side == BID else BID, trace.price)
        elif trace.kind == TRACE_UNSEEN or trace.kind == TRACE_AUCTION:
            if trace.side != ASK:
                _list_from_touch(market, p, BID, trace.price)
            if trace.side != BID:
                _list_from_touch(market, p, ASK, trace.price)


@jit
def _list_from_touch(market: Any, p: Any, side: int, price: int) -> None:
    """List the ghosts of a side at a price and at better ones."""
    ladder = side_at(market.sides, 2 * p.book + side)
    worst_key = price if side == BID else -price
    for k in range(ladder.n - 1, -1, -1):
        rung = rung_at(market.rungs, ladder.offset + k)
        if rung.key < worst_key:
            return
        order = level_at(market.levels, rung.level).head
        while order != NIL:
            ghost = place_at(p.places, order).ghost
            if ghost != NIL:
                list_ghost(p, ghost)
            order = order_at(market.orders, order).next


@jit
def match_listed(market: Any, execution: Any, p: Any, ts_event: int) -> int:
    """Match the listed ghosts that rest, from the cursor on; a status."""
    venue = venue_at(p.venues, p.book)
    halted = venue.gapless == 0
    while p.cursor < p.listed_n:
        if market.claim_free_n < CLAIMS_PER_MATCH:
            return GROW_CLAIMS
        index = listed_at(p.listed, p.cursor).index
        party = party_at(execution.parties, index)
        before = party.resting
        if ghost_at(p.ghosts, index).own != NIL and before > 0:
            if p.kinds & CLEARED_AUCTION:
                match_auction(market, execution, index, venue.traces, ts_event)
            if not halted:
                match_event(
                    market, execution, index, venue.traces, p.kinds, ts_event, p.reopened != 0
                )
                if p.facts & (1 << ICEBERG):
                    _match_next_clips(market, execution, p, index, ts_event)
            note_resting(execution, p, index, before)
            take_rows(execution, p)
        p.cursor += 1
    return 0


@jit
def _match_next_clips(market: Any, execution: Any, p: Any, index: int, ts_event: int) -> None:
    """Match what an iceberg showed and traded in the event beyond the clip that stood there.

    Its later clips joined the back of the queue, behind all that stood there as the event began.
    """
    ghost = ghost_at(p.ghosts, index)
    if ghost.event != p.event or ghost.real_lots <= ghost.size:
        return
    if own_at(execution.own_orders, ghost.own).status != FILLED:
        return
    lots = ghost.real_lots - ghost.size
    venue = venue_at(p.venues, p.book)
    drop_order(execution, p, index, ts_event)
    ghost.own = open_own(execution, p, index, ghost.price, lots, GTC, ts_event)
    own = own_at(execution.own_orders, ghost.own)
    own.status = NEW
    rest(market, execution, ghost.own)
    own.stamp = p.stamp - 1
    match_event(market, execution, index, venue.traces, p.kinds, ts_event, False)
    p.clips += 1
