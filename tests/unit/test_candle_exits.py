"""Stops that follow, ends by time, and fills that a bar's volume bounds: worked by hand."""

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
    Exits,
    VectorEngine,
)
from tapewire.errors import ConfigError

MINUTE = 60 * 10**9
BARS = [
    (100, 100, 100, 100), (100, 104, 99, 103), (103, 110, 100, 108), (108, 109, 104, 106),
    (106, 107, 96, 97), (97, 98, 90, 91),
]  # fmt: skip
MIRRORED = [tuple(200 - price for price in (o, low, high, c)) for o, high, low, c in BARS]


def candles(rows: Any = BARS, volumes: Any = None) -> Candles:
    columns = (np.array(rows, np.int64) * 10**9).T
    volume = np.ones(len(rows), np.int64) if volumes is None else np.array(volumes)
    times = np.arange(len(rows)) * MINUTE
    return Candles.of(times, *columns, volume, tick_size=10**9)


def flags(**signals: list[int]) -> dict[str, Any]:
    return {name: np.isin(np.arange(6), bars) for name, bars in signals.items()}


def both(
    config: BacktestConfig, rows: Any = BARS, atr: Any = None, **signals: list[int]
) -> list[tuple[Any, ...]]:
    """Entry, exit, bars and reason of each trade: what both engines say."""
    at_once = VectorEngine(config).run(candles(rows), **flags(**signals), atr=atr)
    strategy = ArrayStrategy(6, **flags(**signals))
    by_bar = EventDrivenEngine(config).run(candles(rows), strategy, atr=atr)
    assert by_bar.trades.equals(at_once.trades)
    return _told(at_once)


def _told(result: BacktestResult) -> list[tuple[Any, ...]]:
    return [
        (one["entry_price"], one["exit_price"], one["entry_bar"], one["exit_bar"], one["reason"])
        for one in result.trades.to_pylist()
    ]


def test_a_stop_follows_the_high_and_acts_from_the_next_bar_on() -> None:
    """Bought at 100: 95; after bar 1, high 104: 99; after bar 2, high 110: 105, met in bar 3.

    Bar 2 reached 110 and 100, in an order that is not known: its own high moves nothing in it.
    """
    config = BacktestConfig(quantity=1.0, trailing_stop=Distance("fixed", 5.0))
    assert both(config, entry_long=[0]) == [(100, 105, 1, 3, "trailing")]
    assert both(config, MIRRORED, entry_short=[0]) == [(100, 95, 1, 3, "trailing")]
    # Ten percent of 100: 90, 94, 100, 100, where bar 4 goes through on its way from 106.
    wider = BacktestConfig(quantity=1.0, trailing_stop=Distance("percent", 10.0))
    assert both(wider, entry_long=[0]) == [(100, 100, 1, 4, "trailing")]
    # Seven at first, as of the signal: 93, 97, 103; what the range is later changes nothing.
    ranged = BacktestConfig(quantity=1.0, trailing_stop=Distance("atr", 3.5))
    atr = np.array([2.0, 99.0, 99.0, 99.0, 99.0, 99.0])
    assert both(ranged, atr=atr, entry_long=[0]) == [(100, 103, 1, 4, "trailing")]


def test_a_gap_beyond_a_stop_that_followed_fills_at_the_open() -> None:
    rows = [*BARS[:3], (102, 103, 101, 103), *BARS[4:]]
    config = BacktestConfig(quantity=1.0, trailing_stop=Distance("fixed", 5.0), slippage_bps=100.0)
    ((_, left, _, bar, reason),) = both(config, rows, entry_long=[0])
    # Entered at 101 with slippage: 96; 110 - 5 = 105 is behind the open of 102, less one percent.
    assert (left, bar, reason) == (pytest.approx(102 * 0.99), 3, "trailing")


