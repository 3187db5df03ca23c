"""What a study says it tries: axes, trials, passes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.cli.study_options import DataOptions, TrialOptions
from tapewire.cli.studying import asked_study
from tapewire.config.loading import make_config
from tapewire.config.problems import Places
from tapewire.config.strategies import limits_in_force
from tapewire.errors import ConfigError, MissingFileError, OutputError
from tapewire.studies.asking import settings_of
from tapewire.studies.axes import Trial, combinations, count, value_of
from tapewire.studies.base import Base
from tapewire.studies.conducting import plan_of
from tapewire.studies.folder import EARLIER, StudyFolder, read_plan
from tapewire.studies.passes import placed
from tapewire.studies.planning import passes_of
from tapewire.studies.settings import StudySettings
from tapewire.studies.table import Ranking, column_names

BASE = {
    "backtest": {
        "data_source": {"type": "synthetic", "events": 64},
        "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
    },
    "strategy": [{"type": "market_maker", "name": "mm"}],
}


def study(**given: Any) -> StudySettings:
    return settings_of(given, Places("study.yaml"))


def listed(**given: Any) -> list[dict[str, Any]]:
    return [dict(values) for values in combinations(study(**given))]


def planned(trials: list[dict[str, Any]], document: Any = BASE) -> list[Any]:
    base = Base(document, list(trials[0]))
    return [base.planned(Trial(k, values)) for k, values in enumerate(trials, 1)]


def test_a_grid_counts_out_the_last_first() -> None:
    vary = {"a": [1, 2], "b": {"from": 0.5, "to": 1.5, "step": 0.5}}
    assert [tuple(one.values()) for one in listed(vary=vary)] == [
        (1, 0.5), (1, 1), (1, 1.5), (2, 0.5), (2, 1), (2, 1.5)
    ]  # fmt: skip
    assert count(study(vary=vary)) == 6


@pytest.mark.parametrize(
    ("trials", "asked", "given"),
    [(1, None, 65_536), (4, None, 65_536), (5, None, 52_428), (64, None, 4_096), (64, 9, 9)],
)
def test_batches_are_the_shorter_the_more_strategies_share_them(
    trials: int, asked: int | None, given: int
) -> None:
    replay = {} if asked is None else {"batch_records": asked}
    document = {**BASE, "backtest": {**BASE["backtest"], "replay": replay}}  # type: ignore[dict-item]
    (one,) = passes_of(planned([{"quantity": k} for k in range(1, trials + 1)], document), 1)
    for alone in (True, False):
        assert placed(one.config, alone=alone).backtest.replay.batch_records == given


def test_what_is_drawn_depends_on_its_number_and_the_seed_alone() -> None:
    vary = {"a": {"from": 1, "to": 3, "integer": True}, "b": {"from": 1, "to": 100, "log": True},
            "c": ["x", "y"]}  # fmt: skip
    few = listed(vary=vary, method="random", draws=50, seed=3)
    many = listed(vary=vary, method="random", draws=400, seed=3)
    assert many[:50] == few
    assert few != listed(vary=vary, method="random", draws=50, seed=4)
    assert {one["a"] for one in many} == {1, 2, 3}
    assert {one["c"] for one in many} == {"x", "y"}
    assert all(1 <= one["b"] <= 100 for one in many)
    below_ten = sum(one["b"] < 10 for one in many)
    assert 150 < below_ten < 250  # half of a logarithm's range


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,5", [1, 2, 5]),
        ("0.5", [0.5]),
        ("true,false", [True, False]),
        ("fifo,lifo", ["fifo", "lifo"]),
        ("2024-03-04,2024-03-05", ["2024-03-04", "2024-03-05"]),
        ("1:9:2", {"from": 1, "to": 9, "step": 2}),
        ("1:9", {"from": 1, "to": 9, "integer": True}),
        ("0.5:2", {"from": 0.5, "to": 2, "integer": False}),
    ],
)
def test_an_axis_as_it_is_typed(text: str, values: object) -> None:
    assert value_of(text) == values


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "something to vary"),
        ({"vary": {"a": []}}, "study.vary.a"),
        ({"vary": {"a": {"from": 2, "to": 1}}}, "a to of at least 2"),
        ({"vary": {"a": {"from": 0, "to": 1, "step": 0.3}}}, "reached from 0 in steps of 0.3"),
        ({"vary": {"a": {"from": 0, "to": "1e99999999", "step": 1}}}, "numbers from 1e-30 to 1e30"),
        ({"vary": {"a": {"from": 0, "to": 1, "step": "1e-99999999"}}}, "numbers from 1e-30 to"),
        ({"vary": {"a": {"from": 0, "to": "1e29", "step": 1}}}, "at most 100,000 values"),
        ({"vary": {"a": {"from": 0, "to": 1, "log": True}}}, "above 0"),
        ({"vary": {"a": [1]}, "method": "best"}, "study.method"),
        ({"method": "list"}, "trials"),
        ({"vary": {"a": [1]}, "trials": [{"a": 1}]}, "method list"),
        ({"vary": {"a": [1]}, "constraints": ["fills"]}, "like fills >= 30"),
        ({"vary": {"a": [1]}, "dras": 3}, "study.dras: unknown key, did you mean 'draws'?"),
        ({"vary": {"a": {"form": 1, "to": 2, "from": 0}}}, "a.form: unknown key, did you mean 'fr"),
        ({"vary": {"a": {"from": 1, "to": 9, "step": 0}}}, "step: expected more than 0, found 0"),
        ({"vary": {"a": [1]}, "method": "gird"}, "'grid', 'random' or 'list', found 'gird'"),
        ({"vary": {"a": [1]}, "constraints": ["fills"]}, "study.constraints: expected a metric, <"),
        ({"vary": {"a": [1]}, "block": 0}, "expected day, or minutes from 1 to 1,440, found 0"),
        ({"vary": {"a": [1]}, "block": True}, "expected day, or minutes from 1 to 1,440, found t"),
        ({"vary": {"a": [1]}, "draws": 3}, "study.draws: expected method random with it, found gr"),
    ],
)
def test_a_study_that_is_none_is_refused_in_one_sentence(given: Any, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        study(**given)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_was_typed_is_called_as_it_was_typed(tmp_path: Path) -> None:
    given: dict[str, Any] = {"inputs": [tmp_path / "day.mbo.dbn"],
                             "data": DataOptions(strategy="market_maker")}  # fmt: skip

    def asked(vary: list[str], more: dict[str, Any] | None = None, **trials: Any) -> None:
        asked_study(**given, trials=TrialOptions(vary=vary, **trials), given=more or {})

    for trials, said in (
        ({"vary": ["quantity=2:1"]}, "--vary quantity: expected a to of at least 2, found 1"),
        ({"vary": ["quantity=1"], "block": "0"}, "--block: expected day, or minutes"),
        ({"vary": ["quantity=1"], "constraint": ["x"]}, "--constraint: expected a metric, <"),
        ({"vary": ["quantity=1"], "more": {"draws": 2}}, "--draws: expected method random with"),
        ({"vary": ["quantity=1"], "seed": "x"}, "--seed: .*found 'x'"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"^{said}"):
            asked(**trials)  # type: ignore[arg-type]
    # A study over data that are not there would have as many rows as trials, and all failed.
    with pytest.raises(MissingFileError, match=r"day\.mbo\.dbn: expected market data, found no s"):
        asked(["quantity=1,2"])


def test_a_range_without_steps_is_no_grid_and_too_many_are_none() -> None:
    with pytest.raises(ConfigError, match="a range without one"):
        count(study(vary={"a": {"from": 1, "to": 2}}))
    with pytest.raises(ConfigError, match="at most 1,000,000 trials"):
        count(study(vary={"a": list(range(1001)), "b": list(range(1000))}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("max_inventry", "did you mean 'max_inventory'"),
        ("type", "may be backtest."),
    ],
)
def test_a_name_that_is_none_is_told(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Base(BASE, [name])
    assert said in str(raised.value)


def test_a_value_that_is_wrong_is_told_with_its_trial() -> None:
    with pytest.raises(ConfigError, match=r"trial 2 \(max_inventory x\): .*a whole number"):
        planned([{"max_inventory": 1}, {"max_inventory": "x"}])
    with pytest.raises(ConfigError, match=r"trial 1 \(network_latency_us -1\)"):
        planned([{"network_latency_us": -1}])
    with pytest.raises(ConfigError, match=r"trial 1 .*has no 'sed', did you mean 'seed'"):
        planned([{"backtest.sed": 1}])
    with pytest.raises(ConfigError, match="a date like 2024-03-04"):
        planned([{"day": "tomorrow"}])
    two = {**BASE, "strategy": [{"type": "market_maker"}, {"type": "sma_crossover"}]}
    with pytest.raises(ConfigError, match="expected one strategy to vary, found market_maker, sma"):
        planned([{"quantity": 1}], two)
    grid = {**BASE, "strategy": [{"type": "market_maker", "parameters": {"quantity": [1, 2]}}]}
    with pytest.raises(ConfigError, match="found a grid"):
        planned([{"max_inventory": 1}], grid)


def test_values_get_where_they_belong() -> None:
    trials = [
        {"max_inventory": 3, "network_latency_us": 7, "backtest.seed": 5, "day": "2024-03-04"},
        {"max_inventory": 4, "network_latency_us": 8, "backtest.seed": 6, "day": "2024-03-05"},
    ]
    document = {
        "backtest": {"data_source": {"type": "databento", "files": [__file__]}},
        "strategy": [{"type": "market_maker", "name": "mm"}],
    }
    first, second = planned(trials, document)
    alone = second.alone
    assert alone.strategy[0].name == "mm.2"
    assert alone.strategy[0].parameters["max_inventory"] == 4
    assert alone.backtest.seed == 6
    assert alone.backtest.execution.latency_model.given["network_latency_us"] == 8
    source: Any = alone.backtest.data_source
    assert (source.end - source.start, source.start // (86_400 * 10**9)) == (86_400 * 10**9, 19787)
    assert first.group != second.group  # not the same data


def test_models_share_a_pass_and_keep_their_own() -> None:
    trials: list[dict[str, Any]] = [
        {"network_latency_us": us, "quantity": q, "backtest.seed": s}
        for us in (1, 2) for q in (1, 2) for s in (7, 8)
    ]  # fmt: skip
    (one,) = passes_of(planned(trials), workers=1)
    entries = one.config.strategy
    assert [entry.name for entry in entries] == [f"mm.{k}" for k in range(1, 9)]
    assert [entry.seed for entry in entries] == [7, 8] * 4
    for entry, trial in zip(entries, trials, strict=True):
        assert entry.execution is not None
        assert entry.execution.latency_model is not None
        given = entry.execution.latency_model.given
        assert given["network_latency_us"] == trial["network_latency_us"]
        assert entry.parameters["quantity"] == trial["quantity"]


@pytest.mark.parametrize(
    "own",
    [
        {"portfolio": {"max_loss": 10}},
        {"shared": "venue"},
    ],
)
def test_who_depends_on_others_runs_alone(own: dict[str, Any]) -> None:
    document = json.loads(json.dumps(BASE))
    if "portfolio" in own:
        document["backtest"]["portfolio_limits"] = own["portfolio"]
    else:
        document["strategy"][0]["execution"] = {"shared_book": own["shared"]}
    found = passes_of(planned([{"quantity": 1}, {"quantity": 2}], document), workers=1)
    assert [len(one.trials) for one in found] == [1, 1]


@given(
    sizes=st.lists(st.integers(1, 70), min_size=1, max_size=6),
    workers=st.integers(1, 8),
    most=st.integers(1, 30),
)
@settings(max_examples=80)
def test_passes_have_each_trial_once_and_work_for_all(
    sizes: list[int], workers: int, most: int
) -> None:
    class One:
        def __init__(self, number: int, group: str) -> None:
            self.trial, self.group = Trial(number, {}), group

    ones: list[Any] = []
    for k, size in enumerate(sizes):
        ones += [One(len(ones) + i + 1, str(k)) for i in range(size)]
    found = passes_of(ones, workers, most)
    numbers = sorted(p.trial.number for one in found for p in one.trials)
    assert numbers == list(range(1, len(ones) + 1))
    assert all(len(one.trials) <= most for one in found)
    assert all(len({p.group for p in one.trials}) == 1 for one in found)
    assert len({one.name for one in found}) == len(found)
    if len(sizes) == 1:
        assert len(found) >= min(workers, len(ones))


def test_columns_are_called_by_their_last_part_where_that_is_free() -> None:
    names = ["quantity", "a.b.us", "c.us", "fills"]
    assert column_names(names) == {
        "quantity": "quantity", "a.b.us": "vary.a.b.us", "c.us": "vary.c.us", "fills": "vary.fills",
    }  # fmt: skip


def test_the_best_keeps_what_it_must() -> None:
    settings = study(vary={"a": [1]}, objective=["-max_drawdown"], constraints=["fills >= 2"])
    ranking = Ranking(settings.objectives[0], settings.kept)
    rows = [
        {"trial": 1, "max_drawdown": 3 * 10**9, "fills": 5},
        {"trial": 2, "max_drawdown": 2 * 10**9, "fills": 5},
        {"trial": 3, "max_drawdown": 1 * 10**9, "fills": 1},
        {"trial": 4, "max_drawdown": None, "fills": 9},
        {"trial": 5, "max_drawdown": 2 * 10**9, "fills": 2},
    ]
    for row in reversed(rows):
        ranking.note(row)
    assert ranking.best is not None
    assert (ranking.best["trial"], ranking.best["max_drawdown"]) == (2, 2.0)
    assert [row["trial"] for row in ranking.order(rows)] == [2, 5, 1]


def test_a_folder_does_not_go_on_with_trials_of_other_code(tmp_path: Path) -> None:
    place, mine = tmp_path / "study", tmp_path / "mine.py"
    document = BASE | {"strategy": [{"type": f"{mine}:Mine"}]}
    settings = StudySettings.model_validate({"vary": {"count": [1, 2]}})

    def planned(side: str) -> dict[str, Any]:
        mine.write_text(
            "import tapewire as tw\n"
            "class Mine(tw.Strategy):\n"
            '    count: int = tw.parameter(1, "Lots", minimum=1)\n'
            "    def on_trade(self, trade, context):\n"
            f"        context.submit(tw.{side}, 1)\n"
        )
        return plan_of("sweep", make_config(document), settings)

    plan = planned("BUY")
    with StudyFolder(place, plan) as folder:
        (folder.parts / "1.parquet").touch()
    with pytest.raises(
        ConfigError,
        match=rf"trials of other code, strategy_sources\.{mine} was .* and is .*--force",
    ):
        StudyFolder(place, planned("SELL"), resume=True)
    newer = plan | {"versions": plan["versions"] | {"numpy": "0.1"}}
    with pytest.raises(ConfigError, match=r'versions\.numpy was ".*" and is "0\.1": .*--force'):
        StudyFolder(place, newer, resume=True)
    with StudyFolder(place, planned("BUY"), resume=True) as folder:
        assert len(folder.done()) == 1


def test_the_file_of_a_model_in_its_own_process_is_code_of_a_study(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"

    def sources(text: str) -> dict[str, str]:
        mine.write_text(text)
        document = BASE | {"strategy": [{"type": "external", "model": f"{mine}:Mine"}]}
        asked = StudySettings.model_validate({"vary": {"count": [1, 2]}})
        plan = plan_of("sweep", make_config(document), asked)
        return dict(plan["strategy_sources"])

    one = sources("class Mine: pass\n")
    assert list(one) == [str(mine)]
    assert sources("class Mine: ...\n") != one == sources("class Mine: pass\n")


def test_a_folder_that_does_not_say_its_code_is_not_gone_on_with(tmp_path: Path) -> None:
    place = tmp_path / "study"
    with StudyFolder(place, {"study": 1}) as folder:
        (folder.parts / "1.parquet").touch()
    told = {"study": 1, "versions": {"numpy": "0.1"}, "strategy_sources": {}}
    with pytest.raises(ConfigError, match=r"other code, versions was nothing and is .*--force"):
        StudyFolder(place, told, resume=True)


def test_a_folder_holds_one_study(tmp_path: Path) -> None:
    place = tmp_path / "study"
    with StudyFolder(place, {"study": 1}):
        for _ in range(2):  # who is refused leaves the lock as it is
            with pytest.raises(OutputError, match="another study is"):
                StudyFolder(place, {"study": 1})
    with pytest.raises(OutputError, match="--resume goes on with it"):
        StudyFolder(place, {"study": 1})
    with pytest.raises(ConfigError, match="holds another study, study differs"):
        StudyFolder(place, {"study": 2}, resume=True)
    with StudyFolder(place, {"study": 1}, resume=True) as folder:
        (folder.parts / "1.parquet").touch()
    with StudyFolder(place, {"study": 2}, force=True) as folder:
        assert folder.done() == []
        folder.finish({"status": "complete"})
    with pytest.raises(OutputError, match="holds a study: choose another"):
        StudyFolder(place, {"study": 2})
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"holds mine\.txt"):
        StudyFolder(other, {"study": 1}, force=True)
    assert (other / "mine.txt").read_text() == "precious"


def in_force(trials: list[dict[str, Any]]) -> list[Any]:
    """What each trial's strategy runs with, as a worker reads the configuration of its pass."""
    (one,) = passes_of(planned(trials), workers=1)
    config = make_config(json.loads(json.dumps(one.config.to_dict())))
    return [(entry, config.backtest) for entry in config.strategy]


