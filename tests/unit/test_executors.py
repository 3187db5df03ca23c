"""Tasks on other processes: done, failed, lost, late, stopped."""

import itertools
import os
import selectors
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import ConfigError, EndpointError
from tapewire.executors import (
    Executor,
    Outcome,
    ProcessExecutor,
    RayExecutor,
    SerialExecutor,
    Task,
    executor_of,
)

HERE = "tapewire.executors.trials"


def task(key: int, name: str, timeout_s: float = 60.0, **argument: Any) -> Task:
    return Task(key, f"{HERE}:{name}", argument, timeout_s)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(2) as executor:
        yield executor


def by_key(outcomes: Iterator[Outcome]) -> dict[int, Outcome]:
    return {outcome.key: outcome for outcome in outcomes}


def test_every_executor_gives_the_same(pool: ProcessExecutor) -> None:
    tasks = [task(k, "echo", value=k * 0.1) for k in range(20)]
    tasks.append(task(20, "fail", message="no such thing"))
    found = []
    executors: list[Executor] = [SerialExecutor(), pool]
    for executor in executors:
        got = by_key(executor.outcomes(tasks))
        assert [got[k].value for k in range(20)] == [k * 0.1 for k in range(20)]
        failure = got[20].failure
        assert failure is not None
        assert failure.kind == "raised"
        assert "no such thing" in failure.traceback
        found.append((failure.error, failure.message, failure.exit_code))
    assert found[0] == found[1] == ("ConfigError", "no such thing", 2)


def test_what_a_task_says_is_heard_and_what_it_prints_is_not_an_answer(
    pool: ProcessExecutor,
) -> None:
    heard: list[tuple[int, Any]] = []
    got = by_key(pool.outcomes([task(7, "say", words=["a", "b"])], lambda *x: heard.append(x)))
    assert got[7].value == "said"
    assert heard == [(7, "a"), (7, "b")]


def test_a_task_whose_process_is_killed_is_begun_again(
    pool: ProcessExecutor, tmp_path: Path
) -> None:
    marks = [task(k, "die_once", mark=str(tmp_path / f"{k}"), value=k) for k in range(4)]
    got = by_key(pool.outcomes(marks))
    assert {k: (o.value, o.attempts) for k, o in got.items()} == {k: (k, 2) for k in range(4)}


def test_a_task_that_kills_every_process_fails_alone(pool: ProcessExecutor) -> None:
    got = by_key(pool.outcomes([task(0, "die"), task(1, "echo", value=1)]))
    assert got[1].value == 1
    failure = got[0].failure
    assert failure is not None
    assert (failure.kind, failure.exit_code, got[0].attempts) == ("lost", 5, 3)
    assert "SIGKILL" in failure.message


def test_a_task_that_takes_too_long_is_ended(pool: ProcessExecutor) -> None:
    began_s = time.monotonic()
    got = by_key(pool.outcomes([task(0, "sleep", 0.5, seconds=60), task(1, "echo", value=1)]))
    failure = got[0].failure
    assert failure is not None
    assert (failure.kind, got[0].attempts) == ("late", 1)
    assert got[1].value == 1
    assert time.monotonic() - began_s < 30


def test_a_worker_that_does_not_read_its_task_is_ended() -> None:
    with ProcessExecutor(1) as pool:
        assert by_key(pool.outcomes([task(0, "echo", value=0)]))[0].failure is None
        os.kill(pool.pids[0], signal.SIGSTOP)
        begun_s = time.monotonic()
        large = task(1, "echo", 1.0, value="x" * (1 << 20))
        found = by_key(pool.outcomes([large, task(2, "echo", value=2)]))
    failure = found[1].failure
    assert failure is not None
    assert (failure.kind, found[2].value) == ("late", 2)
    assert time.monotonic() - begun_s < 40


def test_only_what_is_needed_is_taken_and_the_rest_can_be_left(pool: ProcessExecutor) -> None:
    taken = []

    def tasks() -> Iterator[Task]:
        for k in itertools.count():
            taken.append(k)
            yield task(k, "echo", value=k)

    coming = pool.outcomes(tasks())
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    assert len(taken) <= 4
    assert by_key(pool.outcomes([task(1, "echo", value=5)]))[1].value == 5


