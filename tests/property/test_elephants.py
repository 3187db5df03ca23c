"""The elephant bar against its slow twin, trade for trade, and grids against single runs."""

import dataclasses
import math
import random
import threading
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive.candles import NaiveEngine
from naive.elephants import naive_atr, naive_signals
from sums import same_sums
from tapewire.candles import BacktestConfig, Candles, Distance, VectorEngine, optimizer
from tapewire.candles.elephants import (
    ElephantDetector,
    ElephantParams,
    candles_of_arrays,
    run_backtest,
)
from tapewire.candles.families import GridRows, SmaCross
from tapewire.candles.layout import ENTER_LONG, ENTER_SHORT
from tapewire.candles.optimizer import optimize
from tapewire.candles.ranges import average_true_ranges
from tapewire.candles.result import CANDLE_METRICS
from tapewire.errors import ConfigError, FormatError

MINUTE = 60 * 10**9
START = 1_709_942_400 * 10**9


def herd(draw: random.Random, n: int, minutes: int) -> Candles:
    """Bars of few ticks, some of them large and busy."""
    rows, price = [], 1000
    for i in range(n):
        large = draw.random() < 0.15
        body = draw.choice((-1, 1)) * (draw.randint(6, 12) if large else draw.randint(0, 3))
        close = price + body
        high, low = max(price, close) + draw.randint(0, 2), min(price, close) - draw.randint(0, 2)
        volume = draw.randint(0, 3) + (draw.randint(4, 12) if large else 0)
        rows.append((START + i * minutes * MINUTE, price, high, low, close, volume))
        price = close + draw.choice((0, 0, 1, -1))
    columns = np.array(rows, np.int64).T
    return Candles.of(
        columns[0], *(columns[1:5] * 10**9), columns[5], tick_size=10**9,
        interval_ns=minutes * MINUTE,
    )  # fmt: skip


def rows_of(candles: Candles) -> list[tuple[int, ...]]:
    names = ("ts_event", "open", "high", "low", "close", "volume")
    return list(zip(*(getattr(candles, name).tolist() for name in names), strict=True))


