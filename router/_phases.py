"""An event is finished in phases: fills, what reaches strategies before it, showing it, samples.

Each phase can be left when a block runs full and taken up again where it was: the shell makes room
and calls again with the same record.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.delays import feed_delay_ns
from tapewire.execution.estimates import follow_levels
from tapewire.execution.layout import (
    ALWAYS,
    NEVER,
    SHUT_DOUBT,
    SHUT_NOW,
    TRACE_TRADE,
    party_at,
    tally_at,
    trace_at,
)
from tapewire.execution.load import roll_window
from tapewire.execution.models.record import HEARS_FEED, HEARS_SENDING
from tapewire.execution.traces import count_traces, free_traces
from tapewire.features.updating import update_features
from tapewire.market.layout import ASK, BID, NIL, book_at, level_at, rung_at, side_at
from tapewire.market.queues import best_key
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.layout import account_at, limits_at, sample_row_at
from tapewire.router._changes import carry_out, move_pegs
from tapewire.router._doubts import settle_doubts
from tapewire.router._exchange import match_parties
from tapewire.router._layout import (
    CROSSED_HALT_FILLS,
    DRAIN_ROWS,
    GROW_MESSAGES,
    SHOWN_ALL,
    SHOWN_FULL,
    SHOWN_NOTHING,
    SHOWN_TO_MARKET,
    SHOWN_TRADES,
    instance_at,
    leg_at,
    touch_at,
    watch_at,
)
from tapewire.router._limits import revalue_leg
from tapewire.router._loss import act_on_limits, may_close_now
from tapewire.router._marks import mark_account, mark_of, move_mark
from tapewire.router._places import note_places
from tapewire.router._requests import callback
from tapewire.router._room import room_for
from tapewire.router._stops import act_on_stops
from tapewire.router._times import hear_in_order, refresh_due, set_wake, until_local
from tapewire.router._views import is_full, show_view
from tapewire.strategies.layout import (
    CALLED_FOR_DEPTH,
    HOOK_BOOK,
    HOOK_EVENT,
    HOOK_TRADE,
    HOOK_TRADES,
    ON_BOOK,
    ON_DEPTH,
    ON_EVENT,
    ON_FEATURES,
    ON_PRICE,
    ON_QUEUE,
    ON_TRADE,
    view_at,
)

IDLE: Final = 0
_MATCH: Final = 1
_TRIGGER: Final = 2
_HEAR: Final = 3
_SHOW: Final = 4
_SAMPLE: Final = 5

#: ``ts_in_delta`` is this where the time does not fit.
SENT_NS_MAX: Final = 2**31 - 1


@jit_inline
def begin_finish(market: Any, router: Any, watch: Any, book: int, sent_ns: int) -> None:
    """An event of a book with strategies is complete: `finish_event` comes next.

    ``sent_ns`` is the ``ts_in_delta`` of its last record, 0 if that is not at hand.
    """
    router.event_sent_ns = sent_ns
    router.event_book = book
    router.event_number = book_at(market.books, book).events
    router.event_local = router.stream_clock
    router.phase = _MATCH
    router.cursor = watch.legs
    was_gapless = watch.gapless
    watch.gapless = 1 if is_gapless(market, book) else 0
    if book_at(market.books, book).quoted != 0:
        watch.estimates = 1
    halts = router.crossed_policy == CROSSED_HALT_FILLS
    router.reopened = 1 if halts and was_gapless == 0 and watch.gapless != 0 else 0
    if watch.shut != 0:
        if watch.shut & SHUT_DOUBT:
            settle_doubts(market, watch, book)
        is_shut = watch.shut & (SHUT_NOW | SHUT_DOUBT) != 0
        is_open = not is_shut and (watch.gapless != 0 or not halts)
        router.reopened = 1 if is_open else 0
        if is_open:
            watch.shut = 0


@jit
def finish_event(market: Any, execution: Any, router: Any) -> int:
    """Run the phases that are left of the event in ``router.event_book``."""
    book = router.event_book
    local_ns = router.event_local
    watch = watch_at(router.watches, book)
    state = book_at(market.books, book)
    if router.phase == _MATCH:
        if local_ns >= watch.window_due:
            _roll_windows(execution, router, watch, state.events, local_ns, state.clock)
        if watch.resting > 0 and (watch.traces != NIL or router.reopened != 0):
            status = match_parties(market, execution, router, watch, book, state.clock)
            if status != 0:
                return status
        if watch.estimates != 0 and watch.resting > 0:
            _follow(market, execution, router, watch)
        if execution.changed != NIL:
            status = carry_out(market, execution, router, local_ns)
            if status != 0:
                return status
        router.phase = _TRIGGER
        router.cursor = watch.legs
    if router.phase == _TRIGGER:
        if watch.stops > 0 and watch.traces != NIL:
            status = act_on_stops(market, execution, router, watch, book, state.clock)
            if status != 0:
                return status
        if execution.contingent != 0 and watch.resting > 0 and watch.gapless != 0:
            status = move_pegs(market, execution, router, watch, state.clock, local_ns)
            if status != 0:
                return status
        router.phase = _HEAR
        router.cursor = watch.legs
    if router.phase == _HEAR:
        if watch.local_due <= local_ns + router.feed_max_ns:
            if router.portfolio != 0:
                status = hear_in_order(market, execution, router, watch)
                if status != 0:
                    return status
                router.cursor = NIL
            while router.cursor != NIL:
                leg = leg_at(router.legs, router.cursor)
                feed_ns = _feed_ns(execution, router, router.cursor, leg.instance)
                status = until_local(market, execution, router, leg.instance, local_ns + feed_ns)
                if status != 0:
                    return status
                router.cursor = leg.next_of_book
            refresh_due(router, watch)
        if router.touch_n == router.touch_capacity:
            return DRAIN_ROWS
        changes = look(market, watch, book)
        watch.seen = local_ns
        watch.seen_volume = watch.volume
        if watch.seen_view != 0:
            changes |= show_view(market, execution, router, watch, book)
        if watch.features != 0:
            update_features(watch.features, market, book, local_ns)
        if watch.subscriptions & ON_QUEUE and watch.resting > 0:
            changes |= ON_QUEUE
        if watch.traces != NIL and watch.subscriptions & ON_TRADE:
            if count_traces(execution, watch.traces, TRACE_TRADE) > 0:
                changes |= ON_TRADE
        watch.changes = changes | ON_EVENT | ON_FEATURES
        if changes & ON_PRICE and router.touch_capacity > 0:
            note_touch(router, watch, state)
        if watch.shut & SHUT_DOUBT:  # its strategies wait, and what they hold keeps its value
            watch.changes = 0
            watch.mark_moved = 0
            watch.unshown = 1
        else:
            if watch.unshown != 0:
                watch.unshown = 0
                changes |= ON_PRICE | ON_BOOK
                watch.changes |= changes
            move_mark(router, watch, state, changes & ON_PRICE != 0, local_ns)
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
        set_wake(router, watch)
        router.phase = IDLE
    return 0


@jit
def _follow(market: Any, execution: Any, router: Any, watch: Any) -> None:
    """Move the places that are guessed with the event, which may come twice to it."""
    at = watch.legs
    while at != NIL:
        party = party_at(execution.parties, at)
        if party.resting > 0:
            follow_levels(market, execution, party)
        at = leg_at(router.legs, at).next_of_book


@jit
def _roll_windows(
    execution: Any, router: Any, watch: Any, events: int, local_ns: int, exchange_ns: int
) -> None:
    """Begin new windows for the legs whose last one is over."""
    watch.window_due = NEVER
    at = watch.legs
    while at != NIL:
        tally = tally_at(execution.tallies, at)
        if tally.window_ns == HEARS_FEED:
            tally.feed_lag_ns = max(local_ns - exchange_ns, 0)
            watch.window_due = ALWAYS
        elif tally.window_ns == HEARS_SENDING:
            if 0 < router.event_sent_ns < SENT_NS_MAX:
                tally.feed_lag_ns = router.event_sent_ns
            else:
                router.events_without_sending_time += 1
            watch.window_due = ALWAYS
        elif tally.window_ns != 0:
            watch.window_due = min(watch.window_due, roll_window(tally, events, local_ns))
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


@jit
def note_touch(router: Any, watch: Any, state: Any) -> None:
    """Report where a book's best prices are; there is room for the row."""
    row = touch_at(router.touches, router.touch_n)
    router.touch_n += 1
    row.book = state.key
    row.ts_event = state.clock
    row.bid = watch.bid
    row.ask = watch.ask
    row.volume = state.volume


