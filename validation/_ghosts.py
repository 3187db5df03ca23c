"""Kernels of a ghost's life: sent, moved and ended as its real order is, and what became of it."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.arriving import arrive_cancel, arrive_new, arrive_replace
from tapewire.execution.layout import (
    ALWAYS,
    fill_row_at,
    own_at,
    party_at,
    rules_at,
    tally_at,
)
from tapewire.execution.orders import give_back, is_live, open_order
from tapewire.execution.resting import open_bounds
from tapewire.execution.terms import no_rules
from tapewire.execution.words import BUY, FILLED, GTC, LIMIT, SELL, USER_CANCEL
from tapewire.market.layout import ASK, BID, NIL, book_at, order_at, rung_at, side_at
from tapewire.validation._events import list_ghost
from tapewire.validation.layout import (
    AUCTION,
    CLASS_N,
    CLOSED,
    ICEBERG,
    OWN_TRADE,
    SAME,
    UNEXPLAINED,
    count_at,
    difference_at,
    ghost_at,
    place_at,
    venue_at,
)


@jit
def new_party(market: Any, execution: Any, p: Any, index: int, owner: int) -> None:
    """Make the party of an index one of its own, without orders."""
    key = book_at(market.books, p.book).key
    party = party_at(execution.parties, index)
    party.book = p.book
    party.owner = owner
    party.buys = NIL
    party.sells = NIL
    party.waiting = NIL
    party.resting = 0
    party.models = 0
    party.publisher_id = key >> 32
    party.instrument_id = key & 0xFFFFFFFF
    party.key = 0
    party.multiplier_num = 1
    party.multiplier_den = 1
    no_rules(rules_at(execution.rules, index))
    tally = tally_at(execution.tallies, index)
    tally.traded = 0
    tally.house = index
    tally.beyond = 1  # any worse price


@jit
def new_ghost(market: Any, execution: Any, p: Any, order_id: int, side: int) -> int:
    """Take a free ghost for a real order of the event's book; returns its index."""
    index = p.ghost_free
    ghost = ghost_at(p.ghosts, index)
    p.ghost_free = ghost.next
    p.ghost_free_n -= 1
    p.owners += 1
    new_party(market, execution, p, index, p.owners)
    ghost.order_id = order_id
    ghost.own = NIL
    ghost.real = NIL
    ghost.book = p.book
    ghost.side = side
    ghost.event = 0
    ghost.listed = 0
    ghost.named = 0
    ghost.took = 0
    ghost.real_total = 0
    ghost.ghost_total = 0
    ghost.changes = 0
    ghost.difference = SAME
    return index


@jit
def free_ghost(execution: Any, p: Any, index: int) -> None:
    """Give a ghost back whose order has ended."""
    ghost = ghost_at(p.ghosts, index)
    drop_order(execution, p, index, 0)
    ghost.real = NIL
    ghost.next = p.ghost_free
    p.ghost_free = index
    p.ghost_free_n += 1


@jit
def open_own(
    execution: Any, p: Any, index: int, price: int, lots: int, time_in_force: int, ts: int
) -> int:
    """Make a limit order of the ghost's, which is nowhere yet; returns its index."""
    ghost = ghost_at(p.ghosts, index)
    side = BUY if ghost.side == BID else SELL
    return open_order(
        execution, p, index, ts, ghost.order_id, side, LIMIT, price, lots, time_in_force
    )


@jit
def send(market: Any, execution: Any, p: Any, index: int, price: int, lots: int, ts: int) -> None:
    """Have a limit order of the ghost's arrive at the book as it stands."""
    ghost = ghost_at(p.ghosts, index)
    ghost.own = open_own(execution, p, index, price, lots, GTC, ts)
    venue = venue_at(p.venues, p.book)
    arrive_new(market, execution, ghost.own, venue.gapless != 0, ts)
    note_resting(execution, p, index, 0)
    take_rows(execution, p)


@jit
def note_resting(execution: Any, p: Any, index: int, before: int) -> None:
    """Keep the book's word of where simulated orders rest; ``before``: how many this one had."""
    ghost = ghost_at(p.ghosts, index)
    venue = venue_at(p.venues, ghost.book)
    party = party_at(execution.parties, index)
    venue.resting += party.resting - before
    if party.resting > 0:
        own = own_at(execution.own_orders, ghost.own)
        if own.side == BUY:
            venue.own_bid = max(venue.own_bid, own.price)
        else:
            venue.own_ask = min(venue.own_ask, own.price)


@jit
def drop_order(execution: Any, p: Any, index: int, ts: int) -> None:
    """Cancel a ghost's order if it still works, and give its record back."""
    ghost = ghost_at(p.ghosts, index)
    if ghost.own == NIL:
        return
    own = own_at(execution.own_orders, ghost.own)
    if is_live(own):
        before = party_at(execution.parties, index).resting
        arrive_cancel(execution, ghost.own, USER_CANCEL, ts)
        note_resting(execution, p, index, before)
    own.known_status = FILLED  # nobody is told of it
    give_back(execution, p, ghost.own)
    ghost.own = NIL
    execution.order_n = 0
    execution.order_extra_n = 0


@jit
def replace(
    market: Any, execution: Any, p: Any, index: int, price: int, lots: int, ts: int
) -> None:
    """Have the ghost's order replaced, if it still works: ``lots`` are to be open then."""
    ghost = ghost_at(p.ghosts, index)
    if ghost.own == NIL:
        return
    own = own_at(execution.own_orders, ghost.own)
    if not is_live(own):
        return
    before = party_at(execution.parties, index).resting
    is_open = venue_at(p.venues, p.book).gapless != 0
    arrive_replace(market, execution, ghost.own, price, own.filled + lots, is_open, ts)
    note_resting(execution, p, index, before)
    take_rows(execution, p)


