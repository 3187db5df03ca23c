"""The event-driven engine on candles, worked by hand: what it does beyond the vectorised one."""

import math

import numpy as np
import pytest

from tapewire.candles import (
    ArrayStrategy,
    BacktestConfig,
    Candles,
    CandleStrategy,
    EventDrivenEngine,
    LevelBook,
    VectorEngine,
)
from tapewire.candles.declared import DeclaredBars
from tapewire.candles.elephants import candles_of_arrays
from tapewire.candles.rules import strategy_of
from tapewire.errors import ConfigError

MINUTE = 60 * 10**9
OPENS = [100, 101, 103, 106, 104, 102]


def candles() -> Candles:
    opened = np.array(OPENS)
    close = np.r_[opened[1:], 101]
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    columns = [column * 10**9 for column in (opened, high, low, close)]
    return Candles.of(np.arange(6) * MINUTE, *columns, np.ones(6, np.int64), tick_size=10**9)


class Rising(CandleStrategy):
    """Buys three units after a bar that rose and sells after one that fell; sees what it may."""

    name = "rising"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def should_enter_long(self, candles: Candles, index: int) -> bool:
        self.seen.append(len(candles) - index)
        return bool(candles.close[index] > candles.open[index])

    def should_exit_long(self, candles: Candles, index: int) -> bool:
        return bool(candles.close[-1] < candles.open[-1])

    def position_size(self, balance: float, price: float) -> float:
        assert balance == 1000.0
        return 3.0 if price < 105 else 1.0


def test_a_strategy_is_asked_bar_by_bar_and_sees_no_later_bar() -> None:
    strategy = Rising()
    result = EventDrivenEngine(BacktestConfig(initial_balance=1000.0)).run(candles(), strategy)
    assert strategy.seen == [1] * 6
    (trade,) = result.trades.to_pylist()
    assert (trade["quantity"], trade["entry_price"], trade["exit_price"]) == (3.0, 101.0, 104.0)
    assert result.strategy_name == "rising"
    assert result.metadata["engine"] == "event_driven"
    codes = Rising().codes(candles())
    assert codes.tolist() == [1, 1, 1, 2, 2, 2]
    assert strategy.codes(candles()).tolist() == codes.tolist()


def told(**signals: list[int]) -> ArrayStrategy:
    flags = {name: np.isin(np.arange(6), bars) for name, bars in signals.items()}
    return ArrayStrategy(6, **flags)


def test_an_order_that_is_late_fills_at_the_first_open_from_then_on() -> None:
    strategy = told(entry_long=[0], exit_long=[2])
    config = BacktestConfig(quantity=1.0)
    for latency_ns, expected in (
        (0, (101.0, 106.0)), (1, (103.0, 104.0)), (MINUTE, (103.0, 104.0)),
        (MINUTE + 1, (106.0, 102.0)),
    ):  # fmt: skip
        result = EventDrivenEngine(config, latency_ns=latency_ns).run(candles(), strategy)
        (trade,) = result.trades.to_pylist()
        assert (trade["entry_price"], trade["exit_price"]) == expected
    late = EventDrivenEngine(config, latency_ns=9 * MINUTE).run(candles(), strategy)
    assert late.trades.num_rows == 0


@pytest.mark.parametrize(
    ("quantity", "worse"),
    [(0.0, 0.5), (10.0, 0.5), (20.0, 1.0), (15.0, 0.5 + 5 / 15), (30.0, 1.5)],
)
def test_a_book_is_walked_level_by_level(quantity: float, worse: float) -> None:
    """Ten units a level: 15 take ten at the touch and five a tick behind it."""
    assert LevelBook(1.0, 10.0).worse_ticks(quantity) == pytest.approx(worse)


def test_both_sides_of_a_trade_walk_the_book() -> None:
    strategy = told(entry_short=[0], exit_short=[3])
    engine = EventDrivenEngine(BacktestConfig(quantity=20.0), book=LevelBook(1.0, 10.0))
    (trade,) = engine.run(candles(), strategy).trades.to_pylist()
    assert (trade["entry_price"], trade["exit_price"]) == (100.0, 105.0)
    assert LevelBook().worse_ticks(1e9) == 0.0


def test_what_it_can_not_assume_is_refused() -> None:
    with pytest.raises(ConfigError, match="latency_ns: expected 0 with entry close, found 5"):
        EventDrivenEngine(BacktestConfig(entry="close"), latency_ns=5)
    with pytest.raises(ConfigError, match="units_per_level: expected above 0, found nan"):
        LevelBook(0.0, math.nan)


def test_a_strategys_codes_trade_alike_in_both_engines() -> None:
    bars = candles()
    strategy = told(entry_long=[0, 4], exit_long=[2], entry_short=[2])
    by_bar = EventDrivenEngine().run(bars, strategy)
    said = strategy.codes(bars)
    flags = {"entry_long": said & 1 > 0, "exit_long": said & 2 > 0, "entry_short": said & 4 > 0}
    at_once = VectorEngine().run(bars, **flags)
    assert by_bar.trades.equals(at_once.trades)
    assert by_bar.trades.num_rows == 2


def test_prices_that_are_no_whole_ticks_are_not_rounded() -> None:
    prices = np.array([100.25, 100.5, 101.25, 101.75])
    bars = candles_of_arrays(np.arange(4) * MINUTE, *[prices] * 4, np.array([1.5, 2.5, 3.5, 4.5]))
    strategy = ArrayStrategy(4, entry_long=np.arange(4) == 0)
    result = EventDrivenEngine(BacktestConfig(quantity=1.0)).run(bars, strategy)
    (trade,) = result.trades.to_pylist()
    assert (trade["entry_price"], trade["exit_price"], trade["pnl"]) == (100.5, 101.75, 1.25)
    assert result.final_balance == result.equity[-1] == 100_001.25
    rule = {"indicator": "close", "comparison": "greater_than", "value": 1.0}
    declared = strategy_of(
        {"name": "a", "version": "1.0", "timeframes": {"primary": "2m"},
         "entry_rules": {"long": rule}}
    )  # fmt: skip
    longer = DeclaredBars.of(bars, [declared]).traded("2m")
    assert (longer.open.tolist(), longer.close.tolist()) == ([100.25, 101.25], [100.5, 101.75])
    assert longer.volume.tolist() == [4.0, 8.0]


@pytest.mark.parametrize("size", [0.0, math.nan, math.inf])
@pytest.mark.parametrize("whole", [False, True])
def test_a_size_that_is_none_is_no_entry(size: float, whole: bool) -> None:
    class Sized(Rising):
        def position_size(self, balance: float, price: float) -> float:
            return size

    result = EventDrivenEngine(BacktestConfig(whole_units=whole)).run(candles(), Sized())
    assert (result.trades.num_rows, result.metadata["refused_entries"]) == (0, 3)
