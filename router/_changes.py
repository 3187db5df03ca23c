"""What the exchange does to orders by itself: groups, reduce-only, pegs, and a cancel of all.

Nothing else happens before the changed orders of `groups` have been seen to.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.arriving import act, arrive_cancel
from tapewire.execution.changing import follow
from tapewire.execution.groups import take_changed
from tapewire.execution.houses import house_of
from tapewire.execution.layout import own_at, party_at, rules_at
from tapewire.execution.orders import is_live
from tapewire.execution.pegging import first_to_move, move
from tapewire.execution.resting import note_change
from tapewire.execution.stops import note_stops
from tapewire.execution.words import DISCONNECTED, GTC, MASS_CANCEL, NO_REASON
from tapewire.market.layout import NIL, book_at
from tapewire.router._exchange import (
    acts_at_once,
    arrive,
    expire,
    is_halted,
    tell_changed,
    tell_closed,
    tell_outcome,
    tell_refused,
    tighten,
)
from tapewire.router._expiry import is_expiry_next, is_instrument_next
from tapewire.router._layout import (
    ARRIVE_CANCEL,
    ARRIVE_CANCEL_ALL,
    FAULT_CLAIMS,
    instance_at,
    leg_at,
    message_at,
    watch_at,
)
from tapewire.router._messages import free_message, pop_arrival
from tapewire.router._room import room_for, step_room
from tapewire.router._settlement import end_instrument
from tapewire.router._states import is_for_later, refusal, state_at
from tapewire.strategies.layout import context_at


@jit
def carry_out(market: Any, execution: Any, router: Any, captured_ns: int) -> int:
    """See to the orders that fills or ends of others have changed; a status.

    ``captured_ns`` is as in `_exchange.settle`. Called again it goes on where it was left.
    """
    while execution.changed != NIL:
        room = step_room(market, execution, router)
        if room != 0:
            return room
        order = take_changed(execution)
        own = own_at(execution.own_orders, order)
        leg_index = own.leg
        leg = leg_at(router.legs, leg_index)
        party = house_of(execution, leg_index)
        watch = watch_at(router.watches, leg.book)
        ts = execution.changed_ns
        was_live = is_live(own)
        rules = rules_at(execution.rules, leg_index)
        resting_before = party.resting
        stops_before = rules.stops
        execution.claim_shortage = 0
        if follow(execution, order, ts):
            is_open = not is_halted(router, watch)
            if captured_ns == 0:
                is_open = acts_at_once(router, watch, party, own, state_at(router, watch, ts))
            act(market, execution, order, is_open, ts)
            if execution.claim_shortage != 0:
                router.fault_instance = leg.instance
                return FAULT_CLAIMS
        tell_outcome(execution, router, order, was_live, ts, captured_ns)
        note_change(execution, watch, party, resting_before)
        note_stops(execution, watch, rules, stops_before)
    return 0


# --- a cancel of all ------------------------------------------------------------------------------


@jit
def act_next(market: Any, execution: Any, router: Any, leg_index: int) -> int:
    """Let what is due next of the leg at the exchange happen; a status."""
    if is_expiry_next(execution, router, leg_index):
        if is_instrument_next(execution, router, leg_index):
            return end_instrument(market, execution, router, leg_index)
        expire(market, execution, router, leg_index)
        return 0
    head = leg_at(router.legs, leg_index).arrival_head
    if message_at(router.messages, head).kind == ARRIVE_CANCEL_ALL:
        return _cancel_all(market, execution, router, leg_index)
    return arrive(market, execution, router, leg_index)


@jit
def _cancel_all(market: Any, execution: Any, router: Any, leg_index: int) -> int:
    """Cancel all orders of a leg that are at the exchange; a status."""
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    first = context_at(instance.context, 0).open_head
    room = room_for(market, execution, router, _count(execution, leg_index, first), 1)
    if room != 0:
        return room
    index = pop_arrival(router, execution, leg_index)
    message = message_at(router.messages, index)
    reason = MASS_CANCEL if message.reason == NO_REASON else message.reason
    party = house_of(execution, leg_index)
    rules = rules_at(execution.rules, leg_index)
    watch = watch_at(router.watches, leg.book)
    ts = max(message.ts, book_at(market.books, party.book).clock)
    resting_before = party.resting
    stops_before = rules.stops
    at = first
    if watch.transition != NIL:
        state = state_at(router, watch, ts)
        refused = refusal(router, state, ARRIVE_CANCEL, GTC)
        if refused != NO_REASON:
            at = NIL
            if message.order != NIL:
                tell_refused(execution, router, leg_index, message.order, refused, ts)
    while at != NIL:
        own = own_at(execution.own_orders, at)
        stays = own.leg != leg_index or (message.quantity != 0 and is_for_later(own.time_in_force))
        if not stays and arrive_cancel(execution, at, reason, ts):
            router.orders_canceled_by_disconnect += reason == DISCONNECTED
            tell_closed(execution, router, leg_index, at, ts, 0)
        at = own.open_next
    note_change(execution, watch, party, resting_before)
    note_stops(execution, watch, rules, stops_before)
    free_message(router, execution, index)
    return 0


@jit
def _count(execution: Any, leg_index: int, first: int) -> int:
    """How many of a list of open orders a leg has at the exchange."""
    n = 0
    at = first
    while at != NIL:
        own = own_at(execution.own_orders, at)
        n += own.leg == leg_index and is_live(own)
        at = own.open_next
    return n


# --- pegged orders --------------------------------------------------------------------------------


@jit
def move_pegs(
    market: Any, execution: Any, router: Any, watch: Any, ts_event: int, captured_ns: int
) -> int:
    """Price the book's pegged orders anew that are no longer in their place; a status.

    Called again it goes on where it was left.
    """
    moved = False
    at = watch.legs
    while at != NIL:
        party = party_at(execution.parties, at)
        room = room_for(market, execution, router, party.resting + 1, 0)
        if room != 0:
            return room
        for _ in range(party.resting):
            order = first_to_move(market, execution, party.buys)
            if order == NIL:
                order = first_to_move(market, execution, party.sells)
            if order == NIL:
                break
            move(market, execution, order)
            leg = own_at(execution.own_orders, order).leg
            tell_changed(execution, router, leg, order, ts_event, captured_ns)
            moved = True
        at = leg_at(router.legs, at).next_of_book
    if moved:
        tighten(execution, router, watch)
    return 0
