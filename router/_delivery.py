"""Word reaches a strategy: what it then knows of its orders and its account."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.codes import SETTLEMENT_ID
from tapewire.execution.knowledge import (
    is_known_open,
    known_leaves,
    learn_accepted,
    learn_filled,
    learn_replaced,
)
from tapewire.execution.layout import HEDGES, own_at, rules_at, tally_at
from tapewire.execution.orders import give_back, handle_of
from tapewire.execution.sides import effect_of, learn_sides
from tapewire.execution.words import (
    DENIAL_BITS,
    FILLED,
    LOSS_CANCEL,
    STOP,
    USER_CANCEL,
    WITHDRAWN,
)
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import count, is_uncounted, learn_fill, reserve
from tapewire.positions.layout import account_at, limits_at
from tapewire.positions.worths import realise, realise_sides
from tapewire.router._cuts import cut_off
from tapewire.router._layout import (
    CALL_OUTSIDE,
    CLOSING_NONE,
    CUT_OFF,
    FAULT_STEPS,
    GROW_MESSAGES,
    SIGNAL,
    TELL_ACCEPTED,
    TELL_CHANGED,
    TELL_CLOSED,
    TELL_DENIED,
    TELL_FILL,
    TELL_REFUSED,
    TELL_REPLACED,
    TIMER,
    WIND_UP,
    instance_at,
    leg_at,
    message_at,
    watch_at,
)
from tapewire.router._limits import count_trade, revalue_leg
from tapewire.router._loss import act_on_limits, closing_failed, wind_up, wind_up_room
from tapewire.router._marks import mark_of
from tapewire.router._messages import free_message, pop_inbox, set_session_timer
from tapewire.router._requests import callback
from tapewire.strategies.layout import (
    HOOK_FILL,
    HOOK_ORDER,
    HOOK_SESSION,
    HOOK_TIMER,
    SESSION_TIMER,
    context_at,
)

#: Messages one strategy may handle at one and the same local time.
STEPS_AT_ONE_TIME_MAX: Final = 1_000_000


@jit
def deliver(execution: Any, router: Any, instance_index: int) -> int:
    """Hand the instance its next message, at the message's time; a status."""
    instance = instance_at(router.instances, instance_index)
    kind = message_at(router.messages, instance.inbox_head).kind
    if kind == WIND_UP:
        room = wind_up_room(execution, router, instance_index)
        if room != 0:
            return room
    if kind == CUT_OFF and router.message_free_n < instance.leg_n:  # and its own
        return GROW_MESSAGES
    index = pop_inbox(router, instance)
    message = message_at(router.messages, index)
    if not _go_on(router, instance, message):
        router.fault_instance = instance_index
        return FAULT_STEPS
    now_ns = instance.clock
    if message.kind == TIMER or message.kind == SIGNAL:
        leg_index = message.leg
        hook = HOOK_SESSION if message.quantity == SESSION_TIMER else HOOK_TIMER
        ctx = context_at(instance.context, 0)
        ctx.timer_ns = message.ts
        ctx.timer_id = message.quantity
        free_message(router, execution, index)
        if hook == HOOK_SESSION:
            set_session_timer(execution, router, instance_index, leg_index, now_ns)
        return callback(execution, router, instance_index, leg_index, hook, now_ns)
    if message.kind == WIND_UP:
        of_all = message.quantity
        free_message(router, execution, index)
        wind_up(execution, router, instance_index, of_all, now_ns)
        return 0
    if message.kind == CUT_OFF:
        cut = message.quantity
        free_message(router, execution, index)
        cut_off(execution, router, instance_index, cut)
        return 0
    order = message.order
    own = own_at(execution.own_orders, order)
    leg_index = own.leg
    context_at(instance.context, 0).update_trigger = UNDEF_PRICE
    reason = _learn(execution, router, instance_index, message, now_ns)
    hook = HOOK_FILL if message.kind == TELL_FILL else HOOK_ORDER
    ctx = context_at(instance.context, 0)
    ctx.update_order = handle_of(own, order)
    ctx.update_status = own.known_status
    ctx.update_reason = reason
    ctx.update_id = own.client_order_id
    ctx.update_side = own.side
    ctx.update_price = own.known_price
    ctx.update_quantity = own.known_quantity
    ctx.update_filled = own.known_filled
    ctx.update_requests = own.requests
    free_message(router, execution, index)
    status = callback(execution, router, instance_index, leg_index, hook, now_ns)
    if status == CALL_OUTSIDE:
        router.outside_order = order
        return status
    give_back(execution, ctx, order)
    return status


