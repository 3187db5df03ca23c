"""Jobs of a server over the wire, and a team's ways of working from the command line."""

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from conftest import Tapewire, TapewireHere
from killing import heeding_ctrl_c
from served import PASSWORD
from serving import Serving, logged_in
from tapewire.services.client import Client, ServerRefusal
from tapewire.services.proto import (
    accounts_pb2,
    accounts_pb2_grpc,
    backtests_pb2,
    backtests_pb2_grpc,
    data_pb2,
    optimizer_pb2,
    optimizer_pb2_grpc,
)
from tapewire.store import JobEnd, JobProgress, Store

BARS = {"data": "bars.parquet"}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose jobs wait: the test does them, as a worker would."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "data" / "more").mkdir(parents=True)
    (folder / "data" / "bars.parquet").write_bytes(b"12345")
    (folder / "data" / "more" / "es.dbn.zst").write_bytes(b"1")
    (folder / "data" / "notes.txt").write_bytes(b"1")
    with Store.open(str(folder / "tapewire.db")) as store:
        store.add_dataset("ab" * 32, {"name": "ES 1h", "path": "/secret/place", "bars": 7})
    one = Serving(folder, folder / "data", 0)
    try:
        with one.client() as admin:
            stub = accounts_pb2_grpc.AuthServiceStub(grpc.insecure_channel(one.address))
            for role in ("viewer", "researcher", "trader"):
                code = accounts_pb2.Role.Value(f"ROLE_{role.upper()}")
                request = accounts_pb2.CreateUserRequest(
                    name=role, role=code, password=PASSWORD, idempotency_key=role
                )
                # Twice: the second one is answered, and does nothing.
                first = stub.CreateUser(request, metadata=bearer(admin))
                assert stub.CreateUser(request, metadata=bearer(admin)) == first
                request.email = "other@example.com"
                with pytest.raises(grpc.RpcError, match="was another request's"):
                    stub.CreateUser(request, metadata=bearer(admin))
        yield one
    finally:
        one.end()


def bearer(client: Client) -> tuple[tuple[str, str], ...]:
    assert client.credentials is not None
    return (("authorization", f"Bearer {client.credentials.access}"),)


@pytest.fixture
def store(serving: Serving) -> Iterator[Store]:
    with Store.open(str(serving.folder / "tapewire.db"), create=False) as opened:
        yield opened


def claimed(store: Store, job_id: int) -> int:
    """Claim jobs until it is this one; return its attempt."""
    while (job := store.claim_job("test", KINDS, lease_s=600)) is not None:
        if job.id == job_id:
            return job.attempt
    raise AssertionError(job_id)


KINDS = ("generate", "evolve", "test", "judge", "optimize")


def test_a_job_is_asked_once_for_a_key(serving: Serving) -> None:
    with serving.client("researcher") as client:
        settings = {"count": 3, "seed": 0, "constraints": {"max_indicators": 2}}
        job = client.generate(BARS, settings, key="once")
        assert (job.kind, job.owner, job.state, job.seq) == (
            "generate", "researcher", "waiting", 1,
        )  # fmt: skip
        assert client.generate(BARS, settings, key="once") == job
        assert client.job_asked(job.id) == {"bars": BARS, "settings": settings}
        with pytest.raises(ServerRefusal, match="'once' was another request's") as error:
            client.generate(BARS, {"count": 4}, key="once")
        assert (error.value.status, error.value.reason) == ("ALREADY_EXISTS", "KEY_REUSE")
        assert client.generate(BARS, settings).id != job.id
        stub = optimizer_pb2_grpc.OptimizerServiceStub(grpc.insecure_channel(serving.address))
        with pytest.raises(grpc.RpcError, match="idempotency_key: expected one of your choice"):
            stub.Start(optimizer_pb2.StartOptimizerRequest(), metadata=bearer(client))


