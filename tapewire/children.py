"""Processes that this one starts: the only place where any is, and where each is ended.

A child has a session of its own, so that Ctrl-C in a terminal reaches its owner alone, which ends
it; what it writes to standard error is read as it comes, so that no pipe ever fills up, and the
last of it kept for who asks why it ended. A command that cannot be started is an ``OSError``.

Run as a program, this is how a module of ours begins: ``python -m tapewire.children PID MODULE …``
has the system end it with its owner. While it loads its modules, which takes seconds on a busy
machine, nobody in it would look whether that one still lives.

Like the errors, this module may be imported by every room.
"""

import contextlib
import ctypes
import os
import runpy
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Final

#: Kept of what a process writes to a stream that is listened to.
HEARD_BYTES_MAX: Final = 64 << 10
#: For a process to read what it is told: it loads its modules first.
TELL_TIMEOUT_S: Final = 60.0
_READ_BYTES: Final = 1 << 16
_JOIN_TIMEOUT_S: Final = 1.0
#: Of ``sys/prctl.h``: the signal that comes with the end of the thread that started this process.
_PR_SET_PDEATHSIG: Final = 1
#: What ends whose owner is gone.
_ORPHANED: Final = 70


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of this installation, whatever the folder holds.

    Python would look for modules in the current folder first, where a user's ``queue.py`` may be.
    """
    return [sys.executable, "-P", "-m", module]


def owned_command(module: str) -> list[str]:
    """Return the command of a module that ends with this process, killed by the system on Linux.

    One that has something to tidy up before it ends calls `is_loaded`, and looks itself from there.
    """
    return [*module_command("tapewire.children"), str(os.getpid()), module]


def is_loaded() -> None:
    """Say that this process has begun, and looks itself whether its owner still lives."""
    _end_with_owner(0)


def _end_with_owner(number: int) -> None:
    """Get this signal when the owner ends; 0: none."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _begin(owner: str, module: str, *arguments: str) -> None:
    """Be a module, which ends with its owner."""
    _end_with_owner(signal.SIGKILL)
    if os.getppid() != int(owner):  # it ended before that was said
        sys.exit(_ORPHANED)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class Child:
    """A process that was started here, and is to be ended here.

    Parameters
    ----------
    command
        Program and arguments.
    environment
        What its environment has beside this one's.
    has_stdin, has_stdout
        Whether its standard input and output are pipes of ours; else they are nothing.
    hears_stdout
        Whether its standard output is read in the background, too.
    hears_stderr
        Whether what it writes to standard error is kept; else it goes where this one's goes.
    passes
        Files that it has open under the same numbers.

    Raises
    ------
    OSError
        If there is no such command.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        has_stdin: bool = False,
        has_stdout: bool = False,
        hears_stdout: bool = False,
        hears_stderr: bool = True,
        passes: Sequence[int] = (),
    ) -> None:
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if has_stdout or hears_stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE if hears_stderr else None,
            start_new_session=True,
            bufsize=0,
            pass_fds=tuple(passes),
            env={**os.environ, **(environment or {})},
        )
        self._heard = bytearray()
        self._heard_stdout = bytearray()
        self._readers = []
        if hears_stderr:
            self._readers.append(_read_in_background(self._process.stderr, self._heard))
        if hears_stdout:
            self._readers.append(_read_in_background(self._process.stdout, self._heard_stdout))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, below 0 for the signal that killed it; None while it lives."""
        return self._process.poll()

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output, if it has one of ours."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def printed(self) -> bytes:
        """The last of what it wrote to its standard output, where that is listened to."""
        return bytes(self._heard_stdout)

    @property
    def heard(self) -> str:
        """The last of what it wrote to its standard error."""
        return bytes(self._heard).decode(errors="replace")

    def tell(self, data: bytes, *, last: bool = False, timeout_s: float = TELL_TIMEOUT_S) -> None:
        """Write all of it to its standard input; close that if it is the `last`.

        Raises
        ------
        OSError
            If it does not read any more; a ``TimeoutError`` if not within so long.
        """
        stream = self._process.stdin
        assert stream is not None
        rest, until_s = memoryview(data), time.monotonic() + timeout_s
        os.set_blocking(stream.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_WRITE)
            while rest:
                if not selector.select(max(0.0, until_s - time.monotonic())):
                    raise TimeoutError(f"pid {self.pid} has read nothing more in {timeout_s:g} s")
                rest = rest[os.write(stream.fileno(), rest) :]
        if last:
            stream.close()

    def end_in_words(self) -> str | None:
        """How it ended, like ``was killed by SIGKILL``; None while it lives."""
        code = self.code
        if code is None:
            return None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    def last_line(self, letters_max: int = 300) -> str:
        """Return the last line of its standard error, empty if there is none."""
        return "".join(self.heard.strip().splitlines()[-1:])[:letters_max]

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; whether it has ended, and all it wrote was heard."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(timeout_s, 0.0))
            for reader in self._readers:
                reader.join(_JOIN_TIMEOUT_S)
        return self.code is not None

    def ask_to_end(self) -> None:
        """Send it SIGTERM, if it lives."""
        with contextlib.suppress(OSError):
            self._process.terminate()

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        with contextlib.suppress(OSError):
            self._process.send_signal(number)

    def end(self, timeout_s: float) -> None:
        """Ask it to end, kill it if it does not; after this it is gone, and its pipes closed."""
        if self.code is None:
            self.ask_to_end()
            if not self.wait(timeout_s):
                self._process.kill()
        self._bury()

    def kill_all(self) -> None:
        """Kill it and what it has started, which is in its group; after this it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._bury()

    def _bury(self) -> None:
        self._process.wait()
        for reader in self._readers:
            reader.join(_JOIN_TIMEOUT_S)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _read_in_background(stream: IO[bytes] | None, into: bytearray) -> threading.Thread:
    """Keep a pipe from filling up; keep the last bytes of what came through it."""
    assert stream is not None

    def read() -> None:
        # Closed under it where somebody who left the group keeps the other end open.
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(stream.fileno(), _READ_BYTES):
                into.extend(chunk)
                del into[:-HEARD_BYTES_MAX]

    thread = threading.Thread(target=read, name="tapewire-pipe", daemon=True)
    thread.start()
    return thread


if __name__ == "__main__":
    _begin(*sys.argv[1:])
