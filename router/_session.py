"""One strategy instance in its own time: requests out, responses in, callbacks."""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.codes import OrderStatus, OrderType, Reason
from tapewire.execution.latency import arrival_ns
from tapewire.execution.layout import fill_row_at, own_at, session_at
from tapewire.execution.matching import (
    BY_AUCTION,
    BY_UNSEEN_TRADE,
    CANCELED,
    STEP_ROWS,
    arrive_cancel,
    arrive_new,
    arrive_replace,
    close_own,
    is_live,
    take_waiting,
    unrest,
    write_order_row,
)
from tapewire.market.layout import book_at
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import book_fill, check_order, learn_fill, revalue
from tapewire.positions.layout import account_at, limits_at

from ._hooks import call_hook
from ._layout import (
    ALWAYS,
    ARRIVE_CANCEL,
    ARRIVE_NEW,
    ARRIVE_REPLACE,
    CLOSING_NONE,
    CROSSED_WARN,
    DRAIN_ROWS,
    FAULT_CLAIMS,
    FAULT_REQUESTS,
    FAULT_STEPS,
    GROW_CLAIMS,
    GROW_MESSAGES,
    GROW_OWN_ORDERS,
    HOOK_FILL,
    HOOK_ORDER,
    HOOK_START,
    HOOK_STOP,
    HOOK_TIMER,
    NEVER,
    NIL,
    REQUEST_CANCEL,
    REQUEST_NEW,
    REQUEST_REPLACE,
    REQUEST_TIMER,
    REQUESTS_MAX,
    TELL_ACCEPTED,
    TELL_CLOSED,
    TELL_DENIED,
    TELL_FILL,
    TELL_REFUSED,
    TELL_REPLACED,
    TIMER,
    WIND_UP,
    context_at,
    instance_at,
    leg_at,
    message_at,
    watch_at,
)
from ._loss import QUANTITY_MAX, after_halt, closing_failed, wind_up, wind_up_room
from ._messages import (
    free_message,
    is_known_open,
    pop_arrival,
    pop_inbox,
    send_to_exchange,
    tell_strategy,
)
from ._notices import (
    CANCEL_SENT,
    ORDER_DENIED,
    REPLACE_SENT,
    REQUEST_REFUSED,
    SENT,
    log_answer,
    log_event,
    log_fill,
    log_replace,
    notify,
)

PENDING_NEW = int(OrderStatus.PENDING_NEW)
NEW = int(OrderStatus.NEW)
PARTIALLY_FILLED = int(OrderStatus.PARTIALLY_FILLED)
FILLED = int(OrderStatus.FILLED)
DENIED = int(OrderStatus.DENIED)
LIMIT = int(OrderType.LIMIT)
NO_REASON = int(Reason.NONE)
INVALID_QUANTITY = int(Reason.INVALID_QUANTITY)
INVALID_PRICE = int(Reason.INVALID_PRICE)
UNKNOWN_ORDER = int(Reason.UNKNOWN_ORDER)
USER_CANCEL = int(Reason.USER_CANCEL)
BOOK_CLEARED = int(Reason.BOOK_CLEARED)
LOSS_CANCEL = int(Reason.LOSS_CANCEL)

#: Messages one strategy may handle at one and the same local time.
STEPS_AT_ONE_TIME_MAX = 1_000_000
#: A quiet book decides an arrival this long after it at the latest, so that a strategy active on
#: another book hears of it. No feed seen delays an event that long against another.
QUIET_BOOK_NS = 10_000_000

_INDEX_MASK = 0xFFFFFFFF


@jit
def room_for(market: Any, execution: Any, router: Any, rows: int, callbacks: int) -> int:
    """Whether every block has room for that many rows and callbacks at once; a status.

    Each callback may make REQUESTS_MAX orders, and each of them a row and messages of its own.
    """
    orders = callbacks * REQUESTS_MAX
    rows = max(rows, orders)
    router.room_needed = rows
    if (
        execution.fill_capacity - execution.fill_n < rows
        or execution.order_capacity - execution.order_n < rows
    ):
        return DRAIN_ROWS
    # Per row one event, per order one, and what an arrival itself makes.
    if execution.event_log != 0 and execution.event_capacity - execution.event_n < 2 * rows + 2:
        return DRAIN_ROWS
    if execution.own_free_n < orders:
        return GROW_OWN_ORDERS
    if router.message_free_n < rows + 2 * orders:
        return GROW_MESSAGES
    if market.claim_free_n < rows:
        return GROW_CLAIMS
    return 0


