"""What the simulation reports about orders and fills, one fixed-width row each.

The kernel appends these rows to bounded buffers, the shell drains them per batch. ``leg`` is the
index of the (strategy instance, book) pair in the run's leg table; everything else is meaningful
by itself and, unless said otherwise, enters the digest.

Strategies number their orders from 1; the simulation's own orders (see ``Reason.LOSS_FLATTEN``)
have ids from -1 downwards.
"""

from typing import Final

import numpy as np

FILL_DTYPE: Final = np.dtype(
    [
        ("leg", "i8"),
        ("client_order_id", "i8"),  # per strategy instance, from 1; below 0: the simulation's own
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
        # Not in the digest: the order has them, too.
        ("ts_placed", "i8"),  # when the order got to the exchange, or its last replace took effect
        ("lots_ahead", "i8"),  # when the order last joined a queue; -1: it never rested
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
        # Not in the digest: what a replace led to is in the fields above.
        ("replaces", "i8"),  # that took effect
        ("ts_replaced", "i8"),  # when the last of them did; 0: none
        # Nor its terms: what they led to is.
        ("terms", "i8"),  # codes.Term
        ("trigger_price", "i8"),  # 1e-9; UNDEF_PRICE: no stop
        ("ts_triggered", "i8"),  # 0: it was not
        ("expire_ns", "i8"),  # NEVER: it has no time of its own
        ("min_quantity", "i8"),  # lots; 0: none
        ("display_quantity", "i8"),  # lots; 0: all
        ("peg", "i8"),  # codes.Peg; 0: not pegged
        ("peg_offset", "i8"),  # 1e-9
        ("group", "i8"),  # 0: none
        ("parent", "i8"),  # client_order_id of the entry whose exit it is; 0: none
        # Nor are numbers of a limit that stopped it: lots, orders in a second, or 1e-9 currency.
        ("limit_value", "i8"),
        ("limit_found", "i8"),  # what it would have come to
    ]
)

#: A change of an order, for who asks for them; not in the digest, which orders and fills make up.
EVENT_DTYPE: Final = np.dtype(
    [
        ("leg", "i8"),
        ("client_order_id", "i8"),
        ("publisher_id", "i8"),
        ("instrument_id", "i8"),
        ("side", "i8"),
        ("event", "i8"),  # codes.OrderEvent
        ("reason", "i8"),  # codes.Reason
        ("price", "i8"),  # 1e-9, after the event; UNDEF_PRICE for a market order
        ("quantity", "i8"),  # lots, after the event
        ("old_price", "i8"),  # of a replace: before it; else UNDEF_PRICE
        ("old_quantity", "i8"),  # of a replace; else 0
        ("last_px", "i8"),  # of a fill; else UNDEF_PRICE
        ("last_qty", "i8"),  # of a fill; else 0
        ("filled_qty", "i8"),  # lots filled so far
        ("ts_event", "i8"),  # at the exchange; 0: it never got there
        ("ts_known", "i8"),  # when the strategy did it, or learned of it
        ("limit_value", "i8"),  # of a limit that stopped it, as in ORDER_DTYPE; else 0
        ("limit_found", "i8"),
    ]
)

#: The best prices of a book with strategies when they move, and as of its last event; not in the
#: digest.
TOUCH_DTYPE: Final = np.dtype(
    [
        ("book", "i8"),  # publisher_id << 32 | instrument_id
        ("ts_event", "i8"),  # exchange time of the event that moved them, ns
        ("bid", "i8"),  # 1e-9; UNDEF_PRICE: that side is empty
        ("ask", "i8"),
        ("volume", "i8"),  # lots of all trades of the book up to then, since strategies may act
    ]
)

#: A line of the fee of a fill, where the fee model tells lines apart; not in the digest.
FEE_DTYPE: Final = np.dtype(
    [
        ("leg", "i8"),
        ("client_order_id", "i8"),
        ("publisher_id", "i8"),
        ("instrument_id", "i8"),
        ("fill", "i8"),  # which of the run's fills, from 0
        ("line", "i8"),  # index into the names of lines that come with the rows
        ("fee", "i8"),  # 1e-9 currency units, positive = paid
        ("ts_event", "i8"),  # of the fill
    ]
)
