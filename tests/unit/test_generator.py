"""Generated strategies: one form of all spellings, bounds that are kept, the same draws."""

import itertools
import json
from typing import Any

import pytest

from declared import SPECIFIED
from tapewire.candles.rules import strategy_of, strategy_text
from tapewire.errors import ConfigError
from tapewire.generator import (
    StrategyConstraints,
    canonical_rules,
    complexity_score,
    draw_strategies,
    strategy_hash,
)

RSI = {"indicator": "rsi", "comparison": "greater_than", "value": 50}
ABOVE = {
    "indicator": "close", "comparison": "greater_than", "value": {"indicator": "sma"},
}  # fmt: skip
CROSS = {"indicator": "sma_cross", "comparison": "crosses_above"}


def strategy(entry: Any, leave: Any = None, *, secondary: tuple[str, ...] = ()) -> Any:
    made: dict[str, Any] = {
        "name": "x", "version": "1.0", "timeframes": {"primary": "1h", "secondary": [*secondary]},
        "entry_rules": {"long": entry},
    }  # fmt: skip
    if leave is not None:
        made["exit_rules"] = {"long": leave}
    return strategy_of(made)


def both(operator: str, *conditions: Any) -> dict[str, Any]:
    return {"operator": operator, "conditions": list(conditions)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (RSI, {**RSI, "timeframe": "1h", "params": {"period": 14}, "output": "rsi", "value": 50.0}),
        (both("AND", RSI, ABOVE), both("AND", ABOVE, RSI)),
        (both("AND", RSI, both("AND", ABOVE, CROSS)), both("AND", CROSS, RSI, ABOVE)),
        (both("OR", RSI, RSI), RSI),
        (both("AND", RSI), RSI),
        (both("NOT", both("NOT", RSI)), RSI),
        (both("NOT", RSI), {**RSI, "comparison": "less_or_equal"}),
        (
            both("NOT", both("AND", RSI, ABOVE)),
            both("OR", both("NOT", RSI), both("NOT", ABOVE)),
        ),
        (
            ABOVE,
            {"indicator": "sma", "comparison": "less_than", "value": {"indicator": "close"}},
        ),
        (CROSS, {**CROSS, "value": 0, "params": {"slow": 30, "fast": 10}}),
        (
            {"indicator": "macd", "comparison": "crosses_above"},
            {
                "indicator": "macd", "output": "signal", "comparison": "crosses_below",
                "value": {"indicator": "macd", "output": "macd"},
            },
        ),
    ],
)  # fmt: skip
def test_two_spellings_of_one_strategy_are_one(one: Any, other: Any) -> None:
    assert canonical_rules(strategy(one)) == canonical_rules(strategy(other))
    assert strategy_hash(strategy(one)) == strategy_hash(strategy(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (both("AND", RSI, ABOVE), both("OR", RSI, ABOVE)),
        (RSI, {**RSI, "value": 51}),
        (RSI, {**RSI, "params": {"period": 15}}),
        (RSI, {**RSI, "comparison": "greater_or_equal"}),
        (both("NOT", CROSS), {**CROSS, "comparison": "crosses_below"}),
        (both("AND", RSI, both("OR", ABOVE, CROSS)), both("OR", both("AND", RSI, ABOVE), CROSS)),
    ],
)
def test_two_strategies_are_two(one: Any, other: Any) -> None:
    assert strategy_hash(strategy(one)) != strategy_hash(strategy(other))


def test_exits_count_and_names_do_not() -> None:
    stop, target = {"type": "stop_loss", "percent": 2}, {"type": "take_profit", "atr": 3.0}
    first = strategy(RSI, both("OR", stop, target))
    assert strategy_hash(first) == strategy_hash(
        strategy(RSI, both("OR", {**target, "period": 14}, {**stop, "percent": 2.0}))
    )
    assert strategy_hash(first) != strategy_hash(strategy(RSI, stop))
    assert strategy_hash(first) != strategy_hash(strategy(RSI, both("OR", stop, target, CROSS)))
    renamed = strategy_of({**first.model_dump(exclude_none=True), "name": "y", "version": "2.1"})
    assert strategy_hash(renamed) == strategy_hash(first)


def test_a_timeframe_that_nobody_looks_at_does_not_count() -> None:
    assert strategy_hash(strategy(RSI, secondary=("4h",))) == strategy_hash(strategy(RSI))
    longer = {**RSI, "timeframe": "4h"}
    assert strategy_hash(strategy(longer, secondary=("4h",))) != strategy_hash(strategy(RSI))


def test_a_canonical_form_is_a_strategy_and_its_own_form() -> None:
    rules = canonical_rules(strategy_of(json.loads(SPECIFIED)))
    again = strategy_of({"name": "x", "version": "1.0", **rules})
    assert canonical_rules(again) == rules
    # The specification's names 1d beside 4h, and looks at 4h alone.
    assert rules["timeframes"] == {"primary": "1h", "secondary": ["4h"]}
    assert "rsi(14, 4h) > 50" in strategy_text(again)


