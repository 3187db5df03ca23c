"""Keeps the processes of a run together: starts the replay, notices its end, ends it.

Whatever happens to this process, the replay process goes too: it is terminated on every way out
of `ReplayProcess`, and it looks whether its parent is still the one that started it.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import IO, Any, Final, Self

from tapewire import errors
from tapewire.errors import InterruptedRunError, PeerLostError, TapewireError
from tapewire.processes.children import module_command

#: How long a replay may take to open and check its files before it says where it listens; what it
#: takes to compile its kernels, or to wait for another process that does, is not counted.
READY_TIMEOUT_S: Final = 60.0
#: What the replay calls its kernels in the kernel cache; its own module would load a compiler.
REPLAY_KERNELS: Final = "replay"
#: How long a replay waits for the run that started it: that one may have to compile, or to wait
#: for one that does. It ends with that run, whatever the limit.
START_TIMEOUT_S: Final = 1_500.0
#: How long a process may take to end after it was asked to, before it is killed.
END_TIMEOUT_S: Final = 1.0
#: Kept of what the replay process writes to standard error.
STDERR_BYTES_MAX: Final = 64 << 10
#: How long after its connection a dying process may still be seen.
_END_UNDER_WAY_S: Final = 0.5
_POLL_S: Final = 0.02


class Signals:
    """Turns Ctrl-C and SIGTERM into a request that the run looks at between two batches.

    Inside `immediate` the request interrupts at once, by ``KeyboardInterrupt``; so does a second
    one anywhere. Outside the main thread, where Python has no say in signals, nothing is caught.
    """

    def __init__(self) -> None:
        self._number = 0
        self._immediate = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _caught(self, number: int, frame: FrameType | None) -> None:
        again = self._number != 0
        self._number = number
        if self._immediate or again:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def immediate(self) -> Iterator[None]:
        """Let a signal interrupt what has no step to stop at: compiling, writing a report."""
        self.check()
        self._immediate = True
        try:
            yield
        finally:
            self._immediate = False

    def check(self) -> None:
        """Raise `InterruptedRunError` if the user asked to stop."""
        if self._number:
            raise self.error()

    def error(self) -> InterruptedRunError:
        """Return the error that says which signal stopped the run."""
        number = self._number or signal.SIGINT
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        error = InterruptedRunError(f"stopped by {name} before the end of the data")
        error.exit_code = 128 + number
        return error


@contextlib.contextmanager
def interruptible() -> Iterator[Signals]:
    """Let Ctrl-C and SIGTERM end at once what has no step to stop at.

    Raises
    ------
    InterruptedRunError
        Saying which signal it was, once everything inside has cleaned up after itself.
    """
    with Signals() as signals:
        try:
            with signals.immediate():
                yield signals
        except KeyboardInterrupt:
            raise signals.error() from None


class ReadyDeadline:
    """When to give up on a replay that is starting."""

    def __init__(self) -> None:
        self._began_s = self._counted_from_s = time.monotonic()

    def is_past(self) -> bool:
        """Whether it has taken too long, compiling not counted: that has a limit of its own."""
        from tapewire.compiled.kernel_cache import COMPILE_TIMEOUT_S, is_compiled

        now_s = time.monotonic()
        if now_s < self._began_s + COMPILE_TIMEOUT_S and not is_compiled(REPLAY_KERNELS):
            self._counted_from_s = now_s
        return now_s > self._counted_from_s + READY_TIMEOUT_S


class ReplayProcess:
    """A replay in a process of its own, which ends with this object.

    Parameters
    ----------
    plan_json
        What to replay: ``ReplayPlan.to_json()``.
    endpoint
        Where it is to bind; a port ``*`` is chosen by the system.
    peer_timeout_s
        After this long without a sign of life from the router (s) it gives up.
    """

    def __init__(self, plan_json: str, endpoint: str, *, peer_timeout_s: float) -> None:
        self._stderr = bytearray()
        self._stdout = bytearray()
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [
                *module_command("tapewire.replay"),
                "--bind",
                endpoint,
                "--peer-timeout-s",
                str(peer_timeout_s),
                "--start-timeout-s",
                str(START_TIMEOUT_S),
                "--parent-pid",
                str(os.getpid()),
            ],
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
            self._process.stdin.write(plan_json.encode())
            self._process.stdin.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait_ready(self, signals: Signals) -> str:
        """Wait until it has checked its files and listens; return the address it is bound to.

        Raises
        ------
        TapewireError
            Its own error, by class and text; `PeerLostError` if it died or said nothing.
        """
        deadline = ReadyDeadline()
        while b"\n" not in self._stdout:
            signals.check()
            self.check()
            if deadline.is_past():
                raise PeerLostError(
                    f"the replay process (pid {self.pid}) expected to open its files within "
                    f"{READY_TIMEOUT_S:g} s, did not"
                )
            time.sleep(_POLL_S)
        line = bytes(self._stdout).split(b"\n", 1)[0].decode(errors="replace")
        try:
            return str(json.loads(line)["ready"])
        except (ValueError, KeyError, TypeError):
            raise PeerLostError(
                f"the replay process (pid {self.pid}) expected to say where it listens, "
                f"said {line[:200]!r}"
            ) from None

    def check(self) -> None:
        """Raise its error if it has ended badly; do nothing while it runs or after its success."""
        code = self._process.poll()
        if code:
            raise self.error() or PeerLostError(f"the replay process (pid {self.pid}) failed")

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
        return PeerLostError(f"the replay process (pid {self.pid}) {how}{said_last}")

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
        """Wait for its own end after a complete stream; end it if it lingers."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        self.check()


def _read_in_background(stream: IO[bytes] | None, into: bytearray) -> threading.Thread:
    """Keep a pipe from filling up; keep the last bytes of what came through it."""
    assert stream is not None

    def read() -> None:
        while chunk := os.read(stream.fileno(), 1 << 16):
            into.extend(chunk)
            del into[:-STDERR_BYTES_MAX]

    thread = threading.Thread(target=read, name="tapewire-pipe", daemon=True)
    thread.start()
    return thread
