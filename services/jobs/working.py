"""A worker: takes jobs of a store one after the other, and has each done in a process of its own.

This process holds the job's lease, says how far it is and sees whether it is to be canceled; the
work is done in another one, which can be ended at any moment: what it keeps counts as long as the
attempt is the job's (`tapewire.store.JobStore`).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from tapewire import errors
from tapewire.errors import StaleAttemptError, StoreError
from tapewire.executors import Failure, ProcessExecutor, Task
from tapewire.store import JobEnd, JobProgress, JobRecord, Store
from tapewire.store.jobs import ONCE

#: For how long a job is held, s: that long after its worker was lost it is begun again.
LEASE_S: Final = 15.0
#: How often a lease is renewed, at which a wish to cancel is seen, and progress written, s.
BEAT_S: Final = 1.0
PROGRESS_S: Final = 0.5
#: How often who has nothing to do looks for a job, s.
IDLE_S: Final = 0.3
#: How often a worker does what is to be done now and then, s.
TIDY_S: Final = 3600.0
#: How long one attempt at a job may take, s.
JOB_S: Final = 24 * 3600.0
#: How long a process that has ended its job may take to say so, s.
_SAID_S: Final = 2.0
#: Errors that are no fault of the job's: it is begun again.
_PASSING: Final = (
    "StoreLockedError", "StoreAwayError", "InterruptedRunError", "BusyFolderError"
)  # fmt: skip


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is to know.

    Attributes
    ----------
    store : str
        The store's address, which the process that does the work opens itself.
    function : str
        What does a job, as `tapewire.executors.Task` names it; given ``store``, ``job``,
        ``attempt``, ``folder``, ``threads``, ``strategies`` and ``runs``, it ends the job itself.
    kinds : collection of str
        Of jobs that it can do.
    name : str
        For people.
    folder : Path, optional
        Of files that jobs may read.
    threads : int, optional
        Of the work; None: one for each core.
    lease_s : float
    strategies : Path, optional
        Of strategies that runs may name.
    runs : Path, optional
        Where folders of runs are written.
    """

    store: str
    function: str
    kinds: Collection[str]
    name: str
    folder: Path | None = None
    threads: int | None = None
    lease_s: float = LEASE_S
    strategies: Path | None = None
    runs: Path | None = None


