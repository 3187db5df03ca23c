"""The vectorised engine: signals of a whole history at once, traded by one compiled kernel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles._kernels import simulate
from tapewire.candles.clock import session_ends
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.layout import ENTRIES, SUMMARY, TRADE
from tapewire.candles.result import BacktestResult
from tapewire.candles.signals import Codes, signal_codes, words_of
from tapewire.errors import ConfigError

_NO_MARKS: Final = np.empty(0, np.uint8)
_NO_NUMBERS: Final = np.empty(0, np.float64)


@dataclass(frozen=True)
class Played:
    """Candles as kernels take them, under one configuration: made once, shared by strategies.

    Attributes
    ----------
    bars : tuple
        open, high, low, close (n,), marks of the clock, average true ranges, see the kernel.
    terms : record array (1,)
    ends : int64 (d,)
        Last bar of each session.
    """

    bars: tuple[npt.NDArray[Any], ...]
    terms: npt.NDArray[Any]
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        candles: Candles,
        config: BacktestConfig,
        atr: Any = None,
        *,
        like: "Played | None" = None,
    ) -> "Played":
        """Take candles without a copy; ``like`` is of the same candles and times of day.

        ``atr`` is an array, or arrays by their periods; see `VectorEngine.run`.

        Raises
        ------
        ConfigError
            If a stop or target hangs on an average true range that is not given, or is not one
            number a bar.
        """
        ranges, terms = _ranges(len(candles), config, atr), config.terms(candles.tick)
        if isinstance(atr, Mapping):
            places = {period: k * len(candles) for k, period in enumerate(config.atr_periods)}
            config.exits(1).place(terms[0], "", places)
            config.exits(-1).place(terms[0], "short_", places)
        if like is not None:
            return cls((*like.bars[:5], ranges), terms, like.ends)
        clock = config.clock()
        marks = clock.marks(candles.ts_event, candles.interval_ns) if clock else _NO_MARKS
        return cls(
            (candles.open, candles.high, candles.low, candles.close, marks, ranges),
            terms,
            session_ends(candles.ts_close, candles.interval_ns),
        )


def _ranges(n: int, config: BacktestConfig, atr: Any) -> npt.NDArray[np.float64]:
    """Return average true ranges as kernels take them: those of each period, one after another."""
    if not config.needs_atr:
        return _NO_NUMBERS
    if atr is None:
        raise ConfigError(
            "stop_loss, take_profit, trailing_stop: expected atr, an array, for kind atr"
        )
    given = [atr[period] for period in config.atr_periods] if isinstance(atr, Mapping) else [atr]
    columns = [np.ascontiguousarray(one, np.float64) for one in given]
    for column in columns:
        if column.shape != (n,):
            raise ConfigError(f"atr: expected {n} numbers, found shape {column.shape}")
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


class VectorEngine:
    """Trades strategies whose signals are known for every bar.

    What is decided as a bar ends fills at the next open (or at that close, if the configuration
    says so); stops and targets act within bars from the entry on; what is still open at the end
    counts at the last close, without costs.

    Parameters
    ----------
    config : BacktestConfig

    Examples
    --------
    >>> engine = VectorEngine(BacktestConfig(commission_rate=0.001))
    >>> result = engine.run(candles, entry_long=up, exit_long=down)       # doctest: +SKIP
    """

    def __init__(self, config: BacktestConfig | None = None) -> None:
        self.config = config or BacktestConfig()

    def run(
        self,
        candles: Candles,
        *,
        entry_long: Any = None,
        exit_long: Any = None,
        entry_short: Any = None,
        exit_short: Any = None,
        atr: Any = None,
        strategy_name: str = "signals",
        metadata: Mapping[str, Any] | None = None,
    ) -> BacktestResult:
        """Trade four signals.

        Parameters
        ----------
        candles
            n bars.
        entry_long, exit_long, entry_short, exit_short
            bool (n,): what the strategy says as each bar ends; None: never. A bar that says entry
            and exit of one direction, or both entries, enters nothing.
        atr
            float64 (n,), in ticks, known as each bar ends; NaN while there is none. For distances
            of kind ``atr``; where their periods differ, arrays by period.
        strategy_name, metadata
            For the result.

        Raises
        ------
        ConfigError
            If an array is not n long, or of another type.
        """
        codes = signal_codes(
            len(candles), entry_long=entry_long, exit_long=exit_long, entry_short=entry_short,
            exit_short=exit_short,
        )  # fmt: skip
        played = Played.of(candles, self.config, atr)
        return self.run_codes(candles, played, codes, strategy_name, metadata or {})

    def run_codes(
        self,
        candles: Candles,
        played: Played,
        codes: Codes,
        strategy_name: str,
        metadata: Mapping[str, Any],
    ) -> BacktestResult:
        """Trade signals that are one byte a bar, of candles that are ready for it."""
        n = len(candles)
        summary = np.zeros(1, SUMMARY)
        trades = np.zeros(int(np.count_nonzero(codes & ENTRIES)), TRADE)
        equity = np.empty(n, np.float64)
        daily = np.empty(len(played.ends), np.float64)
        slots = np.zeros(self.config.max_positions, TRADE)
        simulate(
            played.terms, played.bars, words_of(codes), codes, played.ends, slots, summary, trades,
            equity, daily,
        )  # fmt: skip
        return BacktestResult(
            strategy_name, candles, self.config, summary[0], trades[: int(summary["trades"][0])],
            equity, daily, dict(metadata),
        )  # fmt: skip
