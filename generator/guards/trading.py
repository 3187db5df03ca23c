"""Strategies traded to be judged: on the search, at higher costs, behind it, on shuffled bars."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tapewire.candles import BacktestConfig, Candles
from tapewire.candles.declared import DeclaredBars, with_exits
from tapewire.candles.engine import VectorEngine
from tapewire.candles.result import BacktestResult
from tapewire.candles.rules import DeclaredStrategy, evaluate
from tapewire.candles.rules.plan import exit_terms_of
from tapewire.candles.sessions import SessionClock
from tapewire.generator.guards.folds import results_of
from tapewire.generator.guards.holdout import OpenedHoldout, first_bar
from tapewire.generator.guards.shuffling import shuffled_bars

Floats = NDArray[np.float64]

#: Shuffles between two looks at whether anybody can still pass.
_TURN = 16
_BASIS_POINTS = 10_000


def stressed(config: BacktestConfig, candles: Candles, factor: float) -> BacktestConfig:
    """Return assumptions at so many times the costs, and at least so many half ticks of slippage.

    Half a tick is the least that an order which does not wait pays for the spread; it is taken at
    the mean close.
    """
    half_tick_bps = 0.5 / float(candles.close.mean()) * _BASIS_POINTS
    return config.with_values(
        commission_rate=min(config.commission_rate * factor, 1 - 1e-9),
        commission_per_unit=config.commission_per_unit * factor,
        slippage_bps=min(factor * max(config.slippage_bps, half_tick_bps), _BASIS_POINTS - 1.0),
    )


def trade_from(
    strategy: DeclaredStrategy, bars: DeclaredBars, config: BacktestConfig, start_ns: int
) -> BacktestResult:
    """Trade a strategy from a moment on, its indicators being warm by the bars before.

    Parameters
    ----------
    strategy
        As `tapewire.candles.rules` reads it.
    bars
        From long before the moment on.
    config
        Assumptions; a strategy's own exits come before those here.
    start_ns
        The first bar that begins then or later is the first at whose end it may say anything.

    Raises
    ------
    NoDataError
        If no complete bar of the primary timeframe begins then or later.
    """
    primary = strategy.timeframes.primary
    candles = bars.traded(primary)
    first, count = first_bar(candles, start_ns, primary), len(candles)
    assumed = with_exits(config, *exit_terms_of(strategy))
    ranges = bars.ranges(primary, assumed.atr_periods)
    said = evaluate(strategy, bars.frames)
    return VectorEngine(assumed).run(
        candles.part(first, count), entry_long=said.entry_long[first:],
        exit_long=said.exit_long[first:], entry_short=said.entry_short[first:],
        exit_short=said.exit_short[first:], strategy_name=strategy.name,
        atr={period: one[first:] for period, one in ranges.items()},
    )  # fmt: skip


def session_results(result: BacktestResult) -> Floats:
    """Return net P&L by session, currency, shape (d,)."""
    found: Floats = results_of(result.daily[None], result.config.initial_balance)[0]
    return found


def ratio_of(results: Floats) -> float:
    """Return the Sharpe ratio by session, not annualised; 0 where every session made the same."""
    if len(results) < 2 or (results == results[0]).all():
        return 0.0
    return float(results.mean() / results.std(ddof=1))


def shuffled_ratios(
    strategies: Sequence[DeclaredStrategy],
    opened: OpenedHoldout,
    config: BacktestConfig,
    *,
    clock: SessionClock | None,
    shuffles: int,
    seed: int,
    jobs: int,
    go_on: Callable[[Floats], bool],
) -> Floats:
    """Trade strategies on a holdout whose moves are in another order, again and again.

    Parameters
    ----------
    strategies
        m of them.
    opened
        The bars before it stay as they are.
    config, clock
        As of the holdout itself.
    shuffles
        At most so many orders; each depends on the seed and its number alone.
    seed
        Of the draws.
    jobs
        Threads.
    go_on
        Asked now and then, with the ratios until then, whether there is anything left to know.

    Returns
    -------
    float64 (k, m)
        Sharpe ratios by session, of as many orders as there were.
    """
    candles = opened.candles
    first = int(np.searchsorted(candles.ts_event, opened.start_ns))

    def ratios(number: int) -> list[float]:
        random = np.random.Generator(np.random.PCG64([seed, number]))
        bars = DeclaredBars.of(shuffled_bars(candles, first, random), strategies, clock)
        traded = (trade_from(one, bars, config, opened.start_ns) for one in strategies)
        return [ratio_of(session_results(result)) for result in traded]

    found: list[list[float]] = []
    with ThreadPoolExecutor(jobs, thread_name_prefix="tapewire-shuffles") as pool:
        for turn in _turns(shuffles):
            found += pool.map(ratios, turn)
            if not go_on(np.array(found)):
                break
    return np.array(found)


def _turns(count: int) -> Iterator[range]:
    for begin in range(0, count, _TURN):
        yield range(begin, min(count, begin + _TURN))