@jit_inline
def is_gapless(market: Any, book: int) -> bool:
    """Whether the book is neither locked nor crossed."""
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n == 0 or asks.n == 0:
        return True
    return best_key(market, bids) + best_key(market, asks) < 0


@jit_inline
def _feed_ns(execution: Any, router: Any, leg_index: int, instance_index: int) -> int:
    """Feed latency of the event at hand."""
    known_ns = instance_at(router.instances, instance_index).feed_ns
    return feed_delay_ns(execution, known_ns, leg_index, router.event_local, router.event_number)


@jit
def _show(market: Any, execution: Any, router: Any, watch: Any, book: int, local_ns: int) -> int:
    """Show the event to the strategies that asked for it, leg by leg."""
    # on_market_event, on_trades and on_book, and on_trade for each trade
    callbacks = 3 + count_traces(execution, watch.traces, TRACE_TRADE)
    shown = router.shown  # not nothing where the loop was left within this leg
    router.shown = SHOWN_NOTHING
    while router.cursor != NIL:
        leg_index = router.cursor
        leg = leg_at(router.legs, leg_index)
        instance = instance_at(router.instances, leg.instance)
        local = max(instance.clock, local_ns + _feed_ns(execution, router, leg_index, leg.instance))
        wanted = instance.mask & watch.changes
        if wanted & ON_DEPTH and view_at(watch.seen_view, 0).changed_level >= instance.depth:
            wanted &= ~ON_DEPTH
        if shown == SHOWN_NOTHING:
            status = _value(execution, router, watch, leg_index, local)
            if status != 0:
                return status
            if wanted != 0:
                room = room_for(market, execution, router, STEP_ROWS, callbacks)
                if room != 0:
                    return room
                if local > instance.clock:
                    instance.clock = local
                    instance.steps = 0
                if wanted & ON_QUEUE:
                    note_places(market, execution, leg_index)
        if wanted != 0:
            status = _show_leg(execution, router, watch, leg_index, wanted, shown, local)
            if status != 0:
                return status
        shown = SHOWN_NOTHING
        router.cursor = leg.next_of_book
    return 0


