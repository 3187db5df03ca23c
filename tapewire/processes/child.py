"""A module of ours in a process of its own: started, listened to, and ended with its owner."""

import contextlib
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from tapewire import errors
from tapewire.children import Child, owned_command
from tapewire.errors import PeerLostError, TapewireError

#: How long a process may take to end after it was asked to, before it is killed.
END_TIMEOUT_S: Final = 1.0
#: How long after its connection a dying process may still be seen.
_END_UNDER_WAY_S: Final = 0.5


class ChildProcess:
    """A module that runs in a process of its own, which ends with this object.

    What it prints is kept: a last line of JSON on standard error, with ``kind`` and ``message``, is
    an error of `tapewire.errors`.

    Parameters
    ----------
    called
        What it is in messages, like ``the replay process``.
    module
        What ``python -m`` runs; see `owned_command`.
    arguments
        Its command line.
    told
        What it reads from standard input.
    """

    def __init__(
        self, called: str, module: str, arguments: Sequence[str] = (), *, told: bytes = b""
    ) -> None:
        self._called = called
        self._process = Child(
            [*owned_command(module), *arguments],
            environment={"PYTHONUNBUFFERED": "1"},
            has_stdin=True,
            hears_stdout=True,
        )
        with contextlib.suppress(BrokenPipeError):  # it died already: `check` says why
            try:
                self._process.tell(told, last=True)
            except TimeoutError as error:
                self._process.end(0.0)
                raise PeerLostError(f"the {called}: {error}") from None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, well or badly."""
        return self._process.code is not None

    @property
    def name(self) -> str:
        """What it is called in messages, with its process id."""
        return f"{self._called} (pid {self.pid})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def first_line(self) -> str | None:
        """Return the first line of its standard output, None until that is whole."""
        line, newline, _ = self._process.printed.partition(b"\n")
        return line.decode(errors="replace") if newline else None

    def check(self) -> None:
        """Raise its error if it has ended badly; do nothing while it runs or after its success."""
        if self._process.code:
            raise self.error() or PeerLostError(f"{self.name} failed")

    def error(self, wait_s: float = _END_UNDER_WAY_S) -> TapewireError | None:
        """Return why it ended badly, as an error of the class it named; None if it did not.

        Waits so long (s) for an end that is under way: its connection closes before its process.
        """
        if not self._process.wait(wait_s) or not self._process.code:
            return None
        for line in reversed(self._process.heard.splitlines()):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                said = json.loads(line)
                kind = getattr(errors, said["kind"])
                if isinstance(kind, type) and issubclass(kind, TapewireError):
                    return kind(str(said["message"]))
        last = self._process.last_line()
        said_last = f"; its last words: {last}" if last else ""
        return PeerLostError(f"{self.name} {self._process.end_in_words()}{said_last}")

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it, gently first; after this it is gone."""
        self._process.end(END_TIMEOUT_S)

    def wait_end(self) -> None:
        """Wait for its own end after its work is done.

        Raises
        ------
        TapewireError
            If it ended badly.
        """
        self.wait_gone()
        self.check()

    def wait_gone(self) -> None:
        """Give it a moment to end by itself, however it does."""
        self._process.wait(END_TIMEOUT_S)
