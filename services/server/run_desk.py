"""Where runs are read: processes of their own, so that no chart and no story holds up a call.

There are two, each with one thing at a time: one for what takes a moment, one for what reads a
run's data again. They start when something is asked first, the former as somebody opens the page.
"""

import asyncio
import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from tapewire import errors
from tapewire.errors import ConfigError, QueueFullError, TapewireError
from tapewire.executors import Failure, ProcessExecutor, Task
from tapewire.services.server.callers import Refused
from tapewire.services.server.failures import CallFailure

#: What answers; it is given ``what`` and the server's folders beside what is asked.
FUNCTION: Final = "tapewire.factory.served:answer"
#: What reads data again, trades again, or draws many times.
SLOW: Final = ("explain", "reconcile", "spread", "strategy_chart")
#: How long one answer may take, s.
QUICK_S: Final = 60.0
SLOW_S: Final = 600.0
#: That wait for one process.
WAITING_MAX: Final = 32


@dataclass(frozen=True)
class RunPlaces:
    """Where what a server runs is.

    Attributes
    ----------
    store : str
        The store's address.
    data, strategies : Path or None
        Folders of files that runs may name.
    runs : Path
        Of their folders.
    """

    store: str
    data: Path | None
    strategies: Path | None
    runs: Path


class RunDesk:
    """Has questions about runs answered.

    Parameters
    ----------
    places
    """

    def __init__(self, places: RunPlaces) -> None:
        self._places = places
        self._lines = {False: _Line(QUICK_S), True: _Line(SLOW_S)}
        self._log = structlog.get_logger("tapewire.server")

    async def ask(self, what: str, **told: Any) -> dict[str, Any]:
        """Return the answer to a question.

        Raises
        ------
        TapewireError
            As the command that does the same.
        QueueFullError
            If too many wait.
        Refused
            If it takes too long, or something else went wrong.
        """
        answered = await self._lines[what in SLOW].ask(self._argument(what, told))
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

    def start(self) -> None:
        """Have the process for what takes a moment started by now, and go on at once.

        It takes seconds, which nobody waits for who asks later.
        """
        self._lines[False].start(self._argument("describe", {}))

    def _argument(self, what: str, told: dict[str, Any]) -> dict[str, Any]:
        places = self._places
        return {
            **told, "what": what, "store": places.store, "runs": str(places.runs),
            "data": str(places.data) if places.data else None,
            "strategies": str(places.strategies) if places.strategies else None,
        }  # fmt: skip

    def close(self) -> None:
        """End the processes."""
        for line in self._lines.values():
            line.close()


class _Line:
    """One process and those who wait for it."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tapewire-runs")
        self._guard = threading.Lock()
        self._executor: ProcessExecutor | None = None
        self._waiting = 0
        self._number = 0
        self._is_started = self._is_closed = False

    async def ask(self, argument: dict[str, Any]) -> dict[str, Any] | Failure:
        """Return an answer, or why there is none."""
        if self._waiting >= WAITING_MAX:
            raise QueueFullError(
                f"expected at most {WAITING_MAX} questions about runs at a time, found more; ask "
                "again in a moment"
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
        task = Task(self._number, FUNCTION, argument, self._timeout_s)
        (outcome,) = executor.outcomes([task])
        if outcome.failure is not None:
            return outcome.failure
        answered: dict[str, Any] = outcome.value
        return answered

    def close(self) -> None:
        with self._guard:
            self._is_closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.close()
        self._thread.shutdown(wait=True, cancel_futures=True)


def plain_text(found: dict[str, Any]) -> str:
    """Return an answer as the JSON of a message."""
    return json.dumps(found, ensure_ascii=False)


def in_text(data: bytes) -> str:
    """Return bytes as a question can hold them."""
    return base64.b64encode(data).decode()


def require_data(data: bytes, bytes_max: int) -> None:
    """Refuse a file that is none.

    Raises
    ------
    ConfigError
        If it is empty, or too large.
    """
    if not 1 <= len(data) <= bytes_max:
        raise ConfigError(f"data: expected 1 to {bytes_max:,} bytes, found {len(data):,}")
