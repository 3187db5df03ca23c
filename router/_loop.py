"""The one loop: per event the book, what was due before it, fills, accounts, strategies.

An event is finished in phases, each of which can be left when a block runs full and taken up again
where it was: the shell makes room and calls again with the same record.
"""

from typing import Any

from tapewire.execution._layout import (
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_TRADE,
    own_at,
    session_at,
    trace_at,
)
from tapewire.execution._matching import PENDING_NEW, is_live, match_event, write_order_row
from tapewire.execution.codes import Reason
from tapewire.market._book import apply_record, close_event, closes_before, side_of
from tapewire.market._ids import book_of, find_order
from tapewire.market._layout import (
    ASK,
    BID,
    NEW_BOOK,
    OK,
    book_at,
    level_at,
    order_at,
    record_at,
    rung_at,
    side_at,
)
from tapewire.market._queues import best_key
from tapewire.market.jit import jit, jit_inline
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    F_LAST,
    F_SNAPSHOT,
    F_TOB,
    UNDEF_PRICE,
)
from tapewire.positions._account import revalue
from tapewire.positions._layout import account_at, limits_at, sample_row_at

from ._layout import (
    ALWAYS,
    CROSSED_ABORT,
    CROSSED_WARN,
    DRAIN_ROWS,
    FAULT_CROSSED,
    GROW_TRACES,
    HOOK_BOOK,
    HOOK_EVENT,
    HOOK_STOP,
    HOOK_TRADE,
    NEVER,
    NIL,
    ON_BOOK,
    ON_EVENT,
    ON_PRICE,
    ON_TRADE,
    context_at,
    instance_at,
    leg_at,
    watch_at,
)
from ._session import (
    before_event,
    callback,
    room_for,
    settle,
    start,
    step_room,
    until_local,
    update_watch,
)

END_OF_DATA = int(Reason.END_OF_DATA)

# Phases of finishing an event.
_IDLE = 0
_MATCH = 1
_HEAR = 2
_SHOW = 3
_SAMPLE = 4


# --- during an event ----------------------------------------------------------------------------


@jit
def _push_trace(execution: Any, watch: Any, kind: int, side: int, price: int, lots: int) -> int:
    index = execution.trace_free
    trace = trace_at(execution.traces, index)
    execution.trace_free = trace.next
    execution.trace_free_n -= 1
    trace.kind = kind
    trace.side = side
    trace.price = price
    trace.lots = lots
    trace.stamp = NIL
    trace.order_id = 0
    trace.order = NIL
    trace.next = NIL
    if watch.traces_tail == NIL:
        watch.traces = index
    else:
        trace_at(execution.traces, watch.traces_tail).next = index
    watch.traces_tail = index
    return index


@jit
def _free_traces(execution: Any, watch: Any) -> None:
    index = watch.traces
    while index != NIL:
        trace = trace_at(execution.traces, index)
        following = trace.next
        trace.next = execution.trace_free
        execution.trace_free = index
        execution.trace_free_n += 1
        index = following
    watch.traces = NIL
    watch.traces_tail = NIL


@jit
def _note_trade_record(market: Any, execution: Any, watch: Any, book: int, record: Any) -> None:
    """Before a T or F is applied: remember what resting simulated orders must be told."""
    side = side_of(record)
    if record.action == ACTION_TRADE:
        watch.volume += record.size
        if watch.subscriptions & ON_TRADE:
            _push_trace(execution, watch, TRACE_TRADE, side, record.price, record.size)
        return
    if watch.resting == 0 or side == NIL:
        return
    state = book_at(market.books, book)
    aggressors_own = state.trade_side == side or (
        record.order_id != 0 and record.order_id == state.trade_order_id
    )
    if aggressors_own:
        return
    index = find_order(market, book, record.order_id)
    if index == NIL:
        _push_trace(execution, watch, TRACE_FILL, side, record.price, record.size)
        return
    order = order_at(market.orders, index)
    shown = order.size - (order.filled if order.event == state.event else 0)
    shown = min(max(shown, 0), record.size)
    if shown > 0:
        trace = _push_trace(execution, watch, TRACE_FILL, side, record.price, shown)
        trace_at(execution.traces, trace).stamp = order.stamp
    if shown < record.size:  # later clips of an iceberg: each stood at the back of the queue
        trace = _push_trace(execution, watch, TRACE_FILL, side, record.price, record.size - shown)
        trace_at(execution.traces, trace).stamp = market.stamp


@jit_inline
def _crosses(watch: Any, record: Any) -> bool:
    """Whether an add or modify reaches across a resting simulated order."""
    side = side_of(record)
    if side == BID:
        return record.price >= watch.own_ask and record.price != UNDEF_PRICE
    return side == ASK and record.price <= watch.own_bid


