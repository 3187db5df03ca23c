"""Declared strategies evaluated: the specification's, and when each kind of rule holds."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bars import MINUTE_NS, bars_of, walk
from declared import SPECIFIED
from tapewire.candles.columns import BarColumns, BarRow
from tapewire.candles.frames import Timeframes
from tapewire.candles.rules import (
    ExitDistance,
    RuleStepper,
    evaluate,
    evaluate_many,
    load_strategy,
    strategy_of,
)
from tapewire.candles.rules._kernels import compare, spread
from tapewire.candles.rules.comparing import holds
from tapewire.candles.rules.plan import NOT_CROSSES_BELOW, in_units
from tapewire.errors import ConfigError, InputError

NAN = math.nan


def test_the_example_of_the_specification_is_read_and_evaluated_as_it_stands(
    tmp_path: Path,
) -> None:
    (tmp_path / "example.json").write_text(SPECIFIED)
    strategy = load_strategy(tmp_path / "example.json")
    assert strategy.name == "MA_Cross_RSI_Filter"
    bars = walk(6_000, 2, move=20)
    bars = BarColumns(**{**vars(bars), "ts_event": bars.ts_event * 60})
    frames = Timeframes.of(bars, "1h", ["4h", "1d"])
    found = evaluate(strategy, frames)
    # By the definitions: means of closes, and the last RSI of complete bars of four hours.
    fast, slow = (np.convolve(bars.close, np.ones(n), "valid")[-len(bars) :] for n in (10, 30))
    above = fast[20:] * 3 > slow
    crossed = 30 + np.flatnonzero(above[1:] & ~above[:-1])
    rsi = _rsi(frames.of_name("4h").bars.close)
    expected = [hour for hour in crossed if hour >= 59 and rsi[(hour + 1) // 4 - 1] > 50]
    assert len(expected) > 40
    assert np.flatnonzero(found.entry_long).tolist() == expected
    assert not (found.exit_long | found.entry_short | found.exit_short).any()
    assert found.long_exits.stop_loss is not None
    assert found.long_exits.take_profit is not None
    assert (found.long_exits.stop_loss.percent, found.long_exits.take_profit.percent) == (2.0, 5.0)
    assert found.short_exits.stop_loss is None


def _rsi(close: Any) -> list[float]:
    changes = np.diff(close)
    gain, loss = np.maximum(changes[:14], 0).mean(), np.maximum(-changes[:14], 0).mean()
    out = [NAN] * 14 + [100 * gain / (gain + loss)]
    for change in changes[14:]:
        gain = (gain * 13 + max(change, 0)) / 14
        loss = (loss * 13 + max(-change, 0)) / 14
        out.append(100 * gain / (gain + loss))
    return out


def _one(rule: dict[str, Any], primary: str = "1m", secondary: Any = ()) -> dict[str, Any]:
    return {
        "name": "one",
        "version": "1.0",
        "timeframes": {"primary": primary, "secondary": list(secondary)},
        "entry_rules": {"long": rule},
    }


def _entries(rule: dict[str, Any], bars: BarColumns, *secondary: str) -> list[int]:
    """Bars at which a rule holds."""
    frames = Timeframes.of(bars, "1m", secondary)
    strategy = strategy_of(_one(rule, secondary=secondary))
    flags = evaluate(strategy, frames).entry_long
    stepper = RuleStepper(strategy, "1m", price_unit=bars.price_unit)
    stepped = [one.entry_long for bar in bars.rows() for one in stepper.push(bar)]
    assert stepped == flags.tolist()
    return np.flatnonzero(flags).tolist()


def _close(comparison: str, value: Any = None, **rest: Any) -> dict[str, Any]:
    return {"indicator": "close", "comparison": comparison, "value": value, **rest}


CLOSES = bars_of([1, 3, 2, 2, 3, 3, 2, 1])


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("greater_than", [1, 4, 5]),
        ("greater_or_equal", [1, 2, 3, 4, 5, 6]),
        ("less_than", [0, 7]),
        ("less_or_equal", [0, 2, 3, 6, 7]),
        # From not above to above; the first bar crosses nothing.
        ("crosses_above", [1, 4]),
        ("crosses_below", [7]),
    ],
)
def test_a_comparison_with_a_number(comparison: str, expected: list[int]) -> None:
    rule = _close(comparison, 2)
    assert _entries(rule, CLOSES) == expected
    no = {"operator": "NOT", "conditions": [rule]}
    known = range(1, 8) if comparison.startswith("crosses") else range(8)
    assert _entries(no, CLOSES) == [bar for bar in known if bar not in expected]
    assert _entries({"operator": "NOT", "conditions": [no]}, CLOSES) == expected


def test_what_is_not_known_yet_is_neither_true_nor_false() -> None:
    early = {"indicator": "sma", "params": {"period": 4}, "comparison": "greater_than", "value": 0}
    no = {"operator": "NOT", "conditions": [early]}
    assert _entries(early, CLOSES) == [3, 4, 5, 6, 7]
    assert _entries(no, CLOSES) == []
    always = _close("greater_than", 0)
    assert _entries({"operator": "OR", "conditions": [no, always]}, CLOSES) == list(range(8))
    # Unknown beside what is false is false, and not so true.
    never = _close("greater_than", 9)
    both = {"operator": "NOT", "conditions": [{"operator": "AND", "conditions": [early, never]}]}
    assert _entries(both, CLOSES) == list(range(8))
    either = {"operator": "NOT", "conditions": [{"operator": "OR", "conditions": [early, never]}]}
    assert _entries(either, CLOSES) == []


def test_groups_hold_together_or_one_by_one() -> None:
    high, even = _close("greater_or_equal", 2), _close("less_or_equal", 2)
    assert _entries({"operator": "AND", "conditions": [high, even]}, CLOSES) == [2, 3, 6]
    assert _entries({"operator": "OR", "conditions": [high, even]}, CLOSES) == list(range(8))
    inner = {"operator": "AND", "conditions": [even, {"operator": "NOT", "conditions": [high]}]}
    assert _entries({"operator": "OR", "conditions": [inner, _close("greater_than", 2)]}, CLOSES) \
        == [0, 1, 4, 5, 7]  # fmt: skip


def test_a_longer_bar_is_seen_when_it_is_complete_and_crosses_once() -> None:
    # Bars of three minutes close at 5, 1 and 4; they are known at the end of minutes 2, 5 and 8.
    bars = bars_of([9, 9, 5, 0, 0, 1, 9, 9, 4, 0, 0])
    assert _entries(_close("greater_than", 3, timeframe="3m"), bars, "3m") == [2, 3, 4, 8, 9, 10]
    assert _entries(_close("crosses_above", 3, timeframe="3m"), bars, "3m") == [8]
    assert _entries(_close("crosses_below", 3, timeframe="3m"), bars, "3m") == [5]
    no = {"operator": "NOT", "conditions": [_close("crosses_below", 3, timeframe="3m")]}
    assert _entries(no, bars, "3m") == [3, 4, 6, 7, 8, 9, 10]
    # The minute's close against that of the last three complete minutes.
    other = {"indicator": "close", "timeframe": "3m"}
    assert _entries(_close("greater_than", other), bars, "3m") == [6, 7]
    assert _entries(_close("crosses_above", other), bars, "3m") == [6]


def test_a_bar_that_ends_in_a_gap_is_known_after_it() -> None:
    times = [0, 1, 7, 8, 9]
    bars = BarColumns(**{**vars(bars_of([5, 6, 1, 2, 3])), "ts_event": np.array(times) * MINUTE_NS})
    assert _entries(_close("greater_than", 4, timeframe="3m"), bars, "3m") == [2]


def test_macd_and_stochastic_are_compared_with_their_own_signals() -> None:
    bars = walk(300, 4)
    for name, own in (("macd", "signal"), ("stochastic", "d")):
        bare = {"indicator": name, "comparison": "crosses_above"}
        spelt = {**bare, "value": {"indicator": name, "output": own}}
        found = _entries(bare, bars)
        assert found == _entries(spelt, bars)
        assert len(found) > 5


def test_prices_are_compared_in_currency_and_ticks_are_exact() -> None:
    ticks = BarColumns(**{**vars(bars_of([401, 402, 403])), "price_unit": 0.1})
    assert _entries(_close("greater_than", 40.2), ticks) == [2]
    assert _entries(_close("greater_or_equal", 40.2), ticks) == [1, 2]
    assert in_units(4.35, 0.01) == 435.0 != 4.35 / 0.01
    assert in_units(40.25, 0.1) == 402.5
    rsi = {"indicator": "rsi", "params": {"period": 2}, "comparison": "greater_or_equal",
           "value": 100}  # fmt: skip
    assert _entries(rsi, ticks) == [2], "a percentage has no unit of price"


def test_stops_and_targets_are_told_beside_the_signals() -> None:
    made = _one(_close("greater_than", 2))
    made["exit_rules"] = {
        "long": {
            "operator": "OR",
            "conditions": [
                {"type": "stop_loss", "atr": 1.5, "period": 7},
                {"operator": "OR", "conditions": [{"type": "take_profit", "fixed": 4.25}]},
                {"type": "trailing_stop", "percent": 1},
                {"type": "time_exit", "bars": 12},
                _close("less_than", 2),
            ],
        }
    }
    found = evaluate(strategy_of(made), Timeframes.of(CLOSES, "1m"))
    assert np.flatnonzero(found.exit_long).tolist() == [0, 7]
    exits = found.long_exits
    assert exits.stop_loss == ExitDistance(type="stop_loss", atr=1.5, period=7)
    assert exits.take_profit == ExitDistance(type="take_profit", fixed=4.25)
    assert exits.trailing_stop == ExitDistance(type="trailing_stop", percent=1)
    assert exits.take_profit.measure == ("fixed", 4.25)
    assert exits.time_exit_bars == 12


def test_a_comparison_of_all_bars_is_that_of_each() -> None:
    rng = np.random.default_rng(6)
    for n in (0, 1, 63, 64, 65, 200):
        left, right = rng.integers(0, 4, (2, n)) * 0.1 + rng.choice([0, 1e-13], (2, n))
        left[rng.random(n) < 0.2] = NAN
        right[rng.random(n) < 0.2] = NAN
        for code in range(NOT_CROSSES_BELOW + 1):
            words = np.full(-(-n // 64), -1)
            compare(code, left, right, words)
            bits = np.unpackbits(words.view(np.uint8), bitorder="little")
            before = [NAN, *left], [NAN, *right]
            expected = [
                holds(code, left[i], right[i], before[0][i], before[1][i]) for i in range(n)
            ]
            assert bits[:n].tolist() == expected
            assert not bits[n:].any()


def test_bits_are_spread_over_the_bars_that_see_them() -> None:
    rng = np.random.default_rng(7)
    for n in (1, 64, 130, 400):
        starts = np.unique(rng.integers(0, n, rng.integers(1, 30)))
        seen = rng.integers(0, 2, len(starts)).astype(bool)
        packed = np.zeros(8, np.int64)
        packed.view(np.uint8)[: -(-len(seen) // 8)] = np.packbits(seen, bitorder="little")
        for crosses in (0, 1):
            words = np.full(-(-n // 64), -1)
            spread(packed, starts, crosses, n, words)
            expected = np.zeros(64 * len(words), bool)
            for first, last, flag in zip(starts, [*starts[1:], n], seen, strict=True):
                expected[first : first + 1 if crosses else last] = flag
            found = np.unpackbits(words.view(np.uint8), bitorder="little")
            assert found.tolist() == expected.tolist()


def test_what_does_not_go_with_the_bars_is_refused() -> None:
    frames = Timeframes.of(walk(50, 1), "1m")
    with pytest.raises(ConfigError, match="expected bars of 1h, there are those of 1m"):
        evaluate(strategy_of(json.loads(SPECIFIED)), frames)
    one = _close("greater_than", 1)
    mixed = [strategy_of(_one(one, primary)) for primary in ("1m", "5m")]
    with pytest.raises(ConfigError, match=r"of one primary timeframe, found 1m .* and 5m"):
        list(evaluate_many(mixed, Timeframes.of(walk(50, 1), "1m", ["5m"])))
    with pytest.raises(InputError, match="close: expected numbers, found nan as close of row 1"):
        evaluate(strategy_of(_one(one)), Timeframes.of(bars_of([1, NAN, 3]), "1m"))
    assert list(evaluate_many([], frames)) == []


def test_a_stepper_takes_bars_in_their_order_and_place_only() -> None:
    bar = BarRow(0, 1.0, 1.0, 1.0, 1.0, 1.0, 0)
    strategy = strategy_of(_one(_close("greater_than", 0), "5m"))
    stepper = RuleStepper(strategy, "1m")
    assert stepper.push(bar) == []
    with pytest.raises(InputError, match="expected times that ascend, found 0 in row 1"):
        stepper.push(bar)
    with pytest.raises(InputError, match="row 1 to begin where bars of 1m do"):
        stepper.push(bar._replace(ts_event=MINUTE_NS + 1))
    with pytest.raises(InputError, match="expected numbers in row 1"):
        stepper.push(bar._replace(ts_event=MINUTE_NS, close=NAN))
    with pytest.raises(ConfigError, match="whole bars of 2m, found 5m"):
        RuleStepper(strategy, "2m")
    found = stepper.push(bar._replace(ts_event=9 * MINUTE_NS))
    assert [one.ts_event for one in found] == [0, 5 * MINUTE_NS], "one had ended in the gap"
