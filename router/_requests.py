"""A strategy is called, and what it asks for is checked and sent."""

from typing import Any, Final

from tapewire.compiled.callbacks import call_hook
from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.execution.knowledge import is_known_open
from tapewire.execution.layout import SHUT_DOUBT, execution_at, own_at, party_at, rules_at
from tapewire.execution.order_events import log_event, log_limit, log_replace
from tapewire.execution.orders import give_back, write_order_limit, write_order_row
from tapewire.execution.terms import (
    has_price,
    has_terms,
    is_free,
    price_fault,
    quantity_fault,
    terms_fault,
)
from tapewire.execution.words import (
    DENIED,
    HALTED,
    HAS_EXPIRED,
    INVALID_PRICE,
    INVALID_QUANTITY,
    LOG_CANCEL_SENT,
    LOG_DENIED,
    LOG_REFUSED,
    LOG_REPLACE_SENT,
    LOG_SENT,
    MASS_CANCEL,
    MAX_MESSAGE_RATE,
    NO_REASON,
    NO_SESSION,
    STALE_DATA,
    STOP,
    TERM_GROUP,
    TERM_PEG,
    TRIGGER_PASSED,
    USER_CANCEL,
)
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import count, is_uncounted
from tapewire.positions.gateway import connected_ns, gateway_refuses
from tapewire.positions.layout import account_at, limits_at
from tapewire.positions.limits import stopped
from tapewire.router._layout import (
    ARRIVE_CANCEL,
    ARRIVE_CANCEL_ALL,
    ARRIVE_NEW,
    ARRIVE_REPLACE,
    CALL_OUTSIDE,
    FAULT_REQUESTS,
    GROW_MESSAGES,
    SIGNAL,
    TELL_DENIED,
    TELL_REFUSED,
    TIMER,
    instance_at,
    leg_at,
    message_at,
    router_at,
    watch_at,
)
from tapewire.router._limits import after_denial, check_order, count_message, risk_state
from tapewire.router._messages import send_to_exchange, tell_strategy
from tapewire.router._states import seen_state
from tapewire.router._views import is_shown_by, see_touch, see_trade, show_sights
from tapewire.strategies.layout import (
    HOOK_TRADE,
    ON_VIEW,
    OUTSIDE,
    REQUEST_CANCEL,
    REQUEST_CANCEL_ALL,
    REQUEST_NEW,
    REQUEST_REPLACE,
    REQUEST_SIGNAL,
    REQUEST_TIMER,
    REQUESTS_MAX,
    context_at,
    view_at,
)

_INDEX_MASK: Final = 0xFFFFFFFF


@jit
def callback(
    execution: Any, router: Any, instance_index: int, leg_index: int, hook: int, now_ns: int
) -> int:
    """Call one hook with the context as of ``now_ns``, then send what it asked for; a status.

    If that is CALL_OUTSIDE the caller leaves the loop, having noted that this callback is done.
    """
    instance = instance_at(router.instances, instance_index)
    address = instance.hooks[hook]
    if address == 0:
        return 0
    leg = leg_at(router.legs, leg_index)
    ctx = context_at(instance.context, 0)
    limits = limits_at(router.limits, instance_index)
    watch = watch_at(router.watches, leg.book)
    ctx.now_ns = now_ns
    ctx.market_ns = now_ns - instance.feed_max_ns
    ctx.leg = leg_index  # the last one may have sent an order on another
    if instance.shown_leg != leg_index:
        party = party_at(execution.parties, leg_index)
        instance.shown_leg = leg_index
        ctx.tick_size = leg.tick_size
        ctx.publisher_id = party.publisher_id
        ctx.instrument_id = party.instrument_id
        ctx.seen_view = watch.seen_view if instance.mask & ON_VIEW != 0 else router.no_view
        ctx.depth = instance.depth
        ctx.feature_n = instance.feature_n
        ctx.feature_columns = instance.feature_columns
        ctx.features = watch.features
        if instance.depth > 0:
            ctx.bids = view_at(watch.seen_view, 0).bids
            ctx.asks = view_at(watch.seen_view, 0).asks
    ctx.position = account_at(router.accounts, leg_index).known_position
    # A message may come at a time before what the loop has seen of the book since: then the
    # strategy sees what it saw last. What it is called for has moved its clock.
    if instance.sights != 0:
        ctx.sights = instance.sights
        ctx.sight_n = instance.leg_n
        show_sights(router, instance, ctx, leg_index, hook, now_ns)
    elif is_shown_by(hook) or watch.seen + instance.feed_max_ns <= now_ns:
        see_touch(ctx, watch)
        if hook == HOOK_TRADE:
            see_trade(ctx, watch)
    if limits.marked_ns <= now_ns:
        ctx.pnl = limits.known_pnl
        ctx.risk_state = risk_state(router, limits, now_ns)
        ctx.halted = 1 if ctx.risk_state == HALTED else 0
    ctx.book_ready = 0 if watch.shut & SHUT_DOUBT else 1
    ctx.ended = 1 if now_ns >= watch.expiry_ns else 0
    if watch.transition != NIL:
        ctx.trading_state = seen_state(router, watch, ctx.market_ns)
    ctx.request_n = 0
    if address == OUTSIDE:
        router.outside_instance = instance_index
        router.outside_hook = hook
        return CALL_OUTSIDE
    call_hook(address, instance.context, instance.state)
    if ctx.request_n == 0 or router.ended != 0:
        return 0
    return _send_requests(execution, router, instance_index, now_ns)


