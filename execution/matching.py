"""Kernels of what a simulated order does at the exchange: arrive, take, rest, leave.

Resting orders wait in the exact MBO queue: an order joins with the next priority stamp, so the
orders ahead of it are those at its price with a smaller stamp, whatever joins or leaves later.
While the book is halted an arriving order takes nothing: a limit order that may rest joins its
queue, a market order waits for the reopening or ends, as the policy says. What real volume does to
resting orders is in `filling`.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline, word
from tapewire.market.layout import (
    ASK,
    BID,
    NIL,
    claim_at,
    level_at,
    order_at,
    rung_at,
    side_at,
)
from tapewire.market.queues import best_key, find_level

from ._fees import commission
from ._impact import impact_price_units
from .codes import FillReason, Liquidity, OrderStatus, OrderType, Reason, Side, TimeInForce
from .layout import (
    fill_row_at,
    order_row_at,
    own_at,
    session_at,
)

BUY = word(Side.BUY)
SELL = word(Side.SELL)
MARKET = int(OrderType.MARKET)
LIMIT = int(OrderType.LIMIT)
GTC = int(TimeInForce.GTC)
IOC = int(TimeInForce.IOC)
PENDING_NEW = int(OrderStatus.PENDING_NEW)
NEW = int(OrderStatus.NEW)
PARTIALLY_FILLED = int(OrderStatus.PARTIALLY_FILLED)
FILLED = int(OrderStatus.FILLED)
CANCELED = word(OrderStatus.CANCELED)
EXPIRED = word(OrderStatus.EXPIRED)
MAKER = word(Liquidity.MAKER)
TAKER = word(Liquidity.TAKER)
BY_QUEUE = word(FillReason.QUEUE)
BY_TRADE_THROUGH = word(FillReason.TRADE_THROUGH)
BY_CROSSING = word(FillReason.CROSSED)
BY_TAKING = word(FillReason.TAKEN)
NO_REASON = int(Reason.NONE)
BY_AUCTION = word(FillReason.AUCTION)
BY_UNSEEN_TRADE = word(FillReason.UNSEEN_TRADE)
NO_LIQUIDITY = word(Reason.NO_LIQUIDITY)
MARKET_HALTED = word(Reason.MARKET_HALTED)
USER_CANCEL = word(Reason.USER_CANCEL)

#: Resting orders one arriving order may take from, and so the rows and claims it may need.
STEP_ROWS = 4096


# --- rows --------------------------------------------------------------------------------------


@jit
def write_order_row(execution: Any, own: Any, ts_closed: int) -> None:
    """Report an order whose life is over (or the data); room was made before."""
    session = session_at(execution.sessions, own.leg)
    row = order_row_at(execution.orders, execution.order_n)
    execution.order_n += 1
    row.leg = own.leg
    row.client_order_id = own.client_order_id
    row.publisher_id = session.publisher_id
    row.instrument_id = session.instrument_id
    row.side = own.side
    row.order_type = own.order_type
    row.time_in_force = own.time_in_force
    row.status = own.status
    row.reason = own.reason
    row.price = own.price
    row.quantity = own.quantity
    row.filled_qty = own.filled
    row.queue_ahead = own.queue_ahead
    row.ts_sent = own.ts_sent
    row.ts_arrived = own.ts_arrived
    row.ts_closed = ts_closed
    row.replaces = own.replaces
    row.ts_replaced = own.ts_replaced


@jit
def fill(
    execution: Any, index: int, price: int, lots: int, liquidity: int, reason: int, ts_event: int
) -> None:
    """Give lots to an order and report it; the order too, if that was its last."""
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
    own.filled += lots
    own.status = FILLED if own.filled == own.quantity else PARTIALLY_FILLED
    row = fill_row_at(execution.fills, execution.fill_n)
    execution.fill_n += 1
    row.leg = own.leg
    row.order = index
    row.client_order_id = own.client_order_id
    row.publisher_id = session.publisher_id
    row.instrument_id = session.instrument_id
    row.side = own.side
    row.last_px = price
    row.last_qty = lots
    row.liquidity = liquidity
    row.reason = reason
    row.commission = commission(session, lots)
    row.ts_event = ts_event
    if own.status == FILLED:
        write_order_row(execution, own, ts_event)


@jit
def close_own(execution: Any, own: Any, status: int, reason: int, ts_closed: int) -> None:
    """End an order's life without a fill; the simulation's own keep what they were sent for."""
    own.status = status
    if own.reason == NO_REASON:
        own.reason = reason
    write_order_row(execution, own, ts_closed)


# --- claims: the lots of real orders that a strategy has already taken --------------------------


@jit
def find_claim(market: Any, order: Any, owner: int) -> int:
    """Index of an owner's claim on a real order, or NIL. There may be one per strategy."""
    index = order.claims
    while index != NIL:
        claimed = claim_at(market.claims, index)
        if claimed.owner == owner:
            return index
        index = claimed.next
    return NIL