class JobWorker:
    """Does jobs until it is told to end.

    Parameters
    ----------
    store
        Open.
    settings
    tidy
        What is to be done at its start, and every hour between two jobs; errors are logged.
    """

    def __init__(
        self, store: Store, settings: WorkerSettings, tidy: Callable[[], None] | None = None
    ) -> None:
        self._store, self._settings = store, settings
        self._tidy, self._tidy_s = tidy, -TIDY_S
        self._log = structlog.get_logger("tapewire.worker")
        self._executor: ProcessExecutor | None = None
        self._guard = threading.Lock()

    def run(self, ending: threading.Event, leaving: threading.Event) -> None:
        """Take jobs until one of the two is set.

        Parameters
        ----------
        ending
            The job that goes on is stopped, and given back.
        leaving
            The job that goes on is done first.
        """
        try:
            while not (ending.is_set() or leaving.is_set()):
                self._tidied()
                try:
                    job = self._store.claim_job(
                        self._settings.name, self._settings.kinds, lease_s=self._settings.lease_s
                    )
                except StoreError as error:
                    # Its server may be away for a while: others wait for it, too.
                    self._log.warning("no store", error=str(error))
                    ending.wait(BEAT_S)
                    continue
                if job is None:
                    ending.wait(IDLE_S)
                    continue
                self._do(job, ending)
        finally:
            self._close()

    def _tidied(self) -> None:
        """Do what is to be done every hour, if the hour is over."""
        if self._tidy is None or time.monotonic() - self._tidy_s < TIDY_S:
            return
        self._tidy_s = time.monotonic()
        try:
            self._tidy()
        except errors.TapewireError as error:
            self._log.warning("not tidy", error=str(error))

    def _do(self, job: JobRecord, ending: threading.Event) -> None:
        self._log.info("begun", job=job.id, kind=job.kind, attempt=job.attempt, owner=job.owner)
        began_s = time.monotonic()
        beat = _Beat(self, self._store, job, self._settings.lease_s, ending)
        settings = self._settings
        task = Task(
            job.id, settings.function,
            {
                "store": settings.store, "job": job.id, "attempt": job.attempt,
                "folder": str(settings.folder) if settings.folder else None,
                "threads": settings.threads,
                "strategies": str(settings.strategies) if settings.strategies else None,
                "runs": str(settings.runs) if settings.runs else None,
            },
            JOB_S,
        )  # fmt: skip
        with self._guard:
            if self._executor is None:
                self._executor = ProcessExecutor(1, attempts=1)
            executor = self._executor
        with beat:
            (outcome,) = executor.outcomes([task], lambda _, said: beat.hear(said))
        try:
            with contextlib.suppress(StaleAttemptError):
                self._end(job, beat.why, outcome.failure)
            state = self._store.job(job.id).state
        except StoreError as error:
            # What could not be said is seen by whoever takes it over, when the lease has ended.
            state = str(error)
        elapsed_s = round(time.monotonic() - began_s, 3)
        self._log.info("left", job=job.id, attempt=job.attempt, state=state, elapsed_s=elapsed_s)

    def _end(self, job: JobRecord, why: str, failure: Failure | None) -> None:
        """Say what came of a job, but for what its own process has said."""
        store = self._store
        if failure is None:
            # It has ended the job itself; else a bug would have it done again and again.
            never = JobEnd("failed", None, "its work ended without an end", "BUG", 70)
            store.end_job(job.id, job.attempt, never)
            return
        if why == "stale":
            return
        if why == "canceled":
            store.end_job(job.id, job.attempt, _canceled(store.job(job.id)))
        elif job.kind in ONCE and (why == "ending" or failure.kind == "lost"):
            lost = "its worker ended" if why == "ending" else failure.message
            ended = f"{lost}; a live session is not begun again, what it had is in its folder"
            store.end_job(job.id, job.attempt, JobEnd("failed", None, ended, "LOST", 5))
        elif why == "ending" and job.attempts_max == 1:
            ended = "its worker ended; such a job is not begun again"
            store.end_job(job.id, job.attempt, JobEnd("failed", None, ended, "LOST", 5))
        elif why == "ending":
            store.release_job(job.id, job.attempt, why="its worker ended", counts=False)
        elif failure.kind == "lost" or failure.error in _PASSING:
            store.release_job(job.id, job.attempt, why=failure.message, counts=True)
        elif failure.error != StaleAttemptError.__name__:
            store.end_job(job.id, job.attempt, self._failed(job, failure))

    def _failed(self, job: JobRecord, failure: Failure) -> JobEnd:
        if failure.kind == "late":
            return JobEnd("failed", None, failure.message, "LATE", 1)
        if not isinstance(getattr(errors, failure.error, None), type) and failure.exit_code == 1:
            self._log.error("bug", job=job.id, kind=failure.error, exception=failure.traceback)
            sentence = "a bug of the server's; its log has the rest"
            return JobEnd("failed", None, sentence, "BUG", 70)
        reason = errors.reason_of(failure.error)
        return JobEnd("failed", None, failure.message, reason, failure.exit_code)

    def stop_work(self) -> None:
        """End the process that does the work, whatever it does; the next job gets a new one."""
        self._close()

    def _close(self) -> None:
        with self._guard:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.close()


class _Beat:
    """Holds a job's lease while it is done, says how far it is, and ends it where it is to end."""

    def __init__(
        self, worker: JobWorker, store: Store, job: JobRecord, lease_s: float,
        ending: threading.Event,
    ) -> None:  # fmt: skip
        self._worker, self._store, self._job = worker, store, job
        self._lease_s, self._ending = lease_s, ending
        self._heard: JobProgress | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tapewire-lease", daemon=True)
        #: Why the work was ended: ``canceled``, ``ending``, ``stale``; empty: it was not.
        self.why = ""

    def __enter__(self) -> "_Beat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def hear(self, said: dict[str, Any]) -> None:
        """Take what the work says of its progress."""
        self._heard = JobProgress(said["done"], said["total"], said["what"])

    def _run(self) -> None:
        written: JobProgress | None = None
        renewed_s = time.monotonic()
        while not self._done.wait(min(PROGRESS_S, self._lease_s / 3)):
            heard, now_s = self._heard, time.monotonic()
            news = heard if heard != written else None
            if self._ending.is_set():
                self._stop("ending")
            elif news is not None or now_s - renewed_s >= min(BEAT_S, self._lease_s / 3):
                try:
                    is_canceled = self._store.renew_job(
                        self._job.id, self._job.attempt, lease_s=self._lease_s, progress=news
                    )
                except StaleAttemptError:
                    # Its own process may just have ended it, and be about to say so.
                    if not self._done.wait(_SAID_S):
                        self._stop("stale")
                except StoreError:
                    # Tried again as long as the job is held: after that it is somebody else's.
                    if now_s - renewed_s > self._lease_s:
                        self._stop("stale")
                else:
                    written, renewed_s = heard, now_s
                    if is_canceled:
                        self._stop("canceled")

    def _stop(self, why: str) -> None:
        if not self.why:
            self.why = why
            self._worker.stop_work()


def _canceled(job: JobRecord) -> JobEnd:
    more = ""
    if job.generation_id is not None:
        more = f"; what it found is kept: tapewire factory evolve {job.generation_id} goes on"
    return JobEnd("canceled", None, f"was canceled{more}", "CANCELED", 130)
