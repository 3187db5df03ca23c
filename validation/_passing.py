"""The placebo pass: event by event, ghosts are sent, the records applied, and both compared."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_entry
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.incoming import find_incoming
from tapewire.execution.resting import open_bounds
from tapewire.execution.traces import (
    crosses,
    free_traces,
    kinds_of,
    note_incoming,
    note_trade_record,
)
from tapewire.market.applying import apply_record
from tapewire.market.events import close_event, closes_before
from tapewire.market.ids import book_of, key_of
from tapewire.market.layout import (
    ASK,
    BID,
    NEW_BOOK,
    NIL,
    OK,
    book_at,
    level_at,
    order_at,
    record_at,
    rung_at,
    side_at,
)
from tapewire.market.queues import best_key
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_TRADE,
    F_LAST,
)
from tapewire.validation._events import (
    count_event,
    find_last,
    is_plain,
    known_order,
    list_ghost,
    read_event,
)
from tapewire.validation._following import ask_before, settle, tie_after
from tapewire.validation._ghosts import (
    count_order,
    drop_order,
    open_bounds_at_touch,
    retire,
)
from tapewire.validation._matching import list_reached, match_listed
from tapewire.validation._takers import send_takers
from tapewire.validation.layout import (
    CLOSED,
    GROW_CLAIMS,
    GROW_GHOSTS,
    GROW_OWN,
    GROW_TRACES,
    MORE_RECORDS,
    SELF_MATCH,
    ghost_at,
    place_at,
    taker_at,
    venue_at,
)

_IDLE: Final = 0
_APPLY: Final = 1
_MATCH: Final = 2


@jit_entry
def pass_placebo(
    market_state: Any, execution_state: Any, pass_state: Any, records: int, n: int, start: int,
    base: int, is_end: bool,
) -> Any:  # fmt: skip
    """Pass over records from ``start`` on; (status, record to go on with).

    ``base`` is the number of the first of them among all, ``is_end`` says that none follow.
    """
    market = market_state[0]
    execution = execution_state[0]
    p = pass_state[0]
    i = start
    while i < n or p.phase != _IDLE:
        if p.phase == _IDLE:
            record = record_at(records, i)
            p.book = book_of(market, record)
            if p.book == NIL:
                return NEW_BOOK, i
            venue = venue_at(p.venues, p.book)
            if base + i <= venue.done:
                i += 1
                continue
            if closes_before(market, p.book, record):
                close_event(market, p.book, 0)
                market.missing_last += 1
            if is_plain(record):
                status = _apply_plain(market, execution, p, record)
            else:
                status = _begin(market, execution, p, records, n, i, is_end)
            if status != OK:
                return status, i
            if p.phase == _IDLE:
                i += 1
                continue
            venue.done = base + p.last
        status = _go_on(market, execution, p, records)
        if status != OK:
            return status, i
        i = p.first + 1
    return OK, n


@jit_entry
def end_pass(market_state: Any, execution_state: Any, pass_state: Any, ghosts: int) -> None:
    """The data end: count the orders that something had happened to."""
    p = pass_state[0]
    for index in range(ghosts):
        ghost = ghost_at(p.ghosts, index)
        if ghost.real == NIL:
            continue
        if ghost.changes == 0:
            p.untouched += 1
        else:
            count_order(p, index)


# --- what is no event of orders ------------------------------------------------------------------


@jit
def _apply_plain(market: Any, execution: Any, p: Any, record: Any) -> int:
    """A record of a snapshot, a clear or a top of book: ghosts end, for their orders do."""
    venue = venue_at(p.venues, p.book)
    if venue.live > 0:
        _retire_book(market, execution, p, record.ts_event)
    status = apply_record(market, p.book, record)
    if status != OK:
        return status
    if record.flags & F_LAST:
        close_event(market, p.book, record.flags)
        venue.gapless = _is_gapless(market, p.book)
    return OK


@jit
def _retire_book(market: Any, execution: Any, p: Any, ts: int) -> None:
    """End every ghost of a book."""
    for side in range(2):
        ladder = side_at(market.sides, 2 * p.book + side)
        for k in range(ladder.n):
            order = level_at(market.levels, rung_at(market.rungs, ladder.offset + k).level).head
            while order != NIL:
                ghost = place_at(p.places, order).ghost
                if ghost != NIL:
                    retire(execution, p, ghost, ts)
                order = order_at(market.orders, order).next


@jit
def _is_gapless(market: Any, book: int) -> int:
    """1 if a book is neither locked nor crossed, else 0."""
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n == 0 or asks.n == 0:
        return 1
    return 1 if best_key(market, bids) + best_key(market, asks) < 0 else 0


# --- an event ------------------------------------------------------------------------------------


@jit
def _begin(market: Any, execution: Any, p: Any, records: int, n: int, i: int, is_end: bool) -> int:
    """Find the event's end, have room for it, and send what goes before it; a status."""
    last = find_last(market, p.book, records, n, i, is_end)
    if last == NIL:
        return MORE_RECORDS
    p.first = i
    p.last = last
    count, requests, traded, left = count_event(market, p, records)
    status = _room(market, execution, p, count, requests)
    if status != OK:
        return status
    state = book_at(market.books, p.book)
    venue = venue_at(p.venues, p.book)
    p.event += 1
    p.stamp = market.stamp
    p.at = i
    p.asked = NIL
    p.facts = 0
    p.traded = 1 if traded else 0
    p.listed_n = 0
    p.taker_n = 0
    if traded:
        nobodys, others = p.nobodys_lots, p.other_lots
        status = read_event(market, p, records)
        if status != OK:
            p.nobodys_lots, p.other_lots = nobodys, others
            return status
        ts = max(record_at(records, i).ts_event, state.clock)
        _leave_before(market, execution, p, records, ts)
        send_takers(market, execution, p, records, ts)
    elif left and requests > 0:  # an order that came met one of its own, which left for it
        p.facts |= 1 << SELF_MATCH
    open_bounds(venue)
    if venue.live > 0:
        open_bounds_at_touch(market, p, venue)
    p.phase = _APPLY
    return OK


