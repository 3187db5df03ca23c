"""A pass over MBO records that gives the records of another schema."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.kernel_cache import compile_once, is_compiled
from tapewire.compiled.memory import Block
from tapewire.derive._kernels import derive_batch, derive_rest
from tapewire.derive.layout import DERIVE, ROWS_FULL, SHOWN
from tapewire.derive.schemas import SCHEMAS, DerivedSchema
from tapewire.market import MarketState
from tapewire.market.book import STEP_RECORDS, batch_address
from tapewire.market.layout import NEW_BOOK, NIL
from tapewire.market.records import MBO_DTYPE, SIDE_NONE, UNDEF_PRICE

#: Bytes of records that are given at once: they stay near the core.
_BLOCK_BYTES: Final = 1 << 20
_ROWS_MIN: Final = 3
_BOOKS_AT_START: Final = 16
#: The dataset whose levels of one side say which side that was.
_SIDED_DATASET: Final = "GLBX.MDP3"
#: A name for the kernels of a pass, among those that are compiled.
_KERNELS: Final = "derive"


class Deriver:
    """Books of its own; told of MBO records, it gives the records of another schema.

    What Databento's files show is what is done here; where it was seen is said in brackets.

    - A row of ``mbp-1`` and ``mbp-10`` is a trade, beside the levels as its event found them, or
      the end of an event (F_LAST) that left the best levels other than they were; it has the
      fields of the event's last record that may change a book. The first event of a book and the
      end of a snapshot have a row in any case [GLBX.MDP3 mbp-1, DBEQ.BASIC mbp-10].
    - Its side is that of the levels that changed, N for both, in GLBX.MDP3; elsewhere it is N
      [DBEQ.BASIC, XNAS.ITCH, NDEX.IMPACT]. ``depth`` is the first level that changed.
    - ``trades`` and ``tbbo`` are the rows of trades alone. Fills never have one.
    - ``bbo``: each interval (begin, end] of ``ts_recv`` with a row of mbp-1 has one at its end,
      with the last trade so far, and sequence and flags of that row [GLBX.MDP3, bbo-1s].
    - ``ohlcv``: each interval [begin, end) of ``ts_recv`` with a trade has one bar.

    ``ts_recv`` that steps back counts as the largest so far. A size above what the format holds
    (2^32 − 1 lots of a level) is given as that.

    Parameters
    ----------
    schema : DerivedSchema
    dataset : str
        Of the records, as in the header of their file.
    rows : int, optional
        Most rows to be given at once, at least 3.

    Examples
    --------
    >>> deriver = Deriver(find_schema("mbp-10"), "GLBX.MDP3")
    >>> for rows in deriver.feed(records):                      # doctest: +SKIP
    ...     print(rows["ts_event"], rows["bid_px_00"])
    """

    def __init__(self, schema: DerivedSchema, dataset: str = "", *, rows: int = 0) -> None:
        self.schema = schema
        size = schema.dtype.itemsize
        capacity = max(rows or _BLOCK_BYTES // size, _ROWS_MIN)
        self._market = MarketState()
        self._shown = Block(SHOWN, _BOOKS_AT_START)
        self._rows: npt.NDArray[Any] = np.zeros(capacity, schema.dtype)
        self._state: npt.NDArray[Any] = np.zeros(1, DERIVE)
        state = self._state[0]
        state["kind"], state["depth"], state["rtype"] = schema.kind, schema.depth, schema.rtype
        state["row_bytes"], state["interval_ns"] = size, schema.interval_ns
        state["sided"] = dataset == _SIDED_DATASET
        state["rows"], state["capacity"] = self._rows.ctypes.data, capacity
        state["waiting_head"] = NIL
        self._empty_shown(0)

    def _empty_shown(self, first: int) -> None:
        """Say nothing of books from ``first`` on."""
        fresh = self._shown.records[first:]
        fresh["levels"]["bid_px"] = fresh["levels"]["ask_px"] = UNDEF_PRICE
        fresh["trade_ts_event"] = -1
        fresh["trade_price"] = UNDEF_PRICE
        fresh["trade_side"] = SIDE_NONE
        self._state[0]["shown"] = self._shown.address

    def feed(self, records: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
        """Pass over records, shape (n,), ``MBO_DTYPE``; gives blocks of ``schema.dtype``.

        A block is good until the next one is asked for. To be iterated to its end before the next.
        """
        address, n, _keep = batch_address(records)
        at = 0
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            status, at = derive_batch(self._market.state, self._state, address, stop, at)
            if status == ROWS_FULL:
                yield self._take()
            elif status == NEW_BOOK:
                self._open_book()
            elif status:
                self._market.resolve(status)
        self._state[0]["records"] += n
        if self._state[0]["row_n"]:
            yield self._take()

    def finish(self) -> Iterator[npt.NDArray[Any]]:
        """There are no more records: gives what waited for the end of its interval.

        An event without its end is not shown: its book may be half changed.
        """
        while derive_rest(self._state) == ROWS_FULL:
            yield self._take()
        if self._state[0]["row_n"]:
            yield self._take()

    def _take(self) -> npt.NDArray[Any]:
        n = int(self._state[0]["row_n"])
        self._state[0]["row_n"] = 0
        return self._rows[:n]

    def _open_book(self) -> None:
        key = self._market.missing_key
        self._market.resolve(NEW_BOOK)
        book = self._market.find(key)
        if book >= self._shown.capacity:
            self._shown.grow(2 * self._shown.capacity)
            self._empty_shown(book)
        self._shown.records["key"][book] = key

    @property
    def counts(self) -> dict[str, int]:
        """Records and trades told of, events that ended without F_LAST, and those still open."""
        state, market = self._state[0], self._market.state[0]
        books = self._market.books.records[: int(market["book_n"])]
        return {
            "records": int(state["records"]),
            "trades": int(state["trades"]),
            "missing_last": int(market["missing_last"]),
            "unfinished_events": int(np.count_nonzero(books["open"])),
        }

    @property
    def nbytes(self) -> int:
        """Bytes held by books, what was said of them, and rows."""
        return self._market.nbytes + self._shown.nbytes + int(self._rows.nbytes)


def warm_up(say: Callable[[str], None]) -> None:
    """Compile or load the kernels of a pass; of several processes, one compiles."""

    def work() -> None:
        if not is_compiled(_KERNELS):
            say("compiling kernels, first run only …")
        deriver = Deriver(SCHEMAS["mbp-1"])
        for _ in (*deriver.feed(np.zeros(1, MBO_DTYPE)), *deriver.finish()):
            pass

    compile_once(work, (_KERNELS,), say)
