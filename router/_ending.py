"""The end of the data: what is still due, what is still open, the last accounts."""

from typing import Any

from tapewire.compiled.jit import jit, jit_entry
from tapewire.execution.layout import NEVER, own_at
from tapewire.execution.orders import is_live, write_order_row
from tapewire.execution.words import END_OF_DATA, PENDING_NEW
from tapewire.market.events import close_event
from tapewire.market.flags import note_missing_last
from tapewire.market.layout import NIL, OK, book_at
from tapewire.router._doubts import heed_flags
from tapewire.router._layout import DRAIN_ROWS, close_at, instance_at, leg_at, watch_at
from tapewire.router._marks import mark_account
from tapewire.router._phases import (
    IDLE,
    begin_finish,
    finish_event,
    note_touch,
    write_sample,
)
from tapewire.router._requests import callback
from tapewire.router._times import before_book_event
from tapewire.strategies.layout import HOOK_SESSION, HOOK_STOP, context_at


@jit
def finish_run(market: Any, execution: Any, router: Any) -> int:
    """After the last record: close open events, let pass what is due; a status.

    The router keeps the book to go on with.
    """
    if router.phase != IDLE:
        status = finish_event(market, execution, router)
        if status != 0:
            return status
    while router.task_book < market.book_n:
        book = router.task_book
        watch = watch_at(router.watches, book)
        if watch.legs != NIL:
            if book_at(market.books, book).open != 0:
                close_event(market, book, 0)
                if note_missing_last(market, book) != OK:
                    status = heed_flags(market, router, book)
                    if status != OK:
                        return status
                begin_finish(market, router, watch, book, 0)
                status = finish_event(market, execution, router)
                if status != 0:
                    return status
            # Every exchange time up to the last moment of the stream has passed.
            status = before_book_event(
                market, execution, router, book, router.stream_clock + 1, router.stream_clock
            )
            if status != 0:
                return status
            if router.touch_n == router.touch_capacity:
                return DRAIN_ROWS
            if router.touch_capacity > 0:
                note_touch(router, watch, book_at(market.books, book))
        router.task_book += 1
    return 0


@jit_entry
def stop_strategies(execution_state: Any, router_state: Any) -> int:
    """Call every started instance's last hooks; what it asks for then is not sent; a status.

    Where no closing times are known the data are one session, which closes with them.
    """
    execution = execution_state[0]
    router = router_state[0]
    router.ended = 1
    no_closes = close_at(router.session_closes, 0).ts == NEVER
    for leg_index in range(router.leg_n):
        leg = leg_at(router.legs, leg_index)
        instance = instance_at(router.instances, leg.instance)
        clock = instance.clock
        if instance.started == 1:
            instance.started = 2
            if no_closes:
                status = callback(execution, router, leg.instance, leg_index, HOOK_SESSION, clock)
                if status != 0:
                    return status
        if instance.started == 2:
            instance.started = 3
            status = callback(execution, router, leg.instance, leg_index, HOOK_STOP, clock)
            if status != 0:
                return status
    return 0


@jit_entry
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
        watch = watch_at(router.watches, leg.book)
        mark_account(execution, router, watch, leg_index, router.stream_clock)
        write_sample(execution, router, leg_index, router.stream_clock + instance.feed_max_ns)
        leg_index += 1
    return capacity, leg_index
