"""Kernels of the queue at a price as an event found it, for models that share volume out among it.

An event is judged when it is complete, and by then who filled has left. So the queue is what still
stands there of those that stood there when the event's first fill at that price came, and what the
event's fills took of them. Who left without a fill had left before the fills.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.clips import visible_lots
from tapewire.execution.layout import (
    NEVER,
    STANDING_MAX,
    TRACE_FILL,
    own_at,
    standing_at,
    trace_at,
)
from tapewire.execution.words import BUY
from tapewire.market.layout import ASK, BID, NIL, level_at, order_at
from tapewire.market.queues import find_level


@jit
def line_up(market: Any, execution: Any, party: Any, traces: int, first: int) -> None:
    """Write the queue at the price of a party's order into ``execution.standing``.

    ``first`` is the first of the party's resting orders at that price; all of them are in it.
    """
    own = own_at(execution.own_orders, first)
    side = BID if own.side == BUY else ASK
    joined = NEVER  # who came later was not there for the first of the fills
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_FILL and trace.side == side and trace.price == own.price:
            joined = min(joined, trace.joined)
        at = trace.next
    execution.standing_n = 0
    level = find_level(market, party.book, side, own.price)
    at = NIL if level == NIL else level_at(market.levels, level).head
    while at != NIL:
        order = order_at(market.orders, at)
        if order.stamp < joined:
            _stand(execution, execution.standing_n, order.stamp, order.size, order.order_id, NIL)
        at = order.next
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_FILL and trace.side == side and trace.price == own.price:
            if trace.stamp < joined:
                _give_back(execution, trace)
        at = trace.next
    at = first
    while at != NIL:
        mine = own_at(execution.own_orders, at)
        if mine.price != own.price:
            break
        place = _behind(execution, mine.stamp)
        _stand(execution, place, mine.stamp, visible_lots(mine), 0, at)
        at = mine.next


@jit
def _give_back(execution: Any, trace: Any) -> None:
    """Let the lots that an order lost to the event stand where they stood."""
    for k in range(execution.standing_n):
        standing = standing_at(execution.standing, k)
        if standing.order_id == trace.order_id and standing.own == NIL:
            standing.lots += trace.lots
            return
    place = _behind(execution, trace.stamp)
    _stand(execution, place, trace.stamp, trace.lots, trace.order_id, NIL)


@jit
def _behind(execution: Any, stamp: int) -> int:
    """Place behind all that have a stamp or an earlier one."""
    place = execution.standing_n
    while place > 0 and standing_at(execution.standing, place - 1).stamp > stamp:
        place -= 1
    return place


@jit
def _stand(execution: Any, place: int, stamp: int, lots: int, order_id: int, own: int) -> None:
    """Insert an order at a place of the queue; of a full queue, the last two become one."""
    if execution.standing_n == STANDING_MAX:
        last = standing_at(execution.standing, STANDING_MAX - 1)
        before = standing_at(execution.standing, STANDING_MAX - 2)
        if own == NIL and place == STANDING_MAX:
            last.lots += lots
            return
        before.lots += last.lots
        before.own = last.own if last.own != NIL else before.own
        execution.standing_n -= 1
        place = min(place, STANDING_MAX - 1)
    for k in range(execution.standing_n, place, -1):
        standing, moved = (
            standing_at(execution.standing, k),
            standing_at(execution.standing, k - 1),
        )
        standing.stamp = moved.stamp
        standing.lots = moved.lots
        standing.order_id = moved.order_id
        standing.own = moved.own
    standing = standing_at(execution.standing, place)
    standing.stamp = stamp
    standing.lots = lots
    standing.order_id = order_id
    standing.own = own
    execution.standing_n += 1


@jit
def place_of(execution: Any, index: int) -> int:
    """Place in the queue of a simulated order, or NIL."""
    for k in range(execution.standing_n):
        if standing_at(execution.standing, k).own == index:
            return k
    return NIL