@jit_entry
def come_back(router_address: int) -> int:
    """As `after_call`, for a callback that `_loop.go_on` did not ask for."""
    router = router_at(router_address, 0)
    return after_call(execution_at(router.execution, 0), router)


@jit
def after_call(execution: Any, router: Any) -> int:
    """After a callback outside the loop: send what it asked for; a status.

    Everything else that the loop was about to do it does when it is called again.
    """
    instance_index = router.outside_instance
    ctx = context_at(instance_at(router.instances, instance_index).context, 0)
    status = 0
    if router.ended == 0:
        status = _send_requests(execution, router, instance_index, ctx.now_ns)
    if router.outside_order != NIL:
        give_back(execution, ctx, router.outside_order)
    router.outside_instance = NIL
    router.outside_order = NIL
    return status


@jit
def _send_requests(execution: Any, router: Any, instance_index: int, now_ns: int) -> int:
    """Send what a callback has asked for, in that order; a status."""
    instance = instance_at(router.instances, instance_index)
    ctx = context_at(instance.context, 0)
    limits = limits_at(router.limits, instance_index)
    if ctx.request_n > REQUESTS_MAX:
        router.fault_instance = instance_index
        return FAULT_REQUESTS
    for k in range(ctx.request_n):
        kind = ctx.requests[k, 0]
        name = ctx.requests[k, 1]
        price = ctx.requests[k, 2]
        quantity = ctx.requests[k, 3]
        if kind == REQUEST_SIGNAL:
            _set_signal(execution, router, instance_index, quantity, price)
        elif kind == REQUEST_TIMER:
            timer = tell_strategy(router, execution, instance_index, price, TIMER, NIL)
            message_at(router.messages, timer).leg = name  # the leg that set it
            message_at(router.messages, timer).quantity = quantity
        elif kind == REQUEST_NEW:
            _send_new(execution, router, instance_index, name, now_ns)
        else:
            order = name & _INDEX_MASK
            if not _names_open(execution, name):
                router.requests_stale += 1
            elif kind == REQUEST_REPLACE:
                _send_replace(execution, router, instance_index, order, price, quantity, now_ns)
            elif _is_refused(execution, router, instance_index, order, now_ns):
                pass
            elif kind == REQUEST_CANCEL:
                own_at(execution.own_orders, order).requests += 1
                count_message(router, limits)
                sent = send_to_exchange(router, execution, ARRIVE_CANCEL, order, now_ns)
                message_at(router.messages, sent).reason = USER_CANCEL
                if execution.event_log != 0:
                    log_event(execution, order, LOG_CANCEL_SENT, NO_REASON, 0, now_ns)
            elif kind == REQUEST_CANCEL_ALL:
                count_message(router, limits)
                sent = send_to_exchange(router, execution, ARRIVE_CANCEL, order, now_ns)
                message_at(router.messages, sent).kind = ARRIVE_CANCEL_ALL
                if execution.event_log != 0:
                    log_event(execution, order, LOG_CANCEL_SENT, MASS_CANCEL, 0, now_ns)
    return 0


