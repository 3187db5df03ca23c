"""Declared strategies, traded: one on either engine, or thousands that share their indicators."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles._declared import codes_of_bits, directions_held
from tapewire.candles._elephants import trade_exits
from tapewire.candles.columns import BarColumns, Floats
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import PRICES, Candles
from tapewire.candles.engine import Played, VectorEngine
from tapewire.candles.event_driven import EventDrivenEngine
from tapewire.candles.exits import ATR_PERIOD, Distance, Exits
from tapewire.candles.families import CHUNK, Row, VariantResults
from tapewire.candles.frames import Timeframes
from tapewire.candles.indicators import indicator
from tapewire.candles.layout import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    SUMMARY,
    TRADE,
)
from tapewire.candles.result import BacktestResult
from tapewire.candles.rules import (
    DeclaredStrategy,
    ExitDistance,
    ExitTerms,
    RuleStepper,
    SharedBits,
    evaluate,
    shared_parts,
)
from tapewire.candles.rules._comparisons import BitStore
from tapewire.candles.rules.plan import exit_terms_of
from tapewire.candles.sessions import SessionClock
from tapewire.candles.signals import room_for_codes, words_of
from tapewire.candles.strategy import CandleStrategy
from tapewire.candles.timeframes import timeframe_name
from tapewire.errors import NoDataError

#: Bytes that bits of comparisons may take in a batch; those of the part before may be there, too.
BITS_BYTES: Final = 160 << 20
_NOTHING: Final = np.empty(0, np.float64)


@dataclass(frozen=True)
class DeclaredBars:
    """Candles as declared strategies need them: bars of their timeframes, average true ranges.

    Attributes
    ----------
    candles : Candles
        The shortest bars, of which the others are made.
    frames : Timeframes
    """

    candles: Candles
    frames: Timeframes
    _traded: dict[str, Candles] = field(default_factory=dict, repr=False)
    _ranges: dict[tuple[str, int], Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        candles: Candles,
        strategies: Iterable[DeclaredStrategy],
        clock: SessionClock | None = None,
    ) -> "DeclaredBars":
        """Make the bars of every timeframe that strategies name.

        Parameters
        ----------
        candles
            Of one instrument.
        strategies
            As `tapewire.candles.rules` reads them.
        clock
            When sessions begin; None: at midnight, UTC.

        Raises
        ------
        ConfigError
            If a timeframe is not made of whole bars of the candles.
        InputError
            If bars are not where the clock has them.
        """
        names = _timeframes_of(strategies)
        base = timeframe_name(candles.interval_ns)
        return cls(candles, Timeframes.of(BarColumns.of_candles(candles), base, names, clock))

    def has_all_of(self, strategies: Iterable[DeclaredStrategy]) -> bool:
        """Whether bars of every timeframe that strategies name are there."""
        return self.frames.has_all(_timeframes_of(strategies))

    def traded(self, primary: str) -> Candles:
        """Return the bars of a timeframe as engines take them.

        Raises
        ------
        NoDataError
            If none is complete.
        """
        found = self._traded.get(primary)
        if found is None:
            frame, like = self.frames.of_name(primary), self.candles
            if not len(frame):
                raise NoDataError(f"{like.symbol or 'candles'}: has no complete bar of {primary}")
            # Of the types of what they are made of: whole ticks, or any numbers (arrays of floats).
            opened, high, low, close, volume = (
                getattr(frame.bars, name).astype(getattr(like, name).dtype)
                for name in (*PRICES, "volume")
            )
            found = Candles(
                frame.bars.ts_event, opened, high, low, close, volume, like.tick_size,
                frame.timeframe.length_ns, like.symbol, like.counts,
            )  # fmt: skip
            self._traded[primary] = found
        return found

    def ranges(self, primary: str, periods: Iterable[int]) -> dict[int, Floats]:
        """Return average true ranges of a timeframe's bars, in ticks, by their periods."""
        for period in periods:
            if (primary, period) not in self._ranges:
                bars = self.frames.of_name(primary).bars
                self._ranges[primary, period] = indicator("atr", bars, {"period": period})["atr"]
        return {period: self._ranges[primary, period] for period in periods}


def _timeframes_of(strategies: Iterable[DeclaredStrategy]) -> list[str]:
    names: dict[str, None] = {}
    for one in strategies:
        names |= dict.fromkeys((one.timeframes.primary, *one.timeframes.secondary))
    return list(names)


def with_exits(config: BacktestConfig, long: ExitTerms, short: ExitTerms) -> BacktestConfig:
    """Return assumptions with a strategy's own exits; what it does not say stays as it was."""
    return with_own_exits(config, exits_of(long), exits_of(short))


