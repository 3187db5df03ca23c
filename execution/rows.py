"""What the simulation reports about orders and fills, one fixed-width row each.

The kernel appends these rows to bounded buffers, the shell drains them per batch. ``leg`` is the
index of the (strategy instance, book) pair in the run's leg table; everything else is meaningful
by itself and, unless said otherwise, enters the digest.

Strategies number their orders from 1; the simulation's own orders (see ``Reason.LOSS_FLATTEN``)
have ids from -1 downwards.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.market.records import UNDEF_PRICE

NEVER: Final = 2**63 - 1

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
        ("impact", "i8"),  # 1e-9: by how much own impact made the price worse; below 0: better
        ("effect", "i8"),  # codes.PositionEffect
        ("order", "i8"),  # index of the order's record; means nothing outside the kernels
    ]
)

#: Of an order what every order has: what the kernel writes of each.
ORDER_CORE_DTYPE: Final = np.dtype(
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
    ]
)

#: What few orders have, and what others have instead. None of it is in the digest: what it led to
#: is in the fields above.
_EXTRAS: Final = (
    ("terms", 0),  # codes.Term
    ("trigger_price", UNDEF_PRICE),  # 1e-9; UNDEF_PRICE: no stop
    ("ts_triggered", 0),  # 0: it was not
    ("expire_ns", NEVER),  # NEVER: it has no time of its own
    ("min_quantity", 0),  # lots; 0: none
    ("display_quantity", 0),  # lots; 0: all
    ("peg", 0),  # codes.Peg; 0: not pegged
    ("peg_offset", 0),  # 1e-9
    ("group", 0),  # 0: none
    ("parent", 0),  # client_order_id of the entry whose exit it is; 0: none
    # numbers of a limit that stopped it: lots, orders in a second, or 1e-9 currency
    ("limit_value", 0),
    ("limit_found", 0),  # what it would have come to
)
ORDER_EXTRA_DTYPE: Final = np.dtype(
    [
        ("row", "i8"),  # which of the orders reported with it
        *((name, "i8") for name, _ in _EXTRAS),
    ]
)

#: An order as it is handed out, by `whole_orders`.
ORDER_DTYPE: Final = np.dtype(
    [*ORDER_CORE_DTYPE.descr, *((name, "i8") for name, _ in _EXTRAS)],
)
_CORE_WORDS: Final = len(ORDER_CORE_DTYPE.names or ())
_WORDS: Final = _CORE_WORDS + len(_EXTRAS)


def whole_orders(core: npt.NDArray[Any], extras: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Put together what the kernel reports of orders in two tables.

    Parameters
    ----------
    core, extras
        ``ORDER_CORE_DTYPE``, shape (n,), and ``ORDER_EXTRA_DTYPE`` of at most n of them.

    Returns
    -------
    ndarray
        ``ORDER_DTYPE``, shape (n,).
    """
    whole = np.empty(core.size, ORDER_DTYPE)
    words = whole.view(np.int64).reshape(core.size, _WORDS)
    words[:, :_CORE_WORDS] = core.view(np.int64).reshape(core.size, _CORE_WORDS)
    words[:, _CORE_WORDS:] = [value for _, value in _EXTRAS]
    if extras.size:
        of_extras = extras.view(np.int64).reshape(extras.size, 1 + len(_EXTRAS))
        words[of_extras[:, 0], _CORE_WORDS:] = of_extras[:, 1:]
    return whole


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
