"""Declared strategies, drawn, on both engines and many at once; and never of the future."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bars import walk
from declared import declared
from tapewire.candles import (
    ArrayStrategy,
    BacktestConfig,
    BacktestResult,
    Candles,
    Distance,
    EventDrivenEngine,
    LevelBook,
)
from tapewire.candles.clock import session_ends
from tapewire.candles.crossovers import crossover_codes
from tapewire.candles.declared import DeclaredBars, DeclaredStrategies, run_declared
from tapewire.candles.elephants import ElephantDetector, ElephantParams
from tapewire.candles.families import Elephant, SmaCross
from tapewire.candles.layout import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, TRADE
from tapewire.candles.optimizer import metric_columns, optimize, outcomes
from tapewire.candles.ranges import average_true_ranges
from tapewire.candles.rules import strategy_of
from tapewire.candles.rules.plan import SIGNALS
from tapewire.candles.sessions import SessionClock
from tapewire.candles.signals import Codes

CLOCK = SessionClock("America/Chicago", "17:00")
#: 9 March 2024, the eve of a change of clocks.
START_NS = 1_710_018_000 * 10**9
NAMES = ["1h", "5m", "1d"]
DRAWN = declared("15m", NAMES)
#: Of days, which are of 23 hours once: their bars end before they would by their name.
DAILY = declared("1d", ["15m", "5m"])


def gapped(seed: int, n: int) -> Candles:
    """Bars of five minutes in ticks of a quarter, some missing."""
    bars = walk(n, seed, unit=0.25)
    steps = np.random.default_rng(seed).choice([1, 1, 1, 1, 1, 2, 3, 40], n)
    whole = (getattr(bars, name).astype(np.int64) for name in ("open", "high", "low", "close"))
    times = START_NS + np.cumsum(steps) * 300 * 10**9
    opened, high, low, close = whole
    volume = bars.volume.astype(np.int64)
    return Candles(times, opened, high, low, close, volume, 250_000_000, 300 * 10**9)


def changed_after(candles: Candles, cut: int, seed: int) -> Candles:
    """Bars that are others from one on."""
    other = gapped(seed, len(candles))
    names = ("open", "high", "low", "close", "volume")
    opened, high, low, close, volume = (
        np.r_[getattr(candles, name)[:cut], getattr(other, name)[cut:]] for name in names
    )
    return Candles(
        candles.ts_event, opened, high, low, close, volume, candles.tick_size, candles.interval_ns
    )


def config_of(draw: random.Random) -> BacktestConfig:
    return BacktestConfig(
        entry=draw.choice(("next_open", "close")),
        commission_rate=0.0001,
        slippage_bps=draw.choice((0.0, 1.0)),
        max_positions=draw.choice((1, 2)),
        quantity=draw.choice((None, 3.0)),
        time_exit=draw.choice((None, 7)),
        close_at=draw.choice((None, "15:00")),
    )


def same(a: BacktestResult, b: BacktestResult) -> None:
    assert len(a.trade_records) == len(b.trade_records)
    for name in TRADE.names or ():
        found, expected = a.trade_records[name], b.trade_records[name]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(a.equity, b.equity, rtol=1e-9, atol=1e-6)


def check_engines(made: dict[str, Any], seed: int, n: int) -> int:
    candles, config = gapped(seed, n), config_of(random.Random(seed))
    strategy = strategy_of(made)
    bars = DeclaredBars.of(candles, [strategy], CLOCK)
    at_once = run_declared(strategy, bars, config)
    by_bar = run_declared(strategy, bars, engine=EventDrivenEngine(config))
    same(by_bar, at_once)
    (batch,) = outcomes(DeclaredStrategies(CLOCK), candles, [{"strategy": strategy}], config)
    for name in ("balance", "trades", "profit", "loss", "max_drawdown", "refused"):
        assert batch.summaries[0][name] == at_once.summary[name], name
    np.testing.assert_array_equal(batch.daily[0], at_once.daily)
    return len(at_once.trade_records)


@settings(max_examples=15)
@given(DRAWN, st.integers(0, 10_000), st.integers(40, 200))
def test_both_engines_and_a_batch_trade_alike(made: dict[str, Any], seed: int, n: int) -> None:
    check_engines(made, seed, n)


@settings(max_examples=5)
@given(DAILY, st.integers(0, 10_000))
def test_days_that_are_shorter_than_their_name_trade_alike(made: dict[str, Any], seed: int) -> None:
    check_engines(made, seed, 900)


def check_future(made: dict[str, Any], seed: int, cut: int) -> None:
    """Bars from one on are others, or not there at all: what ended before is the same."""
    candles, config = gapped(seed, 240), config_of(random.Random(seed))
    strategy, changed = strategy_of(made), changed_after(candles, cut, seed + 1)
    until_ns = int(candles.ts_event[cut])
    engine = EventDrivenEngine(config)
    for chosen in (None, engine):
        runs = []
        for data in (candles, changed, candles.part(0, cut)):
            bars = DeclaredBars.of(data, [strategy], CLOCK)
            runs.append(run_declared(strategy, bars, config, engine=chosen))
        whole, *others = runs
        known = int((whole.candles.ts_close <= until_ns).sum())
        for one in others:
            # Data that end within a gap do not know yet that a bar before it is complete.
            both = min(known, len(one.equity))
            assert both >= known - 1
            np.testing.assert_array_equal(one.equity[:both], whole.equity[:both])
            assert _ended(one, both) == _ended(whole, both)


def _ended(result: BacktestResult, known: int) -> list[tuple[Any, ...]]:
    """Trades that ended in bars before one, but for those that the data's end ended."""
    rows = result.trade_records
    return [tuple(row) for row in rows if row["exit_bar"] < known and row["reason"] != 5]


