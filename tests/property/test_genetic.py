"""A genetic search of any fitness: its offspring are valid and within bounds; unbroken or not."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from declared import declared
from tapewire.candles.rules import strategy_of
from tapewire.compiled.draws import key_of
from tapewire.errors import ConfigError
from tapewire.generator import (
    Evaluated,
    GeneticSearch,
    GeneticSettings,
    StrategyConstraints,
    canonical_rules,
    strategy_hash,
)
from tapewire.generator.breeding import RuleMutation, crossed
from tapewire.generator.drawing import Draws
from tapewire.generator.making import made_of

FRAMES = ("15m", "1h", "5m", "1d")
DRAWN = declared("15m", ["1h", "5m", "1d"])
FITNESS = st.none() | st.floats(-3, 3) | st.just(float("nan"))


@st.composite
def bounds(draw: Any) -> StrategyConstraints:
    names = st.lists(
        st.sampled_from(["rsi", "sma", "ema", "close", "macd", "bbands", "adx", "sma_cross"]),
        min_size=3, max_size=8, unique=True,
    )  # fmt: skip
    return StrategyConstraints(
        max_indicators=draw(st.integers(2, 5)),
        max_conditions=draw(st.integers(2, 8)),
        max_timeframes=draw(st.integers(1, 3)),
        allowed_indicators=["rsi", *draw(names)],
        complexity_score_max=draw(st.sampled_from([30.0, 60.0, 100.0])),
    )


@settings(max_examples=12, deadline=None)
@given(st.data(), bounds(), st.integers(0, 999), st.integers(1, 3))
def test_offspring_keep_to_bounds_and_a_resumed_search_is_an_unbroken_one(
    data: Any, limits: StrategyConstraints, seed: int, stop: int
) -> None:
    rates = {"crossover": 0.8, "mutation": data.draw(st.sampled_from([0.05, 0.3, 1.0]))}
    given_settings = GeneticSettings(population=8, generations=4, elite=2, **rates)
    table: dict[str, Evaluated] = {}

    def worth(one: Any) -> Evaluated:
        name = strategy_hash(one)
        if name not in table:
            draw = np.random.default_rng(int(name[:8], 16))
            held = draw.choice((-1, 0, 0, 0, 1), 40).astype(np.int8)
            table[name] = Evaluated(data.draw(FITNESS), 3, held)
        return table[name]

    search = GeneticSearch(
        given_settings, seed=seed, constraints=limits, timeframes=("15m", "1h", "1d")
    )
    other = search
    while not search.done:
        asked = search.ask()
        for one in asked:
            made = strategy_of(one.model_dump(exclude_none=True))
            assert limits.fault(made) == ""
            assert one.model_dump(exclude_none=True) == {
                "name": one.name, "version": "1.0", **_plain(canonical_rules(made)),
            }  # fmt: skip
            assert set(canonical_rules(made)["timeframes"]["secondary"]) <= {"1h", "1d"}
        assert other.ask() == asked
        came = [worth(one) for one in asked]
        if other is not search:
            other.tell(came)
        search.tell(came)
        saved = json.dumps(search.state(), allow_nan=False)
        if search.generation == stop:
            other = GeneticSearch.from_state(json.loads(saved))
        assert json.dumps(other.state(), allow_nan=False) == saved
    assert [one.fitness for _, one in other.best()] == [one.fitness for _, one in search.best()]


def _plain(rules: Any) -> Any:
    """As a model writes it out: exit rules are there, if empty."""
    return {"exit_rules": {}, **rules}


@settings(max_examples=60, deadline=None)
@given(DRAWN, DRAWN, st.integers(0, 10**6))
def test_any_two_strategies_can_be_mixed_and_changed(mother: Any, father: Any, seed: int) -> None:
    rules = [canonical_rules(strategy_of(one)) for one in (mother, father)]
    before = json.dumps(rules)
    child = crossed(*rules, Draws(key_of(seed, "crossover")))
    mutation = RuleMutation(Draws(key_of(seed, "mutation")), 0.5, StrategyConstraints(), FRAMES)
    changed = mutation.of(child)
    assert json.dumps(rules) == before, "parents stay as they are"
    for one in (child, changed):
        one["timeframes"] = {"primary": "15m", "secondary": ["1h", "5m", "1d"]}
        try:
            made = made_of("child", one)
        except ConfigError as error:
            wrong = str(error)
        else:
            wrong = ""
            assert made_of("again", made.rules).hash == made.hash
        # Of what is mixed only this may not go together.
        assert not wrong or "expected one" in wrong or "under the outermost OR" in wrong
