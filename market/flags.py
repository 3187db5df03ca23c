"""What records say of themselves that a run may mind: kinds, and the kernels that note them.

The flags are Databento's (https://databento.com/docs/standards-and-conventions/common-fields,
``flags``). Noting them costs a record that says nothing of the kind no instruction.
"""

from enum import IntEnum
from typing import Any, Final

from tapewire.compiled.jit import jit
from tapewire.market.layout import EMPTY_SNAPSHOT, FLAGGED, MAYBE_SNAPSHOT, OK, book_at
from tapewire.market.records import ACTION_CLEAR, F_BAD_TS_RECV, F_MAYBE_BAD_BOOK, F_SNAPSHOT


class FlagKind(IntEnum):
    """What a record, or an event that lacks one, says; its number is its bit in a set of them."""

    MAYBE_BAD_BOOK = 0  # F_MAYBE_BAD_BOOK: records were lost before it
    BAD_TS_RECV = 1  # F_BAD_TS_RECV on a live record, no clear: its capture time is wrong
    MISSING_LAST = 2  # an event of more than a clear ended without F_LAST
    CLEAR = 3  # an R that is neither its book's first record nor a snapshot's

    @property
    def key(self) -> str:
        """Its name in the configuration, in counts and in a book's record."""
        return self.name.lower()


_MAYBE_BAD_BOOK: Final = 1 << FlagKind.MAYBE_BAD_BOOK
_BAD_TS_RECV: Final = 1 << FlagKind.BAD_TS_RECV
_MISSING_LAST: Final = 1 << FlagKind.MISSING_LAST
_CLEAR: Final = 1 << FlagKind.CLEAR


@jit
def _found(market: Any, kinds: int) -> int:
    """FLAGGED if somebody minds any of the kinds."""
    kinds &= market.minds
    market.noted |= kinds
    return FLAGGED if kinds != 0 else OK


@jit
def note_flags(market: Any, state: Any, action: int, flags: int) -> int:
    """Count the flags of a record that was applied; FLAGGED or OK."""
    kinds = 0
    if flags & F_MAYBE_BAD_BOOK:
        state.maybe_bad_book += 1
        kinds |= _MAYBE_BAD_BOOK
    # A snapshot's records say so as a matter of course, they were sent long ago; and so does the
    # clear with which Databento begins a session.
    if flags & F_BAD_TS_RECV and not flags & F_SNAPSHOT and action != ACTION_CLEAR:
        state.bad_ts_recv += 1
        kinds |= _BAD_TS_RECV
    return _found(market, kinds) if kinds != 0 else OK


@jit
def note_clear(market: Any, state: Any, flags: int) -> int:
    """Count an R that was applied; FLAGGED or OK."""
    if flags & F_SNAPSHOT or state.ts_recv == 0:
        return OK
    state.clear += 1
    return _found(market, _CLEAR)


@jit
def note_missing_last(market: Any, book: int) -> int:
    """Count an event that was closed without F_LAST; FLAGGED or OK."""
    market.missing_last += 1
    state = book_at(market.books, book)
    if state.in_snapshot == MAYBE_SNAPSHOT or state.in_snapshot == EMPTY_SNAPSHOT:
        return OK  # a clear alone lacks nothing
    state.missing_last += 1
    return _found(market, _MISSING_LAST)
