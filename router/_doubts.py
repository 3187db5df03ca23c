"""Books in doubt: what their records say of themselves, where the run is to mind it.

A book is in doubt from the record, or the event, that said so until something shows that it is as
it stands, which is judged at the end of its events. Until then it is as in a halt (`_states`).
"""

from typing import Any, Final

from tapewire.compiled.jit import jit
from tapewire.execution.layout import ALWAYS, SHUT_DOUBT
from tapewire.market.flags import FlagKind
from tapewire.market.layout import ASK, BID, NIL, NO_SNAPSHOT, OK, book_at, side_at
from tapewire.router._layout import FAULT_FLAGGED, watch_at

_MAYBE_BAD_BOOK: Final = 1 << FlagKind.MAYBE_BAD_BOOK
_CLEAR: Final = 1 << FlagKind.CLEAR
_OF_AN_EVENT: Final = 1 << FlagKind.BAD_TS_RECV | 1 << FlagKind.MISSING_LAST


@jit
def heed_flags(market: Any, router: Any, book: int) -> int:
    """Do what the run does about what was noted of a book; a status.

    Before the event that it was said of is finished. Books that no strategy trades don't matter.
    """
    kinds = market.noted
    market.noted = 0
    watch = watch_at(router.watches, book)
    if watch.legs == NIL:
        return OK
    if kinds & router.flag_stops:
        router.flag_kinds = kinds & router.flag_stops
        router.flag_book = book
        return FAULT_FLAGGED
    if watch.doubts == 0:
        watch.doubt_n += 1
    watch.doubts |= kinds
    watch.shut |= SHUT_DOUBT
    watch.wake = ALWAYS
    if kinds & _MAYBE_BAD_BOOK:
        watch.doubt_rebuilds = book_at(market.books, book).rebuilds
    if kinds & _OF_AN_EVENT:
        watch.doubt_fresh = 1
    return OK


@jit
def settle_doubts(market: Any, watch: Any, book: int) -> None:
    """At the end of an event, end the doubts about its book that there is no reason for any more.

    Lost records: a snapshot or a clear that began later is complete. A clear: both sides have
    prices again. A wrong capture time, an event without its end: an event without either is over.
    """
    state = book_at(market.books, book)
    if state.in_snapshot == NO_SNAPSHOT:
        if state.rebuilds > watch.doubt_rebuilds:
            watch.doubts &= ~_MAYBE_BAD_BOOK
        bids = side_at(market.sides, 2 * book + BID)
        asks = side_at(market.sides, 2 * book + ASK)
        if bids.n > 0 and asks.n > 0:
            watch.doubts &= ~_CLEAR
    if watch.doubt_fresh == 0:
        watch.doubts &= ~_OF_AN_EVENT
    watch.doubt_fresh = 0
    if watch.doubts == 0:
        watch.shut &= ~SHUT_DOUBT
    else:
        watch.doubt_events += 1
