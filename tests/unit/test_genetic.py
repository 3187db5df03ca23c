"""A genetic search: who overlaps whom, who stays, who is a parent, what is kept, what is found."""

import hashlib
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tapewire.candles.rules import DeclaredStrategy
from tapewire.compiled.draws import key_of
from tapewire.errors import ConfigError
from tapewire.generator import (
    Evaluated,
    GeneticSearch,
    GeneticSettings,
    StrategyConstraints,
    canonical_rules,
    draw_strategies,
    overlaps,
    strategy_hash,
)
from tapewire.generator.constraints import parts_of, parts_of_rules
from tapewire.generator.drawing import Draws
from tapewire.generator.footprints import footprint_of_text, footprint_text, mean_overlap, staying
from tapewire.generator.making import made_of
from tapewire.generator.population import Member, settled, tournament

SMALL = GeneticSettings(population=12, generations=4, elite=2)


def footprint(*held: int) -> np.ndarray:
    return np.array(held, np.int8)


def key(strategy: DeclaredStrategy) -> int:
    return int(strategy_hash(strategy)[:12], 16)


def by_hash(strategy: DeclaredStrategy) -> Evaluated:
    """A worth that hangs on the rules alone, and a stay in the market that few others share."""
    draw = np.random.default_rng(key(strategy))
    held = np.zeros(64, np.int8)
    first = int(draw.integers(0, 60))
    held[first : first + int(draw.integers(1, 30))] = draw.choice((-1, 1))
    fitness = None if draw.random() < 0.1 else float(draw.normal())
    return Evaluated(fitness, int(draw.integers(1, 99)), held)


def told(search: GeneticSearch, generations: int) -> GeneticSearch:
    for _ in range(generations):
        search.tell([by_hash(one) for one in search.ask()])
    return search


# --- overlap --------------------------------------------------------------------------------------


def test_overlap_by_hand() -> None:
    one, other = footprint(1, 1, 1, 0, 0, -1), footprint(0, 1, 1, 1, 1, 1)
    mirrored, nothing = -one, footprint(0, 0, 0, 0, 0, 0)
    table = overlaps([one, other, mirrored, nothing, one])
    # Bars 1 and 2 of {0+, 1+, 2+, 5-} and {1+, 2+, 3+, 4+, 5+}: two of seven.
    assert table[0, 1] == table[1, 0] == 2 / 7
    assert table[0, 4] == 1.0
    assert table[0, 2] == 0.0, "the other direction is no overlap"
    assert table[2, 1] == 1 / 8, "the short one's -(-1) at bar 5"
    assert not table[3].any(), "what holds nothing overlaps nobody, not even itself"


def test_overlaps_are_those_of_sets() -> None:
    draw = np.random.default_rng(5)
    made = [draw.choice((-1, 0, 1), 131).astype(np.int8) for _ in range(9)]
    sets = [{(k, d) for k, d in enumerate(one.tolist()) if d} for one in made]
    table = overlaps(made)
    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            assert table[i, j] == len(a & b) / len(a | b)
    holds = np.ones(9, np.bool_)
    pairs = [table[i, j] for i in range(9) for j in range(9) if i != j]
    assert mean_overlap(table, holds) == pytest.approx(sum(pairs) / len(pairs))
    assert mean_overlap(table, holds & False) == 0.0
    for one in made:
        assert (footprint_of_text(footprint_text(one), 131) == one).all()


def test_who_stays_overlaps_nobody_fitter() -> None:
    table = np.array([[1, 0.8, 0.2], [0.8, 1, 0.9], [0.2, 0.9, 1]])
    assert staying([0, 1, 2], table, 0.8) == [0, 1], "as much as the bound is not beyond it"
    assert staying([0, 1, 2], table, 0.79) == [0, 2], "who left no longer counts"
    assert staying([1, 2, 0], table, 0.5) == [1]


def members(count: int) -> list[Member]:
    made = [made_of(s.name, canonical_rules(s)) for s in draw_strategies(count, seed=2)]
    return [Member(one, by_hash(one.strategy)) for one in made]


