"""Simulated orders at the exchange: life cycle, matching, and the models around it.

``matching`` has the kernels; ``latency``, ``_impact`` and ``_fees`` one model family each;
``codes`` the words, ``rows`` what is reported.
"""

from .codes import (
    FillReason,
    Liquidity,
    OrderEvent,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from .rows import EVENT_DTYPE, FILL_DTYPE, ORDER_DTYPE

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
