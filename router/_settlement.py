"""The end of an instrument: what is still held in it is settled.

Booked as an order of the venue's own that fills at the settlement price, without a fee; where no
price is known, at the mark. Word of it travels as that of any fill does.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.codes import SETTLEMENT_ID
from tapewire.execution.layout import NEVER, own_at
from tapewire.execution.order_events import log_event
from tapewire.execution.orders import fill, open_order
from tapewire.execution.words import (
    BUY,
    BY_SETTLEMENT,
    IOC,
    LOG_SENT,
    MARKET,
    NEW,
    SELL,
    SETTLEMENT,
    TAKER,
)
from tapewire.market.layout import book_at
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import reserve
from tapewire.positions.layout import account_at
from tapewire.router._exchange import log_answer, notify, settle
from tapewire.router._expiry import set_expire_due
from tapewire.router._layout import TELL_ACCEPTED, instance_at, leg_at, message_at, watch_at
from tapewire.strategies.layout import context_at


@jit
def end_instrument(market: Any, execution: Any, router: Any, leg_index: int) -> None:
    """Settle what a leg holds as its instrument ends; its orders have ended before."""
    set_expire_due(execution, router, leg_index, NEVER)
    account = account_at(router.accounts, leg_index)
    short = account.short_lots  # beside a long side
    _settle_lots(market, execution, router, leg_index, account.position + short, SETTLEMENT_ID)
    _settle_lots(market, execution, router, leg_index, -short, SETTLEMENT_ID - 1)


@jit
def _settle_lots(
    market: Any, execution: Any, router: Any, leg_index: int, held: int, number: int
) -> None:
    """Settle lots, those of a short side below 0, by an order of that number; 0: there is none."""
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
