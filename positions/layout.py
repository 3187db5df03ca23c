"""Account and limit records, as the kernels see them."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.positions.codes import LIMIT_N
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
        # the short side, where there are two; `open_cost` is the long one's then
        ("short_lots", "i8"),
        ("short_cost", "i8"),
        # where its currency's rate changes: what the strategy knows to be realised by now
        ("worths", "i8"),  # address of execution's WORTH; 0: what a price point is worth is fixed
        ("worth_n", "i8"),  # steps of those that are over
        ("known_cost", "i8"),  # of the open lots; of the long side, where there are two
        ("known_short_cost", "i8"),
        ("base_units", "i8"),  # realised, price units x lots
        ("base_money", "i8"),  # the same in 1e-9 currency, each part at the rate of its fill
    ]
)

#: A time at which a session closes or rates change; the last one never comes.
TURN: Final = np.dtype([("ts", "i8"), ("closes", "i8"), ("rates", "i8")])

#: The limits of one strategy instance, or of all together, and how near to them it is.
LIMITS: Final = np.dtype(
    [
        # What each callback and each new mark looks at comes first, in a cache line or two.
        ("marked_ns", "i8"),  # local time of the latest mark in `known_pnl`
        ("known_pnl", "i8"),  # 1e-9 currency, sum over its legs
        ("day_end_ns", "i8"),  # when the session closes, or a rate changes; never: nobody asks
        ("peak_pnl", "i8"),  # the best so far, 0 or more; never, where nobody asks
        ("floor_pnl", "i8"),  # at or below it a limit is reached
        # Bits by limit: those that were reached, and those that something follows when they are.
        ("reached", "i8"),
        ("watched", "i8"),
        ("flatten", "i8"),  # close positions, not only cancel orders
        ("withdraw", "i8"),  # the Reason for which orders are to be canceled; 0: none
        # By `codes.Limit`: the limit (-1: none), its `codes.LimitAction`, what it was reached at.
        ("bounds", "i8", (LIMIT_N,)),
        ("actions", "i8", (LIMIT_N,)),
        ("reached_at", "i8", (LIMIT_N,)),
        ("state", "i8"),  # codes.RiskState that follows from what was reached
        ("stopping", "i8"),  # the limit it is from; of several the first
        ("winding", "i8"),  # the simulation has something to do
        ("reducing_ns", "i8"),  # local time since when it is at least that; never: it isn't
        ("halted_ns", "i8"),
        ("day_pnl", "i8"),  # as the last session closed
        ("owner", "i8"),  # the strategy instance; -1: all together
        ("turn", "i8"),  # which of the run's TURN comes next
        ("messages", "i8"),  # orders, replaces and cancels that left
        ("trades", "i8"),  # fills that it was told of
        ("window_offset", "i8"),  # of its ring of send times
        ("window_next", "i8"),
        # The session's gateway: messages it takes in a second, 0: any number.
        ("gateway_rate", "i8"),
        ("gateway_queues", "i8"),  # messages wait there, else they are rejected
        ("gateway_offset", "i8"),  # of its ring of times
        ("gateway_next", "i8"),
        # What stopped the last order: the limit, and what it would have come to; lots, orders in a
        # second, messages for a trade, or 1e-9 currency.
        ("limit_value", "i8"),
        ("limit_found", "i8"),
        # The loss limit: when and at what it was reached, what was done.
        ("halt_ns", "i8"),  # local time; 0: not reached
        ("halt_pnl", "i8"),  # 1e-9 currency
        ("halt_noted", "i8"),  # what was held then is noted for good
        ("halt_cancels", "i8"),
        ("halt_orders", "i8"),  # market orders sent to close positions
    ]
)

#: A limit that was reached and had something follow.
TRIP: Final = np.dtype(
    [
        ("ts", "i8"),  # local time of the strategy that it was found at
        ("instance", "i4"),  # whose limit; -1: of all together
        ("limit", "i4"),  # codes.Limit
        ("action", "i4"),  # codes.LimitAction
        ("state", "i4"),  # codes.RiskState from then on
        ("bound", "i8"),
        ("found", "i8"),  # what it was reached at, in its unit
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
turn_at = accessor(TURN)
limits_at = accessor(LIMITS)
send_time_at = accessor(SEND_TIME)
cut_at = accessor(CUT)
trip_at = accessor(TRIP)
sample_row_at = accessor(SAMPLE_DTYPE)
