"""Kernels of what was last said of a book, and whether it is otherwise now."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.derive.layout import (
    EVENT_WORDS,
    SHOWN_BYTES,
    SHOWN_EVENT,
    SHOWN_LEVELS,
    derive_pair_at,
    derive_word_at,
    shown_at,
)
from tapewire.market.layout import BID, TOP_OF_BOOK, book_at, level_at, order_at, rung_at, side_at
from tapewire.market.records import UNDEF_PRICE

#: What a size or a count of the format can say.
_WORD_MAX: Final = 2**32 - 1
_NOWHERE: Final = 255


@jit_inline
def levels_of(d: Any, book: int) -> Any:
    """Address of the levels that were last said of a book."""
    return d.shown + book * SHOWN_BYTES + SHOWN_LEVELS


@jit_inline
def event_of(d: Any, book: int) -> Any:
    """Address of the last record of the open event that may have changed the book."""
    return d.shown + book * SHOWN_BYTES + SHOWN_EVENT


@jit_inline
def keep_event(d: Any, book: int, event: int) -> None:
    """Keep a copy of a record until its event ends."""
    to = event_of(d, book)
    for k in range(EVENT_WORDS):
        derive_word_at(to, k).value = derive_word_at(event, k).value
    shown_at(d.shown, book).event_open = 1


@jit
def show_levels(m: Any, d: Any, book: int, shown: Any) -> Any:
    """Bring what is said of a book up to date; (which sides changed, the first level that did).

    The sides are bits: 1 bids, 2 asks. Beyond both sides' last level nothing can have changed.
    """
    levels = levels_of(d, book)
    changed = 0
    first = _NOWHERE
    quoted = book_at(m.books, book).quoted
    for side in range(2):
        ladder = side_at(m.sides, 2 * book + side)
        n = min(ladder.n, d.depth)
        before = shown.bids if side == BID else shown.asks
        for k in range(max(n, before)):
            price = UNDEF_PRICE
            size = 0
            count = 0
            if k < n:
                rung = rung_at(m.rungs, ladder.offset + ladder.n - 1 - k)
                level = level_at(m.levels, rung.level)
                price = rung.key if side == BID else -rung.key
                size = min(level.size, _WORD_MAX)
                if quoted == 0 or order_at(m.orders, level.head).kind != TOP_OF_BOOK:
                    count = level.count
            pair = derive_pair_at(levels, k)
            if side == BID:
                if pair.bid_px != price or pair.bid_sz != size or pair.bid_ct != count:
                    pair.bid_px = price
                    pair.bid_sz = size
                    pair.bid_ct = count
                    changed |= 1
                    first = min(first, k)
            elif pair.ask_px != price or pair.ask_sz != size or pair.ask_ct != count:
                pair.ask_px = price
                pair.ask_sz = size
                pair.ask_ct = count
                changed |= 2
                first = min(first, k)
        if side == BID:
            shown.bids = n
        else:
            shown.asks = n
    return changed, 0 if first == _NOWHERE else first
