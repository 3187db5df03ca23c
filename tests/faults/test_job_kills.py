"""Workers and servers killed at random moments: no job lost, none with effect twice.

Whoever waits for a job sees it through: the client goes on with a stream that was lost.
"""

import base64
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from factories import contents, walk_file
from seeds import play_seeds
from soaking import Soak
from stores import Databases
from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import read_bars
from tapewire.factory.searching import generate
from tapewire.runs.served_session import EXAMPLE
from tapewire.services.auth.passwords import PasswordHasher
from tapewire.services.client import Client, ServerJob, ServerRefusal
from tapewire.store import JobRecord, Store

#: Kills of each in the full form.
KILLS = 30
KILLS_LONG = 2
#: Of a server with two workers.
JOBS = 8
VICTIMS = ("worker", "work", "server")
PASSWORD = "correct horse battery"
ENDED_S = 400.0
SETTINGS = {"count": 240, "batch": 4, "timeframes": ["15m", "1h"], "trades_min": 3}
#: Distinct for each host, as ports of servers that start again have to be.
PORT = 50_200 + os.getpid() % 10_000


@dataclass
class Team:
    """A server and a worker, each started again when it was killed."""

    folder: Path
    store: str
    workers: int = 0
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{PORT}"

    def start(self, name: str) -> None:
        more = {
            "server": ["serve", "--address", self.address, "--workers", str(self.workers)],
            "worker": ["worker", "--lease", "2", "--jobs", "1"],
        }[name]
        command = [sys.executable, "-m", "tapewire", *more, "--data", "."]
        environment = {
            **os.environ, "TAPEWIRE_TOKEN_SECRET": base64.b64encode(bytes(32)).decode(),
            "TAPEWIRE_STORE": self.store,
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env=environment
            )

    def kill(self, victim: str) -> int:
        """Kill one of them; return its pid, 0 if there is none."""
        pid = self.processes["worker" if victim == "work" else victim].pid
        if victim == "work":
            pid = next(iter(children_of(pid)), 0)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if victim != "work":
            self.processes[victim].wait()
            self.start(victim)
        return pid

    def end(self) -> None:
        for process in self.processes.values():
            for pid in children_of(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()


def children_of(pid: int) -> list[int]:
    """Processes that any thread of a process has started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


@contextlib.contextmanager
def team(
    folder: Path, store: str = "", role: str = "researcher", *, workers: int = 0
) -> Iterator[Team]:
    """Start a server, and a worker beside it unless the server has its own."""
    one = Team(folder, store or str(folder / "team.db"), workers)
    with Store.open(one.store) as opened:
        opened.add_user("ada", role, PasswordHasher().hashed(PASSWORD), by="test")
    try:
        for name in ("server",) if workers else ("server", "worker"):
            one.start(name)
        yield one
    finally:
        one.end()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, float]:
    """What the same search comes to where nobody is killed, and how long it takes."""
    folder = tmp_path_factory.mktemp("unbroken")
    bars = read_bars(walk_file(folder / "bars.parquet"))
    settings = FactorySettings(count=240, batch=4, timeframes=("15m", "1h"), trades_min=3)
    generate(bars, FactorySettings(count=8, timeframes=("15m", "1h")), store=str(folder / "w.db"))
    found = generate(bars, settings, store=str(folder / "whole.db"), jobs=1)
    return folder / "whole.db", found.digest, found.elapsed_s


def logged_in(one: Team) -> Client:
    client = Client(one.address)
    until_s = time.monotonic() + ENDED_S
    while True:
        try:
            client.login("ada", PASSWORD)
        except Exception:
            assert time.monotonic() < until_s
            time.sleep(0.2)
        else:
            return client


def play_kill(
    unbroken: tuple[Path, str, float], folder: Path, store: str, victim: str, seed: int
) -> int:
    """Ask for a search, kill one process at a moment that the seed says; return attempts."""
    draw = random.Random(f"{victim} {seed}")
    folder.mkdir()
    walk_file(folder / "bars.parquet")
    with team(folder, store) as one, logged_in(one) as client:
        seen: list[ServerJob] = []
        came: list[Any] = []
        job = client.generate({"data": "bars.parquet"}, SETTINGS, key="once")

        def follow() -> None:
            came.append(client.follow_job(job.id, seen.append))

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        until_s = time.monotonic() + ENDED_S
        while not any(shown.state == "running" for shown in seen):
            assert time.monotonic() < until_s
            time.sleep(0.02)
        time.sleep(draw.random() * (unbroken[2] + 6.0))
        one.kill(victim)
        follower.join(ENDED_S)
        assert came, (victim, seed, seen[-1:])
        # Asked again with its key, it is the job that is done already.
        assert client.generate({"data": "bars.parquet"}, SETTINGS, key="once").id == job.id
        assert [shown.seq for shown in seen] == sorted(shown.seq for shown in seen)
    assert came[0]["digest"] == unbroken[1]
    with Store.open(one.store) as opened:
        (only,) = opened.jobs()
        assert only.state == "done"
    # PostgreSQL gives a number to what is not kept, too.
    ids = not store
    found, expected = contents(one.store, ids=ids), contents(unbroken[0], ids=ids)
    for name in ("generations", "batches", "strategies", "backtest_results", "verdicts"):
        assert found[name] == expected[name], (victim, seed, name)
    assert [row[-1] for row in found["datasets"]] == [row[-1] for row in expected["datasets"]]
    return only.attempt


@pytest.mark.long
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("victim", VICTIMS)
def test_few_kills_while_a_job_is_done(
    unbroken: tuple[Path, str, float], tmp_path: Path, victim: str
) -> None:
    play_seeds(
        f"test_few_kills_while_a_job_is_done and {victim}", KILLS_LONG,
        lambda seed: play_kill(unbroken, tmp_path / str(seed), "", victim, seed),
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(1_500)
def test_workers_of_a_server_on_postgresql_share_its_jobs(
    tmp_path: Path, databases: Databases
) -> None:
    """Each job is one worker's; that of a killed one is begun again, and comes to the same."""
    bars = {"data": walk_file(tmp_path / "bars.parquet").name}
    url = databases.new()
    with team(tmp_path, url, workers=2) as one, logged_in(one) as client:
        asked = [
            client.generate(bars, {**SETTINGS, "count": 60, "seed": seed}, skip_judging=True).id
            for seed in range(JOBS)
        ]
        with Store.open(url, create=False) as store:
            lost = begun_job(store)
            pid = int(lost.lease_owner.rpartition(":")[2])
            assert pid in children_of(one.processes["server"].pid)
            os.kill(pid, signal.SIGKILL)
            results = [client.follow_job(job_id) for job_id in asked]
            done = [store.job(job_id) for job_id in asked]
    begun = begun_in(tmp_path / "server.log")
    assert sorted(begun) == sorted([*((job_id, 1) for job_id in asked), (lost.id, 2)])
    assert [one.attempt for one in done] == [2 if one.id == lost.id else 1 for one in done]
    # Both took jobs, and so did who came for the killed one, if there was one left.
    assert len({one.lease_owner for one in done} | {lost.lease_owner}) in (2, 3)
    settings = FactorySettings(
        count=60, batch=4, timeframes=("15m", "1h"), trades_min=3, seed=asked.index(lost.id)
    )
    alone = generate(
        read_bars(tmp_path / "bars.parquet"), settings, store=str(tmp_path / "alone.db"),
        judges=False,
    )  # fmt: skip
    found = results[asked.index(lost.id)]
    assert (found["digest"], found["batches"]) == (alone.digest, alone.batches)


def begun_job(store: Store) -> JobRecord:
    """Return a job whose search has begun, as soon as two workers have jobs."""
    until_s = time.monotonic() + ENDED_S
    while True:
        running = store.jobs(state="running")
        begun = [one for one in running if one.generation_id is not None]
        if begun and len({one.lease_owner for one in running}) == 2:
            return begun[0]
        assert time.monotonic() < until_s, running
        time.sleep(0.02)


def begun_in(log: Path) -> list[tuple[int, int]]:
    """Return jobs that workers began, and which attempt each was."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [
        (line["fields"]["job"], line["fields"]["attempt"])
        for line in lines if line["message"] == "begun"
    ]  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["worker", "work"])
def test_a_session_whose_worker_is_killed_has_ended_there(tmp_path: Path, victim: str) -> None:
    """It is not begun again: its market has gone on, and its orders were on paper."""
    with team(tmp_path, role="trader") as one, logged_in(one) as client:
        job = client.start_session(EXAMPLE, key="once")
        for seen in client.watch_session(job.id):
            if seen.state and seen.state["counts"]["orders_sent"] > 0:
                held = [line for line in seen.state["lines"] if line["position"]]
                assert seen.state["positions_open"] == len(held)
                break
        assert one.kill(victim) > 0
        with pytest.raises(ServerRefusal) as ended:
            client.follow_job(job.id)
        (last,) = client.watch_session(job.id)
    with Store.open(str(tmp_path / "team.db")) as store:
        (only,) = store.jobs()
    assert (only.state, only.attempt, only.reason) == ("failed", 1, "LOST")
    assert "is not begun again" in str(ended.value)
    assert last.job.state == "failed"
    assert last.seq >= seen.seq  # what it had is seen


@pytest.mark.soak
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("victim", VICTIMS)
def test_kills_while_a_job_is_done(
    unbroken: tuple[Path, str, float], tmp_path: Path, soak: Soak, victim: str, database: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    databases = request.getfixturevalue("databases") if database == "postgresql" else None
    attempts: list[int] = []

    def play(seed: int) -> None:
        store = databases.new() if databases else ""
        attempts.append(play_kill(unbroken, tmp_path / str(seed), store, victim, seed))

    count = soak.seeds(KILLS, play)
    again = sum(one > 1 for one in attempts)
    soak.say(f"{count} kills of {victim}, {again} jobs were begun again, none lost or twice")
