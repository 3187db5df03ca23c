"""The records the book is made of. Sizes are chosen for cache lines; see the notes beside them."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.market.records import MBO_KERNEL_DTYPE

NIL: Final = -1
BID: Final = 0
ASK: Final = 1

#: Kinds of resting order.
NORMAL: Final = 0  # found by its id
GHOST: Final = 1  # was there before a snapshot began; gone unless the snapshot confirms it
TOP_OF_BOOK: Final = 2  # a publisher's whole side: no id, no queue

#: One resting order: exactly one cache line.
ORDER: Final = np.dtype(
    [
        ("order_id", "i8"),
        ("stamp", "i8"),  # priority: smaller is earlier, over all books
        ("price", "i8"),
        ("size", "i8"),  # lots
        ("filled", "u4"),  # lots of F records in event number `event`, not yet carried out
        ("event", "i4"),
        ("level", "i4"),
        ("prev", "i4"),  # towards the front of the queue
        ("next", "i4"),  # towards the back; next free record when unused
        ("claims", "i4"),  # first of the claims simulated orders hold on these lots
        ("book", "i4"),
        ("side", "i2"),
        ("kind", "i2"),
    ]
)

#: One price level of one side of one book.
LEVEL: Final = np.dtype(
    [
        ("key", "i8"),  # price for bids, -price for asks: larger is better on both sides
        ("size", "i8"),  # lots
        ("count", "i4"),  # orders
        ("head", "i4"),
        ("tail", "i4"),
        ("ladder", "i4"),  # 2*book+side; NIL while it is free
    ]
)

#: One entry of a side's ladder: its levels by ascending key, so the best is the last.
RUNG: Final = np.dtype([("key", "i8"), ("level", "i8")])

#: Where a level was last found by its price: a hint, to be checked against the level itself.
HINT: Final = np.dtype([("level", "i4")])

#: One side of one book; record 2*book for bids, 2*book+1 for asks.
SIDE: Final = np.dtype(
    [
        ("offset", "i8"),  # of its first rung
        ("n", "i8"),  # levels
        ("capacity", "i8"),  # rungs it may use before it must move
        ("orders", "i8"),
    ]
)

#: One slot of the order-id table: upper 32 bits of the hash, then order index + 1; 0 is empty.
#: The tag spares nearly all look-ups of foreign orders, and knows its own home slot.
SLOT: Final = np.dtype([("entry", "i8")])

#: One slot of the (publisher, instrument) table; `book` is index + 1, 0 is empty.
BOOK_SLOT: Final = np.dtype([("key", "i8"), ("book", "i8")])

#: Lots of a resting order that a simulated order already took; owned by execution, freed with
#: the resting order.
CLAIM: Final = np.dtype([("lots", "i8"), ("owner", "i4"), ("next", "i4")])

BOOK: Final = np.dtype(
    [
        ("key", "i8"),  # publisher_id << 32 | instrument_id
        ("event", "i4"),  # number of the current event
        ("open", "i4"),  # records of the current event so far
        ("ts_event", "i8"),  # of the last record, as it came
        ("ts_recv", "i8"),
        ("clock", "i8"),  # exchange time, monotone
        ("in_snapshot", "i4"),  # one of the *_SNAPSHOT below
        ("ghost_head", "i4"),
        ("last_trade_px", "i8"),  # of the last T with a price; UNDEF_PRICE before the first
        ("trade_side", "i4"),  # of the event's last T: BID, ASK or NIL
        ("trades", "i4"),  # T records in the current event
        ("trade_order_id", "i8"),
        ("events", "i8"),
        ("volume", "i8"),  # lots of all T records
        ("snapshots", "i4"),  # snapshots begun
        # The event's last F of each side, if it named an order nobody had heard of: see join_front.
        ("front_event", "i4"),  # the event it was in
        ("front_ids", "i8", (2,)),  # NO_ORDER where the last F was another order's
        ("front_prices", "i8", (2,)),
        ("snapshot_stamp", "i8"),  # next stamp as the snapshot began
        ("quoted", "i8"),  # whether its publisher gives sizes of levels and no orders
        ("rebuilds", "i8"),  # clears, and snapshots begun
        # How often its records said so, by FlagKind.
        ("maybe_bad_book", "i4"),
        ("bad_ts_recv", "i4"),
        ("missing_last", "i4"),
        ("clear", "i4"),
    ]
)

# Where a book is in a snapshot.
NO_SNAPSHOT: Final = 0
EMPTY_SNAPSHOT: Final = 1  # begun by an R with F_SNAPSHOT
FILLED_SNAPSHOT: Final = 2  # adds were seen
MAYBE_SNAPSHOT: Final = -1  # an R without the flag, its event still open: a snapshot may follow

#: No order of a feed has this id.
NO_ORDER: Final = 0

#: Everything the book kernels need: addresses, capacities and counters.
MARKET: Final = np.dtype(
    [
        ("orders", "i8"),
        ("levels", "i8"),
        ("rungs", "i8"),
        ("hints", "i8"),
        ("sides", "i8"),
        ("slots", "i8"),
        ("books", "i8"),
        ("book_slots", "i8"),
        ("claims", "i8"),
        ("slot_mask", "i8"),
        ("hint_mask", "i8"),
        ("book_slot_mask", "i8"),
        ("order_free", "i8"),
        ("order_free_n", "i8"),
        ("level_free", "i8"),
        ("level_free_n", "i8"),
        ("rung_used", "i8"),
        ("rung_capacity", "i8"),
        ("book_n", "i8"),
        ("claim_free", "i8"),
        ("claim_free_n", "i8"),
        ("stamp", "i8"),  # next one; counts up
        ("front_stamp", "i8"),  # next one of an order that joins in front; counts down
        ("last_key", "i8"),
        ("last_book", "i8"),
        ("far", "i8"),  # FAR_*: what lies beyond the near caches, so that looking ahead pays
        ("ahead", "i8"),
        ("ahead_key", "i8"),  # as last_key and last_book, of the record last looked at
        ("ahead_book", "i8"),
        ("beside", "i8"),  # what the router keeps per book: its address, or 0
        ("beside_bytes", "i8"),  # and its size
        ("missing_key", "i8"),  # of the record that needs a new book
        ("minds", "i8"),  # FlagKinds after which FLAGGED is said, a bit each
        ("noted", "i8"),  # those that were, since somebody looked
        # counters, all of records unless said otherwise
        ("records", "i8"),
        ("event_ends", "i8"),  # closed events, each of one or more records
        ("adds", "i8"),
        ("cancels", "i8"),
        ("modifies", "i8"),
        ("clears", "i8"),
        ("trades", "i8"),
        ("fills", "i8"),
        ("snapshots", "i8"),  # snapshots begun
        ("snapshot_records", "i8"),
        ("unknown_cancels", "i8"),
        ("unknown_modifies", "i8"),
        ("unknown_fills", "i8"),
        ("duplicate_adds", "i8"),
        ("ignored_records", "i8"),  # no side, no price or no size where one is needed
        ("missing_last", "i8"),  # events closed by a change of both clocks, without F_LAST
        ("clamped_ts_event", "i8"),
        ("bad_ts_recv", "i8"),
        ("maybe_bad_book", "i8"),
        ("locked_events", "i8"),
        ("crossed_events", "i8"),
    ]
)

COUNTERS: Final = tuple((MARKET.names or ())[(MARKET.names or ()).index("records") :])

#: What looking ahead found of a record: its book, its order, the place of its level's hint, the
#: level; NIL.
AHEAD: Final = np.dtype([("book", "i4"), ("order", "i4"), ("hint", "i4"), ("level", "i4")])
#: A power of two, more than the farthest step of looking ahead.
AHEAD_RECORDS: Final = 16

#: What is too large for the near caches.
FAR_NOTHING: Final = 0
FAR_ORDERS: Final = 1  # orders and their ids
FAR_ALL: Final = 2  # books and levels as well

ahead_at = accessor(AHEAD)
order_at = accessor(ORDER)
level_at = accessor(LEVEL)
rung_at = accessor(RUNG)
hint_at = accessor(HINT)
side_at = accessor(SIDE)
slot_at = accessor(SLOT)
book_at = accessor(BOOK)
market_at = accessor(MARKET, in_block=False)
book_slot_at = accessor(BOOK_SLOT)
claim_at = accessor(CLAIM)
#: One index within an order or a level, by its own address.
link_at = accessor(np.dtype([("index", "i4")]), in_block=False)
#: Records of a batch, by the address of the first.
record_at = accessor(MBO_KERNEL_DTYPE, in_block=False)

# Status codes of the book kernels: what the shell has to do before the same record is tried again.
OK: Final = 0
GROW_ORDERS: Final = 1
GROW_LEVELS: Final = 2
GROW_RUNGS: Final = 3
NEW_BOOK: Final = 4
TOO_MANY_LEVELS: Final = 5
#: Not of that kind: the record was applied, and says something that somebody minds.
FLAGGED: Final = 6

#: Price levels one side of a book may have. A new level moves those better than it, so that what
#: a hostile file can make one record cost has a bound; real books have hundreds to thousands.
LEVELS_PER_SIDE_MAX: Final = 1 << 17