@jit
def claim(market: Any, order: Any, index: int, owner: int, lots: int) -> int:
    """Claim more lots; ``index`` is the owner's claim so far, or NIL. Returns its claim."""
    if index == NIL:
        index = market.claim_free
        claimed = claim_at(market.claims, index)
        market.claim_free = claimed.next
        market.claim_free_n -= 1
        claimed.owner = owner
        claimed.lots = 0
        claimed.next = order.claims
        order.claims = index
    claim_at(market.claims, index).lots += lots
    return index


@jit
def claimed_lots(market: Any, index: int) -> int:
    """Lots of a claim; none of NIL."""
    return 0 if index == NIL else claim_at(market.claims, index).lots


@jit
def claim_queue(
    market: Any, execution: Any, head: int, owner: int, wanted: int, touched: int, stamp: int
) -> Any:
    """Claim up to ``wanted`` free lots of a level's orders, from ``head`` on in queue order.

    ``touched`` orders were taken from before. Returns (lots claimed, those of them from orders
    with an earlier stamp than ``stamp``, orders touched); beyond STEP_ROWS orders
    ``claim_shortage`` is set.
    """
    taken = 0
    earlier = 0
    at = head
    while at != NIL and taken < wanted:
        order = order_at(market.orders, at)
        claimed = find_claim(market, order, owner)
        free = order.size - claimed_lots(market, claimed)
        if free > 0:
            touched += 1
            if touched > STEP_ROWS:
                execution.claim_shortage = 1
                break
            lots = min(free, wanted - taken)
            claim(market, order, claimed, owner, lots)
            taken += lots
            if order.stamp < stamp:
                earlier += lots
        at = order.next
    return taken, earlier, touched


# --- resting -----------------------------------------------------------------------------------


@jit
def rest(market: Any, execution: Any, index: int) -> None:
    """Join the queue at the order's price, behind everything that rests there now."""
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
    side = BID if own.side == BUY else ASK
    level = find_level(market, session.book, side, own.price)
    own.queue_ahead = 0 if level == NIL else level_at(market.levels, level).size
    own.stamp = market.stamp
    market.stamp += 1
    previous = NIL
    following = session.buys if own.side == BUY else session.sells
    while following != NIL:
        other = own_at(execution.own_orders, following)
        if (own.price - other.price) * own.side > 0:
            break
        previous = following
        following = other.next
    own.prev = previous
    own.next = following
    if following != NIL:
        own_at(execution.own_orders, following).prev = index
    if previous != NIL:
        own_at(execution.own_orders, previous).next = index
    elif own.side == BUY:
        session.buys = index
    else:
        session.sells = index
    session.resting += 1


@jit
def _wait(execution: Any, index: int) -> None:
    """Let a market order wait for the reopening, behind those that wait already."""
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
    own.next = NIL
    if session.waiting == NIL:
        session.waiting = index
    else:
        first = own_at(execution.own_orders, session.waiting)
        own.prev = first.prev
        own_at(execution.own_orders, own.prev).next = index
    own_at(execution.own_orders, session.waiting).prev = index
    session.resting += 1


@jit
def _stop_waiting(execution: Any, index: int) -> None:
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
    if own.next != NIL:
        own_at(execution.own_orders, own.next).prev = own.prev
    elif session.waiting != index:  # the last: the first knows who is now
        own_at(execution.own_orders, session.waiting).prev = own.prev
    if session.waiting == index:
        session.waiting = own.next
    else:
        own_at(execution.own_orders, own.prev).next = own.next
    session.resting -= 1


@jit
def unrest(execution: Any, index: int) -> None:
    """Take an order out of the resting or the waiting ones."""
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
    if own.order_type == MARKET:
        _stop_waiting(execution, index)
        return
    if own.next != NIL:
        own_at(execution.own_orders, own.next).prev = own.prev
    if own.prev != NIL:
        own_at(execution.own_orders, own.prev).next = own.next
    elif own.side == BUY:
        session.buys = own.next
    else:
        session.sells = own.next
    session.resting -= 1
    own.stamp = 0


