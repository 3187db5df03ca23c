"""What a strategy in plain Python sees of a book: always now, as far as it may know."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tapewire.compiled.memory import offset_of
from tapewire.market.records import UNDEF_PRICE
from tapewire.market.status import TradingState
from tapewire.strategies.layout import CONTEXT, SEEN_LEVEL, SIGHT, TRADE, VIEW
from tapewire.strategies.place import PlacedBook, ViewMemory
from tapewire.strategies.plain._kernels import feature_entry
from tapewire.strategies.wants import Wants


def word_of(dtype: np.dtype[Any], field: str) -> int:
    """Position of a field among the words of a record."""
    return offset_of(dtype, field) // 8


_POSITION: Final = word_of(SIGHT, "position")
_BID: Final = word_of(SIGHT, "best_bid")
_BID_SIZE: Final = word_of(SIGHT, "best_bid_size")
_BID_COUNT: Final = word_of(SIGHT, "best_bid_count")
_ASK: Final = word_of(SIGHT, "best_ask")
_ASK_SIZE: Final = word_of(SIGHT, "best_ask_size")
_ASK_COUNT: Final = word_of(SIGHT, "best_ask_count")
_TRADE_PRICE: Final = word_of(SIGHT, "trade_price")
_TRADE_SIZE: Final = word_of(SIGHT, "trade_size")
_TRADE_SIDE: Final = word_of(SIGHT, "trade_side")
_VOLUME: Final = word_of(SIGHT, "session_volume")
_SHOWN: Final = word_of(SIGHT, "trades_shown")
_STATE: Final = word_of(SIGHT, "trading_state")
_READY: Final = word_of(SIGHT, "book_ready")
_ENDED: Final = word_of(SIGHT, "ended")
_TRADE_N: Final = word_of(VIEW, "trade_n")
_SESSION: Final = {name: word_of(VIEW, name) for name in ("open", "high", "low", "last")}
_SESSION_VOLUME: Final = word_of(VIEW, "volume")
_TURNOVER: Final = word_of(VIEW, "turnover")
_MARKET_NS: Final = word_of(CONTEXT, "market_ns")
_LEVEL_WORDS: Final = SEEN_LEVEL.itemsize // 8


class Level(NamedTuple):
    """A price level: price in 1e-9, size in lots, how many orders."""

    price: int
    size: int
    orders: int


class Trade(NamedTuple):
    """A trade: price in 1e-9, size in lots, side of the aggressor (1 buy, -1 sell, 0 unknown)."""

    price: int
    size: int
    side: int
    symbol: str


class Session:
    """The session so far, from its first trade on; None before it. Prices are in 1e-9."""

    def __init__(self, view: ViewMemory) -> None:
        self._words = view.record.view(np.int64).data

    def _price(self, name: str) -> int | None:
        return self._words[_SESSION[name]] if self._words[_SESSION_VOLUME] else None

    @property
    def open(self) -> int | None:
        """Price of its first trade."""
        return self._price("open")

    @property
    def high(self) -> int | None:
        """Highest price."""
        return self._price("high")

    @property
    def low(self) -> int | None:
        """Lowest price."""
        return self._price("low")

    @property
    def last(self) -> int | None:
        """Price of its last trade."""
        return self._price("last")

    @property
    def volume(self) -> int:
        """Lots traded."""
        return self._words[_SESSION_VOLUME]

    @property
    def vwap(self) -> int | None:
        """Average price, weighted by lots, rounded down to 1e-9."""
        volume = self._words[_SESSION_VOLUME]
        if not volume:
            return None
        return self._words[_SESSION["open"]] + self._words[_TURNOVER] // volume


class Features(Mapping[str, float]):
    """Features of one book by name, as of now: a mapping whose values are worked out when asked.

    NaN is what is not known yet.
    """

    def __init__(self, book: PlacedBook, wants: Wants, context: memoryview) -> None:
        self._names = wants.features
        self._context = context
        if wants.features:
            self._address = book.features_address
            self._columns = book.feature_columns
            self._evaluate = feature_entry()

    def __getitem__(self, name: str) -> float:
        if name not in self._names:
            raise ValueError(
                f"feature {name!r} is not seen; write wants = Wants(features=({name!r}, …))"
            )
        value: float = self._evaluate(self._address, self._columns[name], self._context[_MARKET_NS])
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Market:
    """One book, as the strategy may see it at ``context.now``.

    A view, not a copy: what is read later is what holds later. Prices are whole numbers in 1e-9,
    None where there is none.

    Attributes
    ----------
    symbol : str
    instrument_id, publisher_id : int
    tick_size : int
        1e-9; 0 where it is not known.
    """

    def __init__(self, book: PlacedBook, wants: Wants, trades_kept: int, now: memoryview) -> None:
        self.symbol = book.symbol
        self.instrument_id = book.instrument_id
        self.publisher_id = book.publisher_id
        self.tick_size = book.tick_size
        self._leg = book.leg
        self._wants = wants
        self._trades_kept = trades_kept
        self._view = book.view
        self._words: memoryview
        self._features = Features(book, wants, now)
        if book.view is not None:
            self._view_words = book.view.record.view(np.int64).data
            self._session = Session(book.view)
            # Only as many as are this strategy's to see, whoever else sees more.
            self._levels = tuple(
                side.records.view(np.int64)[: wants.depth * _LEVEL_WORDS].data
                for side in book.view.levels
            )

    def __repr__(self) -> str:
        bid = f"{self.best_bid_size} x {self.best_bid}"
        return f"Market({self.symbol}, {bid} / {self.best_ask} x {self.best_ask_size})"

    def _bind(self, words: memoryview) -> None:
        self._words = words

    @property
    def best_bid(self) -> int | None:
        """Price of the best bid."""
        price = self._words[_BID]
        return None if price == UNDEF_PRICE else price

    @property
    def best_bid_size(self) -> int:
        """Lots at the best bid."""
        return self._words[_BID_SIZE]

    @property
    def best_bid_count(self) -> int:
        """Orders at the best bid."""
        return self._words[_BID_COUNT]

    @property
    def best_ask(self) -> int | None:
        """Price of the best ask."""
        price = self._words[_ASK]
        return None if price == UNDEF_PRICE else price

    @property
    def best_ask_size(self) -> int:
        """Lots at the best ask."""
        return self._words[_ASK_SIZE]

    @property
    def best_ask_count(self) -> int:
        """Orders at the best ask."""
        return self._words[_ASK_COUNT]

    @property
    def mid(self) -> int | None:
        """Mean of the best bid and ask, rounded down to 1e-9."""
        bid, ask = self._words[_BID], self._words[_ASK]
        return None if UNDEF_PRICE in (bid, ask) else (bid + ask) >> 1

    @property
    def spread(self) -> int | None:
        """Best ask less best bid; 0 or less where the book is locked or crossed."""
        bid, ask = self._words[_BID], self._words[_ASK]
        return None if UNDEF_PRICE in (bid, ask) else ask - bid

    @property
    def last_price(self) -> int | None:
        """Price of the last trade that was shown; seen by strategies with ``on_trade``."""
        price = self._words[_TRADE_PRICE]
        return None if price == UNDEF_PRICE else price

    @property
    def volume(self) -> int:
        """Lots traded since the strategies began."""
        return self._words[_VOLUME]

    @property
    def state(self) -> TradingState:
        """Trading state of the venue, by ``status_files``; UNKNOWN without them."""
        return TradingState(self._words[_STATE])

    @property
    def ready(self) -> bool:
        """Whether the run trusts the book as it stands (``data_source: flags``)."""
        return bool(self._words[_READY])

    @property
    def ended(self) -> bool:
        """Whether the instrument has expired, or the run has rolled out of it for good."""
        return bool(self._words[_ENDED])

    @property
    def position(self) -> int:
        """Lots held in this instrument, as far as the strategy was told."""
        return self._words[_POSITION]

    def bids(self, n: int | None = None) -> list[Level]:
        """Return the best bids, best first, at most n; as many as ``wants.depth`` are seen."""
        return self._side(0, n)

    def asks(self, n: int | None = None) -> list[Level]:
        """Return the best asks, best first, at most n; as many as ``wants.depth`` are seen."""
        return self._side(1, n)

    def _side(self, side: int, n: int | None) -> list[Level]:
        depth = self._wants.depth
        if (depth if n is None else n) > depth or depth == 0:
            raise ValueError(
                f"expected at most wants.depth levels, {depth}, found {n}; "
                f"write wants = Wants(depth={n or 10})"
            )
        words = self._levels[side][: (depth if n is None else n) * _LEVEL_WORDS].tolist()
        rows = zip(words[::3], words[1::3], words[2::3], strict=True)
        return [Level(*row) for row in rows if row[1]]

    @property
    def features(self) -> "Features":
        """Its features by name, those of ``wants.features``."""
        return self._features

    @property
    def session(self) -> Session:
        """Open, high, low, last, volume and VWAP of the session."""
        if not self._wants.session:
            raise ValueError("the session is not seen; write wants = Wants(session=True)")
        return self._session

    def trades(self, n: int | None = None) -> npt.NDArray[Any]:
        """Return the last n trades, oldest first, as a read-only array of TRADE.

        Its fields are ``ts_recv``, ``ts_event`` (ns), ``price`` (1e-9), ``size`` (lots) and
        ``side`` (of the aggressor: 1, -1, 0 unknown). There are as many as ``wants.trades_kept``.
        """
        kept = self._wants.trades_kept
        if (kept if n is None else n) > kept or kept == 0:
            raise ValueError(
                f"expected at most wants.trades_kept trades, {kept}, found {n}; "
                f"write wants = Wants(trades_kept={n or 100})"
            )
        there = self._view_words[_TRADE_N]
        return self._trades(max(there - (kept if n is None else n), 0), there)

    def _trades(self, first: int, stop: int) -> npt.NDArray[Any]:
        """Copy of trades by their numbers, read-only: a strategy may keep it."""
        assert self._view is not None
        ring = self._view.trades.records
        rows = ring[np.arange(first, stop) & (ring.size - 1)] if stop > first else _NO_TRADES
        rows.flags.writeable = False
        return rows

    def _unshown(self) -> npt.NDArray[Any]:
        """The trades since the last call; they count as shown."""
        first, stop = self._words[_SHOWN], self._view_words[_TRADE_N]
        if stop - first > self._trades_kept:
            raise OverflowError(
                f"more than {self._trades_kept:,} trades of {self.symbol} in one event"
            )
        self._words[_SHOWN] = stop
        return self._trades(first, stop)

    def _trade(self) -> Trade:
        return trade_of(self._words, self.symbol)


def trade_of(
    words: memoryview, symbol: str, kind: Any = Trade, price: int = _TRADE_PRICE,
    size: int = _TRADE_SIZE, side: int = _TRADE_SIDE, make: Callable[..., Any] = tuple.__new__,
) -> Any:  # fmt: skip
    """The last trade in a SIGHT: as ``Trade(…)`` makes it, in half the time."""
    return make(kind, (words[price], words[size], words[side], symbol))


_NO_TRADES: Final = np.zeros(0, TRADE)