def with_own_exits(config: BacktestConfig, long: Exits, short: Exits) -> BacktestConfig:
    """Return the same of exits as engines take them."""
    of_long = completed_exits(long, config.exits(1))
    of_short = completed_exits(short, config.exits(-1))
    return config.with_values(
        stop_loss=of_long.stop_loss, take_profit=of_long.take_profit,
        trailing_stop=of_long.trailing_stop, time_exit=of_long.time_exit,
        short=None if of_short == of_long else of_short,
    )  # fmt: skip


def exits_of(terms: ExitTerms) -> Exits:
    """Return how positions end by themselves, as engines take it."""
    return Exits(
        _distance(terms.stop_loss), _distance(terms.take_profit), _distance(terms.trailing_stop),
        terms.time_exit_bars,
    )  # fmt: skip


def completed_exits(own: Exits, given: Exits) -> Exits:
    """Return a strategy's own exits; what it does not say is as given."""
    return Exits(
        own.stop_loss or given.stop_loss, own.take_profit or given.take_profit,
        own.trailing_stop or given.trailing_stop, own.time_exit or given.time_exit,
    )  # fmt: skip


def _distance(given: ExitDistance | None) -> Distance | None:
    if given is None:
        return None
    return Distance(*given.measure, given.period or ATR_PERIOD)


class SteppedStrategy(CandleStrategy):
    """A declared strategy for the event-driven engine: fed bar by bar, as a live one would be.

    It is asked of the bars of its primary timeframe, each of which has been fed to it as the
    shortest bars it is made of.
    """

    def __init__(self, strategy: DeclaredStrategy, bars: DeclaredBars) -> None:
        self.name = strategy.name
        self._strategy, self._bars = strategy, bars
        self._signals: Iterator[tuple[int, int]] = iter(())

    def code(self, candles: Candles, index: int) -> int:
        """Return what it says as a bar ends; bars are asked for in their order."""
        if index == 0:
            self._signals = self._stepped()
        moment = int(candles.ts_event[index])
        return next(code for ts_event, code in self._signals if ts_event == moment)

    def _stepped(self) -> Iterator[tuple[int, int]]:
        frames = self._bars.frames
        base = frames.of_name(frames.base.name).bars
        stepper = RuleStepper(self._strategy, frames.base.name, frames.clock, base.price_unit)
        codes = (ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT)
        for row in base.rows():
            for bar in stepper.push(row):
                said = (code for code, holds in zip(codes, bar[1:], strict=True) if holds)
                yield bar.ts_event, sum(said)


def run_declared(
    strategy: DeclaredStrategy,
    bars: DeclaredBars,
    config: BacktestConfig | None = None,
    *,
    engine: EventDrivenEngine | None = None,
) -> BacktestResult:
    """Trade a declared strategy on the bars of its primary timeframe.

    Parameters
    ----------
    strategy
        As `tapewire.candles.rules` reads it.
    bars
        See `DeclaredBars.of`.
    config
        Assumptions; stops, targets and times that the strategy declares come before those here.
        Not beside an engine, which has its own.
    engine
        Trade bar by bar with its latency, book and volume; None: the vectorised engine.

    Raises
    ------
    ConfigError
        If bars of a timeframe are missing, or TA-Lib is.
    """
    primary = strategy.timeframes.primary
    candles = bars.traded(primary)
    assumed = engine.config if engine is not None else config or BacktestConfig()
    long, short = exit_terms_of(strategy)
    assumed = with_exits(assumed, long, short)
    ranges = bars.ranges(primary, assumed.atr_periods)
    told = {"version": strategy.version, "timeframe": primary}
    if engine is not None:
        stepped = SteppedStrategy(strategy, bars)
        result = engine.with_config(assumed).run(candles, stepped, atr=ranges)
        return result.told(told)
    said = evaluate(strategy, bars.frames)
    return VectorEngine(assumed).run(
        candles, entry_long=said.entry_long, exit_long=said.exit_long,
        entry_short=said.entry_short, exit_short=said.exit_short, atr=ranges,
        strategy_name=strategy.name, metadata={"engine": "vectorised", **told},
    )  # fmt: skip