@jit_inline
def is_live(own: Any) -> bool:
    """Whether the exchange has the order working."""
    return own.status == NEW or own.status == PARTIALLY_FILLED


# --- arrivals ----------------------------------------------------------------------------------


@jit
def take(market: Any, execution: Any, index: int, touched: int, ts_event: int) -> int:
    """Walk the other side of the book, best level first, each level in queue order.

    ``touched`` real orders were taken from before; returns how many with this one.
    """
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * session.book + side)
    for k in range(ladder.n - 1, -1, -1):
        rung = rung_at(market.rungs, ladder.offset + k)
        price = -rung.key if side == ASK else rung.key
        if own.order_type == LIMIT and (price - own.price) * own.side > 0:
            break
        head = level_at(market.levels, rung.level).head
        wanted = own.quantity - own.filled
        taken, _, touched = claim_queue(market, execution, head, session.owner, wanted, touched, 0)
        if execution.claim_shortage != 0:
            break
        if taken > 0:
            shift = impact_price_units(execution, session, price, taken)
            fill_price = price + shift * own.side
            if own.order_type == LIMIT and (fill_price - own.price) * own.side > 0:
                fill_price = own.price  # never worse than its limit
            fill(execution, index, fill_price, taken, TAKER, BY_TAKING, ts_event)
        if own.filled == own.quantity:
            break
    return touched


@jit_inline
def _meets(market: Any, execution: Any, own: Any) -> bool:
    """Whether the other side's best level is within the order's price."""
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * session_at(execution.sessions, own.leg).book + side)
    if ladder.n == 0:
        return False
    key = best_key(market, ladder)
    best = -key if side == ASK else key
    return own.order_type != LIMIT or (best - own.price) * own.side <= 0


@jit
def arrive_new(market: Any, execution: Any, index: int, is_open: bool, ts_event: int) -> None:
    """A new order reaches the exchange, whose book is open or halted."""
    own = own_at(execution.own_orders, index)
    own.ts_arrived = ts_event
    own.status = NEW
    _take_and_rest(market, execution, index, is_open, ts_event)


@jit
def _take_and_rest(market: Any, execution: Any, index: int, is_open: bool, ts_event: int) -> None:
    own = own_at(execution.own_orders, index)
    if is_open and _meets(market, execution, own):
        take(market, execution, index, 0, ts_event)
        if own.filled == own.quantity:
            return
    if not is_open and own.order_type == MARKET and execution.market_waits != 0:
        _wait(execution, index)
    elif own.order_type == MARKET or own.time_in_force == IOC:
        reason = NO_LIQUIDITY if is_open else MARKET_HALTED
        close_own(execution, own, EXPIRED, reason, ts_event)
    else:
        rest(market, execution, index)


@jit
def take_waiting(market: Any, execution: Any, index: int, touched: int, ts_event: int) -> int:
    """The book has reopened: a market order that waited for it takes, and ends.

    ``touched`` and the return value are as in `take`.
    """
    own = own_at(execution.own_orders, index)
    _stop_waiting(execution, index)
    touched = take(market, execution, index, touched, ts_event)
    if own.filled < own.quantity and execution.claim_shortage == 0:
        close_own(execution, own, EXPIRED, NO_LIQUIDITY, ts_event)
    return touched


@jit
def arrive_cancel(execution: Any, index: int, reason: int, ts_event: int) -> bool:
    """A cancel reaches the exchange; False if the order is no longer there."""
    own = own_at(execution.own_orders, index)
    if not is_live(own):
        return False
    unrest(execution, index)
    close_own(execution, own, CANCELED, reason, ts_event)
    return True


@jit
def arrive_replace(
    market: Any, execution: Any, index: int, price: int, quantity: int, is_open: bool,
    ts_event: int,
) -> bool:  # fmt: skip
    """A replace reaches the exchange; False if the order is no longer there.

    ``quantity`` is the new total, as in FIX: lots already filled count. Less at the same price
    keeps its place; a new price or more lots lose it.
    """
    own = own_at(execution.own_orders, index)
    if not is_live(own):
        return False
    own.replaces += 1
    own.ts_replaced = ts_event
    if quantity <= own.filled:
        own.quantity = own.filled
        unrest(execution, index)
        close_own(execution, own, CANCELED, USER_CANCEL, ts_event)
        return True
    if price == own.price and quantity <= own.quantity:
        own.quantity = quantity
        return True
    unrest(execution, index)
    own.price = price
    own.quantity = quantity
    _take_and_rest(market, execution, index, is_open, ts_event)
    return True