@settings(max_examples=12)
@given(DRAWN, st.integers(0, 10_000), st.integers(60, 239))
def test_the_future_changes_nothing_before(made: dict[str, Any], seed: int, cut: int) -> None:
    check_future(made, seed, cut)


@pytest.mark.long
@settings(max_examples=400, deadline=None)
@given(DRAWN, st.integers(0, 10_000), st.integers(60, 239))
def test_many_drawn_strategies_hold_what_few_do(made: dict[str, Any], seed: int, cut: int) -> None:
    check_engines(made, seed, 240)
    check_future(made, seed, cut)


def simple(name: str, primary: str, period: int, exits: list[dict[str, Any]]) -> dict[str, Any]:
    close = {"indicator": "close", "value": {"indicator": "sma", "params": {"period": period}}}
    return {
        "name": name, "version": "1.0", "timeframes": {"primary": primary, "secondary": []},
        "entry_rules": {
            "long": {**close, "comparison": "crosses_above"},
            "short": {**close, "comparison": "crosses_below"},
        },
        "exit_rules": {
            "long": {"operator": "OR", "conditions": exits},
            "short": {"operator": "OR", "conditions": [{"type": "time_exit", "bars": 4}]},
        },
    }  # fmt: skip


EXITS: list[list[dict[str, Any]]] = [
    [{"type": "trailing_stop", "atr": 2.0}], [{"type": "stop_loss", "percent": 0.2}],
    [{"type": "take_profit", "fixed": 1.0}, {"type": "stop_loss", "atr": 1.0, "period": 5}],
    [{"type": "time_exit", "bars": 9}],
]  # fmt: skip