def test_of_two_stops_the_nearer_one_acts_and_is_told() -> None:
    """A stop at 98 is nearer than one that follows at 95, until that one is at 99."""
    fixed = {"quantity": 1.0, "stop_loss": Distance("fixed", 2.0)}
    config = BacktestConfig(trailing_stop=Distance("fixed", 5.0), **fixed)
    assert both(config, entry_long=[0]) == [(100, 105, 1, 3, "trailing")]
    lower = [BARS[0], (100, 104, 98, 103), *BARS[2:]]
    assert both(config, lower, entry_long=[0]) == [(100, 98, 1, 1, "stop")]
    risky = BacktestConfig(
        risk_per_trade=1.0, trailing_stop=Distance("fixed", 5.0), stop_loss=Distance("fixed", 8.0)
    )
    result = VectorEngine(risky).run(candles(), **flags(entry_long=[0]))
    assert result.trades["quantity"].to_pylist() == [200.0]  # 1 % of 100,000 over the nearer one


def test_time_ends_a_position_so_many_bars_after_its_entry() -> None:
    config = BacktestConfig(quantity=1.0, time_exit=2)
    assert both(config, entry_long=[0]) == [(100, 108, 1, 3, "time")]
    closing = BacktestConfig(quantity=1.0, time_exit=2, entry="close")
    assert both(closing, entry_long=[0]) == [(100, 108, 0, 2, "time")]
    # The order of a bar that comes meanwhile finds no room; the one as it ends does.
    again = [(100, 108, 1, 3, "time"), (108, 97, 3, 5, "time")]
    assert both(config, entry_long=[0, 1, 2]) == again
    two = BacktestConfig(quantity=1.0, time_exit=3, max_positions=2)
    expected = [(100, 106, 1, 4, "time"), (103, 97, 2, 5, "time")]
    assert both(two, entry_long=[0, 1]) == expected


def test_short_positions_may_end_otherwise_than_long_ones() -> None:
    config = BacktestConfig(
        quantity=1.0, take_profit=Distance("fixed", 3.0),
        short=Exits(stop_loss=Distance("fixed", 4.0), time_exit=1),
    )  # fmt: skip
    assert both(config, entry_long=[0]) == [(100, 103, 1, 1, "target")]
    assert both(config, entry_short=[0]) == [(100, 104, 1, 1, "stop")]
    assert both(config, entry_short=[3]) == [(106, 97, 4, 5, "time")]


def test_ranges_of_several_periods_are_told_apart() -> None:
    config = BacktestConfig(
        quantity=1.0, stop_loss=Distance("atr", 1.0, 5), take_profit=Distance("atr", 1.0, 9),
        short=Exits(take_profit=Distance("atr", 2.0, 5)),
    )  # fmt: skip
    ranges = {5: np.full(6, 2.0), 9: np.full(6, 7.0)}
    assert both(config, atr=ranges, entry_long=[0]) == [(100, 107, 1, 2, "target")]
    assert both(config, atr=ranges, entry_short=[2]) == [(108, 104, 3, 3, "target")]


def test_exits_are_taken_as_they_are_written() -> None:
    config = BacktestConfig.of({"trailing_stop": "2 atr(20)", "stop_loss": "1.5 ATR"})
    assert config.exits(1) == Exits(Distance("atr", 1.5, 14), None, Distance("atr", 2.0, 20))
    assert config.exits(-1) == config.exits(1)
    assert config.atr_periods == (14, 20)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"trailing_stop": "0%"}, "trailing_stop.percent: expected above 0"),
        ({"trailing_stop": "2 atr(1)"}, "trailing_stop.period: expected a whole number from 2"),
        ({"time_exit": 0}, "time_exit: expected a whole number of bars from 1"),
        ({"time_exit": 1.5}, "time_exit: expected a whole number of bars from 1"),
        ({"short": None}, "short: unknown key"),
    ],
)
def test_wrong_exits_are_one_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        BacktestConfig.of(values)


# --- fills that volume bounds ---------------------------------------------------------------------


