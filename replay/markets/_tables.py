"""What the flow of a synthetic market is drawn by, as the kernels read it."""

from typing import Final

import numpy as np

from tapewire.replay.markets._books import NEAR

#: Classes of the spread: 1, 2, and 3 or more ticks.
SPREADS: Final = 3
#: Classes of a queue at the touch, by orders: up to 1, 2, 4, 8, 16, 32, and more.
QUEUES: Final = 7
#: Depths of an add: improving by 2 or more, by 1, at the touch, each tick up to NEAR, farther.
DEPTHS: Final = NEAR + 3
TOUCH: Final = 2
FAR: Final = NEAR + 2
#: Weights per event are in 2^-20; factors in 1/1024.
WEIGHT_ONE: Final = 1 << 20
FACTOR_ONE: Final = 1_024
SIZES_N: Final = 4_096
QUANTILES_N: Final = 65
#: Efficient prices are in ticks / 65,536 and move every 100 ms.
PRICE_BITS: Final = 16
STEP_NS: Final = 100_000_000

TABLES_DTYPE: Final = np.dtype(
    [
        ("add", "i8", (SPREADS, DEPTHS)),  # per side
        ("touch_add", "i8", (QUEUES,)),  # factor by the queue it would join
        ("away", "i8", (SPREADS,)),  # of ``add``, all that are neither better nor at the touch
        ("cancel", "i8", (NEAR + 1,)),  # per order; the last one: of those far away
        ("touch_cancel", "i8", (QUEUES,)),
        ("modify", "i8", (NEAR + 1,)),
        ("touch_modify", "i8", (QUEUES,)),
        ("leave", "i8", (NEAR + 1,)),  # cancels and modifies
        ("trade", "i8", (QUEUES,)),  # per side, by the queue that is taken from
        ("move", "i8", (DEPTHS,)),  # where modifies go: cumulative, the last is the sum
        ("moves", "i8", (2,)),  # of modifies: a new price (at the touch, elsewhere), of 1024
        ("downs", "i8", (2,)),  # of modifies: fewer lots
        ("follow", "i8"),  # improving orders on the side that did not empty, of 1024
        ("walk", "i8"),  # trades that go on beyond a level they emptied, of 1024
        ("rest", "i8"),  # trades whose rest becomes an order, of 1024
        ("refresh", "i8"),  # filled orders that show again, of 1024
        ("far", "i8", (QUANTILES_N,)),  # ticks from the touch
        ("delay", "i8", (QUANTILES_N,)),  # ns from ts_event to ts_recv
        ("sizes", "i4", (3, SIZES_N)),  # lots of orders: at the touch, near, far
        ("lots", "i4", (SIZES_N,)),  # of trades
        ("pull", "i8"),  # how the flow leans towards the efficient price, 1/1024 per tick
    ]
)

ENGINE_DTYPE: Final = np.dtype(
    [
        ("ts_event", "i8"),
        ("ts_recv", "i8"),
        ("ts_start", "i8"),
        ("ts_end", "i8"),
        ("order_id", "i8"),  # last one given
        ("sequence", "i8"),
        ("left", "i8"),  # records still to be written
        ("snapshot_book", "i8"),  # where the start snapshot is: book, level, order
        ("snapshot_side", "i8"),
        ("snapshot_level", "i8"),
        ("snapshot_order", "i8"),
    ]
)