def random_params(draw: random.Random) -> ElephantParams:
    return ElephantParams(
        lookback=draw.choice((1, 3, 10)),
        min_amplitude=draw.choice((0.0, 1.0, 1.5, 2.0)),
        min_volume=draw.choice((0.0, 1.0, 1.7)),
        max_shadow=draw.choice((0.2, 0.5, 1.0)),
        start=draw.choice(("00:00", "09:00", "22:00")),
        end=draw.choice(("00:00", "16:30", "03:00")),
        stop_atr=draw.choice((None, 0.5, 1.5)),
        target_atr=draw.choice((None, 1.0, 3.0)),
        close_at=draw.choice((None, "17:00")),
        time_zone=draw.choice(("UTC", "America/Sao_Paulo", "America/New_York")),
        atr_period=draw.choice((2, 14)),
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_elephants_trade_as_their_slow_twin(seed: int) -> None:
    draw = random.Random(seed)
    candles = herd(draw, draw.choice((1, 9, 150)), draw.choice((1, 30)))
    params = random_params(draw)
    config = BacktestConfig(commission_rate=0.0002, quantity=1.0)
    rows = rows_of(candles)
    atr = naive_atr(rows, params.atr_period)
    np.testing.assert_allclose(
        average_true_ranges(candles, [params.atr_period])[params.atr_period], atr, rtol=1e-12
    )
    twin = NaiveEngine(params.config(config), candles.tick, candles.interval_ns)
    twin.run([row[:5] for row in rows], naive_signals(rows, params), atr)
    result = run_backtest(candles, params, config)
    found = [
        (t["direction"], t["entry_bar"], t["exit_bar"], t["reason"])
        for t in result.trades.to_pylist()
    ]
    assert found == [(t.side, t.entry_bar, t.exit_bar, t.reason) for t in twin.trades]
    np.testing.assert_allclose(
        result.trade_records["pnl"], [t.pnl for t in twin.trades], rtol=1e-9, atol=1e-6
    )
    np.testing.assert_allclose(result.equity, twin.equity, rtol=1e-12)


def test_the_herd_has_elephants_of_every_kind() -> None:
    """What the property compares is there: both sides, every way out, hours that matter."""
    draw = random.Random(7)
    candles = herd(draw, 600, 30)
    rows = rows_of(candles)
    params = ElephantParams(lookback=10, min_amplitude=1.5, close_at="17:00", max_shadow=0.5)
    said = naive_signals(rows, params)
    assert {"EL"} in said
    assert {"ES"} in said
    hours = dataclasses.replace(params, start="09:00", end="12:00")
    assert naive_signals(rows, hours) != said
    assert set(run_backtest(candles, params).trades.column("reason").to_pylist()) >= {
        "stop", "target", "clock",
    }  # fmt: skip


GRID = {
    "lookback": [5, 10], "min_amplitude": [1.0, 1.5], "max_shadow": [0.5],
    "stop_atr": [0.5, 1.5, None], "target_atr": [1.0, 3.0], "close_at": [None, "17:00"],
}  # fmt: skip


def same(one: Any, name: str, value: float) -> None:
    """A metric of a single run and of a grid: null and NaN mean the same."""
    if one is None:
        assert math.isnan(value), name
    else:
        assert value == pytest.approx(one, rel=1e-6, abs=1e-9), name


def test_a_grid_is_its_single_runs_with_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over 25 days, on one thread and on two, at once and in blocks, days kept or not."""
    candles = herd(random.Random(3), 1_200, 30)
    config = BacktestConfig(commission_rate=0.0001, initial_balance=50_000.0)
    told: list[tuple[int, int]] = []
    result = optimize(candles, GRID, config, jobs=2, progress=lambda *done: told.append(done))
    assert told[-1] == (48, 48)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    monkeypatch.setattr(optimizer, "BLOCK", 7)
    again = optimize(candles, list(result.rows), config)
    assert np.array_equal(again.summaries, result.summaries)
    assert again.daily is not None
    assert result.daily is not None
    assert np.array_equal(again.daily, result.daily)
    few = optimize(candles, GRID, config, keep_daily=False)
    assert few.daily is None
    assert few.table.equals(result.table)
    assert set(result.columns) == {metric.column for metric in CANDLE_METRICS}
    assert not np.isnan(result.columns["probabilistic_sharpe"]).any()
    money = {"max_drawdown", "net_pnl", "fees", "largest_win", "largest_loss"}
    for i, row in enumerate(result.rows):
        one = run_backtest(candles, row, config)
        same_sums(result.summaries[i], one.summary)
        for name, column in result.columns.items():
            value = one.metrics[name]
            same(value if value is None or name not in money else value / 1e9, name, column[i])
    best = result.best("sharpe_annualised", 3)
    assert len(best) == 3
    assert best[0]["sharpe_annualised"] == np.nanmax(result.columns["sharpe_annualised"])
    assert result.table.column_names[:2] == ["lookback", "min_amplitude"]
    assert result.table.num_rows == 48


def test_a_stop_that_follows_hangs_on_ranges_of_its_own_period() -> None:
    """Beside stops and targets of another, in a single run and in a grid."""
    candles = herd(random.Random(9), 600, 30)
    config = BacktestConfig(quantity=1.0, trailing_stop=Distance("atr", 1.5, 3))
    params = ElephantParams(lookback=10, min_amplitude=1.2, max_shadow=0.9, atr_period=5)
    one = run_backtest(candles, params, config)
    rows = rows_of(candles)
    codes = ElephantDetector(candles).codes(params)
    wanted = config.with_values(
        stop_loss=Distance("atr", 1.5, 5), take_profit=Distance("atr", 3.0, 5)
    )
    assert one.config == wanted
    by_hand = VectorEngine(wanted).run(
        candles, entry_long=codes == ENTER_LONG, entry_short=codes == ENTER_SHORT,
        atr={period: np.array(naive_atr(rows, period)) for period in (3, 5)},
    )  # fmt: skip
    for name in ("entry_bar", "exit_bar", "reason"):
        assert one.trades.column(name).equals(by_hand.trades.column(name))
    np.testing.assert_allclose(one.equity, by_hand.equity, rtol=1e-12)
    reasons = set(one.trades.column("reason").to_pylist())
    assert reasons >= {"trailing", "target"}
    other = run_backtest(
        candles, params, config.with_values(trailing_stop=Distance("atr", 1.5, 20))
    )
    assert not other.trades.equals(one.trades)
    given = {name: [getattr(params, name)] for name in ("lookback", "min_amplitude", "max_shadow")}
    stops: dict[str, list[Any]] = {"stop_atr": [None, 1.5], "atr_period": [5, 8]}
    found = optimize(candles, {**given, **stops}, config)
    for row, summary in zip(found.rows, found.summaries, strict=True):
        same_sums(summary, run_backtest(candles, row, config).summary)


def test_a_grid_gives_every_combination_without_making_them() -> None:
    rows = GridRows({"a": [1, 2], "b": ["x", "y", "z"]})
    assert list(rows) == [{"a": a, "b": b} for a in (1, 2) for b in "xyz"]
    assert rows[-1] == {"a": 2, "b": "z"}
    assert rows[4:9] == [{"a": 2, "b": "y"}, {"a": 2, "b": "z"}]
    with pytest.raises(IndexError):
        rows[6]
    assert len(GridRows({name: range(1_000) for name in "abc"})) == 10**9


def test_crossovers_are_a_family_too() -> None:
    candles = herd(random.Random(4), 300, 30)
    result = optimize(
        candles, {"fast": [3, 5], "slow": [8, 20], "short": [False, True]}, strategy="sma_cross"
    )
    for row, summary in zip(result.rows, result.summaries, strict=True):
        same_sums(summary, SmaCross().run(candles, row, BacktestConfig()).summary)


def test_a_search_can_be_stopped() -> None:
    candles = herd(random.Random(4), 300, 30)
    stop = threading.Event()
    with pytest.raises(CancelledError):
        optimize(candles, GRID, cancel=stop, progress=lambda *_: stop.set())

    def fail(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimize(candles, GRID, progress=fail, jobs=2)
    assert not [t for t in threading.enumerate() if t.name.startswith("tapewire-candles")]


def test_arrays_are_taken_without_a_copy_whole_or_float() -> None:
    candles = herd(random.Random(5), 300, 30)
    names = ("open", "high", "low", "close")
    floats = [getattr(candles, name).astype(np.float64) for name in names]
    volume = candles.volume.astype(np.float64)
    taken = candles_of_arrays(candles.ts_event, *floats, volume)
    assert taken.close is floats[3]
    params = {"lookback": 10, "min_amplitude": 1.5}
    a, b = run_backtest(taken, params), run_backtest(candles, params)
    assert a.trades.equals(b.trades)
    assert a.trades.num_rows > 5
    with pytest.raises(FormatError, match="close: expected an array of 300 int64 or float64"):
        candles_of_arrays(candles.ts_event, *floats[:3], floats[3][:9], volume)
    floats[1][7] = np.nan
    with pytest.raises(FormatError, match="row 7: expected prices between low and high"):
        candles_of_arrays(candles.ts_event, *floats, volume)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lookbck": 3}, "lookbck: no parameter of the elephant bar, did you mean lookback"),
        ({"lookback": 0}, "lookback: expected a whole number from 1 to 100000, found 0"),
        ({"atr_period": 1}, "atr_period: expected a whole number from 2 to 100000, found 1"),
        ({"max_shadow": 1.5}, "max_shadow: expected a number from 0 to 1, found 1.5"),
        ({"stop_atr": 0}, "stop_atr.atr: expected above 0, found 0"),
        ({"start": "9:00"}, "start: expected a time of day as 17:55, found '9:00'"),
        ({"close_at": "24:00"}, "close_at: expected a time of day"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ElephantParams.of(values)


@pytest.mark.parametrize(
    ("params", "assumed", "said"),
    [
        ({}, {"stop_loss": Distance("percent", 2.0)}, "stop_loss: expected none .* give stop_atr"),
        (
            {"target_atr": None}, {"take_profit": Distance("percent", 1.0)},
            "take_profit: expected none .* give target_atr",
        ),
        (
            {"close_at": "17:00"}, {"time_zone": "America/Chicago"},
            "time_zone: expected that of .* UTC, found America/Chicago: give the parameter",
        ),
        (
            {"start": "09:00"}, {"time_zone": "America/Chicago"},
            "time_zone: expected that of .* UTC, found America/Chicago: give the parameter",
        ),
    ],
)  # fmt: skip
def test_an_assumption_that_a_parameter_says_is_refused(
    params: dict[str, Any], assumed: dict[str, Any], said: str
) -> None:
    candles = herd(random.Random(1), 20, 30)
    with pytest.raises(ConfigError, match=said):
        run_backtest(candles, params, BacktestConfig(**assumed))
    for more in ({}, {"max_positions": 2}):  # both ways that a grid is traded
        with pytest.raises(ConfigError, match=said):
            optimize(candles, [params], BacktestConfig(**assumed, **more))


def test_time_zones_of_a_parameter_and_of_an_assumption_may_stand_side_by_side() -> None:
    assumed = BacktestConfig(close_at="16:00", time_zone="America/Chicago")
    found = ElephantParams(start="09:00", end="10:00").config(assumed)
    assert (found.close_at, found.time_zone) == ("16:00", "America/Chicago")
    own = ElephantParams(close_at="17:00", time_zone="America/Chicago").config(assumed)
    assert (own.close_at, own.time_zone) == ("17:00", "America/Chicago")