@pytest.mark.parametrize("bound", [0.0, 0.3, 0.7, 1.0])
def test_a_population_settles_as_it_reads(bound: float) -> None:
    drawn = members(40)
    stay, _ = settled(drawn, bound)
    expected: list[Member] = []
    left = list(drawn)
    while left:
        fittest = left[0]
        for one in left[1:]:
            a, b = one.fitness, fittest.fitness
            fitter = a is not None and (b is None or a > b)
            if fitter or (a == b and one.made.hash < fittest.made.hash):
                fittest = one
        left.remove(fittest)
        shares = []
        for other in expected:
            a, b = (
                {(k, d) for k, d in enumerate(x.evaluated.footprint.tolist()) if d}
                for x in (fittest, other)
            )
            shares.append(len(a & b) / len(a | b))
        if all(share <= bound for share in shares):
            expected.append(fittest)
    assert stay == expected
    assert settled(drawn[::-1], bound)[0] == expected


def test_worths_that_are_none_come_last() -> None:
    drawn = [
        Member(one.made, Evaluated(fitness, 1, footprint(*[k == i for i in range(5)])))
        for k, (one, fitness) in enumerate(
            zip(members(5), (None, 1.0, float("nan"), -7.0, float("inf")), strict=True)
        )
    ]
    fitnesses = [one.fitness for one in settled(drawn, 0.5)[0]]
    assert fitnesses == [1.0, -7.0, None, None, None]


# --- parents --------------------------------------------------------------------------------------


def test_the_fittest_of_three_are_chosen_as_often_as_the_formula_says() -> None:
    drawn, n, tries = members(5), 5, 20_000
    draws = Draws(key_of(3, "tournament"))
    found = Counter(drawn.index(tournament(drawn, 3, draws)) for _ in range(tries))
    shares = [((n - i) ** 3 - (n - i - 1) ** 3) / n**3 for i in range(n)]
    assert shares == [61 / 125, 37 / 125, 19 / 125, 7 / 125, 1 / 125]
    away = sum((found[i] - tries * p) ** 2 / (tries * p) for i, p in enumerate(shares))
    assert away < 18.5, "chi squared of 4 degrees of freedom, one time in a thousand"


def test_a_tournament_is_the_best_of_those_drawn() -> None:
    drawn = members(7)
    for k in range(50):
        chosen = tournament(drawn, 3, Draws(k))
        again = Draws(k)
        seats = [drawn[again.whole(0, 6)] for _ in range(3)]
        assert chosen in seats
        assert all(drawn.index(chosen) <= drawn.index(seat) for seat in seats)


# --- generations ----------------------------------------------------------------------------------


def test_nothing_is_asked_for_twice_and_the_fittest_stay() -> None:
    search = GeneticSearch(SMALL, seed=1)
    seen: set[str] = set()
    best = -9.0
    while not search.done:
        asked = search.ask()
        assert len(asked) == (12 if search.generation == 0 else 10)
        hashes = {strategy_hash(one) for one in asked}
        assert len(hashes) == len(asked)
        assert not hashes & seen
        seen |= hashes
        assert asked[3].name == f"genetic-1-{search.generation:03}-0003"
        search.tell([by_hash(one) for one in asked])
        best = max([best, *(by_hash(one).fitness or -9.0 for one in asked)])
        assert search.history[-1].best == best
        assert search.history[-1].evaluated == len(asked)
        assert 0 < search.history[-1].distinct_share <= 1
    assert search.evaluated == len(seen) == 12 + 3 * 10
    assert (search.generation, search.ask()) == (4, [])
    found = search.best(3)
    assert found[0][1].fitness == best
    assert [one.fitness for _, one in found] == sorted((x.fitness for _, x in found), reverse=True)
    assert (overlaps([one.footprint for _, one in found])[0, 1:] <= 0.8).all()
    search.more(1)
    assert not search.done
    told(search, 1)
    assert search.generation == 5


def test_asking_again_is_the_same_and_a_seed_is_another_search() -> None:
    first, again, other = (told(GeneticSearch(SMALL, seed=s), 2) for s in (1, 1, 2))
    assert first.ask() == first.ask() == again.ask()
    assert {key(s) for s in first.ask()}.isdisjoint(key(s) for s in other.ask())


