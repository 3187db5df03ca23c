"""A module of ours in a process of its own: started, listened to, and ended with its owner."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Final, Self

from tapewire import errors
from tapewire.errors import PeerLostError, TapewireError

#: How long a process may take to end after it was asked to, before it is killed.
END_TIMEOUT_S: Final = 1.0
#: Kept of what a process writes to each of its streams.
HEARD_BYTES_MAX: Final = 64 << 10
#: How long after its connection a dying process may still be seen.
_END_UNDER_WAY_S: Final = 0.5


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of this installation, whatever the folder holds.

    Python would look for modules in the current folder first, where a user's ``queue.py`` may be.
    """
    return [sys.executable, "-P", "-m", module]


class ChildProcess:
    """A module that runs in a process of its own, which ends with this object.

    What it prints is kept: a last line of JSON on standard error, with ``kind`` and ``message``, is
    an error of `tapewire.errors`.

    Parameters
    ----------
    called
        What it is in messages, like ``the replay process``.
    module
        What ``python -m`` runs.
    arguments
        Its command line.
    told
        What it reads from standard input.
    """

    def __init__(
        self, called: str, module: str, arguments: Sequence[str] = (), *, told: bytes = b""
    ) -> None:
        self._called = called
        self._stderr = bytearray()
        self._stdout = bytearray()
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [*module_command(module), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Not in the terminal's group: Ctrl-C reaches this process, which ends that one.
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._readers = [
            _read_in_background(self._process.stdout, self._stdout),
            _read_in_background(self._process.stderr, self._stderr),
        ]
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died already: `check` says why
            self._process.stdin.write(told)
            self._process.stdin.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, well or badly."""
        return self._process.poll() is not None

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
        line, newline, _ = bytes(self._stdout).partition(b"\n")
        return line.decode(errors="replace") if newline else None

    def check(self) -> None:
        """Raise its error if it has ended badly; do nothing while it runs or after its success."""
        code = self._process.poll()
        if code:
            raise self.error() or PeerLostError(f"{self.name} failed")

    def error(self) -> TapewireError | None:
        """Return why it ended, as an error of the class it named; None if it still lives.

        Waits briefly for an end that is under way (its connection closes before its process).
        """
        try:
            code = self._process.wait(_END_UNDER_WAY_S)
        except subprocess.TimeoutExpired:
            return None
        for reader in self._readers:
            reader.join(END_TIMEOUT_S)
        for line in reversed(bytes(self._stderr).decode(errors="replace").splitlines()):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                said = json.loads(line)
                kind = getattr(errors, said["kind"])
                if isinstance(kind, type) and issubclass(kind, TapewireError):
                    return kind(str(said["message"]))
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        last = bytes(self._stderr).decode(errors="replace").strip().splitlines()[-1:]
        said_last = f"; its last words: {last[0][:300]}" if last else ""
        return PeerLostError(f"{self.name} {how}{said_last}")

    def close(self) -> None:
        """End it, gently first; after this it is gone."""
        process = self._process
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join(END_TIMEOUT_S)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def wait_end(self) -> None:
        """Wait for its own end after its work is done; end it if it lingers."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        self.check()


def _read_in_background(stream: IO[bytes] | None, into: bytearray) -> threading.Thread:
    """Keep a pipe from filling up; keep the last bytes of what came through it."""
    assert stream is not None

    def read() -> None:
        while chunk := os.read(stream.fileno(), 1 << 16):
            into.extend(chunk)
            del into[:-HEARD_BYTES_MAX]

    thread = threading.Thread(target=read, name="tapewire-pipe", daemon=True)
    thread.start()
    return thread
