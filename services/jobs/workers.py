"""Workers beside a server: processes that it starts, starts again, and ends."""

import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import structlog

from tapewire.children import Child

#: How often is looked whether all live, s.
_LOOK_S: Final = 0.5
#: Until one that has ended is started again, s: one that can't start is not started without end.
_AGAIN_S: Final = 2.0
#: How long workers may take to give their jobs back, s.
END_S: Final = 10.0


class WorkerGroup:
    """So many processes of one command.

    Parameters
    ----------
    command
        Of each.
    count
    environment
        What they have beside this process's.
    """

    def __init__(self, command: Sequence[str], count: int, environment: Mapping[str, str]) -> None:
        self._command, self._environment = list(command), dict(environment)
        self._log = structlog.get_logger("tapewire.server")
        self._ending = threading.Event()
        self._workers = [self._start() for _ in range(count)]
        self._again_s = [0.0] * count
        self._thread = threading.Thread(target=self._look, name="tapewire-workers", daemon=True)

    @property
    def pids(self) -> list[int]:
        """Process ids of those that live."""
        return [worker.pid for worker in self._workers if worker.code is None]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.end(END_S)

    def _start(self) -> Child:
        return Child(self._command, environment=self._environment, hears_stderr=False)

    def _look(self) -> None:
        while not self._ending.wait(_LOOK_S):
            for place, worker in enumerate(self._workers):
                if worker.code is None:
                    continue
                if not self._again_s[place]:
                    self._log.warning("worker ended", pid=worker.pid, how=worker.end_in_words())
                    self._again_s[place] = time.monotonic() + _AGAIN_S
                elif time.monotonic() >= self._again_s[place]:
                    worker.end(0.0)
                    self._workers[place], self._again_s[place] = self._start(), 0.0
