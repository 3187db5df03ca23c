"""The end of a day that is played apart: nothing is open or held after it.

Orders are canceled; what is held is closed at once, all of it and each side by itself, at the last
best price of the other side, with the fee of a taker. Where that side is empty, at the mark. The
strategy is told no more.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_entry
from tapewire.execution.codes import DAY_END_ID, SHORT_DAY_END_ID
from tapewire.execution.layout import fill_row_at, own_at
from tapewire.execution.order_events import log_event, log_fill
from tapewire.execution.orders import close_own, fill, is_live, open_order
from tapewire.execution.words import (
    BUY,
    BY_DAY_END,
    CANCELED,
    DAY_END,
    IOC,
    LOG_ACCEPTED,
    LOG_CANCELED,
    LOG_SENT,
    MARKET,
    NEW,
    NO_EFFECT,
    PENDING_NEW,
    SELL,
    TAKER,
)
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import book_fill, book_sides
from tapewire.positions.layout import account_at
from tapewire.router._layout import (
    DRAIN_ROWS,
    GROW_OWN_ORDERS,
    instance_at,
    leg_at,
    watch_at,
)
from tapewire.strategies.layout import context_at


@jit_entry
def end_day(execution_state: Any, router_state: Any) -> int:
    """End every order, close every position; a status, after which it goes on where it was."""
    execution = execution_state[0]
    router = router_state[0]
    ts = router.stream_clock
    for leg_index in range(router.leg_n):
        instance = instance_at(router.instances, leg_at(router.legs, leg_index).instance)
        order = context_at(instance.context, 0).open_head
        while order != NIL:
            own = own_at(execution.own_orders, order)
            if own.status == PENDING_NEW or is_live(own):
                if not _has_room(execution, router):
                    return DRAIN_ROWS
                close_own(execution, own, CANCELED, DAY_END, max(ts, own.ts_sent))
                if execution.event_log != 0:
                    closed = max(ts, own.ts_sent)
                    log_event(execution, order, LOG_CANCELED, DAY_END, closed, closed)
            order = own.open_next
    for leg_index in range(router.leg_n):
        account = account_at(router.accounts, leg_index)
        while account.position != 0 or account.short_lots != 0:
            if not _has_room(execution, router):
                return DRAIN_ROWS
            if execution.own_free_n == 0:
                return GROW_OWN_ORDERS
            longs = account.position + account.short_lots
            if longs != 0:
                _close(execution, router, leg_index, longs, DAY_END_ID, ts)
            else:
                _close(execution, router, leg_index, -account.short_lots, SHORT_DAY_END_ID, ts)
    return 0


@jit
def _has_room(execution: Any, router: Any) -> bool:
    """Whether there is room for the rows of one order and its fill."""
    router.room_needed = 2
    return (
        execution.fill_n < execution.fill_capacity
        and execution.order_n < execution.order_capacity
        and (execution.event_log == 0 or execution.event_n + 3 <= execution.event_capacity)
    )


@jit
def _close(execution: Any, router: Any, leg_index: int, held: int, number: int, ts: int) -> None:
    """Sell lots, or buy back those below 0, by an order of that number."""
    leg = leg_at(router.legs, leg_index)
    watch = watch_at(router.watches, leg.book)
    account = account_at(router.accounts, leg_index)
    side = SELL if held > 0 else BUY
    price = watch.bid if held > 0 else watch.ask
    if price == UNDEF_PRICE:
        price = account.mark if watch.mark == UNDEF_PRICE else watch.mark
    ctx = context_at(instance_at(router.instances, leg.instance).context, 0)
    order = open_order(
        execution, ctx, leg_index, ts, number, side, MARKET, UNDEF_PRICE, abs(held), IOC
    )
    own = own_at(execution.own_orders, order)
    own.reason = DAY_END
    own.status = NEW
    own.ts_arrived = ts
    if execution.event_log != 0:
        log_event(execution, order, LOG_SENT, DAY_END, 0, ts)
        log_event(execution, order, LOG_ACCEPTED, DAY_END, ts, ts)
    fill(execution, order, price, abs(held), TAKER, BY_DAY_END, ts)
    row = fill_row_at(execution.fills, execution.fill_n - 1)
    if row.effect == NO_EFFECT:
        book_fill(account, side, price, abs(held), row.commission)
    else:
        book_sides(account, side, price, abs(held), row.commission, row.effect)
    row.position = account.position
    row.ts_known = 0
    if execution.event_log != 0:
        row.ts_known = ts  # for its line in the log, which has no word for never
        log_fill(execution, row)
        row.ts_known = 0
    router.settled = execution.fill_n
