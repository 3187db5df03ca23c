"""At the exchange: what arrives there, what an event fills, and the word that is sent of it."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.arriving import (
    arrive_cancel,
    arrive_new,
    arrive_replace,
    can_wait,
    cancel_resting,
    take_waiting,
)
from tapewire.execution.auctions import match_auction
from tapewire.execution.changing import cancel_cut
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.clips import CLIPS_MAX
from tapewire.execution.delays import feed_delay_ns, response_delay_ns
from tapewire.execution.filling import match_event
from tapewire.execution.houses import house_of
from tapewire.execution.incoming import find_incoming
from tapewire.execution.layout import (
    NEVER,
    SHUT_DOUBT,
    SHUT_NOW,
    fill_row_at,
    own_at,
    party_at,
    rules_at,
)
from tapewire.execution.meeting import match_company, met_at
from tapewire.execution.models.latency.legs import FILL, RESPONSE
from tapewire.execution.order_events import log_event, log_fill, log_replace
from tapewire.execution.orders import close_own, is_live
from tapewire.execution.resting import (
    first_resting,
    note_change,
    open_bounds,
    tighten_bounds,
    unrest,
)
from tapewire.execution.stops import note_stops
from tapewire.execution.traces import (
    CLEARED_AUCTION,
    CLEARED_BOOK,
    count_traces,
    is_cleared,
    kinds_of,
)
from tapewire.execution.words import (
    BOOK_CLEARED,
    BY_AUCTION,
    BY_UNSEEN_TRADE,
    EXPIRED,
    FILLED,
    LOG_ACCEPTED,
    LOG_CANCELED,
    LOG_CHANGED,
    LOG_EXPIRED,
    LOG_REFUSED,
    LOG_REJECTED,
    LOG_REPLACED,
    MARKET_CLOSED,
    NO_EFFECT,
    NO_REASON,
    REJECTED,
    TERM_GROUP,
    TERM_PEG,
    TERM_REDUCE_ONLY,
    TERM_REPRICE,
    TERM_STOP,
    TRIGGER_PASSED,
    UNKNOWN_ORDER,
)
from tapewire.market.layout import NIL, book_at
from tapewire.market.records import UNDEF_PRICE
from tapewire.market.status import MATCHES, allows
from tapewire.positions.accounting import book_fill, book_sides
from tapewire.positions.gateway import connected_ns
from tapewire.positions.layout import account_at
from tapewire.router._expiry import expire_next, note_expiry, set_day
from tapewire.router._layout import (
    ARRIVE_CANCEL,
    ARRIVE_NEW,
    ARRIVE_REPLACE,
    CROSSED_WARN,
    FAULT_CLAIMS,
    NOTICE_FEED,
    TELL_ACCEPTED,
    TELL_CHANGED,
    TELL_CLOSED,
    TELL_FILL,
    TELL_REFUSED,
    TELL_REPLACED,
    instance_at,
    leg_at,
    message_at,
    watch_at,
)
from tapewire.router._messages import free_message, pop_arrival, tell_strategy
from tapewire.router._room import room_for
from tapewire.router._states import refusal, state_at

#: Terms of orders of which the exchange has the last word on the price, on the lots.
_SEES_TO_PRICE: Final = TERM_REPRICE | TERM_PEG
_SEES_TO_LOTS: Final = TERM_GROUP | TERM_REDUCE_ONLY


@jit
def notify(
    execution: Any, router: Any, leg_index: int, order: int, kind: int, ts_event: int,
    captured_ns: int,
) -> int:  # fmt: skip
    """Send word of something at the exchange to the leg's strategy; returns the message.

    It takes the response latency, never overtakes earlier word, and waits for a session that is
    cut. Under ``fill_notice: feed``
    what a market record caused is known no earlier than that record, captured at ``captured_ns``
    (0: no record did it).
    """
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    way = FILL if kind == TELL_FILL else RESPONSE
    due = max(ts_event + response_delay_ns(execution, order, way, ts_event), leg.notice_floor)
    if router.fill_notice == NOTICE_FEED and captured_ns != 0:
        event = router.event_number
        feed_ns = feed_delay_ns(execution, instance.feed_ns, leg_index, captured_ns, event)
        due = max(due, captured_ns + feed_ns)
    if instance.cuts != 0:
        due = connected_ns(instance.cuts, due)
    leg.notice_floor = due
    return tell_strategy(router, execution, leg.instance, due, kind, order)


@jit
def expire(market: Any, execution: Any, router: Any, leg_index: int) -> None:
    """Let the leg's next expiry act, and word of it set out."""
    party = house_of(execution, leg_index)
    rules = rules_at(execution.rules, leg_index)
    watch = watch_at(router.watches, party.book)
    resting_before = party.resting
    stops_before = rules.stops
    clock = book_at(market.books, party.book).clock
    order = expire_next(execution, router, leg_index, clock)
    if order != NIL:
        ts = max(own_at(execution.own_orders, order).expire_ns, clock)
        tell_closed(execution, router, leg_index, order, ts, 0)
        note_change(execution, watch, party, resting_before)
        note_stops(execution, watch, rules, stops_before)


