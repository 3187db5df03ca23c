"""A server's calls: what each costs of a core, how many there are a second, how long they take."""

import asyncio
import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.errors import ConfigError, SimulationError

GROUP: Final = "services"
CALLS: Final = 8_000
CALLS_QUICK: Final = 2_000
#: A page takes as long as several other calls: there are so many times fewer.
CALLS_PER_PAGE: Final = 4
#: Calls at a time of the row that asks as fast as it can; calls a second of the other.
AT_A_TIME: Final = 32
PACE_PER_S: Final = 1_000
PACED_S: Final = 20.0
PACED_QUICK_S: Final = 3.0
STRATEGIES: Final = 1_000
#: Longest that a call may take, s.
_CALL_S_MAX: Final = 60.0
#: Paced calls that go on at a time.
_GOING_MAX: Final = 200
#: Until a user may ask as often as before, s: a server lets one ask 2,000 times a second, and
#: 4,000 times at once.
_REST_S: Final = 2.0
_PAGE: Final = "20 strategies"

Asking = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Served:
    """A server as a process of its own.

    Attributes
    ----------
    address, password : str
    pid : int
    page : str
        Of the studio; empty: there is none.
    """

    address: str
    password: str
    pid: int
    page: str = ""

    def cpu_s(self) -> float:
        """Processor time that it has taken, all threads, s."""
        text = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Memory that it has, MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def service_rows(scale: Scale, tell: Any) -> Iterator[Row]:
    """Ask a server of one process, over one connection.

    Yields
    ------
    Row
        Group ``services``: records are calls. Figures: ``cpu_us`` of the server per call, all
        threads; ``per_s_core`` that a core would answer by that; of paced calls ``p50_ms`` and
        ``p99_ms``, from the moment when a call was due.

    Raises
    ------
    ConfigError
        If a package is missing.
    SimulationError
        If a call fails.
    """
    try:
        import grpc.aio  # noqa: F401
        import uvloop  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--only services: expected a server's packages, found none ({error}): "
            "pip install 'tapewire[server]'"
        ) from None
    calls = CALLS_QUICK if scale.quick else CALLS
    paced_s = PACED_QUICK_S if scale.quick else PACED_S
    with (
        tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder,
        served(Path(folder)) as at,
    ):
        with bare() as floor:
            tell(f"{calls:,} calls, {BARE} …")
            figures, took_s = asyncio.run(_asked_fast(floor, BARE, calls))
            yield row_of(GROUP, BARE, calls, [took_s], _BARE_NOTE, figures)
        for name, note in _NOTES.items():
            count = calls // CALLS_PER_PAGE if name == _PAGE else calls
            tell(f"{count:,} calls, {name} …")
            figures, took_s = asyncio.run(_asked_fast(at, name, count))
            yield row_of(GROUP, name, count, [took_s], note, figures)
            time.sleep(_REST_S)
        tell(f"{PACE_PER_S:,} calls a second for {paced_s:.0f} s …")
        name = f"who am I, {PACE_PER_S:,} a second"
        with apart(at), _without_collections():
            figures, took_s = asyncio.run(_asked_paced(at, int(PACE_PER_S * paced_s)))
        note = "each from when it was due; the client has the other core, and collects no garbage"
        yield row_of(GROUP, name, int(PACE_PER_S * paced_s), [took_s], note, figures)


@contextlib.contextmanager
def served(folder: Path, *options: str, fills: bool = True) -> Iterator[Served]:
    """Serve a store as long as this lasts: one of some strategies, or the one that is there."""
    if fills:
        _fill(folder / "tapewire.db")
    has_page = "--web-port" in options
    command = [sys.executable, "-P", "-m", "tapewire", "serve", "--dev", "--address", "127.0.0.1:0"]
    with (folder / "log.jsonl").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        with process.stdout as out:
            lines = [out.readline() for _ in range(3 + has_page)]
        if not lines[1]:
            told = (folder / "log.jsonl").read_text().strip().splitlines()
            raise SimulationError(f"a server did not start: {told[-1] if told else 'no word'}")
        words = [line.split()[-1] for line in lines if line.strip()]
        yield Served(words[0], words[1 + has_page], process.pid, words[1] if has_page else "")
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def apart(at: Served) -> Iterator[None]:
    """Have a server and this process, its client, on cores of their own as long as this lasts.

    The system puts two that wake one another on one core: half of it each is less than a thousand
    calls a second take, and they queue until it moves one of the two, seconds later. A client on
    another host has its own core anyway.
    """
    before = os.sched_getaffinity(0)
    first = {min(before)}
    if len(before) > 1:
        _keep_on(at.pid, before - first)
        _keep_on(os.getpid(), first)
    try:
        yield
    finally:
        _keep_on(at.pid, before)
        _keep_on(os.getpid(), before)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Put off looking for garbage in this process: 0.1 s, in which calls wait for the client."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _keep_on(pid: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