@jit
def _note_incoming(execution: Any, watch: Any, record: Any) -> None:
    index = _push_trace(
        execution, watch, TRACE_INCOMING, side_of(record), record.price, record.size
    )
    if not record.flags & F_TOB:
        trace_at(execution.traces, index).order_id = record.order_id


# --- before an event ----------------------------------------------------------------------------


@jit
def _before(
    market: Any, execution: Any, router: Any, book: int, exchange_ns: int, local_ns: int
) -> int:
    watch = watch_at(router.watches, book)
    may_match = watch.gapless != 0 or router.crossed_policy == CROSSED_WARN
    at = watch.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        instance = instance_at(router.instances, leg.instance)
        local = local_ns + instance.feed_ns
        status = start(market, execution, router, at, local)
        if status != 0:
            return status
        status = before_event(market, execution, router, at, exchange_ns, local, may_match)
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


# --- after an event -----------------------------------------------------------------------------


@jit
def _match(market: Any, execution: Any, router: Any, watch: Any, exchange_ns: int) -> int:
    """Fill resting simulated orders from the event's volume, leg by leg."""
    trace_n = 0
    at = watch.traces
    while at != NIL:
        trace_n += 1
        at = trace_at(execution.traces, at).next
    while router.cursor != NIL:
        leg = leg_at(router.legs, router.cursor)
        session = session_at(execution.sessions, router.cursor)
        if session.resting > 0:
            # Each fill ends either an order or the volume it came from.
            room = room_for(market, execution, router, 2 * session.resting + trace_n + 1)
            if room != 0:
                return room
            resting_before = session.resting
            match_event(market, execution, router.cursor, watch.traces, exchange_ns)
            settle(execution, router)
            update_watch(execution, router, router.cursor, resting_before)
        router.cursor = leg.next_of_book
    if watch.resting > 0:
        _tighten(execution, router, watch)
    return 0


@jit
def _tighten(execution: Any, router: Any, watch: Any) -> None:
    watch.own_bid = ALWAYS
    watch.own_ask = NEVER
    at = watch.legs
    while at != NIL:
        session = session_at(execution.sessions, at)
        if session.buys != NIL:
            price = own_at(execution.own_orders, session.buys).price
            watch.own_bid = max(watch.own_bid, price)
        if session.sells != NIL:
            price = own_at(execution.own_orders, session.sells).price
            watch.own_ask = min(watch.own_ask, price)
        at = leg_at(router.legs, at).next_of_book