@jit
def step_room(market: Any, execution: Any, router: Any) -> int:
    """Room for one arrival or one callback; a status."""
    return room_for(market, execution, router, STEP_ROWS, 1)


# --- callbacks and requests ---------------------------------------------------------------------


@jit
def callback(
    execution: Any, router: Any, instance_index: int, leg_index: int, hook: int, now_ns: int
) -> int:
    """Call one hook with the context as of ``now_ns``, then send what it asked for."""
    instance = instance_at(router.instances, instance_index)
    address = instance.hooks[hook]
    if address == 0:
        return 0
    leg = leg_at(router.legs, leg_index)
    ctx = context_at(instance.context, 0)
    limits = limits_at(router.limits, instance_index)
    watch = watch_at(router.watches, leg.book)
    ctx.now_ns = now_ns
    if ctx.leg != leg_index:
        session = session_at(execution.sessions, leg_index)
        ctx.leg = leg_index
        ctx.tick_size = leg.tick_size
        ctx.publisher_id = session.publisher_id
        ctx.instrument_id = session.instrument_id
    ctx.position = account_at(router.accounts, leg_index).known_position
    ctx.pnl = limits.known_pnl
    ctx.halted = limits.halted
    ctx.best_bid = watch.bid
    ctx.best_bid_size = watch.bid_size
    ctx.best_bid_count = watch.bid_count
    ctx.best_ask = watch.ask
    ctx.best_ask_size = watch.ask_size
    ctx.best_ask_count = watch.ask_count
    ctx.trade_price = watch.trade_price
    ctx.trade_size = watch.trade_size
    ctx.trade_side = watch.trade_side
    ctx.session_volume = watch.volume
    ctx.request_n = 0
    call_hook(address, instance.context, instance.state)
    if ctx.request_n == 0 or hook == HOOK_STOP:
        return 0
    return _send_requests(execution, router, instance_index, now_ns)


@jit
def _send_requests(execution: Any, router: Any, instance_index: int, now_ns: int) -> int:
    instance = instance_at(router.instances, instance_index)
    ctx = context_at(instance.context, 0)
    if ctx.request_n > REQUESTS_MAX:
        router.fault_instance = instance_index
        return FAULT_REQUESTS
    for k in range(ctx.request_n):
        kind = ctx.requests[k, 0]
        name = ctx.requests[k, 1]
        price = ctx.requests[k, 2]
        quantity = ctx.requests[k, 3]
        if kind == REQUEST_TIMER:
            timer = tell_strategy(router, execution, instance_index, price, TIMER, NIL)
            message_at(router.messages, timer).leg = ctx.leg
        elif kind == REQUEST_NEW:
            _send_new(execution, router, instance_index, name, now_ns)
        else:
            order = name & _INDEX_MASK
            own = own_at(execution.own_orders, order)
            known_open = is_known_open(own)
            if name == NIL or own.generation != name >> 32 or not known_open:
                router.requests_stale += 1
            elif kind == REQUEST_CANCEL:
                own.requests += 1
                arrival = arrival_ns(instance, now_ns)
                sent = send_to_exchange(router, execution, own.leg, arrival, ARRIVE_CANCEL, order)
                message_at(router.messages, sent).reason = USER_CANCEL
                if execution.event_log != 0:
                    log_event(execution, order, CANCEL_SENT, NO_REASON, 0, now_ns)
            elif kind == REQUEST_REPLACE:
                _send_replace(execution, router, instance_index, order, price, quantity, now_ns)
    return 0


@jit
def _price_fault(router: Any, leg: Any, price: int) -> bool:
    if price == UNDEF_PRICE or price == ALWAYS:
        return True
    return leg.tick_size > 0 and price % leg.tick_size != 0


