"""A worker: what becomes of jobs whose work dies, fails, is canceled or taken over."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tapewire.services.jobs import JobWorker, WorkerSettings
from tapewire.store import JobRecord, Store

WAIT_S = 60.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store.db")) as opened:
        opened.add_user("ada", "researcher", "hash", by="test")
        yield opened


@contextlib.contextmanager
def working(store: Store, function: str, lease_s: float = 30.0) -> Iterator[threading.Event]:
    """Have a worker do all jobs by a function; give what ends it."""
    settings = WorkerSettings(store.url, f"tapewire.executors.trials:{function}", ("work",), "w",
                              lease_s=lease_s)  # fmt: skip
    ending, leaving = threading.Event(), threading.Event()
    worker = threading.Thread(target=JobWorker(store, settings).run, args=(ending, leaving))
    worker.start()
    try:
        yield ending
    finally:
        ending.set()
        worker.join(WAIT_S)
        assert not worker.is_alive()


def once(store: Store, job_id: int, *states: str) -> JobRecord:
    """Wait until a job is in one of some states."""
    until_s = time.monotonic() + WAIT_S
    while (job := store.job(job_id)).state not in states:
        assert time.monotonic() < until_s, job
        time.sleep(0.05)
    return job


def test_work_that_dies_is_begun_again_so_often_and_no_more(store: Store) -> None:
    job = store.add_job("work", {}, 1, attempts_max=2)
    with working(store, "die"):
        ended = once(store, job.id, "failed")
    assert (ended.attempt, ended.reason, ended.exit_code) == (2, "LOST", 5)
    assert "was killed by SIGKILL" in ended.error


@pytest.mark.parametrize(
    ("function", "error"),
    [("much", "a bug of the server's; its log has the rest"), ("echo", "ended without an end")],
)
def test_work_with_a_bug_is_not_begun_again(store: Store, function: str, error: str) -> None:
    job = store.add_job("work", {}, 1)
    with working(store, function):
        ended = once(store, job.id, "failed")
    assert (ended.attempt, ended.reason, ended.exit_code) == (1, "BUG", 70)
    assert error in ended.error
    assert "KeyError" not in ended.error


def test_work_is_canceled(store: Store) -> None:
    job = store.add_job("work", {}, 1)
    with working(store, "sleep"):
        once(store, job.id, "running")
        store.cancel_job(job.id, by="ada")
        ended = once(store, job.id, "canceled")
        assert (ended.error, ended.exit_code) == ("was canceled", 130)
        # It goes on with the next one, in a new process.
        other = store.add_job("work", {}, 1)
        once(store, other.id, "running")


def test_a_worker_that_ends_gives_its_job_back(store: Store) -> None:
    job = store.add_job("work", {}, 1, attempts_max=2)
    with working(store, "sleep") as ending:
        once(store, job.id, "running")
        ending.set()
        back = once(store, job.id, "waiting")
    assert (back.attempt, back.attempts_max) == (1, 3)


def test_but_for_one_that_is_begun_once_only(store: Store) -> None:
    job = store.add_job("work", {}, 1, attempts_max=1)
    with working(store, "sleep") as ending:
        once(store, job.id, "running")
        ending.set()
        ended = once(store, job.id, "failed", "waiting")
    assert (ended.state, ended.attempt, ended.attempts_max) == ("failed", 1, 1)
    assert (ended.reason, ended.exit_code) == ("LOST", 5)
    assert ended.error == "its worker ended; such a job is not begun again"


def test_a_worker_lets_go_of_what_was_taken_over(store: Store) -> None:
    job = store.add_job("work", {}, 1)
    with working(store, "sleep", lease_s=30.0):
        once(store, job.id, "running")
        with store.writing("take it over") as connection:
            connection.execute(sa.text("UPDATE jobs SET attempt = attempt + 1, lease_owner = 'x'"))
        other = store.add_job("work", {}, 1)
        once(store, other.id, "running")
    assert (store.job(job.id).lease_owner, store.job(job.id).state) == ("x", "running")