def test_what_one_trial_has_the_others_of_its_pass_have_not() -> None:
    limits = "backtest.risk_limits.max_loss"
    with_limit, without = in_force([{limits: 100}, {limits: None}])
    for (entry, backtest), expected in ((with_limit, 100), (without, None)):
        assert (limits_in_force(entry, backtest) or backtest.risk_limits).max_loss == expected
    gateway = "backtest.execution.gateway"
    bound, free = in_force([{gateway: {"max_messages_per_second": 5}}, {gateway: None}])
    assert bound[0].execution.gateway.max_messages_per_second == 5
    assert free[0].execution.gateway is None
    assert free[1].execution.gateway is None


def test_trials_that_are_sampled_otherwise_share_no_pass() -> None:
    found = passes_of(planned([{"sample_interval_s": 1}, {"sample_interval_s": 5}]), workers=1)
    assert [len(one.trials) for one in found] == [1, 1]


def test_a_parameter_may_be_given_by_its_whole_key() -> None:
    first, second = planned(
        [{"strategy.mm.parameters.quantity": 2}, {"strategy.mm.parameters.quantity": 3}]
    )
    assert first.entry.parameters["quantity"] == 2
    assert second.entry.parameters["quantity"] == 3
    assert first.config is second.config


def finished_study(place: Path) -> dict[str, bytes]:
    """A complete study, with a run that was kept; its files as they are."""
    with StudyFolder(place, {"study": 1}) as folder:
        folder.runs.mkdir()
        (folder.runs / "1").write_text("kept")
        (place / "trials.parquet").write_text("rows")
        folder.finish({"status": "complete"})
    return contents(place)


