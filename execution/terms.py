"""Kernels of what an order asks for beside price and quantity: whether its terms go together."""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.words import INVALID_TERMS, IOC, LIMIT, NO_REASON


@jit_inline
def has_terms(own: Any) -> bool:
    """Whether an order is more than a market or limit order, GTC or IOC."""
    return own.terms != 0 or own.order_type > LIMIT or own.time_in_force > IOC


@jit
def terms_fault(own: Any, tick_size: int) -> int:
    """Why an order that has terms can't be sent, or NO_REASON."""
    if has_terms(own):
        return INVALID_TERMS
    return NO_REASON