@jit
def arrive(market: Any, execution: Any, router: Any, leg_index: int) -> int:
    """Let the leg's next message act at the exchange, at its own time; a status."""
    leg = leg_at(router.legs, leg_index)
    index = pop_arrival(router, execution, leg_index)
    message = message_at(router.messages, index)
    order = message.order
    own = own_at(execution.own_orders, order)
    party = house_of(execution, leg_index)
    rules = rules_at(execution.rules, leg_index)
    # A strategy that was told late acts late: the book has moved on.
    ts = max(message.ts, book_at(market.books, party.book).clock)
    watch = watch_at(router.watches, leg.book)
    state = state_at(router, watch, ts)
    is_open = acts_at_once(router, watch, party, own, state)
    resting_before = party.resting
    stops_before = rules.stops
    execution.claim_shortage = 0
    old_price = own.price
    old_quantity = own.quantity
    of_trigger = message.kind == ARRIVE_REPLACE and message.reason == TRIGGER_PASSED
    if of_trigger:
        old_price = own.trigger_price
    kind = TELL_ACCEPTED
    refused = NO_REASON
    if watch.transition != NIL and (message.kind == ARRIVE_NEW or is_live(own)):
        refused = refusal(router, state, message.kind, own.time_in_force)
    if ts >= watch.expiry_ns and message.kind == ARRIVE_NEW:
        refused = MARKET_CLOSED
    if refused != NO_REASON:
        if message.kind == ARRIVE_NEW:
            own.ts_arrived = ts
            close_own(execution, own, REJECTED, refused, ts)
            kind = TELL_CLOSED
            refused = NO_REASON
    elif message.kind == ARRIVE_NEW:
        set_day(router, watch, own, ts)
        arrive_new(market, execution, order, is_open, ts)
        if own.status == REJECTED:
            kind = TELL_CLOSED
        elif own.expire_ns < NEVER and is_live(own):
            note_expiry(execution, router, leg_index, own.expire_ns)
    elif message.kind == ARRIVE_CANCEL:
        kind = TELL_CLOSED
        if not arrive_cancel(execution, order, message.reason, ts):
            refused = UNKNOWN_ORDER
    else:
        kind = TELL_REPLACED
        refused = arrive_replace(
            market, execution, order, message.price, message.quantity, is_open, ts, of_trigger
        )
    if execution.claim_shortage != 0:
        router.fault_instance = leg.instance
        return FAULT_CLAIMS
    if refused != NO_REASON:
        kind = TELL_REFUSED
    told = notify(execution, router, leg_index, order, kind, ts, 0)
    told_message = message_at(router.messages, told)
    told_message.price = message.price
    told_message.quantity = message.quantity
    told_message.lots = message.lots
    if message.kind == ARRIVE_NEW or (kind == TELL_REPLACED and own.terms & _SEES_TO_PRICE):
        told_message.price = own.price
    if kind == TELL_REPLACED:
        if own.terms & _SEES_TO_LOTS and is_live(own):
            told_message.quantity = own.quantity
        own.word_quantity = told_message.quantity
    if refused != NO_REASON:
        told_message.reason = refused
    elif message.kind == ARRIVE_CANCEL:
        told_message.reason = message.reason
    if execution.event_log != 0:
        log_answer(execution, router, told, ts, old_price, old_quantity)
    may_have_ended = kind == TELL_ACCEPTED or kind == TELL_REPLACED  # and nobody was told
    tell_outcome(execution, router, order, may_have_ended, ts, 0)
    note_change(execution, watch, party, resting_before)
    if rules.stops != stops_before or own.terms & TERM_STOP:
        note_stops(execution, watch, rules, stops_before)
    free_message(router, execution, index)
    return 0