@jit_inline
def _names_open(execution: Any, name: int) -> bool:
    """Whether a handle names an order that is open, as far as its strategy was told."""
    if name == NIL:
        return False
    own = own_at(execution.own_orders, name & _INDEX_MASK)
    return own.generation == name >> 32 and is_known_open(own)


@jit
def _is_refused(execution: Any, router: Any, instance_index: int, order: int, now_ns: int) -> bool:
    """Whether a cancel can't leave: the session's gateway rejects it, or the session is cut."""
    limits = limits_at(router.limits, instance_index)
    reason = _gateway_says(router, limits, instance_index, now_ns)
    if reason == NO_REASON:
        return False
    router.cancels_denied += reason == MAX_MESSAGE_RATE
    _tell_refused(execution, router, instance_index, order, reason, now_ns)
    return True


@jit
def _tell_refused(
    execution: Any, router: Any, instance_index: int, order: int, reason: int, now_ns: int
) -> int:
    """A cancel or replace is stopped before it leaves; the row of its log, if there is one."""
    told = tell_strategy(router, execution, instance_index, now_ns, TELL_REFUSED, order)
    message_at(router.messages, told).reason = reason
    own_at(execution.own_orders, order).requests += 1
    if execution.event_log == 0:
        return NIL
    limits = limits_at(router.limits, instance_index)
    row = log_event(execution, order, LOG_REFUSED, reason, 0, now_ns)
    log_limit(execution, row, limits.limit_value, limits.limit_found)
    return row


@jit
def _gateway_says(router: Any, limits: Any, instance_index: int, now_ns: int) -> int:
    """Why a message can't leave the session's gateway now; a reason code."""
    cuts = instance_at(router.instances, instance_index).cuts
    if cuts != 0 and connected_ns(cuts, now_ns) != now_ns:
        router.requests_without_session += 1
        return stopped(limits, NO_SESSION, 0, 0)
    if gateway_refuses(limits, router.send_times, now_ns):
        return stopped(limits, MAX_MESSAGE_RATE, limits.gateway_rate, limits.gateway_rate + 1)
    return NO_REASON


@jit_inline
def _checked(
    router: Any, instance_index: int, own: Any, price: int, more_lots: int, size_lots: int,
    now_ns: int,
) -> int:  # fmt: skip
    """Whether data, the gateway and the limits let an order or replace leave; a reason code."""
    limits = limits_at(router.limits, instance_index)
    if router.orders_held != 0:
        if router.orders_held == STALE_DATA:
            router.requests_on_stale_data += 1
        else:
            router.requests_while_held += 1
        return stopped(limits, router.orders_held, 0, 0)
    reason = _gateway_says(router, limits, instance_index, now_ns)
    if reason != NO_REASON:
        return reason
    return check_order(
        router, own.leg, own.side, price, more_lots, size_lots, is_uncounted(own), now_ns
    )


@jit
def _set_signal(
    execution: Any, router: Any, instance_index: int, leg_index: int, ts_ns: int
) -> None:
    """Have an instance called for a signal on a leg at a local time; there is room for it."""
    signal = tell_strategy(router, execution, instance_index, ts_ns, SIGNAL, NIL)
    message_at(router.messages, signal).leg = leg_index
    message_at(router.messages, signal).quantity = 0


@jit_entry
def announce_signal(router_address: int, leg_index: int, ts_ns: int) -> int:
    """Have the instance of a leg called for a signal at a local time, from outside; a status."""
    router = router_at(router_address, 0)
    if router.message_free_n == 0:
        return GROW_MESSAGES
    instance_index = leg_at(router.legs, leg_index).instance
    _set_signal(execution_at(router.execution, 0), router, instance_index, leg_index, ts_ns)
    return 0


