"""The client's calls over the wire: each call of the services has one, and gives plain values."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from served import PASSWORD, SEALING, Inner, inner_server
from served_runs import CONFIG, HOSTILE, ended_run
from stores import filled, hash_of
from tapewire.analytics import load_run
from tapewire.errors import ConfigError, MissingFileError, OutputError
from tapewire.services.client import Client, ServerRefusal
from tapewire.services.proto import (
    accounts_pb2,
    backtests_pb2,
    data_pb2,
    health_pb2,
    jobs_pb2,
    keys_pb2,
    live_pb2,
    optimizer_pb2,
    runs_pb2,
    strategies_pb2,
)

PROTOCOL = (
    accounts_pb2, backtests_pb2, data_pb2, health_pb2, jobs_pb2, keys_pb2, live_pb2,
    optimizer_pb2, runs_pb2, strategies_pb2,
)  # fmt: skip
#: What these give is in a job's result.
IN_RESULTS = {"BacktestService/GetResult", "OptimizerService/GetResult"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "data").mkdir()
    (folder / "data" / "day.dbn").write_bytes(b"DBN nothing")
    given: dict[str, Any] = {name: folder / name for name in ("data", "runs")}
    with inner_server(folder, {"ada": "admin"}, secret_keys=SEALING, **given) as inner:
        inner.ids = [ended_run(inner, folder / "runs", k) for k in range(2)]  # type: ignore[attr-defined]
        filled(inner.store, 3)
        yield inner


@pytest.fixture
def client(served: Inner) -> Iterator[Client]:
    with Client(served.address) as opened:
        opened.login("ada", PASSWORD)
        yield opened


@pytest.fixture
def run(served: Inner) -> int:
    return int(served.ids[1])  # type: ignore[attr-defined]


def test_each_call_of_the_services_is_one_of_the_clients(repo: Path) -> None:
    source = "".join(path.read_text() for path in (repo / "services" / "client").glob("*.py"))
    for file in PROTOCOL:
        for service in file.DESCRIPTOR.services_by_name.values():
            stub = f"{service.name}Stub"
            assert stub in source
            for method in service.methods:
                if f"{service.name}/{method.name}" not in IN_RESULTS:
                    assert re.search(rf'[.("]{method.name}\b', source), method.full_name


def test_a_run_is_asked_for_once_for_a_key_and_is_among_the_runs(client: Client, run: int) -> None:
    job = client.start_run(CONFIG, key="mine")
    assert (job.kind, job.state) == ("run", "waiting")
    assert client.start_run(CONFIG, key="mine").id == job.id
    assert [one.id for one in client.runs(state="waiting")] == [job.id]
    assert run in [one.id for one in client.runs()]
    with pytest.raises(ServerRefusal, match=r"backtest\.seed: expected") as error:
        client.start_run("backtest: {seed: -1}")
    assert (error.value.status, error.value.exit_code) == ("INVALID_ARGUMENT", 2)
    with pytest.raises(ServerRefusal, match="watch it"):
        client.run_result(job.id)
    client.cancel_job(job.id)


def test_a_configuration_is_checked_both_ways(client: Client) -> None:
    told = client.describe_runs()
    assert "backtest" in told["schema"]["properties"]
    assert client.check_run(told["example"])["problems"] == []
    found = client.check_run(CONFIG)
    assert found["json"]["backtest"]["data_source"] == {"type": "synthetic", "events": 1000}
    found["json"]["backtest"]["seed"] = -1
    (problem,) = client.check_run(found["json"])["problems"]
    assert problem.endswith("backtest.seed: expected at least 0, found -1")
    assert client.check_run("backtest: [")["json"] is None
    session = client.describe_sessions()
    assert client.check_session(session["example"])["problems"] == []
    assert client.check_session({"strategy": {"type": 3}})["problems"]


def test_what_came_of_a_run_is_read_as_its_report_has_it(client: Client, run: int) -> None:
    found = client.run_result(run)
    assert "events: 1001" in found["config"]
    assert "Net P&L" in [one["name"] for one in found["result"]["tiles"]]
    price = client.run_chart(run, "price", points_max=100)
    assert price["fills"][0]["order"] == HOSTILE
    assert price["fills_total"] == len(price["fills"]) == 2
    line = price["lines"][0]
    assert len(line["ts_ns"]) == len(line["values"]) > 0
    half = client.run_chart(run, "equity", last_ns=price["whole_first_ns"])
    assert half["last_ns"] < price["last_ns"]
    fills = list(client.run_fills(run, page_size=1))
    assert [one["lots"] for one in fills] == [2, -1]
    assert fills == list(client.run_fills(run))
    with pytest.raises(ServerRefusal, match="chart") as error:
        client.run_chart(run, "map")
    assert error.value.status == "INVALID_ARGUMENT"
    with pytest.raises(ServerRefusal, match="expected a job, found none"):
        next(client.run_fills(10**9))


def test_files_of_a_run_are_written_here_whole(
    served: Inner, client: Client, run: int, tmp_path: Path
) -> None:
    runs = served.server._settings.runs
    assert runs is not None
    (there,) = runs.glob(f"job-{run}-*")
    (there / "note.txt").write_text(f"read {runs.parent}/data/day.dbn")
    sizes = {one["name"]: one["size_bytes"] for one in client.run_files(run)}
    assert sizes == {path.name: path.stat().st_size for path in there.iterdir()}
    paths = client.save_run(run, tmp_path / "mine")
    assert paths[-1].name == "manifest.json"
    for path in paths:
        if path.name == "note.txt":
            assert path.read_text() == "read day.dbn"
        else:
            assert path.read_bytes() == (there / path.name).read_bytes()
    assert load_run(tmp_path / "mine").status == "complete"
    with pytest.raises(OutputError, match="expected none of the run's files there, found"):
        client.save_run(run, tmp_path / "mine")
    assert client.save_run(run, tmp_path / "mine", force=True) == paths
    with pytest.raises(OutputError, match="expected no file there, found one"):
        client.save_run_file(run, "fills.parquet", paths[0])
    for name in ("../served.db", "/etc/passwd", "", ".hidden"):
        with pytest.raises(ServerRefusal, match="expected one of its files, ") as error:
            client.save_run_file(run, name, tmp_path / "other")
        assert error.value.reason == "MISSING_FILE"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_a_large_file_comes_in_parts(
    served: Inner, client: Client, run: int, tmp_path: Path
) -> None:
    runs = served.server._settings.runs
    assert runs is not None
    (there,) = runs.glob(f"job-{run}-*")
    large = there / "large.bin"
    for size in (0, 1 << 20, (1 << 20) + 1):
        large.write_bytes(random.Random(size).randbytes(size))
        path = client.save_run_file(run, "large.bin", tmp_path / str(size))
        assert path.read_bytes() == large.read_bytes()
    large.unlink()


def test_runs_are_compared_drawn_again_and_held_against_a_file(
    served: Inner, client: Client, run: int, tmp_path: Path
) -> None:
    ids = served.ids  # type: ignore[attr-defined]
    assert len(client.compare_runs(ids)["names"]) == 2
    assert "it takes at least" in client.run_spread(ids[0], resamples=10)["methods"][0]["why_not"]
    runs = served.server._settings.runs
    assert runs is not None
    (folder,) = runs.glob(f"job-{run}-*")
    assert client.reconcile_run(run, folder / "fills.parquet", within="2s")
    with pytest.raises(MissingFileError, match=r"gone\.csv: expected a file of fills"):
        client.reconcile_run(run, tmp_path / "gone.csv")
    with pytest.raises(ServerRefusal) as error:
        client.explain_order(run, "nothing")
    assert error.value.reason != "BUG"


def test_strategies_have_results_and_searches_a_story(client: Client) -> None:
    found = client.strategy_results(hash_of(1)[:12])
    assert [(one["kind"], one["sharpe"], one["is_latest"]) for one in found] == [
        ("search", 0.1, True),
    ]  # fmt: skip
    assert isinstance(found[0]["metrics"], dict)
    assert re.match(r"20\d\d-", found[0]["tested_at"])
    with pytest.raises(ServerRefusal):
        client.strategy_chart(hash_of(1)[:12], found[0]["id"])
    with pytest.raises(ServerRefusal, match="99"):
        client.generation(99)
    with pytest.raises(ServerRefusal, match="expected a job, found none"):
        client.keep_variant(10**9, {"fast": 5})


def test_files_are_looked_into_by_jobs(client: Client) -> None:
    for job in (
        client.inspect_file("day.dbn"), client.check_file("day.dbn"),
        client.plot_file("day.dbn", symbol="ESU4", start="2024-01-01"),
        client.derive_file("day.dbn", "trades", symbols=["ESU4"], output="t.dbn"),
    ):  # fmt: skip
        assert job.state == "waiting"
        assert client.job_asked(job.id)["data"] == "day.dbn"
        client.cancel_job(job.id)
    assert job.kind == "derive"


def test_an_administrator_has_users_and_what_they_did(served: Inner, client: Client) -> None:
    vera = client.add_user("vera", "viewer", PASSWORD, email="vera@example.com", key="v")
    assert (vera["role"], vera["disabled"], vera["email"]) == ("viewer", False, "vera@example.com")
    assert client.add_user("vera", "viewer", PASSWORD, email="vera@example.com", key="v") == vera
    with pytest.raises(ServerRefusal, match="'v' was another request's"):
        client.add_user("vera", "viewer", PASSWORD + "!", email="vera@example.com", key="v")
    assert [one["name"] for one in client.users(page_size=1)] == ["ada", "vera"]
    assert client.set_user(vera["id"], role="trader")["role"] == "trader"
    with pytest.raises(ConfigError, match="role: expected one of viewer, researcher, trader, admi"):
        client.add_user("nobody", "god", PASSWORD)
    entries = list(client.audit(page_size=1))
    assert [one["id"] for one in entries] == sorted((one["id"] for one in entries), reverse=True)
    assert any(one["what"] == "add_user vera" and one["who"] == "ada" for one in entries)
    with Client(served.address) as other:
        other.login("vera", PASSWORD)
        with pytest.raises(ServerRefusal, match="expected a role that may administer"):
            next(other.users())
        kept = other.add_key("paper", "venue", b"a secret")
        assert other.keys() == [kept]
        other.remove_key("paper")
        assert other.keys() == []
    assert client.set_user(vera["id"], disabled=True)["disabled"]
