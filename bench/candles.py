"""Strategies on bars: backtests a second of each engine, on one core and on two."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.compiled.units import NS_PER_S

if TYPE_CHECKING:
    from tapewire.candles import BacktestConfig, Candles

BARS: Final = 100_000
BARS_QUICK: Final = 20_000
#: One bar in so many is large and busy.
LARGE_EVERY: Final = 50
TICK_SIZE: Final = 250_000_000

#: Of the elephant bar: entries in a third of the day, nothing over night.
HOURS: Final[dict[str, list[Any]]] = {
    "start": ["09:00"], "end": ["17:00"], "close_at": ["17:55"],
}  # fmt: skip

#: What a whole search is called.
ONE_SEARCH: Final = "one large search"

Grid = Mapping[str, list[Any]]


def walk(bars: int, seed: int) -> "Candles":
    """A walk of one-minute bars on quarters, with some large and busy ones.

    Parameters
    ----------
    bars, seed : int
    """
    from tapewire.candles import Candles

    draw = np.random.Generator(np.random.PCG64(seed))
    large = draw.integers(0, LARGE_EVERY, bars) == 0
    body = np.where(large, draw.choice((-1, 1), bars) * draw.integers(12, 30, bars),
                    draw.integers(-6, 7, bars))  # fmt: skip
    close = 64_000 + np.cumsum(body)
    opened = close - body
    high = np.maximum(opened, close) + draw.integers(0, 4, bars)
    low = np.minimum(opened, close) - draw.integers(0, 4, bars)
    volume = draw.integers(50, 200, bars) * np.where(large, 4, 1)
    times = 1_704_153_600 * NS_PER_S + np.arange(bars) * 60 * NS_PER_S
    opens, highs, lows, closes = (column * TICK_SIZE for column in (opened, high, low, close))
    return Candles.of(times, opens, highs, lows, closes, volume, tick_size=TICK_SIZE)


def crossover_grid(*, quick: bool) -> list[dict[str, int]]:
    """Pairs of lengths: 495, in the short bench 45."""
    longest = 110 if quick else 610
    fasts, slows = range(5, 50, 5), range(60, longest, 10)
    return [{"fast": fast, "slow": slow} for fast in fasts for slow in slows]


def assumptions(name: str) -> "BacktestConfig":
    """Those of vectorbt (``close``), or ``all`` of ours."""
    from tapewire.candles import BacktestConfig, Distance

    if name == "close":
        return BacktestConfig(entry="close", initial_balance=100.0)
    return BacktestConfig(
        commission_rate=0.00002, slippage_bps=0.5, stop_loss=Distance("percent", 1.0),
        take_profit=Distance("percent", 2.0), close_at="21:00", open_at="22:00",
    )  # fmt: skip


def signal_grid(*, quick: bool) -> Grid:
    """Elephant bars that differ in what a signal is: 1,000, in the short bench 27."""
    count = 3 if quick else 10
    return {
        "min_amplitude": [round(1.5 + k / 10, 1) for k in range(count)],
        "min_volume": [round(1.1 + k / 10, 1) for k in range(count)],
        "max_shadow": [round(0.1 + k / 20, 2) for k in range(count)],
        **HOURS,
    }


def exit_grid(*, quick: bool) -> Grid:
    """Elephant bars of one signal that differ in stop and target: 1,024, or 25."""
    count = 5 if quick else 32
    return {
        "stop_atr": [round(0.5 + k / 8, 3) for k in range(count)],
        "target_atr": [round(1 + k / 4, 2) for k in range(count)],
    }


def measured(
    name: str, work: Callable[[], float], variants: int, bars: int, runs: int, note: str,
    clock: Callable[[], float] = time.process_time,
) -> Row:  # fmt: skip
    """Time a search of so many variants, after one run that is not counted.

    ``work`` returns trades per backtest. Times are CPU time of all threads, unless another clock
    is given: other processes are then no part of them.
    """
    seconds, trades = [], 0.0
    for k in range(runs + 1):
        gc.collect()
        began = clock()
        trades = work()
        took = clock() - began
        if k > 0:
            seconds.append(took)
    figures = {
        "backtests_per_s": round(variants / statistics.median(seconds), 1),
        "trades_each": round(trades, 1),
    }
    return row_of("candles", name, bars * variants, seconds, note, figures)


def searcher(
    bars: "Candles", grid: Any, config: "BacktestConfig", family: str, jobs: int = 1
) -> tuple[Callable[[], float], int]:
    """Return a search to be timed, and how many variants it has."""
    from tapewire.candles.families import find_family
    from tapewire.candles.optimizer import checked_rows, optimize

    count = len(checked_rows(find_family(family), grid))

    def work() -> float:
        found = optimize(bars, grid, config, strategy=family, jobs=jobs)
        return float(found.summaries["trades"].mean())

    return work, count


def candle_rows(scale: Scale) -> Iterator[Row]:
    """Searches of crossovers and elephant bars, and one strategy in each engine.

    Yields
    ------
    Row
        Group ``candles``; records are bars. Figures: ``backtests_per_s`` of the median run.
    """
    from tapewire.candles import BacktestConfig

    quick, bars = scale.quick, BARS_QUICK if scale.quick else BARS
    candles, money = walk(bars, scale.seed), BacktestConfig(quantity=1, commission_rate=0.00002)
    pairs, signals, exits = (
        crossover_grid(quick=quick), signal_grid(quick=quick), exit_grid(quick=quick)
    )  # fmt: skip
    note = "CPU time; one thread; every metric; no trades, no curve"
    cases = (
        ("crossovers, entry at the close", pairs, assumptions("close"), "sma_cross"),
        ("crossovers, all assumptions", pairs, assumptions("all"), "sma_cross"),
        ("elephant bar, signals differ", signals, money, "barra_elefante"),
        ("elephant bar, exits differ", {**exits, **HOURS}, money, "barra_elefante"),
        ("elephant bar, exits differ, all day", exits, money, "barra_elefante"),
    )
    for name, grid, config, family in cases:
        work, count = searcher(candles, grid, config, family)
        yield measured(name, work, count, bars, scale.runs, f"{count:,} variants; {note}")
    yield from _searches(candles, money, scale)
    yield from _two_threads(candles, signals, money, scale)
    yield from _one_strategy(candles, scale)


def _searches(candles: "Candles", config: "BacktestConfig", scale: Scale) -> Iterator[Row]:
    """The smallest search of elephant bars, and one of 100,000, in the short bench of 2,700."""
    signals = signal_grid(quick=scale.quick)
    one = {**{name: values[:1] for name, values in signals.items()}, **HOURS}
    many = {**signals, "stop_atr": [round(0.5 + k / 8, 3) for k in range(10)],
            "target_atr": [round(1 + k / 4, 2) for k in range(10)]}  # fmt: skip
    for name, grid, runs in (("one variant", one, scale.runs), (ONE_SEARCH, many, 1)):
        work, count = searcher(candles, grid, config, "barra_elefante")
        note = f"{count:,} variants; CPU time; one thread; every metric; no trades, no curve"
        yield measured(f"elephant bar, {name}", work, count, len(candles), runs, note)


def _two_threads(
    candles: "Candles", grid: Grid, config: "BacktestConfig", scale: Scale
) -> Iterator[Row]:
    """One search on one thread and on two, by turns."""
    one, count = searcher(candles, grid, config, "barra_elefante")
    two, _ = searcher(candles, grid, config, "barra_elefante", jobs=2)
    events = len(candles) * count
    seconds: tuple[list[float], list[float]] = ([], [])
    for k in range(scale.runs + 1):
        for work, times in zip((one, two), seconds, strict=True):
            began = time.perf_counter()
            work()
            if k > 0:
                times.append(time.perf_counter() - began)
    for name, times in zip(("one thread", "two threads"), seconds, strict=True):
        figures = {"backtests_per_s": round(count / statistics.median(times), 1)}
        note = f"{count:,} variants; wall time, by turns with the other"
        yield row_of("candles", f"elephant bar, {name}", events, times, note, figures)


def _one_strategy(candles: "Candles", scale: Scale) -> Iterator[Row]:
    """One crossover in each engine: trades, curve and metrics; bar by bar it is called per bar."""
    from tapewire.candles import ArrayStrategy, EventDrivenEngine
    from tapewire.candles.crossovers import crossover_codes
    from tapewire.candles.families import find_family

    config, n = assumptions("all"), len(candles)
    codes = crossover_codes(candles, 10, 100)
    strategy = ArrayStrategy(n, entry_long=codes & 1 != 0, exit_long=codes & 2 != 0)

    def vectorised() -> float:
        found = find_family("sma_cross").run(candles, {"fast": 10, "slow": 100}, config)
        trades = found.metrics["closed_trades"]
        return float(trades or 0) if found.equity_curve.num_rows == n else 0.0

    def by_bar() -> float:
        return float(EventDrivenEngine(config).run(candles, strategy).summary["trades"])

    note = "CPU time; signals, trades, equity of each bar, every metric"
    yield measured("one strategy, vectorised", vectorised, 1, n, scale.runs, note)
    note = "CPU time; signals that are there, trades, equity of each bar"
    yield measured("one strategy, bar by bar", by_bar, 1, n, scale.runs, note)
