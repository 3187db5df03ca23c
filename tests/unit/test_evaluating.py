"""What strategies are worth: as one by one, whoever else is traded, on any number of threads."""

import threading
import time
from concurrent.futures import CancelledError
from functools import cache
from typing import Any

import numpy as np
import pytest

from bars import walk
from tapewire.candles import BacktestConfig, Candles, optimizer
from tapewire.candles.declared import DeclaredBars, DeclaredStrategies, held_moments, run_declared
from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.rules._comparisons import BitStore
from tapewire.errors import ConfigError
from tapewire.generator import (
    EvaluatedStrategies,
    StrategyEvaluator,
    draw_strategies,
    evaluating,
)

CONFIG = BacktestConfig(commission_rate=0.00002, time_exit=40)
FRAMES = ("5m", "15m", "1h")


@cache
def candles() -> Candles:
    """Ten days of five minutes."""
    bars = walk(2_880, 7, unit=0.25)
    whole = (getattr(bars, name).astype(np.int64) for name in ("open", "high", "low", "close"))
    opened, high, low, close = whole
    times = 1_704_067_200 * 10**9 + np.arange(len(close)) * 300 * 10**9
    volume = bars.volume.astype(np.int64)
    return Candles(times, opened, high, low, close, volume, 250_000_000, 300 * 10**9)


@cache
def strategies() -> tuple[DeclaredStrategy, ...]:
    return tuple(draw_strategies(70, seed=6, timeframes=FRAMES))


def evaluated(**more: Any) -> EvaluatedStrategies:
    return StrategyEvaluator(candles(), CONFIG, **more).evaluate(strategies())


def same(one: EvaluatedStrategies, other: EvaluatedStrategies) -> bool:
    alike = [
        (a.fitness, a.trades, a.footprint.tobytes()) == (b.fitness, b.trades, b.footprint.tobytes())
        for a, b in zip(one.evaluated, other.evaluated, strict=True)
    ]
    columns = all(
        np.array_equal(one.columns[name], other.columns[name], equal_nan=True)
        for name in one.columns
    )
    return all(alike) and columns


def test_each_is_worth_what_it_is_alone_and_held_what_its_trades_say() -> None:
    found = evaluated(moments=500, keep_daily=True)
    bars = DeclaredBars.of(candles(), strategies())
    moments = held_moments(2_880, 500)
    traded = 0
    for k, strategy in enumerate(strategies()[:25]):
        alone = run_declared(strategy, bars, CONFIG)
        one = found.evaluated[k]
        sharpe = alone.metrics["sharpe_annualised"]
        assert one.trades == alone.metrics["closed_trades"]
        assert one.fitness == (None if sharpe is None else pytest.approx(sharpe, rel=1e-9))
        assert (found.daily[k] == alone.daily).all()
        held = np.zeros(2_880, np.int8)
        for trade in alone.trades.to_pylist():
            sign = 1 if trade["direction"] == "LONG" else -1
            last = trade["exit_bar"] + (trade["reason"] == "end")
            held[trade["entry_bar"] : last] = sign
        assert (one.footprint == held[moments]).all(), strategy.name
        traded += one.trades
    assert traded > 500


def test_moments_by_hand() -> None:
    # Of ten bars the last of each half, and of each third as far as they are whole.
    assert held_moments(10, 2).tolist() == [4, 9]
    assert held_moments(10, 3).tolist() == [2, 5, 9]
    assert held_moments(3, 9).tolist() == [0, 1, 2]
    assert held_moments(3, 0).tolist() == []