@jit
def _send_new(execution: Any, router: Any, instance_index: int, order: int, now_ns: int) -> None:
    """Check a new order against the limits and put it on its way, or deny it."""
    own = own_at(execution.own_orders, order)
    limits = limits_at(router.limits, instance_index)
    account = account_at(router.accounts, own.leg)
    rules = rules_at(execution.rules, own.leg)
    reason = stopped(limits, NO_REASON, 0, 0)
    if now_ns >= watch_at(router.watches, leg_at(router.legs, own.leg).book).expiry_ns:
        reason = HAS_EXPIRED
    elif quantity_fault(rules, own.quantity):
        reason = INVALID_QUANTITY
    elif has_price(own.order_type) and price_fault(rules, own.price) and not is_free(own):
        reason = INVALID_PRICE
    elif has_terms(own):
        reason = terms_fault(execution, rules, own)
    if reason == NO_REASON:
        counted = 0 if is_uncounted(own) else own.quantity
        reason = _checked(router, instance_index, own, own.price, counted, own.quantity, now_ns)
    if reason != NO_REASON:
        own.status = DENIED
        own.reason = reason
        own.known_status = DENIED
        router.orders_denied += 1
        write_order_row(execution, own, now_ns)
        if (limits.limit_value | limits.limit_found) != 0:
            write_order_limit(execution, own, limits.limit_value, limits.limit_found)
        told = tell_strategy(router, execution, instance_index, now_ns, TELL_DENIED, order)
        message_at(router.messages, told).reason = reason
        if execution.event_log != 0:
            event = log_event(execution, order, LOG_DENIED, reason, 0, now_ns)
            log_limit(execution, event, limits.limit_value, limits.limit_found)
        after_denial(execution, router, own.leg, reason, now_ns)
        return
    count(account, own, own.quantity)
    router.orders_sent += 1
    if execution.event_log != 0:
        log_event(execution, order, LOG_SENT, NO_REASON, 0, now_ns)
    send_to_exchange(router, execution, ARRIVE_NEW, order, now_ns)


@jit
def _send_replace(
    execution: Any, router: Any, instance_index: int, order: int, price: int, quantity: int,
    now_ns: int,
) -> None:  # fmt: skip
    """Check a replace against the limits and put it on its way, or deny it."""
    own = own_at(execution.own_orders, order)
    rules = rules_at(execution.rules, own.leg)
    account = account_at(router.accounts, own.leg)
    limits = limits_at(router.limits, instance_index)
    if own.terms & TERM_GROUP:
        quantity = own.known_quantity  # its lots are the group's
    more = max(0, quantity - own.known_quantity)
    # A stop without a limit has its trigger for a price, as long as nobody told that it is none.
    of_trigger = own.sent_type == STOP and own.known_price == UNDEF_PRICE
    stopped(limits, NO_REASON, 0, 0)
    if quantity_fault(rules, quantity):
        reason = INVALID_QUANTITY
    elif own.terms & TERM_PEG == 0 and (
        (own.known_price == UNDEF_PRICE and not of_trigger) or price_fault(rules, price)
    ):
        reason = INVALID_PRICE
    else:
        reason = _checked(router, instance_index, own, price, more, quantity, now_ns)
    if reason != NO_REASON:
        router.replaces_denied += 1
        row = _tell_refused(execution, router, instance_index, order, reason, now_ns)
        if row != NIL:
            log_replace(execution, row, price, quantity, own.known_price, own.known_quantity)
        after_denial(execution, router, own.leg, reason, now_ns)
        return
    own.requests += 1
    if execution.event_log != 0:
        row = log_event(execution, order, LOG_REPLACE_SENT, NO_REASON, 0, now_ns)
        log_replace(execution, row, price, quantity, own.known_price, own.known_quantity)
    count(account, own, more)
    index = send_to_exchange(router, execution, ARRIVE_REPLACE, order, now_ns)
    message = message_at(router.messages, index)
    message.price = price
    message.quantity = quantity
    message.lots = more
    message.reason = TRIGGER_PASSED if of_trigger else NO_REASON
