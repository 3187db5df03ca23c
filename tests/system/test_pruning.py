"""A search whose hopeless trials are not played to the end, held against all of them played."""

import datetime as dt
import os
import signal
import statistics
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.errors import ConfigError, InterruptedRunError
from tapewire.executors import SerialExecutor
from tapewire.replay.markets.files import write_market
from tapewire.replay.markets.market import MarketPlan
from tapewire.studies import Study, StudyHooks, StudyProgress, optimize, sweep
from tapewire.studies.session import StudySession

VARY = {"max_inventory": {"from": 1, "to": 40, "integer": True}, "quantity": [1, 2]}


ASKED: dict[str, Any] = {
    "vary": VARY, "method": "random", "trials": 12, "batch": 6, "seed": 3, "prune": "halving",
    "executor": SerialExecutor(),
}  # fmt: skip


def _single(*arguments: Any, **given: Any) -> StudySession:
    return StudySession(*arguments, **given, trials_max=1)


FIRST_DAY = dt.date(2024, 3, 18)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Four days of one future, twelve minutes each."""
    days = tmp_path_factory.mktemp("market") / "days"
    write_market(
        days, MarketPlan(days=4, instruments=1, events=40_000, seed=7, hours=0.2,
                         first_day=FIRST_DAY)
    )  # fmt: skip
    return {"files": [str(days / "*.dbn.zst")], "strategies": "market_maker"}


@pytest.fixture(scope="module")
def pruned(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Study:
    return optimize(output=tmp_path_factory.mktemp("pruned") / "s", **data, **ASKED)


@pytest.mark.long
def test_halving_is_what_the_days_say(data: dict[str, Any], pruned: Study, tmp_path: Path) -> None:
    rows = pruned.trials.to_pylist()
    trials = [pruned.values(k) for k in range(1, 13)]

    # The twin: every trial over one, two and all days, and the better half of each six kept.
    def over(count: int) -> Study:
        end = (FIRST_DAY + dt.timedelta(count)).isoformat() + "T00:00Z"
        return sweep(
            **data, method="list", trials=trials, output=tmp_path / f"over-{count}",
            end=None if count == 4 else end, executor=SerialExecutor(),
        )  # fmt: skip

    played = {count: over(count).trials.to_pylist() for count in (1, 2, 4)}
    for begin in (0, 6):
        left = list(range(begin, begin + 6))
        for count in (1, 2):
            order = sorted(left, key=lambda k: (-played[count][k]["net_pnl"], k))
            stays = order[: -(-len(left) // 2)]
            for k in sorted(set(left) - set(stays)):
                last = (FIRST_DAY + dt.timedelta(count - 1)).isoformat()
                assert (rows[k]["status"], rows[k]["days"], rows[k]["last_day"]) == (
                    "pruned", count, last
                )  # fmt: skip
                assert rows[k]["digest"] == played[count][k]["digest"]
                assert rows[k]["net_pnl"] == played[count][k]["net_pnl"]
            left = sorted(stays)
        for k in left:
            assert (rows[k]["status"], rows[k]["days"]) == ("complete", None)
            assert rows[k]["digest"] == played[4][k]["digest"]
    states = [row["status"] for row in rows]
    assert (states.count("pruned"), states.count("complete")) == (8, 4)
    assert pruned.manifest["pruned"] == 8
    best = pruned.best(12)
    assert len(best) == 4
    assert pruned.manifest["best"] == {"trial": best[0]["trial"]}
    assert pruned.luck.why_not.startswith("8 trials were given up")

    # A pruned row by itself has its digest, too.
    number = states.index("pruned") + 1
    alone = tw.run(pruned.config(number), output=tmp_path / "row")
    pruned.require_same(number, alone.manifest["digests"])


@pytest.mark.long
def test_one_table_however_it_is_packed_and_wherever_it_was_stopped(
    data: dict[str, Any], pruned: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _single)
    monkeypatch.setattr("tapewire.studies.pruning.StudySession", _single)
    asked: dict[str, Any] = {"output": tmp_path / "again", **data, **ASKED}

    def stop(progress: StudyProgress) -> None:
        if progress.trials >= 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        optimize(hooks=StudyHooks(progress=stop), **asked)
    with pytest.raises(ConfigError, match=r"--resume: .* holds another study, prune differs"):
        optimize(resume=True, **{**asked, "prune": None})
    again = optimize(resume=True, **asked)
    assert again.trials.equals(pruned.trials)
    assert again.blocks.equals(pruned.blocks)
    assert again.digest == pruned.digest


@pytest.mark.long
def test_who_is_behind_earlier_trials_is_given_up_by_day(
    data: dict[str, Any], tmp_path: Path
) -> None:
    """The twin goes by lots in days of what was played: the first six are held against nobody."""
    study = optimize(
        output=tmp_path / "s",
        **data,
        **{**ASKED, "prune": "median", "prune_every": 1, "objective": "-volume"},
    )
    made: dict[int, list[int]] = {}
    for row in study.blocks.sort_by([("trial", "ascending"), ("block", "ascending")]).to_pylist():
        made.setdefault(row["trial"], []).append(row["volume"])
    rows = study.trials.to_pylist()
    assert [row["status"] for row in rows[:6]] == ["complete"] * 6
    for row in rows[6:]:
        days = None
        for count in (1, 2, 3):
            before = statistics.median(sum(made[k][:count]) for k in range(1, 7))
            if sum(made[row["trial"]][:count]) > before:
                days = count
                break
        assert row["days"] == days
        assert row["status"] == ("complete" if days is None else "pruned")
    assert study.manifest["pruned"] == sum(row["status"] == "pruned" for row in rows) > 0
    assert "random" in (study.path / "report.html").read_text()
