"""The engine on candles, worked by hand: a few bars, prices of whole currency."""

import math
from typing import Any

import numpy as np
import pytest

from tapewire.candles import (
    ArrayStrategy,
    BacktestConfig,
    BacktestResult,
    Candles,
    Distance,
    EventDrivenEngine,
    VectorEngine,
)
from tapewire.candles.clock import session_ends
from tapewire.candles.optimizer import metric_columns, require_sessions
from tapewire.errors import ConfigError

MINUTE = 60 * 10**9
#: open, high, low, close
BARS = [
    (100, 101, 99, 100),
    (100, 103, 99, 102),
    (102, 106, 101, 105),
    (105, 107, 95, 96),
    (96, 98, 94, 97),
    (90, 93, 88, 92),
]


def candles_of(rows: list[tuple[int, ...]], *, start: int = 0) -> Candles:
    columns = np.array(rows, np.int64).T * 10**9
    times = (np.arange(len(rows)) + start) * MINUTE
    return Candles.of(times, *columns, np.ones(len(rows), np.int64), tick_size=10**9)


def run(enters: list[int], leaves: list[int], *, short: bool = False, **config: Any) -> Any:
    candles = candles_of(BARS)
    told = np.zeros((2, len(BARS)), bool)
    told[0, enters] = told[1, leaves] = True
    names = ("entry_short", "exit_short") if short else ("entry_long", "exit_long")
    engine = VectorEngine(BacktestConfig(**config))
    return engine.run(candles, **dict(zip(names, told, strict=True)))


def only(result: BacktestResult) -> dict[str, Any]:
    (trade,) = result.trades.to_pylist()
    return trade


def test_a_signal_fills_at_the_next_open() -> None:
    result = run([0], [3], quantity=2.0, initial_balance=1000.0)
    trade = only(result)
    assert (trade["entry_bar"], trade["exit_bar"], trade["reason"]) == (1, 4, "signal")
    assert (trade["entry_price"], trade["exit_price"], trade["pnl"]) == (100.0, 96.0, -8.0)
    # 100 is held from the open of bar 1: worth 102, 105, 96 at the closes, and sold at 96.
    assert result.equity.tolist() == [1000, 1004, 1010, 992, 992, 992]


def test_or_at_its_own_close() -> None:
    trade = only(run([0], [2], quantity=1.0, entry="close"))
    assert (trade["entry_price"], trade["exit_price"]) == (100.0, 105.0)
    assert (trade["entry_bar"], trade["exit_bar"]) == (0, 2)


def test_the_whole_balance_pays_for_commission_and_slippage() -> None:
    result = run([0], [2], commission_rate=0.01, slippage_bps=100, initial_balance=1000.0)
    trade = only(result)
    # Bought at 101, sold at 105 less 1 %: 103.95; 1000 buy 1000 / (101 x 1.01) units.
    quantity = 1000 / (101 * 1.01)
    assert trade["quantity"] == pytest.approx(quantity)
    assert trade["exit_price"] == pytest.approx(103.95)
    assert result.final_balance == pytest.approx(quantity * 103.95 * 0.99)
    assert trade["commission"] == pytest.approx(quantity * 0.01 * (101 + 103.95))


def test_what_is_open_at_the_end_counts_at_the_last_close_without_costs() -> None:
    trade = only(run([0], [], quantity=1.0, commission_per_unit=0.5, slippage_bps=100))
    assert (trade["reason"], trade["exit_price"], trade["exit_bar"]) == ("end", 92.0, 5)
    assert trade["commission"] == 0.5


