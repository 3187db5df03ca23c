"""Kernels that let simulated orders meet the real book.

Resting orders wait in the exact MBO queue: an order joins with the next priority stamp, so the
orders ahead of it are those at its price with a smaller stamp, whatever joins or leaves later.
What real volume would have hit it first is judged when an event is complete.
"""

from typing import Any

from tapewire.market._ids import find_order
from tapewire.market._layout import (
    ASK,
    BID,
    NIL,
    claim_at,
    level_at,
    order_at,
    rung_at,
    side_at,
)
from tapewire.market._queues import best_key, find_level
from tapewire.market.jit import jit, jit_inline, word

from ._fees import commission
from ._impact import impact_price_units
from ._layout import (
    TRACE_FILL,
    TRACE_INCOMING,
    fill_row_at,
    order_row_at,
    own_at,
    session_at,
    trace_at,
)
from .codes import FillReason, Liquidity, OrderStatus, OrderType, Reason, Side, TimeInForce

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
NO_LIQUIDITY = word(Reason.NO_LIQUIDITY)
USER_CANCEL = word(Reason.USER_CANCEL)

# What an event's traces are about.
FILLED_BIDS = 1
FILLED_ASKS = 2
CAME_IN = 4

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


@jit
def _fill(
    execution: Any, index: int, price: int, lots: int, liquidity: int, reason: int, ts_event: int
) -> None:
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
    """End an order's life without a fill."""
    own.status = status
    own.reason = reason
    write_order_row(execution, own, ts_closed)


# --- claims: the lots of real orders that a strategy has already taken --------------------------


@jit
def _claimed_lots(market: Any, order: Any, owner: int) -> int:
    index = order.claims
    while index != NIL:
        claim = claim_at(market.claims, index)
        if claim.owner == owner:
            return claim.lots
        index = claim.next
    return 0


@jit
def _claim(market: Any, order: Any, owner: int, lots: int) -> None:
    index = order.claims
    while index != NIL:
        claim = claim_at(market.claims, index)
        if claim.owner == owner:
            claim.lots += lots
            return
        index = claim.next
    index = market.claim_free
    claim = claim_at(market.claims, index)
    market.claim_free = claim.next
    market.claim_free_n -= 1
    claim.owner = owner
    claim.lots = lots
    claim.next = order.claims
    order.claims = index


@jit
def _claim_queue(
    market: Any, execution: Any, head: int, owner: int, wanted: int, touched: int
) -> Any:
    """Claim up to ``wanted`` free lots of a level's orders, from ``head`` on in queue order.

    ``touched`` orders were taken from before. Returns (lots claimed, orders touched); beyond
    STEP_ROWS of them ``claim_shortage`` is set.
    """
    taken = 0
    at = head
    while at != NIL and taken < wanted:
        order = order_at(market.orders, at)
        free = order.size - _claimed_lots(market, order, owner)
        if free > 0:
            touched += 1
            if touched > STEP_ROWS:
                execution.claim_shortage = 1
                break
            lots = min(free, wanted - taken)
            _claim(market, order, owner, lots)
            taken += lots
        at = order.next
    return taken, touched


# --- resting -----------------------------------------------------------------------------------


@jit
def _rest(market: Any, execution: Any, index: int) -> None:
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
def _unrest(execution: Any, index: int) -> None:
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
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
def _take(market: Any, execution: Any, index: int, ts_event: int) -> None:
    """Walk the other side of the book, best level first, each level in queue order."""
    own = own_at(execution.own_orders, index)
    session = session_at(execution.sessions, own.leg)
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * session.book + side)
    touched = 0
    for k in range(ladder.n - 1, -1, -1):
        rung = rung_at(market.rungs, ladder.offset + k)
        price = -rung.key if side == ASK else rung.key
        if own.order_type == LIMIT and (price - own.price) * own.side > 0:
            return
        head = level_at(market.levels, rung.level).head
        wanted = own.quantity - own.filled
        taken, touched = _claim_queue(market, execution, head, session.owner, wanted, touched)
        if execution.claim_shortage != 0:
            return
        if taken > 0:
            shift = impact_price_units(execution, session, price, taken)
            fill_price = price + shift * own.side
            if own.order_type == LIMIT and (fill_price - own.price) * own.side > 0:
                fill_price = own.price  # never worse than its limit
            _fill(execution, index, fill_price, taken, TAKER, BY_TAKING, ts_event)
        if own.filled == own.quantity:
            return


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
def arrive_new(market: Any, execution: Any, index: int, ts_event: int) -> None:
    """A new order reaches the exchange."""
    own = own_at(execution.own_orders, index)
    own.ts_arrived = ts_event
    own.status = NEW
    _take_and_rest(market, execution, index, ts_event)


@jit
def _take_and_rest(market: Any, execution: Any, index: int, ts_event: int) -> None:
    own = own_at(execution.own_orders, index)
    if _meets(market, execution, own):
        _take(market, execution, index, ts_event)
        if own.filled == own.quantity:
            return
    if own.order_type == MARKET or own.time_in_force == IOC:
        close_own(execution, own, EXPIRED, NO_LIQUIDITY, ts_event)
    else:
        _rest(market, execution, index)


@jit
def arrive_cancel(execution: Any, index: int, ts_event: int) -> bool:
    """A cancel reaches the exchange; False if the order is no longer there."""
    own = own_at(execution.own_orders, index)
    if not is_live(own):
        return False
    _unrest(execution, index)
    close_own(execution, own, CANCELED, USER_CANCEL, ts_event)
    return True


