"""Which trials go on, decided by hand; what can't be pruned."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from tapewire.config.loading import make_config
from tapewire.config.problems import Places
from tapewire.errors import ConfigError
from tapewire.studies import report
from tapewire.studies.asking import settings_of
from tapewire.studies.pruning import ENDED_MIN, Behind, Pruning, halved, rungs_of, until
from tapewire.studies.searching import Pruner, search_of
from tapewire.studies.settings import Constraint, Objective, StudySettings
from tapewire.studies.table import Ranking

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


def test_who_is_behind_by_hand() -> None:
    """Five were played to the end, after a day they had 0, 1, 2, 3, 4: median 2, quarter 1."""
    for share, kept in ((0.5, [False, False, True, True]), (0.25, [False, True, True, True])):
        rule = Behind(share)
        first = [{"x": k} for k in range(ENDED_MIN + 1)]
        # Nobody was before them; the last is stopped by something else, and does not count.
        assert rule.decide(1, first, [0.0, 1.0, 2.0, 3.0, 4.0, 99.0]) == [True] * 6
        rule.ended(first[:ENDED_MIN])
        second = [{"x": 10 + k} for k in range(4)]
        assert rule.decide(1, second, [0.9, 1.0, 2.0, None]) == kept
        # Of two days nothing is known yet: those of the batch itself do not count.
        assert rule.decide(2, second, [-9.0, -9.0, -9.0, -9.0]) == [True] * 4
        rule.ended(second[1:3])
        # After a day there are 0, 1, 1, 2, 2, 3, 4 now.
        third = [{"x": 20 + k} for k in range(2)]
        bound = 2.0 if share == 0.5 else 1.0
        assert rule.decide(1, third, [bound - 0.1, bound]) == [False, True]


def test_four_are_too_few_to_be_held_against() -> None:
    rule = Behind(0.5)
    first = [{"x": k} for k in range(ENDED_MIN - 1)]
    rule.decide(1, first, [5.0] * len(first))
    rule.ended(first)
    assert rule.decide(1, [{"x": 9}], [-1.0]) == [True]


@pytest.mark.parametrize(
    ("pruning", "looks"),
    [
        (Pruning("halving"), [1, 2, 4]),
        (Pruning("halving", after=2, factor=3), [2, 6]),
        (Pruning("median", every=1), [1, 2, 3, 4, 5, 6]),
        (Pruning("median", after=2, every=3), [2, 5]),
    ],
)
def test_days_of_the_looks(
    pruning: Pruning, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [dt.date(2024, 3, 4) + dt.timedelta(k) for k in range(7)]
    monkeypatch.setattr("tapewire.studies.pruning.days_in", lambda source: days)
    found = rungs_of(config(type="databento", files=["x.dbn"]), study(), pruning)
    # The day that is not played is the one behind those that are.
    assert found == [(played, days[played].isoformat()) for played in looks]


def test_what_is_not_said_of_pruning_is_not_in_the_plan() -> None:
    assert Pruning("halving").to_dict() == {"pruner": "halving", "after": 1, "factor": 2}
    assert Pruning("median", every=2).to_dict()["every"] == 2


@pytest.mark.parametrize(("pruner", "bound"), [("median", 2.5), ("quartile", 1.25)])
def test_who_is_behind_by_optuna_is_so_among_those_that_were_played_to_the_end(
    pruner: str, bound: float
) -> None:
    search = search_of("tpe", study(), 10, None, Pruning(pruner), [(1, "2024-03-05")])
    assert isinstance(search, Pruner)
    first = search.ask(6)
    scores = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert search.decide(1, first, scores) == [True] * 6  # nothing was played to the end yet
    for values, score in zip(first, scores, strict=True):
        search.tell(values, [score])
    second = search.ask(4)
    # Of the first six after a day: 0 to 5.
    given = [bound - 0.1, bound + 0.1, None, 9.0]
    assert search.decide(1, second, given) == [False, True, True, True]
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
        ({}, Pruning("worst"), "expected halving, median, quartile or hyperband, fo"),
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
        search_of("genetic", study(), 8, None, Pruning("hyperband"))
    with pytest.raises(ConfigError, match="hyperband: expected no --storage"):
        search_of("tpe", study(), 8, "sqlite://", Pruning("hyperband"), [(1, "2024-03-05")])


def test_a_map_has_no_figures_of_fewer_days(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(report, "heat_maps", lambda variants, *_: shown.extend(variants) or [])
    rows = [
        {"trial": k, "status": status, "net_pnl": k * 10**9, "a": k % 2, "b": 0}
        for k, status in enumerate(["complete", "complete", "pruned", "failed", "complete"], 1)
    ]
    report._maps(rows, ["a", "b"], Ranking(Objective.of("net_pnl")))
    assert [one["strategy_id"] for one in shown] == ["5", "2"]


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
