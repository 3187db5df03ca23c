"""NASDAQ TotalView-ITCH 5.0 files as MBO records, normalized as Databento's XNAS.ITCH is.

A file has the day's messages one behind the other, each behind its length (2 bytes, big-endian),
compressed by gzip or zstd or not at all. Databento documents what its records are
(https://databento.com/docs/venues-and-datasets/xnas-itch):

=================== ============================================================================
A, F                A
E                   T (side of the aggressor, order id 0), F, C
C                   as E, at its own price; without the T where it is not printable
X, D                C of the shares taken, of all that are left
U                   C of the old order, A of the new one, behind all others
P, Q                T of side N and order id 0; a cross of no shares is none
H                   nothing; in a file of its own, a ``status`` record (`itch_states`)
others              nothing
=================== ============================================================================

Files have no packets and one clock: every message is an event of its own (``F_LAST``), ``ts_recv``
is ``ts_event``. Times count from midnight in New York.
"""

import datetime as dt
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import numpy as np

from tapewire.compiled.memory import Block
from tapewire.errors import ConfigError, FormatError, NoDataError
from tapewire.market.records import (
    ACTION_CLEAR,
    F_LAST,
    MBO_DTYPE,
    MBO_KERNEL_DTYPE,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_NONE,
    UNDEF_PRICE,
)
from tapewire.replay import _itch
from tapewire.replay._order_table import empty_orders, twice_as_large
from tapewire.replay.byte_sources import (
    ByteSource,
    GzipBytes,
    PlainBytes,
    TruncatedFrame,
    ZstdBytes,
    open_file,
)
from tapewire.replay.itch_states import TradingAction, read_action, status_records
from tapewire.replay.trading_days import midnight_ns
from tapewire.replay.zstd_frames import MAGIC as ZSTD_MAGIC

#: Databento's dataset and publisher of each venue that speaks it.
PUBLISHERS: Final = {"XNAS.ITCH": 2, "XBOS.ITCH": 3, "XPSX.ITCH": 4}
_DATASET_WORDS: Final = {"BX": "XBOS.ITCH", "XBOS": "XBOS.ITCH", "PSX": "XPSX.ITCH"}
_DATA_BYTES: Final = 4 << 20
_OUT_RECORDS: Final = 65_536
_ORDERS_MIN: Final = 1 << 14
_LOCATES: Final = 65_536
_LENGTH_BYTES: Final = 2
_GZIP_MAGIC: Final = b"\x1f\x8b"


def is_itch(path: str | os.PathLike[str]) -> bool:
    """Whether a name is one of an ITCH 5.0 file: NASDAQ's own, or ``….itch50[.gz]``."""
    name = Path(path).name
    if re.search(r"\.(dbn|dbz|csv|parquet)(\.zst)?$", name, re.I):
        return False  # Databento's own files of the dataset have "itch" in their names
    return re.search(r"itch_?50|\.itch(\.|$)|-v50\.txt", name, re.I) is not None


def dataset_in(path: str | os.PathLike[str]) -> str:
    """Return the dataset by a file's name: BX and PSX say so, all else is NASDAQ."""
    for word in re.split(r"[^A-Za-z]+", Path(path).name.upper()):
        if word in _DATASET_WORDS:
            return _DATASET_WORDS[word]
    return "XNAS.ITCH"


@dataclass
class _Stock:
    symbol: str
    locate: int
    message: int
    ts: int


@dataclass
class ItchCounts:
    """What was in a file.

    Attributes
    ----------
    messages
        By type.
    volume
        Shares of the trades written.
    unknown_orders
        Messages about orders that the file never added, which are left out: it begins late.
    late_symbols
        Stocks announced after the first order, which are left out.
    ended
        Whether the file has the event that ends a day's messages.
    """

    messages: dict[str, int] = field(default_factory=dict)
    volume: int = 0
    unknown_orders: int = 0
    late_symbols: tuple[str, ...] = ()
    ended: bool = False


