"""The one loop: per event the book, what was due before it, fills, accounts, strategies.

An event is finished in phases, each of which can be left when a block runs full and taken up again
where it was: the shell makes room and calls again with the same record.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.filling import (
    CLEARED_AUCTION,
    CLEARED_BOOK,
    find_incoming,
    kinds_of,
    match_auction,
    match_event,
)
from tapewire.execution.layout import (
    TRACE_CLEAR,
    TRACE_TRADE,
    session_at,
    trace_at,
)
from tapewire.execution.matching import STEP_ROWS
from tapewire.market.ahead import begin_ahead, look_ahead
from tapewire.market.applying import (
    apply_record,
    close_event,
    closes_before,
    count_gap,
    end_event,
)
from tapewire.market.ids import book_of
from tapewire.market.layout import (
    ASK,
    BID,
    FAR_NOTHING,
    NEW_BOOK,
    OK,
    book_at,
    level_at,
    record_at,
    rung_at,
    side_at,
)
from tapewire.market.queues import best_key
from tapewire.market.records import (
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_TRADE,
    F_LAST,
    F_SNAPSHOT,
    UNDEF_PRICE,
)
from tapewire.positions.accounting import revalue
from tapewire.positions.layout import account_at, limits_at, sample_row_at

from ._layout import (
    ALWAYS,
    CROSSED_ABORT,
    CROSSED_HALT_FILLS,
    DRAIN_ROWS,
    FAULT_CLAIMS,
    FAULT_CROSSED,
    GROW_TRACES,
    HOOK_BOOK,
    HOOK_EVENT,
    HOOK_TRADE,
    NEVER,
    NIL,
    ON_BOOK,
    ON_EVENT,
    ON_PRICE,
    ON_TRADE,
    instance_at,
    leg_at,
    watch_at,
)
from ._loss import after_halt, may_close_now
from ._session import (
    before_event,
    callback,
    cancel_cleared,
    is_halted,
    open_bounds,
    release_waiting,
    room_for,
    settle,
    start,
    tighten_bounds,
    until_local,
    update_watch,
)
from ._traces import crosses, free_traces, note_incoming, note_trade_record

# Phases of finishing an event.
IDLE = 0
_MATCH = 1
_HEAR = 2
_SHOW = 3
_SAMPLE = 4


# --- before an event ----------------------------------------------------------------------------


@jit
def before_book_event(
    market: Any, execution: Any, router: Any, book: int, exchange_ns: int, local_ns: int
) -> int:
    watch = watch_at(router.watches, book)
    at = watch.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        instance = instance_at(router.instances, leg.instance)
        local = local_ns + instance.feed_ns
        status = start(market, execution, router, at, local)
        if status != 0:
            return status
        status = before_event(market, execution, router, at, exchange_ns, local)
        if status != 0:
            return status
        at = leg.next_of_book
    _refresh_due(router, watch)
    return 0


@jit
def _refresh_due(router: Any, watch: Any) -> None:
    due = NEVER
    local_due = NEVER
    at = watch.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        instance = instance_at(router.instances, leg.instance)
        due = min(due, leg.arrival_due)
        local_due = min(local_due, instance.local_due)
        at = leg.next_of_book
    watch.due = min(due, local_due)
    watch.local_due = local_due
    if watch.traces == NIL:
        _set_wake(router, watch)


# --- after an event -----------------------------------------------------------------------------


@jit
def _match(
    market: Any, execution: Any, router: Any, watch: Any, book: int, exchange_ns: int
) -> int:
    """Let the event act on resting simulated orders, leg by leg.

    A halt holds back all fills but those of an auction.
    """
    kinds = kinds_of(execution, watch.traces)
    halted = is_halted(router, watch)
    cleared = False
    if kinds & CLEARED_BOOK:
        cleared = _is_cleared(market, execution, router, watch, book)
    if halted and not kinds & CLEARED_AUCTION and not cleared:
        return 0
    if router.reopened == 0:  # else all that stands across ours meets them, new or not
        find_incoming(market, execution, book, watch.traces, kinds)
    trace_n = 0
    at = watch.traces
    while at != NIL:
        trace_n += 1
        at = trace_at(execution.traces, at).next
    while router.cursor != NIL:
        leg = leg_at(router.legs, router.cursor)
        session = session_at(execution.sessions, router.cursor)
        if session.resting > 0:
            # An order may fill by auction, by volume and by what came in, and be canceled; or, at a
            # reopening, take: then a row comes with every real order touched, too.
            rows = 4 * session.resting + trace_n + 1
            if router.reopened != 0:
                rows += session.resting + 2 * STEP_ROWS
            room = room_for(market, execution, router, rows, 0)
            if room != 0:
                return room
            resting_before = session.resting
            execution.claim_shortage = 0
            if kinds & CLEARED_AUCTION:
                match_auction(market, execution, router.cursor, watch.traces, exchange_ns)
            if router.reopened != 0 and session.waiting != NIL:
                release_waiting(market, execution, router, router.cursor, exchange_ns)
            if not halted:
                match_event(
                    market, execution, router.cursor, watch.traces, kinds, exchange_ns,
                    router.reopened != 0,
                )  # fmt: skip
            if execution.claim_shortage != 0:
                router.fault_instance = leg.instance
                return FAULT_CLAIMS
            if execution.fill_n != router.settled:
                settle(execution, router, router.event_local)
            if cleared:
                cancel_cleared(execution, router, router.cursor, exchange_ns)
            if session.resting != resting_before:
                update_watch(execution, router, router.cursor, resting_before)
        router.cursor = leg.next_of_book
    if watch.resting > 0:
        _tighten(execution, router, watch)
    return 0


@jit
def _is_cleared(market: Any, execution: Any, router: Any, watch: Any, book: int) -> bool:
    """Whether the venue cleared the book for good: no snapshot followed within the event."""
    if router.clear_cancels == 0:
        return False
    at = watch.traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_CLEAR:
            return trace.lots == book_at(market.books, book).snapshots
        at = trace.next
    return False


@jit
def _tighten(execution: Any, router: Any, watch: Any) -> None:
    open_bounds(watch)
    at = watch.legs
    while at != NIL:
        tighten_bounds(execution, watch, session_at(execution.sessions, at))
        at = leg_at(router.legs, at).next_of_book


@jit_inline
def look(market: Any, watch: Any, book: int) -> int:
    """Take over the book's best levels into what strategies see; ON_* of what changed."""
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    bid = UNDEF_PRICE
    bid_size = 0
    bid_count = 0
    ask = UNDEF_PRICE
    ask_size = 0
    ask_count = 0
    if bids.n > 0:
        rung = rung_at(market.rungs, bids.offset + bids.n - 1)
        level = level_at(market.levels, rung.level)
        bid = rung.key
        bid_size = level.size
        bid_count = level.count
    if asks.n > 0:
        rung = rung_at(market.rungs, asks.offset + asks.n - 1)
        level = level_at(market.levels, rung.level)
        ask = -rung.key
        ask_size = level.size
        ask_count = level.count
    changes = 0
    if bid != watch.bid or ask != watch.ask:
        changes = ON_PRICE | ON_BOOK
        watch.bid = bid
        watch.ask = ask
    elif bid_size != watch.bid_size or ask_size != watch.ask_size:
        changes = ON_BOOK
    watch.bid_size = bid_size
    watch.bid_count = bid_count
    watch.ask_size = ask_size
    watch.ask_count = ask_count
    return changes


