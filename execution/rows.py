"""What the simulation reports about orders and fills, one fixed-width row each.

The kernel appends these rows to bounded buffers, the shell drains them per batch. ``leg`` is the
index of the (strategy instance, book) pair in the run's leg table; everything else is meaningful
by itself and enters the digest.
"""

from typing import Final

import numpy as np

FILL_DTYPE: Final = np.dtype(
    [
        ("leg", "i8"),
        ("client_order_id", "i8"),  # per strategy, from 1
        ("publisher_id", "i8"),
        ("instrument_id", "i8"),
        ("side", "i8"),  # codes.Side
        ("last_px", "i8"),  # 1e-9
        ("last_qty", "i8"),  # lots
        ("liquidity", "i8"),  # codes.Liquidity
        ("reason", "i8"),  # codes.FillReason
        ("commission", "i8"),  # 1e-9 currency units, positive = paid
        ("position", "i8"),  # lots after this fill
        ("ts_event", "i8"),  # when it happened at the exchange, ns
        ("ts_known", "i8"),  # when the strategy learned of it, ns
        ("order", "i8"),  # index of the order's record; means nothing outside the kernels
    ]
)

ORDER_DTYPE: Final = np.dtype(
    [
        ("leg", "i8"),
        ("client_order_id", "i8"),
        ("publisher_id", "i8"),
        ("instrument_id", "i8"),
        ("side", "i8"),
        ("order_type", "i8"),  # codes.OrderType
        ("time_in_force", "i8"),  # codes.TimeInForce
        ("status", "i8"),  # codes.OrderStatus when the row was written
        ("reason", "i8"),  # codes.Reason
        ("price", "i8"),  # 1e-9; UNDEF_PRICE for a market order
        ("quantity", "i8"),  # lots, after replaces
        ("filled_qty", "i8"),
        ("queue_ahead", "i8"),  # lots ahead when it last joined a queue; -1: never rested
        ("ts_sent", "i8"),
        ("ts_arrived", "i8"),  # 0: never reached the exchange
        ("ts_closed", "i8"),  # 0: still open when the data ended
    ]
)
