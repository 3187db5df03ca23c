"""Kernels of what a strategy has been told of its orders: the fields ``known_…`` of their records.

The exchange's truth is in the other fields, and may be ahead.
"""

from typing import Any

from tapewire.compiled.jit import jit_inline
from tapewire.execution.words import FILLED, NEW, PARTIALLY_FILLED, PENDING_NEW


@jit_inline
def is_known_open(own: Any) -> bool:
    """Whether the strategy believes the order to be on its way or working."""
    return (
        own.known_status == PENDING_NEW
        or own.known_status == NEW
        or own.known_status == PARTIALLY_FILLED
    )


@jit_inline
def known_leaves(own: Any) -> int:
    """Lots the strategy believes may still be filled."""
    return own.known_quantity - own.known_filled


@jit_inline
def learn_accepted(own: Any, price: int) -> None:
    """The strategy hears that its order has reached the exchange, and what its price is there."""
    own.known_price = price
    if own.known_status == PENDING_NEW:
        own.known_status = NEW


@jit_inline
def learn_filled(own: Any, lots: int) -> None:
    """The strategy hears of a fill."""
    own.known_filled += lots
    own.known_status = FILLED if own.known_filled == own.known_quantity else PARTIALLY_FILLED


@jit_inline
def learn_replaced(own: Any, price: int, quantity: int) -> None:
    """The strategy hears that its replace was carried out."""
    own.known_quantity = quantity
    own.known_price = price
    if own.known_filled == own.known_quantity:
        own.known_status = FILLED