@jit_inline
def _is_gapless(market: Any, book: int) -> bool:
    """Whether the book is neither locked nor crossed."""
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n == 0 or asks.n == 0:
        return True
    return best_key(market, bids) + best_key(market, asks) < 0


@jit
def _show(market: Any, execution: Any, router: Any, watch: Any, book: int, local_ns: int) -> int:
    """Show the event to the strategies that asked for it, leg by leg."""
    callbacks = 2  # on_market_event and on_book, and on_trade for each trade
    at = watch.traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        callbacks += trace.kind == TRACE_TRADE
        at = trace.next
    while router.cursor != NIL:
        leg_index = router.cursor
        leg = leg_at(router.legs, leg_index)
        instance = instance_at(router.instances, leg.instance)
        account = account_at(router.accounts, leg_index)
        local = max(instance.clock, local_ns + instance.feed_ns)
        loss_acts = watch.unclosed != 0 and may_close_now(router, leg_index, watch)
        if watch.mark_moved != 0 and account.position | account.known_position != 0:
            account.mark = watch.mark
            limits = limits_at(router.limits, leg.instance)
            revalue(account, limits)
            loss_acts = limits.halted != 0
        if loss_acts:
            status = after_halt(execution, router, leg_index, local)
            if status != 0:
                return status
        wanted = instance.mask & watch.changes
        if wanted != 0:
            room = room_for(market, execution, router, STEP_ROWS, callbacks)
            if room != 0:
                return room
            if local > instance.clock:
                instance.clock = local
                instance.steps = 0
            status = 0
            if wanted & ON_EVENT:
                status = callback(execution, router, leg.instance, leg_index, HOOK_EVENT, local)
            if status == 0 and wanted & ON_TRADE:
                status = _show_trades(execution, router, watch, leg_index, local)
            if status == 0 and wanted & (ON_BOOK | ON_PRICE):
                status = callback(execution, router, leg.instance, leg_index, HOOK_BOOK, local)
            if status != 0:
                return status
        router.cursor = leg.next_of_book
    return 0


