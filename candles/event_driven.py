"""The event-driven engine: one bar after the other, one strategy, with latency and a book.

It keeps its own accounts in plain Python. Where it assumes what the vectorised engine assumes (no
latency, no book), it makes the same trades.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tapewire.candles import layout
from tapewire.candles._account import CandleAccount, FillPoint, RangeOf
from tapewire.candles.clock import session_ends
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.result import BacktestResult
from tapewire.candles.strategy import CandleStrategy
from tapewire.errors import ConfigError

_BOTH: Final = ((layout.ENTER_LONG, layout.EXIT_LONG), (layout.ENTER_SHORT, layout.EXIT_SHORT))


@dataclass(frozen=True)
class LevelBook:
    """A book that every market order meets: a spread, and as many units at each tick behind it.

    Attributes
    ----------
    spread_ticks : float
        Between best bid and best ask, around the price of the bar.
    units_per_level : float
        Above 0; infinite: an order of any size fills at the touch.
    """

    spread_ticks: float = 0.0
    units_per_level: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.spread_ticks < math.inf:
            raise ConfigError(f"spread_ticks: expected at least 0, found {self.spread_ticks}")
        if not self.units_per_level > 0:
            raise ConfigError(f"units_per_level: expected above 0, found {self.units_per_level}")

    def worse_ticks(self, quantity: float) -> float:
        """Return by how many ticks the average price of a market order is worse."""
        levels = quantity / self.units_per_level
        whole = math.floor(levels)
        # Whole levels lie 0, 1, 2, … ticks behind the touch, the rest at the next one.
        walked = whole * (whole - 1) / 2 + (levels - whole) * whole
        return self.spread_ticks / 2 + (walked / levels if levels else 0.0)


class EventDrivenEngine:
    """Trades one strategy bar by bar.

    Parameters
    ----------
    config : BacktestConfig
    latency_ns : int
        From the end of a bar until the strategy's order is there: it fills at the first open from
        then on. Stops and targets rest at the venue. With entries at the close it must be 0.
    book : LevelBook, optional
        What market orders meet, beside ``slippage_bps``.
    volume_share : float, optional
        Above 0, at most 1: all orders that fill in a bar together get at most this share of its
        volume. What an order does not get waits for the next bar's open; what a target, a limit
        order, does not get waits for its price. None: orders fill whole.

    Examples
    --------
    >>> engine = EventDrivenEngine(BacktestConfig(), latency_ns=250_000_000)
    >>> result = engine.run(candles, strategy)                           # doctest: +SKIP
    """

    def __init__(
        self,
        config: BacktestConfig | None = None,
        *,
        latency_ns: int = 0,
        book: LevelBook | None = None,
        volume_share: float | None = None,
    ) -> None:
        self.config = config or BacktestConfig()
        if latency_ns < 0 or (latency_ns and self.config.entry == "close"):
            expected = "0 with entry close" if latency_ns > 0 else "at least 0"
            raise ConfigError(f"latency_ns: expected {expected}, found {latency_ns}")
        self.latency_ns = latency_ns
        if volume_share is not None and not 0 < volume_share <= 1:
            raise ConfigError(f"volume_share: expected above 0, at most 1, found {volume_share}")
        self.book = book
        self.volume_share = volume_share

    def with_config(self, config: BacktestConfig) -> "EventDrivenEngine":
        """Return an engine of the same latency, book and volume with other assumptions."""
        return EventDrivenEngine(
            config, latency_ns=self.latency_ns, book=self.book, volume_share=self.volume_share
        )

    def run(self, candles: Candles, strategy: CandleStrategy, *, atr: Any = None) -> BacktestResult:
        """Trade a strategy; the arguments are those of `VectorEngine.run`.

        Raises
        ------
        ConfigError
            If a stop or target hangs on an average true range that is not given for each bar.
        """
        n = len(candles)
        ranges = self._ranges(atr, n)
        clock = self.config.clock()
        marks = clock.marks(candles.ts_event, candles.interval_ns).tolist() if clock else [0] * n
        account = CandleAccount(
            self.config, candles.tick, self.book, strategy.position_size, self.volume_share
        )
        waiting: deque[tuple[int, int, int]] = deque()
        equity = np.empty(n, np.float64)
        at_close = self.config.entry == "close"
        # A bar ends where the next begins at the latest: a day may be shorter than it is called.
        ends = np.minimum(candles.ts_close, np.append(candles.ts_event[1:], candles.ts_close[-1]))
        columns = (
            candles.ts_event, ends, candles.open, candles.high, candles.low, candles.close,
            candles.volume,
        )  # fmt: skip
        rows = zip(*(column.tolist() for column in columns), marks, strict=True)
        for i, (ts, end, opened, high, low, close, volume, mark) in enumerate(rows):
            at_open, at_end = FillPoint(i, opened), FillPoint(i, close)
            account.begin_bar(volume)
            if mark & layout.LEAVE_AT_OPEN:
                account.leave_all(at_open, layout.CLOCK)
            arrived = []
            while waiting and waiting[0][0] <= ts:
                arrived.append(waiting.popleft())
            account.go_on(at_open, cancel=any(_leaves(account, one[1]) for one in arrived))
            if not at_close:
                account.leave_old(at_open)
            for _, code, told in arrived:
                self._act(account, code, at_open, ranges(told), mark & layout.SHUT_AT_OPEN)
            account.within(i, opened, high, low)
            if mark & layout.LEAVE_AT_CLOSE:
                account.leave_all(at_end, layout.CLOCK)
            account.follow(high, low)
            code = _consistent(strategy.code(candles.until(i), i))
            if at_close:
                account.leave_old(at_end)
                self._act(account, code, at_end, ranges(i), mark & layout.SHUT_AT_CLOSE)
            elif code:
                waiting.append((end + self.latency_ns, code, i))
            equity[i] = account.mark(close)
        account.leave_all(FillPoint(n - 1, candles.close[-1].item()), layout.END)
        return self._result(candles, strategy, account, equity)

    def _ranges(self, atr: Any, n: int) -> Callable[[int], RangeOf]:
        """Return, of a bar, what tells its average true range of so many bars."""
        periods = self.config.atr_periods
        given = atr if isinstance(atr, Mapping) else dict.fromkeys(periods, atr)
        columns = {period: np.asarray(given[period], np.float64) for period in periods}
        for found in columns.values():
            if found.shape != (n,):
                raise ConfigError(
                    f"atr: expected {n} numbers for kind atr, found shape {found.shape}"
                )
        return lambda bar: lambda period: float(columns[period][bar])

    @staticmethod
    def _act(account: CandleAccount, code: int, place: FillPoint, atr: RangeOf, shut: int) -> None:
        """An order is there: leave, then enter, unless the clock forbids it."""
        if _leaves(account, code):
            account.leave_all(place, layout.SIGNAL)
        for direction, (enters, _) in zip((1, -1), _BOTH, strict=True):
            if code & enters and not shut and account.has_room(direction):
                account.enter(place, direction, atr)

    def _result(
        self, candles: Candles, strategy: CandleStrategy, account: CandleAccount, equity: Any
    ) -> BacktestResult:
        ends = session_ends(candles.ts_close, candles.interval_ns)
        summary, trades = account.records()
        told = {"engine": "event_driven", "latency_ns": self.latency_ns}
        if self.book is not None:
            told |= {
                "spread_ticks": self.book.spread_ticks,
                "units_per_level": self.book.units_per_level,
            }
        if self.volume_share is not None:
            told |= {"volume_share": self.volume_share}
        return BacktestResult(
            strategy.name, candles, self.config, summary, trades, equity, equity[ends], told
        )


def _leaves(account: CandleAccount, code: int) -> bool:
    """Whether a signal ends what is open, or being opened."""
    told = {1: layout.EXIT_LONG, -1: layout.EXIT_SHORT}.get(account.direction, 0)
    return bool(code & told)


def _consistent(code: int) -> int:
    """Take entries away that contradict what is beside them."""
    enters = [enter for enter, leave in _BOTH if code & enter and not code & leave]
    leaves = code & (layout.EXIT_LONG | layout.EXIT_SHORT)
    return leaves | enters[0] if len(enters) == 1 else leaves
