"""The canonical form of a drawn strategy: it trades the same, and is its own form."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bars import walk
from declared import declared
from tapewire.candles.columns import BarColumns
from tapewire.candles.frames import Timeframes
from tapewire.candles.rules import evaluate, strategy_of
from tapewire.candles.rules.plan import exit_terms_of
from tapewire.candles.sessions import SessionClock
from tapewire.generator import canonical_rules, strategy_hash

CLOCK = SessionClock("America/Chicago", "17:00")
NAMES = ("5m", "15m", "1h", "1d")
SIGNALS = ("entry_long", "exit_long", "entry_short", "exit_short")


def shuffled(rule: Any, draw: Any) -> Any:
    """The rule with the conditions of its groups in another order, some of them there twice."""
    if not isinstance(rule, dict) or "conditions" not in rule:
        return rule
    inner = [shuffled(one, draw) for one in rule["conditions"]]
    if rule["operator"] != "NOT":
        inner = draw(st.permutations(inner))
        twice = inner[0]
        inner += [twice] if "type" not in twice and draw(st.booleans()) else []
    return {**rule, "conditions": inner}


@settings(max_examples=40)
@given(declared("15m", ["1h", "5m", "1d"]), st.integers(2, 160), st.integers(0, 999), st.data())
def test_it_trades_the_same(
    made: dict[str, Any], bars: int, seed: int, data: st.DataObject
) -> None:
    strategy = strategy_of(made)
    rules = canonical_rules(strategy)
    again = strategy_of({"name": "x", "version": "1.0", **rules})
    assert canonical_rules(again) == rules
    walked = walk(bars, seed, unit=1.0)
    walked = BarColumns(**{**vars(walked), "ts_event": np.arange(bars) * 300 * 10**9})
    frames = Timeframes.of(walked, "5m", NAMES, CLOCK)
    one, other = evaluate(strategy, frames), evaluate(again, frames)
    for name in SIGNALS:
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    for before, after in zip(exit_terms_of(strategy), exit_terms_of(again), strict=True):
        assert before.time_exit_bars == after.time_exit_bars
        for name in ("stop_loss", "take_profit", "trailing_stop"):
            both = [getattr(terms, name) for terms in (before, after)]
            assert [part is None for part in both] in ([True, True], [False, False])
            assert both[0] is None or both[0].measure == both[1].measure
    for key in ("entry_rules", "exit_rules"):
        made = {**made, key: {side: shuffled(made[key][side], data.draw) for side in made[key]}}
    assert strategy_hash(strategy_of(made)) == strategy_hash(strategy)
