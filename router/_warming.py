"""Records before the start: they build books and features, and nobody is told of them."""

from typing import Any

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.features.updating import note_feature_trade, update_features
from tapewire.market.ahead import begin_ahead, look_ahead
from tapewire.market.applying import apply_record, side_of
from tapewire.market.events import close_event, closes_before
from tapewire.market.flags import note_missing_last
from tapewire.market.ids import book_of
from tapewire.market.layout import (
    FAR_NOTHING,
    FLAGGED,
    NEW_BOOK,
    NIL,
    OK,
    book_at,
    record_at,
)
from tapewire.market.records import ACTION_TRADE, F_LAST, F_SNAPSHOT
from tapewire.router._doubts import heed_flags, settle_doubts
from tapewire.router._layout import DRAIN_ROWS, watch_at
from tapewire.router._marks import move_mark
from tapewire.router._phases import is_gapless, look, note_touch
from tapewire.router._times import before_book_event
from tapewire.router._views import begin_view


@jit_entry
def warm_batch(
    market_state: Any, router_state: Any, records: int, n: int, start_at: int, until_ns: int,
    unbegun: Any,
) -> Any:  # fmt: skip
    """Apply records to books and features, up to the first one whose clock reaches ``until_ns``.

    Returns (status, index of the first record not applied); with status OK that is ``n``, or
    the first record of the run. ``unbegun[0]`` counts books whose first record is no snapshot's.
    """
    market = market_state[0]
    router = router_state[0]
    if market.far != FAR_NOTHING:
        begin_ahead(market, records, start_at, n)
    for i in range(start_at, n):
        if market.far != FAR_NOTHING:
            look_ahead(market, records, i, n)
        record = record_at(records, i)
        clock = max(router.stream_clock, record.ts_recv)
        if clock >= until_ns:
            return OK, i
        book = book_of(market, record)
        if book == NIL:
            return NEW_BOOK, i
        features = watch_at(router.watches, book).features
        if closes_before(market, book, record):
            close_event(market, book, 0)
            if note_missing_last(market, book) != OK:
                status = heed_flags(market, router, book)
                if status != OK:
                    return status, i
            _settle(market, router, book)
            if features != 0:
                update_features(features, market, book, router.stream_clock)
        state = book_at(market.books, book)
        first = state.ts_recv == 0
        status = apply_record(market, book, record)
        if status != OK:
            if status == FLAGGED:
                status = heed_flags(market, router, book)
            if status != OK:
                return status, i
        unbegun[0] += first and not record.flags & F_SNAPSHOT
        state.clock = max(state.clock, record.ts_event)
        router.stream_clock = clock
        if features != 0 and record.action == ACTION_TRADE:
            note_feature_trade(features, record.size, side_of(record))
        if record.flags & F_LAST:
            close_event(market, book, record.flags)
            _settle(market, router, book)
            if features != 0:
                update_features(features, market, book, clock)
    return OK, n


@jit_inline
def _settle(market: Any, router: Any, book: int) -> None:
    """At the end of an event, end doubts about its book that there is no reason for any more."""
    watch = watch_at(router.watches, book)
    if watch.doubts != 0:
        settle_doubts(market, watch, book)


@jit
def begin_book(market: Any, execution: Any, router: Any, book: int) -> int:
    """Let a book's strategies see it as it stands at the start; a status.

    In mid-event its strategies start now: their first event is the rest of that one.
    """
    watch = watch_at(router.watches, book)
    state = book_at(market.books, book)
    if router.touch_n == router.touch_capacity:
        return DRAIN_ROWS
    look(market, watch, book)
    watch.seen = router.stream_clock
    if watch.seen_view != 0:
        begin_view(market, watch, book)
    watch.gapless = 1 if is_gapless(market, book) else 0
    move_mark(router, watch, state, True, watch.seen)
    state.volume = 0
    state.events = 0
    if watch.legs != NIL and router.touch_capacity > 0:
        note_touch(router, watch, state)
    if watch.legs != NIL and state.open != 0:
        return before_book_event(market, execution, router, book, state.clock, router.start_ns)
    return 0