def test_a_watcher_sees_each_change_until_the_end_and_goes_on_where_it_was(
    serving: Serving, store: Store
) -> None:
    with serving.client("researcher") as client:
        job = client.optimize(BARS, "sma_cross", ["fast=5:20:1"])
        seen: list[Any] = []
        began_s = time.monotonic()
        watcher = threading.Thread(target=lambda: seen.extend(client.watch_job(job.id)))
        watcher.start()
        attempt = claimed(store, job.id)
        for done in range(1, 41):
            told = JobProgress(done, 40, "variants")
            store.renew_job(job.id, attempt, lease_s=600, progress=told)
            time.sleep(0.02)
        rows = [{"fast": 5, "sharpe_annualised": 1.5, "calmar": "inf"}]
        result = {
            "strategy": "sma_cross", "parameters": ["fast"], "variants": 16, "best": rows,
            "objective": "sharpe_annualised", "elapsed_s": 0.5,
        }  # fmt: skip
        store.end_job(job.id, attempt, JobEnd("done", result))
        watcher.join(30)
        elapsed_s = time.monotonic() - began_s
        assert [one.seq for one in seen] == sorted({one.seq for one in seen})
        assert (seen[-1].state, seen[-1].progress) == ("done", 1.0)
        # Coalesced: four a second, the first and the last.
        assert 2 <= len(seen) <= 4 * elapsed_s + 2 < 42
        again = list(client.watch_job(job.id, after_seq=seen[-2].seq))
        assert again == seen[-1:]
        assert list(client.watch_job(job.id, after_seq=seen[-1].seq)) == seen[-1:]
        assert client.follow_job(job.id) == result
        stub = optimizer_pb2_grpc.OptimizerServiceStub(grpc.insecure_channel(serving.address))
        request = optimizer_pb2.GetOptimizerResultRequest(job_id=job.id)
        found = stub.GetResult(request, metadata=bearer(client))
        assert (found.variants, found.best[0].objective_value) == (16, 1.5)
        assert json.loads(found.best[0].parameters) == {"fast": 5}
        assert json.loads(found.best[0].metrics)["calmar"] == "inf"


def test_a_watch_may_have_a_deadline_and_be_left(serving: Serving) -> None:
    from tapewire.services.proto import jobs_pb2, jobs_pb2_grpc

    with serving.client("viewer") as client, serving.client("researcher") as owner:
        job = owner.generate(BARS, {})
        stub = jobs_pb2_grpc.JobServiceStub(grpc.insecure_channel(serving.address))
        request = jobs_pb2.WatchJobRequest(job_id=job.id)
        stream = stub.Watch(request, metadata=bearer(client), timeout=0.6)
        assert next(stream).job.id == job.id
        with pytest.raises(grpc.RpcError) as error:
            next(stream)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        stream = stub.Watch(request, metadata=bearer(client), timeout=30)
        next(stream)
        stream.cancel()
        assert client.job(job.id).state == "waiting"  # who watches has no say in it
        nobody = jobs_pb2.WatchJobRequest(job_id=10**9)
        with pytest.raises(grpc.RpcError, match="expected a job, found none with id"):
            next(stub.Watch(nobody, metadata=bearer(client), timeout=30))


def test_jobs_are_canceled_by_their_owners_and_administrators(
    serving: Serving, store: Store
) -> None:
    with serving.client("researcher") as owner, serving.client("trader") as other:
        job = owner.generate(BARS, {})
        with pytest.raises(ServerRefusal, match="expected its owner researcher or an admin") as no:
            other.cancel_job(job.id)
        assert (no.value.status, no.value.exit_code) == ("PERMISSION_DENIED", 2)
        assert owner.cancel_job(job.id).state == "canceled"
        with pytest.raises(ServerRefusal, match="was canceled by researcher") as ended:
            owner.follow_job(job.id)
        assert (ended.value.reason, ended.value.exit_code) == ("CANCELED", 130)
        runs = owner.generate(BARS, {})
        attempt = claimed(store, runs.id)
        with serving.client() as admin:
            assert admin.cancel_job(runs.id).state == "running"
        assert store.renew_job(runs.id, attempt, lease_s=600)
        listed, _ = other.jobs(state="running")
        assert runs.id in [one.id for one in listed]