@jit
def place_ahead(market: Any, execution: Any, p: Any, index: int, real: int, ts: int) -> None:
    """Send a new order of the ghost's to where it stands directly ahead of its real one.

    For a real order that joined its queue within an event with trades, which the ghost is not to
    take part in: the stamp before the real order's is its predecessor's or nobody's.
    """
    drop_order(execution, p, index, ts)
    order = order_at(market.orders, real)
    send(market, execution, p, index, order.price, order.size, ts)
    own = own_at(execution.own_orders, ghost_at(p.ghosts, index).own)
    if is_live(own):
        own.stamp = order.stamp - 1


@jit
def tie(market: Any, p: Any, index: int, real: int) -> None:
    """Note where the ghost's real order is and stands now."""
    ghost = ghost_at(p.ghosts, index)
    order = order_at(market.orders, real)
    if ghost.real != NIL and ghost.real != real and place_at(p.places, ghost.real).ghost == index:
        place_at(p.places, ghost.real).ghost = NIL
    ghost.real = real
    ghost.stamp = order.stamp
    ghost.price = order.price
    ghost.size = order.size
    place_at(p.places, real).ghost = index


@jit
def retire(execution: Any, p: Any, index: int, ts: int) -> None:
    """The real order has left: so does its ghost, and both are counted."""
    ghost = ghost_at(p.ghosts, index)
    compare(p, index, ts)
    drop_order(execution, p, index, ts)
    if ghost.real != NIL and place_at(p.places, ghost.real).ghost == index:
        place_at(p.places, ghost.real).ghost = NIL
    count_order(p, index)
    venue_at(p.venues, ghost.book).live -= 1
    free_ghost(execution, p, index)


@jit
def count_order(p: Any, index: int) -> None:
    """Count an order whose life is over."""
    ghost = ghost_at(p.ghosts, index)
    count = count_at(p.resting, ghost.difference)
    count.orders += 1
    count.traded_orders += ghost.real_total > 0 or ghost.ghost_total > 0


@jit
def take_rows(execution: Any, p: Any) -> None:
    """Take over the fills that were reported, ghost by ghost."""
    for k in range(execution.fill_n):
        row = fill_row_at(execution.fills, k)
        ghost = list_ghost(p, row.leg)
        ghost.ghost_lots += row.last_qty
        ghost.ghost_px = row.last_px
    execution.fill_n = 0
    execution.order_n = 0
    execution.order_extra_n = 0


@jit
def compare(p: Any, index: int, ts: int) -> None:
    """Compare what an event gave to a real order and to its ghost."""
    ghost = ghost_at(p.ghosts, index)
    if ghost.event != p.event or (ghost.real_lots == 0 and ghost.ghost_lots == 0):
        return
    ghost.event = 0
    ghost.changes += 1
    ghost.real_total += ghost.real_lots
    ghost.ghost_total += ghost.ghost_lots
    same = min(ghost.real_lots, ghost.ghost_lots)
    if ghost.real_px != ghost.ghost_px:
        same = 0
    p.real_lots += ghost.real_lots
    p.same_lots += same
    if same == ghost.real_lots and same == ghost.ghost_lots:
        return
    if ghost.difference == SAME:
        ghost.difference = class_of(p, ghost.took == p.event, ghost.real_lots > ghost.size)
    kind = ghost.difference  # what follows from the first one is of its class
    count = count_at(p.resting, kind)
    count.missed_lots += ghost.real_lots - same
    count.extra_lots += ghost.ghost_lots - same
    note_difference(
        p,
        ghost.order_id,
        ghost.side,
        ghost.price,
        ghost.real_lots,
        ghost.ghost_lots,
        False,
        kind,
        ts,
    )


@jit
def class_of(p: Any, took: bool, is_clip: bool) -> int:
    """Class of a difference: what was unusual in the event at hand."""
    if is_clip:
        return ICEBERG
    if took:
        return OWN_TRADE
    for kind in range(AUCTION, CLASS_N):
        if kind != OWN_TRADE and p.facts & (1 << kind):
            return kind
    if venue_at(p.venues, p.book).gapless == 0:
        return CLOSED
    return UNEXPLAINED


@jit
def note_difference(
    p: Any, order_id: int, side: int, price: int, real_lots: int, ghost_lots: int, taker: bool,
    kind: int, ts: int,
) -> None:  # fmt: skip
    """Keep a difference for whoever looks, while there is room."""
    if p.difference_n < p.difference_capacity:
        row = difference_at(p.differences, p.difference_n)
        row.ts_event = ts
        row.book = p.book
        row.order_id = order_id
        row.side = 1 if side == BID else -1
        row.price = price
        row.real_lots = real_lots
        row.ghost_lots = ghost_lots
        row.taker = 1 if taker else 0
        row.kind = kind
    p.difference_n += 1


@jit
def open_bounds_at_touch(market: Any, p: Any, venue: Any) -> None:
    """Ghosts rest where real orders do: none is better than the best of them."""
    open_bounds(venue)
    venue.own_bid_stamp = ALWAYS
    venue.own_ask_stamp = ALWAYS
    bids = side_at(market.sides, 2 * p.book + BID)
    asks = side_at(market.sides, 2 * p.book + ASK)
    if bids.n > 0:
        venue.own_bid = rung_at(market.rungs, bids.offset + bids.n - 1).key
    if asks.n > 0:
        venue.own_ask = -rung_at(market.rungs, asks.offset + asks.n - 1).key
