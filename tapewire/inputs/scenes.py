"""What a picture of a book is drawn from: the book at steps of time, and the trades."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.telling import Steps
from tapewire.market import UNDEF_PRICE, BookSet
from tapewire.market.records import ACTION_TRADE, F_SNAPSHOT, MBO_DTYPE, SIDE_ASK, SIDE_BID
from tapewire.replay import ReplayPlan, Source, open_source

#: Most steps of time in a picture; half as many at least, where the data have that many.
STEPS_MAX: Final = 1_600
#: Levels a side that are looked at.
DEPTH: Final = 60
#: Most trades that are drawn: the largest.
TRADES_MAX: Final = 20_000
_CHUNK_RECORDS: Final = 16_384
_STEP_AT_START_NS: Final = 1_000

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """One book over time.

    Attributes
    ----------
    symbol : str
    steps : (n,) int64
        Moments, ns since the epoch, ``step_ns`` apart.
    prices, sizes : (n, 2, DEPTH) int64
        The book as of each moment, bids then asks, best first; in 1e-9 and lots, ``UNDEF_PRICE``
        and 0 where there is no level.
    trades : (m, 4) int64
        Moment, price in 1e-9, lots, and the aggressor: 1 buys, −1 sells, 0 unknown.
    trades_left_out : int
        Smaller ones than those.
    volume : (n,) int64
        Lots traded within each step, of all trades.
    """

    symbol: str
    step_ns: int
    steps: Int64Array
    prices: Int64Array
    sizes: Int64Array
    trades: Int64Array
    trades_left_out: int
    volume: Int64Array


class _Film:
    """States of a book by steps of time, thinned out as they grow too many."""

    def __init__(self) -> None:
        self.step_ns = _STEP_AT_START_NS
        self.columns = np.empty(0, np.int64)
        self.prices = np.empty((0, 2, DEPTH), np.int64)
        self.sizes = np.empty((0, 2, DEPTH), np.int64)

    def add(self, clock: Int64Array, prices: Int64Array, sizes: Int64Array) -> None:
        """Add states, in the order of their moments; the last of a step counts."""
        keep = _last_of_each(clock // self.step_ns)
        self.columns = np.concatenate([self.columns, clock[keep] // self.step_ns])
        self.prices = np.concatenate([self.prices, prices[keep]])
        self.sizes = np.concatenate([self.sizes, sizes[keep]])
        self._thin(_last_of_each(self.columns))
        while self.columns.size and self.columns[-1] - self.columns[0] >= STEPS_MAX:
            self.step_ns *= 2
            self.columns //= 2
            self._thin(_last_of_each(self.columns))

    def _thin(self, keep: Int64Array) -> None:
        self.columns = self.columns[keep]
        self.prices, self.sizes = self.prices[keep], self.sizes[keep]


class _Volume:
    """Lots traded by steps of time, as a film has them."""

    def __init__(self) -> None:
        self.step_ns = _STEP_AT_START_NS
        self.columns = np.empty(0, np.int64)
        self.lots = np.empty(0, np.int64)

    def add(self, clock: Int64Array, lots: Int64Array) -> None:
        """Add trades."""
        columns = np.concatenate([self.columns, clock // self.step_ns])
        self._gather(columns, np.concatenate([self.lots, lots]))
        while self.columns.size and self.columns[-1] - self.columns[0] >= STEPS_MAX:
            self.coarsen()

    def coarsen(self) -> None:
        """Make steps twice as long."""
        self.step_ns *= 2
        self._gather(self.columns // 2, self.lots)

    def _gather(self, columns: Int64Array, lots: Int64Array) -> None:
        self.columns, places = np.unique(columns, return_inverse=True)
        self.lots = np.zeros(self.columns.size, np.int64)
        np.add.at(self.lots, places, lots)


def _last_of_each(columns: Int64Array) -> Int64Array:
    """Return where the last of each run of equal numbers is."""
    return np.flatnonzero(np.r_[columns[1:] != columns[:-1], np.ones(min(1, columns.size), bool)])


def read_scene(
    path: str | os.PathLike[str],
    *,
    symbol: str | None = None,
    publisher: int | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Scene:
    """Read what a picture of one book is drawn from.

    Memory depends on neither the file's length nor the time looked at.

    Parameters
    ----------
    path
        A DBN file of schema ``mbo``.
    symbol, publisher
        Whose book; else the only one there is.
    start_ns, end_ns
        ``start_ns <= ts_recv < end_ns``; what came earlier builds the book. By default all.

    Raises
    ------
    ConfigError
        If the file has several books and no symbol chooses one.
    InputError
        If the file can't be used, has no such symbol, or nothing in that time.
    """
    plan = ReplayPlan(
        files=(os.fspath(path),), symbols=(symbol,) if symbol else (),
        publishers=() if publisher is None else (publisher,), start_ns=start_ns, end_ns=end_ns,
        warmup="full",
    )  # fmt: skip
    film, volume = _Film(), _Volume()
    trades, left_out = np.empty((0, 4), np.int64), 0
    key: tuple[int, int] | None = None
    with ExitStack() as stack:
        stack.enter_context(book_limits(path))
        source = stack.enter_context(open_source(plan))
        steps = stack.enter_context(Steps("reading", source.info.records))
        for records, rows, prices, sizes in _states(source):
            key = _one_book(records, key, path)
            clock = np.maximum.accumulate(records["ts_recv"].astype(np.int64))
            shown = clock[rows] >= (start_ns or 0)
            shown &= records["flags"][rows] & F_SNAPSHOT == 0  # of a time long before
            film.add(clock[rows][shown], prices[shown], sizes[shown])
            found = _trades(records, clock)
            found = found[found[:, 0] >= (start_ns or 0)]
            volume.add(found[:, 0], found[:, 2])
            trades, fewer = _largest(np.concatenate([trades, found]))
            left_out += fewer
            steps(source.events)
        if not film.columns.size:
            raise NoDataError(f"{path}: no event of a book ends in the time asked for")
        assert key is not None
        names = {m.instrument_id: m.raw_symbol for m in source.info.mappings}
        symbol = symbol or names.get(key[1], str(key[1]))
    return _scene(symbol, film, volume, trades, left_out)


def _scene(symbol: str, film: _Film, volume: _Volume, trades: Int64Array, left_out: int) -> Scene:
    """Put each state at every step until the next one."""
    first, n = film.columns[0], int(film.columns[-1] - film.columns[0]) + 1
    at = np.searchsorted(film.columns, first + np.arange(n), side="right") - 1
    while volume.step_ns < film.step_ns:
        volume.coarsen()
    lots = np.zeros(n, np.int64)
    np.add.at(lots, np.clip(volume.columns - first, 0, n - 1), volume.lots)
    return Scene(
        symbol=symbol, step_ns=film.step_ns, steps=(first + np.arange(n)) * film.step_ns,
        prices=film.prices[at], sizes=film.sizes[at], trades=trades, trades_left_out=left_out,
        volume=lots,
    )  # fmt: skip


def _trades(records: npt.NDArray[Any], clock: Int64Array) -> Int64Array:
    """Moment, price, lots and aggressor of each trade that has a price, (m, 4)."""
    is_trade = (records["action"] == ACTION_TRADE) & (records["price"] != UNDEF_PRICE)
    found = records[is_trade]
    side = (found["side"] == SIDE_BID).astype(np.int64) - (found["side"] == SIDE_ASK)
    return np.stack([clock[is_trade], found["price"], found["size"].astype(np.int64), side], axis=1)


def _largest(trades: Int64Array) -> tuple[Int64Array, int]:
    """Keep the largest trades, in the order of time; and how many that leaves out."""
    fewer = max(0, len(trades) - TRADES_MAX)
    if not fewer:
        return trades, 0
    return trades[np.sort(np.argsort(trades[:, 2], kind="stable")[fewer:])], fewer


def _states(
    source: Source,
) -> Iterator[tuple[npt.NDArray[Any], Int64Array, Int64Array, Int64Array]]:
    books = BookSet()
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    while n := source.fill(chunk):
        records = chunk[:n]
        rows, prices, sizes, _ = books.depth_rows(records, DEPTH)
        yield records, rows, prices, sizes


def _one_book(
    records: npt.NDArray[Any], key: tuple[int, int] | None, path: str | os.PathLike[str]
) -> tuple[int, int]:
    keys = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
    found = {(k >> 32, k & 0xFFFFFFFF) for k in np.unique(keys).tolist()}
    if key is not None:
        found.add(key)
    if len(found) > 1:
        raise ConfigError(
            f"symbol: {path} has several books (publisher, instrument: "
            f"{', '.join(f'{p}, {i}' for p, i in sorted(found)[:5])}); a picture shows one: choose "
            "with --symbol, and where one symbol has several publishers, with --publisher"
        )
    return found.pop()