def test_a_failure_is_the_commands_own(serving: Serving, store: Store) -> None:
    with serving.client("researcher") as client:
        job = client.run_backtest(BARS, ["12"])
        with pytest.raises(ServerRefusal, match="found waiting") as early:
            client.job_result(job.id)
        assert early.value.status == "FAILED_PRECONDITION"
        end = JobEnd("failed", None, "bars: expected more, found 1", "INPUT", 3)
        store.end_job(job.id, claimed(store, job.id), end)
        with pytest.raises(ServerRefusal, match=r"^bars: expected more, found 1$") as error:
            client.follow_job(job.id)
        assert (error.value.reason, error.value.exit_code) == ("INPUT", 3)
        stub = backtests_pb2_grpc.BacktestServiceStub(grpc.insecure_channel(serving.address))
        request = backtests_pb2.GetBacktestResultRequest(job_id=job.id)
        with pytest.raises(grpc.RpcError, match="bars: expected more") as told:
            stub.GetResult(request, metadata=bearer(client))
        assert dict(told.value.trailing_metadata())["tapewire-exit-code"] == "3"
        optimizers = optimizer_pb2_grpc.OptimizerServiceStub(grpc.insecure_channel(serving.address))
        other = optimizer_pb2.GetOptimizerResultRequest(job_id=job.id)
        with pytest.raises(grpc.RpcError, match="expected one of kind optimize, found test"):
            optimizers.GetResult(other, metadata=bearer(client))
        both = backtests_pb2.RunBacktestRequest(
            keys=["1"], where="trades > 1", idempotency_key="x", bars=data_pb2.Bars(**BARS)
        )
        with pytest.raises(grpc.RpcError, match="one of these only"):
            stub.Run(both, metadata=bearer(client))


def test_a_holdout_is_not_opened_again_by_itself(serving: Serving, store: Store) -> None:
    with serving.client("researcher") as client:
        once = client.judge(1, holdout=True)
        again = client.judge(1)
    assert store.job(once.id).attempts_max == 1
    assert store.job(again.id).attempts_max == 3


def test_data_are_listed_and_their_places_kept_back(serving: Serving) -> None:
    with serving.client("viewer") as client:
        datasets, files = client.datasets()
        assert [one["name"] for one in datasets] == ["ES 1h"]
        assert files == [("bars.parquet", 5), ("more/es.dbn.zst", 1)]
        found = client.dataset("ES 1h")
        assert found["bars"] == 7
        assert "/secret/place" not in json.dumps(found)
        with pytest.raises(ServerRefusal, match="found none called 'nothing'") as error:
            client.dataset("nothing")
        assert error.value.status == "NOT_FOUND"


