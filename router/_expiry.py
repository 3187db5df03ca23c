"""Orders that end at a time of their own: when that is, and their end.

An expiry is due at the exchange as an arrival is, and comes before one of the same time. A day
ends at the configured close of the session, in the exchange's time, or as the venue closes the
book, whichever is first; where there is none it lasts as long as the data. No order outlives its
instrument, and the end of that is due as an expiry is, behind those of orders.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.arriving import expiry_reason
from tapewire.execution.houses import house_of
from tapewire.execution.layout import NEVER, own_at, rules_at
from tapewire.execution.orders import close_own
from tapewire.execution.resting import unrest
from tapewire.execution.words import DAY, EXPIRED
from tapewire.market.layout import NIL
from tapewire.router._layout import close_at, leg_at, message_at, watch_at
from tapewire.router._states import next_close_ns


@jit
def set_day(router: Any, watch: Any, own: Any, ts_event: int) -> None:
    """Let an order that arrives expire as its day or its instrument ends."""
    own.expire_ns = min(own.expire_ns, watch.expiry_ns)
    if own.time_in_force != DAY:
        return
    low = 0
    high = router.session_close_n - 1  # NEVER
    while low < high:
        middle = (low + high) >> 1
        if close_at(router.session_closes, middle).ts <= ts_event:
            low = middle + 1
        else:
            high = middle
    close_ns = close_at(router.session_closes, low).ts
    own.expire_ns = min(own.expire_ns, close_ns, next_close_ns(router, watch, ts_event))


@jit
def note_expiry(execution: Any, router: Any, leg_index: int, expire_ns: int) -> None:
    """An order that expires is at the exchange now: remember when something is due."""
    rules = rules_at(execution.rules, leg_index)
    leg = leg_at(router.legs, leg_index)
    watch = watch_at(router.watches, leg.book)
    rules.expire_due = min(rules.expire_due, expire_ns)
    leg.arrival_due = min(leg.arrival_due, expire_ns)
    watch.due = min(watch.due, expire_ns)


@jit
def is_expiry_next(execution: Any, router: Any, leg_index: int) -> bool:
    """Whether what is due next at the exchange is an expiry, not an arrival."""
    due = rules_at(execution.rules, leg_index).expire_due
    if due == NEVER:
        return False
    head = leg_at(router.legs, leg_index).arrival_head
    return head == NIL or due <= message_at(router.messages, head).ts


@jit
def expire_next(execution: Any, router: Any, leg_index: int, clock: int) -> int:
    """End the order whose expiry is due, at its time, the book's at least; that order, or NIL."""
    rules = rules_at(execution.rules, leg_index)
    due = rules.expire_due
    order = _first_to_expire(execution, leg_index)
    if order != NIL:
        own = own_at(execution.own_orders, order)
        if own.expire_ns > due:
            order = NIL  # the one that was due has ended otherwise
        else:
            unrest(execution, order)
            close_own(execution, own, EXPIRED, expiry_reason(own), max(own.expire_ns, clock))
    following = _first_to_expire(execution, leg_index)
    next_ns = watch_at(router.watches, leg_at(router.legs, leg_index).book).expiry_ns
    if following != NIL:
        next_ns = min(next_ns, own_at(execution.own_orders, following).expire_ns)
    set_expire_due(execution, router, leg_index, next_ns)
    return order


@jit
def set_expire_due(execution: Any, router: Any, leg_index: int, due_ns: int) -> None:
    """Say when the next expiry of a leg is due, and so when anything is at the exchange."""
    leg = leg_at(router.legs, leg_index)
    rules_at(execution.rules, leg_index).expire_due = due_ns
    leg.arrival_due = due_ns
    if leg.arrival_head != NIL:
        leg.arrival_due = min(due_ns, message_at(router.messages, leg.arrival_head).ts)


@jit
def is_instrument_next(execution: Any, router: Any, leg_index: int) -> bool:
    """Whether the expiry that is due is the instrument's: all orders that end by then have."""
    due = rules_at(execution.rules, leg_index).expire_due
    if due != watch_at(router.watches, leg_at(router.legs, leg_index).book).expiry_ns:
        return False
    first = _first_to_expire(execution, leg_index)
    return first == NIL or own_at(execution.own_orders, first).expire_ns > due


@jit
def _first_to_expire(execution: Any, leg_index: int) -> int:
    """The order of a leg that expires first, the older of two, or NIL."""
    party = house_of(execution, leg_index)
    rules = rules_at(execution.rules, leg_index)
    first: Any = NIL
    first_ns = NEVER
    first_id = 0
    for head in (party.buys, party.sells, party.waiting, rules.stop_buys, rules.stop_sells):
        at = head
        while at != NIL:
            own = own_at(execution.own_orders, at)
            is_first = own.expire_ns < first_ns or (
                own.expire_ns == first_ns < NEVER and own.client_order_id < first_id
            )
            if is_first and own.leg == leg_index:
                first = at
                first_ns = own.expire_ns
                first_id = own.client_order_id
            at = own.next
    return first
