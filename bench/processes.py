"""Measured processes: each in a group of its own, which ends when the bench does."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final

from tapewire.children import module_command
from tapewire.errors import SimulationError

#: Longest a measured process may take; the slowest of them compiles first.
CHILD_S_MAX: Final = 600.0
#: What a line begins with by which a measured process says how far it is.
PROGRESS: Final = "progress: "
#: How long a group may take to end after it was asked to, before it is killed.
_END_S_MAX: Final = 2.0
_POLL_S: Final = 0.02
#: Starts a command; prints its wall time, its processor time and peak memory, that of all the
#: processes it waited for. The parent must be a small one: see `tapewire.bench.runs`.
_LAUNCHER: Final = """
import resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
wall = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
sys.exit(code)
"""


@dataclass(frozen=True)
class Cost:
    """What a command took, with all the processes that it waited for."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def cost_of(*arguments: str) -> Cost:
    """Run ``tapewire …`` to its end, start-up included.

    Raises
    ------
    SimulationError
        As `run_child`.
    """
    command = [*module_command("tapewire"), *arguments]
    said = run_child([sys.executable, "-I", "-S", "-c", _LAUNCHER, *command])
    wall_s, cpu_s, peak = map(float, said.split())
    return Cost(wall_s, cpu_s, peak / 1e6)


def run_child(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout_s: float = CHILD_S_MAX,
    tell: Callable[[str], None] | None = None,
) -> str:
    """Run a command and return its standard output; ``tell`` gets what it says meanwhile.

    That is the lines of its standard error that begin with `PROGRESS`.

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
    said: list[str] = []
    errors_stream = process.stderr
    listener = threading.Thread(target=_listen, args=(errors_stream, said, tell), daemon=True)
    process.stderr = None
    listener.start()
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end_group(process)
        raise SimulationError(f"expected this to end within {timeout_s:g} s: … {shown}") from None
    except BaseException:
        _end_group(process)
        raise
    finally:
        listener.join(_END_S_MAX)
        if errors_stream is not None and not listener.is_alive():
            errors_stream.close()
    if process.returncode != 0:
        last = (said or ["it said nothing"])[-1]
        raise SimulationError(
            f"a measured process ended with code {process.returncode}: {last} (… {shown})"
        )
    return output


def _listen(stream: IO[str] | None, said: list[str], tell: Callable[[str], None] | None) -> None:
    for line in stream or ():
        if tell is not None and line.startswith(PROGRESS):
            tell(line.removeprefix(PROGRESS).rstrip())
        elif line.strip():
            said.append(line.strip())


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