# --- the ways of working --------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(900)
def test_generate_and_test_then_optimise_at_a_server(
    tapewire_here: TapewireHere,
    data_file: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seconds of ESH4 from its opening on: the same commands here and at a server say the same."""
    capture = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "served").mkdir()
    server = Serving(tmp_path / "served", capture.parent, 1)
    at = ("--server", server.address)
    bars = ("--interval", "1s", "--session", "23:30")
    try:
        logged_in(server)

        def both(*words: Any, data: tuple[str, ...] = (), code: int = 0) -> list[Any]:
            """Do a command here and there; return what each printed."""
            said = []
            for place, file in ((("--store", "s.db"), str(capture)), (at, capture.name)):
                more = ("-d", file, *data) if data else ()
                if words[0] == "candles":
                    place = at if place == at else ()
                    words_here = [file if word == "FILE" else word for word in words]
                else:
                    words_here = list(words)
                done = tapewire_here(*words_here, *more, *place)
                assert done.returncode == code, done.stderr
                said.append(done)
            return said

        made = both(
            "factory", "generate", "--count", 60, "--batch", 20, "--timeframes", "5s,1m",
            "--objective", "total_return", "--trades-min", 2, "--json", data=bars,
        )  # fmt: skip
        here, there = (json.loads(one.stdout) for one in made)
        assert "job 1 at " in made[1].stderr
        for name in ("id", "status", "method", "dataset", "batches", "trials", "digest", "best",
                     "not_judged"):  # fmt: skip
            assert here[name] == there[name], name
        for words in (
            ("factory", "list", "--sort", "return", "--limit", 5),
            ("factory", "list", "--where", "trades > 1", "--json"),
            ("factory", "show", here["best"][0][0]),
            ("factory", "export", here["best"][0][0], "--as", "text"),
        ):
            here_said, there_said = both(*words)
            assert here_said.stdout == there_said.stdout
            assert here_said.stdout
        tried = both("factory", "test", here["best"][0][0], "--json", data=bars)
        one, other = (json.loads(said.stdout) for said in tried)
        assert (one["rows"], one["bars"], one["part"]) == (
            other["rows"], other["bars"], other["part"],
        )  # fmt: skip
        best = both(
            "candles", "optimize", "FILE", "-s", "sma_cross", "-p", "fast=5:20:1", "-p",
            "slow=21:50:1", "--top", 3, "--interval", "1s", "--json",
        )  # fmt: skip
        assert best[0].stdout == best[1].stdout
        assert json.loads(best[1].stdout)["variants"] == 480
        wrong = both("factory", "test", "nobody", data=bars, code=7)
        assert "expected a strategy" in wrong[1].stderr
        assert wrong[1].stderr.splitlines()[-1].startswith("error: ")
        _jobs_are_told_of(tapewire_here, at)
    finally:
        server.end()


def _jobs_are_told_of(tapewire_here: TapewireHere, at: tuple[str, str]) -> None:
    listed = tapewire_here("jobs", "list", *at).stdout.splitlines()
    assert [line.split()[1:3] for line in listed[1:]] == [
        ["test", "failed"], ["optimize", "done"], ["test", "done"], ["generate", "done"],
    ]  # fmt: skip
    shown = tapewire_here("jobs", "show", 1, *at).stdout
    assert re.match(r"job 1 \(generate for dev\): done, .*generation 1\n", shown)
    followed = tapewire_here("jobs", "follow", 4, *at)
    assert followed.returncode == 7
    assert "expected a strategy" in followed.stderr
    assert tapewire_here("jobs", "cancel", 1, *at).stdout.startswith("job 1 (generate for dev): do")


SESSION = """\
backtest:
  data_source: {{type: synthetic, events: {events}, seed: 1}}
  replay: {{speed: {{accelerated: {speed}}}}}
strategy: {{type: market_maker}}
"""


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_session_at_a_server_from_the_command_line(
    tapewire_here: TapewireHere, tapewire: Tapewire, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One comes to the end of its files, one is ended by Ctrl-C: both are whole."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "served" / "data").mkdir(parents=True)
    for name, events, speed in (("short", 2_000, 20), ("long", 200_000, 1)):
        (tmp_path / f"{name}.yaml").write_text(SESSION.format(events=events, speed=speed))
    server = Serving(tmp_path / "served", tmp_path / "served" / "data", 1)
    try:
        logged_in(server)
        at = ("--server", server.address)
        told = tapewire_here("live", "short.yaml", *at)
        assert told.returncode == 0, told.stderr
        assert re.search(r"^run job-1\S* at .*: 2,\d{3} events, digest [0-9a-f]{64}$", told.stdout)
        assert "job 1 at " in told.stderr
        refused = tapewire_here("live", "short.yaml", *at, "--role", "live")
        assert (refused.returncode, "--role: expected without --server" in refused.stderr) == (
            2, True,
        )  # fmt: skip
        refused = tapewire_here("live", *at)
        assert "CONFIG: expected a YAML configuration with --server" in refused.stderr
        process = subprocess.Popen(
            tapewire.command("live", "long.yaml", *at), cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=heeding_ctrl_c,
        )  # fmt: skip
        with server.client() as client:
            until_s = time.monotonic() + 120
            while not any(job.id == 2 and job.steps_done for job in client.jobs()[0]):
                assert time.monotonic() < until_s
                time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert re.match("run job-2", said)
        assert "ended before its data" in error
    finally:
        server.end()
