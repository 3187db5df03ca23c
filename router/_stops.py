"""Stops at the end of an event: those that it triggers act, those of a cleared book end.

They act as orders that arrive then: after the event's own fills, on the book that it left, behind
everybody in the queues. What they trade is not in the data and so triggers nothing.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.arriving import cancel_resting, enter
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.houses import house_of
from tapewire.execution.layout import own_at, rules_at
from tapewire.execution.resting import note_change
from tapewire.execution.stops import (
    next_triggered,
    note_stops,
    open_stop_bounds,
    pull_trigger,
    release_stop,
    tighten_stop_bounds,
    traded_range,
)
from tapewire.execution.traces import CLEARED_BOOK, is_cleared, kinds_of
from tapewire.execution.words import BOOK_CLEARED
from tapewire.market.layout import NIL
from tapewire.router._changes import carry_out
from tapewire.router._exchange import is_halted, tell_changed, tell_closed, tell_outcome
from tapewire.router._layout import FAULT_CLAIMS, leg_at
from tapewire.router._room import room_for


@jit
def act_on_stops(
    market: Any, execution: Any, router: Any, watch: Any, book: int, exchange_ns: int
) -> int:
    """Let the event act on stops that wait, leg by leg; a status."""
    low, high = traded_range(execution, watch.traces)
    cleared = False
    if kinds_of(execution, watch.traces) & CLEARED_BOOK and router.clear_cancels != 0:
        cleared = is_cleared(market, execution, watch.traces, book)
    while router.cursor != NIL:
        rules = rules_at(execution.rules, router.cursor)
        if execution.changed != NIL:
            status = carry_out(market, execution, router, router.event_local)
            if status != 0:
                return status
        order = next_triggered(execution, rules, low, high)
        if order == NIL and cleared:
            order = rules.stop_buys if rules.stop_buys != NIL else rules.stop_sells
        if order == NIL:
            router.cursor = leg_at(router.legs, router.cursor).next_of_book
            continue
        # An order may take from many, be told of as changed and as ended.
        room = room_for(market, execution, router, STEP_ROWS + 2, 0)
        if room != 0:
            return room
        stops_before = rules.stops
        own = own_at(execution.own_orders, order)
        if next_triggered(execution, rules, low, high) != NIL:
            status = _trigger(market, execution, router, watch, order, exchange_ns)
            if status != 0:
                return status
        else:
            cancel_resting(execution, order, BOOK_CLEARED, exchange_ns)
            router.orders_canceled_by_clear += 1
            tell_closed(execution, router, own.leg, order, exchange_ns, router.event_local)
        note_stops(execution, watch, rules, stops_before)
    open_stop_bounds(watch)
    at = watch.legs
    while at != NIL:
        tighten_stop_bounds(execution, watch, rules_at(execution.rules, at))
        at = leg_at(router.legs, at).next_of_book
    return 0


@jit
def _trigger(
    market: Any, execution: Any, router: Any, watch: Any, order: int, exchange_ns: int
) -> int:
    """Let a stop become what it is for, and act; a status."""
    own = own_at(execution.own_orders, order)
    leg_index = own.leg
    party = house_of(execution, leg_index)
    release_stop(execution, order)
    pull_trigger(execution, own, exchange_ns)
    tell_changed(execution, router, leg_index, order, exchange_ns, router.event_local)
    resting_before = party.resting
    execution.claim_shortage = 0
    enter(market, execution, order, not is_halted(router, watch), exchange_ns)
    if execution.claim_shortage != 0:
        router.fault_instance = leg_at(router.legs, leg_index).instance
        return FAULT_CLAIMS
    tell_outcome(execution, router, order, True, exchange_ns, router.event_local)
    note_change(execution, watch, party, resting_before)
    return 0