@jit
def _show_trades(execution: Any, router: Any, watch: Any, leg_index: int, local_ns: int) -> int:
    leg = leg_at(router.legs, leg_index)
    at = watch.traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_TRADE:
            watch.trade_price = trace.price
            watch.trade_size = trace.lots
            watch.trade_side = 1 if trace.side == BID else (-1 if trace.side == ASK else 0)
            status = callback(execution, router, leg.instance, leg_index, HOOK_TRADE, local_ns)
            if status != 0:
                return status
        at = trace.next
    return 0


@jit
def write_sample(execution: Any, router: Any, leg_index: int, ts: int) -> None:
    account = account_at(router.accounts, leg_index)
    row = sample_row_at(router.samples, router.sample_n)
    router.sample_n += 1
    row.leg = leg_index
    row.ts = ts
    row.position = account.position
    row.cash = account.cash
    row.realized = account.realized
    row.fees = account.fees
    row.mark = account.mark
    row.volume = account.volume
    row.max_position = account.max_position


@jit
def _sample(execution: Any, router: Any, watch: Any, local_ns: int) -> int:
    while router.cursor != NIL:
        leg = leg_at(router.legs, router.cursor)
        if router.sample_n == router.sample_capacity:
            return DRAIN_ROWS
        if watch.mark != UNDEF_PRICE:
            account_at(router.accounts, router.cursor).mark = watch.mark
        instance = instance_at(router.instances, leg.instance)
        write_sample(execution, router, router.cursor, local_ns + instance.feed_ns)
        router.cursor = leg.next_of_book
    interval = router.sample_interval_ns
    watch.sample_due = (local_ns // interval + 1) * interval
    return 0


@jit
def finish_event(market: Any, execution: Any, router: Any) -> int:
    """Run the phases that are left of the event in ``router.event_book``."""
    book = router.event_book
    local_ns = router.event_local
    watch = watch_at(router.watches, book)
    state = book_at(market.books, book)
    if router.phase == _MATCH:
        if watch.resting > 0 and (watch.traces != NIL or router.reopened != 0):
            status = _match(market, execution, router, watch, book, state.clock)
            if status != 0:
                return status
        router.phase = _HEAR
        router.cursor = watch.legs
    if router.phase == _HEAR:
        if watch.local_due <= local_ns + router.feed_max_ns:
            while router.cursor != NIL:
                leg = leg_at(router.legs, router.cursor)
                feed_ns = instance_at(router.instances, leg.instance).feed_ns
                status = until_local(market, execution, router, leg.instance, local_ns + feed_ns)
                if status != 0:
                    return status
                router.cursor = leg.next_of_book
            _refresh_due(router, watch)
        changes = look(market, watch, book)
        if watch.traces != NIL and watch.subscriptions & ON_TRADE:
            at = watch.traces
            while at != NIL:
                trace = trace_at(execution.traces, at)
                if trace.kind == TRACE_TRADE:
                    changes |= ON_TRADE
                at = trace.next
        watch.changes = changes | ON_EVENT
        watch.mark_moved = 0
        if changes & ON_PRICE:
            if watch.bid != UNDEF_PRICE and watch.ask != UNDEF_PRICE:
                watch.mark = (watch.bid + watch.ask) >> 1
                watch.mark_moved = 1
        if watch.mark == UNDEF_PRICE and state.volume > 0:
            watch.mark = state.last_trade_px
            watch.mark_moved = 1
        router.phase = _SHOW
        router.cursor = watch.legs
    if router.phase == _SHOW:
        if watch.mark_moved | watch.unclosed != 0 or watch.changes & watch.subscriptions:
            status = _show(market, execution, router, watch, book, local_ns)
            if status != 0:
                return status
        router.phase = _SAMPLE
        router.cursor = watch.legs
    if router.phase == _SAMPLE:
        if local_ns >= watch.sample_due:
            status = _sample(execution, router, watch, local_ns)
            if status != 0:
                return status
        if watch.traces != NIL:
            free_traces(execution, watch)
        _set_wake(router, watch)
        router.phase = IDLE
    return 0


@jit_inline
def _set_wake(router: Any, watch: Any) -> None:
    watch.wake = min(watch.sample_due, watch.local_due - router.feed_max_ns)
    if watch.subscriptions & ON_EVENT or watch.unclosed != 0:
        watch.wake = ALWAYS


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
    return True


@jit_inline
def begin_finish(market: Any, router: Any, watch: Any, book: int) -> None:
    router.event_book = book
    router.event_local = router.stream_clock
    router.phase = _MATCH
    router.cursor = watch.legs
    was_gapless = watch.gapless
    watch.gapless = 1 if _is_gapless(market, book) else 0
    halts = router.crossed_policy == CROSSED_HALT_FILLS
    router.reopened = 1 if halts and was_gapless == 0 and watch.gapless != 0 else 0


@jit
def run_batch(
    market_state: Any, execution_state: Any, router_state: Any, records: int, n: int,
    start_at: int,
) -> Any:  # fmt: skip
    """Run ``n`` records at an address from ``start_at`` on; (status, record to go on with)."""
    market = market_state[0]
    execution = execution_state[0]
    router = router_state[0]
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
            market.missing_last += 1
            if watched:
                begin_finish(market, router, watch, book)
                router.resume_next = 0
                status = finish_event(market, execution, router)
                if status != 0:
                    return status, i
        # Equal times come as often as later ones: no branch to guess wrong.
        router.clamped_ts_recv += record.ts_recv < router.stream_clock
        router.stream_clock = max(router.stream_clock, record.ts_recv)
        state = book_at(market.books, book)
        action = record.action
        if watched:
            exchange_ns = record.ts_event
            if exchange_ns < state.clock:
                if not record.flags & F_SNAPSHOT:
                    market.clamped_ts_event += 1
                exchange_ns = state.clock
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
            if (incoming or leaves_traces) and execution.trace_free_n < 2:
                return GROW_TRACES, i
            # From here on the record is applied whole; a full book block comes first.
            if leaves_traces:
                note_trade_record(market, execution, watch, book, record)
        status = apply_record(market, book, record)
        if status != OK:
            return status, i
        if watched:
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
                begin_finish(market, router, watch, book)
                router.resume_next = 1
                if watch.gapless == 0 and router.crossed_policy == CROSSED_ABORT:
                    return FAULT_CROSSED, i
                status = finish_event(market, execution, router)
                if status != 0:
                    return status, i
        i += 1
    return OK, n