def test_threads_others_and_what_is_kept_change_nothing() -> None:
    first = evaluated()
    assert same(first, evaluated(jobs=3))
    # The same bars again, of other strategies first: their bits are kept.
    evaluator = StrategyEvaluator(candles(), CONFIG, jobs=2)
    evaluator.evaluate(list(draw_strategies(40, seed=9, timeframes=FRAMES)))
    assert same(first, evaluator.evaluate(strategies()))
    assert same(first, evaluator.evaluate(strategies()))
    backwards = evaluator.evaluate(strategies()[::-1])
    assert [one.fitness for one in backwards.evaluated[::-1]] == [
        one.fitness for one in first.evaluated
    ]
    # A timeframe that was not there before.
    more = list(draw_strategies(5, seed=1, timeframes=("5m", "30m")))
    fresh = StrategyEvaluator(candles(), CONFIG).evaluate(more)
    assert same(evaluator.evaluate(more), fresh)


def test_bits_that_do_not_fit_are_forgotten() -> None:
    from tapewire.candles.optimizer import outcomes

    rows = [{"strategy": one} for one in strategies()]

    def balances(family: DeclaredStrategies, chosen: list[Any]) -> list[float]:
        found = np.zeros(len(chosen))
        for places, summaries, *_ in outcomes(family, candles(), chosen, CONFIG):
            found[places] = summaries["balance"]
        return found.tolist()

    expected = balances(DeclaredStrategies(), rows)
    # A comparison of five minutes takes 360 bytes: some fit, and a few only.
    for memory_bytes in (100_000, 4_000):
        family = DeclaredStrategies(memory_bytes=memory_bytes, keep=True)
        for first in (0, 30, 0):
            assert balances(family, rows[first : first + 40]) == expected[first : first + 40]


def test_few_trades_are_no_fitness_and_an_objective_is_any_metric() -> None:
    plain, strict = evaluated(), evaluated(trades_min=30)
    net = evaluated(objective="net_pnl")
    for one, other, money, pnl in zip(
        plain.evaluated, strict.evaluated, net.evaluated, net.columns["net_pnl"], strict=True
    ):
        assert other.fitness == (one.fitness if one.trades >= 30 else None)
        assert money.fitness == (pnl if one.trades else None)
    assert {one.fitness is None for one in strict.evaluated} == {True, False}


def test_nobody_is_no_error_and_a_search_can_be_canceled() -> None:
    evaluator = StrategyEvaluator(candles(), CONFIG)
    assert evaluator.evaluate([]).evaluated == []
    seen: list[tuple[int, int]] = []
    evaluator.evaluate(strategies(), progress=lambda done, count: seen.append((done, count)))
    assert seen[-1] == (70, 70)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        evaluator.evaluate(strategies(), cancel=cancel)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"objective": "sharp"}, "objective: expected one of total_return, .*, found 'sharp'"),
        ({"jobs": 0}, "jobs: expected at least 1, found 0"),
        ({"moments": 0}, "moments: expected at least 1, found 0"),
    ],
)
def test_what_is_asked_wrong(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        StrategyEvaluator(candles(), CONFIG, **given)


def test_bars_that_a_timeframe_is_not_made_of() -> None:
    made = list(draw_strategies(1, timeframes=["1m"]))
    with pytest.raises(ConfigError, match="1m"):
        StrategyEvaluator(candles(), CONFIG).evaluate(made)


def test_a_block_is_done_before_the_next_one_forgets_its_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More strategies than a block has, on threads that are slow, and little memory for bits."""
    chosen = [one for one in strategies() if one.timeframes.primary == "5m"][:12]
    expected = StrategyEvaluator(candles(), CONFIG).evaluate(chosen)
    monkeypatch.setattr(optimizer, "BLOCK", 2)
    monkeypatch.setattr(evaluating, "BLOCK", 2, raising=False)
    write = BitStore.write

    def slow(self: BitStore, key: Any, words: Any) -> None:
        time.sleep(0.02)
        write(self, key, words)

    monkeypatch.setattr(BitStore, "write", slow)
    evaluator = StrategyEvaluator(candles(), CONFIG, jobs=3)
    evaluator._family._memory_bytes = 8_000
    assert same(expected, evaluator.evaluate(chosen))
