"""Tasks on a Ray cluster: many hosts, the same protocol as processes of this one.

Ray places tasks (spread over the nodes) and says which workers were lost; values travel as JSON,
data by path. Source: Ray's pages on tasks, fault tolerance and scheduling strategies (2.50 on).
"""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from tapewire.children import Child, module_command
from tapewire.errors import ConfigError, EndpointError, PeerLostError
from tapewire.executors.lines import line_of, message_of
from tapewire.executors.pool import ATTEMPTS
from tapewire.executors.tasks import Failure, Hear, Outcome, Task, failure_of

#: How long a cluster may take to answer.
CONNECT_TIMEOUT_S: Final = 30.0
#: Longest wait for a node with a core, where none is left.
NODES_TIMEOUT_S: Final = 60.0
#: Longest wait for a core of a cluster whose cores all do something else.
QUEUE_TIMEOUT_S: Final = 3600.0
#: How often late tasks, and what tasks say, are looked at.
_LOOK_S: Final = 0.2
#: How often nodes are counted.
_COUNT_S: Final = 2.0
#: How long a task may take to end that was asked to, before its process is killed.
_END_TIMEOUT_S: Final = 3.0
_MISSING: Final = "--executor ray: expected Ray, found none: pip install 'tapewire[ray]'"


@dataclass
class _Attempt:
    """A task under way."""

    task: Task
    ticket: str
    number: int
    where: str = ""
    began_s: float | None = None


class RayExecutor:
    """Does tasks on the nodes of a Ray cluster that runs already.

    This machine has to be a node of it, with or without cores of its own (``ray start --address …
    --num-cpus 0``), and every node needs this version of Tapewire.

    Parameters
    ----------
    address
        ``HOST:PORT`` of its head; ``auto``: that of ``RAY_ADDRESS``, or this machine's cluster.
    workers
        Tasks at a time; by default as many as the nodes have cores.
    attempts
        How often a task is begun whose worker or node is lost. What raises or takes too long is
        begun once.
    connect_timeout_s
        How long the cluster may take to answer.
    queue_timeout_s
        How long all of its tasks may wait for a core of a busy cluster, none under way.

    Raises
    ------
    ConfigError
        If Ray is not installed.
    EndpointError
        If no cluster answers in time.
    """

    #: Workers do not see the files of this machine.
    here = False

    def __init__(
        self,
        address: str = "auto",
        workers: int | None = None,
        *,
        attempts: int = ATTEMPTS,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        queue_timeout_s: float = QUEUE_TIMEOUT_S,
    ) -> None:
        if not queue_timeout_s > 0:
            raise ValueError(f"expected queue_timeout_s above 0, found {queue_timeout_s}")
        if (workers is not None and workers < 1) or attempts < 1:
            raise ValueError("expected at least one worker and one attempt")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ModuleNotFoundError:
            raise ConfigError(_MISSING) from None
        self._ray: Any = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            _connect(ray, address, connect_timeout_s)
        self._attempts = attempts
        self._workers_max = workers
        self._queue_timeout_s = queue_timeout_s
        self._cores = 0
        self._counted_s = float("-inf")
        self._tickets = 0
        self._open = True
        from tapewire.executors import ray_worker

        node = ray.get_runtime_context().get_node_id()
        beside = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        ears: Any = ray.remote(ray_worker.Ears)
        self._ears: Any = ears.options(num_cpus=0, scheduling_strategy=beside).remote()
        self._do = ray.remote(ray_worker.do).options(
            num_cpus=1, max_retries=0, scheduling_strategy="SPREAD"
        )

    @property
    def workers(self) -> int:
        """How many tasks are done at a time: cores of the nodes that live, at least one."""
        return max(1, self._room())

    def outcomes(self, tasks: Iterable[Task], hear: Hear | None = None) -> Iterator[Outcome]:
        """See `Executor`.

        Raises
        ------
        PeerLostError
            If no node has had a core for a minute, or none was free for `queue_timeout_s`.
        """
        coming = iter(tasks)
        under_way: dict[Any, _Attempt] = {}
        more, whole = True, False
        alone_s: float | None = None
        queued_s: float | None = None
        try:
            while True:
                while more and len(under_way) < self._room():
                    task = next(coming, None)
                    if task is None:
                        more = False
                    elif (refused := self._give(task, 1, under_way)) is not None:
                        yield refused
                if not under_way and not more:
                    break
                if self._room():
                    alone_s = None
                elif alone_s is None:
                    alone_s = time.monotonic()
                elif time.monotonic() - alone_s > NODES_TIMEOUT_S:
                    raise PeerLostError(
                        f"expected a node with a core in the Ray cluster, found none for "
                        f"{NODES_TIMEOUT_S:g} s"
                    )
                yield from self._look(under_way, hear)
                if not under_way or any(a.began_s is not None for a in under_way.values()):
                    queued_s = None
                elif queued_s is None:
                    queued_s = time.monotonic()
                elif self._room() and time.monotonic() - queued_s > self._queue_timeout_s:
                    raise PeerLostError(
                        f"expected a free core in the Ray cluster for one of {len(under_way)} "
                        f"tasks within {self._queue_timeout_s:g} s, found all taken by others "
                        "(--queue-timeout)"
                    )
            whole = True
        finally:
            if not whole:
                self._cancel(under_way)

    def close(self) -> None:
        """Leave the cluster; what is under way there is lost."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(Exception):
            self._ray.kill(self._ears)
        if self._mine:
            self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _room(self) -> int:
        """Return how many tasks there may be at a time; 0: no node has a core."""
        now_s = time.monotonic()
        if now_s - self._counted_s >= _COUNT_S:
            self._counted_s = now_s
            nodes = [node for node in self._ray.nodes() if node["Alive"]]
            self._cores = sum(int(node["Resources"].get("CPU", 0)) for node in nodes)
        return self._cores if self._workers_max is None else min(self._cores, self._workers_max)

    def _give(self, task: Task, number: int, under_way: dict[Any, _Attempt]) -> Outcome | None:
        """Have a task done; an outcome where it can't be asked for."""
        try:
            line = line_of({"argument": task.argument})
        except (TypeError, ValueError) as error:
            return Outcome(task.key, failure=failure_of(error), attempts=number)
        self._tickets += 1
        ticket = str(self._tickets)
        reference = self._do.remote(task.function, line, ticket, self._ears)
        under_way[reference] = _Attempt(task, ticket, number)
        return None

    def _look(self, under_way: dict[Any, _Attempt], hear: Hear | None) -> Iterator[Outcome]:
        """Give the outcomes of what has ended, or is late; begin again what was lost."""
        if not under_way:
            time.sleep(_LOOK_S)
            return
        done, _ = self._ray.wait(list(under_way), timeout=_LOOK_S)
        self._listen(under_way, hear)
        for reference in done:
            attempt = under_way.pop(reference)
            outcome = self._outcome(reference, attempt)
            failure = outcome.failure
            if failure is not None and failure.kind == "lost" and attempt.number < self._attempts:
                self._give(attempt.task, attempt.number + 1, under_way)
            else:
                yield outcome
        now_s = time.monotonic()
        for reference, attempt in list(under_way.items()):
            limit_s = attempt.task.timeout_s
            if attempt.began_s is not None and now_s - attempt.began_s > limit_s:
                del under_way[reference]
                self._cancel({reference: attempt})
                message = f"expected an end within {limit_s:g} s, found none"
                failure = Failure("late", "TimeoutError", message)
                yield _outcome_of(attempt, None, failure)

    def _listen(self, under_way: dict[Any, _Attempt], hear: Hear | None) -> None:
        by_ticket = {attempt.ticket: attempt for attempt in under_way.values()}
        for ticket, line in self._ray.get(self._ears.heard.remote()):
            attempt = by_ticket.get(ticket)
            if attempt is None:  # one that was given up
                continue
            said = message_of(line.encode())
            if "began" in said:
                attempt.where, attempt.began_s = said["began"], time.monotonic()
            elif hear is not None:
                hear(attempt.task.key, said["said"])

    def _outcome(self, reference: Any, attempt: _Attempt) -> Outcome:
        errors = self._ray.exceptions
        try:
            answer = message_of(self._ray.get(reference))
        except errors.RayTaskError as error:
            last = str(error).strip().splitlines()[-1]
            message = f"a node of the Ray cluster can't do tasks of Tapewire: {last[:300]}"
            return _outcome_of(attempt, None, Failure("raised", "ConfigError", message, "", 2))
        except errors.RayError as error:
            where = attempt.where or "a node of the Ray cluster"
            said = str(error).strip().splitlines()[0][:300] if str(error) else type(error).__name__
            message = f"the worker on {where} was lost: {said}"
            return _outcome_of(attempt, None, Failure("lost", "PeerLostError", message, "", 5))
        if "failure" in answer:
            return _outcome_of(attempt, None, Failure(**answer["failure"]))
        return _outcome_of(attempt, answer["value"], None)

    def _cancel(self, under_way: dict[Any, _Attempt]) -> None:
        """End what is under way: what does not end by itself is killed."""
        left = list(under_way)
        with contextlib.suppress(self._ray.exceptions.RayError):
            for force in (False, True):
                for reference in left:
                    self._ray.cancel(reference, force=force)
                if left:
                    _, left = self._ray.wait(
                        left, num_returns=len(left), timeout=_END_TIMEOUT_S
                    )  # fmt: skip


