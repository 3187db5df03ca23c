"""A whole venue's feed: any number of books, any number of live orders, their records mixed.

The synthetic session of ``replay`` is one believable market; this is a load. What it is for is how
cost and memory grow, so what it gets right is what they depend on: how many books, how many live
orders, in what order their records come, and that nothing is refused.
"""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Literal

import databento_dbn as dbn
import numpy as np
import numpy.typing as npt

from tapewire.bench import _crowds
from tapewire.errors import ConfigError
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE, RECORD_BYTES

Records = npt.NDArray[np.void]

#: How the events are spread over the books: the same for all, or the k-th by 1/k (Zipf's law),
#: as over the instruments of a stock exchange.
Activity = Literal["even", "zipf"]

BOOKS_MAX: Final = 100_000
ORDERS_PER_BOOK_MIN: Final = 8
ORDERS_MAX: Final = 1 << 24
DATASET: Final = "XNAS.ITCH"
TICK_SIZE: Final = _crowds.TICK_SIZE
#: 4 March 2024, 14:30 UTC.
START_NS: Final = 1_709_562_600_000_000_000
#: Mean time between two events of the venue: 11,000 shares at their busiest.
GAP_NS: Final = 2_000
_FIRST_INSTRUMENT_ID: Final = 1_001
_CHUNK_RECORDS: Final = 65_536
_DBN: Final[Any] = dbn  # untyped: the vendor's stubs call enum members strings


def crowd_symbol(k: int) -> str:
    """Symbol of the ``k``-th book, counted from 0."""
    return f"C{k + 1:05}"


class Crowd:
    """Order flow over many books, first to fill them, then to keep them as they are.

    Every cancel, modify and fill names a live order, prices lie on ticks, books are never locked
    or crossed, every event ends in F_LAST and both clocks move forward.

    Parameters
    ----------
    books : int
        Instruments, 1 to 100,000.
    orders : int
        Live orders, over all books, at least 8 for each.
    seed : int
        The same one gives the same records.
    activity : "even" or "zipf"
        How the events are spread over the books. With "zipf", busier books hold more orders, as
        the square root of their share.

    Raises
    ------
    ConfigError
        If an argument is out of range.
    """

    def __init__(
        self, books: int, orders: int, *, seed: int = 0, activity: Activity = "even"
    ) -> None:
        if not 1 <= books <= BOOKS_MAX:
            raise ConfigError(f"books: expected 1 to {BOOKS_MAX:,}, found {books:,}")
        least = ORDERS_PER_BOOK_MIN * books
        if not least <= orders <= ORDERS_MAX:
            raise ConfigError(f"orders: expected {least:,} to {ORDERS_MAX:,}, found {orders:,}")
        self.symbols = tuple(map(crowd_symbol, range(books)))
        self.instrument_ids = tuple(range(_FIRST_INSTRUMENT_ID, _FIRST_INSTRUMENT_ID + books))
        k = np.arange(1, books + 1)
        weights = 1_000_000_000 // k if activity == "zipf" else np.ones(books, np.int64)
        root = np.sqrt(weights)
        spare = orders - least
        targets = ORDERS_PER_BOOK_MIN + (spare * (root / root.sum())).astype(np.int64)
        targets[0] += orders - int(targets.sum())
        self._shares = np.cumsum(weights)
        self._crowd = np.zeros(1, _crowds.CROWD_DTYPE)
        crowd = self._crowd[0]
        crowd["seed"] = np.int64(np.uint64(seed & (2**64 - 1)).view(np.int64))
        crowd["ts"], crowd["gap_ns"] = START_NS, GAP_NS
        self._books = np.zeros(books, _crowds.BOOK_DTYPE)
        self._books["instrument_id"] = self.instrument_ids
        self._books["base_price"] = (2_000 + 37 * k) * TICK_SIZE
        self._books["target"] = targets
        self._books["capacity"] = targets + targets // 2 + ORDERS_PER_BOOK_MIN
        self._books["first"] = np.cumsum(self._books["capacity"]) - self._books["capacity"]
        self._levels = np.zeros((books, _crowds.LEVELS), _crowds.LEVEL_DTYPE)
        self._orders = np.zeros(int(self._books["capacity"].sum()), _crowds.ORDER_DTYPE)
        _crowds.open_crowd(self._books, self._levels, self._orders)
        self._turns = np.repeat(np.arange(books, dtype=np.int32), targets)
        _crowds.shuffle(self._turns, crowd["seed"])

    @property
    def opening_records(self) -> int:
        """Records of ``opening``: one add per live order."""
        return int(self._turns.size)

    @property
    def live_orders(self) -> int:
        """Orders resting now, over all books."""
        return int(self._books["orders"].sum())

    def opening(self, chunk_records: int = _CHUNK_RECORDS) -> Iterator[Records]:
        """Yield the adds that fill the books, mixed over them; once, before ``steady``.

        Each array (``MBO_DTYPE``) is valid until the next one is asked for.
        """
        out = np.zeros(chunk_records, MBO_KERNEL_DTYPE)
        at = 0
        while at < self._turns.size:
            n = _crowds.opening(
                out, self._crowd, self._books, self._levels, self._orders, self._turns, at
            )
            at += n
            yield out[:n].view(MBO_DTYPE)

    def steady(self, records: int, chunk_records: int = _CHUNK_RECORDS) -> Iterator[Records]:
        """Yield ``records`` of adds, cancels, modifies and trades, or up to two fewer.

        They end with a whole event. Each array (``MBO_DTYPE``) is valid until the next one is
        asked for.
        """
        out = np.zeros(min(chunk_records, records), MBO_KERNEL_DTYPE)
        left = records
        while left >= _crowds.EVENT_RECORDS_MAX:
            n = _crowds.steady(
                out[:left], self._crowd, self._books, self._levels, self._orders, self._shares
            )
            left -= n
            yield out[:n].view(MBO_DTYPE)

    def metadata(self) -> bytes:
        """The DBN header, made by Databento's encoder."""
        day = dt.datetime.fromtimestamp(START_NS // 10**9, dt.UTC).date()
        midnight = START_NS // (86_400 * 10**9) * (86_400 * 10**9)
        end = day + dt.timedelta(1)
        mappings = [
            SimpleNamespace(
                raw_symbol=symbol,
                intervals=[SimpleNamespace(start_date=day, end_date=end, symbol=str(number))],
            )
            for symbol, number in zip(self.symbols, self.instrument_ids, strict=True)
        ]
        return bytes(
            _DBN.Metadata(
                DATASET,
                midnight,
                _DBN.SType.RAW_SYMBOL,
                _DBN.SType.INSTRUMENT_ID,
                _DBN.Schema.MBO,
                symbols=list(self.symbols),
                mappings=mappings,
                end=midnight + 86_400 * 10**9,
                version=3,
            )
        )

    def write(self, path: str | os.PathLike[str], records: int) -> int:
        """Write header, opening and ``records`` of steady flow as an uncompressed DBN file.

        Returns
        -------
        int
            Records in the file.
        """
        with Path(path).open("wb") as file:
            head = file.write(self.metadata())
            for chunk in self.opening():
                file.write(chunk.tobytes())
            for chunk in self.steady(records):
                file.write(chunk.tobytes())
            return (file.tell() - head) // RECORD_BYTES