def test_complexity_by_hand() -> None:
    # Two conditions, two indicators, one timeframe beside the primary: 10 + 12 + 10.
    assert complexity_score(strategy_of(json.loads(SPECIFIED))) == 32
    assert complexity_score(strategy(RSI)) == 11
    # The same indicator in both conditions is one; with another period it is another.
    twice = both("AND", RSI, {**RSI, "comparison": "less_than", "value": 70})
    assert complexity_score(strategy(twice)) == 16
    other = both("AND", RSI, {**RSI, "params": {"period": 7}})
    assert complexity_score(strategy(other)) == 22


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"max_indicators": 1}, "expected at most 1 indicators, found 2"),
        ({"max_conditions": 1}, "expected at most 1 conditions, found 2"),
        ({"max_timeframes": 1}, "expected at most 1 timeframes, found 2"),
        ({"allowed_indicators": ["rsi"]}, "expected indicators that are allowed, found sma_cross"),
        ({"complexity_score_max": 31}, "expected a complexity of at most 31, found 32"),
        ({}, ""),
    ],
)
def test_a_strategy_beyond_a_bound_is_told_by_it(bounds: dict[str, Any], message: str) -> None:
    specified = strategy_of(json.loads(SPECIFIED))
    assert StrategyConstraints(**bounds).fault(specified) == message


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"max_indicators": 0}, "max_indicators: expected at least 1, found 0"),
        ({"complexity_score_max": 10}, "complexity_score_max: expected at least 11"),
        ({"complexity_score_max": float("nan")}, "complexity_score_max: expected at least 11"),
        ({"allowed_indicators": []}, "allowed_indicators: expected at least one"),
        ({"allowed_indicators": ["rsj"]}, "there is no indicator 'rsj': did you mean 'rsi'"),
    ],
)
def test_bounds_that_nothing_can_meet_are_refused(bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StrategyConstraints(**bounds)


def test_the_same_seed_draws_the_same_and_more_begin_with_fewer() -> None:
    many = list(draw_strategies(60, seed=7))
    assert list(draw_strategies(20, seed=7)) == many[:20]
    assert len({strategy_hash(one) for one in many}) == 60
    assert {one.name for one in many} == {f"random-7-{k:06}" for k in range(60)}
    assert next(draw_strategies(1, seed=8)).entry_rules != many[0].entry_rules
    # Made of whole numbers by key: the same on any host.
    text = strategy_text(many[0])
    assert text == strategy_text(next(draw_strategies(1, seed=7)))


@pytest.mark.parametrize(
    "bounds",
    [
        StrategyConstraints(),
        StrategyConstraints(max_indicators=1, max_conditions=1, max_timeframes=1),
        StrategyConstraints(max_indicators=2, max_conditions=3, complexity_score_max=40),
        StrategyConstraints(allowed_indicators=["rsi", "close", "sma"], max_timeframes=2),
    ],
)
def test_what_is_drawn_keeps_to_its_bounds(bounds: StrategyConstraints) -> None:
    drawn = list(draw_strategies(100, seed=3, constraints=bounds, timeframes=("5m", "1h", "1d")))
    assert len(drawn) == 100
    for one in drawn:
        assert bounds.fault(one) == ""
        assert one.timeframes.primary == "5m"
        assert canonical_rules(one) == canonical_rules(strategy_of(one.model_dump()))


def test_every_indicator_and_every_exit_is_drawn() -> None:
    text = "\n".join(strategy_text(one) for one in draw_strategies(400, seed=1))
    names = set(StrategyConstraints().allowed) - {"volume"}
    assert {name for name in names if f" {name}" not in text.replace("(", " ")} == set()
    for word in ("stop loss", "trailing stop", "take profit", "bars after", "ATR(", "crosses below",
                 "enter short", "enter long"):  # fmt: skip
        assert word in text


@pytest.mark.parametrize("names", [["volume"], ["close"]])
def test_where_there_are_no_more_it_is_said(names: list[str]) -> None:
    bounds = StrategyConstraints(allowed_indicators=names)
    drawn = draw_strategies(5, constraints=bounds, timeframes=["1h"])
    with pytest.raises(ConfigError, match=r"expected 5 different .* found 0 and none in"):
        list(drawn)


def test_timeframes_that_are_none_are_refused() -> None:
    for frames, message in (
        ((), "expected at least one"),
        (("1x",), "timeframes: expected a timeframe as 30s"),
        (("4h", "1h"), "expected the primary one first"),
    ):
        with pytest.raises(ConfigError, match=message):
            list(itertools.islice(draw_strategies(1, timeframes=frames), 1))
