"""Studies over real passes: one table however packed, whoever does them, whatever fails."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import tapewire as tw
from tapewire.errors import ConfigError, InterruptedRunError, MissingFileError
from tapewire.executors import ProcessExecutor, SerialExecutor
from tapewire.studies import Study, StudyHooks, StudyProgress, optimize, sweep
from tapewire.studies.session import StudySession

VARY = {"max_inventory": [1, 3, 8], "network_latency_us": [20, 400]}
#: Draws that depend on names and seeds.
RANDOM = {"backtest.execution.latency_model": {"type": "uniform"}}


def swept(data: Path, output: Path, **given: Any) -> Study:
    asked: dict[str, Any] = {"vary": VARY, "executor": SerialExecutor(), **given}
    return sweep(data, asked.pop("vary"), strategies="market_maker", output=output, **asked)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def study(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return swept(synthetic_file, tmp_path_factory.mktemp("study") / "s")


def test_a_row_for_each_trial_which_is_what_it_is_alone(
    study: Study, synthetic_file: Path, tmp_path: Path
) -> None:
    rows = study.trials.to_pylist()
    assert [row["trial"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [(r["max_inventory"], r["network_latency_us"]) for r in rows] == [
        (1, 20), (1, 400), (3, 20), (3, 400), (8, 20), (8, 400)
    ]  # fmt: skip
    assert len({row["digest"] for row in rows}) == 6
    alone = tw.run(
        synthetic_file,
        strategies={"type": "market_maker", "name": "x", "parameters": {"max_inventory": 3}},
        overrides={"backtest.execution.latency_model.network_latency_us": 400},
        output=tmp_path / "alone",
    )
    (total,) = [m for m in alone.metrics.to_pylist() if m["scope"] == "strategy"]
    for name in ("net_pnl", "fills", "max_drawdown", "markout_1s", "sample_pnl_deviation"):
        assert rows[3][name] == total[name]
    assert study.manifest["inputs"] == [
        {key: one[key] for key in ("file", "bytes", "xxh3_128", "records_used")}
        for one in alone.manifest["inputs"]
    ]


def test_blocks_add_up_to_the_whole(study: Study) -> None:
    blocks = study.blocks.to_pandas()
    trials = study.trials.to_pandas()
    for column in ("net_pnl", "fills", "volume"):
        sums = blocks.groupby("trial")[column].sum()
        assert sums.tolist() == trials[column].tolist()


def test_one_table_however_it_is_packed_and_whoever_does_it(
    synthetic_file: Path, study: Study, tmp_path: Path, pool: ProcessExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    again = swept(synthetic_file, tmp_path / "pool", executor=pool)
    assert again.trials.equals(study.trials)
    assert again.blocks.equals(study.blocks)
    assert again.digest == study.digest
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _small_passes)
    small = swept(synthetic_file, tmp_path / "small")
    assert small.trials.equals(study.trials)
    assert small.digest == study.digest


def _small_passes(*arguments: Any, **given: Any) -> StudySession:
    return StudySession(*arguments, **given, trials_max=1)


@pytest.mark.long
def test_draws_of_models_do_not_depend_on_the_packing(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"vary": {"backtest.seed": [1, 2], "max_inventory": [2, 5]},
                             "overrides": RANDOM}  # fmt: skip
    together = swept(synthetic_file, tmp_path / "together", **asked)
    assert len(set(together.trials["digest"].to_pylist())) == 4
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _small_passes)
    apart = swept(synthetic_file, tmp_path / "apart", **asked)
    assert apart.trials.equals(together.trials)


def test_any_row_can_be_run_again(study: Study, tmp_path: Path) -> None:
    config = study.config(4)
    result = tw.run(config, output=tmp_path / "row")
    study.require_same(4, result.manifest["digests"])
    with pytest.raises(tw.TapewireError, match="expected digest"):
        study.require_same(3, result.manifest["digests"])
    with pytest.raises(ConfigError, match="expected a trial from 1 to 6, found 7"):
        study.config(7)


def test_what_is_best_and_what_is_kept(study: Study) -> None:
    best = study.best(2)
    money = [pnl / 1e9 for pnl in study.trials["net_pnl"].to_pylist()]
    assert best[0]["net_pnl"] == max(money)
    assert study.manifest["best"] == {"trial": best[0]["trial"]}
    assert study.to_pandas()["net_pnl"].tolist() == money
    assert not (study.path / "parts").exists()
    assert not (study.path / ".work").exists()
    with pytest.raises(MissingFileError, match="expected a complete study"):
        Study(study.path / "nowhere")


def test_a_study_of_which_nobody_keeps_all_has_a_page(synthetic_file: Path, tmp_path: Path) -> None:
    found = swept(
        synthetic_file, tmp_path / "s", vary={"quantity": [1]}, constraints=["fills >= 1e9"]
    )
    assert found.best() == []
    assert "no trial has the objective and keeps all" in (found.path / "report.html").read_text()


BROKEN = """
import tapewire as tw


class Broken(tw.Strategy):
    at: int = tw.parameter(0, doc="trades until it breaks; 0: never")

    def on_start(self, ctx):
        self.seen = 0

    def on_trade(self, ctx, trade):
        self.seen += 1
        if self.seen == self.at:
            raise ValueError("enough")