@jit
def _send_new(execution: Any, router: Any, instance_index: int, order: int, now_ns: int) -> None:
    instance = instance_at(router.instances, instance_index)
    own = own_at(execution.own_orders, order)
    limits = limits_at(router.limits, instance_index)
    leg = leg_at(router.legs, own.leg)
    account = account_at(router.accounts, own.leg)
    if own.quantity <= 0 or own.quantity > QUANTITY_MAX:
        reason = INVALID_QUANTITY
    elif own.order_type == LIMIT and _price_fault(router, leg, own.price):
        reason = INVALID_PRICE
    else:
        reason = check_order(
            limits, account, router.send_times, own.side, own.quantity, own.quantity, now_ns
        )
    if reason != NO_REASON:
        own.status = DENIED
        own.reason = reason
        own.known_status = DENIED
        router.orders_denied += 1
        write_order_row(execution, own, now_ns)
        told = tell_strategy(router, execution, instance_index, now_ns, TELL_DENIED, order)
        message_at(router.messages, told).reason = reason
        if execution.event_log != 0:
            log_event(execution, order, ORDER_DENIED, reason, 0, now_ns)
        return
    if own.side > 0:
        account.open_buy_lots += own.quantity
    else:
        account.open_sell_lots += own.quantity
    router.orders_sent += 1
    if execution.event_log != 0:
        log_event(execution, order, SENT, NO_REASON, 0, now_ns)
    arrival = arrival_ns(instance, now_ns)
    send_to_exchange(router, execution, own.leg, arrival, ARRIVE_NEW, order)


@jit
def _send_replace(
    execution: Any, router: Any, instance_index: int, order: int, price: int, quantity: int,
    now_ns: int,
) -> None:  # fmt: skip
    instance = instance_at(router.instances, instance_index)
    own = own_at(execution.own_orders, order)
    leg = leg_at(router.legs, own.leg)
    account = account_at(router.accounts, own.leg)
    limits = limits_at(router.limits, instance_index)
    more = max(0, quantity - own.known_quantity)
    if quantity <= 0 or quantity > QUANTITY_MAX:
        reason = INVALID_QUANTITY
    elif own.order_type != LIMIT or _price_fault(router, leg, price):
        reason = INVALID_PRICE
    else:
        reason = check_order(limits, account, router.send_times, own.side, more, quantity, now_ns)
    if reason != NO_REASON:
        router.replaces_denied += 1
        told = tell_strategy(router, execution, instance_index, now_ns, TELL_REFUSED, order)
        message_at(router.messages, told).reason = reason
        own.requests += 1
        if execution.event_log != 0:
            row = log_event(execution, order, REQUEST_REFUSED, reason, 0, now_ns)
            log_replace(execution, row, price, quantity, own.known_price, own.known_quantity)
        return
    own.requests += 1
    if execution.event_log != 0:
        row = log_event(execution, order, REPLACE_SENT, NO_REASON, 0, now_ns)
        log_replace(execution, row, price, quantity, own.known_price, own.known_quantity)
    if own.side > 0:
        account.open_buy_lots += more
    else:
        account.open_sell_lots += more
    arrival = arrival_ns(instance, now_ns)
    index = send_to_exchange(router, execution, own.leg, arrival, ARRIVE_REPLACE, order)
    message = message_at(router.messages, index)
    message.price = price
    message.quantity = quantity
    message.lots = more


# --- at the exchange ----------------------------------------------------------------------------


@jit
def settle(execution: Any, router: Any, captured_ns: int) -> None:
    """Book the fills that happened since the last call and send word of them.

    ``captured_ns`` is when the record that caused them was captured; 0: an own order did, arriving.
    """
    for k in range(router.settled, execution.fill_n):
        row = fill_row_at(execution.fills, k)
        instance_index = leg_at(router.legs, row.leg).instance
        instance = instance_at(router.instances, instance_index)
        account = account_at(router.accounts, row.leg)
        book_fill(account, row.side, row.last_px, row.last_qty, row.commission)
        row.position = account.position
        router.unseen_trade_fills += row.reason == BY_UNSEEN_TRADE
        router.auction_fills += row.reason == BY_AUCTION
        index = notify(execution, router, row.leg, row.order, TELL_FILL, row.ts_event, captured_ns)
        message = message_at(router.messages, index)
        row.ts_known = max(message.ts, instance.clock)
        lead_ns = captured_ns - row.ts_known
        if lead_ns > 0:
            router.fills_known_before_capture += 1
            router.fills_known_before_capture_ns_max = max(
                router.fills_known_before_capture_ns_max, lead_ns
            )
        if execution.event_log != 0:
            log_fill(execution, row)
        message.price = row.last_px
        message.lots = row.last_qty
        message.quantity = row.commission
    router.settled = execution.fill_n


@jit
def update_watch(execution: Any, router: Any, leg_index: int, resting_before: int) -> None:
    """Keep the book's bounds on resting simulated orders true after one leg changed."""
    leg = leg_at(router.legs, leg_index)
    session = session_at(execution.sessions, leg_index)
    watch = watch_at(router.watches, leg.book)
    watch.resting += session.resting - resting_before
    if watch.resting == 0:
        open_bounds(watch)
    tighten_bounds(execution, watch, session)


