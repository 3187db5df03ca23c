"""What strategies see of their books beyond the touch, and of several books at once.

A view is as of the last event that was shown: a strategy may be called between two events, when the
book itself is a step ahead already.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import SHUT_DOUBT, TRACE_TRADE, trace_at
from tapewire.market.layout import ASK, BID, NIL, book_at, level_at, rung_at, side_at
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.layout import account_at
from tapewire.router._layout import close_at, instance_at, leg_at, watch_at
from tapewire.router._states import seen_state
from tapewire.strategies.layout import (
    HOOK_TIMER,
    HOOK_TRADE,
    HOOK_TRADES,
    ON_DEPTH,
    ON_VIEW,
    seen_level_at,
    sight_at,
    trade_at,
    view_at,
)
from tapewire.strategies.wants import TRADES_UNSHOWN_MAX


@jit
def show_view(market: Any, execution: Any, router: Any, watch: Any, book: int) -> int:
    """Take an event into the view of its book; ON_* of what changed in it."""
    view = view_at(watch.seen_view, 0)
    changes = 0
    at = watch.traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_TRADE:
            changes = ON_VIEW
            side = 1 if trace.side == BID else (-1 if trace.side == ASK else 0)
            _take_trade(market, router, watch, view, book, trace.price, trace.lots, side)
        at = trace.next
    if view.depth > 0:
        bid_level = _take_levels(market, 2 * book + BID, view.bids, view.depth)
        ask_level = _take_levels(market, 2 * book + ASK, view.asks, view.depth)
        view.changed_level = min(bid_level, ask_level)
        if view.changed_level < view.depth:
            changes |= ON_DEPTH
    return changes


@jit
def begin_view(market: Any, watch: Any, book: int) -> None:
    """Show a book as it stands where strategies begin."""
    view = view_at(watch.seen_view, 0)
    if view.depth > 0:
        _take_levels(market, 2 * book + BID, view.bids, view.depth)
        _take_levels(market, 2 * book + ASK, view.asks, view.depth)


@jit
def _take_trade(
    market: Any, router: Any, watch: Any, view: Any, book: int, price: int, size: int, side: int
) -> None:
    """Keep a trade, and count it in its session."""
    ts_recv = router.event_local
    if view.trade_capacity > 0:
        row = trade_at(view.trades, view.trade_n & (view.trade_capacity - 1))
        row.ts_recv = ts_recv
        row.ts_event = book_at(market.books, book).clock
        row.price = price
        row.size = size
        row.side = side
    view.trade_n += 1
    if ts_recv >= view.close_ns:
        k = 0
        while close_at(router.session_closes, k).ts <= ts_recv:
            k += 1
        view.close_ns = close_at(router.session_closes, k).ts
        view.volume = 0
    if view.volume == 0:
        view.open = price
        view.high = price
        view.low = price
        view.turnover = 0
    view.high = max(view.high, price)
    view.low = min(view.low, price)
    view.last = price
    view.volume += size
    view.turnover += (price - view.open) * size


@jit
def _take_levels(market: Any, at: int, levels: int, depth: int) -> int:
    """Copy the best levels of a side; the first of them that changed, ``depth`` if none did."""
    side = side_at(market.sides, at)
    sign = 1 if at & 1 == BID else -1
    changed = depth
    for k in range(depth):
        price = UNDEF_PRICE
        size = 0
        count = 0
        if k < side.n:
            rung = rung_at(market.rungs, side.offset + side.n - 1 - k)
            level = level_at(market.levels, rung.level)
            price = sign * rung.key
            size = level.size
            count = level.count
        seen = seen_level_at(levels, k)
        if seen.price != price or seen.size != size or seen.count != count:
            changed = min(changed, k)
            seen.price = price
            seen.size = size
            seen.count = count
    return changed


@jit
def is_full(router: Any, watch: Any, leg_index: int) -> bool:
    """Whether a leg's strategy must be shown the trades that are kept before there are more.

    How many others keep makes no difference.
    """
    view = view_at(watch.seen_view, 0)
    instance = instance_at(router.instances, leg_at(router.legs, leg_index).instance)
    for k in range(instance.leg_n):
        sight = sight_at(instance.sights, k)
        if sight.leg == leg_index:
            return view.trade_n - sight.trades_shown >= TRADES_UNSHOWN_MAX
    return False


@jit_inline
def is_shown_by(hook: int) -> bool:
    """Whether a hook is called to show its book, as of the event at hand."""
    return hook < HOOK_TIMER or hook == HOOK_TRADES


@jit_inline
def see_touch(seen: Any, watch: Any) -> None:
    """Take the book's touch and volume over into a CONTEXT or SIGHT."""
    seen.best_bid = watch.bid
    seen.best_bid_size = watch.bid_size
    seen.best_bid_count = watch.bid_count
    seen.best_ask = watch.ask
    seen.best_ask_size = watch.ask_size
    seen.best_ask_count = watch.ask_count
    seen.session_volume = watch.seen_volume


@jit_inline
def see_trade(seen: Any, watch: Any) -> None:
    """Take the trade that is being shown over into a CONTEXT or SIGHT.

    Only of who is shown it: whoever else runs, the others know of none.
    """
    seen.trade_price = watch.trade_price
    seen.trade_size = watch.trade_size
    seen.trade_side = watch.trade_side


@jit
def show_sights(
    router: Any, instance: Any, ctx: Any, leg_index: int, hook: int, now_ns: int
) -> None:
    """Let an instance see all its books as far as it may at a time; the one at hand in ``ctx``.

    The book of ``leg_index`` is at hand, and shown if ``hook`` is called for that.
    """
    for k in range(instance.leg_n):
        sight = sight_at(instance.sights, k)
        watch = watch_at(router.watches, leg_at(router.legs, sight.leg).book)
        sight.position = account_at(router.accounts, sight.leg).known_position
        sight.book_ready = 0 if watch.shut & SHUT_DOUBT else 1
        sight.ended = 1 if now_ns >= watch.expiry_ns else 0
        if watch.transition != NIL:
            sight.trading_state = seen_state(router, watch, now_ns - instance.feed_max_ns)
        at_hand = sight.leg == leg_index
        shown_now = at_hand and is_shown_by(hook)
        if shown_now or watch.seen + instance.feed_max_ns <= now_ns:
            see_touch(sight, watch)
        if at_hand:
            if hook == HOOK_TRADE:
                see_trade(sight, watch)
            # Not from the watch: what may not be seen yet stays as this book showed it last.
            ctx.best_bid = sight.best_bid
            ctx.best_bid_size = sight.best_bid_size
            ctx.best_bid_count = sight.best_bid_count
            ctx.best_ask = sight.best_ask
            ctx.best_ask_size = sight.best_ask_size
            ctx.best_ask_count = sight.best_ask_count
            ctx.trade_price = sight.trade_price
            ctx.trade_size = sight.trade_size
            ctx.trade_side = sight.trade_side
            ctx.session_volume = sight.session_volume
