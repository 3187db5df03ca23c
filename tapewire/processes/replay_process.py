"""The replay in a process of its own, from its start to the end of its stream.

Whatever happens to this process, the replay process goes too: it is terminated on every way out
of `ReplayProcess`, and it looks whether its parent is still the one that started it.
"""

import json
import os
import time
from typing import Final

from tapewire.errors import PeerLostError
from tapewire.processes.child import ChildProcess
from tapewire.processes.signals import Signals

#: How long a replay may take to open and check its files before it says where it listens; what it
#: takes to compile its kernels, or to wait for another process that does, is not counted.
READY_TIMEOUT_S: Final = 60.0
#: What the replay calls its kernels in the kernel cache; its own module would load a compiler.
REPLAY_KERNELS: Final = "replay"
#: How long a replay waits for the run that started it: that one may have to compile, or to wait
#: for one that does. It ends with that run, whatever the limit.
START_TIMEOUT_S: Final = 1_500.0
_POLL_S: Final = 0.02


class ReadyDeadline:
    """When to give up on a process that is starting, and compiles these kernels."""

    def __init__(self, kernels: str = REPLAY_KERNELS) -> None:
        self._kernels = kernels
        self._began_s = self._counted_from_s = time.monotonic()

    def is_past(self) -> bool:
        """Whether it has taken too long, compiling not counted: that has a limit of its own."""
        from tapewire.compiled.kernel_cache import COMPILE_TIMEOUT_S, is_compiled

        now_s = time.monotonic()
        if now_s < self._began_s + COMPILE_TIMEOUT_S and not is_compiled(self._kernels):
            self._counted_from_s = now_s
        return now_s > self._counted_from_s + READY_TIMEOUT_S


class ReplayProcess(ChildProcess):
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
        options = {
            "--bind": endpoint,
            "--peer-timeout-s": str(peer_timeout_s),
            "--start-timeout-s": str(START_TIMEOUT_S),
            "--parent-pid": str(os.getpid()),
        }
        super().__init__(
            "the replay process",
            "tapewire.replay",
            [word for option in options.items() for word in option],
            told=plan_json.encode(),
        )

    def wait_ready(self, signals: Signals) -> str:
        """Wait until it has checked its files and listens; return the address it is bound to.

        Raises
        ------
        TapewireError
            Its own error, by class and text; `PeerLostError` if it died or said nothing.
        """
        return address_of(self, signals, ReadyDeadline(), "open its files")


def address_of(
    process: ChildProcess, signals: Signals, deadline: ReadyDeadline, expected: str
) -> str:
    """Wait until a process listens; return the address it says that it is bound to.

    Parameters
    ----------
    expected
        What it does until then, for messages.

    Raises
    ------
    TapewireError
        Its own error, by class and text; `PeerLostError` if it died or said nothing.
    """
    while (line := process.first_line()) is None:
        signals.check()
        process.check()
        if deadline.is_past():
            raise PeerLostError(
                f"{process.name} expected to {expected} within {READY_TIMEOUT_S:g} s, did not"
            )
        time.sleep(_POLL_S)
    try:
        return str(json.loads(line)["ready"])
    except (ValueError, KeyError, TypeError):
        raise PeerLostError(
            f"{process.name} expected to say where it listens, said {line[:200]!r}"
        ) from None