@jit_inline
def open_bounds(watch: Any) -> None:
    """Bounds of a book in which no simulated order rests."""
    watch.own_bid = ALWAYS
    watch.own_ask = NEVER
    watch.own_bid_stamp = NEVER
    watch.own_ask_stamp = NEVER


@jit_inline
def tighten_bounds(execution: Any, watch: Any, session: Any) -> None:
    """Take one leg's best resting orders into its book's bounds."""
    if session.waiting != NIL:  # a market order is better than any price
        watch.own_bid = NEVER
        watch.own_bid_stamp = ALWAYS
        watch.own_ask = ALWAYS
        watch.own_ask_stamp = ALWAYS
        return
    if session.buys != NIL:
        own = own_at(execution.own_orders, session.buys)
        watch.own_bid = max(watch.own_bid, own.price)
        watch.own_bid_stamp = min(watch.own_bid_stamp, own.stamp)
    if session.sells != NIL:
        own = own_at(execution.own_orders, session.sells)
        watch.own_ask = min(watch.own_ask, own.price)
        watch.own_ask_stamp = min(watch.own_ask_stamp, own.stamp)


@jit_inline
def is_halted(router: Any, watch: Any) -> bool:
    """Whether nothing may trade: the book is locked or crossed, and the policy minds."""
    return watch.gapless == 0 and router.crossed_policy != CROSSED_WARN


@jit
def arrive(market: Any, execution: Any, router: Any, leg_index: int) -> int:
    """Let the leg's next message act at the exchange, at its own time; a status."""
    leg = leg_at(router.legs, leg_index)
    index = pop_arrival(router, leg)
    message = message_at(router.messages, index)
    order = message.order
    own = own_at(execution.own_orders, order)
    session = session_at(execution.sessions, leg_index)
    # A strategy that was told late acts late: the book has moved on.
    ts = max(message.ts, book_at(market.books, session.book).clock)
    is_open = not is_halted(router, watch_at(router.watches, leg.book))
    resting_before = session.resting
    execution.claim_shortage = 0
    old_price = own.price
    old_quantity = own.quantity
    kind = TELL_ACCEPTED
    done = True
    if message.kind == ARRIVE_NEW:
        arrive_new(market, execution, order, is_open, ts)
    elif message.kind == ARRIVE_CANCEL:
        kind = TELL_CLOSED
        done = arrive_cancel(execution, order, message.reason, ts)
    else:
        kind = TELL_REPLACED
        done = arrive_replace(
            market, execution, order, message.price, message.quantity, is_open, ts
        )
    if execution.claim_shortage != 0:
        router.fault_instance = leg.instance
        return FAULT_CLAIMS
    told = notify(execution, router, leg_index, order, kind if done else TELL_REFUSED, ts, 0)
    told_message = message_at(router.messages, told)
    told_message.price = message.price
    told_message.quantity = message.quantity
    told_message.lots = message.lots
    if not done:
        told_message.reason = UNKNOWN_ORDER
    elif message.kind == ARRIVE_CANCEL:
        told_message.reason = message.reason
    if execution.event_log != 0:
        log_answer(execution, router, told, ts, old_price, old_quantity)
    if execution.fill_n != router.settled:
        settle(execution, router, 0)
    if done and message.kind != ARRIVE_CANCEL and not is_live(own) and own.status != FILLED:
        _tell_closed(execution, router, leg_index, order, ts, 0)
    update_watch(execution, router, leg_index, resting_before)
    free_message(router, execution, index)
    return 0


@jit
def release_waiting(
    market: Any, execution: Any, router: Any, leg_index: int, ts_event: int
) -> None:
    """Let market orders that waited for a halt to end take, in order of arrival."""
    session = session_at(execution.sessions, leg_index)
    touched = 0
    order = session.waiting
    while order != NIL and execution.claim_shortage == 0:
        own = own_at(execution.own_orders, order)
        following = own.next
        touched = take_waiting(market, execution, order, touched, ts_event)
        if execution.fill_n != router.settled:
            settle(execution, router, router.event_local)
        if own.status != FILLED:
            _tell_closed(execution, router, leg_index, order, ts_event, router.event_local)
        order = following


