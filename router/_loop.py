"""The one loop: per record the book, per event what was due before it and what it brings."""

from typing import Any

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.execution.layout import execution_at
from tapewire.execution.traces import (
    TRACES_OF_RECORD,
    crosses,
    note_incoming,
    note_trade_record,
)
from tapewire.features.updating import note_feature_trade
from tapewire.market.ahead import begin_ahead, look_ahead
from tapewire.market.applying import apply_record, side_of
from tapewire.market.events import close_event, closes_before, count_gap, end_event
from tapewire.market.flags import note_missing_last
from tapewire.market.ids import book_of
from tapewire.market.layout import (
    ASK,
    BID,
    FAR_NOTHING,
    FLAGGED,
    NEW_BOOK,
    NIL,
    OK,
    book_at,
    level_at,
    market_at,
    record_at,
    rung_at,
    side_at,
)
from tapewire.market.records import (
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_TRADE,
    F_LAST,
    F_SNAPSHOT,
)
from tapewire.router._doubts import heed_flags
from tapewire.router._ending import finish_run
from tapewire.router._layout import (
    CALL_OUTSIDE,
    CALLS,
    CROSSED_ABORT,
    FAULT_CROSSED,
    GROW_TRACES,
    TASK_BEGIN_BOOK,
    TASK_LET_PASS,
    TASK_RECORDS,
    router_at,
    watch_at,
)
from tapewire.router._phases import IDLE, begin_finish, finish_event
from tapewire.router._requests import after_call
from tapewire.router._times import before_book_event, let_pass
from tapewire.router._warming import begin_book
from tapewire.strategies.layout import HOOK_N, ON_BOOK, ON_TRADE, ON_VIEW


@jit_entry
def go_on(router_address: int) -> int:
    """Do the router's task, or run the records it was given, from where it stopped; a status.

    That is 0 when all are done, and ``CALLS`` or more where a callback is wanted that is not
    compiled: called again, it goes on behind it. One address is all that crosses from Python.
    """
    router = router_at(router_address, 0)
    execution = execution_at(router.execution, 0)
    if router.outside_instance != NIL:
        status = after_call(execution, router)
        if status != 0:
            return status
    market = market_at(router.market, 0)
    if router.task == TASK_RECORDS:
        status, at = run_batch(
            market, execution, router, router.records, router.records_stop, router.records_at
        )
        router.records_at = at
    elif router.task == TASK_BEGIN_BOOK:
        status = begin_book(market, execution, router, router.task_book)
    elif router.task == TASK_LET_PASS:
        status = let_pass(market, execution, router)
    else:
        status = finish_run(market, execution, router)
    if status == CALL_OUTSIDE:
        return CALLS + router.outside_instance * HOOK_N + router.outside_hook
    return status


@jit_entry
def give_records(router_address: int, records: Any) -> int:
    """Give the router records, shape (n,), contiguous: quicker than Python finds their address.

    Not `go_on` itself: a second entry into the whole loop takes seconds to compile. So what is
    done before and after all records is a task of that one.
    """
    router = router_at(router_address, 0)
    router.records = records.ctypes.data
    router.records_stop = records.size
    router.records_at = 0
    return 0


@jit
def run_batch(
    market: Any, execution: Any, router: Any, records: int, n: int, start_at: int
) -> Any:  # fmt: skip
    """Run ``n`` records at an address from ``start_at`` on; (status, record to go on with)."""
    i = start_at
    exchange_ns = 0
    incoming = False
    if router.phase != IDLE:
        status = finish_event(market, execution, router)
        if status != 0:
            return status, i
        i += router.resume_next
    if market.far != FAR_NOTHING:
        begin_ahead(market, records, i, n)
    while i < n:
        if market.far != FAR_NOTHING:
            look_ahead(market, records, i, n)
        record = record_at(records, i)
        book = book_of(market, record)
        if book == NIL:
            return NEW_BOOK, i
        watch = watch_at(router.watches, book)
        watched = watch.legs != NIL
        if closes_before(market, book, record):
            close_event(market, book, 0)
            if note_missing_last(market, book) != OK:
                status = heed_flags(market, router, book)
                if status != OK:
                    return status, i
            if watched:
                begin_finish(market, router, watch, book, 0)
                router.resume_next = 0
                status = finish_event(market, execution, router)
                if status != 0:
                    return status, i
        router.stream_clock = max(router.stream_clock, record.ts_recv)
        state = book_at(market.books, book)
        action = record.action
        if watched:
            exchange_ns = max(record.ts_event, state.clock)
            if state.open == 0 and watch.due < exchange_ns:
                status = before_book_event(
                    market, execution, router, book, exchange_ns, router.stream_clock
                )
                if status != 0:
                    return status, i
            incoming = crosses(watch, record)
            leaves_traces = (
                action == ACTION_TRADE or action == ACTION_FILL or action == ACTION_CLEAR
            )
            if (incoming or leaves_traces) and execution.trace_free_n < TRACES_OF_RECORD:
                return GROW_TRACES, i
            # From here on the record is applied whole; a full book block comes first.
            if leaves_traces:
                shows_trades = watch.subscriptions & (ON_TRADE | ON_VIEW) != 0
                note_trade_record(market, execution, watch, book, record, shows_trades)
                if watch.features != 0 and action == ACTION_TRADE:
                    note_feature_trade(watch.features, record.size, side_of(record))
        status = apply_record(market, book, record)
        if status != OK:
            if status == FLAGGED:
                status = heed_flags(market, router, book)
            if status != OK:
                return status, i
        # What came late is counted once the record is applied: getting here may take several calls.
        # Equal times come as often as later ones: no branch to guess wrong.
        router.clamped_ts_recv += record.ts_recv < router.stream_clock
        if watched:
            if record.ts_event < exchange_ns and not record.flags & F_SNAPSHOT:
                market.clamped_ts_event += 1
            state.clock = exchange_ns
            if incoming:
                note_incoming(execution, watch, record)
        if record.flags & F_LAST:
            end_event(market, book, record.flags)
            # A quiet event leaves the touch where it was, and so the gap.
            if watched and watch.gapless != 0 and _is_quiet(market, router, watch, book):
                i += 1
                continue
            count_gap(market, book)
            if watched:
                begin_finish(market, router, watch, book, record.ts_in_delta)
                router.resume_next = 1
                if watch.gapless == 0 and router.crossed_policy == CROSSED_ABORT:
                    return FAULT_CROSSED, i
                status = finish_event(market, execution, router)
                if status != 0:
                    return status, i
        i += 1
    return OK, n


@jit_inline
def _is_quiet(market: Any, router: Any, watch: Any, book: int) -> bool:
    """Whether nobody can feel the event that just ended: most of them, so this comes first."""
    if router.stream_clock >= watch.wake:
        return False
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n == 0 or asks.n == 0:
        return False
    bid = rung_at(market.rungs, bids.offset + bids.n - 1)
    ask = rung_at(market.rungs, asks.offset + asks.n - 1)
    if bid.key != watch.bid or ask.key != -watch.ask:
        return False
    bid_level = level_at(market.levels, bid.level)
    ask_level = level_at(market.levels, ask.level)
    if watch.subscriptions & ON_BOOK and (
        bid_level.size != watch.bid_size or ask_level.size != watch.ask_size
    ):
        return False
    watch.bid_size = bid_level.size
    watch.bid_count = bid_level.count
    watch.ask_size = ask_level.size
    watch.ask_count = ask_level.count
    watch.seen = router.stream_clock
    watch.seen_volume = watch.volume
    return True
