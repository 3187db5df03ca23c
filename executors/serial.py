"""Tasks done here, one after the other."""

import os
import socket
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from tapewire.executors.tasks import Hear, Outcome, Task, failure_of, function_of


class SerialExecutor:
    """Does tasks in this process, one after the other.

    What a task may take, it is not held to: nobody could end it.
    """

    workers = 1
    here = True

    def outcomes(self, tasks: Iterable[Task], hear: Hear | None = None) -> Iterator[Outcome]:
        """See `Executor`."""
        where = f"{socket.gethostname()}:{os.getpid()}"
        for task in tasks:
            began_s = time.monotonic()

            def tell(said: object, key: int = task.key) -> None:
                if hear is not None:
                    hear(key, said)

            try:
                value = function_of(task.function)(task.argument, tell)
            except Exception as error:
                outcome = Outcome(task.key, failure=failure_of(error), where=where)
            else:
                outcome = Outcome(
                    task.key, value, elapsed_s=time.monotonic() - began_s, where=where
                )
            yield outcome

    def close(self) -> None:
        """Nothing has to be ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