def contents(place: Path) -> dict[str, bytes]:
    files = (path for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


def test_a_complete_study_stays_until_another_one_is_complete(tmp_path: Path) -> None:
    place = tmp_path / "s"
    before = finished_study(place)
    with StudyFolder(place, {"study": 2}, force=True):  # and nothing is done
        assert not (place / "manifest.json").exists()
    assert contents(place) == before
    # Once something is done it can be gone on with, and the earlier one is still there.
    with StudyFolder(place, {"study": 2}, force=True) as folder:
        (folder.parts / "1.parquet").touch()
    earlier = place / EARLIER
    assert contents(earlier) == before
    with StudyFolder(place, {"study": 3}, force=True) as folder:
        assert folder.done() == []
        (folder.parts / "1.parquet").touch()
    assert contents(earlier) == before
    with StudyFolder(place, {"study": 3}, resume=True) as folder:
        folder.finish({"status": "complete"})
    assert not earlier.exists()
    assert set(contents(place)) == {"study.json", "manifest.json"}


def _full(*_: object) -> None:
    raise OutputError("the disk is full")


def test_a_study_that_fails_leaves_no_tables_and_nothing_in_the_way(tmp_path: Path) -> None:
    place, plan = tmp_path / "s", {"study": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tapewire.studies.folder.atomic_write", _full)
        with pytest.raises(OutputError, match="is full"):
            StudyFolder(place, plan)
    assert not place.exists()
    with StudyFolder(place, plan) as folder:
        (folder.parts / "1.parquet").touch()
        for name in ("trials.parquet", "blocks.parquet", "report.html", "market-model.json"):
            (place / name).touch()
    kept = ["market-model.json", "parts", "passes", "study.json"]
    assert sorted(path.name for path in place.iterdir()) == kept
    with StudyFolder(place, plan, resume=True) as folder:
        assert len(folder.done()) == 1


@pytest.mark.parametrize("resume", [False, True])
def test_who_is_refused_a_folder_leaves_all_of_it(tmp_path: Path, resume: bool) -> None:
    """Also one that another study has just begun to replace a complete one in."""
    place = tmp_path / "s"
    finished_study(place)
    with StudyFolder(place, {"study": 2}, force=True) as folder:
        before = contents(place)
        for _ in range(2):  # the first one frees no lock for the second
            with pytest.raises(OutputError, match="another study is being written there"):
                StudyFolder(place, {"study": 2}, force=not resume, resume=resume)
            assert contents(place) == before
        (folder.parts / "1.parquet").touch()
    assert read_plan(place) == {"study": 2}


def test_first_days_of_trials_count_as_begun(tmp_path: Path) -> None:
    """What a look has played lies in a folder of its own; stopped there, it can be gone on with."""
    place = tmp_path / "s"
    before = finished_study(place)
    with StudyFolder(place, {"study": 2}, force=True) as folder:
        assert "no trial was done yet, so" in folder.stopped(0, 64)
    assert contents(place) == before
    with StudyFolder(place, {"study": 2}, force=True) as folder:
        look = folder.parts / "days-00001"
        look.mkdir()
        (look / "0000001-64.parquet").write_text("64 trials over the first day")
        assert folder.stopped(0, 64) == (
            f"stopped: 0 of 64 trials are done and kept in {place}, and the first days of others; "
            "the same command with --resume goes on"
        )
    assert contents(place / EARLIER) == before
    with StudyFolder(place, {"study": 2}, resume=True) as folder:
        assert (folder.parts / "days-00001" / "0000001-64.parquet").exists()
        (folder.parts / "1.parquet").touch()
        assert folder.stopped(1, None).startswith(
            f"stopped: 1 trials are done and kept in {place};"
        )


@pytest.mark.parametrize("moves", range(6))
def test_a_study_that_was_killed_as_it_was_moved_is_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    place = tmp_path / "s"
    before = finished_study(place)
    real, left = Path.rename, [moves]

    def rename(self: Path, target: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(StudyFolder, "close", lambda self: os.close(self._lock))  # as a kill would
        if moves < 5:  # of four things that it has, and of all of them
            with pytest.raises(KeyboardInterrupt):
                StudyFolder(place, {"study": 2}, force=True)
        else:
            StudyFolder(place, {"study": 2}, force=True).close()
            (place / "study.json").unlink()  # as if it had come no further
    with pytest.raises(OutputError, match="holds a study: choose another"):
        StudyFolder(place, {"study": 2})
    assert contents(place) == before


def test_a_study_that_is_begun_anew_keeps_no_runs_of_the_old(tmp_path: Path) -> None:
    with StudyFolder(tmp_path / "s", {"study": 1}) as folder:
        folder.runs.mkdir()
        (folder.runs / "old").touch()
    with StudyFolder(tmp_path / "s", {"study": 2}, force=True) as folder:
        assert not folder.runs.exists()