class DeclaredStrategies:
    """Many declared strategies, as `tapewire.candles.optimizer.outcomes` trades families.

    Each row is a mapping with the strategy under ``strategy``. Indicators are computed once for
    all strategies of a primary timeframe, as far as their comparisons fit into memory together.

    Parameters
    ----------
    clock
        When sessions begin; None: at midnight, UTC.
    memory_bytes
        What bits of comparisons may take at once.
    moments
        Tell of so many bars, evenly over all, which direction each strategy holds as they end: see
        `held_moments`.
    keep
        Keep bars of timeframes, and bits of comparisons, for the next ones on the same candles. One
        at a time may ask then.
    """

    name = "declared"
    parameters = ("strategy",)

    def __init__(
        self,
        clock: SessionClock | None = None,
        memory_bytes: int = BITS_BYTES,
        moments: int = 0,
        *,
        keep: bool = False,
    ) -> None:
        self._clock, self._memory_bytes, self._moments = clock, memory_bytes, moments
        self._keep = keep
        self._kept: tuple[DeclaredBars, dict[str, BitStore]] | None = None

    def run(self, candles: Candles, row: Row, config: BacktestConfig) -> BacktestResult:
        """Trade one."""
        bars = DeclaredBars.of(candles, [row["strategy"]], self._clock)
        return run_declared(row["strategy"], bars, config)

    def tasks(
        self, candles: Candles, rows: Sequence[Row], config: BacktestConfig
    ) -> Iterator[Callable[[], Iterator[VariantResults]]]:
        """Give chunks of strategies of one primary timeframe."""
        bars, stores = self._bars_of(candles, [row["strategy"] for row in rows])
        by_primary: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            by_primary.setdefault(row["strategy"].timeframes.primary, []).append(place)
        for primary, places in by_primary.items():
            played = Played.of(bars.traded(primary), config.with_values(**_NO_EXITS))
            strategies = (rows[place]["strategy"] for place in places)
            done = 0
            for part in shared_parts(
                strategies, bars.frames, memory_bytes=self._memory_bytes, stores=stores
            ):
                for at in range(0, len(part), CHUNK):
                    count = min(CHUNK, len(part) - at)
                    chosen = places[done + at : done + at + count]
                    yield _traded(part, at, chosen, bars, played, config, self._moments)
                done += len(part)

    def _bars_of(
        self, candles: Candles, strategies: Sequence[DeclaredStrategy]
    ) -> tuple[DeclaredBars, dict[str, BitStore] | None]:
        """Return bars and bits, those that were kept where they are of the same candles."""
        if not self._keep:
            return DeclaredBars.of(candles, strategies, self._clock), None
        kept = self._kept
        if kept is None or kept[0].candles is not candles or not kept[0].has_all_of(strategies):
            kept = self._kept = (DeclaredBars.of(candles, strategies, self._clock), {})
        return kept


def held_moments(bars: int, moments: int) -> npt.NDArray[np.int64]:
    """Return so many of n bars, or all of them if they are fewer: (k + 1) n / moments - 1."""
    count = min(bars, moments)
    if not count:
        return np.empty(0, np.int64)
    return np.arange(1, count + 1) * bars // count - 1


_NO_EXITS: Final[Mapping[str, Any]] = {
    "stop_loss": None, "take_profit": None, "trailing_stop": None, "time_exit": None, "short": None,
}  # fmt: skip
_RANGES_LOCK: Final = threading.Lock()


def _traded(
    part: SharedBits,
    first: int,
    places: Sequence[int],
    bars: DeclaredBars,
    played: Played,
    config: BacktestConfig,
    moments: int,
) -> Callable[[], Iterator[VariantResults]]:
    def work() -> Iterator[VariantResults]:
        primary = part.plans[0].primary
        candles = bars.traded(primary)
        codes = room_for_codes(len(candles))
        words, slots = words_of(codes), np.zeros(config.max_positions, TRADE)
        summaries = np.zeros(len(places), SUMMARY)
        daily: npt.NDArray[np.float64] = np.empty((len(places), len(played.ends)), np.float64)
        asked = held_moments(len(candles), moments)
        held = np.zeros((len(places), len(asked)), np.int8) if moments else None
        trades = np.empty(len(candles) if moments else 0, TRADE)
        for k in range(len(places)):
            signals = part.signals(first + k)
            codes_of_bits(signals.words, codes)
            own = with_exits(config, signals.long_exits, signals.short_exits)
            with _RANGES_LOCK:
                ranges = bars.ranges(primary, own.atr_periods)
            mine = Played.of(candles, own, ranges, like=played)
            trade_exits(
                mine.terms, mine.bars, words, codes, mine.ends, slots, summaries[k : k + 1],
                trades, _NOTHING, daily[k : k + 1],
            )  # fmt: skip
            if held is not None:
                directions_held(trades, int(summaries["trades"][k]), asked, held[k])
        yield VariantResults(places, summaries, daily, held)

    return work