@pytest.mark.parametrize(
    ("within_bar", "reason", "price"),
    [
        ("chronological", "target", 107.0),  # 105 is nearer to the high of 107 than to the low
        ("pessimistic", "stop", 96.0),
        ("optimistic", "target", 107.0),
        ("stop_first", "stop", 96.0),
    ],
)
def test_which_of_stop_and_target_comes_first_is_stated(
    within_bar: str, reason: str, price: float
) -> None:
    """Entered at the open of bar 1, at 100; bar 3 reaches 96 and 107."""
    trade = only(run(
        [0], [], quantity=1.0, within_bar=within_bar, stop_loss=Distance("percent", 4.0),
        take_profit=Distance("fixed", 7.0),
    ))  # fmt: skip
    assert (trade["exit_bar"], trade["reason"], trade["exit_price"]) == (3, reason, price)


def test_a_gap_beyond_the_stop_fills_at_the_open() -> None:
    """Entered at 96, bar 5 opens at 90."""
    trade = only(run([3], [], quantity=1.0, stop_loss=Distance("fixed", 3.0), slippage_bps=100))
    assert trade["entry_price"] == pytest.approx(96.96)
    assert trade["stop_price"] == pytest.approx(93.96)
    assert trade["reason"] == "stop"
    assert trade["exit_price"] == pytest.approx(90 * 0.99)


def test_a_gap_beyond_the_target_fills_a_short_at_the_open() -> None:
    target = Distance("fixed", 5.0)
    trade = only(run([3], [], short=True, quantity=1.0, take_profit=target, slippage_bps=100))
    assert trade["entry_price"] == pytest.approx(95.04)
    assert (trade["direction"], trade["reason"], trade["exit_price"]) == ("SHORT", "target", 90.0)
    assert trade["pnl"] == pytest.approx(5.04)


def test_risk_is_what_the_stop_loses() -> None:
    result = run(
        [0], [], risk_per_trade=2.0, stop_loss=Distance("fixed", 4.0), point_value=5.0,
        initial_balance=10_000.0,
    )  # fmt: skip
    trade = only(result)
    assert trade["quantity"] == 10.0  # 200 / (4 x 5)
    assert trade["pnl"] == -200.0
    assert trade["exit_price"] == 96.0
    assert only(run([0], [], risk_per_trade=50.0, initial_balance=10_000.0))["quantity"] == 50.0


def test_a_stop_of_true_ranges_hangs_on_the_signals_bar() -> None:
    candles = candles_of(BARS)
    atr = np.array([math.nan, 2.0, 50.0, 50.0, 50.0, 50.0])
    told = np.array([True, True, False, False, False, False])
    config = BacktestConfig(quantity=1.0, stop_loss=Distance("atr", 1.5))
    result = VectorEngine(config).run(candles, entry_long=told, atr=atr)
    trade = only(result)  # that of bar 0 is refused: there was no range yet
    assert (trade["entry_bar"], trade["entry_price"], trade["stop_price"]) == (2, 102.0, 99.0)
    assert result.metadata["refused_entries"] == 1
    with pytest.raises(ConfigError, match="expected atr, an array"):
        VectorEngine(config).run(candles, entry_long=told)


def test_several_positions_share_the_balance_and_end_one_by_one() -> None:
    result = run(
        [0, 1, 2, 3], [], max_positions=2, initial_balance=1000.0, stop_loss=Distance("fixed", 6.0)
    )
    second, first, third = result.trades.to_pylist()
    assert (first["entry_price"], first["quantity"]) == (100.0, 5.0)
    assert (second["entry_price"], second["quantity"]) == (102.0, 500 / 102)
    # Bar 3 falls to 95, bar 4 to 94. The signal of bar 2 finds two open, that of bar 3 one.
    assert (second["exit_bar"], second["exit_price"]) == (3, 96.0)
    assert (first["exit_bar"], first["exit_price"]) == (4, 94.0)
    assert (third["entry_bar"], third["reason"]) == (4, "stop")


