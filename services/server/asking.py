"""Questions to processes of a server's own: one each, with one question at a time.

A server's own process reads no large file and computes nothing, so that nothing holds up a call.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from tapewire import errors
from tapewire.errors import QueueFullError, TapewireError
from tapewire.executors import Failure, ProcessExecutor, Task
from tapewire.services.server.callers import Refused
from tapewire.services.server.failures import CallFailure


class QuestionLine:
    """One process and those who wait for it.

    Parameters
    ----------
    function
        ``module:function`` that answers there; it is given a question's argument.
    timeout_s
        How long one answer may take.
    waiting_max
        Who may wait.
    """

    def __init__(self, function: str, timeout_s: float, waiting_max: int) -> None:
        self._function, self._timeout_s, self._waiting_max = function, timeout_s, waiting_max
        self._log = structlog.get_logger("tapewire.server")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tapewire-runs")
        self._guard = threading.Lock()
        self._executor: ProcessExecutor | None = None
        self._waiting = 0
        self._number = 0
        self._is_started = self._is_closed = False

    async def ask(self, argument: dict[str, Any], what: str) -> dict[str, Any]:
        """Return the answer to a question, which the log calls ``what``.

        Raises
        ------
        TapewireError
            As the function has it.
        QueueFullError
            If too many wait.
        Refused
            If it takes too long, or something else went wrong.
        """
        answered = await self._answered(argument)
        if not isinstance(answered, Failure):
            return answered
        kind = getattr(errors, answered.error, None)
        if isinstance(kind, type) and issubclass(kind, TapewireError):
            raise kind(answered.message)
        if answered.kind == "late":
            raise Refused(CallFailure("DEADLINE_EXCEEDED", "LATE", answered.message, 1))
        self._log.error("bug", asked=what, kind=answered.error, exception=answered.traceback)
        sentence = "a bug of the server's; its log has the rest"
        raise Refused(CallFailure("INTERNAL", "BUG", sentence, 70))

    async def _answered(self, argument: dict[str, Any]) -> dict[str, Any] | Failure:
        if self._waiting >= self._waiting_max:
            raise QueueFullError(
                f"expected at most {self._waiting_max} questions at a time, found more; ask again "
                "in a moment"
            )
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._answer, argument)
        finally:
            self._waiting -= 1

    def start(self, argument: dict[str, Any]) -> None:
        """Ask something whose answer nobody waits for, if nothing was asked yet."""
        if not self._is_started:
            self._is_started = True
            self._thread.submit(self._answer, argument)

    def _answer(self, argument: dict[str, Any]) -> dict[str, Any] | Failure:
        with self._guard:
            if self._is_closed:
                raise QueueFullError("expected a server that goes on, found one that ends")
            self._is_started = True
            if self._executor is None:
                self._executor = ProcessExecutor(1, attempts=1)
            executor = self._executor
        self._number += 1
        task = Task(self._number, self._function, argument, self._timeout_s)
        (outcome,) = executor.outcomes([task])
        if outcome.failure is not None:
            return outcome.failure
        answered: dict[str, Any] = outcome.value
        return answered

    def close(self) -> None:
        """End the process."""
        with self._guard:
            self._is_closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
