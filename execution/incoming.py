"""Kernels of orders that came in across ours, and what of them is free for ours."""

from typing import Any, Final

from tapewire.compiled.jit import jit
from tapewire.execution.claims import claim, claimed_lots, find_claim
from tapewire.execution.layout import TRACE_INCOMING, trace_at
from tapewire.execution.traces import CAME_IN
from tapewire.execution.words import BUY
from tapewire.market.ids import find_order
from tapewire.market.layout import ASK, BID, NIL, level_at, order_at, rung_at, side_at

#: In the place of the number of an order's last event, which says nothing once that is complete.
_SEEN: Final = -1


@jit
def find_incoming(market: Any, execution: Any, book: int, traces: int, kinds: int) -> None:
    """Look up the orders that came in, each once, as they are now that the event is complete."""
    if not kinds & CAME_IN:
        return
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        at = trace.next
        if trace.kind != TRACE_INCOMING:
            continue
        trace.order = NIL
        if trace.order_id != 0:  # it may have left again within its own event
            trace.order = find_order(market, book, trace.order_id)
        else:
            ladder = side_at(market.sides, 2 * book + trace.side)
            if ladder.n > 0:
                rung = rung_at(market.rungs, ladder.offset + ladder.n - 1)
                trace.order = level_at(market.levels, rung.level).head
        if trace.order != NIL:
            order = order_at(market.orders, trace.order)
            if order.event == _SEEN:
                trace.order = NIL
            order.event = _SEEN
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        at = trace.next
        if trace.kind == TRACE_INCOMING and trace.order != NIL:
            order_at(market.orders, trace.order).event = 0


@jit
def forget_free_lots(execution: Any, traces: int) -> None:
    """Another leg: what an order that came in has for it is not known yet."""
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            trace.lots = NIL
        at = trace.next


@jit
def free_lots(market: Any, trace: Any, own: Any, owner: int) -> int:
    """Lots an order that came in still has for ours, if it reaches ours at all."""
    if trace.order == NIL:
        return 0
    order = order_at(market.orders, trace.order)
    on_other_side = order.side == (ASK if own.side == BUY else BID)
    if not on_other_side or (own.price - order.price) * own.side < 0:
        return 0
    if trace.lots == NIL:  # the claims on an order are many where strategies are
        trace.claim = find_claim(market, order, owner)
        trace.lots = max(0, order.size - claimed_lots(market, trace.claim))
    return trace.lots


@jit
def claim_incoming(
    market: Any, execution: Any, party: Any, traces: int, own: Any, wanted: int
) -> int:
    """Claim lots of the orders that came in, in their order; returns how many."""
    left = wanted
    at = traces
    while at != NIL and left > 0:
        trace = trace_at(execution.traces, at)
        if trace.kind == TRACE_INCOMING:
            lots = min(left, free_lots(market, trace, own, party.owner))
            if lots > 0:
                order = order_at(market.orders, trace.order)
                trace.claim = claim(market, order, trace.claim, party.owner, lots)
                trace.lots -= lots
                left -= lots
        at = trace.next
    return wanted - left