def test_too_large_and_unknown_are_said(pool: ProcessExecutor) -> None:
    got = by_key(
        pool.outcomes(
            [
                task(0, "much", size=65 << 20),
                task(1, "nothing_of_that_name"),
                Task(2, "os:getcwd", {}),
                task(3, "echo", value=3),
            ]
        )
    )
    kinds = {k: o.failure and o.failure.error for k, o in got.items()}
    assert kinds == {0: "MessageTooLongError", 1: "ValueError", 2: "ValueError", 3: None}


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        from tapewire.executors import ProcessExecutor, Task

        pool = ProcessExecutor(1)  # no guard around the main module
        tasks = [Task(0, "tapewire.executors.trials:say", {"words": ["up"]}),
                 Task(1, "tapewire.executors.trials:sleep", {"seconds": 600})]
        for outcome in pool.outcomes(tasks):
            print(outcome.where, flush=True)
        """
    )
    path = tmp_path / "main.py"
    path.write_text(script)
    with subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline().split(":")[1])
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


def test_closing_ends_workers_in_the_middle_of_a_task() -> None:
    pool = ProcessExecutor(1)
    heard = threading.Event()
    tasks = [task(0, "say", words=["on"], then_sleep_s=600)]
    coming = threading.Thread(
        target=lambda: list(pool.outcomes(tasks, lambda *_: heard.set())), daemon=True
    )
    coming.start()
    assert heard.wait(60)
    (pid,) = pool.pids
    pool.close()
    coming.join(10)
    assert not coming.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("wait_s", [0.0, 0.001, 0.01, 0.05])
def test_closing_as_a_task_is_about_to_begin_ends_it(wait_s: float) -> None:
    pool = ProcessExecutor(1)
    found: list[Outcome] = []
    tasks = [task(0, "say", words=["on"], then_sleep_s=600)]
    coming = threading.Thread(target=lambda: found.extend(pool.outcomes(tasks)), daemon=True)
    coming.start()
    time.sleep(wait_s)
    pool.close()
    coming.join(10)
    assert not coming.is_alive()
    assert pool.pids == []
    assert [outcome.failure and outcome.failure.kind for outcome in found] == ["lost"]


def test_closing_does_not_close_what_a_thread_is_about_to_wait_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing ever comes of a descriptor that is closed: the task's whole time would be waited."""
    reached, closed = threading.Event(), threading.Event()

    class Late(selectors.EpollSelector):
        def select(self, timeout: float | None = None) -> Any:
            if not reached.is_set():
                reached.set()
                closed.wait(3)  # behind its end, if that does not wait for who reads
            return super().select(timeout)

    monkeypatch.setattr("selectors.DefaultSelector", Late)
    executor = ProcessExecutor(1, attempts=1)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.extend(executor.outcomes([task(1, "sleep")])))
    thread.start()
    assert reached.wait(20)
    closing = threading.Thread(target=executor.close)
    closing.start()
    closing.join(1.5)  # the worker is long gone
    closed.set()
    thread.join(10)
    closing.join(10)
    assert not thread.is_alive()
    assert outcomes[0].failure is not None
    assert outcomes[0].failure.kind == "lost"


def test_a_closed_pool_begins_nothing() -> None:
    pool = ProcessExecutor(1)
    pool.close()
    [outcome] = pool.outcomes([task(0, "say", words=["on"])])
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.attempts) == ("lost", 0)
    assert outcome.failure.message == "its workers were ended"


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [
        ("127.0.0.1:1", EndpointError, "--address 127.0.0.1:1: expected a Ray cluster there, fou"),
        ("nowhere", ConfigError, "expected HOST:PORT of a cluster's head, or auto, found 'nowhere"),
        ("ray://head:10001", ConfigError, "expected HOST:PORT"),
        ("head:99999", ConfigError, "expected HOST:PORT"),
    ],
)
def test_a_cluster_that_is_none_is_said(address: str, kind: type[Exception], said: str) -> None:
    began_s = time.monotonic()
    with pytest.raises(kind, match=said):
        executor_of("ray", address=address)
    assert time.monotonic() - began_s < 10


def test_a_port_that_says_nothing_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EndpointError, match=r"answer within 0\.5 s, found silence"):
            RayExecutor(address, connect_timeout_s=0.5)


def test_an_executor_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with executor_of("processes", workers=3) as pool:
        assert (type(pool), pool.workers, pool.here) == (ProcessExecutor, 3, True)
    with pytest.raises(ConfigError, match="--executor: expected processes or ray, found 'dask'"):
        executor_of("dask")
    with pytest.raises(ConfigError, match="--address: expected --executor ray with it"):
        executor_of(address="head:6379")
    with pytest.raises(ConfigError, match="--queue-timeout: expected --executor ray with it"):
        executor_of(queue_timeout_s=5.0)
    with pytest.raises(ConfigError, match="--queue-timeout: expected seconds above 0"):
        executor_of("ray", queue_timeout_s=0.0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"found none: pip install 'tapewire\[ray\]'"):
        executor_of("ray")


@pytest.mark.parametrize(("workers", "attempts"), [(0, 1), (1, 0)])
def test_none_is_no_pool(workers: int, attempts: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        ProcessExecutor(workers, attempts=attempts)
