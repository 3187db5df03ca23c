"""What looks for the best: the same again for one seed, nothing twice, better than chance."""

import math
from typing import Any

import pytest

from tapewire.config.problems import Places
from tapewire.errors import ConfigError
from tapewire.studies.asking import settings_of
from tapewire.studies.searching import Search, Weighing, search_of, size_of, weighed
from tapewire.studies.settings import Constraint, StudySettings

VARY = {
    "x": {"from": 0.0, "to": 10.0},
    "y": {"from": 1, "to": 100, "integer": True},
    "z": ["a", "b", "c"],
}


def study(**given: Any) -> StudySettings:
    return settings_of({"vary": VARY, "seed": 5, **given}, Places())


def hill(values: dict[str, Any]) -> float:
    """Best, with 0, at x 7.3, y 42, z b."""
    return -((values["x"] - 7.3) ** 2) - ((values["y"] - 42) / 10) ** 2 - (values["z"] != "b")


def climbed(search: Search, total: int, batch: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < total:
        asked = search.ask(min(batch, total - len(found)))
        for values in asked:
            search.tell(values, [hill(values)])
        found += asked
    return found


@pytest.mark.parametrize("method", ["random", "genetic", "tpe", "nsga2"])
def test_one_seed_asks_for_the_same_within_the_axes(method: str) -> None:
    found = climbed(search_of(method, study(), 16, None), 64, 16)
    assert found == climbed(search_of(method, study(), 16, None), 64, 16)
    assert found != climbed(search_of(method, study(seed=6), 16, None), 64, 16)
    for values in found:
        assert 0 <= values["x"] <= 10
        assert values["y"] in range(1, 101)
        assert values["z"] in ("a", "b", "c")


@pytest.mark.parametrize(("method", "near"), [("genetic", -0.2), ("tpe", -0.5)])
def test_it_climbs_where_chance_does_not(method: str, near: float) -> None:
    bests = [
        max(hill(v) for v in climbed(search_of(name, study(seed=s), 20, None), 200, 20))
        for s in (1, 2, 3)
        for name in (method,)
    ]
    chance = [
        max(hill(v) for v in climbed(search_of("random", study(seed=s), 20, None), 200, 20))
        for s in (1, 2, 3)
    ]
    assert min(bests) > near
    assert sum(bests) > sum(chance)


def test_a_genetic_search_asks_for_nothing_twice_and_ends() -> None:
    small = study(vary={"a": [1, 2, 3], "b": [1, 2]})
    search = search_of("genetic", small, 4, None)
    found: list[dict[str, Any]] = []
    while asked := search.ask(4):
        for values in asked:
            search.tell(values, None if values["a"] == 2 else [float(values["b"])])
        found += asked
    assert len(found) == len({(v["a"], v["b"]) for v in found}) == 6


@pytest.mark.parametrize("method", ["genetic", "tpe"])
def test_what_fails_is_no_parent(method: str) -> None:
    search = search_of(method, study(), 10, None)
    for values in search.ask(10):
        search.tell(values, None)
    assert len(search.ask(10)) == 10


def test_how_far_a_value_is_beyond_a_bound() -> None:
    most, less, least, more = map(Constraint.of, ("a <= 5", "a < 5", "a >= 5", "a > 5"))
    assert [most.excess(v) for v in (3.0, 5.0, 7.5)] == [-2, 0, 2.5]
    assert [least.excess(v) for v in (3.0, 5.0, 7.5)] == [2, 0, -2.5]
    for strict in (less, more):
        assert strict.excess(5.0) == pytest.approx(0)
        for value in (3.0, 5.0, 7.5):
            found = strict.excess(value)
            assert found is not None
            assert (found > 0) != strict.keeps(value)
    assert most.excess(None) is most.excess(math.inf) is least.excess(math.nan) is None


def test_what_a_search_is_told_of_a_row() -> None:
    asked = study(objective=["net_pnl", "-fills"], constraints=["fills >= 30", "net_pnl < 9"])
    row = {"status": "complete", "net_pnl": 12.0, "fills": 20}
    assert weighed(row, asked) == ([12, -20], [10, 3])
    assert weighed({**row, "fills": 31, "net_pnl": 4.0}, asked) == ([4, -31], [-1, -5])
    for other in ({"fills": None}, {"net_pnl": math.nan}, {"status": "pruned"}):
        assert weighed({**row, **other}, asked) is None
    other = study(objective=["net_pnl"], constraints=["win_rate >= 0.5"])
    assert weighed({**row, "win_rate": None}, other) is None


@pytest.mark.parametrize("method", ["tpe", "nsga2"])
def test_how_far_trials_are_beyond_a_constraint_leads_to_those_that_keep_it(method: str) -> None:
    asked = {"vary": {"x": {"from": 0.0, "to": 100.0}, "y": {"from": 0.0, "to": 100.0}},
             "constraints": ["fills <= 4"]}  # fmt: skip

    def kept(told: bool) -> int:
        found = []
        for seed in (1, 2, 3):
            search = search_of(method, study(**asked, seed=seed), 10, None)
            for _ in range(12):
                for values in search.ask(10):
                    beyond = values["x"] - 4
                    if told:
                        assert isinstance(search, Weighing)
                        search.weigh(values, [values["x"]], [beyond])
                    else:
                        search.tell(values, None if beyond > 0 else [values["x"]])
                    found.append(beyond <= 0)
        return sum(found)

    assert kept(True) > 2 * kept(False)


def test_how_many_there_are() -> None:
    assert size_of(study(vary={"a": [1, 2], "b": {"from": 0, "to": 1, "step": 0.25}}).vary) == 10
    assert size_of(study(vary={"a": {"from": 1, "to": 9, "integer": True}}).vary) == 9
    assert size_of(study().vary) is None


@pytest.mark.parametrize(
    ("method", "given", "storage", "said"),
    [
        ("best", {}, None, "expected random, genetic, tpe or nsga2"),
        ("grid", {}, None, "tapewire sweep counts out grids"),
        ("genetic", {"objective": ["net_pnl", "-max_drawdown"]}, None, "nsga2 takes several"),
        ("genetic", {}, "sqlite:///x", "expected method tpe or nsga2"),
        ("tpe", {}, "nonsense", "--storage: expected the URL of a database .* found 'nonsense'"),
        ("tpe", {}, "sqlite:////no/where.db", "--storage: expected the URL of a database"),
    ],
)
def test_what_can_not_be_looked_for_so(
    method: str, given: Any, storage: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        search_of(method, study(**given), 8, storage)


def test_several_objectives_are_weighed() -> None:
    search = search_of("nsga2", study(objective=["net_pnl", "-max_drawdown"]), 12, None)
    for _ in range(5):
        for values in search.ask(12):
            search.tell(values, [values["x"], -values["x"] * math.sqrt(values["y"])])
    last = search.ask(12)
    assert len(last) == 12