@pytest.mark.parametrize("memory_bytes", [1, 1 << 20])
def test_a_batch_of_several_timeframes_is_its_single_runs(memory_bytes: int) -> None:
    """Seventy strategies on two primary timeframes, in two threads, in parts of one or all."""
    candles, config = gapped(4, 3_000), BacktestConfig(quantity=1.0, initial_balance=5_000.0)
    strategies = [
        strategy_of(simple(f"s{k}", ("15m", "1h")[k % 2], 2 + k % 9, EXITS[k % 4]))
        for k in range(70)
    ]
    family = DeclaredStrategies(CLOCK, memory_bytes)
    rows = [{"strategy": one} for one in strategies]
    told: dict[int, float] = {}
    for outcome in outcomes(family, candles, rows, config, 2):
        columns = metric_columns(outcome.summaries, outcome.daily, 5_000.0)
        told |= dict(zip(outcome.places, columns["total_return"].tolist(), strict=True))
    bars = DeclaredBars.of(candles, strategies, CLOCK)
    singles = [run_declared(one, bars, config) for one in strategies]
    expected = [one.metrics["total_return"] for one in singles]
    assert [told[k] for k in range(70)] == pytest.approx(expected)
    reasons = {row["reason"] for one in singles for row in one.trade_records}
    assert reasons >= {2, 3, 5, 6, 7}
    found = optimize(candles, [rows[0], rows[2]], config, strategy=family)
    assert found.columns["total_return"] == pytest.approx([expected[0], expected[2]])


FAMILY_ROWS: list[dict[str, Any]] = [
    {"fast": 2, "slow": 5, "short": True},
    {"lookback": 5, "min_amplitude": 1.1, "min_volume": 0.5, "max_shadow": 0.9, "atr_period": 4},
]


def family_codes(which: int, candles: Candles) -> Codes:
    row = FAMILY_ROWS[which]
    if which == 0:
        return crossover_codes(candles, row["fast"], row["slow"], short=True)
    return ElephantDetector(candles).codes(ElephantParams.of(row))


def runs_of(which: int, candles: Candles, config: BacktestConfig) -> list[BacktestResult]:
    """By arrays, and bar by bar, with nothing and with all that this engine adds."""
    family, codes = (SmaCross(), Elephant())[which], family_codes(which, candles)
    settings = ElephantParams.of(FAMILY_ROWS[1]).config(config) if which else config
    ranges = average_true_ranges(candles, settings.atr_periods)
    flags = [codes & code != 0 for code in (ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT)]
    asked = ArrayStrategy(len(candles), **dict(zip(SIGNALS, flags, strict=True)))
    latency_ns = 0 if config.entry == "close" else 400 * 10**9
    book = LevelBook(spread_ticks=1, units_per_level=2)
    engines = (
        EventDrivenEngine(settings),
        EventDrivenEngine(settings, latency_ns=latency_ns, book=book, volume_share=0.1),
    )
    return [
        family.run(candles, FAMILY_ROWS[which], config),
        *(engine.run(candles, asked, atr=ranges) for engine in engines),
    ]


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(60, 239), st.sampled_from([0, 1]))
def test_the_future_changes_nothing_of_strategies_that_come_along(
    seed: int, cut: int, which: int
) -> None:
    draw = random.Random(seed)
    stops = (None, Distance("atr", 1.5, 6), Distance("percent", 0.1))
    config = config_of(draw).with_values(
        # The elephant bar has a stop of its own.
        stop_loss=None if which else draw.choice(stops),
        trailing_stop=draw.choice(stops),
    )
    candles = gapped(seed, 240)
    whole = runs_of(which, candles, config)
    for data in (changed_after(candles, cut, seed + 1), candles.part(0, cut)):
        for one, expected in zip(runs_of(which, data, config), whole, strict=True):
            np.testing.assert_array_equal(one.equity[:cut], expected.equity[:cut])
            assert _ended(one, cut) == _ended(expected, cut)


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(60, 239), st.sampled_from([0, 1]))
def test_the_future_changes_nothing_of_searches(seed: int, cut: int, which: int) -> None:
    """Whose equity is kept by session: sessions that ended before are the same."""
    config = config_of(random.Random(seed))
    for assumed in (config, config.with_values(max_positions=1, time_exit=None)):
        candles = gapped(seed, 240)
        name = ("sma_cross", "barra_elefante")[which]
        rows = [FAMILY_ROWS[which], {}]
        whole, other = (
            optimize(data, rows, assumed, strategy=name)
            for data in (candles, changed_after(candles, cut, seed + 1))
        )
        ends = session_ends(candles.ts_close, candles.interval_ns)
        assert whole.daily is not None
        assert other.daily is not None
        np.testing.assert_array_equal(whole.daily[:, ends < cut], other.daily[:, ends < cut])
