"""Kernels of orders that hang together: what a fill or the end of one means for the others.

- One cancels other: a fill of one takes as many lots off the others, or all of them.
- A bracket: its exits have no lots until its entry fills, and then as many as it has filled. A
  fill of one exit takes as many lots off the other.
- Reduce-only orders have no more lots than the position, or the side of it, that they reduce.

Lots are taken off at once, so that nothing fills that may not. What follows (a cancel, an exit that
comes to act, word of it) is in `changing`, for each order in the list of changed ones, before
anything else happens. Venues leave the first two to brokers' servers; the rules are FIX's
``ContingencyType`` 1 and 2 (one cancels, one triggers the other), reduce-only is a rule of
derivatives venues such as OKX: the order with the better price keeps its lots.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.houses import house_of
from tapewire.execution.layout import HEDGES, fill_row_at, own_at, rules_at
from tapewire.execution.sides import closable_lots, note_sides
from tapewire.execution.words import (
    BUY,
    ENTRY_ENDED,
    NEW,
    OTHER_FILLED,
    PARTIALLY_FILLED,
    PENDING_NEW,
    REDUCE_ONLY,
    TERM_GROUP,
    TERM_REDUCE_ONLY,
)
from tapewire.market.layout import NIL

# What `hanging` says of an order.
DORMANT: Final = 1  # an exit without lots: at the exchange, and nowhere in its book
CANCELS: Final = 2  # a fill of it takes all lots off the others
IN_LIST: Final = 4  # of changed orders
ENTRY_DONE: Final = 8  # an exit whose entry will fill no more
GROWN: Final = 16  # an exit that got lots since it was looked at


@jit_inline
def is_exit(own: Any) -> bool:
    """Whether an order is an exit of a bracket."""
    return own.terms & TERM_GROUP != 0 and own.parent != NIL


@jit_inline
def is_dormant(own: Any) -> bool:
    """Whether an order has arrived and waits for its entry to fill."""
    return own.terms & TERM_GROUP != 0 and own.hanging & DORMANT != 0


@jit
def note_fill(execution: Any, index: int, lots: int, ts_event: int) -> None:
    """An order has filled lots: take them off, or give them to, those that hang on it."""
    own = own_at(execution.own_orders, index)
    execution.changed_ns = ts_event
    if own.terms & TERM_GROUP:
        own.lots -= lots if own.parent != NIL else 0
        at = own.link
        while at != index:
            other = own_at(execution.own_orders, at)
            if other.parent == index:
                other.lots += lots
                other.hanging |= GROWN
                _list(execution, at)
            elif other.parent == own.parent:
                some = own_at(execution.own_orders, at).quantity if own.hanging & CANCELS else lots
                cut(execution, at, some, OTHER_FILLED)
            at = other.link
        if own.filled == own.quantity:
            note_end(execution, own, ts_event)
    reduces = rules_at(execution.rules, own.leg).reduces
    if reduces != 0:
        if reduces & HEDGES:
            row = fill_row_at(execution.fills, execution.fill_n - 1)  # it was written just now
            row.effect = note_sides(execution, index, lots)
        _fit_to_position(execution, own.leg, own.side)


@jit
def note_end(execution: Any, own: Any, ts_event: int) -> None:
    """An order will fill no more: its exits get no further lots."""
    if own.terms & TERM_GROUP == 0 or own.link == NIL:
        return
    execution.changed_ns = ts_event
    index = own_at(execution.own_orders, own.link_prev).link
    at = own.link
    while at != index:
        other = own_at(execution.own_orders, at)
        if other.parent == index:
            other.hanging |= ENTRY_DONE
            if other.cut_reason == 0:
                other.cut_reason = ENTRY_ENDED
            _list(execution, at)
        at = other.link


@jit
def leave_group(execution: Any, own: Any) -> None:
    """Take a record out of its group before it is given back."""
    if own.link == NIL:
        return
    own_at(execution.own_orders, own.link_prev).link = own.link
    own_at(execution.own_orders, own.link).link_prev = own.link_prev
    own.link = NIL


@jit
def cut(execution: Any, index: int, lots: int, reason: int) -> None:
    """Take up to so many lots off what may still fill of an order."""
    own = own_at(execution.own_orders, index)
    may_fill = own.status == PENDING_NEW or own.status == NEW or own.status == PARTIALLY_FILLED
    exits = is_exit(own)
    lots = min(lots, own.lots if exits else own.quantity - own.filled)
    if not may_fill or lots <= 0:
        return
    if own.uncut == 0:
        own.uncut = own.quantity
    if not exits:
        own.quantity -= lots
    else:
        own.lots -= lots
        if own.status != PENDING_NEW and own.hanging & DORMANT == 0:
            # It may have been given lots in this very event that do not count yet.
            own.quantity = min(own.quantity, own.filled + own.lots)
    if own.display_quantity > 0:
        own.shown = min(own.shown, own.quantity - own.filled)
    own.cut_reason = reason
    _list(execution, index)


@jit
def _fit_to_position(execution: Any, leg: int, side: int) -> None:
    """Leave reduce-only orders of a side no more lots than there are to reduce.

    Market orders that wait for a halt to end are better than any price.
    """
    party = house_of(execution, leg)
    room = closable_lots(execution, leg, side)
    room = _fit_those(execution, party.waiting, leg, side, room)
    _fit_those(execution, party.buys if side == BUY else party.sells, leg, side, room)


@jit
def _fit_those(execution: Any, first: int, leg: int, side: int, room: int) -> int:
    """Leave reduce-only orders of a list no more lots than ``room``; returns what is left of it."""
    at = first
    while at != NIL:
        own = own_at(execution.own_orders, at)
        if own.leg == leg and own.side == side and own.terms & TERM_REDUCE_ONLY:
            cut(execution, at, own.quantity - own.filled - room, REDUCE_ONLY)
            if own.terms & TERM_GROUP == 0:  # those of a group see to each other
                room -= own.quantity - own.filled
        at = own.next
    return room


@jit
def reducible_lots(execution: Any, index: int) -> int:
    """Lots that a reduce-only order may still have: the position, less what others have of it."""
    own = own_at(execution.own_orders, index)
    party = house_of(execution, own.leg)
    room = closable_lots(execution, own.leg, own.side)
    if own.terms & TERM_GROUP:
        return room
    room -= _reducing_lots(execution, party.waiting, index)
    room -= _reducing_lots(execution, party.buys if own.side == BUY else party.sells, index)
    return max(0, room)


@jit
def _reducing_lots(execution: Any, first: int, index: int) -> int:
    """Lots of the other reduce-only orders of a list that are of an order's leg and side."""
    own = own_at(execution.own_orders, index)
    lots = 0
    at = first
    while at != NIL:
        other = own_at(execution.own_orders, at)
        is_other = at != index and other.leg == own.leg and other.side == own.side
        if is_other and other.terms & TERM_REDUCE_ONLY and other.terms & TERM_GROUP == 0:
            lots += other.quantity - other.filled
        at = other.next
    return lots


@jit
def _list(execution: Any, index: int) -> None:
    """Put an order that has arrived last in the list of changed ones, once."""
    own = own_at(execution.own_orders, index)
    if own.hanging & IN_LIST or own.status == PENDING_NEW:
        return
    own.hanging |= IN_LIST
    own.next_changed = NIL
    if execution.changed == NIL:
        execution.changed = index
    else:
        own_at(execution.own_orders, execution.changed_last).next_changed = index
    execution.changed_last = index


@jit
def take_changed(execution: Any) -> int:
    """Take the first of the changed orders out of their list."""
    index = execution.changed
    own = own_at(execution.own_orders, index)
    execution.changed = own.next_changed
    own.hanging &= ~IN_LIST
    return index
