"""Simulated orders: their life, their places in the queue, matching, and the models around them.

An order's record is made in ``orders``; it arrives, takes and rests in ``arriving``, ``claims`` and
``resting``; what the market does to it is noted in ``traces`` and carried out in ``filling`` and
``auctions``. ``codes`` has the words, ``rows`` what is reported.
"""

from tapewire.execution.codes import (
    FillReason,
    Liquidity,
    OrderEvent,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from tapewire.execution.rows import EVENT_DTYPE, FILL_DTYPE, ORDER_DTYPE

__all__ = [
    "EVENT_DTYPE",
    "FILL_DTYPE",
    "ORDER_DTYPE",
    "FillReason",
    "Liquidity",
    "OrderEvent",
    "OrderStatus",
    "OrderType",
    "Reason",
    "Side",
    "TimeInForce",
]
