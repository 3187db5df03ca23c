"""What a task is, what comes of it, and what an executor promises."""

import importlib
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

#: Longest text of a traceback that is kept.
_TRACEBACK_MAX: Final = 20_000
#: Whose functions may be asked for.
_OURS: Final = "tapewire."

#: Told what a task says while it goes on: its key, and plain values.
Hear = Callable[[int, Any], None]
#: What a task's function says something with.
Tell = Callable[[Any], None]


@dataclass(frozen=True)
class Task:
    """A function of this installation and what it is given.

    Attributes
    ----------
    key
        Tells it from other tasks.
    function
        ``tapewire.<module>:<function>``, called with `argument` and a `Tell`.
    argument
        Plain values, as JSON has them; data go by path.
    timeout_s
        How long it may take, for one attempt.
    """

    key: int
    function: str
    argument: dict[str, Any]
    timeout_s: float = 6 * 3600.0


@dataclass(frozen=True)
class Failure:
    """Why a task came to nothing.

    Attributes
    ----------
    kind
        ``raised``: its function raised; ``lost``: its process died, each time it was tried;
        ``late``: it took longer than it may.
    error
        Name of the error's class; that of `tapewire.errors`, where it is one.
    message
        What it says.
    traceback
        Where it was raised; empty where nothing was.
    exit_code
        What a command that fails by it ends with.
    """

    kind: Literal["raised", "lost", "late"]
    error: str
    message: str
    traceback: str = ""
    exit_code: int = 1


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes
    ----------
    key
        The task's.
    value
        What its function returned, plain values; None where it failed.
    failure
        Why it failed, None where it did not.
    attempts
        How often it was begun.
    elapsed_s
        What the last attempt took.
    where
        Who did it: host and process.
    """

    key: int
    value: Any = None
    failure: Failure | None = None
    attempts: int = 1
    elapsed_s: float = 0.0
    where: str = field(default="", compare=False)


class Executor(Protocol):
    """Who does tasks."""

    @property
    def workers(self) -> int:
        """How many tasks are done at a time."""

    @property
    def here(self) -> bool:
        """Whether workers are on this machine and see its files."""

    def outcomes(self, tasks: Iterable[Task], hear: Hear | None = None) -> Iterator[Outcome]:
        """Do tasks; give their outcomes in the order in which they end.

        Tasks are taken from the iterable as workers come free. Where the iterator is closed before
        its end, what is under way is stopped.
        """

    def close(self) -> None:
        """End the workers."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def function_of(name: str) -> Callable[[dict[str, Any], Tell], Any]:
    """Return the function that a task names.

    Raises
    ------
    ValueError
        If it is none of this installation.
    """
    module, colon, called = name.partition(":")
    if not module.startswith(_OURS) or not colon or called.startswith("_"):
        raise ValueError(f"expected {_OURS}<module>:<function>, found {name!r}")
    function = getattr(importlib.import_module(module), called, None)
    if not callable(function):
        raise ValueError(f"{module} has no function {called!r}")
    return function  # type: ignore[no-any-return]


def failure_of(error: BaseException) -> Failure:
    """Return what a task's function raised, as plain text."""
    text = "".join(traceback.format_exception(error))
    return Failure(
        "raised",
        type(error).__name__,
        str(error),
        text[-_TRACEBACK_MAX:],
        int(getattr(error, "exit_code", 1)),
    )


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
