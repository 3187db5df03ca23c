"""Kernels of where an event of a book ends, and what it leaves."""

from typing import Any

from tapewire.compiled.jit import jit_inline
from tapewire.market._snapshots import end_snapshot
from tapewire.market.layout import (
    ASK,
    BID,
    FILLED_SNAPSHOT,
    NIL,
    NO_ORDER,
    NO_SNAPSHOT,
    book_at,
    side_at,
)
from tapewire.market.queues import best_key
from tapewire.market.records import F_SNAPSHOT


@jit_inline
def closes_before(market: Any, book: int, record: Any) -> bool:
    """Whether the record begins a new event although the last one carried no F_LAST.

    Both clocks moving on says so: the records of one event share at least one of them.
    """
    state = book_at(market.books, book)
    return (
        state.open != 0
        and state.in_snapshot <= NO_SNAPSHOT
        and record.ts_event != state.ts_event
        and record.ts_recv != state.ts_recv
    )


@jit_inline
def end_event(market: Any, book: int, flags: int) -> None:
    """End the book's current event, its touch not looked at (see ``count_gap``)."""
    state = book_at(market.books, book)
    if state.in_snapshot == FILLED_SNAPSHOT and flags & F_SNAPSHOT:
        end_snapshot(market, book)
    state.open = 0
    state.event += 1
    state.events += 1
    state.trades = 0
    state.trade_side = NIL
    state.trade_order_id = NO_ORDER
    market.event_ends += 1


@jit_inline
def count_gap(market: Any, book: int) -> None:
    """Count the event that just ended if it left the book locked or crossed."""
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n > 0 and asks.n > 0:
        gap = -best_key(market, asks) - best_key(market, bids)
        if gap <= 0:
            if gap == 0:
                market.locked_events += 1
            else:
                market.crossed_events += 1


@jit_inline
def close_event(market: Any, book: int, flags: int) -> None:
    """End the book's current event and look at what it left."""
    end_event(market, book, flags)
    count_gap(market, book)
