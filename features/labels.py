"""Labels: what a row's market did afterwards. They alone look ahead."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tapewire.errors import ConfigError
from tapewire.features.definition import window_ns
from tapewire.features.layout import ROW
from tapewire.features.passing import FeatureRows
from tapewire.features.samples import EVENTS_MAX
from tapewire.market.records import UNDEF_PRICE

FloatArray = npt.NDArray[np.float64]

_PREFIX: Final = "mid_return_"
#: Rows that wait before those whose labels are known are looked for.
_WAITING_ROWS: Final = 65_536


class Label(NamedTuple):
    """The change of the mid over a horizon after a row, as a share: of time, or of events.

    It is the mid as last known at the horizon's end (everything at that very time counts) divided
    by that of the row, less 1; NaN where the data end before, or the row's mid is not above 0.
    """

    name: str
    window_ns: int  # 0: by events
    events: int  # of the book; 0: by time

    @classmethod
    def of(cls, name: str) -> "Label":
        """Read ``mid_return_1s`` or ``mid_return_100ev``.

        Raises
        ------
        ConfigError
            If it is neither.
        """
        horizon = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX):
            length_ns = window_ns(horizon)
            if length_ns is not None:
                return cls(name, length_ns, 0)
            events = re.fullmatch(r"(\d{1,10})ev", horizon)
            if events is not None and 1 <= int(events[1]) <= EVENTS_MAX:
                return cls(name, 0, int(events[1]))
        raise ConfigError(
            f"label {name!r}: expected {_PREFIX} and a time of 1ms to 24h or a number of "
            f"events, as {_PREFIX}1s or {_PREFIX}100ev"
        )


def labels_of(names: Iterable[str]) -> tuple[Label, ...]:
    """Read several labels.

    Raises
    ------
    ConfigError
        If a name is none, or comes twice.
    """
    names = list(names)
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"label {name!r} is listed twice: leave one out")
    return tuple(Label.of(name) for name in names)


class Labeller:
    """Holds rows until their labels are known, and gives them in the order they came.

    Memory follows the rows within the longest horizon: with one in events, that of the quietest
    book.

    Parameters
    ----------
    labels : tuple of Label
    events : callable
        How many events each book has had by now, by the index that rows have.
    ends : callable, optional
        Of rows (n,): when the records end that a row's label by time may look at, and when the last
        ones of its book do, (n,) each, ns; labels that would need later ones are NaN.
    """

    def __init__(
        self,
        labels: tuple[Label, ...],
        events: Callable[[], npt.NDArray[np.int64]],
        ends: Callable[[npt.NDArray[Any]], tuple[npt.NDArray[np.int64], ...]] | None = None,
    ) -> None:
        self.labels = labels
        self._events = events
        self._ends = ends
        self._rows = np.empty(0, ROW)
        self._values: FloatArray | None = None
        self._mids = np.empty(0, ROW)
        self._new: list[FeatureRows] = []

    def add(self, rows: FeatureRows, clock_ns: int) -> Iterator[tuple[FeatureRows, FloatArray]]:
        """Take rows; give those whose labels are known as of a time, with them (n, labels)."""
        self._new.append(rows)
        if sum(len(new) + len(new.mids) for new in self._new) >= _WAITING_ROWS:
            yield from self._given(clock_ns, at_end=False)

    def finish(self, clock_ns: int) -> Iterator[tuple[FeatureRows, FloatArray]]:
        """Give all rows that are left; the data ended at a time."""
        yield from self._given(clock_ns, at_end=True)

    def _given(self, clock_ns: int, *, at_end: bool) -> Iterator[tuple[FeatureRows, FloatArray]]:
        self._gather()
        if not len(self._rows):
            self._mids = self._mids[:0]  # a row has its own mid, and asks for later ones only
            return
        assert self._values is not None
        found = np.full((len(self._rows), len(self.labels)), np.nan)
        known = np.zeros(found.shape, bool)
        events = self._events()
        # What has a later time than this may still change.
        until_ns = clock_ns if at_end else clock_ns - 1
        over = np.zeros(len(self._rows), bool)
        last_ns = np.full(len(self._rows), until_ns)
        if self._ends is not None:
            row_ends_ns, book_ends_ns = self._ends(self._rows)
            over, last_ns = book_ends_ns <= until_ns, np.minimum(until_ns, row_ends_ns - 1)
        for rows, mids in _by_book(self._rows, self._mids):
            book = self._rows["book"][rows[0]]
            for k, label in enumerate(self.labels):
                axis, reach = (
                    ("ts", label.window_ns) if label.window_ns else ("event", label.events)
                )
                ends = self._rows[axis][rows] + reach
                known[rows, k] = ends <= (last_ns[rows] if label.window_ns else events[book])
                later = _mids_as_of(self._rows["mid"][rows], self._mids[mids], axis, ends)
                found[rows, k] = _returns(self._rows["mid"][rows], later)
        found[~known] = np.nan
        waiting = ~known.all(axis=1) & ~over
        n = len(self._rows) if at_end or not waiting.any() else int(np.argmax(waiting))
        given = FeatureRows(self._rows[:n], self._values[:n], np.empty(0, ROW))
        self._rows, self._values = self._rows[n:], self._values[n:]
        if len(self._rows):
            self._mids = self._mids[self._mids["ts"] >= self._rows["ts"][0]]
        if n:
            yield given, found[:n]

    def _gather(self) -> None:
        new, self._new = self._new, []
        if new:
            self._rows = np.concatenate([self._rows, *(one.rows for one in new)])
            self._mids = np.concatenate([self._mids, *(one.mids for one in new)])
            values = [one.values for one in new]
            self._values = np.concatenate(
                values if self._values is None else [self._values, *values]
            )


def _by_book(
    rows: npt.NDArray[Any], mids: npt.NDArray[Any]
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Positions of each book's rows and mids, in order; books without rows are left out."""
    order, mid_order = (np.argsort(one["book"], kind="stable") for one in (rows, mids))
    books, begins = np.unique(rows["book"][order], return_index=True)
    sorted_mids = mids["book"][mid_order]
    firsts, lasts = (np.searchsorted(sorted_mids, books, side) for side in ("left", "right"))
    ends = np.append(begins[1:], len(order))
    for begin, end, first, last in zip(begins, ends, firsts, lasts, strict=True):
        yield order[begin:end], mid_order[first:last]


def _mids_as_of(
    mids: npt.NDArray[np.int64], changes: npt.NDArray[Any], axis: str, ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The mids as last known at the ends: those of the rows where nothing changed since."""
    if not len(changes):
        return mids
    at = np.searchsorted(changes[axis], ends, "right") - 1
    return np.where(at >= 0, changes["mid"][np.maximum(at, 0)], mids)


def _returns(before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]) -> FloatArray:
    out = np.full(len(before), np.nan)
    good = (before != UNDEF_PRICE) & (before > 0)
    out[good] = (after[good] - before[good]) / before[good]
    return out
