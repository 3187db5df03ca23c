"""A model's process, started for it and ended with its run."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO, Final

from tapewire.errors import PeerLostError

#: Tells a model's process whose it is: it does not wait for a run that has died.
RUN_PID_VARIABLE: Final = "TAPEWIRE_RUN_PID"
#: How long it may take to end once it was asked to, before it is killed.
_END_TIMEOUT_S: Final = 1.0
#: Kept of what it writes to standard error.
_HEARD_BYTES_MAX: Final = 64 << 10
_WORDS_MAX: Final = 2_000


class ModelProcess:
    """A command that runs beside the run, with the address to connect to at its end.

    Parameters
    ----------
    strategy_id
        Whose model it is.
    command
        Without the address, which is added as ``--connect ADDRESS``.
    endpoint

    Raises
    ------
    PeerLostError
        If there is no such command.
    """

    def __init__(self, strategy_id: str, command: Sequence[str], endpoint: str) -> None:
        self._called = f"the model of {strategy_id}"
        self._stderr = bytearray()
        try:
            self._process = subprocess.Popen(
                [*command, "--connect", endpoint],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                # Not in the terminal's group: Ctrl-C reaches the run, which ends it.
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", RUN_PID_VARIABLE: str(os.getpid())},
            )
        except OSError as error:
            raise PeerLostError(
                f"{self._called} can't be started: {command[0]}: {error.strerror}"
            ) from None
        self._reader = threading.Thread(
            target=_read, args=(self._process.stderr, self._stderr), daemon=True,
            name="tapewire-model-stderr",
        )  # fmt: skip
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ended(self) -> str | None:
        """How it ended, in words; None while it lives."""
        code = self._process.poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"{self._called} (pid {self.pid}) {how}"

    def last_words(self, why: str) -> str:
        """Why it was lost, with what it said last."""
        if self._process.poll() is not None:
            self._reader.join(_END_TIMEOUT_S)
        said = bytes(self._stderr).decode(errors="replace").strip()[-_WORDS_MAX:]
        if not said or said in why:
            return why
        return f"{why}; its last words:\n{said}"

    def wait_end(self, timeout_s: float) -> None:
        """Give it a moment (s) to end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(timeout_s, 0.0))

    def ask_end(self) -> None:
        """Ask it to end; see `wait_end` for whether it does."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """Kill it and what it has started; after this it is gone."""
        process = self._process
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its own group: whatever it left behind
        process.wait()
        self._reader.join(_END_TIMEOUT_S)
        if process.stderr is not None:
            process.stderr.close()


def _read(stream: IO[bytes] | None, into: bytearray) -> None:
    """Keep a pipe from filling up; keep the last bytes of what came through it."""
    assert stream is not None
    # Closed under it where somebody who left the group keeps the other end open.
    with contextlib.suppress(OSError, ValueError):
        while chunk := os.read(stream.fileno(), 1 << 16):
            into.extend(chunk)
            del into[:-_HEARD_BYTES_MAX]
