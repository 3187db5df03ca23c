"""Records of a placebo pass: ghosts of real orders, books' own facts, and what is counted."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.execution.layout import VENUE_FIRST, VENUE_REST

#: What is unusual in an event in which a ghost and its order differ; the least is told first.
#: SAME is none of them.
SAME: Final = 0
AUCTION: Final = 1  # the venue cleared at one price
CLOSED: Final = 2  # the book was locked or crossed: nobody could trade
OWN_TRADE: Final = 3  # the real order itself took, as it was modified
ICEBERG: Final = 4  # an order showed its next clip in the same event
IMPLIED: Final = 5  # more was traded than orders of the data were filled
SELF_MATCH: Final = 6  # an order left without a fill, in the middle of a trade
UNEXPLAINED: Final = 7
CLASS_N: Final = 8

#: One real order and the simulated one that goes directly ahead of it. Its index is also its
#: party's, so that it shares no lots with any other.
GHOST: Final = np.dtype(
    [
        ("order_id", "i8"),
        ("stamp", "i8"),  # priority of the real order
        ("price", "i8"),  # of the real order
        ("size", "i8"),  # lots of the real order after its last event
        ("event", "i8"),  # number of the event that the fields below are of
        ("real_lots", "i8"),
        ("real_px", "i8"),
        ("ghost_lots", "i8"),
        ("ghost_px", "i8"),
        ("listed", "i8"),  # the last event that it was looked at in
        ("named", "i8"),  # the last event with trades that named its order
        ("took", "i8"),  # the last event in which its order was the aggressor
        ("real_total", "i8"),  # lots filled while it rested
        ("ghost_total", "i8"),
        ("changes", "i8"),  # fills and replaces so far
        ("own", "i4"),  # its simulated order, or NIL
        ("real", "i4"),  # index of the real order
        ("book", "i4"),
        ("difference", "i4"),  # class of the first one
        ("side", "i4"),  # BID or ASK
        ("next", "i4"),  # free list
    ]
)

#: What is kept beside every order of the books.
PLACE: Final = np.dtype(
    [
        ("event", "i8"),  # the last event in which it was filled
        ("lots", "i8"),  # that it was filled with there
        ("ghost", "i4"),  # or NIL
        ("pad", "i4"),
    ]
)

#: What is kept per book; kernels of execution call it ``venue``.
PLACEBO_VENUE: Final = np.dtype(
    [
        *VENUE_FIRST,
        *VENUE_REST,
        ("live", "i8"),  # its ghosts
        ("done", "i8"),  # number of the last record that an event has taken in already
    ]
)

#: An aggressor of the current event.
TAKER: Final = np.dtype(
    [
        ("order_id", "i8"),  # 0: the venue does not tell
        ("side", "i8"),
        ("lots", "i8"),
        ("rest", "i8"),  # lots that stayed in the book
        ("worst_px", "i8"),
        ("limit_px", "i8"),  # UNDEF_PRICE where it is not known
    ]
)

#: An event in which a ghost, or an aggressor sent again, did not do as its order did.
DIFFERENCE: Final = np.dtype(
    [
        ("ts_event", "i8"),
        ("book", "i8"),
        ("order_id", "i8"),
        ("side", "i8"),
        ("price", "i8"),
        ("real_lots", "i8"),
        ("ghost_lots", "i8"),
        ("taker", "i8"),
        ("kind", "i8"),  # its class
    ]
)

#: Counted for orders that rest, and for those that take, by class.
COUNT: Final = np.dtype(
    [
        ("orders", "i8"),
        ("traded_orders", "i8"),  # of them, those that were filled, or whose ghost was
        ("missed_lots", "i8"),  # that the real ones had and the ghosts did not
        ("extra_lots", "i8"),
    ]
)

PASS: Final = np.dtype(
    [
        ("ghosts", "i8"),
        ("places", "i8"),
        ("venues", "i8"),
        ("takers", "i8"),
        ("listed", "i8"),  # indices of ghosts
        ("differences", "i8"),
        ("resting", "i8"),  # counts by class
        ("taking", "i8"),
        ("ghost_free", "i8"),
        ("ghost_free_n", "i8"),
        ("place_n", "i8"),
        ("taker_capacity", "i8"),
        ("difference_capacity", "i8"),
        ("difference_n", "i8"),  # also those that were not kept
        ("open_head", "i8"),  # of the simulated orders, as of a strategy
        ("open_tail", "i8"),
        ("owners", "i8"),  # given so far
        ("needed", "i8"),  # of what a status asks for
        # the current event
        ("phase", "i8"),
        ("book", "i8"),
        ("first", "i8"),
        ("last", "i8"),
        ("at", "i8"),
        ("asked", "i8"),  # record whose request was sent already, or NIL
        ("sent", "i8"),  # ghost that was sent for it, or NIL
        ("cursor", "i8"),
        ("event", "i8"),
        ("stamp", "i8"),  # the market's next one as it began
        ("traded", "i8"),
        ("facts", "i8"),  # bits by class
        ("kinds", "i8"),
        ("reopened", "i8"),
        ("listed_n", "i8"),
        ("taker_n", "i8"),
        # results
        ("real_lots", "i8"),  # filled while they rested, of orders that were sent again
        ("same_lots", "i8"),
        ("other_lots", "i8"),  # of orders that were there before the data
        ("untouched", "i8"),  # orders that nothing had happened to as the data ended
        ("within_event", "i8"),  # orders that came and went in one event
        ("clips", "i8"),  # of icebergs, shown and filled in one event with the clip before
        ("taken_lots", "i8"),
        ("same_taken_lots", "i8"),
        ("nobodys_lots", "i8"),  # traded without an aggressor: auctions, implied, hidden
    ]
)

ghost_at = accessor(GHOST)
place_at = accessor(PLACE)
venue_at = accessor(PLACEBO_VENUE)
taker_at = accessor(TAKER)
difference_at = accessor(DIFFERENCE)
count_at = accessor(COUNT)
listed_at = accessor(np.dtype([("index", "i8")]))

# Status codes of the pass, beyond those of the book.
MORE_RECORDS: Final = 30  # the event at hand goes on in the next batch
GROW_GHOSTS: Final = 31
GROW_OWN: Final = 32
GROW_TRACES: Final = 33
GROW_CLAIMS: Final = 34
GROW_PLACES: Final = 35
GROW_TAKERS: Final = 36
