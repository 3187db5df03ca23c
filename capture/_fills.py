"""Kernels that hold the fills of a capture against the queues of its book.

A trade is an event of several records: the aggressor's T, an F per order it touched, then the C or
M that carry out the effect. A venue that serves each price first in, first out fills the order in
front. Those that stand before a filled one must be used up, or leave in the same event: by a C
before the fills (self-match prevention), or by fills of their own.
"""

from typing import Any, Final

from tapewire.capture.layout import AHEAD_MAX, NO_FILL, ahead_order_at, seen_at
from tapewire.compiled.jit import jit, jit_inline
from tapewire.market.applying import is_aggressors_own, side_of
from tapewire.market.ids import find_order
from tapewire.market.layout import NIL, NORMAL, book_at, level_at, order_at

_DIRECT: Final = 0
_BEHIND_CANCELLED: Final = 1
_BEHIND_FILLED: Final = 2
_JUMPED: Final = 3


@jit_inline
def filled_lots(order: Any, event: int) -> Any:
    """Lots of an order that fills of an event took, and that its records have not yet told."""
    return order.filled if order.event == event else 0


@jit
def check_fill(m: Any, c: Any, book: int, record: Any) -> None:
    """Look at an F before the book hears of it; there is room for what it passes over."""
    state = book_at(m.books, book)
    if state.trades > 0 and state.trade_side == NIL:  # an auction: at one price, not at the orders'
        c.fills_auction += 1
        return
    index = find_order(m, book, record.order_id)
    known = index != NIL and order_at(m.orders, index).kind == NORMAL
    side: Any = side_of(record)
    if known:
        side = order_at(m.orders, index).side
    if is_aggressors_own(state, side, record.order_id):
        c.fills_own += 1
        return
    if not known:
        c.fills_unknown += 1
        return
    order = order_at(m.orders, index)
    if record.price != order.price:
        c.fills_other_price += 1
    if record.size > order.size - filled_lots(order, state.event):
        if c.excess_fills == 0:
            c.first_excess_fills = c.record
        c.excess_fills += 1
    fill = seen_at(c.seen, book).fills
    seen_at(c.seen, book).fills += 1
    passed = 0
    at = level_at(m.levels, order.level).head
    while at != index and passed < AHEAD_MAX:
        other = order_at(m.orders, at)
        if filled_lots(other, state.event) < other.size:
            _keep(c, book, other.order_id, other.price, fill)
            passed += 1
        at = other.next
    if passed == 0:
        c.fills_direct += 1
    _keep(c, book, record.order_id, order.price, NO_FILL)


@jit_inline
def _keep(c: Any, book: int, order_id: int, price: int, fill: int) -> None:
    """Keep an order until the event ends."""
    kept = ahead_order_at(c.ahead, c.ahead_n)
    kept.book = book
    kept.order_id = order_id
    kept.price = price
    kept.fill = fill
    c.ahead_n += 1


@jit
def end_fills(m: Any, c: Any, book: int) -> None:
    """The event ends: say of each fill that passed over others what became of those."""
    seen = seen_at(c.seen, book)
    if seen.fills == 0:
        return
    fill = NO_FILL
    verdict = _DIRECT
    for k in range(c.ahead_n):  # those of one fill lie side by side
        kept = ahead_order_at(c.ahead, k)
        if kept.book != book or kept.fill == NO_FILL:
            continue
        if kept.fill != fill:
            _count(c, verdict)
            fill = kept.fill
            verdict = _DIRECT
        verdict = max(verdict, _became(m, c, book, kept))
    _count(c, verdict)
    left = 0
    for k in range(c.ahead_n):
        kept = ahead_order_at(c.ahead, k)
        if kept.book != book:
            to = ahead_order_at(c.ahead, left)
            to.book = kept.book
            to.order_id = kept.order_id
            to.price = kept.price
            to.fill = kept.fill
            left += 1
    c.ahead_n = left
    seen.fills = 0


@jit
def _became(m: Any, c: Any, book: int, passed: Any) -> int:
    """What became of an order that was passed over."""
    for k in range(c.ahead_n):
        kept = ahead_order_at(c.ahead, k)
        if kept.book == book and kept.fill == NO_FILL and kept.order_id == passed.order_id:
            return _BEHIND_FILLED
    index = find_order(m, book, passed.order_id)
    if index != NIL and order_at(m.orders, index).price == passed.price:
        return _JUMPED
    return _BEHIND_CANCELLED


@jit_inline
def _count(c: Any, verdict: int) -> None:
    """Count a fill that passed over others, by the worst of what became of them."""
    if verdict == _BEHIND_CANCELLED:
        c.fills_behind_cancelled += 1
    elif verdict == _BEHIND_FILLED:
        c.fills_behind_filled += 1
    elif verdict == _JUMPED:
        if c.fills_jumped == 0:
            c.first_fills_jumped = c.record
        c.fills_jumped += 1
