"""Messages in flight: to the exchange, one list per leg; to the strategy, one per instance.

Both lists are sorted by time and keep the order of sending among equal times; signals come last
among them. Messages of one leg
never overtake one another, as on one TCP connection.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.delays import request_delay_ns
from tapewire.execution.layout import NEVER, own_at, rules_at
from tapewire.execution.words import DISCONNECTED
from tapewire.market.layout import NIL
from tapewire.positions.gateway import pass_gateway
from tapewire.positions.layout import limits_at
from tapewire.router._layout import (
    ARRIVE_CANCEL_ALL,
    SIGNAL,
    TIMER,
    close_at,
    instance_at,
    leg_at,
    message_at,
    watch_at,
)
from tapewire.strategies.layout import SESSION_TIMER


@jit
def _new_message(router: Any, execution: Any, ts: int, kind: int, order: int) -> int:
    """Take a free message; there is one."""
    index = router.message_free
    message = message_at(router.messages, index)
    router.message_free = message.next
    router.message_free_n -= 1
    message.ts = ts
    message.kind = kind
    message.order = order
    message.price = 0
    message.quantity = 0
    message.lots = 0
    message.reason = 0
    message.leg = NIL
    if order != NIL:
        own_at(execution.own_orders, order).messages += 1
    return index


@jit
def send_cancel_all(router: Any, execution: Any, leg_index: int, cut: Any) -> None:
    """Have the venue cancel a leg's orders: what left before the session was cut comes first."""
    leg = leg_at(router.legs, leg_index)
    after = NIL
    following = leg.arrival_head
    due = cut.cancel_ns
    while following != NIL and message_at(router.messages, following).ts < cut.until:
        after = following
        due = max(due, message_at(router.messages, after).ts)
        following = message_at(router.messages, after).next
    index = _new_message(router, execution, due, ARRIVE_CANCEL_ALL, NIL)
    message = message_at(router.messages, index)
    message.leg = leg_index
    message.reason = DISCONNECTED
    message.quantity = cut.spares_dated
    message.next = following
    if following == NIL:
        leg.arrival_tail = index
    if after == NIL:
        leg.arrival_head = index
        leg.arrival_due = min(leg.arrival_due, due)
    else:
        message_at(router.messages, after).next = index
    watch = watch_at(router.watches, leg.book)
    watch.due = min(watch.due, leg.arrival_due)


@jit
def _insert(router: Any, head: int, tail: int, index: int) -> Any:
    """Insert by time, after equals but signals; returns the new (head, tail)."""
    message = message_at(router.messages, index)
    is_signal = message.kind == SIGNAL
    after = tail
    while after != NIL:
        other = message_at(router.messages, after)
        # When a signal was set depends on how the records were batched: its place must not.
        if other.ts < message.ts or (
            other.ts == message.ts and (other.kind != SIGNAL or is_signal)
        ):
            break
        after = other.prev
    message.prev = after
    if after == NIL:
        message.next = head
        head = index
    else:
        message.next = message_at(router.messages, after).next
        message_at(router.messages, after).next = index
    if message.next == NIL:
        tail = index
    else:
        message_at(router.messages, message.next).prev = index
    return head, tail


@jit
def send_to_exchange(router: Any, execution: Any, kind: int, order: int, now_ns: int) -> int:
    """Put a request about an order on its way; returns the message to be completed.

    It does not overtake the ones before it, and may have to wait at the session's gateway.
    """
    leg_index = own_at(execution.own_orders, order).leg
    leg = leg_at(router.legs, leg_index)
    limits = limits_at(router.limits, leg.instance)
    cuts = instance_at(router.instances, leg.instance).cuts
    if limits.gateway_rate | cuts != 0:
        leaves_ns = pass_gateway(limits, router.send_times, cuts, now_ns)
        if leaves_ns > now_ns:
            router.messages_held += 1
            router.messages_held_ns_max = max(router.messages_held_ns_max, leaves_ns - now_ns)
            now_ns = leaves_ns
    due = now_ns + request_delay_ns(execution, order, kind, now_ns)
    if leg.arrival_tail != NIL:
        due = max(due, message_at(router.messages, leg.arrival_tail).ts)
    index = _new_message(router, execution, due, kind, order)
    message = message_at(router.messages, index)
    message.leg = leg_index
    message.next = NIL
    if leg.arrival_tail == NIL:
        leg.arrival_head = index
        leg.arrival_due = min(leg.arrival_due, due)  # an expiry may be due
    else:
        message_at(router.messages, leg.arrival_tail).next = index
    leg.arrival_tail = index
    watch = watch_at(router.watches, leg.book)
    watch.due = min(watch.due, leg.arrival_due)
    return index


@jit
def tell_strategy(
    router: Any, execution: Any, instance_index: int, ts: int, kind: int, order: int
) -> int:
    """Put a response or timer on its way; returns the message to be completed."""
    instance = instance_at(router.instances, instance_index)
    index = _new_message(router, execution, ts, kind, order)
    head, tail = _insert(router, instance.inbox_head, instance.inbox_tail, index)
    instance.inbox_head = head
    instance.inbox_tail = tail
    due = message_at(router.messages, head).ts
    if due != instance.local_due:
        instance.local_due = due
    at = instance.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        watch = watch_at(router.watches, leg.book)
        watch.due = min(watch.due, due)
        watch.local_due = min(watch.local_due, due)
        watch.wake = min(watch.wake, due - router.feed_max_ns)
        at = leg.next_of_instance
    return index


@jit
def set_session_timer(
    execution: Any, router: Any, instance_index: int, leg_index: int, now_ns: int
) -> None:
    """Have an instance told of the next close of a session after a time; there is room for it."""
    k = 0
    while close_at(router.session_closes, k).ts <= now_ns:
        k += 1
    close_ns = close_at(router.session_closes, k).ts
    if close_ns < NEVER:
        index = tell_strategy(router, execution, instance_index, close_ns, TIMER, NIL)
        message = message_at(router.messages, index)
        message.leg = leg_index
        message.quantity = SESSION_TIMER


@jit
def free_message(router: Any, execution: Any, index: int) -> None:
    """Give a handled message back."""
    message = message_at(router.messages, index)
    if message.order != NIL:
        own_at(execution.own_orders, message.order).messages -= 1
    message.next = router.message_free
    router.message_free = index
    router.message_free_n += 1


@jit
def pop_arrival(router: Any, execution: Any, leg_index: int) -> int:
    """Take the leg's next message to the exchange."""
    leg = leg_at(router.legs, leg_index)
    index = leg.arrival_head
    leg.arrival_head = message_at(router.messages, index).next
    if leg.arrival_head == NIL:
        leg.arrival_tail = NIL
        leg.arrival_due = NEVER
    else:
        leg.arrival_due = message_at(router.messages, leg.arrival_head).ts
    leg.arrival_due = min(leg.arrival_due, rules_at(execution.rules, leg_index).expire_due)
    return index


@jit
def pop_inbox(router: Any, instance: Any) -> int:
    """Take the instance's next message."""
    index = instance.inbox_head
    instance.inbox_head = message_at(router.messages, index).next
    if instance.inbox_head == NIL:
        instance.inbox_tail = NIL
        instance.local_due = NEVER
    else:
        following = message_at(router.messages, instance.inbox_head)
        following.prev = NIL
        instance.local_due = following.ts
    return index