@jit
def arrive_replace(
    market: Any, execution: Any, index: int, price: int, quantity: int, ts_event: int
) -> bool:
    """A replace reaches the exchange; False if the order is no longer there.

    ``quantity`` is the new total, as in FIX: lots already filled count. Less at the same price
    keeps its place; a new price or more lots lose it.
    """
    own = own_at(execution.own_orders, index)
    if not is_live(own):
        return False
    if quantity <= own.filled:
        own.quantity = own.filled
        _unrest(execution, index)
        close_own(execution, own, CANCELED, USER_CANCEL, ts_event)
        return True
    if price == own.price and quantity <= own.quantity:
        own.quantity = quantity
        return True
    _unrest(execution, index)
    own.price = price
    own.quantity = quantity
    _take_and_rest(market, execution, index, ts_event)
    return True


# --- events ------------------------------------------------------------------------------------


@jit
def _match_volume(
    market: Any, execution: Any, session: Any, traces: int, book_side: int, ts_event: int
) -> None:
    """Hand the event's traded volume to the orders it would have hit first."""
    index = session.buys if book_side == BID else session.sells
    used = 0
    while index != NIL:
        own = own_at(execution.own_orders, index)
        following = own.next
        behind = 0
        through = 0
        at = traces
        while at != NIL:
            trace = trace_at(execution.traces, at)
            if trace.kind == TRACE_FILL and trace.side == book_side:
                if (own.price - trace.price) * own.side > 0:
                    through += trace.lots
                elif trace.price == own.price and trace.stamp > own.stamp:
                    behind += trace.lots
            at = trace.next
        # An order further back sees a part of the volume this one saw, and the lots given out
        # came from its near end: what is left for it is its own volume less all given so far.
        lots = min(own.quantity - own.filled, behind + through - used)
        if lots > 0:
            used += lots
            reason = BY_QUEUE if behind > 0 else BY_TRADE_THROUGH
            if own.filled + lots == own.quantity:
                _unrest(execution, index)
            _fill(execution, index, own.price, lots, MAKER, reason, ts_event)
        index = following


@jit
def _match_incoming(market: Any, execution: Any, session: Any, traces: int, ts_event: int) -> None:
    """Let real orders that came in across our price trade with us."""
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        at = trace.next
        if trace.kind != TRACE_INCOMING:
            continue
        order_index = trace.order
        if trace.order_id != 0:
            order_index = find_order(market, session.book, trace.order_id)
            if order_index == NIL:
                continue  # it left again within its own event
        else:
            ladder = side_at(market.sides, 2 * session.book + trace.side)
            if ladder.n == 0:
                continue
            order_index = level_at(
                market.levels, rung_at(market.rungs, ladder.offset + ladder.n - 1).level
            ).head
        order = order_at(market.orders, order_index)
        index = session.buys if order.side == ASK else session.sells
        while index != NIL:
            own = own_at(execution.own_orders, index)
            following = own.next
            if (own.price - order.price) * own.side < 0:
                break
            free = order.size - _claimed_lots(market, order, session.owner)
            lots = min(own.quantity - own.filled, free)
            if lots <= 0:
                break
            _claim(market, order, session.owner, lots)
            if own.filled + lots == own.quantity:
                _unrest(execution, index)
            _fill(execution, index, own.price, lots, MAKER, BY_CROSSING, ts_event)
            index = following


@jit
def _match_standing(
    market: Any, execution: Any, session: Any, own_side: int, ts_event: int
) -> None:
    """After a halt: let real orders that came to stand across our price meanwhile trade with us.

    Nobody could meet them when they came in. Best price first on both sides, in queue order.
    """
    index = session.buys if own_side == BUY else session.sells
    ladder = side_at(market.sides, 2 * session.book + (ASK if own_side == BUY else BID))
    touched = 0
    while index != NIL:
        own = own_at(execution.own_orders, index)
        following = own.next
        lots = 0
        for k in range(ladder.n - 1, -1, -1):
            rung = rung_at(market.rungs, ladder.offset + k)
            price = -rung.key if own_side == BUY else rung.key
            if (own.price - price) * own.side < 0 or lots == own.quantity - own.filled:
                break
            head = level_at(market.levels, rung.level).head
            wanted = own.quantity - own.filled - lots
            taken, touched = _claim_queue(market, execution, head, session.owner, wanted, touched)
            if execution.claim_shortage != 0:
                return
            lots += taken
        if lots > 0:
            if own.filled + lots == own.quantity:
                _unrest(execution, index)
            _fill(execution, index, own.price, lots, MAKER, BY_CROSSING, ts_event)
        index = following


@jit
def kinds_of(execution: Any, traces: int) -> int:
    """What an event's traces are about: any of ``FILLED_BIDS``, ``FILLED_ASKS``, ``CAME_IN``."""
    kinds = 0
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            kinds |= CAME_IN
        elif trace.kind == TRACE_FILL:
            kinds |= FILLED_BIDS if trace.side == BID else FILLED_ASKS
        at = trace.next
    return kinds


@jit
def match_event(
    market: Any, execution: Any, leg: int, traces: int, kinds: int, ts_event: int, reopened: bool
) -> None:
    """Fill a leg's resting orders from one complete event.

    ``kinds`` is what ``kinds_of`` says of its traces; ``reopened``: it is the first after a halt.
    """
    session = session_at(execution.sessions, leg)
    if kinds & FILLED_BIDS and session.buys != NIL:
        _match_volume(market, execution, session, traces, BID, ts_event)
    if kinds & FILLED_ASKS and session.sells != NIL:
        _match_volume(market, execution, session, traces, ASK, ts_event)
    if kinds & CAME_IN and session.resting > 0:
        _match_incoming(market, execution, session, traces, ts_event)
    if reopened:
        _match_standing(market, execution, session, BUY, ts_event)
        _match_standing(market, execution, session, SELL, ts_event)
