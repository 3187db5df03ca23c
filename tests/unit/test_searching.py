"""What looks for the best: the same again for one seed, nothing twice, better than chance."""

import math
from typing import Any

import pytest

from tapewire.config.problems import Places
from tapewire.errors import ConfigError
from tapewire.studies.asking import settings_of
from tapewire.studies.searching import Search, search_of, size_of
from tapewire.studies.settings import StudySettings

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
