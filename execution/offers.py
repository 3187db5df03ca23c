"""Kernels of what an event brought to a resting order: at its price, past it, in across it."""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.clips import visible_lots
from tapewire.execution.incoming import free_lots
from tapewire.execution.layout import (
    TRACE_FILL,
    TRACE_INCOMING,
    TRACE_UNSEEN,
    UNSEEN_SHARED,
    UNSEEN_THROUGH,
    own_at,
    tally_at,
    trace_at,
)
from tapewire.execution.words import BUY
from tapewire.market.layout import ASK, BID, NIL, level_at, order_at
from tapewire.market.queues import find_level


@jit_inline
def offered(market: Any, execution: Any, party: Any, traces: int, own: Any) -> Any:
    """What an event brought to an order's price and past it, in lots.

    Returns volume of real orders at its price, the part of that behind it in the queue; volume
    without a resting order at its price; of real orders and without one at worse prices; of both
    what is beyond it for its fill model; what then rested of orders that came in across it, and
    what of that is beyond it.
    """
    book_side = BID if own.side == BUY else ASK
    distance = tally_at(execution.tallies, own.leg).beyond
    seen = 0
    behind = 0
    met = 0
    through = 0
    passed = 0
    far = 0
    rest = 0
    past = 0
    at = traces
    while at != NIL:
        trace = trace_at(execution.traces, at)
        gap = (own.price - trace.price) * own.side
        if trace.kind == TRACE_FILL and (trace.side == book_side or trace.side == NIL):
            if gap > 0:
                through += trace.lots
                if gap >= distance:
                    far += trace.lots
            elif gap == 0:
                seen += trace.lots
                if trace.stamp > own.stamp:
                    behind += trace.lots
        elif trace.kind == TRACE_UNSEEN and (trace.side == book_side or trace.side == NIL):
            if gap > 0:
                lots = _unseen_lots(market, execution, party, own, trace.lots)
                passed += lots
                if gap >= distance:
                    far += lots
            elif gap == 0 and execution.fills_unseen > UNSEEN_THROUGH:
                met += _unseen_lots(market, execution, party, own, trace.lots)
        elif trace.kind == TRACE_INCOMING:
            lots = free_lots(market, trace, own, party.owner)
            rest += lots
            if lots > 0:
                limit = order_at(market.orders, trace.order).price
                if (own.price - limit) * own.side >= distance:
                    past += lots
        at = trace.next
    return seen, behind, met, through, passed, far, rest, past


@jit
def _unseen_lots(market: Any, execution: Any, party: Any, own: Any, lots: int) -> int:
    """How many lots without a resting order are an order's, if all of its price are offered."""
    if execution.fills_unseen != UNSEEN_SHARED:
        return lots
    level = find_level(market, party.book, BID if own.side == BUY else ASK, own.price)
    everybody = 0 if level == NIL else level_at(market.levels, level).size
    at = party.buys if own.side == BUY else party.sells
    while at != NIL:
        mine = own_at(execution.own_orders, at)
        if mine.price == own.price:
            everybody += visible_lots(mine)
        at = mine.next
    return lots * visible_lots(own) // max(1, everybody)  # nothing of it may show