@jit_inline
def _value(execution: Any, router: Any, watch: Any, leg_index: int, local_ns: int) -> int:
    """Value what a leg holds if the mark moved, and see to its limits; a status."""
    account = account_at(router.accounts, leg_index)
    limits_act = watch.unclosed != 0 and may_close_now(router, leg_index, watch)
    if watch.mark_moved != 0 and account.position | account.known_position != 0:
        if router.message_free_n <= router.broadcast_n:
            return GROW_MESSAGES
        held = account.known_position if account.known_position != 0 else account.position
        account.mark = mark_of(execution, router, watch, leg_index, held, watch.seen)
        limits = limits_at(router.limits, leg_at(router.legs, leg_index).instance)
        limits.marked_ns = max(limits.marked_ns, local_ns)
        limits_act = revalue_leg(execution, router, leg_index, local_ns)
    return act_on_limits(execution, router, leg_index, local_ns) if limits_act else 0


@jit_inline
def _show_leg(
    execution: Any, router: Any, watch: Any, leg_index: int, wanted: int, shown: int, local_ns: int
) -> int:
    """Call a strategy for the event, its trades and its book, from where that was left.

    Where it is left again, the router keeps how far it got.
    """
    instance = leg_at(router.legs, leg_index).instance
    subscriber = instance_at(router.instances, instance)
    if wanted & ON_EVENT and shown < SHOWN_TO_MARKET:
        status = callback(execution, router, instance, leg_index, HOOK_EVENT, local_ns)
        if status != 0:
            router.shown = SHOWN_TO_MARKET
            return status
    if wanted & ON_TRADE and shown <= SHOWN_TRADES:
        at = router.shown_trace if shown == SHOWN_TRADES else watch.traces
        status = _show_trades(execution, router, watch, leg_index, at, local_ns)
        if status != 0:
            return status
    if subscriber.hooks[HOOK_TRADES] != 0 and shown < SHOWN_FULL:
        if watch.seen_view != 0 and is_full(router, watch, leg_index):
            status = callback(execution, router, instance, leg_index, HOOK_TRADES, local_ns)
            if status != 0:
                router.shown = SHOWN_FULL
                return status
    calls = wanted & (ON_BOOK | ON_PRICE)
    if wanted & ON_DEPTH:
        calls |= subscriber.mask & CALLED_FOR_DEPTH
    if calls != 0 and shown < SHOWN_ALL:
        status = callback(execution, router, instance, leg_index, HOOK_BOOK, local_ns)
        if status != 0:
            router.shown = SHOWN_ALL
            return status
    return 0


@jit
def _show_trades(
    execution: Any, router: Any, watch: Any, leg_index: int, first: int, local_ns: int
) -> int:
    """Show a strategy the event's trades, one by one, from a trace on."""
    instance = leg_at(router.legs, leg_index).instance
    at = first
    while at != NIL:
        trace = trace_at(execution.traces, at)
        at = trace.next
        if trace.kind == TRACE_TRADE:
            watch.trade_price = trace.price
            watch.trade_size = trace.lots
            watch.trade_side = 1 if trace.side == BID else (-1 if trace.side == ASK else 0)
            status = callback(execution, router, instance, leg_index, HOOK_TRADE, local_ns)
            if status != 0:
                router.shown = SHOWN_TRADES
                router.shown_trace = at
                return status
    return 0


@jit
def _sample(execution: Any, router: Any, watch: Any, local_ns: int) -> int:
    """Report the accounts of the book's legs, once an interval."""
    while router.cursor != NIL:
        leg = leg_at(router.legs, router.cursor)
        if router.sample_n == router.sample_capacity:
            return DRAIN_ROWS
        instance = instance_at(router.instances, leg.instance)
        mark_account(execution, router, watch, router.cursor, local_ns)
        write_sample(execution, router, router.cursor, local_ns + instance.feed_max_ns)
        router.cursor = leg.next_of_book
    interval = router.sample_interval_ns
    watch.sample_due = (local_ns // interval + 1) * interval
    return 0


@jit
def write_sample(execution: Any, router: Any, leg_index: int, ts: int) -> None:
    """Report a leg's account as it is; there is room for the row."""
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