@jit_inline
def _look(market: Any, watch: Any, book: int) -> int:
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
    while router.cursor != NIL:
        leg_index = router.cursor
        leg = leg_at(router.legs, leg_index)
        instance = instance_at(router.instances, leg.instance)
        account = account_at(router.accounts, leg_index)
        local = max(instance.clock, local_ns + instance.feed_ns)
        if watch.mark_moved != 0 and account.position | account.known_position != 0:
            account.mark = watch.mark
            revalue(account, limits_at(router.limits, leg.instance), local)
        wanted = instance.mask & watch.changes
        if wanted != 0:
            room = step_room(market, execution, router)
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
def _write_sample(execution: Any, router: Any, leg_index: int, ts: int) -> None:
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
        _write_sample(execution, router, router.cursor, local_ns + instance.feed_ns)
        router.cursor = leg.next_of_book
    interval = router.sample_interval_ns
    watch.sample_due = (local_ns // interval + 1) * interval
    return 0


@jit
def _finish(market: Any, execution: Any, router: Any) -> int:
    """Run the phases that are left of the event in ``router.event_book``."""
    book = router.event_book
    local_ns = router.event_local
    watch = watch_at(router.watches, book)
    state = book_at(market.books, book)
    if router.phase == _MATCH:
        if watch.traces != NIL and watch.resting > 0:
            if watch.gapless != 0 or router.crossed_policy == CROSSED_WARN:
                status = _match(market, execution, router, watch, state.clock)
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
        changes = _look(market, watch, book)
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
        if watch.mark_moved != 0 or watch.changes & watch.subscriptions:
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
            _free_traces(execution, watch)
        router.phase = _IDLE
    return 0


@jit_inline
def _is_quiet(market: Any, router: Any, watch: Any, book: int) -> bool:
    """Whether nobody can feel the event that just ended: most of them, so this comes first."""
    if (
        watch.traces != NIL
        or watch.subscriptions & ON_EVENT
        or router.stream_clock >= watch.sample_due
        or router.stream_clock + router.feed_max_ns >= watch.local_due
    ):
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
def _begin_finish(market: Any, router: Any, watch: Any, book: int) -> None:
    router.event_book = book
    router.event_local = router.stream_clock
    router.phase = _MATCH
    router.cursor = watch.legs
    watch.gapless = 1 if _is_gapless(market, book) else 0


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
    if router.phase != _IDLE:
        status = _finish(market, execution, router)
        if status != 0:
            return status, i
        i += router.resume_next
    while i < n:
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
                _begin_finish(market, router, watch, book)
                router.resume_next = 0
                status = _finish(market, execution, router)
                if status != 0:
                    return status, i
        if record.ts_recv > router.stream_clock:
            router.stream_clock = record.ts_recv
        elif record.ts_recv < router.stream_clock:
            router.clamped_ts_recv += 1
        state = book_at(market.books, book)
        action = record.action
        if watched:
            exchange_ns = record.ts_event
            if exchange_ns < state.clock:
                if not record.flags & F_SNAPSHOT:
                    market.clamped_ts_event += 1
                exchange_ns = state.clock
            if state.open == 0 and watch.due < exchange_ns:
                status = _before(market, execution, router, book, exchange_ns, router.stream_clock)
                if status != 0:
                    return status, i
            if execution.trace_free_n < 2:
                return GROW_TRACES, i
        # From here on the record is applied whole; a full book block comes first.
        if watched and (action == ACTION_TRADE or action == ACTION_FILL):
            _note_trade_record(market, execution, watch, book, record)
        status = apply_record(market, book, record)
        if status != OK:
            return status, i
        if watched:
            state.clock = exchange_ns
            if (
                watch.resting > 0
                and (action == ACTION_ADD or action == ACTION_MODIFY)
                and _crosses(watch, record)
            ):
                _note_incoming(execution, watch, record)
        if record.flags & F_LAST:
            close_event(market, book, record.flags)
            if watched and not _is_quiet(market, router, watch, book):
                _begin_finish(market, router, watch, book)
                router.resume_next = 1
                if watch.gapless == 0 and router.crossed_policy == CROSSED_ABORT:
                    return FAULT_CROSSED, i
                status = _finish(market, execution, router)
                if status != 0:
                    return status, i
        i += 1
    return OK, n


# --- the end ------------------------------------------------------------------------------------


@jit
def finish_run(market_state: Any, execution_state: Any, router_state: Any, first_book: int) -> Any:
    """After the last record: close open events, let pass what is due; (status, book to go on)."""
    market = market_state[0]
    execution = execution_state[0]
    router = router_state[0]
    if router.phase != _IDLE:
        status = _finish(market, execution, router)
        if status != 0:
            return status, first_book
    for book in range(first_book, market.book_n):
        watch = watch_at(router.watches, book)
        if watch.legs == NIL:
            continue
        if book_at(market.books, book).open != 0:
            close_event(market, book, 0)
            market.missing_last += 1
            _begin_finish(market, router, watch, book)
            status = _finish(market, execution, router)
            if status != 0:
                return status, book
        # Every exchange time up to the last moment of the stream has passed.
        status = _before(
            market, execution, router, book, router.stream_clock + 1, router.stream_clock
        )
        if status != 0:
            return status, book
    return 0, market.book_n


@jit
def stop_strategies(execution_state: Any, router_state: Any) -> None:
    """Call every started instance's on_stop; what it asks for then is not sent."""
    execution = execution_state[0]
    router = router_state[0]
    for leg_index in range(router.leg_n):
        leg = leg_at(router.legs, leg_index)
        instance = instance_at(router.instances, leg.instance)
        if instance.started == 1 and instance.hooks[HOOK_STOP] != 0:
            instance.started = 2
            callback(execution, router, leg.instance, leg_index, HOOK_STOP, instance.clock)


@jit
def report_rest(
    execution_state: Any, router_state: Any, capacity: int, first_order: int, first_leg: int
) -> Any:
    """Rows of the orders still open and a last sample per leg; (order, leg) to go on with."""
    execution = execution_state[0]
    router = router_state[0]
    # Instance by instance, oldest order first: where an order's record happens to lie depends on
    # who else is in the run.
    for leg_index in range(router.leg_n):
        instance = instance_at(router.instances, leg_at(router.legs, leg_index).instance)
        index = context_at(instance.context, 0).open_head if instance.legs == leg_index else NIL
        while index != NIL:
            own = own_at(execution.own_orders, index)
            is_open = own.status == PENDING_NEW or is_live(own)
            if is_open and own.reason != END_OF_DATA:
                if execution.order_n == execution.order_capacity:
                    return first_order, first_leg
                own.reason = END_OF_DATA
                write_order_row(execution, own, 0)
            index = own.open_next
    leg_index = first_leg
    while leg_index < router.leg_n:
        if router.sample_n == router.sample_capacity:
            return capacity, leg_index
        leg = leg_at(router.legs, leg_index)
        instance = instance_at(router.instances, leg.instance)
        account = account_at(router.accounts, leg_index)
        watch = watch_at(router.watches, leg.book)
        if watch.mark != UNDEF_PRICE:
            account.mark = watch.mark
        _write_sample(execution, router, leg_index, router.stream_clock + instance.feed_ns)
        leg_index += 1
    return capacity, leg_index
