"""Best prices and traded lots of a run's books, for charts: coarse everywhere, exact around fills.

Spans of time hold the lowest bid and the highest ask that stood in them, so that no spike is lost.
Around fills every move of the best prices is kept. Memory follows bounds, not the length of a run:
spans double where there are too many, and every other fill loses its surroundings where those have
too many moves. Neither hangs on how rows came in batches.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.capacity import MarketActivity, market_of
from tapewire.analytics.exact import Int64Array
from tapewire.analytics.markouts import NO_PRICE, as_words, by_book
from tapewire.analytics.waiting import WaitingRows
from tapewire.execution.rows import TOUCH_DTYPE
from tapewire.market.records import UNDEF_PRICE

#: Moves before and after a fill that are its surroundings.
AROUND: Final = 8
#: Spans, and fills with their surroundings, that are held of all books together; of one book at
#: most, and at least.
_SPANS_HELD: Final = (131_072, 2_048, 16)
_FILLS_HELD: Final = (16_384, 3_072, 4)
#: Spans, and moves around fills, that are drawn on one page: so too.
SPANS_DRAWN: Final = (1_800, 600, 100)
MOVES_DRAWN: Final = (9_000, 9_000, 4 * AROUND)
#: Spans of traded lots on a page, of each book.
VOLUME_SPANS_MAX: Final = 480
#: Steps of time over which changes of the mid are measured: 2**30 ns, about a second.
_STEP_BITS: Final = 30
#: The shortest span is 2**20 ns, about a millisecond.
_BITS_MIN: Final = 20
#: Rows that are looked at together: where books are many, more, so that each has some.
_ROWS_AT_ONCE: Final = 65_536
_ROWS_MAX: Final = 262_144

#: Columns of what a span holds.
_SPAN, _LOW, _HIGH, _BID, _ASK, _VOLUME = range(6)
#: Columns of a move: which of its book's, when, best prices, lots traded by then.
_N, _TS, _MOVE_BID, _MOVE_ASK, _MOVE_VOLUME = range(5)
#: What a point of a band is: the extremes of its span, what stood exactly, or no two sides.
WIDE, EXACT, EMPTY = "weo"


def share_of(bounds: tuple[int, int, int], parts: int) -> int:
    """Return what one of several may have of a bound on all, within its own bounds."""
    together, most, least = bounds
    return max(least, min(most, together // max(parts, 1)))


@dataclass(frozen=True)
class Band:
    """A book's best prices as steps, and its traded lots over equal spans.

    Attributes
    ----------
    ts : ndarray
        When each point begins, ns, ascending; it lasts until the next.
    bid, ask : ndarray
        1e-9, of as many points.
    kinds : str
        A letter for each point: `WIDE`, `EXACT` or `EMPTY`, whose prices mean nothing.
    width_ns : int
        Of a span.
    every : int
        Surroundings are those of one fill in so many.
    volume_start_ns, volume_width_ns : int
        Where the first span of ``volume`` begins, and how long each is.
    volume : ndarray
        Lots traded in each; a trade counts at the next move of the best prices.
    """

    ts: Int64Array
    bid: Int64Array
    ask: Int64Array
    kinds: str
    width_ns: int
    every: int
    volume_start_ns: int
    volume_width_ns: int
    volume: Int64Array


@dataclass
class _Book:
    """What is held of one book."""

    bits: int = _BITS_MIN
    spans: Int64Array = field(default_factory=lambda: np.empty((0, 6), np.int64))
    moves: int = 0
    tail: Int64Array = field(default_factory=lambda: np.empty((0, 5), np.int64))
    fills: int = 0
    every: int = 1
    #: Fills that wait for moves after them: which of its book's, and when.
    waiting: Int64Array = field(default_factory=lambda: np.empty((0, 2), np.int64))
    #: Moves around fills, behind the fill that they are around: a move may be there twice.
    around: Int64Array = field(default_factory=lambda: np.empty((0, 6), np.int64))

    def add(self, touches: Int64Array, fills_ns: Int64Array, fills_max: int) -> None:
        """Take moves (as words of ``TOUCH_DTYPE``), and fills that are no later than the last."""
        number = np.arange(self.moves, self.moves + len(touches))
        self.moves += len(touches)
        moves = np.column_stack([number, touches[:, 1:]])
        self.spans = _merged(np.concatenate([self.spans, _spans_of(moves, self.bits)]))
        number = np.arange(self.fills, self.fills + len(fills_ns))
        self.fills += len(fills_ns)
        self.waiting = np.concatenate([self.waiting, np.column_stack([number, fills_ns])])
        self.leave_out(fills_max)
        self.waiting = self.waiting[self.waiting[:, 0] % self.every == 0]
        self._look(np.concatenate([self.tail, moves]), at_end=False)

    def _look(self, moves: Int64Array, *, at_end: bool) -> None:
        """Cut the surroundings of fills out of moves, where those after them are there."""
        at = np.searchsorted(moves[:, _TS], self.waiting[:, 1])
        ready = (at + AROUND <= len(moves)) | at_end
        places = at[ready, None] + np.arange(-AROUND, AROUND)
        there = (places >= 0) & (places < len(moves))
        fill = np.repeat(self.waiting[ready, 0], np.count_nonzero(there, axis=1))
        found = np.column_stack([fill, moves[places[there]]])
        self.around = np.concatenate([self.around, found])
        self.waiting = self.waiting[~ready]
        self.tail = moves[-4 * AROUND :].copy()

    @property
    def first_ns(self) -> int:
        """Where the first of its spans begins; there is one."""
        return int(self.spans[0, _SPAN]) << self.bits

    def coarsen(self, spans_max: int) -> None:
        """Double spans until there are so many at most."""
        while len(self.spans) > spans_max:
            self.bits += 1
            self.spans[:, _SPAN] >>= 1
            self.spans = _merged(self.spans)

    def leave_out(self, fills_max: int) -> None:
        """Leave out every other fill until so many at most are left."""
        while self.fills > fills_max * self.every:
            self._halve()

    def _halve(self) -> None:
        self.every *= 2
        self.around = self.around[self.around[:, 0] % self.every == 0]
        self.waiting = self.waiting[self.waiting[:, 0] % self.every == 0]

    def exact(self, moves_max: int) -> Int64Array:
        """Return the moves around fills, each once; of so many fills that they are no more."""
        self._look(self.tail, at_end=True)  # what waits for moves that do not come
        while True:
            _, first = np.unique(self.around[:, 1 + _N], return_index=True)
            if len(first) <= moves_max:
                return np.asarray(self.around[first, 1:])
            self._halve()


def _spans_of(moves: Int64Array, bits: int) -> Int64Array:
    """Return a span for each move."""
    bid, ask = moves[:, _MOVE_BID], moves[:, _MOVE_ASK]
    high = np.where(ask == UNDEF_PRICE, NO_PRICE, ask)
    return np.column_stack([moves[:, _TS] >> bits, bid, high, bid, ask, moves[:, _MOVE_VOLUME]])


def _merged(spans: Int64Array) -> Int64Array:
    """Make one of neighbours that are the same span. A side that is empty is beyond any price."""
    if not len(spans):
        return spans
    starts = np.flatnonzero(np.r_[True, np.diff(spans[:, _SPAN]) != 0])
    merged: Int64Array = spans[np.r_[starts[1:], len(spans)] - 1]  # what stood last
    merged[:, _LOW] = np.minimum.reduceat(spans[:, _LOW], starts)
    merged[:, _HIGH] = np.maximum.reduceat(spans[:, _HIGH], starts)
    return merged


class Bands:
    """Takes fills and moves of best prices in any batches; gives bands of some books."""

    def __init__(self) -> None:
        self._books: dict[int, _Book] = {}
        self._touches = WaitingRows(as_words(np.zeros(0, TOUCH_DTYPE)))
        self._fills = WaitingRows(np.empty((0, 2), np.int64))  # books and times

    def add(self, fills: NDArray[Any], touches: NDArray[Any]) -> None:
        """Take ``FILL_DTYPE`` and ``TOUCH_DTYPE`` rows, in the order they happened."""
        self._touches.add(as_words(touches))
        if fills.size:
            book = fills["publisher_id"] << 32 | fills["instrument_id"]
            self._fills.add(np.column_stack([book, fills["ts_event"]]))
        waiting_rows = len(self._touches) + len(self._fills)
        if waiting_rows >= min(max(_ROWS_AT_ONCE, 64 * len(self._books)), _ROWS_MAX):
            self._take()

    def _take(self) -> None:
        words, (filled, ts) = self._touches.take(), self._fills.take().T
        fills_ns = {book: ts[at] for book, at in by_book(filled)}
        before, touched = len(self._books), dict(by_book(words[:, 0]))
        for book in (*touched, *fills_ns):
            self._books.setdefault(book, _Book())
        fills_max = share_of(_FILLS_HELD, len(self._books))
        for book in {**touched, **fills_ns}:
            one, none = self._books[book], np.empty(0, np.int64)
            one.add(words[touched.get(book, slice(0))], fills_ns.get(book, none), fills_max)
        # What one book may hold is less the more there are: all are looked at where that halves.
        all_anew = len(self._books).bit_length() != before.bit_length()
        for book in self._books if all_anew else touched:
            self._books[book].coarsen(self._spans_max())
            self._books[book].leave_out(fills_max)

    def _spans_max(self) -> int:
        """Return how many spans one book may have, of as many books as there are."""
        return 2 * share_of(_SPANS_HELD, len(self._books))

    def markets(self) -> dict[int, MarketActivity]:
        """Return what happened in each book so far."""
        self._take()
        # Those that did not move lately may have been left finer, by how rows came in batches.
        for one in self._books.values():
            one.coarsen(self._spans_max())
        columns = [_BID, _ASK, _VOLUME]
        return {
            book: market_of(
                one.spans[:, columns], one.spans[:, _SPAN] >> max(_STEP_BITS - one.bits, 0)
            )
            for book, one in self._books.items()
        }

    def of(self, books: Iterable[int], first_ns: int, last_ns: int) -> dict[int, Band]:
        """Return the bands of those books that moved by then, between two times, for one page.

        Nothing can be added after it.
        """
        self._take()
        wanted = [book for book in dict.fromkeys(books) if book in self._books]
        bands = {}
        for book in wanted:
            one = self._books[book]
            spans_max = share_of(_SPANS_HELD, len(self._books))
            one.coarsen(min(spans_max, share_of(SPANS_DRAWN, len(wanted))))
            one.leave_out(share_of(_FILLS_HELD, len(self._books)))
            exact = one.exact(share_of(MOVES_DRAWN, len(wanted)))
            if len(one.spans) and one.first_ns <= last_ns:
                bands[book] = _band_of(one, exact, first_ns, last_ns)
        return bands


def _band_of(book: _Book, exact: Int64Array, first_ns: int, last_ns: int) -> Band:
    spans, width = book.spans, 1 << book.bits
    coarse = _coarse_steps(spans, width)
    steps = _with_surroundings(coarse, exact, book.moves)
    # What stood at the beginning is shown from there on.
    at = max(int(np.searchsorted(steps[:, 0], first_ns, "right")) - 1, 0)
    steps = steps[at : int(np.searchsorted(steps[:, 0], last_ns, "right"))].copy()
    steps[:1, 0] = np.maximum(steps[:1, 0], first_ns)
    empty = (steps[:, 1] == UNDEF_PRICE) | (np.isin(steps[:, 2], (UNDEF_PRICE, NO_PRICE)))
    kinds = np.where(empty, EMPTY, np.where(steps[:, 3] != 0, EXACT, WIDE))
    # The price of nothing is a neighbour's, so that it takes no room.
    known = np.maximum.accumulate(np.where(empty, np.argmin(empty), np.arange(len(steps))))
    bid, ask = (np.where(empty.all(), 0, steps[known, k]) for k in (1, 2))
    start_ns, volume_width, volume = _volume_of(book)
    return Band(
        steps[:, 0], bid, ask, "".join(kinds.tolist()), width, book.every, start_ns, volume_width,
        volume,
    )  # fmt: skip


def _volume_of(book: _Book) -> tuple[int, int, Int64Array]:
    """Return where spans of traded lots begin, how long they are, and the lots of each."""
    bits, spans = book.bits, book.spans[:, _SPAN]
    while int(spans[-1]) - int(spans[0]) >= VOLUME_SPANS_MAX:
        bits, spans = bits + 1, spans >> 1
    volume = np.zeros(int(spans[-1] - spans[0]) + 1, np.int64)
    traded = np.diff(book.spans[:, _VOLUME], prepend=0)
    np.add.at(volume, spans - spans[0], np.maximum(traded, 0))
    return int(spans[0]) << bits, 1 << bits, volume


def _coarse_steps(spans: Int64Array, width: int) -> Int64Array:
    """Return times, bids, asks and whether they are exact: of spans, and of what stands between."""
    low, high = spans[:, _LOW].copy(), spans[:, _HIGH].copy()
    # What stood last in the span before stands at the beginning of this one.
    low[1:] = np.minimum(low[1:], spans[:-1, _BID])
    asks = spans[:-1, _ASK]
    high[1:] = np.maximum(high[1:], np.where(asks == UNDEF_PRICE, NO_PRICE, asks))
    zeros, number = np.zeros(len(spans), np.int64), spans[:, _SPAN]
    wide = np.column_stack([number * width, low, high, zeros])
    ends = np.flatnonzero(np.r_[np.diff(number) > 1, True])
    still = np.column_stack(
        [(number[ends] + 1) * width, spans[ends, _BID], spans[ends, _ASK], zeros[ends] + 1]
    )
    steps = np.concatenate([wide, still])
    return np.asarray(steps[np.argsort(steps[:, 0], kind="stable")])


def _with_surroundings(coarse: Int64Array, moves: Int64Array, moves_all: int) -> Int64Array:
    """Put exact moves in the place of spans, where they follow one another without a gap."""
    if not len(moves):
        return coarse
    gaps = np.flatnonzero(np.diff(moves[:, _N]) != 1)
    starts, ends = np.r_[0, gaps + 1], np.r_[gaps, len(moves) - 1]
    from_ns, to_ns = moves[starts, _TS], moves[ends, _TS]
    # The last move of a run ends it: when the next one comes is not known.
    lasts = moves[:, _TS] < np.repeat(to_ns, ends - starts + 1)
    exact = moves[lasts][:, [_TS, _MOVE_BID, _MOVE_ASK]]
    exact = np.column_stack([exact, np.ones(len(exact), np.int64)])
    back = coarse[np.maximum(np.searchsorted(coarse[:, 0], to_ns, "right") - 1, 0)].copy()
    back[:, 0] = to_ns
    if moves[-1, _N] == moves_all - 1:
        back[-1, 1:] = [moves[-1, _MOVE_BID], moves[-1, _MOVE_ASK], 1]  # the last there was
    run = np.searchsorted(from_ns, coarse[:, 0], "right") - 1
    hidden = (run >= 0) & (coarse[:, 0] <= to_ns[np.maximum(run, 0)])
    steps = np.concatenate([coarse[~hidden], back, exact])
    return np.asarray(steps[np.argsort(steps[:, 0], kind="stable")])