@jit
def cancel_cleared(execution: Any, router: Any, leg_index: int, ts_event: int) -> None:
    """Cancel all orders of a leg at the exchange, which has cleared the book."""
    session = session_at(execution.sessions, leg_index)
    while session.resting > 0:
        order = session.waiting
        if order == NIL:
            order = session.buys if session.buys != NIL else session.sells
        unrest(execution, order)
        own = own_at(execution.own_orders, order)
        close_own(execution, own, CANCELED, BOOK_CLEARED, ts_event)
        router.orders_canceled_by_clear += 1
        _tell_closed(execution, router, leg_index, order, ts_event, router.event_local)


@jit
def _tell_closed(
    execution: Any, router: Any, leg_index: int, order: int, ts_event: int, captured_ns: int
) -> None:
    """Send word that an order has ended without a fill, not as the answer to a cancel."""
    told = notify(execution, router, leg_index, order, TELL_CLOSED, ts_event, captured_ns)
    if execution.event_log != 0:
        log_answer(execution, router, told, ts_event, UNDEF_PRICE, 0)


# --- at the strategy ----------------------------------------------------------------------------


@jit
def _release(router: Any, own: Any) -> None:
    """Give back the lots that an order kept reserved, now that it is known to be over."""
    account = account_at(router.accounts, own.leg)
    rest = own.known_quantity - own.known_filled
    if own.side > 0:
        account.open_buy_lots -= rest
    else:
        account.open_sell_lots -= rest


@jit
def _retire(execution: Any, router: Any, instance_index: int, order: int) -> None:
    """Free a closed order's record when nothing can name it any more."""
    own = own_at(execution.own_orders, order)
    if own.messages > 0 or is_known_open(own):
        return
    if own.status == PENDING_NEW or is_live(own):
        return
    ctx = context_at(instance_at(router.instances, instance_index).context, 0)
    if own.open_prev == NIL:
        ctx.open_head = own.open_next
    else:
        own_at(execution.own_orders, own.open_prev).open_next = own.open_next
    if own.open_next == NIL:
        ctx.open_tail = own.open_prev
    else:
        own_at(execution.own_orders, own.open_next).open_prev = own.open_prev
    own.generation += 1
    own.next = execution.own_free
    execution.own_free = order
    execution.own_free_n += 1


@jit_inline
def _note_denial(instance: Any, reason: int) -> None:
    instance.denials += 1
    instance.denial_reason = reason


@jit
def deliver(execution: Any, router: Any, instance_index: int, now_floor: int) -> int:
    """Hand the instance its next message, at the message's time; a status."""
    instance = instance_at(router.instances, instance_index)
    if message_at(router.messages, instance.inbox_head).kind == WIND_UP:
        room = wind_up_room(execution, router, instance_index)
        if room != 0:
            return room
    index = pop_inbox(router, instance)
    message = message_at(router.messages, index)
    now = max(message.ts, now_floor)
    if now < instance.clock:
        if message.kind != TIMER and message.kind != WIND_UP:
            router.late_responses += 1
            late_ns = instance.clock - now
            router.late_responses_ns_max = max(router.late_responses_ns_max, late_ns)
        now = instance.clock
    if now == instance.clock:
        instance.steps += 1
        if instance.steps == 1:
            instance.denials = 0
        if instance.steps > STEPS_AT_ONE_TIME_MAX:
            router.fault_instance = instance_index
            return FAULT_STEPS
    else:
        instance.steps = 0
        instance.denials = 0
    instance.clock = now
    order = message.order
    if message.kind == TIMER:
        leg_index = message.leg
        free_message(router, execution, index)
        return callback(execution, router, instance_index, leg_index, HOOK_TIMER, now)
    if message.kind == WIND_UP:
        free_message(router, execution, index)
        wind_up(execution, router, instance_index, now)
        return 0
    own = own_at(execution.own_orders, order)
    leg_index = own.leg
    account = account_at(router.accounts, leg_index)
    ctx = context_at(instance.context, 0)
    hook = HOOK_ORDER
    reason = message.reason
    is_closing = own.client_order_id < 0  # the simulation's own order
    if message.kind == TELL_ACCEPTED:
        if own.known_status == PENDING_NEW:
            own.known_status = NEW
    elif message.kind == TELL_FILL:
        hook = HOOK_FILL
        learn_fill(account, own.side, message.price, message.lots, message.quantity)
        own.known_filled += message.lots
        ctx.fill_price = message.price
        ctx.fill_quantity = message.lots
        own.known_status = PARTIALLY_FILLED
        if own.known_filled == own.known_quantity:
            own.known_status = FILLED
        mark = watch_at(router.watches, leg_at(router.legs, leg_index).book).mark
        if mark != UNDEF_PRICE:  # the account's own may date from an earlier position
            account.mark = mark
        if is_closing and own.known_status == FILLED:
            leg_at(router.legs, leg_index).closing = CLOSING_NONE
        limits = limits_at(router.limits, instance_index)
        revalue(account, limits)
        if limits.halted != 0:
            after_halt(execution, router, leg_index, now)  # there is room for its one message
    elif message.kind == TELL_CLOSED:
        if reason == USER_CANCEL or reason == LOSS_CANCEL:
            own.requests -= 1
        if is_closing:
            closing_failed(router, leg_index)
        if is_known_open(own):
            _release(router, own)
        own.known_status = own.status
        reason = own.reason
    elif message.kind == TELL_REPLACED:
        own.requests -= 1
        change = message.quantity - own.known_quantity - message.lots
        if own.side > 0:
            account.open_buy_lots += change
        else:
            account.open_sell_lots += change
        own.known_quantity = message.quantity
        own.known_price = message.price
        if own.known_filled == own.known_quantity:
            own.known_status = FILLED
    elif message.kind == TELL_DENIED:
        _note_denial(instance, reason)
    elif message.kind == TELL_REFUSED:
        own.requests -= 1
        if reason != UNKNOWN_ORDER:
            _note_denial(instance, reason)
        if own.side > 0:
            account.open_buy_lots -= message.lots
        else:
            account.open_sell_lots -= message.lots
    ctx.update_order = (own.generation << 32) | order
    ctx.update_status = own.known_status
    ctx.update_reason = reason
    free_message(router, execution, index)
    status = callback(execution, router, instance_index, leg_index, hook, now)
    _retire(execution, router, instance_index, order)
    return status


