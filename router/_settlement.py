"""The end of an instrument: what is still held in it is settled, or closed.

Settled: booked as an order of the venue's own that fills at the settlement price, without a fee;
where no price is known, at the mark. Where the run rolls out of an instrument that does not end, a
market order meets its book as it stood last, and pays spread, impact and fees as any; only what
finds nothing there is settled. Word of both travels as that of any fill does.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.arriving import arrive_new
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.codes import ROLL_ID, SETTLEMENT_ID, SHORT_ROLL_ID, SHORT_SETTLEMENT_ID
from tapewire.execution.houses import house_of
from tapewire.execution.layout import NEVER, own_at
from tapewire.execution.order_events import log_event
from tapewire.execution.orders import fill, open_order
from tapewire.execution.resting import note_change
from tapewire.execution.words import (
    BUY,
    BY_SETTLEMENT,
    IOC,
    LOG_SENT,
    MARKET,
    NEW,
    REJECTED,
    ROLL,
    SELL,
    SETTLEMENT,
    TAKER,
)
from tapewire.market.layout import book_at
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import reserve
from tapewire.positions.layout import account_at
from tapewire.router._exchange import log_answer, notify, settle, tell_outcome
from tapewire.router._expiry import set_expire_due
from tapewire.router._layout import (
    FAULT_CLAIMS,
    TELL_ACCEPTED,
    TELL_CLOSED,
    instance_at,
    leg_at,
    message_at,
    watch_at,
)
from tapewire.router._room import room_for
from tapewire.strategies.layout import context_at


@jit
def end_instrument(market: Any, execution: Any, router: Any, leg_index: int) -> int:
    """Settle or close what a leg holds as its instrument ends, each side of it; a status.

    Its orders have ended before.
    """
    watch = watch_at(router.watches, leg_at(router.legs, leg_index).book)
    account = account_at(router.accounts, leg_index)
    if watch.rolls != 0 and (account.position != 0 or account.short_lots != 0):
        room = room_for(market, execution, router, 4 * STEP_ROWS, 2)
        if room != 0:
            return room
        short = account.short_lots  # beside a long side
        longs = account.position + short
        status = _close(market, execution, router, leg_index, longs, ROLL_ID)
        if status == 0:
            status = _close(market, execution, router, leg_index, -short, SHORT_ROLL_ID)
        if status != 0:
            return status
    set_expire_due(execution, router, leg_index, NEVER)
    short = account.short_lots
    longs = account.position + short
    _settle_held(market, execution, router, leg_index, longs, SETTLEMENT_ID)
    _settle_held(market, execution, router, leg_index, -short, SHORT_SETTLEMENT_ID)
    return 0


@jit
def _close(market: Any, execution: Any, router: Any, leg_index: int, held: int, number: int) -> int:
    """Send a market order against lots into the book as it stood last; a status.

    Those of a short side are below 0; 0: there are none. The venue may be closed by then: the order
    is taken as one just before.
    """
    if held == 0:
        return 0
    leg = leg_at(router.legs, leg_index)
    watch = watch_at(router.watches, leg.book)
    account = account_at(router.accounts, leg_index)
    ts = max(watch.expiry_ns, book_at(market.books, leg.book).clock)
    ctx = context_at(instance_at(router.instances, leg.instance).context, 0)
    side = SELL if held > 0 else BUY
    order = open_order(
        execution, ctx, leg_index, ts, number, side, MARKET, UNDEF_PRICE, abs(held), IOC
    )
    own = own_at(execution.own_orders, order)
    own.reason = ROLL
    reserve(account, side, abs(held))
    if execution.event_log != 0:
        log_event(execution, order, LOG_SENT, ROLL, 0, ts)
    party = house_of(execution, leg_index)
    resting_before = party.resting
    execution.claim_shortage = 0
    arrive_new(market, execution, order, True, ts)
    if execution.claim_shortage != 0:
        router.fault_instance = leg.instance
        return FAULT_CLAIMS
    was_taken = own.status != REJECTED
    kind = TELL_ACCEPTED if was_taken else TELL_CLOSED
    told = notify(execution, router, leg_index, order, kind, ts, 0)
    message_at(router.messages, told).price = UNDEF_PRICE
    if execution.event_log != 0:
        log_answer(execution, router, told, ts, UNDEF_PRICE, 0)
    tell_outcome(execution, router, order, was_taken, ts, 0)
    note_change(execution, watch, party, resting_before)
    return 0


@jit
def _settle_held(
    market: Any, execution: Any, router: Any, leg_index: int, held: int, number: int
) -> None:
    """Book lots as settled, those of a short side below 0, by an order of that number."""
    if held == 0:
        return
    leg = leg_at(router.legs, leg_index)
    watch = watch_at(router.watches, leg.book)
    account = account_at(router.accounts, leg_index)
    price = watch.settle_price
    if price == UNDEF_PRICE:
        price = account.mark if watch.mark == UNDEF_PRICE else watch.mark
    ts = max(watch.expiry_ns, book_at(market.books, leg.book).clock)
    ctx = context_at(instance_at(router.instances, leg.instance).context, 0)
    side = SELL if held > 0 else BUY
    order = open_order(
        execution, ctx, leg_index, ts, number, side, MARKET, UNDEF_PRICE, abs(held), IOC
    )
    own = own_at(execution.own_orders, order)
    own.reason = SETTLEMENT
    own.status = NEW
    own.ts_arrived = ts
    reserve(account, side, abs(held))
    if execution.event_log != 0:
        log_event(execution, order, LOG_SENT, SETTLEMENT, 0, ts)
    told = notify(execution, router, leg_index, order, TELL_ACCEPTED, ts, 0)
    message_at(router.messages, told).price = UNDEF_PRICE
    if execution.event_log != 0:
        log_answer(execution, router, told, ts, UNDEF_PRICE, 0)
    fill(execution, order, price, abs(held), TAKER, BY_SETTLEMENT, ts)
    settle(execution, router, 0)
