"""LOBSTER's pairs of files as MBO records.

``TICKER_DATE_START_END_message_LEVELS.csv`` has a message a row (time in seconds after midnight in
New York, type, order id, size, price in 1e-4, direction of the resting order), the orderbook file
beside it how the book stands after each, down to so many levels
(https://lobsterdata.com/info/DataStructure.php). Types: 1 a new order, 2 and 3 shares or all of it
cancelled, 4 a trade with it, 5 a trade with a hidden order, 6 a cross, 7 a halt.

What is known of orders older than the file are sizes by level. They become one order each, the
level's *rest*, ahead of what comes later: first a snapshot, before the first message. Where the
orderbook file states a level that the messages don't explain (it came into its range), the rest is
brought to it. So the book is the stated one after every message, and order ids from 2^62 on are
ours.
"""

import datetime as dt
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import numpy as np

from tapewire.compiled.memory import Block
from tapewire.errors import ConfigError, FormatError, NoDataError
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CLEAR,
    F_LAST,
    F_SNAPSHOT,
    MBO_DTYPE,
    MBO_KERNEL_DTYPE,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
    UNDEF_PRICE,
)
from tapewire.replay import _lobster
from tapewire.replay._order_table import empty_orders, twice_as_large
from tapewire.replay.number_rows import NumberRows
from tapewire.replay.trading_days import midnight_ns

DATASET: Final = "XNAS.ITCH"
PUBLISHER: Final = 2
#: The one instrument of a pair of files: LOBSTER has no number for it.
INSTRUMENT_ID: Final = 1
FIRST_REST_ID: Final = 2**62
_MESSAGE_COLUMNS: Final = 6
_LEVEL_COLUMNS: Final = 4
#: So that lines of the orderbook file stay shorter than what is read at once.
_LEVELS_MAX: Final = 1_000
_TOGETHER: Final = "; a message file and its orderbook file belong together"
_OUT_RECORDS: Final = 65_536
_ORDERS_MIN: Final = 1 << 12
_LEVELS_MIN: Final = 256
_PRICE_UNITS: Final = 100_000
#: In 1e-4: beyond them a price in 1e-9 is more than a record holds.
_PRICE_MAX: Final = UNDEF_PRICE // _PRICE_UNITS - 1
_SIZE_MAX: Final = 2**32 - 1
_NS_PER_MS: Final = 1_000_000
_NAME: Final = re.compile(
    r"(?P<ticker>[^_/]+)_(?P<date>\d{4}-\d\d-\d\d)_(?P<start>\d+)_(?P<end>\d+)_message_"
    r"(?P<levels>\d+)\.csv"
)


def is_lobster(path: str | os.PathLike[str]) -> bool:
    """Whether a name is one of a LOBSTER message file."""
    return _NAME.fullmatch(Path(path).name) is not None


@dataclass
class LobsterCounts:
    """What was in a pair of files.

    Attributes
    ----------
    messages
        By type.
    volume
        Shares of all trades.
    unknown_orders
        Messages about shares that neither an order nor a level has; trades among them are kept.
    rested_shares
        Shares that levels were stated to have without a message that says so.
    """

    messages: dict[str, int] = field(default_factory=dict)
    volume: int = 0
    unknown_orders: int = 0
    rested_shares: int = 0