# --- in time ------------------------------------------------------------------------------------


@jit
def start(market: Any, execution: Any, router: Any, leg_index: int, now_ns: int) -> int:
    """Begin an instance's life at the first event of any of its books."""
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    if instance.started != 0:
        return 0
    room = step_room(market, execution, router)
    if room != 0:
        return room
    instance.started = 1
    instance.clock = now_ns
    return callback(execution, router, leg.instance, leg_index, HOOK_START, now_ns)


@jit
def before_event(
    market: Any, execution: Any, router: Any, leg_index: int, exchange_ns: int, local_ns: int
) -> int:
    """Everything of this leg that happens before an event of its book at ``exchange_ns``.

    Arrivals and the strategy's own time, in order of time; an arrival first where both are equal.
    """
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    if instance.leg_n > 1:
        status = _decide_on_quiet_books(market, execution, router, leg_index, local_ns)
        if status != 0:
            return status
    while True:
        arrives = leg.arrival_due < exchange_ns
        hears = instance.local_due < exchange_ns
        if not arrives and not hears:
            return 0
        room = step_room(market, execution, router)
        if room != 0:
            return room
        if arrives and (not hears or leg.arrival_due <= instance.local_due):
            status = arrive(market, execution, router, leg_index)
        else:
            status = deliver(execution, router, leg.instance, 0)
        if status != 0:
            return status


@jit
def _decide_on_quiet_books(
    market: Any, execution: Any, router: Any, leg_index: int, local_ns: int
) -> int:
    leg = leg_at(router.legs, leg_index)
    at = instance_at(router.instances, leg.instance).legs
    while at != NIL:
        other = leg_at(router.legs, at)
        open_event = book_at(market.books, other.book).open != 0
        while (
            at != leg_index
            and not open_event
            and other.arrival_due < NEVER
            and other.arrival_due + QUIET_BOOK_NS <= local_ns
        ):
            room = step_room(market, execution, router)
            if room != 0:
                return room
            router.forced_arrivals += 1
            status = arrive(market, execution, router, at)
            if status != 0:
                return status
        at = other.next_of_instance
    return 0


@jit
def until_local(
    market: Any, execution: Any, router: Any, instance_index: int, local_ns: int
) -> int:
    """Hand the instance what reaches it up to and including a local time."""
    instance = instance_at(router.instances, instance_index)
    while instance.local_due <= local_ns:
        room = step_room(market, execution, router)
        if room != 0:
            return room
        status = deliver(execution, router, instance_index, 0)
        if status != 0:
            return status
    return 0
