"""A pass over the records of a capture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.capture._kernels import check_batch, end_check
from tapewire.capture.layout import AHEAD, AHEAD_MAX, CAPTURE, COUNTED, GROW_AHEAD, PLACED, SEEN
from tapewire.compiled.kernel_cache import compile_once, is_compiled
from tapewire.compiled.memory import Block
from tapewire.market import MarketState
from tapewire.market.book import STEP_RECORDS, batch_address
from tapewire.market.flags import FlagKind
from tapewire.market.layout import COUNTERS, NEW_BOOK
from tapewire.market.records import MBO_DTYPE

_BOOKS_AT_START: Final = 16
#: A name for the kernels of a pass, among those that are compiled.
_KERNELS: Final = "capture"


@dataclass(frozen=True)
class CaptureCounts:
    """What was counted over a capture. All are of records unless said otherwise.

    Attributes
    ----------
    book : dict of str to int
        The books' own counters: records, events, unknown ids, duplicates, missing F_LAST, …; and
        ``unfinished_events``, still open at the end.
    clocks : dict of str to int
        ``ts_recv_backward`` (before the record before), ``ts_event_backward`` (before the live
        record before, of the same book), ``ts_event_after_ts_recv``, ``undefined_ts_recv``.
    fills : dict of str to int
        F records by what stood before their order: ``direct`` nothing, ``behind_cancelled`` orders
        that left in the same event, ``behind_filled`` orders filled in the same event, ``jumped``
        orders that stayed; ``own`` the aggressor's own, ``auction`` of a trade without a side,
        ``unknown`` of an order nobody had heard of. ``other_price``: at another price than the
        order's, beside that. Those that passed over others are judged as their event ends, or,
        where open events have more than can be kept, by what is known by then.
    sizes : dict of str to int
        ``excess_cancels``, ``excess_fills``: for more than the order had.
    gaps : dict of str to int
        Events that left a book locked or crossed, those before the book's first trade, and the
        time (ns of ``ts_recv``, summed over books) that books were so.
    negative_prices : int
    first : dict of str to int
        Number of the first record by what was found, of what was found.
    """

    book: dict[str, int]
    clocks: dict[str, int]
    fills: dict[str, int]
    sizes: dict[str, int]
    gaps: dict[str, int]
    negative_prices: int
    first: dict[str, int]


class CapturePass:
    """Builds the books of a capture, and looks at every record as it does.

    Examples
    --------
    >>> capture = CapturePass()
    >>> capture.feed(records)                               # doctest: +SKIP
    >>> capture.finish().fills["jumped"]                    # doctest: +SKIP
    0
    """

    def __init__(self) -> None:
        self._market = MarketState()
        self._seen = Block(SEEN, _BOOKS_AT_START)
        self._ahead = Block(AHEAD, 4 * AHEAD_MAX)
        self._state: npt.NDArray[Any] = np.zeros(1, CAPTURE)
        for name in PLACED:
            self._state[0][f"first_{name}"] = -1
        self._publish()

    def _publish(self) -> None:
        state = self._state[0]
        state["seen"], state["ahead"] = self._seen.address, self._ahead.address
        state["ahead_capacity"] = self._ahead.capacity

    def feed(self, records: npt.NDArray[Any]) -> None:
        """Pass over records, shape (n,), ``MBO_DTYPE``, in the order of the file."""
        address, n, _keep = batch_address(records)
        at = 0
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            status, at = check_batch(self._market.state, self._state, address, stop, at)
            if status == NEW_BOOK:
                self._market.resolve(NEW_BOOK)
                if int(self._market.state[0]["book_n"]) > self._seen.capacity:
                    self._seen.grow(2 * self._seen.capacity)
            elif status == GROW_AHEAD:
                self._ahead.grow(2 * self._ahead.capacity)
            elif status:
                self._market.resolve(status)
            self._publish()

    def flagged(self) -> dict[int, dict[str, int]]:
        """What records of a book said of themselves, by its key: counts by `FlagKind.key`."""
        books = self._market.books.records[: int(self._market.state[0]["book_n"])]
        said = np.stack([books[kind.key] for kind in FlagKind], axis=1)
        keys = [kind.key for kind in FlagKind]
        return {
            int(books[at]["key"]): dict(zip(keys, said[at].tolist(), strict=True))
            for at in np.flatnonzero(said.any(axis=1))
        }

    @property
    def nbytes(self) -> int:
        """Bytes held by books, what is kept of them, and of open events."""
        return self._market.nbytes + self._seen.nbytes + self._ahead.nbytes

    def finish(self) -> CaptureCounts:
        """There are no more records: what was counted."""
        end_check(self._market.state, self._state)
        found = {name: int(self._state[0][name]) for name in COUNTED}
        book_n = int(self._market.state[0]["book_n"])
        book = {name: int(self._market.state[0][name]) for name in COUNTERS}
        books = self._market.books.records[:book_n]
        book["unfinished_events"] = int(np.count_nonzero(books["open"]))
        gaps = ("locked_before_trading", "crossed_before_trading", "locked_ns", "crossed_ns")
        return CaptureCounts(
            book=book,
            clocks={name: found[name] for name in COUNTED if "ts_" in name},
            fills={
                name.removeprefix("fills_"): found[name]
                for name in COUNTED
                if name.startswith("fills_")
            },
            sizes={name: found[name] for name in ("excess_cancels", "excess_fills")},
            gaps={name: book[name] for name in ("locked_events", "crossed_events")}
            | {name: found[name] for name in gaps},
            negative_prices=found["negative_prices"],
            first={
                name: int(self._state[0][f"first_{name}"])
                for name in PLACED
                if self._state[0][f"first_{name}"] >= 0
            },
        )


def warm_up(say: Callable[[str], None]) -> None:
    """Compile or load the kernels of a pass; of several processes, one compiles."""

    def work() -> None:
        if not is_compiled(_KERNELS):
            say("compiling kernels, first run only …")
        capture = CapturePass()
        capture.feed(np.zeros(1, MBO_DTYPE))
        capture.finish()

    compile_once(work, (_KERNELS,), say)
