"""Where the market was around each fill: its best prices before it, its mid at fixed times after.

A fill is looked at again when the book is beyond the last of the times, so memory holds the fills
and the moves of a book's best prices of about that long, and a chunk of moves per book.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array, groups
from tapewire.analytics.waiting import WaitingRows
from tapewire.compiled.units import NS_PER_S
from tapewire.execution.codes import FillReason, Liquidity
from tapewire.execution.rows import FILL_DTYPE, TOUCH_DTYPE
from tapewire.market.records import UNDEF_PRICE

#: Times after a fill at which the mid is taken, by what columns call them.
HORIZONS: Final = {
    "1ms": NS_PER_S // 1000,
    "10ms": NS_PER_S // 100,
    "100ms": NS_PER_S // 10,
    "1s": NS_PER_S,
    "10s": 10 * NS_PER_S,
    "60s": 60 * NS_PER_S,
}
#: In the place of a price that is not known.
NO_PRICE: Final = -(2**63)
#: Moves of a book's best prices that are looked at together. Rows come in an order of these chunks,
#: which is that of the stream: how it was cut into batches does not show.
_CHUNK: Final = 65_536
_LAST_NS: Final = max(HORIZONS.values())
_NEVER: Final = 2**63 - 1

MARKOUT_DTYPE: Final = np.dtype(
    [
        ("fill", "i8"),  # which of the run's fills, from 0
        *[(name, "i8") for name in ("leg", "client_order_id", "publisher_id", "instrument_id")],
        *[(name, "i8") for name in ("side", "last_px", "last_qty", "liquidity", "ts_event")],
        ("bid", "i8"),  # 1e-9, before the fill; NO_PRICE: there was none
        ("ask", "i8"),
        ("mid", "i8"),  # the last there was before the fill, rounded down
        *[(f"mid_{name}", "i8") for name in HORIZONS],  # so long after it; NO_PRICE: after the data
    ]
)
_NO_TOUCHES: Final = np.zeros(0, TOUCH_DTYPE)
_TS: Final = (MARKOUT_DTYPE.names or ()).index("ts_event")
_PRICES: Final = ("bid", "ask", "mid", *(f"mid_{name}" for name in HORIZONS))
_OF_FILL: Final = [name for name in MARKOUT_DTYPE.names or () if name in (FILL_DTYPE.names or ())]


@dataclass
class _Moves:
    """Moves of best prices of one book, by time; ``mid`` is the last there was at each."""

    ts: Int64Array
    bid: Int64Array
    ask: Int64Array
    mid: Int64Array

    @classmethod
    def of(cls, touches: NDArray[Any], mid_before: int) -> "_Moves":
        bid, ask = touches["bid"], touches["ask"]
        whole = (bid != UNDEF_PRICE) & (ask != UNDEF_PRICE)
        last = np.maximum.accumulate(np.where(whole, np.arange(len(touches)), -1))
        # Halves first: the sum of two prices may be more than 64 bits hold.
        mid = (bid >> 1) + (ask >> 1) + (bid & ask & 1)
        return cls(touches["ts_event"], bid, ask, np.where(last < 0, mid_before, mid[last]))


@dataclass
class _BookMarks:
    """What is held of one book: fills that wait, and the moves that they may still need.

    Rows are held as words, (n, k) int64: numpy copies records field by field. Fills stay in the
    parts in which they came, each with the time of its earliest: most are not touched by a look.
    """

    fills: list[tuple[int, Int64Array]] = field(default_factory=list)
    moves: WaitingRows = field(default_factory=lambda: WaitingRows(as_words(_NO_TOUCHES)))
    left: Int64Array = field(default_factory=lambda: as_words(_NO_TOUCHES))
    mid_before: int = NO_PRICE  # the mid before the first of those

    def look(self, new: Int64Array, *, at_end: bool) -> Int64Array:
        """Return the fills that are beyond the last time, or all at the end, with their prices."""
        touches = np.concatenate([self.left, new])
        moves = _Moves.of(touches.view(TOUCH_DTYPE)[:, 0], self.mid_before)
        end_ns = int(moves.ts[-1]) if len(touches) else -1
        rows = self._beyond(_NEVER if at_end else end_ns - _LAST_NS)
        _price(rows.view(MARKOUT_DTYPE)[:, 0], moves, end_ns, self.mid_before)
        if len(touches):
            first_ns = min((first for first, _ in self.fills), default=end_ns)
            keep = max(int(np.searchsorted(moves.ts, first_ns)) - 1, 0)
            self.mid_before = int(moves.mid[keep - 1]) if keep else self.mid_before
            self.left = touches[keep:].copy()
        return rows

    def wait(self, fills: Int64Array) -> None:
        """Take fills, in the order they happened."""
        if len(fills):
            self.fills.append((int(fills[:, _TS].min()), fills))

    def _beyond(self, before_ns: int) -> Int64Array:
        """Take out the fills before a time, in their order."""
        parts, self.fills = self.fills, []
        rows = [as_words(np.zeros(0, MARKOUT_DTYPE))]
        for first_ns, part in parts:
            if first_ns >= before_ns:
                self.fills.append((first_ns, part))
                continue
            done = part[:, _TS] < before_ns
            n = int(np.count_nonzero(done))
            if done[:n].all():  # nearly always, and nothing is copied
                rows.append(part[:n])
                self.wait(part[n:])
            else:
                rows.append(part[done])
                self.wait(part[~done])
        return np.concatenate(rows)


def _price(rows: NDArray[Any], moves: _Moves, end_ns: int, mid_before: int) -> None:
    """Fill in the prices of rows."""
    ts = rows["ts_event"]
    if not moves.ts.size:
        for name in _PRICES:
            rows[name] = NO_PRICE
        return
    # An order that takes meets the book as it is; one that rests is met by what changes it.
    before = np.searchsorted(moves.ts, ts + (rows["liquidity"] == Liquidity.TAKER))
    known = before > 0
    at = np.maximum(before - 1, 0)
    for name, prices in (("bid", moves.bid), ("ask", moves.ask)):
        there = known & (prices[at] != UNDEF_PRICE)
        rows[name] = np.where(there, prices[at], NO_PRICE)
    rows["mid"] = np.where(known, moves.mid[at], mid_before)
    for name, after_ns in HORIZONS.items():
        due = ts + after_ns
        at = np.searchsorted(moves.ts, due, "right")
        mid = np.where(at > 0, moves.mid[np.maximum(at - 1, 0)], mid_before)
        rows[f"mid_{name}"] = np.where(due <= end_ns, mid, NO_PRICE)


class Markouts:
    """Turns fills and moves of best prices, in any batches, into rows of `MARKOUT_DTYPE`.

    Parameters
    ----------
    chunk
        Moves of a book's best prices that are looked at together.
    """

    def __init__(self, chunk: int = _CHUNK) -> None:
        self._chunk = chunk
        self._books: dict[int, _BookMarks] = {}
        self._fills = 0

    def add(self, fills: NDArray[Any], touches: NDArray[Any]) -> NDArray[Any]:
        """Take fills and touches, in the order they happened; return rows that are complete.

        Parameters
        ----------
        fills, touches
            ``FILL_DTYPE`` and ``TOUCH_DTYPE``, of shape (n,), n >= 0.
        """
        if fills.size:
            self._wait(fills)
        looks: list[tuple[int, int]] = []
        words = as_words(touches)
        for book, at in by_book(touches["book"]):
            marks = self._books.setdefault(book, _BookMarks())
            mine = words[at]
            first = self._chunk - len(marks.moves) - 1  # of this batch, the move that makes a chunk
            ends = range(first, len(mine), self._chunk)
            looks += [(k if isinstance(at, slice) else int(at[k]), book) for k in ends]
            marks.moves.add(mine)
        return _rows([self._next_look(book) for _, book in sorted(looks)])

    def finish(self) -> NDArray[Any]:
        """Return the rows of the fills that still wait, book by book."""
        rows = []
        for book in sorted(self._books):
            marks = self._books[book]
            rows.append(marks.look(marks.moves.take(), at_end=True))
        return _rows(rows)

    def _wait(self, fills: NDArray[Any]) -> None:
        rows = np.empty(fills.size, MARKOUT_DTYPE)
        for name in _OF_FILL:
            rows[name] = fills[name]
        rows["fill"] = np.arange(self._fills, self._fills + fills.size)
        self._fills += fills.size
        settled = fills["reason"] == FillReason.SETTLEMENT  # nobody traded
        if settled.any():
            rows = rows[~settled]
        words = as_words(rows)
        for book, at in by_book(rows["publisher_id"] << 32 | rows["instrument_id"]):
            self._books.setdefault(book, _BookMarks()).wait(words[at])

    def _next_look(self, book: int) -> Int64Array:
        marks = self._books[book]
        new = marks.moves.take()
        marks.moves.add(new[self._chunk :])
        return marks.look(new[: self._chunk], at_end=False)


def by_book(books: Int64Array) -> Iterable[tuple[int, Any]]:
    """Return each book and where its rows are; nearly always there is one book."""
    if books.size and (books == books[0]).all():
        return [(int(books[0]), slice(None))]
    return groups(books)


def as_words(rows: NDArray[Any]) -> Int64Array:
    """Return rows of int64 fields as (n, k) int64; not copied."""
    return rows.view(np.int64).reshape(len(rows), rows.dtype.itemsize // 8)


def _rows(words: Sequence[Int64Array]) -> NDArray[Any]:
    """Return rows of `MARKOUT_DTYPE` together."""
    none = as_words(np.zeros(0, MARKOUT_DTYPE))
    return np.concatenate([none, *words]).view(MARKOUT_DTYPE)[:, 0]