def test_positions_end_with_the_day_and_none_begins_after() -> None:
    """Bars from 17:53 on; closed at 17:55, shut until 17:57."""
    candles = candles_of(BARS, start=17 * 60 + 53)
    told = np.ones(len(BARS), bool)
    config = BacktestConfig(quantity=1.0, close_at="17:55", open_at="17:57")
    first, second = VectorEngine(config).run(candles, entry_long=told).trades.to_pylist()
    assert (first["entry_bar"], first["exit_bar"], first["reason"]) == (1, 1, "clock")
    assert first["exit_price"] == 102.0  # the close of the bar that ends at 17:55
    assert (second["entry_bar"], second["reason"]) == (4, "end")


def test_a_closing_time_without_a_bar_ends_at_the_next_open() -> None:
    candles = candles_of(BARS, start=10)
    times = candles.ts_event.copy()
    times[3:] += 24 * 60 * MINUTE
    later = Candles(
        times, candles.open, candles.high, candles.low, candles.close, candles.volume, 10**9, MINUTE
    )
    config = BacktestConfig(quantity=1.0, close_at="12:00")
    told = np.array([True] + [False] * 5)
    trade = only(VectorEngine(config).run(later, entry_long=told))
    assert (trade["exit_bar"], trade["exit_price"], trade["reason"]) == (3, 105.0, "clock")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"initial_balance": 0}, "initial_balance: expected above 0, found 0"),
        ({"comission_rate": 0.1}, "comission_rate: unknown key: did you mean commission_rate"),
        ({"commission_rate": -1}, "commission_rate: expected at least 0"),
        ({"commission_rate": math.nan}, "commission_rate: expected a number"),
        ({"max_positions": 0}, "max_positions: expected a whole number from 1"),
        ({"entry": "open"}, "entry: expected one of next_open, close"),
        ({"within_bar": "stopfirst"}, "did you mean stop_first"),
        ({"stop_loss": {"procent": 2}}, "stop_loss: expected one of fixed, percent, atr"),
        ({"stop_loss": "-2 %"}, "stop_loss.percent: expected above 0"),
        ({"take_profit": "much"}, "take_profit.fixed: expected a number, found 'much'"),
        ({"close_at": "25:00"}, "close_at: expected a time of day as 17:55"),
        ({"open_at": "09:00"}, "open_at: expected close_at beside it"),
        ({"close_at": "17:00", "time_zone": "Mars"}, "time_zone: expected a time zone"),
        ({"quantity": 1, "risk_per_trade": 1}, "quantity: expected no quantity beside"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        BacktestConfig.of(values)


def test_distances_are_taken_as_they_are_written() -> None:
    config = BacktestConfig.of({"stop_loss": "2 %", "take_profit": {"atr": 3}})
    assert (config.stop_loss, config.take_profit) == (
        Distance("percent", 2.0), Distance("atr", 3.0),
    )  # fmt: skip
    assert Distance.of("x", 1.5) == Distance("fixed", 1.5)


def test_signals_that_are_no_bools_are_refused() -> None:
    candles = candles_of(BARS)
    with pytest.raises(ConfigError, match=r"exit_long: expected 6 bools, found float64"):
        VectorEngine().run(candles, exit_long=np.zeros(6))
    with pytest.raises(ConfigError, match=r"entry_long: expected 6 bools, found bool of shape \(5"):
        VectorEngine().run(candles, entry_long=np.zeros(5, bool))


def test_metrics_are_those_of_runs_and_money_adds_up() -> None:
    result = run([0, 3], [2, 4], quantity=2.0, commission_per_unit=0.25, initial_balance=1000.0)
    assert result.trades.column("pnl").to_pylist() == [9.0, -13.0]
    metrics = result.metrics
    assert metrics["net_pnl"] == -4 * 10**9
    assert metrics["fees"] == 2 * 10**9
    assert metrics["total_return"] == pytest.approx(-0.004)
    assert metrics["closed_trades"] == 2
    assert metrics["win_rate"] == 0.5
    assert metrics["profit_factor"] == pytest.approx(9 / 13)
    assert metrics["largest_loss"] == 13 * 10**9
    # 1010.5 at the close of bar 4, 1009 and two of 97 for 96, less a fee; 996 at the end.
    assert metrics["max_drawdown"] == pytest.approx(14.5e9)
    assert metrics["sharpe_annualised"] is None  # six minutes are no session
    assert result.summary["max_drawdown"] == pytest.approx(14.5)
    assert result.metadata["config"]["quantity"] == 2.0


DAY = 86_400 * 10**9


@pytest.mark.parametrize("hours", [24, 23])
def test_each_bar_of_a_day_is_a_session_and_longer_ones_have_none(hours: int) -> None:
    closes = np.array([100, 102, 101, 104, 103, 107, 105])
    # Days of New York, where one of them has 23 hours.
    times = 19_790 * DAY + np.arange(7) * DAY - (np.arange(7) > 3) * (24 - hours) * DAY // 24
    prices = [closes * 10**9] * 4
    entered = {"entry_long": np.arange(7) == 0}
    days = Candles.of(times, *prices, np.ones(7, np.int64))
    assert days.interval_ns == hours * DAY // 24
    engine = VectorEngine(BacktestConfig(quantity=1.0))
    result = engine.run(days, **entered)
    assert result.daily.tolist() == result.equity.tolist()
    earned = np.diff(result.daily, prepend=100_000.0)
    assert earned.tolist() == [0, 0, -1, 3, -1, 4, -2]
    sharpe = earned.mean() / earned.std(ddof=1) * math.sqrt(252)
    assert result.metrics["sharpe_annualised"] == pytest.approx(sharpe)
    assert result.metrics["annualised_return"] == pytest.approx(3 / 7 * 252 / 100_000)
    by_bar = EventDrivenEngine(engine.config).run(days, ArrayStrategy(7, **entered))
    assert by_bar.metrics == result.metrics
    columns = metric_columns(np.array([result.summary]), result.daily[None], 100_000.0)
    for name in ("sharpe_annualised", "sortino_annualised", "calmar", "cagr"):
        assert columns[name][0] == pytest.approx(result.metrics[name]), name
    weeks = Candles.of(times * 7, *prices, np.ones(7, np.int64))
    assert engine.run(weeks, **entered).metrics["sharpe_annualised"] is None


@pytest.mark.parametrize(
    ("hours", "closes", "ends"),
    [
        (8, [22.5, 46.5, 70.5], [0, 1, 2]),  # one bar of each session of 6.5 hours
        (21, [21, 45, 66, 93], [0, 1, 2, 3]),  # days called by their end, one of them shorter
        (20, [20, 40, 60, 80, 100, 120], [0, 1, 2, 3, 5]),  # the fifth day has two ends
        (2, [24, 46, 48], [0, 2]),
        (1, [24, 34, 35], [2]),  # an hour by itself counts with the next session
        (1, [23, 24, 34], [2]),  # and the last one with the one before
        (1 / 60, [h + m / 60 for h in (9, 33) for m in range(61)], [60, 121]),
        (1 / 60, [h + m / 60 for h in (9, 33) for m in range(60)], []),
        (48, [48, 96, 144], []),
    ],
)
def test_a_session_lasts_longer_than_an_hour(
    hours: float, closes: list[float], ends: list[int]
) -> None:
    ts_close = np.array([round(close * 3_600) * 10**9 for close in closes])
    assert session_ends(ts_close, round(hours * 3_600) * 10**9).tolist() == ends


def test_an_objective_by_session_is_refused_of_bars_that_have_none() -> None:
    for objective in ("sharpe_annualised", "sortino_annualised", "calmar"):
        require_sessions(objective, DAY)
        with pytest.raises(ConfigError, match=r"needs no sessions \(total_return, profit_factor, "):
            require_sessions(objective, 7 * DAY)
    require_sessions("net_pnl", 7 * DAY)
