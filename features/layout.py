"""The records features are kept in, per book; see ``sets.py`` for how they are laid out."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor

# What is kept of a book, as of its last event. Windows remember it as it was.
MID: Final = 0  # best bid + best ask as last known, in 1e-9; UNDEF_PRICE before
EVENTS: Final = 1  # events so far
TRADES: Final = 2  # T records so far
FLOW: Final = 3  # lots bought less lots sold by aggressors so far
ORDER_FLOW: Final = 4  # lots; sum of what Cont, Kukanov and Stoikov call e_n
BID_DEPLETION: Final = 5  # lots that left the best bid so far
ASK_DEPLETION: Final = 6
KEPT_N: Final = 7
#: Not one of them.
NOTHING_KEPT: Final = -1

#: A window begins at a whole multiple of its length divided by this.
WINDOW_PARTS: Final = 1_000
#: Entries of a window's ring, a power of two: one a part, the part at hand, what was before.
WINDOW_ENTRIES: Final = 1_024
#: Steps whose returns a realised volatility is made of, and the ring of them.
STEPS: Final = 60
STEP_ENTRIES: Final = 64

#: One column of a set: which feature, and of what.
COLUMN: Final = np.dtype(
    [
        ("feature", "i8"),  # position in ``registry.FEATURES``
        ("part", "i8"),  # position of its window, depth or path; 0 where it has none
        ("kept", "i8"),  # what it takes from the window; NOTHING_KEPT
        ("word", "i8"),  # where that is in an entry of the window's ring
    ]
)

#: A window of time that some columns look back over. An entry of its ring is the number of a part
#: of time and what was kept as that part ended, for each part that had an event.
WINDOW: Final = np.dtype(
    [
        ("length_ns", "i8"),
        ("part_ns", "i8"),
        ("part", "i8"),  # the part that the last event was in
        ("next_ns", "i8"),  # when it ends
        ("ring", "i8"),  # address of words
        ("width", "i8"),  # words of an entry
        ("n", "i8"),  # entries written so far; the ring holds the last of them
        ("kept", "i8", (KEPT_N,)),  # what words 1 and up of an entry are
        # As last located, to begin from the next time:
        ("base", "i8"),  # number of the entry before the window begins; BASE_*
        ("near", "i8"),  # an entry not far from it
        ("span_ns", "i8"),  # how long the window is, from the beginning of its first part
    ]
)
BASE_UNKNOWN: Final = -1  # the book was not there yet
BASE_NOW: Final = -2  # nothing has happened since

#: The mid at the ends of steps, for realised volatility.
PATH: Final = np.dtype(
    [
        ("length_ns", "i8"),
        ("step_ns", "i8"),
        ("step", "i8"),  # the step that the last event was in
        ("next_ns", "i8"),
        ("ring", "i8"),  # address of STEPs
        ("n", "i8"),
    ]
)
STEP: Final = np.dtype([("step", "i8"), ("mid", "i8"), ("square", "f8")])

#: Lots on the best levels of both sides.
DEPTH: Final = np.dtype([("levels", "i8"), ("bid_lots", "i8"), ("ask_lots", "i8")])

#: Bits of ``wants``.
WANTS_QUEUES: Final = 1

#: What is known of one book, as of the last event it was told of.
FEATURE_STATE: Final = np.dtype(
    [
        ("clock", "i8"),  # ns since the epoch, of that event
        ("bid", "i8"),  # price in 1e-9; UNDEF_PRICE where there is none
        ("ask", "i8"),
        ("bid_size", "i8"),  # lots
        ("ask_size", "i8"),
        ("kept", "i8", (KEPT_N,)),
        ("new_flow", "i8"),  # of the event at hand
        ("new_trades", "i8"),
        ("wants", "i8"),
        ("close_ns", "i8"),  # time of day of the close, where no closes are known
        ("closes", "i8"),  # address of words: times of closes, ascending
        ("close_n", "i8"),
        ("windows", "i8"),
        ("window_n", "i8"),
        ("paths", "i8"),
        ("path_n", "i8"),
        ("depths", "i8"),
        ("depth_n", "i8"),
        ("columns", "i8"),
        ("column_n", "i8"),
    ]
)

WORD: Final = np.dtype([("value", "i8")])

column_at = accessor(COLUMN)
window_at = accessor(WINDOW)
path_at = accessor(PATH)
depth_at = accessor(DEPTH)
step_at = accessor(STEP)
word_at = accessor(WORD)
features_at = accessor(FEATURE_STATE)
#: Where columns are written to.
number_at = accessor(np.dtype([("value", "f8")]), in_block=False)

#: A row of a pass, its columns apart; and a change of a book's mid.
ROW: Final = np.dtype(
    [
        ("ts", "i8"),  # ns since the epoch: the moment that the row is as of
        ("book", "i8"),
        ("event", "i8"),  # events of the book so far
        ("mid", "i8"),  # best bid + best ask as last known, in 1e-9; UNDEF_PRICE
    ]
)

#: A pass over records, with nobody watching but rows.
PASS: Final = np.dtype(
    [
        ("states", "i8"),  # address of words: a book's FEATURE_STATE
        ("kind", "i8"),  # samples.BY_…
        ("n", "i8"),  # ns or events between two rows
        ("due_ns", "i8"),  # moment of the next rows, if they go by time
        ("cursor", "i8"),  # book of the next of them
        ("clock", "i8"),  # largest ts_recv so far
        ("start_ns", "i8"),  # moment of the first rows
        ("keeps_mids", "i8"),
        ("rows", "i8"),
        ("values", "i8"),  # of the rows: address of float64
        ("width", "i8"),  # columns
        ("row_n", "i8"),
        ("mids", "i8"),  # ROWs, one for each change
        ("mid_n", "i8"),
        ("capacity", "i8"),  # of rows, and of mids
    ]
)

#: Of a pass, beside those of the book's kernels: rows have to be taken out.
ROWS_FULL: Final = 100

row_at = accessor(ROW)