@jit
def _room(market: Any, execution: Any, p: Any, count: int, requests: int) -> int:
    """Whether there is room for all that an event may ask for; a status."""
    p.needed = requests + 1
    if p.ghost_free_n < p.needed:
        return GROW_GHOSTS
    if execution.own_free_n < p.needed:
        return GROW_OWN
    p.needed = 4 * count + 4
    if execution.trace_free_n < p.needed:
        return GROW_TRACES
    p.needed = (requests + 1) * STEP_ROWS
    if market.claim_free_n < p.needed:
        return GROW_CLAIMS
    return OK


@jit
def _leave_before(market: Any, execution: Any, p: Any, records: int, ts: int) -> None:
    """Orders that leave without a fill, or that take themselves, leave before the trades do."""
    key = book_at(market.books, p.book).key
    for k in range(p.first, p.last + 1):
        record = record_at(records, k)
        if key_of(record) != key:
            continue
        order = known_order(market, p.book, record.order_id)
        if order == NIL or record.action == ACTION_ADD or record.action == ACTION_FILL:
            continue
        place = place_at(p.places, order)
        takes = record.action == ACTION_TRADE
        for t in range(p.taker_n):
            takes |= taker_at(p.takers, t).order_id == record.order_id
        leaves = record.action == ACTION_CANCEL and place.event != p.event
        if leaves and not takes:
            p.facts |= 1 << SELF_MATCH
        if (leaves or takes) and place.ghost != NIL:
            ghost = list_ghost(p, place.ghost)
            ghost.named = p.event
            if takes:
                ghost.took = p.event
            drop_order(execution, p, place.ghost, ts)


@jit
def _go_on(market: Any, execution: Any, p: Any, records: int) -> int:
    """Apply the event, match, compare, and let ghosts follow their orders; a status."""
    venue = venue_at(p.venues, p.book)
    state = book_at(market.books, p.book)
    if p.phase == _APPLY:
        key = state.key
        while p.at <= p.last:
            record = record_at(records, p.at)
            if key_of(record) == key:
                status = _apply(market, execution, p, record)
                if status != OK:
                    return status
            p.at += 1
        if not record_at(records, p.last).flags & F_LAST:
            market.missing_last += 1
        close_event(market, p.book, record_at(records, p.last).flags)
        was_gapless = venue.gapless
        venue.gapless = _is_gapless(market, p.book)
        p.reopened = 1 if was_gapless == 0 and venue.gapless != 0 else 0
        if was_gapless == 0 or venue.gapless == 0:
            p.facts |= 1 << CLOSED
        p.cursor = 0
        p.kinds = 0
        if venue.traces != NIL:
            p.kinds = kinds_of(execution, venue.traces)
            if p.reopened == 0:
                find_incoming(market, execution, p.book, venue.traces, p.kinds)
            list_reached(market, execution, p)
        p.phase = _MATCH
    if venue.traces != NIL or p.reopened != 0:
        status = match_listed(market, execution, p, state.clock)
        if status != OK:
            return status
    settle(market, execution, p, records, state.clock)
    if venue.traces != NIL:
        free_traces(execution, venue)
    p.phase = _IDLE
    return OK


@jit
def _apply(market: Any, execution: Any, p: Any, record: Any) -> int:
    """Send what goes directly before a record, and apply it; a status."""
    venue = venue_at(p.venues, p.book)
    state = book_at(market.books, p.book)
    ts = max(record.ts_event, state.clock)
    if p.traded == 0 and p.asked != p.at:
        p.sent = ask_before(market, execution, p, record, ts)
        p.asked = p.at
    incoming = crosses(venue, record)
    if p.traded != 0 and (record.action == ACTION_TRADE or record.action == ACTION_FILL):
        if p.asked != p.at:
            note_trade_record(market, execution, venue, p.book, record, False)
            p.asked = p.at
    status = apply_record(market, p.book, record)
    if status != OK:
        return status
    state.clock = ts
    if incoming:
        note_incoming(execution, venue, record)
    if p.traded == 0:
        tie_after(market, execution, p, record, ts)
    return OK