@jit
def match_parties(
    market: Any, execution: Any, router: Any, watch: Any, book: int, exchange_ns: int
) -> int:
    """Let the event act on resting simulated orders, leg by leg; a status.

    A halt holds back all fills but those of an auction.
    """
    kinds = kinds_of(execution, watch.traces)
    halted = is_halted(router, watch)
    cleared = False
    if kinds & CLEARED_BOOK and router.clear_cancels != 0:
        cleared = is_cleared(market, execution, watch.traces, book)
    if halted and not kinds & CLEARED_AUCTION and not cleared:
        return 0
    if cleared:  # what waited for the halt to end finds no market, and ends
        router.reopened = 0
    if router.reopened == 0:  # else all that stands across ours meets them, new or not
        find_incoming(market, execution, book, watch.traces, kinds)
    trace_n = count_traces(execution, watch.traces, NIL)
    while router.cursor != NIL:
        leg = leg_at(router.legs, router.cursor)
        party = party_at(execution.parties, router.cursor)
        if party.resting > 0:
            # An order may fill by auction, by volume and by what came in, and be canceled, and
            # icebergs fill clip by clip; or, at a reopening, take: then a row comes with every real
            # order touched, too.
            rows = 4 * (party.resting + CLIPS_MAX) + trace_n + 1
            if router.reopened != 0:
                rows += 5 * party.resting + 2 * STEP_ROWS
            room = room_for(market, execution, router, rows, 0)
            if room != 0:
                return room
            resting_before = party.resting
            execution.claim_shortage = 0
            if kinds & CLEARED_AUCTION:
                match_auction(market, execution, router.cursor, watch.traces, exchange_ns)
            if router.reopened != 0 and party.waiting != NIL:
                _release_waiting(market, execution, router, router.cursor, exchange_ns)
            if not halted:
                match_event(
                    market, execution, router.cursor, watch.traces, kinds, exchange_ns,
                    router.reopened != 0,
                )  # fmt: skip
            if execution.claim_shortage != 0:
                router.fault_instance = leg.instance
                return FAULT_CLAIMS
            if execution.fill_n != router.settled:
                settle(execution, router, router.event_local)
            if router.reopened != 0 and rules_at(execution.rules, router.cursor).self_trade != 0:
                _meet_company(market, execution, router, router.cursor, exchange_ns)
            if cleared:
                _cancel_cleared(execution, router, router.cursor, exchange_ns)
            if party.resting != resting_before:
                note_change(execution, watch, party, resting_before)
        router.cursor = leg.next_of_book
    if watch.resting > 0:
        tighten(execution, router, watch)
    return 0


