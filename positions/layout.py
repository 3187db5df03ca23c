"""Account and limit records, as the kernels see them."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.positions.rows import SAMPLE_DTYPE

#: The account of one leg (strategy instance on one book). Everything is an exact integer:
#: prices in 1e-9, money in price units x lots (before the multiplier), fees in 1e-9 currency.
ACCOUNT: Final = np.dtype(
    [
        ("position", "i8"),  # lots, signed
        ("cash", "i8"),  # -sum(side * price * lots)
        ("open_cost", "i8"),  # what the open position cost: sum of its entry prices, signed
        ("realized", "i8"),
        ("fees", "i8"),
        ("volume", "i8"),  # lots traded
        ("max_position", "i8"),  # largest |position|
        ("mark", "i8"),  # price the position is valued at
        ("multiplier_num", "i8"),
        ("multiplier_den", "i8"),
        # what the strategy has been told so far
        ("known_position", "i8"),
        ("known_cash", "i8"),
        ("known_fees", "i8"),
        ("known_pnl", "i8"),  # 1e-9 currency, at the last mark
        ("open_buy_lots", "i8"),  # lots of open buy orders it may still be filled on
        ("open_sell_lots", "i8"),
    ]
)

#: The limits of one strategy instance; -1 switches one off.
LIMITS: Final = np.dtype(
    [
        ("max_position", "i8"),  # lots per instrument
        ("max_order_size", "i8"),  # lots
        ("max_loss", "i8"),  # 1e-9 currency over all instruments of the instance
        ("max_orders_per_second", "i8"),
        ("window_offset", "i8"),  # of its ring of send times
        ("window_next", "i8"),
        # The session's gateway: messages it takes in a second, 0: any number.
        ("gateway_rate", "i8"),
        ("gateway_queues", "i8"),  # messages wait there, else they are rejected
        ("gateway_offset", "i8"),  # of its ring of times
        ("gateway_next", "i8"),
        # What stopped the last order: the limit, and what it would have come to; lots, orders in a
        # second, or 1e-9 currency.
        ("limit_value", "i8"),
        ("limit_found", "i8"),
        ("halted", "i8"),  # the loss limit was hit; stays so
        ("known_pnl", "i8"),  # sum over its legs
        # The loss limit: what to do when it is reached, when and at what it was, what was done.
        ("flatten", "i8"),  # close positions, not only cancel orders
        ("winding", "i8"),  # the simulation has something to do
        ("withdrawn", "i8"),  # orders were canceled: a halted strategy can't send new ones
        ("halt_ns", "i8"),  # local time; 0: not reached
        ("halt_pnl", "i8"),  # 1e-9 currency
        ("halt_cancels", "i8"),
        ("halt_orders", "i8"),  # market orders sent to close positions
        ("marked_ns", "i8"),  # local time of the latest mark in `known_pnl`
    ]
)
#: One remembered send time.
SEND_TIME: Final = np.dtype([("ts", "i8")])

#: A time in which a session is cut; the last one of a session begins never.
CUT: Final = np.dtype(
    [
        ("at", "i8"),
        ("until", "i8"),
        ("cancel_ns", "i8"),  # when the venue cancels the session's orders; never: it keeps them
        ("spares_dated", "i8"),  # all but those that are GTC or GTD
    ]
)

account_at = accessor(ACCOUNT)
limits_at = accessor(LIMITS)
send_time_at = accessor(SEND_TIME)
cut_at = accessor(CUT)
sample_row_at = accessor(SAMPLE_DTYPE)