@contextlib.contextmanager
def bare() -> Iterator[Served]:
    """Have a handler of gRPC's health call alone, as long as this lasts."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tapewire.bench._bare_service"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        with process.stdout as said:
            address = said.readline().strip()
        if not address:
            raise SimulationError("a bare handler did not start")
        yield Served(address, "", process.pid)
    finally:
        process.terminate()
        process.wait(30)


BARE: Final = "health, handler alone"
_BARE_NOTE: Final = f"{AT_A_TIME} at a time; grpc.aio and uvloop with nothing around: the floor"
#: What is asked, and what it includes.
_NOTES: Final = {
    "health": f"{AT_A_TIME} at a time; nobody has to be known, the store is not asked",
    "who am I": f"{AT_A_TIME} at a time; a token verified, its user asked for once in 5 s",
    "a job": f"{AT_A_TIME} at a time; a token verified, one question to the store (SQLite)",
    _PAGE: f"{AT_A_TIME} at a time; a token verified, a page of 20 of {STRATEGIES:,}",
}


def _fill(path: Path) -> None:
    from tapewire.store import NewResult, NewStrategy, Store

    with Store.open(str(path)) as store:
        dataset = store.add_dataset("0" * 64, {"name": "bench"})
        search = store.begin_generation({}, dataset)
        made = [
            NewStrategy(f"{k:064x}", f"s{k:04}", "{}", "json", None, 1.0) for k in range(STRATEGIES)
        ]
        results = [
            NewResult(one.hash, dataset, "search", k / 100, k / 1e3, 0.1, k, {}, "")
            for k, one in enumerate(made)
        ]
        store.save_batch(search, 0, made, results, trials=STRATEGIES, state={})
        owner = store.add_user("bench", "researcher", "nobody logs in by this", by="bench")
        # Nobody shall do it.
        store.cancel_job(store.add_job("generate", {}, owner.id, key="bench").id, by="bench")


@contextlib.asynccontextmanager
async def asking(at: Served) -> Any:
    """Give what asks each of `_NOTES`, logged in, over one connection; or `BARE`."""
    import grpc.aio
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from tapewire.services.proto import accounts_pb2 as accounts
    from tapewire.services.proto import (
        accounts_pb2_grpc,
        jobs_pb2,
        jobs_pb2_grpc,
        strategies_pb2,
        strategies_pb2_grpc,
    )

    async with grpc.aio.insecure_channel(at.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        nothing = health_pb2.HealthCheckRequest()
        asks: dict[str, Asking] = {BARE: lambda: health.Check(nothing, timeout=_CALL_S_MAX)}
        if not at.password:
            yield asks
            return
        auth = accounts_pb2_grpc.AuthServiceStub(channel)
        login = accounts.LoginRequest(name="dev", password=at.password)
        token = (await auth.Login(login, timeout=_CALL_S_MAX)).tokens.access_token
        known = {"metadata": (("authorization", f"Bearer {token}"),), "timeout": _CALL_S_MAX}
        stored = strategies_pb2_grpc.StrategyServiceStub(channel)
        jobs = jobs_pb2_grpc.JobServiceStub(channel)
        page = strategies_pb2.ListStrategiesRequest(sort="sharpe", page_size=20)
        who, job = accounts.WhoAmIRequest(), jobs_pb2.GetJobRequest(job_id=1)
        yield {
            "health": asks[BARE],
            "who am I": lambda: auth.WhoAmI(who, **known),
            "a job": lambda: jobs.Get(job, **known),
            _PAGE: lambda: stored.List(page, **known),
        }


async def _asked_fast(at: Served, name: str, count: int) -> tuple[dict[str, float], float]:
    async with asking(at) as asks:
        ask: Asking = asks[name]
        left = iter(range(count))

        async def one_after_another() -> None:
            for _ in left:
                await ask()

        for _ in range(200):
            await ask()  # loads modules, fills caches: not counted
        cpu_s, began_s = at.cpu_s(), time.perf_counter()
        await asyncio.gather(*(one_after_another() for _ in range(AT_A_TIME)))
        took_s, cpu_s = time.perf_counter() - began_s, at.cpu_s() - cpu_s
    return _figures(cpu_s, count), took_s


async def _asked_paced(at: Served, count: int) -> tuple[dict[str, float], float]:
    """Ask at a steady pace, whether answers have come or not."""
    took_ms: list[float] = []
    async with asking(at) as asks:
        ask: Asking = asks["who am I"]
        # Beyond that a connection takes no more; who waits here waits since it was due.
        room = asyncio.Semaphore(_GOING_MAX)

        async def one(due_s: float) -> None:
            async with room:
                await ask()
            took_ms.append(1e3 * (time.perf_counter() - due_s))

        for _ in range(200):
            await ask()
        cpu_s, began_s = at.cpu_s(), time.perf_counter()
        going = []
        for k in range(count):
            due_s = began_s + k / PACE_PER_S
            wait_s = due_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            going.append(asyncio.create_task(one(due_s)))
        await asyncio.gather(*going)
        took_s, cpu_s = time.perf_counter() - began_s, at.cpu_s() - cpu_s
    took_ms.sort()
    figures = {
        **_figures(cpu_s, count),
        "p50_ms": round(statistics.median(took_ms), 3),
        "p99_ms": round(took_ms[len(took_ms) * 99 // 100], 3),
    }
    return figures, took_s


def _figures(cpu_s: float, count: int) -> dict[str, float]:
    each_us = max(1e6 * cpu_s / count, 1e-3)
    return {"cpu_us": round(each_us, 1), "per_s_core": round(1e6 / each_us)}


if __name__ == "__main__":
    for row in service_rows(Scale(0, 1, 1, quick="--quick" in sys.argv), print):
        print(json.dumps([row.name, row.best_s, row.figures]))