@jit
def _release_waiting(
    market: Any, execution: Any, router: Any, leg_index: int, ts_event: int
) -> None:
    """Let market orders that waited for a halt to end take, in order of arrival."""
    party = party_at(execution.parties, leg_index)
    touched = 0
    order = party.waiting
    while order != NIL and execution.claim_shortage == 0:
        own = own_at(execution.own_orders, order)
        following = own.next
        if own.filled == own.quantity:  # another of its group has filled
            order = following
            continue
        touched = take_waiting(market, execution, order, touched, ts_event)
        if own.quantity != own.word_quantity and own.status == FILLED:
            tell_changed(execution, router, own.leg, order, ts_event, router.event_local)
        if execution.fill_n != router.settled:
            settle(execution, router, router.event_local)
        if is_live(own):
            tell_changed(execution, router, own.leg, order, ts_event, router.event_local)
        elif own.status != FILLED:
            tell_closed(execution, router, own.leg, order, ts_event, router.event_local)
        tell_met(execution, router, ts_event, router.event_local)
        order = following


@jit
def _meet_company(market: Any, execution: Any, router: Any, leg_index: int, ts_event: int) -> None:
    """Let those of a shared book that stand across each other as a halt ends meet."""
    done = False
    while not done:
        done = match_company(market, execution, leg_index, ts_event)
        if execution.fill_n != router.settled:
            settle(execution, router, router.event_local)
        tell_met(execution, router, ts_event, router.event_local)


@jit
def tell_met(execution: Any, router: Any, ts_event: int, captured_ns: int) -> None:
    """Send word of orders that ended or lost lots as they met others."""
    for k in range(execution.met_n):
        met = met_at(execution.met, k)
        order = met.order
        leg = own_at(execution.own_orders, order).leg
        if met.lots == 0:
            tell_closed(execution, router, leg, order, ts_event, captured_ns)
        else:
            tell_changed(execution, router, leg, order, ts_event, captured_ns)
    execution.met_n = 0


@jit
def _cancel_cleared(execution: Any, router: Any, leg_index: int, ts_event: int) -> None:
    """Cancel all orders of a leg at the exchange, which has cleared the book."""
    party = party_at(execution.parties, leg_index)
    while party.resting > 0:
        order = first_resting(party)
        own = own_at(execution.own_orders, order)
        if own.quantity == own.filled:  # another of its group has filled in this very event
            unrest(execution, order)
            cancel_cut(execution, order, ts_event)
        else:
            cancel_resting(execution, order, BOOK_CLEARED, ts_event)
            router.orders_canceled_by_clear += 1
        tell_closed(execution, router, own.leg, order, ts_event, router.event_local)


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
        if row.effect == NO_EFFECT:
            book_fill(account, row.side, row.last_px, row.last_qty, row.commission)
        else:
            book_sides(account, row.side, row.last_px, row.last_qty, row.commission, row.effect)
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
        message.quantity = row.ts_event
        message.commission = row.commission
    router.settled = execution.fill_n


@jit
def tell_outcome(
    execution: Any, router: Any, order: int, may_have_ended: bool, ts_event: int, captured_ns: int
) -> None:
    """After an order has acted: send word of lots taken off it, of fills, of its end, of those met.

    ``captured_ns`` is as in `settle`.
    """
    own = own_at(execution.own_orders, order)
    if own.quantity != own.word_quantity and (is_live(own) or own.status == FILLED):
        tell_changed(execution, router, own.leg, order, ts_event, captured_ns)
    if execution.fill_n != router.settled:
        settle(execution, router, captured_ns)
    if may_have_ended and not is_live(own) and own.status != FILLED:
        tell_closed(execution, router, own.leg, order, ts_event, captured_ns)
    if execution.met_n > 0:
        tell_met(execution, router, ts_event, captured_ns)


@jit
def tell_closed(
    execution: Any, router: Any, leg_index: int, order: int, ts_event: int, captured_ns: int
) -> None:
    """Send word that an order has ended without a fill, not as the answer to a cancel."""
    told = notify(execution, router, leg_index, order, TELL_CLOSED, ts_event, captured_ns)
    if execution.event_log != 0:
        log_answer(execution, router, told, ts_event, UNDEF_PRICE, 0)