def test_a_search_ends_where_nothing_new_is_left() -> None:
    # One indicator, one condition, one timeframe: levels, comparisons, periods and stops differ.
    bounds = StrategyConstraints(
        max_indicators=1, max_conditions=1, max_timeframes=1, allowed_indicators=["volume"]
    )
    with pytest.raises(ConfigError, match="expected 12 different strategies within the"):
        GeneticSearch(SMALL, constraints=bounds).ask()


def score(strategy: DeclaredStrategy) -> float:
    """Best where it goes long on an rsi of 21 bars below 30, and stops at 3 percent."""
    rules = canonical_rules(strategy)
    found, text = 0.0, json.dumps(rules["entry_rules"].get("long", {}))
    if '"rsi"' in text:
        parts = rules["entry_rules"]["long"]
        each = parts["conditions"] if "operator" in parts else [parts]
        for one in each:
            if one.get("indicator") == "rsi" and isinstance(one["value"], float):
                near = 1 / (1 + abs(one["params"]["period"] - 21) / 10)
                near += 1 / (1 + abs(one["value"] - 30) / 10) + (one["comparison"] == "less_than")
                found = max(found, near)
    stop = rules.get("exit_rules", {}).get("long", {})
    for one in stop.get("conditions", [stop]):
        if one.get("type") == "stop_loss" and "percent" in one:
            found += 1 / (1 + abs(one["percent"] - 3.0))
    return found


def test_a_planted_optimum_is_found_and_not_by_luck() -> None:
    def worth(one: DeclaredStrategy) -> Evaluated:
        held = np.unpackbits(np.frombuffer(hashlib.sha256(one.name.encode()).digest(), np.uint8))
        return Evaluated(score(one), 9, held.astype(np.int8))

    settings = GeneticSettings(population=60, generations=14)
    search = GeneticSearch(settings, seed=3)
    while not search.done:
        search.tell([worth(one) for one in search.ask()])
    by_luck = max(score(one) for one in draw_strategies(search.evaluated, seed=3))
    best = search.best(1)[0][1].fitness
    assert best is not None
    assert by_luck < 3.5 < 3.9 < best <= 4.0
    bests = [one.best for one in search.history]
    assert bests == sorted(bests)


# --- what is said wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"population": 1}, "population: expected a whole number from 2 to 10,000, found 1"),
        ({"generations": 0}, "generations: expected a whole number from 1"),
        ({"tournament": True}, "tournament: expected a whole number from 1 to 100, found True"),
        ({"population": 10, "elite": 10}, "elite: expected a whole number from 0 to 9, found 10"),
        ({"mutation": 1.5}, "mutation: expected a number from 0 to 1, found 1.5"),
        ({"overlap_max": float("nan")}, "overlap_max: expected a number from 0 to 1, found nan"),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GeneticSettings(**given)


def test_what_is_told_wrong() -> None:
    search = GeneticSearch(SMALL, seed=1)
    came = [by_hash(one) for one in search.ask()]
    with pytest.raises(ConfigError, match="expected what came of 12 strategies, found 11"):
        search.tell(came[1:])
    short = Evaluated(1.0, 2, footprint(1, 0))
    with pytest.raises(ConfigError, match="footprint: expected one length for all, found 2, 64"):
        search.tell([short, *came[1:]])
    search.tell(came)
    assert search.generation == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "state: expected a search's, of format 1, found 2"),
        (
            {"members": ["none"]},
            "state: expected a whole one, as a search gives it, found KeyError",
        ),
        ({"seed": None, "settings": 3}, "state: expected a whole one"),
        ({"settings": {"population": 0}}, "population: expected a whole number"),
        ({"timeframes": ["1h", "1m"]}, "timeframes: expected the primary one first"),
    ],
)
def test_a_state_that_is_none(change: dict[str, Any], said: str) -> None:
    state = told(GeneticSearch(SMALL, seed=1), 1).state()
    with pytest.raises(ConfigError, match=said):
        GeneticSearch.from_state({**state, **change})


def test_what_a_strategy_is_made_of_is_the_same_of_rules_and_of_a_plan() -> None:
    for one in draw_strategies(60, seed=8):
        parts = parts_of_rules(canonical_rules(one))
        assert replace(parts_of(one), names=()) == replace(parts, names=())
        assert sorted(parts_of(one).names) == sorted(parts.names)
