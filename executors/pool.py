"""A pool of processes of this machine, each of which does a task at a time.

Workers are started anew, never forked, and know nothing of this process's memory; a script that
uses a pool needs no ``if __name__ == "__main__"``. A thread here waits for each.
"""

import concurrent.futures
import contextlib
import os
import queue
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self

from tapewire.children import Child, owned_command
from tapewire.executors.lines import LINE_MAX, line_of, message_of
from tapewire.executors.tasks import Failure, Hear, Outcome, Task, failure_of, usable_cores

#: How long a worker may take to end once it was asked to, before it is killed.
_END_TIMEOUT_S: Final = 2.0
#: How often it is looked whether a worker that says nothing still lives, s.
_LOOK_S: Final = 1.0
#: Of a worker's environment: each of glibc's arenas, one per thread, would keep what was freed.
_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "1"}
#: How often a task is begun whose process dies, unless said otherwise.
ATTEMPTS: Final = 3


class ProcessExecutor:
    """Does tasks in processes of this machine.

    Parameters
    ----------
    workers
        How many; by default as many as cores may be used.
    attempts
        How often a task is begun whose process dies. What raises or takes too long is begun once.
    """

    here = True

    def __init__(self, workers: int | None = None, *, attempts: int = ATTEMPTS) -> None:
        self.workers = usable_cores() if workers is None else workers
        if self.workers < 1 or attempts < 1:
            raise ValueError("expected at least one worker and one attempt")
        self._attempts = attempts
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._all: set[_Worker] = set()
        self._guard = threading.Lock()
        self._stopping = False
        self._threads = concurrent.futures.ThreadPoolExecutor(
            self.workers, thread_name_prefix="tapewire-worker"
        )

    def outcomes(self, tasks: Iterable[Task], hear: Hear | None = None) -> Iterator[Outcome]:
        """See `Executor`."""
        coming = iter(tasks)
        waiting: set[concurrent.futures.Future[Outcome]] = set()
        whole = False
        try:
            while True:
                while len(waiting) < self.workers and (task := next(coming, None)) is not None:
                    with self._guard:
                        closed = self._stopping
                        if not closed:
                            waiting.add(self._threads.submit(self._do, task, hear))
                    if closed:
                        yield Outcome(task.key, None, _CLOSED, 0, 0.0, "")
                if not waiting:
                    break
                done, waiting = concurrent.futures.wait(
                    waiting, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    yield future.result()
            whole = True
        finally:
            if not whole:
                self._stop(waiting)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers there are now."""
        with self._guard:
            return sorted(worker.pid for worker in self._all)

    def close(self) -> None:
        """End the workers; what is under way is lost, and what has not begun does not begin."""
        with self._guard:
            self._stopping = True
        self._end_workers()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._end_workers()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _stop(self, waiting: set["concurrent.futures.Future[Outcome]"]) -> None:
        """Stop what is under way, so that the pool can go on with something else."""
        with self._guard:
            was_closed, self._stopping = self._stopping, True
        try:
            for future in waiting:
                future.cancel()
            self._end_workers()
            concurrent.futures.wait(waiting)
        finally:
            with self._guard:
                self._stopping = was_closed

    def _end_workers(self) -> None:
        with self._guard:
            workers = list(self._all)
        for worker in workers:
            worker.ask_to_end()
        for worker in workers:
            worker.end()
            self._forget(worker)

    def _forget(self, worker: "_Worker") -> None:
        with self._guard:
            self._all.discard(worker)

    def _worker(self) -> "_Worker | None":
        """Return one that is idle, or a new one; none where all are ended."""
        with contextlib.suppress(queue.Empty):
            while True:
                worker = self._idle.get_nowait()
                if worker.alive:
                    return worker
                worker.end()
                self._forget(worker)
        with self._guard:  # whoever ends all workers ends this one, or it does not begin
            if self._stopping:
                return None
            worker = _Worker()
            self._all.add(worker)
        return worker

    def _do(self, task: Task, hear: Hear | None) -> Outcome:
        """Do a task, again where its process dies."""
        attempt = 0
        while True:
            attempt += 1
            worker = self._worker()
            if worker is None:
                return Outcome(task.key, None, _CLOSED, attempt - 1, 0.0, "")
            began_s = time.monotonic()
            answer = worker.do(task, hear)
            elapsed_s = time.monotonic() - began_s
            failure = answer if isinstance(answer, Failure) else None
            if failure is None or failure.kind == "raised":
                self._idle.put(worker)
            else:
                worker.end()
                self._forget(worker)
                if failure.kind == "lost" and attempt < self._attempts and not self._stopping:
                    continue
            value = None if isinstance(answer, Failure) else answer[0]
            return Outcome(task.key, value, failure, attempt, elapsed_s, worker.where)


#: What becomes of a task that had not begun when all workers were ended.
_CLOSED: Final = Failure("lost", "PeerLostError", "its workers were ended", exit_code=5)


class _Worker:
    """One process that does tasks."""

    def __init__(self) -> None:
        self._process = Child(
            owned_command("tapewire.executors"), environment=_ENVIRONMENT, has_stdin=True,
            has_stdout=True,
        )  # fmt: skip
        self.where = f"{socket.gethostname()}:{self._process.pid}"
        self._read = bytearray()
        self._reading = threading.Lock()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.code is None

    def do(self, task: Task, hear: Hear | None) -> "Failure | tuple[object]":
        """Return what a task's function returned, in a tuple, or why it failed."""
        try:
            line = line_of({"function": task.function, "argument": task.argument})
        except (TypeError, ValueError) as error:
            return failure_of(error)
        deadline_s = time.monotonic() + task.timeout_s
        try:
            with self._reading:
                return self._answer(line, deadline_s, task, hear)
        except TimeoutError:
            message = f"expected an end within {task.timeout_s:g} s, found none"
            return Failure("late", "TimeoutError", message)
        except (OSError, EOFError, ValueError):
            return Failure("lost", "PeerLostError", self._last_words(), exit_code=5)

    def _answer(
        self, line: bytes, deadline_s: float, task: Task, hear: Hear | None
    ) -> "Failure | tuple[object]":
        """Tell it what to do, and hear it to the end."""
        self._process.tell(line, timeout_s=max(0.0, deadline_s - time.monotonic()))
        while True:
            answer = message_of(self._line(deadline_s))
            if "said" in answer:
                if hear is not None:
                    hear(task.key, answer["said"])
            elif "failure" in answer:
                return Failure(**answer["failure"])
            else:
                return (answer["value"],)

    def _line(self, deadline_s: float) -> bytes:
        """Return the next line that it says."""
        file = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(file, selectors.EVENT_READ)
            while (end := self._read.find(b"\n")) < 0:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError
                has_ended = not self.alive
                if not selector.select(min(left_s, _LOOK_S)):
                    if has_ended:  # whatever still holds its line
                        raise EOFError
                    continue
                chunk = os.read(file, 1 << 16)
                if not chunk or len(self._read) > LINE_MAX:
                    raise EOFError
                self._read += chunk
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line

    def _last_words(self) -> str:
        self._process.wait(_END_TIMEOUT_S)
        how = self._process.end_in_words() or "closed its line"
        last = self._process.last_line()
        said = f"; its last words: {last}" if last else ""
        return f"the worker (pid {self.pid}) {how}{said}"

    def ask_to_end(self) -> None:
        """Ask it to end, in the middle of a task, too."""
        self._process.ask_to_end()

    def end(self) -> None:
        """End it; after this it is gone.

        Its pipes are closed once nobody reads them: who waits for one that is closed waits for
        ever, and its number may be another file's at once.
        """
        self._process.ask_to_end()
        if not self._process.wait(_END_TIMEOUT_S):
            self._process.send_signal(signal.SIGKILL)
        with self._reading:
            self._process.end(0.0)
