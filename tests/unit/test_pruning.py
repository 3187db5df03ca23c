"""Which trials go on, decided by hand; what can't be pruned."""

from pathlib import Path
from typing import Any

import pytest

from tapewire.config.loading import make_config
from tapewire.config.problems import Places
from tapewire.errors import ConfigError
from tapewire.studies.asking import settings_of
from tapewire.studies.pruning import Pruning, halved, rungs_of, until
from tapewire.studies.searching import Pruner, search_of
from tapewire.studies.settings import Constraint, Objective, StudySettings

INF, NAN = float("inf"), float("nan")


def study(**given: Any) -> StudySettings:
    return settings_of({"vary": {"x": {"from": 0.0, "to": 1.0}}, "seed": 5, **given}, Places())


@pytest.mark.parametrize(
    ("factor", "scores", "kept"),
    [
        (2, [1.0, 4.0, 3.0, 2.0], [False, True, True, False]),
        (2, [1.0, 4.0, 3.0], [False, True, True]),  # two of three: rounded up
        (3, [1.0, 4.0, 3.0], [False, True, False]),
        (2, [5.0, 5.0, 5.0, 5.0], [True, True, False, False]),  # of equals the first
        (2, [None, 1.0, None, -9.0], [False, True, False, True]),  # no value: behind all others
        (2, [None, None], [True, True]),  # nobody can say: all go on
        (2, [], []),
    ],
)
def test_halving_by_hand(factor: int, scores: list[Any], kept: list[bool]) -> None:
    assert halved(factor)(1, [{}] * len(scores), scores) == kept


def test_the_median_of_optuna_is_that_of_what_was_played_to_the_end() -> None:
    search = search_of("tpe", study(), 10, None, Pruning("median"), [(1, "2024-03-05")])
    assert isinstance(search, Pruner)
    first = search.ask(6)
    scores = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert search.decide(1, first, scores) == [True] * 6  # nothing was played to the end yet
    for values, score in zip(first, scores, strict=True):
        search.tell(values, [score])
    second = search.ask(4)
    # The median of the first six after a day is 2.5.
    assert search.decide(1, second, [2.4, 2.6, None, 9.0]) == [False, True, True, True]
    search.prune(second[0])
    for values in second[1:]:
        search.tell(values, [9.0])
    assert len(search.ask(3)) == 3


@pytest.mark.parametrize("pruner", ["halving", "median", "hyperband"])
def test_pruners_of_optuna_decide_the_same_again(pruner: str) -> None:
    def decided() -> list[list[bool]]:
        rungs = [(1, "2024-03-05"), (2, "2024-03-06"), (4, "2024-03-08")]
        search = search_of("tpe", study(), 12, None, Pruning(pruner), rungs)
        assert isinstance(search, Pruner)
        found = []
        for _ in range(4):
            left = search.ask(12)
            for days, _ in rungs:
                on = search.decide(days, left, [v["x"] * days for v in left])
                found.append(list(on))
                for values, stays in zip(left, on, strict=True):
                    if not stays:
                        search.prune(values)
                left = [v for v, stays in zip(left, on, strict=True) if stays]
            for values in left:
                search.tell(values, [values["x"] * 8])
        return found

    first = decided()
    assert first == decided()
    assert {on for one in first for on in one} == {True, False}


def config(**source: Any) -> Any:
    return make_config(
        {
            "backtest": {"data_source": source or {"type": "synthetic", "events": 64}},
            "strategy": [{"type": "market_maker"}],
        }
    )


@pytest.mark.parametrize(
    ("given", "pruning", "said"),
    [
        ({}, Pruning("halving"), "expected market data files"),
        ({}, Pruning("worst"), "expected halving, median or hyperband, found 'worst'"),
        ({"vary": {"day": ["2024-03-04"]}}, Pruning("halving"), "over the same data, found day"),
        ({"objective": ["net_pnl", "fills"]}, Pruning("halving"), "one objective with it, found 2"),
    ],
)
def test_what_can_not_be_pruned_is_said(given: Any, pruning: Pruning, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rungs_of(config(), study(**given), pruning)


def test_one_day_is_too_few(synthetic_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"more than 1 days \(--prune-after\).*found 1"):
        rungs_of(config(type="databento", files=[str(synthetic_file)]), study(), Pruning("halving"))


def test_what_a_search_of_its_own_is_not_asked() -> None:
    with pytest.raises(ConfigError, match="expected method tpe or nsga2 with it, found genetic"):
        search_of("genetic", study(), 8, None, Pruning("median"))
    with pytest.raises(ConfigError, match="hyperband: expected no --storage"):
        search_of("tpe", study(), 8, "sqlite://", Pruning("hyperband"), [(1, "2024-03-05")])


def test_an_earlier_end_leaves_all_else() -> None:
    document = {"backtest": {"data_source": {"type": "databento", "end": None}, "seed": 1}}
    assert until(document, "2024-03-05") == {
        "backtest": {
            "data_source": {"type": "databento", "end": "2024-03-05T00:00Z"}, "seed": 1
        }
    }  # fmt: skip
    assert document["backtest"]["data_source"] == {"type": "databento", "end": None}


@pytest.mark.parametrize("value", [None, NAN, INF, -INF])
def test_what_is_no_finite_number_is_never_best_and_keeps_nothing(value: float | None) -> None:
    assert Objective.of("sharpe").score({"sharpe": value}) is None
    assert Objective.of("-sharpe").score({"sharpe": value}) is None
    for text in ("sharpe < 500", "sharpe >= -500"):
        assert not Constraint.of(text).keeps(value)


def test_bounds_by_hand() -> None:
    kept = Constraint.of("max_drawdown < 500")
    assert [kept.keeps(v) for v in (499.9, 500.0, 500.1)] == [True, False, False]
    assert [Constraint.of("fills >= 30").keeps(v) for v in (29, 30)] == [False, True]
