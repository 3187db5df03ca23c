"""How the data commands say how far they are, and what they did."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SHOWN_AFTER_S: Final = 2.0
LINE_INTERVAL_S: Final = 10.0


#: Told what is done, how much of it, of how much (None: nobody knows).
HearSteps = Callable[[str, int, int | None], None]
_HEARD: ContextVar[HearSteps | None] = ContextVar("heard", default=None)


@contextmanager
def steps_heard(hear: HearSteps) -> Iterator[None]:
    """Have somebody told how far things are, all that is begun in here, in place of the screen."""
    token = _HEARD.set(hear)
    try:
        yield
    finally:
        _HEARD.reset(token)


class Steps:
    """Shows on standard error how far something is, once it has taken two seconds.

    A bar on a terminal, a plain line now and then elsewhere. Call it with what is done.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._what = what
        self._total = total
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._hear = _HEARD.get()
        self._next_s = time.monotonic() + SHOWN_AFTER_S

    def __call__(self, done: int) -> None:
        """Say how much is done."""
        if self._hear is not None:
            self._hear(self._what, done, self._total)
        elif self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
        elif time.monotonic() >= self._next_s:
            self._show(done)

    def _show(self, done: int) -> None:
        if not self._console.is_terminal:
            total = "" if self._total is None else f" of {self._total:,}"
            self._console.print(f"{self._what}: {done:,}{total}", highlight=False)
            self._next_s = time.monotonic() + LINE_INTERVAL_S
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True)
        self._bar.add_task(self._what, total=self._total, completed=done)
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def iso(ns: int | None) -> str:
    """ISO 8601 with nanoseconds, or a dash for an undefined time (2^64 − 1)."""
    if ns is None or not 0 <= ns < 2**63:
        return "–"
    return f"{np.datetime64(ns, 'ns')}Z"


def tell(console: Console | None, text: str) -> None:
    """Print a sentence as it is, however long and whatever file names are in it."""
    if console is not None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line on standard error, if there is one: why nothing is to be seen for a moment."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)