@jit_inline
def _go_on(router: Any, instance: Any, message: Any) -> bool:
    """Move the instance's clock on to a message; False if it answers itself for ever."""
    now = message.ts
    if now < instance.clock:
        if message.order != NIL:
            router.late_responses += 1
            late_ns = instance.clock - now
            router.late_responses_ns_max = max(router.late_responses_ns_max, late_ns)
        now = instance.clock
    if now == instance.clock:
        instance.steps += 1
        if instance.steps == 1:
            instance.denials = 0
        if instance.steps > STEPS_AT_ONE_TIME_MAX:
            return False
    else:
        instance.steps = 0
        instance.denials = 0
    instance.clock = now
    return True


@jit_inline
def _learn(execution: Any, router: Any, instance_index: int, message: Any, now_ns: int) -> int:
    """Change what the strategy knows of an order and its account; the reason it is told."""
    instance = instance_at(router.instances, instance_index)
    own = own_at(execution.own_orders, message.order)
    account = account_at(router.accounts, own.leg)
    is_closing = SETTLEMENT_ID < own.client_order_id < 0  # sent by a limit
    reason = message.reason
    if message.kind == TELL_ACCEPTED:
        learn_accepted(own, message.price)
    elif message.kind == TELL_CHANGED:
        count(account, own, message.quantity - own.known_quantity)
        learn_replaced(own, message.price, message.quantity)
    elif message.kind == TELL_FILL:
        hedges = execution.contingent != 0 and rules_at(execution.rules, own.leg).reduces & HEDGES
        if account.worths != 0 and hedges:
            short = tally_at(execution.tallies, own.leg).known_short
            realise_sides(
                account, own.side, message.price, message.lots, message.quantity, effect_of(own),
                short,
            )  # fmt: skip
        elif account.worths != 0:
            realise(account, own.side, message.price, message.lots, message.quantity)
        learn_fill(account, own.side, message.price, message.lots, message.commission)
        if hedges:
            learn_sides(execution, message.order, message.lots, account.known_position)
        if is_uncounted(own):
            reserve(account, own.side, message.lots)
        learn_filled(own, message.lots)
        ctx = context_at(instance.context, 0)
        ctx.fill_price = message.price
        ctx.fill_quantity = message.lots
        ctx.fill_commission = message.commission
        leg = leg_at(router.legs, own.leg)
        watch = watch_at(router.watches, leg.book)
        limits = limits_at(router.limits, instance_index)
        if watch.mark != UNDEF_PRICE:  # the account's own may date from an earlier position
            account.mark = mark_of(
                execution, router, watch, own.leg, account.known_position, watch.seen
            )
            limits.marked_ns = max(limits.marked_ns, watch.mark_seen + instance.feed_max_ns)
        if is_closing and own.known_status == FILLED:
            leg.closing = CLOSING_NONE
        count_trade(router, limits)
        if revalue_leg(execution, router, own.leg, now_ns):
            act_on_limits(execution, router, own.leg, now_ns)  # there is room for its one message
    elif message.kind == TELL_CLOSED:
        if reason == USER_CANCEL or reason == LOSS_CANCEL or reason == WITHDRAWN:
            own.requests -= 1
        if is_closing:
            closing_failed(router, own.leg)
        if is_known_open(own):
            count(account, own, -known_leaves(own))
        own.known_status = own.status
        reason = own.reason
    elif message.kind == TELL_REPLACED:
        own.requests -= 1
        count(account, own, message.quantity - own.known_quantity - message.lots)
        price = message.price
        if own.sent_type == STOP and own.known_price == UNDEF_PRICE:
            context_at(instance.context, 0).update_trigger = price
            price = UNDEF_PRICE
        learn_replaced(own, price, message.quantity)
    elif message.kind == TELL_DENIED:
        _note_denial(instance, reason)
    elif message.kind == TELL_REFUSED:
        own.requests -= message.quantity != NIL  # a mass cancel is none of the order's own
        if (DENIAL_BITS >> reason) & 1 != 0:
            _note_denial(instance, reason)
        count(account, own, -message.lots)
    return reason


@jit_inline
def _note_denial(instance: Any, reason: int) -> None:
    """Count what the strategy was denied at one and the same time, for the fault's sentence."""
    instance.denials += 1
    instance.denial_reason = reason