class LobsterFile:
    """A LOBSTER message file with its orderbook file, read in order.

    Parameters
    ----------
    path
        The message file; the orderbook file lies beside it.

    Raises
    ------
    ConfigError
        If the name is not LOBSTER's.
    MissingFileError
        If one of the two can't be read.
    FormatError, NoDataError
        From `chunks`.
    """

    def __init__(self, path: str) -> None:
        named = _NAME.fullmatch(Path(path).name)
        if named is None:
            raise ConfigError(
                f"{path}: expected LOBSTER's name, TICKER_DATE_START_END_message_LEVELS.csv"
            )
        try:
            self.date = dt.date.fromisoformat(named["date"])
        except ValueError:
            raise ConfigError(f"{path}: {named['date']} in its name is no date") from None
        depth = int(named["levels"])
        if not 1 <= depth <= _LEVELS_MAX:
            raise ConfigError(
                f"{path}: expected 1 to {_LEVELS_MAX} levels in its name, found {named['levels']}"
            )
        self.path = path
        self.book_path = str(
            Path(path).with_name(Path(path).name.replace("_message_", "_orderbook_"))
        )
        self.symbol = named["ticker"]
        self._midnight = midnight_ns(self.date)
        self._start_ns = self._midnight + int(named["start"]) * _NS_PER_MS
        self._messages = NumberRows(self.path, _MESSAGE_COLUMNS, timed=True, hint=_TOGETHER)
        try:
            self._book = NumberRows(
                self.book_path, _LEVEL_COLUMNS * depth, timed=False, hint=_TOGETHER
            )
        except BaseException:
            self._messages.close()
            raise
        self.size_bytes = self._messages.size_bytes + self._book.size_bytes
        self._kinds = np.zeros(8, np.int64)
        self._state: np.ndarray = np.zeros(1, _lobster.LOBSTER)
        state = self._state[0]
        state["next_id"], state["depth"] = FIRST_REST_ID, depth
        state["publisher"], state["instrument"] = PUBLISHER, INSTRUMENT_ID
        self._levels = Block(_lobster.LEVEL_DTYPE, 2 * _LEVELS_MIN)
        self._orders = empty_orders(_ORDERS_MIN)
        self._out = Block(MBO_KERNEL_DTYPE, _OUT_RECORDS)

    @property
    def disk_bytes(self) -> int:
        """Bytes read so far."""
        return self._messages.disk_bytes + self._book.disk_bytes

    @property
    def counts(self) -> LobsterCounts:
        """What was in it, so far."""
        return LobsterCounts(
            messages={str(k): int(n) for k, n in enumerate(self._kinds) if n},
            volume=int(self._state[0]["volume"]),
            unknown_orders=int(self._state[0]["unknown"]),
            rested_shares=int(self._state[0]["rested"]),
        )

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the records, ``MBO_DTYPE``; each array is valid until the next one.

        The first are a snapshot: a clear, and an order for each level.

        Raises
        ------
        FormatError
            If a row is not what LOBSTER's are, or the files have not the same number of them.
        NoDataError
            If there is no row.
        """
        first = True
        while True:
            messages, book = self._rows()
            if not len(messages):
                break
            if first:
                yield self._snapshot(messages[0], book[0])
            first = False
            yield from self._converted(messages, book)
            self._kinds += np.bincount(messages[:, 1], minlength=8)
        if first:
            raise NoDataError(f"{self.path}: has no messages")

    def _converted(self, messages: np.ndarray, book: np.ndarray) -> Iterator[np.ndarray]:
        state = self._state[0]
        state["at"], state["rows"] = 0, len(messages)
        state["messages"], state["book"] = messages.ctypes.data, book.ctypes.data
        while True:
            state["levels"], state["levels_max"] = self._levels.address, self._levels.capacity // 2
            state["orders"], state["slots"] = self._orders.address, self._orders.capacity
            state["out"], state["out_max"] = self._out.address, self._out.capacity
            written, status = _lobster.convert_rows(self._state)
            if written:
                yield self._out.records[:written].view(MBO_DTYPE)
            if status == _lobster.BAD_ROW:
                _, *found = messages[state["at"]].tolist()
                raise FormatError(
                    f"{self.path}: line {state['row'] + 1}: expected a type of 1 to 7, the id of a "
                    "new order where it is 1, a size and a direction of 1 or -1, found "
                    f"{','.join(map(str, found))}"
                )
            if status == _lobster.ROWS_DONE:
                return
            if not written:
                self._make_room()

    def _make_room(self) -> None:
        """Double whatever may be too small for the next row alone."""
        self._out = Block(MBO_KERNEL_DTYPE, 2 * self._out.capacity)
        levels, self._levels = self._levels, Block(_lobster.LEVEL_DTYPE, 2 * self._levels.capacity)
        for ask in range(2):
            _side_of(self._levels, ask)[: levels.capacity // 2] = _side_of(levels, ask)
        self._orders = twice_as_large(self._orders)

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the next rows of both files, as many of each."""
        messages, book = self._messages, self._book
        count = min(messages.more(), book.more())
        if count == 0 and (messages.more() or book.more()):
            longer, shorter = (messages, book) if messages.more() else (book, messages)
            raise FormatError(
                f"{shorter.path}: ends after {shorter.rows} rows; expected as many as in "
                f"{longer.path}: it is truncated"
            )
        rows, levels = messages.take(count), book.take(count)
        if count:
            first = messages.rows - count + 1
            _require_within(self.path, first, "price", rows[:, 4:5], -_PRICE_MAX, _PRICE_MAX)
            _require_within(
                self.book_path, first, "prices", levels[:, ::2], -_PRICE_MAX, _PRICE_MAX
            )
            _require_within(self.book_path, first, "sizes", levels[:, 1::2], 0, _SIZE_MAX)
            rows[:, 0] += self._midnight
        return rows, levels

    def _snapshot(self, message: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Open the levels as they stood before the first message; records of that."""
        state = self._state[0]
        ts, kind, _, size, price, direction = message.tolist()
        records = [(ACTION_CLEAR, SIDE_NONE, 0, UNDEF_PRICE, 0)]
        for ask, side in enumerate((SIDE_BID, SIDE_ASK)):
            prices, sizes = row[2 - 2 * ask :: 4], row[3 - 2 * ask :: 4]
            levels = {int(p): int(q) for p, q in zip(prices, sizes, strict=True) if q > 0}
            if direction == (1, -1)[ask] and 1 <= kind <= 4:
                levels[price] = levels.get(price, 0) + (-size if kind == 1 else size)
            if max(levels.values(), default=0) > _SIZE_MAX:
                raise FormatError(
                    f"{self.path}: line 1: expected levels of at most {_SIZE_MAX:,} before it, "
                    f"found {max(levels.values()):,}"
                )
            best_first = sorted((p for p, q in levels.items() if q > 0), reverse=not ask)
            worst_first = _side_of(self._levels, ask)[: len(best_first)][::-1]
            for level, at in zip(worst_first, best_first, strict=True):
                rest_id = int(state["next_id"])
                state["next_id"] += 1
                level["price"], level["rest"] = at * _PRICE_UNITS, levels[at]
                level["rest_id"] = rest_id
                records.append((ACTION_ADD, side, rest_id, at * _PRICE_UNITS, levels[at]))
            state["levels_n"][ask] = len(best_first)
        out = np.zeros(len(records), MBO_DTYPE)
        out["length"], out["rtype"], out["flags"] = RECORD_LENGTH_WORDS, RTYPE_MBO, F_SNAPSHOT
        out["publisher_id"], out["instrument_id"] = PUBLISHER, INSTRUMENT_ID
        out["ts_event"] = out["ts_recv"] = min(self._start_ns, ts)
        for name, column in zip(
            ("action", "side", "order_id", "price", "size"), zip(*records, strict=True), strict=True
        ):
            out[name] = column
        out["flags"][-1] |= F_LAST
        return out

    def close(self) -> None:
        """Close both files."""
        self._messages.close()
        self._book.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _side_of(levels: Block, ask: int) -> np.ndarray:
    """The bids of a block of levels, or the asks."""
    side: np.ndarray = levels.records.reshape(2, -1)[ask]
    return side


def _require_within(
    path: str, first_line: int, what: str, values: np.ndarray, least: int, most: int
) -> None:
    """Refuse rows with a number out of its range, by their line."""
    if values.min() >= least and values.max() <= most:
        return
    row, column = np.argwhere((values < least) | (values > most))[0]
    raise FormatError(
        f"{path}: line {first_line + row}: expected {what} from {least:,} to {most:,}, found "
        f"{values[row, column]:,}"
    )
