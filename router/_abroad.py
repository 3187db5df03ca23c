"""Orders that a broker elsewhere works: their requests leave the loop, words of them come back.

What leaves is on its way for ever, as far as the loop can see, so that nothing of it is simulated;
it is taken out here, in the order of its sending. A word is what the broker, or the rails before
it, says of one order: the order's record follows it, and the strategy is told at once. There is no
other exchange: what is not said has not happened.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit, jit_entry
from tapewire.compiled.memory import accessor
from tapewire.execution.layout import NEVER, execution_at, fill_row_at, own_at
from tapewire.execution.order_events import log_event, log_fill
from tapewire.execution.orders import close_own, fill, handle_of, open_order
from tapewire.execution.words import BY_BROKER, FILLED, LOG_SENT, NEW, NO_REASON, PENDING_NEW, RAILS
from tapewire.market.layout import NIL, market_at
from tapewire.positions.accounting import book_fill, reserve
from tapewire.positions.layout import account_at
from tapewire.router._exchange import log_answer
from tapewire.router._layout import (
    ARRIVE_CANCEL_ALL,
    ARRIVE_NEW,
    GROW_OWN_ORDERS,
    TELL_ACCEPTED,
    TELL_CHANGED,
    TELL_CLOSED,
    TELL_FILL,
    TELL_REPLACED,
    instance_at,
    leg_at,
    message_at,
    router_at,
)
from tapewire.router._messages import free_message, pop_arrival, tell_strategy
from tapewire.router._room import room_for
from tapewire.strategies.layout import context_at

#: How long requests are on their way: for ever, and still before `NEVER` when a time is added.
ABROAD_NS: Final = 1 << 62
#: Rows and messages that one word may make, at most.
_WORD_ROWS: Final = 2

#: A request as it left.
REQUEST: Final = np.dtype(
    [
        ("kind", "i8"),  # ARRIVE_*
        ("handle", "i8"),
        ("leg", "i8"),
        ("client_order_id", "i8"),
        ("side", "i8"),
        ("order_type", "i8"),
        ("time_in_force", "i8"),
        ("price", "i8"),  # of a replace: the new one
        ("trigger_price", "i8"),
        ("quantity", "i8"),  # likewise
        ("lots", "i8"),  # reserved by a replace
        ("expire_ns", "i8"),
        ("terms", "i8"),
        ("of_trigger", "i8"),  # a replace's price is a trigger
        ("ts", "i8"),  # local time at which it left
    ]
)

#: What is said of an order; or an order of the account's own that becomes one of a leg.
WORD: Final = np.dtype(
    [
        ("kind", "i8"),  # TELL_*
        ("handle", "i8"),
        ("answers", "i8"),  # 1: it is what a cancel or replace has waited for
        ("status", "i8"),  # of one that ends
        ("reason", "i8"),
        ("price", "i8"),
        ("quantity", "i8"),
        ("lots", "i8"),  # of a fill; reserved by the replace that is answered
        ("liquidity", "i8"),
        ("commission", "i8"),
        ("has_commission", "i8"),  # 0: the fee model says what it is
        ("ts_event", "i8"),
        ("ts_known", "i8"),  # local time at which it is heard
        # of an order that is opened
        ("leg", "i8"),
        ("client_order_id", "i8"),
        ("side", "i8"),
        ("order_type", "i8"),
        ("time_in_force", "i8"),
    ]
)
request_at = accessor(REQUEST, in_block=False)
word_at = accessor(WORD, in_block=False)
_INDEX_MASK: Final = 0xFFFFFFFF


@jit_entry
def take_request(router_address: int, request_address: int) -> int:
    """Take the request that left first into a record; 0 if there is none.

    An order whose cancel or replace is not answered yet keeps its record.
    """
    router = router_at(router_address, 0)
    execution = execution_at(router.execution, 0)
    chosen = NIL
    first = NEVER
    for at in range(router.leg_n):
        head = leg_at(router.legs, at).arrival_head
        if head != NIL and message_at(router.messages, head).ts < first:
            first = message_at(router.messages, head).ts
            chosen = at
    if chosen == NIL:
        return 0
    index = pop_arrival(router, execution, chosen)
    message = message_at(router.messages, index)
    order = message.order
    own = own_at(execution.own_orders, order)
    request = request_at(request_address, 0)
    is_new = message.kind == ARRIVE_NEW
    request.kind = message.kind
    request.handle = handle_of(own, order)
    request.leg = chosen
    request.client_order_id = own.client_order_id
    request.side = own.side
    request.order_type = own.order_type
    request.time_in_force = own.time_in_force
    request.price = own.price if is_new else message.price
    request.trigger_price = own.trigger_price
    request.quantity = own.quantity if is_new else message.quantity
    request.lots = message.lots
    request.expire_ns = own.expire_ns
    request.terms = own.terms
    request.of_trigger = not is_new and message.reason != NO_REASON
    request.ts = message.ts - ABROAD_NS
    free_message(router, execution, index)
    if not is_new and message.kind != ARRIVE_CANCEL_ALL:
        own.messages += 1
    return 1


@jit_entry
def hear(router_address: int, word_address: int) -> int:
    """Follow a word about an order, and have its strategy told; a status.

    The order is the very one of the handle: who calls has seen to it.
    """
    router = router_at(router_address, 0)
    execution = execution_at(router.execution, 0)
    room = room_for(market_at(router.market, 0), execution, router, _WORD_ROWS, 0)
    if room != 0:
        return room
    word = word_at(word_address, 0)
    order = word.handle & _INDEX_MASK
    own = own_at(execution.own_orders, order)
    old_price = own.price
    old_quantity = own.quantity
    leg = leg_at(router.legs, own.leg)
    clock = instance_at(router.instances, leg.instance).clock
    due = max(word.ts_known, leg.notice_floor, clock)
    # The venue's clock is not this host's: nothing happens before it was asked for, or after it was
    # heard of.
    ts = min(max(word.ts_event, own.ts_sent, own.ts_arrived, own.ts_replaced), due)
    own.messages -= word.answers
    told = tell_strategy(router, execution, leg.instance, due, word.kind, order)
    leg.notice_floor = due
    if word.kind == TELL_FILL:
        _hear_fill(execution, router, word, order, ts, told)
        return 0
    if word.kind == TELL_ACCEPTED:
        own.ts_arrived = ts
        if own.status == PENDING_NEW:
            own.status = NEW
    elif word.kind == TELL_CLOSED:
        close_own(execution, own, word.status, word.reason, ts)
    elif word.kind == TELL_REPLACED or word.kind == TELL_CHANGED:
        own.price = word.price
        own.quantity = word.quantity
        own.word_quantity = word.quantity
        own.replaces += 1
        own.ts_replaced = ts
        if own.quantity == own.filled:
            close_own(execution, own, FILLED, NO_REASON, ts)
    message = message_at(router.messages, told)
    message.reason = word.reason
    message.lots = word.lots
    message.price = own.price if word.kind == TELL_ACCEPTED else word.price
    message.quantity = word.quantity
    if execution.event_log != 0:
        log_answer(execution, router, told, ts, old_price, old_quantity)
    return 0


@jit
def _hear_fill(execution: Any, router: Any, word: Any, order: int, ts: int, told: int) -> None:
    """Book a fill, of which word is sent."""
    own = own_at(execution.own_orders, order)
    if own.status == PENDING_NEW:  # nobody said that it had come
        own.ts_arrived = ts
    fill(execution, order, word.price, word.lots, word.liquidity, BY_BROKER, ts)
    row = fill_row_at(execution.fills, execution.fill_n - 1)
    if word.has_commission != 0:
        row.commission = word.commission
    account = account_at(router.accounts, own.leg)
    book_fill(account, row.side, row.last_px, row.last_qty, row.commission)
    row.position = account.position
    message = message_at(router.messages, told)
    row.ts_known = message.ts
    if execution.event_log != 0:
        log_fill(execution, row)
    message.price = row.last_px
    message.lots = row.last_qty
    message.quantity = ts
    message.commission = row.commission
    router.settled = execution.fill_n


@jit_entry
def open_account_order(router_address: int, word_address: int) -> int:
    """Make an order of the account that no strategy sent one of a leg; a status.

    The word is given its handle.
    """
    router = router_at(router_address, 0)
    execution = execution_at(router.execution, 0)
    room = room_for(market_at(router.market, 0), execution, router, _WORD_ROWS, 0)
    if room != 0:
        return room
    if execution.own_free_n == 0:
        return GROW_OWN_ORDERS
    word = word_at(word_address, 0)
    leg = leg_at(router.legs, word.leg)
    context = context_at(instance_at(router.instances, leg.instance).context, 0)
    order = open_order(
        execution, context, word.leg, word.ts_known, word.client_order_id, word.side,
        word.order_type, word.price, word.quantity, word.time_in_force,
    )  # fmt: skip
    own = own_at(execution.own_orders, order)
    own.reason = RAILS
    reserve(account_at(router.accounts, word.leg), word.side, word.quantity)
    if execution.event_log != 0:
        log_event(execution, order, LOG_SENT, RAILS, 0, word.ts_known)
    word.handle = handle_of(own, order)
    return 0
