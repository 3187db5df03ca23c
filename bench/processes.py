"""Measured processes: each in a group of its own, which ends when the bench does."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Final

from tapewire.errors import SimulationError

#: Longest a measured process may take; the slowest of them compiles first.
CHILD_S_MAX: Final = 600.0
#: How long a group may take to end after it was asked to, before it is killed.
_END_S_MAX: Final = 2.0
_POLL_S: Final = 0.02


def run_child(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout_s: float = CHILD_S_MAX,
) -> str:
    """Run a command and return its standard output.

    It has a process group of its own, so that Ctrl-C reaches it only through this process, which
    then ends the group and whatever its members started.

    Raises
    ------
    SimulationError
        If it fails, with its last line, or takes longer than ``timeout_s``.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=None if env is None else dict(env),
        start_new_session=True,
    )
    shown = " ".join(command[-6:])
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end_group(process)
        raise SimulationError(f"expected this to end within {timeout_s:g} s: … {shown}") from None
    except BaseException:
        _end_group(process)
        raise
    if process.returncode != 0:
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        raise SimulationError(
            f"a measured process ended with code {process.returncode}: {last} (… {shown})"
        )
    return output


def _end_group(process: "subprocess.Popen[str]") -> None:
    """End a process and the rest of its group, gently first."""
    _signal_group(process.pid, signal.SIGTERM)
    deadline_s = time.monotonic() + _END_S_MAX
    while time.monotonic() < deadline_s:
        process.poll()  # reaped, it does not count as a member any more
        if not _signal_group(process.pid, 0):
            break
        time.sleep(_POLL_S)
    else:
        _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a group; return whether anybody is in it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False