"""


def test_a_trial_that_raises_fails_alone(
    synthetic_file: Path, tmp_path: Path, pool: ProcessExecutor
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    found = sweep(
        synthetic_file, {"at": [0, 5, 3]}, strategies=str(tmp_path / "broken.py") + ":Broken",
        output=tmp_path / "s", executor=pool,
    )  # fmt: skip
    rows = found.trials.to_pylist()
    assert [row["status"] for row in rows] == ["complete", "failed", "failed"]
    assert found.manifest["failed"] == 2
    assert "enough" in rows[1]["error"]
    assert "on_trade" in rows[1]["traceback"]
    assert rows[0]["error"] is None
    assert rows[1]["net_pnl"] is None


def test_a_study_that_is_stopped_goes_on(
    synthetic_file: Path, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _small_passes)
    place = tmp_path / "s"

    def stop(progress: StudyProgress) -> None:
        if progress.trials == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="2 of 6 trials are done") as raised:
        swept(synthetic_file, place, hooks=StudyHooks(progress=stop))
    assert raised.value.exit_code == 130
    kept = sorted(path.name for path in (place / "parts").iterdir())
    assert len(kept) == 4
    before = {path: path.stat().st_mtime_ns for path in (place / "parts").iterdir()}
    told: list[int] = []
    again = swept(
        synthetic_file, place, resume=True,
        hooks=StudyHooks(progress=lambda p: told.append(p.trials)),
    )  # fmt: skip
    assert told[0] == 2
    assert before
    assert again.trials.equals(study.trials)
    assert again.digest == study.digest


def test_data_that_change_meanwhile_are_refused(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _small_passes)
    data = tmp_path / "day.dbn"
    shutil.copy(synthetic_file, data)

    def change(progress: StudyProgress) -> None:
        if progress.trials == 1:
            content = data.read_bytes()
            data.write_bytes(content[:-56])

    with pytest.raises(ConfigError, match=r"day\.dbn changed while the study went on"):
        swept(data, tmp_path / "s", vary={"quantity": [1, 2]}, hooks=StudyHooks(progress=change))


def test_recorded_latencies_that_change_meanwhile_are_refused(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _small_passes)
    recording = tmp_path / "orders.csv"
    rows = "req_ts,exch_ts,resp_ts\n1,1001,2001\n"
    recording.write_text(rows)
    model = {"type": "recorded", "file": str(recording)}

    def change(progress: StudyProgress) -> None:
        if progress.trials == 1:
            recording.write_text(rows.replace("1001", "1002"))

    with pytest.raises(ConfigError, match=r"orders\.csv changed while the study went on"):
        swept(
            synthetic_file, tmp_path / "s", vary={"quantity": [1, 2]},
            overrides={"backtest.execution.latency_model": model},
            hooks=StudyHooks(progress=change),
        )  # fmt: skip


def test_data_that_change_before_it_goes_on_are_refused(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _small_passes)
    data = tmp_path / "day.dbn"
    shutil.copy(synthetic_file, data)
    asked: dict[str, Any] = {"vary": {"quantity": [1, 2]}}

    def stop(progress: StudyProgress) -> None:
        if progress.trials == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        swept(data, tmp_path / "s", hooks=StudyHooks(progress=stop), **asked)
    data.write_bytes(data.read_bytes()[:-56])
    with pytest.raises(ConfigError, match=r"day\.dbn changed .*--force begins it anew"):
        swept(data, tmp_path / "s", resume=True, **asked)


def test_a_worker_that_is_killed_is_replaced(
    synthetic_file: Path, study: Study, tmp_path: Path, pool: ProcessExecutor
) -> None:
    killed: list[int] = []

    def kill(progress: StudyProgress) -> None:
        if not killed:
            killed.append(pool.pids[0])
            os.kill(pool.pids[0], signal.SIGKILL)

    again = swept(synthetic_file, tmp_path / "s", executor=pool, hooks=StudyHooks(progress=kill))
    assert killed
    assert again.digest == study.digest


def test_the_files_say_what_they_are(study: Study) -> None:
    schema = pq.read_schema(study.path / "trials.parquet")
    assert schema.field("net_pnl").metadata[b"unit"] == b"1e-9 currency"
    assert schema.names[:5] == [
        "trial", "status", "digest", "max_inventory", "network_latency_us"
    ]  # fmt: skip
    assert json.loads(study.trials["values"][2].as_py()) == {
        "max_inventory": 3, "network_latency_us": 20
    }  # fmt: skip
    plan = json.loads((study.path / "study.json").read_text())
    assert plan["study"]["vary"] == VARY


def test_a_search_is_one_study_however_it_is_stopped(synthetic_file: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "vary": {"max_inventory": {"from": 1, "to": 9, "integer": True}, "quantity": [1, 2]},
        "strategies": "market_maker", "trials": 8, "batch": 4, "executor": SerialExecutor(),
        "constraints": ["fills >= 1"],
    }  # fmt: skip
    whole = optimize(synthetic_file, output=tmp_path / "whole", **asked)
    rows = whole.trials.to_pylist()
    assert [row["trial"] for row in rows] == list(range(1, 9))
    assert len({(row["max_inventory"], row["quantity"]) for row in rows}) == 8
    assert whole.manifest["kind"] == "optimize"

    def stop(progress: StudyProgress) -> None:
        if progress.trials == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError, match="4 of 8 trials are done"):
        optimize(synthetic_file, output=tmp_path / "s", hooks=StudyHooks(progress=stop), **asked)
    again = optimize(synthetic_file, output=tmp_path / "s", resume=True, **asked)
    assert again.trials.equals(whole.trials)
    assert again.digest == whole.digest