def bounded(rows: Any = BARS, **given: Any) -> BacktestResult:
    """Half of each bar's volume is there: 5, 2, 3, 5, 1, 5 units."""
    config = BacktestConfig(quantity=5.0, **given.pop("config", {}))
    strategy = ArrayStrategy(6, **flags(**given.pop("signals")))
    engine = EventDrivenEngine(config, volume_share=0.5, **given)
    return engine.run(candles(rows, [10, 4, 6, 10, 2, 10]), strategy)


def test_an_order_takes_what_the_volume_gives_and_goes_on_at_the_next_open() -> None:
    """Two at 100 and three at 103 are five at 101.8; one leaves at 106, four at 97."""
    result = bounded(signals={"entry_long": [0], "exit_long": [3]})
    first, second = result.trades.to_pylist()
    assert (first["quantity"], first["exit_price"], first["exit_bar"]) == (1, 106, 4)
    assert (second["quantity"], second["exit_price"], second["exit_bar"]) == (4, 97, 5)
    assert first["entry_price"] == second["entry_price"] == pytest.approx(101.8)
    assert first["pnl"] == pytest.approx(4.2)
    assert second["pnl"] == pytest.approx(-19.2)
    assert result.final_balance == pytest.approx(100_000 - 15)
    # Worth as each bar ends: 2 x 3; 5 x 6.2; 5 x 4.2; 4.2 made and 4 x -4.8; all made.
    worth = np.array([0, 6, 31, 21, 4.2 - 19.2, -15]) + 100_000
    np.testing.assert_allclose(result.equity, worth)


def test_an_exit_ends_what_was_still_being_opened() -> None:
    result = bounded(signals={"entry_long": [0], "exit_long": [1]})
    (trade,) = result.trades.to_pylist()
    assert (trade["quantity"], trade["entry_price"], trade["exit_price"]) == (2, 100, 103)


def test_levels_are_of_the_average_price_and_share_the_bars_volume() -> None:
    """The stop is at 100.8 - 3.8 = 98 for five, of which bar 4 has one left; the rest at 97."""
    result = bounded(
        signals={"entry_long": [0]}, config={"stop_loss": Distance("fixed", 3.8)}
    ).trades.to_pylist()
    assert [(one["quantity"], one["exit_price"], one["reason"]) for one in result] == [
        (1, pytest.approx(98.0), "stop"), (4, 97, "stop"),
    ]  # fmt: skip
    # A target of 7 above 100 is reached in bar 2, before which three more were bought at 103:
    # 101.8 + 7 = 108.8; bar 2 has none left of its three, bar 3 has five.
    limit = bounded(signals={"entry_long": [0]}, config={"take_profit": Distance("fixed", 7.0)})
    (trade,) = limit.trades.to_pylist()
    assert (trade["quantity"], trade["exit_bar"], trade["exit_price"]) == (5, 3, 108.8)


def test_without_volume_nothing_is_bought_and_it_is_counted() -> None:
    strategy = ArrayStrategy(6, **flags(entry_long=[0]))
    engine = EventDrivenEngine(BacktestConfig(quantity=5.0), volume_share=1.0)
    result = engine.run(candles(volumes=[9, 0, 0, 0, 0, 0]), strategy)
    assert result.trades.num_rows == 0
    assert result.metadata["refused_entries"] == 1
    assert result.metadata["volume_share"] == 1.0


def test_enough_volume_changes_nothing() -> None:
    rows = np.array(BARS)
    config = BacktestConfig(
        quantity=2.0, stop_loss=Distance("fixed", 4.0), commission_per_unit=0.5, slippage_bps=3.0
    )
    strategy = ArrayStrategy(6, **flags(entry_long=[0, 3], exit_long=[2], entry_short=[2]))
    whole = EventDrivenEngine(config).run(candles(rows), strategy)
    enough = EventDrivenEngine(config, volume_share=0.5).run(candles(rows, [8] * 6), strategy)
    assert enough.trades.equals(whole.trades)
    assert enough.trades.num_rows == 2
    with pytest.raises(ConfigError, match="volume_share: expected above 0, at most 1, found 2"):
        EventDrivenEngine(config, volume_share=2)