@jit
def tell_refused(
    execution: Any, router: Any, leg_index: int, order: int, reason: int, ts_event: int
) -> None:
    """Send word that a mass cancel was refused, as of the order that it named."""
    told = notify(execution, router, leg_index, order, TELL_REFUSED, ts_event, 0)
    message = message_at(router.messages, told)
    message.reason = reason
    message.quantity = NIL
    if execution.event_log != 0:
        log_answer(execution, router, told, ts_event, UNDEF_PRICE, 0)


@jit
def tell_changed(
    execution: Any, router: Any, leg_index: int, order: int, ts_event: int, captured_ns: int
) -> None:
    """Send word that the exchange has changed an order: its price now, which may be none, its lots.

    Its fills are told on their own.
    """
    own = own_at(execution.own_orders, order)
    told = notify(execution, router, leg_index, order, TELL_CHANGED, ts_event, captured_ns)
    message = message_at(router.messages, told)
    message.price = own.price
    message.quantity = own.quantity
    if own.quantity != own.word_quantity:
        message.reason = own.cut_reason
    own.word_quantity = own.quantity
    if execution.event_log != 0:
        log_answer(execution, router, told, ts_event, UNDEF_PRICE, 0)


@jit
def log_answer(
    execution: Any, router: Any, told: int, ts_event: int, old_price: int, old_quantity: int
) -> None:
    """Write the row of what a message tells the strategy, unless that is a fill."""
    message = message_at(router.messages, told)
    own = own_at(execution.own_orders, message.order)
    reason = message.reason
    event = LOG_ACCEPTED
    if message.kind == TELL_REPLACED:
        event = LOG_REPLACED
    elif message.kind == TELL_REFUSED:
        event = LOG_REFUSED
    elif message.kind == TELL_CHANGED:
        event = LOG_CHANGED
    elif message.kind != TELL_ACCEPTED:
        reason = own.reason
        event = LOG_CANCELED
        if own.status == EXPIRED:
            event = LOG_EXPIRED
        elif own.status == REJECTED:
            event = LOG_REJECTED
    clock = instance_at(router.instances, leg_at(router.legs, own.leg).instance).clock
    row = log_event(execution, message.order, event, reason, ts_event, max(message.ts, clock))
    if message.quantity > 0 and (message.kind == TELL_REPLACED or message.kind == TELL_REFUSED):
        log_replace(execution, row, message.price, message.quantity, old_price, old_quantity)


@jit_inline
def is_halted(router: Any, watch: Any) -> bool:
    """Whether nothing may trade as the last event has left the book, its state and its truth."""
    return is_crossed(router, watch) or watch.shut & (SHUT_NOW | SHUT_DOUBT) != 0


@jit
def acts_at_once(router: Any, watch: Any, party: Any, own: Any, state: int) -> bool:
    """Whether an order that acts between two events, in the state of its own time, may trade.

    Not past market orders that wait for the book's first event after an opening, if it can wait.
    """
    if is_crossed(router, watch) or watch.shut & SHUT_DOUBT != 0 or not allows(state, MATCHES):
        return False
    return party.waiting == NIL or not can_wait(own)


@jit_inline
def is_crossed(router: Any, watch: Any) -> bool:
    """Whether nothing may trade as the book is locked or crossed, and the policy minds."""
    return watch.gapless == 0 and router.crossed_policy != CROSSED_WARN


@jit
def tighten(execution: Any, router: Any, watch: Any) -> None:
    """Find the bounds of a book anew, from all of its parties."""
    open_bounds(watch)
    at = watch.legs
    while at != NIL:
        tighten_bounds(execution, watch, party_at(execution.parties, at))
        at = leg_at(router.legs, at).next_of_book