class ItchFile:
    """An ITCH 5.0 file, read in order; memory depends on the orders that are live at once.

    Parameters
    ----------
    path
        The file: plain, gzip or zstd, told by its first bytes.
    date
        The day that its times are of, in New York.
    symbols
        Those wanted; none: all.
    dataset
        A key of `PUBLISHERS`.

    Raises
    ------
    MissingFileError
        If it is missing, a folder or unreadable.
    ConfigError
        If the dataset is unknown.
    FormatError, NoDataError
        From `open_directory` and `chunks`.
    """

    def __init__(
        self, path: str, *, date: dt.date, symbols: Sequence[str] = (), dataset: str = "XNAS.ITCH"
    ) -> None:
        if dataset not in PUBLISHERS:
            raise ConfigError(
                f"dataset: expected one of {', '.join(PUBLISHERS)}, found {dataset!r}"
            )
        self.path = path
        fd, self.size_bytes = open_file(path)
        head = os.pread(fd, 4, 0)
        self._bytes: ByteSource
        if head[:2] == _GZIP_MAGIC:
            self._bytes = GzipBytes(path, fd)
        elif head == ZSTD_MAGIC:
            self._bytes = ZstdBytes(path, fd)
        else:
            self._bytes = PlainBytes(path, fd)
        self._symbols = tuple(dict.fromkeys(symbols))
        self._stocks: dict[int, _Stock] = {}
        self._late: dict[int, str] = {}
        self._states: list[TradingAction] = []
        self._data = np.empty(_DATA_BYTES, np.uint8)
        self._end = 0
        self._passed = 0  # bytes of messages before the data
        self._state = np.zeros(_itch.STATE_SIZE, np.int64)
        self._state[_itch.STATE_MIDNIGHT] = midnight_ns(date)
        self._state[_itch.STATE_PUBLISHER] = PUBLISHERS[dataset]
        self._state[_itch.STATE_OPEN] = 1
        self._orders = empty_orders(_ORDERS_MIN)
        self._wanted = np.zeros(_LOCATES, np.uint8)
        self._out = Block(MBO_KERNEL_DTYPE, _OUT_RECORDS)

    @property
    def disk_bytes(self) -> int:
        """Bytes read so far, as they lie on disk."""
        return self._bytes.disk_bytes

    @property
    def content_hash(self) -> str:
        """xxh3_128 of the bytes read so far, as they lie on disk."""
        return self._bytes.content_hash()

    @property
    def counts(self) -> ItchCounts:
        """What was in it, so far."""
        by_type = self._state[_itch.STATE_COUNTS :]
        return ItchCounts(
            messages={chr(kind): int(by_type[kind]) for kind in np.flatnonzero(by_type)},
            volume=int(self._state[_itch.STATE_VOLUME]),
            unknown_orders=int(self._state[_itch.STATE_UNKNOWN]),
            late_symbols=tuple(self._late.values()),
            ended=bool(self._state[_itch.STATE_ENDED]),
        )

    def open_directory(self) -> dict[str, int]:
        """Read up to the first order; return the wanted symbols and their instrument ids.

        Raises
        ------
        FormatError
            As `chunks`.
        NoDataError
            If a symbol is not in the directory, or the directory is empty.
        """
        while True:
            _, status = self._decode()
            if status == _itch.AT_DIRECTORY:
                self._add_stock()
            elif status == _itch.AT_STATE:
                self._add_state()
            elif status != _itch.NEEDS_DATA or not self._read():
                break
        self._state[_itch.STATE_OPEN] = 0
        by_name = {stock.symbol: stock for stock in self._stocks.values()}
        missing = [name for name in self._symbols if name not in by_name]
        if missing or not by_name:
            raise NoDataError(
                f"{self.path}: has no {', '.join(missing) or 'stock'} among the {len(by_name):,} "
                "stocks that it announces before the first order"
            )
        wanted = [by_name[name] for name in self._symbols] or list(by_name.values())
        self._stocks = {stock.locate: stock for stock in sorted(wanted, key=lambda s: s.message)}
        self._wanted[list(self._stocks)] = 1
        return {stock.symbol: stock.locate for stock in wanted}

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the records, ``MBO_DTYPE``; each array is valid until the next one.

        The first are clears, one for each stock at the time it was announced.

        Raises
        ------
        FormatError
            If a message has an unknown type, a wrong length or contradicts the ones before it, or
            if the file ends inside a message or its compression is damaged; with the offset.
        """
        yield self._clears()
        while True:
            written, status = self._decode()
            if written:
                yield self._out.records[:written].view(MBO_DTYPE)
            if status == _itch.AT_DIRECTORY:
                self._add_late()
            elif status == _itch.AT_STATE:
                self._add_state()
            elif status == _itch.TABLE_FULL:
                self._grow()
            elif status == _itch.AT_END:
                if not self._state[_itch.STATE_ENDED]:
                    self._require_end()
                return
            elif status == _itch.NEEDS_DATA and not self._read():
                return

    def _decode(self) -> tuple[int, int]:
        written, status = _itch.decode(
            self._data,
            self._end,
            self._state,
            self._orders.address,
            self._orders.capacity,
            self._wanted,
            self._out.address,
            self._out.capacity,
        )
        if status >= _itch.BAD_TYPE:
            raise self._wrong(status)
        return written, status

    def _require_end(self) -> None:
        """Check that nothing but zeros lies behind a message of length 0 that came too soon."""
        at = int(self._state[_itch.STATE_POSITION])
        while True:
            if self._data[at : self._end].any():
                raise FormatError(
                    f"{self.path}: message {self._state[_itch.STATE_MESSAGES] + 1} at byte offset "
                    f"{self._passed + at}{self._note} has length 0, which ends a session, before "
                    "the event that ends its messages, and more follows: the file is corrupt"
                )
            self._state[_itch.STATE_POSITION] = at = self._end
            if not self._read():
                return
            at = 0

    def _read(self) -> bool:
        """Read on behind what is left of the data; whether there was something."""
        begin = int(self._state[_itch.STATE_POSITION])
        left = self._end - begin
        self._data[:left] = self._data[begin : self._end]
        self._passed += begin
        self._state[_itch.STATE_POSITION] = 0
        self._end = left
        try:
            count = self._bytes.readinto(self._data[left:].data)
        except TruncatedFrame as error:
            raise FormatError(
                f"{self.path}: ends at byte offset {error.offset}, inside a zstd frame: the file "
                "is truncated, fetch it again"
            ) from None
        self._end += count
        if not count and left:
            raise FormatError(
                f"{self.path}: ends inside message {self._state[_itch.STATE_MESSAGES] + 1} at byte "
                f"offset {self._passed}{self._note}: {left} bytes of it are there: it is "
                "truncated, fetch it again"
            )
        return bool(count)

    @property
    def _note(self) -> str:
        plain = isinstance(self._bytes, PlainBytes)
        return "" if plain else " of the decompressed data"

    def _wrong(self, status: int) -> FormatError:
        at = int(self._state[_itch.STATE_POSITION])
        length = int.from_bytes(self._data[at : at + _LENGTH_BYTES].tobytes(), "big")
        kind = int(self._data[at + _LENGTH_BYTES])
        found = {
            _itch.BAD_TYPE: f"expected a message type of ITCH 5.0, found {bytes([kind])!r}",
            _itch.BAD_LENGTH: (
                f"expected {_itch.LENGTHS[kind]} bytes for type {chr(kind)}, found {length}"
            ),
            _itch.ORDER_TWICE: f"type {chr(kind)} adds an order that is there already",
            _itch.TOO_MUCH: f"type {chr(kind)} takes more shares than its order has",
            _itch.TOO_LARGE: "a cross of more than 4,294,967,295 shares: a record can't hold it",
        }[status]
        return FormatError(
            f"{self.path}: message {self._state[_itch.STATE_MESSAGES] + 1} at byte offset "
            f"{self._passed + at}{self._note}: {found}"
        )

    def _take(self, kind: str) -> bytes:
        """Step over the next message, which is of a type that the kernel leaves to this shell."""
        begin = int(self._state[_itch.STATE_POSITION]) + _LENGTH_BYTES
        end = begin + int(_itch.LENGTHS[ord(kind)])
        self._state[_itch.STATE_POSITION] = end
        self._state[_itch.STATE_MESSAGES] += 1
        self._state[_itch.STATE_COUNTS + ord(kind)] += 1
        return self._data[begin:end].tobytes()

    def _add_state(self) -> None:
        at = self._passed + int(self._state[_itch.STATE_POSITION])
        action = read_action(self._take("H"), int(self._state[_itch.STATE_MIDNIGHT]))
        if not action.is_known:
            raise FormatError(
                f"{self.path}: message {self._state[_itch.STATE_MESSAGES]} at byte offset "
                f"{at}{self._note}: expected a trading state H, P, Q or T, found {action.state!r}"
            )
        self._states.append(action)

    @property
    def status(self) -> np.ndarray:
        """Trading states of the wanted stocks so far, ``STATUS_DTYPE``, shape (n,)."""
        publisher_id = int(self._state[_itch.STATE_PUBLISHER])
        return status_records(self._states, self._stocks, publisher_id)

    def _take_directory(self) -> _Stock:
        message = self._take("R")
        name = message[11:19]
        if not name.isascii():
            raise FormatError(
                f"{self.path}: message {self._state[_itch.STATE_MESSAGES]} announces a stock: "
                f"expected a symbol in ASCII, found {name!r}"
            )
        return _Stock(
            symbol=name.decode("ascii").rstrip(),
            locate=int.from_bytes(message[1:3], "big"),
            message=int(self._state[_itch.STATE_MESSAGES]),
            ts=int(self._state[_itch.STATE_MIDNIGHT]) + int.from_bytes(message[5:11], "big"),
        )

    def _add_stock(self) -> None:
        stock = self._take_directory()
        self._require_same(stock, self._stocks.get(stock.locate))
        self._stocks.setdefault(stock.locate, stock)

    def _add_late(self) -> None:
        stock = self._take_directory()
        if self._wanted[stock.locate]:
            self._require_same(stock, self._stocks[stock.locate])
        elif not self._symbols:
            self._late.setdefault(stock.locate, stock.symbol)

    def _require_same(self, stock: _Stock, before: _Stock | None) -> None:
        if before is not None and before.symbol != stock.symbol:
            raise FormatError(
                f"{self.path}: message {stock.message} announces {stock.symbol} as stock "
                f"{stock.locate}, which is {before.symbol} since message {before.message}"
            )

    def _clears(self) -> np.ndarray:
        records = np.zeros(len(self._stocks), MBO_DTYPE)
        records["length"], records["rtype"] = RECORD_LENGTH_WORDS, RTYPE_MBO
        records["publisher_id"] = self._state[_itch.STATE_PUBLISHER]
        records["action"], records["side"] = ACTION_CLEAR, SIDE_NONE
        records["price"], records["flags"] = UNDEF_PRICE, F_LAST
        stocks = list(self._stocks.values())
        records["instrument_id"] = [stock.locate for stock in stocks]
        records["sequence"] = [stock.message for stock in stocks]
        records["ts_recv"] = records["ts_event"] = [stock.ts for stock in stocks]
        return records

    def _grow(self) -> None:
        self._orders = twice_as_large(self._orders)

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
