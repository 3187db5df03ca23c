"""A limit is reached: the strategy's orders are canceled, its positions kept or closed.

What leaves then is the simulation's own. It travels, fills and costs as any order does, and no
limit denies it. Where a market order finds too little to take, the rest is tried again at each
later event of its book while anything stands on the other side, one order on its way at a time.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.knowledge import is_known_open
from tapewire.execution.layout import ALWAYS, own_at
from tapewire.execution.order_events import log_event
from tapewire.execution.orders import open_order
from tapewire.execution.terms import QUANTITY_MAX
from tapewire.execution.words import (
    BUY,
    IOC,
    LOG_CANCEL_SENT,
    LOG_SENT,
    LOSS_CANCEL,
    LOSS_FLATTEN,
    MARKET,
    SELL,
)
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import reserve
from tapewire.positions.layout import account_at, limits_at
from tapewire.router._layout import (
    ARRIVE_CANCEL,
    ARRIVE_NEW,
    CLOSING_FAILED,
    CLOSING_SENT,
    DRAIN_ROWS,
    GROW_MESSAGES,
    GROW_OWN_ORDERS,
    WIND_UP,
    instance_at,
    leg_at,
    message_at,
    watch_at,
)
from tapewire.router._messages import send_to_exchange, tell_strategy
from tapewire.strategies.layout import context_at


@jit
def act_on_limits(execution: Any, router: Any, leg_index: int, now_ns: int) -> int:
    """Have what limits that were reached ask for done, if there is anything; a status."""
    leg = leg_at(router.legs, leg_index)
    limits = limits_at(router.limits, leg.instance)
    if limits.winding != 0:
        return 0
    held = account_at(router.accounts, leg_index).known_position
    closes = held != 0 and leg.closing != CLOSING_SENT and is_flattened(router, limits, now_ns)
    if limits.withdraw == 0 and not closes:
        return 0
    if router.message_free_n == 0:
        return GROW_MESSAGES
    instance = instance_at(router.instances, leg.instance)
    if now_ns > instance.clock:
        instance.clock = now_ns
        instance.steps = 0
    limits.winding = 1
    tell_strategy(router, execution, leg.instance, now_ns, WIND_UP, NIL)
    return 0


@jit
def is_flattened(router: Any, limits: Any, now_ns: int) -> bool:
    """Whether a strategy's positions are to be closed, by its own limits or those of all."""
    if limits.flatten != 0 or router.portfolio == 0:
        return limits.flatten != 0
    house = limits_at(router.portfolio, 0)
    return house.flatten != 0 and now_ns >= house.halted_ns


@jit
def closing_failed(router: Any, leg_index: int) -> None:
    """Word came that a closing order has ended without closing all: each event may be the one."""
    leg = leg_at(router.legs, leg_index)
    watch = watch_at(router.watches, leg.book)
    leg.closing = CLOSING_FAILED
    watch.unclosed += 1
    watch.wake = ALWAYS  # no event of the book is a quiet one now


@jit
def may_close_now(router: Any, leg_index: int, watch: Any) -> bool:
    """Whether a closing order has ended, and the other side of the book is not empty."""
    held = account_at(router.accounts, leg_index).known_position
    if held == 0 or leg_at(router.legs, leg_index).closing != CLOSING_FAILED:
        return False
    return (watch.bid if held > 0 else watch.ask) != UNDEF_PRICE


@jit
def note_positions(router: Any, instance: Any) -> None:
    """Remember what the instance is known to hold, for the report."""
    at = instance.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        leg.halt_position = account_at(router.accounts, at).known_position
        at = leg.next_of_instance


@jit
def wind_up_room(execution: Any, router: Any, instance_index: int) -> int:
    """Whether the blocks have room for all that a wind-up may send; a status."""
    instance = instance_at(router.instances, instance_index)
    requests = instance.leg_n
    at = context_at(instance.context, 0).open_head
    while at != NIL:
        requests += 1
        at = own_at(execution.own_orders, at).open_next
    if router.message_free_n < requests:
        return GROW_MESSAGES
    if execution.own_free_n < instance.leg_n:
        return GROW_OWN_ORDERS
    if execution.event_log != 0 and execution.event_capacity - execution.event_n < requests:
        router.room_needed = requests
        return DRAIN_ROWS
    return 0


@jit
def wind_up(execution: Any, router: Any, instance_index: int, of_all: int, now_ns: int) -> None:
    """Cancel what is open and, if asked for, close what is held; there is room for it.

    ``of_all`` is what a limit of all strategies asks for, 0 where it is one of this.
    """
    instance = instance_at(router.instances, instance_index)
    limits = limits_at(router.limits, instance_index)
    if of_all == 0:
        limits.winding = 0
    if limits.withdraw | of_all != 0:
        reason = LOSS_CANCEL if limits.withdraw == 0 else limits.withdraw
        limits.withdraw = 0
        if limits.halt_ns != 0 and limits.halt_noted == 0:
            limits.halt_noted = 1
            note_positions(router, instance)  # now that all that was told at that time is known
        _withdraw(execution, router, instance_index, reason, now_ns)
    if not is_flattened(router, limits, now_ns):
        return
    leg_index = instance.legs
    while leg_index != NIL:
        leg = leg_at(router.legs, leg_index)
        held = account_at(router.accounts, leg_index).known_position
        if held != 0 and leg.closing != CLOSING_SENT:
            _close(execution, router, leg_index, now_ns)
        leg_index = leg.next_of_instance


@jit
def _withdraw(execution: Any, router: Any, instance_index: int, reason: int, now_ns: int) -> None:
    """Ask for all orders that are known to be open to be canceled."""
    instance = instance_at(router.instances, instance_index)
    limits = limits_at(router.limits, instance_index)
    at = context_at(instance.context, 0).open_head
    while at != NIL:
        own = own_at(execution.own_orders, at)
        if is_known_open(own):
            own.requests += 1
            limits.halt_cancels += 1
            index = send_to_exchange(router, execution, ARRIVE_CANCEL, at, now_ns)
            message_at(router.messages, index).reason = reason
            if execution.event_log != 0:
                log_event(execution, at, LOG_CANCEL_SENT, reason, 0, now_ns)
        at = own.open_next


@jit
def _close(execution: Any, router: Any, leg_index: int, now_ns: int) -> None:
    """Send a market order against what the leg is known to hold."""
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    limits = limits_at(router.limits, leg.instance)
    account = account_at(router.accounts, leg_index)
    ctx = context_at(instance.context, 0)
    limits.halt_orders += 1
    if leg.closing == CLOSING_FAILED:
        watch_at(router.watches, leg.book).unclosed -= 1
    leg.closing = CLOSING_SENT
    router.orders_sent += 1
    lots = min(abs(account.known_position), QUANTITY_MAX)
    side = SELL if account.known_position > 0 else BUY
    order = open_order(
        execution, ctx, leg_index, now_ns, -limits.halt_orders, side, MARKET, UNDEF_PRICE, lots,
        IOC,
    )  # fmt: skip
    own_at(execution.own_orders, order).reason = LOSS_FLATTEN
    reserve(account, side, lots)
    if execution.event_log != 0:
        log_event(execution, order, LOG_SENT, LOSS_FLATTEN, 0, now_ns)
    send_to_exchange(router, execution, ARRIVE_NEW, order, now_ns)
