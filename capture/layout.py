"""What a pass over a capture counts, and what it keeps of open events."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor

#: What a pass counts beside the books' own counters; see `CaptureCounts` for what each means.
COUNTED: Final = (
    "ts_recv_backward", "ts_event_backward", "ts_event_after_ts_recv", "undefined_ts_recv",
    "excess_cancels", "excess_fills", "fills_own", "fills_auction", "fills_unknown", "fills_direct",
    "fills_behind_cancelled", "fills_behind_filled", "fills_jumped", "fills_other_price",
    "locked_before_trading", "crossed_before_trading", "negative_prices", "locked_ns", "crossed_ns",
)  # fmt: skip
#: Counters of which the first record is remembered.
PLACED: Final = (
    "ts_recv_backward", "ts_event_after_ts_recv", "excess_cancels", "excess_fills", "fills_jumped",
    "unknown_cancels", "unknown_modifies", "duplicate_adds", "crossed_trading",
)  # fmt: skip

#: What is kept per book.
SEEN: Final = np.dtype(
    [
        ("ts_event", "i8"),  # of its last live record
        ("locked_ns", "i8"),  # clock since when it is locked; 0: it is not
        ("crossed_ns", "i8"),
        ("fills", "i8"),  # passive fills of the open event
    ]
)

#: A resting order that a fill of an open event passed over; or, with NO_FILL, one that was filled.
AHEAD: Final = np.dtype([("book", "i8"), ("order_id", "i8"), ("price", "i8"), ("fill", "i8")])
NO_FILL: Final = -1

CAPTURE: Final = np.dtype(
    [
        ("seen", "i8"),  # address
        ("ahead", "i8"),  # address
        ("ahead_n", "i8"),
        ("ahead_capacity", "i8"),
        ("record", "i8"),  # number of the record at hand
        ("clock", "i8"),  # largest ts_recv of a live record so far
        ("last_ts_recv", "i8"),
        *((name, "i8") for name in COUNTED),
        *((f"first_{name}", "i8") for name in PLACED),
    ]
)

#: Orders that one fill may pass over and still be looked at one by one.
AHEAD_MAX: Final = 256
#: Orders that are kept of open events at most: 512 fills that pass over so many each. Beyond,
#: events that do not end are judged as if they did.
AHEAD_KEPT_MAX: Final = 1 << 17
#: There is no room for what an open event passes over: to be grown, and tried again.
GROW_AHEAD: Final = 100

seen_at = accessor(SEEN)
ahead_order_at = accessor(AHEAD)
