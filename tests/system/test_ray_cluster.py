"""Studies on a Ray cluster of three nodes: the rows of one machine, whatever is lost meanwhile."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import ConfigError, InterruptedRunError, PeerLostError
from tapewire.executors import Outcome, RayExecutor, SerialExecutor, Task
from tapewire.studies import (
    Study,
    StudyHooks,
    StudyProgress,
    apart,
    montecarlo,
    optimize,
    sweep,
    walkforward,
)
from tapewire.studies.session import StudySession

HERE = "tapewire.executors.trials"
VARY = {"max_inventory": [1, 3, 8], "network_latency_us": [20, 400]}
NODE = {"num_cpus": 1, "object_store_memory": 78 << 20}


def task(key: int, name: str, timeout_s: float = 60.0, **argument: Any) -> Task:
    return Task(key, f"{HERE}:{name}", argument, timeout_s)


def by_key(outcomes: Iterator[Outcome]) -> dict[int, Outcome]:
    return {outcome.key: outcome for outcome in outcomes}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            for _ in range(2):
                made.add_node(**NODE, wait=False)
            made.wait_for_nodes()
            yield made
        finally:
            made.shutdown()


@pytest.fixture(scope="module")
def ray_team(cluster: Any) -> Iterator[RayExecutor]:
    with RayExecutor(cluster.address) as executor:
        yield executor


def swept(data: Path, output: Path, **given: Any) -> Study:
    return sweep(data, VARY, strategies="market_maker", output=output, **given)


def _single(*arguments: Any, **given: Any) -> StudySession:
    return StudySession(*arguments, **given, trials_max=1)


@pytest.mark.long
def test_tasks_are_done_on_every_node_and_fail_as_anywhere(
    ray_team: RayExecutor, tmp_path: Path
) -> None:
    assert ray_team.workers == 3
    heard: list[tuple[int, Any]] = []
    tasks = [
        *(task(k, "sleep", seconds=1) for k in range(6)),
        task(6, "echo", value=[0.1, None, "x"]),
        task(7, "fail", message="no such thing"),
        task(8, "say", words=["a", "b"]),
        task(9, "die_once", mark=str(tmp_path / "mark"), value=5),
        task(10, "sleep", 0.5, seconds=60),
        task(11, "nothing_of_that_name"),
    ]
    got = by_key(ray_team.outcomes(tasks, lambda *said: heard.append(said)))
    assert len({got[k].where.partition("@")[2] for k in range(6)}) == 3
    assert [got[k].failure for k in range(6)] == [None] * 6
    assert got[6].value == [0.1, None, "x"]
    failures = {k: o.failure for k, o in got.items() if o.failure is not None}
    assert {k: (f.kind, f.error, f.exit_code) for k, f in failures.items()} == {
        7: ("raised", "ConfigError", 2),
        10: ("late", "TimeoutError", 1),
        11: ("raised", "ValueError", 1),
    }
    assert "no such thing" in failures[7].traceback
    assert heard == [(8, "a"), (8, "b")]
    assert (got[9].value, got[9].attempts) == (5, 2)


@pytest.mark.long
def test_tasks_that_wait_for_a_busy_cluster_are_given_up_in_time(cluster: Any) -> None:
    import ray

    with RayExecutor(cluster.address, 1, queue_timeout_s=2.0) as executor:
        cores = int(ray.cluster_resources()["CPU"])
        others = ray.util.placement_group([{"CPU": 1}] * cores)
        assert others.wait(30)
        began_s = time.monotonic()
        with pytest.raises(PeerLostError, match=r"a free core .* within 2 s, found all taken"):
            list(executor.outcomes([task(0, "echo", value=1)]))
        assert 2 <= time.monotonic() - began_s < 15
        ray.util.remove_placement_group(others)
        # One that is under way is no wait, however long it takes.
        assert by_key(executor.outcomes([task(1, "sleep", seconds=3)]))[1].failure is None


def test_a_node_with_other_content_is_refused(ray_team: RayExecutor, synthetic_file: Path) -> None:
    document = {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(synthetic_file)]},
        },
        "strategy": [{"type": "market_maker", "name": "mm"}],
    }
    from tapewire.config.loading import make_config

    config = make_config(document)
    given = apart.argument_of(config, {"mm": 1}, 10**9)
    assert [one["file"] for one in given["files"]] == [str(synthetic_file)]
    other = {**given, "files": [{**given["files"][0], "xxh3_128": "0" * 32}]}
    older = {**given, "software": {**given["software"], "sources": "0" * 16}}
    got = by_key(ray_team.outcomes([Task(0, apart.TASK, other), Task(1, apart.TASK, older)]))
    said = [got[k].failure for k in (0, 1)]
    assert [f and f.error for f in said] == ["ConfigError"] * 2
    assert f"{synthetic_file} on " in str(said[0])
    assert "expected xxh3_128 00000" in str(said[0])
    assert "expected sources 00000" in str(said[1])


@pytest.fixture(scope="module")
def alone(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return swept(
        synthetic_file, tmp_path_factory.mktemp("alone") / "s", executor=SerialExecutor()
    )  # fmt: skip


def test_a_sweep_is_that_of_one_machine_though_a_node_is_lost(
    cluster: Any, ray_team: RayExecutor, synthetic_file: Path, tmp_path: Path, alone: Study,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _single)
    killed: list[Any] = []

    def kill(progress: StudyProgress) -> None:
        if not killed:
            killed.append(next(iter(cluster.worker_nodes)))
            cluster.remove_node(killed[0], allow_graceful=False)

    found = swept(
        synthetic_file, tmp_path / "ray", executor=ray_team, hooks=StudyHooks(progress=kill)
    )
    assert killed
    assert found.trials.equals(alone.trials)
    assert found.blocks.equals(alone.blocks)
    assert found.digest == alone.digest
    assert 1 <= len(found.manifest["nodes"]) <= 3
    assert sum(found.manifest["nodes"].values()) == 6
    with pytest.raises(ConfigError, match="--keep-runs: expected workers of this machine"):
        swept(synthetic_file, tmp_path / "kept", executor=ray_team, keep_runs=True)


@pytest.mark.long
def test_a_sweep_that_is_stopped_leaves_the_cluster_and_goes_on(
    ray_team: RayExecutor, synthetic_file: Path, tmp_path: Path, alone: Study,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tapewire.studies.conducting.StudySession", _single)
    asked: dict[str, Any] = {"output": tmp_path / "ray", "executor": ray_team}

    def stop(progress: StudyProgress) -> None:
        if progress.trials == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="of 6 trials are done"):
        swept(synthetic_file, **asked, hooks=StudyHooks(progress=stop))
    began_s = time.monotonic()
    assert by_key(ray_team.outcomes([task(0, "echo", value=1)]))[0].value == 1
    assert time.monotonic() - began_s < 20  # no core is held by what was stopped
    found = swept(synthetic_file, **asked, resume=True)
    assert found.trials.equals(alone.trials)
    assert found.blocks.equals(alone.blocks)
    assert found.digest == alone.digest


@pytest.mark.long
def test_a_search_and_draws_are_those_of_one_machine(
    ray_team: RayExecutor, synthetic_file: Path, tmp_path: Path
) -> None:
    sought: dict[str, Any] = {
        "vary": {
            "max_inventory": {"from": 1, "to": 30, "integer": True}, "quantity": [1, 2, 3]
        },
        "strategies": "market_maker", "trials": 6, "batch": 3, "seed": 5, "block": 1,
    }  # fmt: skip
    drawn: dict[str, Any] = {
        "strategies": "market_maker", "draws": 3, "block": 1, "resamples": 40, "seed": 3,
        "perturb": {"seed": True, "latency": {"lognormal": 0.3}},
    }  # fmt: skip
    found, spread, windows = [], [], []
    for name, team in (("one", SerialExecutor()), ("ray", ray_team)):
        found.append(optimize(
            synthetic_file, output=tmp_path / name / "found", executor=team, **sought
        ))  # fmt: skip
        windows.append(walkforward(found[-1], train=2, test=1))
        spread.append(montecarlo(
            synthetic_file, output=tmp_path / name / "spread", executor=team, **drawn
        ))  # fmt: skip
    assert sum(found[1].manifest["nodes"].values()) > 0
    assert found[0].trials.equals(found[1].trials)
    assert found[0].blocks.equals(found[1].blocks)
    assert found[0].digest == found[1].digest
    assert windows[0].to_dict() == windows[1].to_dict()
    assert spread[0].digest == spread[1].digest
    assert spread[0].study.trials.equals(spread[1].study.trials)
    assert spread[0].bands.equals(spread[1].bands)
    with pytest.raises(ConfigError, match="--markets: expected workers of this machine"):
        montecarlo(
            synthetic_file, output=tmp_path / "markets", executor=ray_team, markets=1, **drawn
        )  # fmt: skip
    assert not (tmp_path / "markets").exists()
