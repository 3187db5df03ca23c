"""A pass over records that gives rows of features, ahead of a simulation or without one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.kernel_cache import compile_once, is_compiled
from tapewire.compiled.memory import Block
from tapewire.features._passing import count_events, end_pass, pass_batch
from tapewire.features.layout import PASS, ROW, ROWS_FULL, WORD
from tapewire.features.samples import BY_TIME, Sampling
from tapewire.features.sets import FeatureSet, FeatureState
from tapewire.market import MarketState
from tapewire.market.book import STEP_RECORDS, batch_address
from tapewire.market.layout import NEW_BOOK
from tapewire.market.records import MBO_DTYPE

IntArray = npt.NDArray[np.int64]

#: Rows that are kept until they are taken out.
ROWS_DEFAULT: Final = 8_192
_ROWS_MIN: Final = 2
#: A name for the kernels of a pass, among those that are compiled.
_KERNELS: Final = "features"
_BOOKS_AT_START: Final = 16


@dataclass(frozen=True)
class FeatureRows:
    """Rows of a pass, in the order of their moments.

    Attributes
    ----------
    rows : (n,) ``layout.ROW``
        Moment, book (its index in the pass), events of the book so far, and best bid + best ask as
        last known in 1e-9 (``UNDEF_PRICE`` before there were any).
    values : (n, columns) float64
        The features, NaN where they are not known.
    mids : (m,) ``layout.ROW``
        Every change of a mid since the rows before; none unless the pass keeps them.
    """

    rows: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    mids: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.rows)


class FeaturePass:
    """Books of its own, and the features of each; told of records, it gives rows.

    Parameters
    ----------
    features : FeatureSet
    every : Sampling
    start_ns : int
        No row is of a moment before this; what came earlier counts.
    keeps_mids : bool
        Give the changes of every book's mid, too, which labels are made of.
    rows : int
        Most rows to be given at once, at least 2.

    Examples
    --------
    >>> features = FeatureSet(["mid", "imbalance_5"])
    >>> ahead = FeaturePass(features, Sampling.of("100ms"))
    >>> for given in ahead.feed(records):                       # doctest: +SKIP
    ...     print(given.rows["ts"], given.values)
    """

    def __init__(
        self,
        features: FeatureSet,
        every: Sampling,
        *,
        start_ns: int = 0,
        keeps_mids: bool = False,
        rows: int = ROWS_DEFAULT,
    ) -> None:
        self.features = features
        self.every = every
        self._market = MarketState()
        self._books: list[FeatureState] = []
        self._states = Block(WORD, _BOOKS_AT_START)
        capacity = max(rows, _ROWS_MIN)
        self._rows = Block(ROW, capacity)
        self._mids = Block(ROW, capacity)
        self._values = np.empty((capacity, len(features)))
        self._state: npt.NDArray[Any] = np.zeros(1, PASS)
        state = self._state[0]
        state["kind"], state["n"], state["start_ns"] = every.kind, every.n, start_ns
        if every.kind == BY_TIME:
            state["due_ns"] = -(-start_ns // every.n) * every.n
        state["keeps_mids"] = keeps_mids
        state["width"], state["capacity"] = len(features), capacity
        state["states"] = self._states.address
        state["rows"], state["mids"] = self._rows.address, self._mids.address
        state["values"] = self._values.ctypes.data

    def feed(self, records: npt.NDArray[Any]) -> Iterator[FeatureRows]:
        """Pass over records, shape (n,), ``MBO_DTYPE``; gives their rows, a block at a time.

        To be iterated to its end before the next.
        """
        address, n, _keep = batch_address(records)
        at = 0
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            status, at = pass_batch(self._market.state, self._state, address, stop, at)
            if status == ROWS_FULL:
                yield self._take()
            elif status == NEW_BOOK:
                self._open_book()
            elif status:
                self._market.resolve(status)
        if self._state[0]["row_n"] or self._state[0]["mid_n"]:
            yield self._take()

    def finish(self) -> Iterator[FeatureRows]:
        """There are no more records: gives the rows up to the last one's moment."""
        while end_pass(self._market.state, self._state) == ROWS_FULL:
            yield self._take()
        yield self._take()

    def _take(self) -> FeatureRows:
        state = self._state[0]
        rows, mids = int(state["row_n"]), int(state["mid_n"])
        state["row_n"] = state["mid_n"] = 0
        return FeatureRows(
            self._rows.records[:rows].copy(),
            self._values[:rows].copy(),
            self._mids.records[:mids].copy(),
        )

    def _open_book(self) -> None:
        self._market.resolve(NEW_BOOK)
        if len(self._books) == self._states.capacity:
            self._states.grow(2 * self._states.capacity)
            self._state[0]["states"] = self._states.address
        state = FeatureState(self.features)
        self._states.records["value"][len(self._books)] = state.address
        self._books.append(state)

    @property
    def clock(self) -> int:
        """Largest ``ts_recv`` so far; 0 before the first record."""
        return int(self._state[0]["clock"])

    @property
    def book_n(self) -> int:
        """How many books there have been so far."""
        return len(self._books)

    def keys(self, books: IntArray) -> tuple[IntArray, IntArray]:
        """Return publisher and instrument ids of books by their index, each (n,)."""
        keys = self._market.books.records["key"][books]
        return keys >> 32, keys & 0xFFFFFFFF

    def events(self) -> IntArray:
        """How many events each book has had so far, by its index."""
        out = np.zeros(len(self._books), np.int64)
        count_events(self._market.state, self._state, out)
        return out

    @property
    def nbytes(self) -> int:
        """Bytes held by books and features."""
        return self._market.nbytes + sum(state.nbytes for state in self._books)


def warm_up(say: Callable[[str], None]) -> None:
    """Compile or load the kernels of a pass; of several processes, one compiles."""

    def work() -> None:
        if not is_compiled(_KERNELS):
            say("compiling kernels, first run only …")
        load_kernels()

    compile_once(work, (_KERNELS,), say)


def load_kernels() -> None:
    """Compile, or load, the kernels of a pass."""
    ahead = FeaturePass(FeatureSet(), Sampling.of("1ev"))
    for _ in (*ahead.feed(np.zeros(1, MBO_DTYPE)), *ahead.finish()):
        ahead.events()