def _outcome_of(attempt: _Attempt, value: Any, failure: Failure | None) -> Outcome:
    elapsed_s = 0.0 if attempt.began_s is None else time.monotonic() - attempt.began_s
    return Outcome(attempt.task.key, value, failure, attempt.number, elapsed_s, attempt.where)


def _connect(ray: Any, address: str, timeout_s: float) -> None:
    """Connect to a cluster that answers.

    Raises
    ------
    EndpointError
        Where none does.
    """
    if address != "auto":
        _require_port(address)
    probe = Child(
        [*module_command("tapewire.executors.ray_probe"), address], hears_stdout=True
    )  # fmt: skip
    try:
        if not probe.wait(timeout_s):
            raise EndpointError(
                f"--address {address}: expected a Ray cluster to answer within {timeout_s:g} s, "
                "found silence"
            )
        if probe.code:
            said = probe.printed.decode(errors="replace").strip().splitlines()
            why = said[0] if said else f"its probe {probe.end_in_words()}"
            raise EndpointError(
                f"--address {address}: expected a Ray cluster of which this machine is a node (ray "
                f"start --address …), found: {why}"
            )
    finally:
        probe.end(_END_TIMEOUT_S)
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(
        address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
    )  # fmt: skip
    if main:  # who stops this process is told by whoever stopped it before
        signal.signal(signal.SIGTERM, handler)


def _require_port(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or not host or "/" in address or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(
            f"--address: expected HOST:PORT of a cluster's head, or auto, found {address!r}"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5.0):
            pass
    except OSError as error:
        raise EndpointError(
            f"--address {address}: expected a Ray cluster there, found nobody ({error})"
        ) from None
