"""Declared strategies, drawn: as arrays, bar by bar, as they read; and never of the future."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bars import walk
from declared import declared
from naive import rules as naive
from tapewire.candles.columns import BarColumns
from tapewire.candles.frames import Timeframes
from tapewire.candles.rules import RuleStepper, evaluate, evaluate_many, strategy_of
from tapewire.candles.sessions import SessionClock

CLOCK = SessionClock("America/Chicago", "17:00")
#: 21:00 UTC on the eve of a change of clocks: sessions and days change within the bars.
START_NS = 1_710_018_000 * 10**9
NAMES = ("5m", "15m", "1h", "1d")


@st.composite
def gapped(draw: Any, most: int = 160) -> BarColumns:
    """Bars of five minutes, a tenth of a tick's currency each, some missing."""
    n = draw(st.integers(1, most))
    seed = draw(st.integers(0, 10_000))
    bars = walk(n, seed, unit=draw(st.sampled_from([1.0, 0.25])))
    rng = np.random.default_rng(seed)
    steps = rng.choice([1, 1, 1, 1, 1, 2, 3, 40], n)
    times = START_NS + np.cumsum(steps) * 300 * 10**9
    return BarColumns(**{**vars(bars), "ts_event": times})


def _rows(signals: Any) -> list[tuple[bool, ...]]:
    columns = (
        signals.entry_long, signals.exit_long, signals.entry_short, signals.exit_short,
    )  # fmt: skip
    return list(zip(*(column.tolist() for column in columns), strict=True))


def check_three_ways(made: dict[str, Any], bars: BarColumns) -> None:
    frames = Timeframes.of(bars, "5m", NAMES, CLOCK)
    strategy = strategy_of(made)
    as_arrays = _rows(evaluate(strategy, frames))
    stepper = RuleStepper(strategy, "5m", CLOCK, bars.price_unit)
    stepped = [one for bar in bars.rows() for one in stepper.push(bar)]
    assert [one.ts_event for one in stepped] == frames.of_name("15m").bars.ts_event.tolist()
    assert [tuple(one[1:]) for one in stepped] == as_arrays
    assert naive.signals(made, frames) == as_arrays


def check_future(made: dict[str, Any], bars: BarColumns, cut: int, seed: int) -> None:
    strategy = strategy_of(made)
    whole = _rows(evaluate(strategy, Timeframes.of(bars, "5m", NAMES, CLOCK)))
    part = _rows(evaluate(strategy, Timeframes.of(bars.take(0, cut), "5m", NAMES, CLOCK)))
    rng = np.random.default_rng(seed)
    other = BarColumns(**vars(bars))
    for name in ("open", "high", "low", "close", "volume"):
        changed = getattr(bars, name).copy()
        changed[cut:] = rng.integers(0, 9_000, len(bars) - cut)
        object.__setattr__(other, name, changed)
    after = _rows(evaluate(strategy, Timeframes.of(other, "5m", NAMES, CLOCK)))
    assert whole[: len(part)] == part == after[: len(part)]


DRAWN = declared("15m", ["1h", "5m", "1d"])


@settings(max_examples=25)
@given(DRAWN, gapped())
def test_arrays_and_bars_one_by_one_give_what_the_rules_say(
    made: dict[str, Any], bars: BarColumns
) -> None:
    check_three_ways(made, bars)


@settings(max_examples=40)
@given(DRAWN, gapped(), st.data())
def test_the_future_changes_no_earlier_signal(
    made: dict[str, Any], bars: BarColumns, data: st.DataObject
) -> None:
    check_future(made, bars, data.draw(st.integers(0, len(bars))), data.draw(st.integers(0, 99)))


@settings(max_examples=20)
@given(st.lists(DRAWN, min_size=1, max_size=5), gapped(), st.sampled_from([1, 50, 1 << 20]))
def test_many_at_once_are_as_each_by_itself(
    several: list[dict[str, Any]], bars: BarColumns, memory_bytes: int
) -> None:
    frames = Timeframes.of(bars, "5m", NAMES, CLOCK)
    strategies = [strategy_of(one) for one in several]
    calls: list[tuple[int, int]] = []
    together = list(
        evaluate_many(
            strategies, frames, memory_bytes=memory_bytes, progress=lambda *a: calls.append(a)
        )
    )
    assert calls == [(k + 1, len(several)) for k in range(len(several))]
    for one, strategy in zip(together, strategies, strict=True):
        assert (one.words == evaluate(strategy, frames).words).all()


@pytest.mark.long
@settings(max_examples=1_500)
@given(DRAWN, gapped(400), st.data())
def test_many_drawn_strategies_hold_what_the_few_do(
    made: dict[str, Any], bars: BarColumns, data: st.DataObject
) -> None:
    check_three_ways(made, bars)
    check_future(made, bars, data.draw(st.integers(0, len(bars))), 5)
