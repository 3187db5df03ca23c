"""The market stream of a live run in a process of its own."""

import json
import os
import signal
import time
from typing import Final

from tapewire.errors import PeerLostError
from tapewire.processes.child import ChildProcess
from tapewire.processes.signals import Signals

#: Its kernels in the kernel cache.
LIVE_KERNELS: Final = "live"
_READY_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.02


class LiveStreamProcess(ChildProcess):
    """A market stream, which ends with this object.

    Parameters
    ----------
    plan_json
        ``StreamPlan.to_json()``.
    endpoint
        Where it is to bind.
    """

    def __init__(self, plan_json: bytes, endpoint: str) -> None:
        options = {"--bind": endpoint, "--parent-pid": str(os.getpid())}
        super().__init__(
            "the market stream", "tapewire.live",
            [word for option in options.items() for word in option], told=plan_json,
        )  # fmt: skip

    def end_stream(self) -> None:
        """Have it end the stream here, as whole."""
        self.send_signal(signal.SIGINT)

    def wait_ready(self, signals: Signals) -> str:
        """Wait until it listens; return the address it is bound to.

        Raises
        ------
        TapewireError
            Its own error, by class and text; `PeerLostError` if it died or said nothing.
        """
        from tapewire.compiled.kernel_cache import COMPILE_TIMEOUT_S, is_compiled

        began_s = time.monotonic()
        while (line := self.first_line()) is None:
            signals.check()
            self.check()
            limit_s = _READY_TIMEOUT_S if is_compiled(LIVE_KERNELS) else COMPILE_TIMEOUT_S
            if time.monotonic() > began_s + limit_s:
                raise PeerLostError(f"{self.name} expected to listen within {limit_s:g} s, did not")
            time.sleep(_POLL_S)
        try:
            return str(json.loads(line)["ready"])
        except (ValueError, KeyError, TypeError):
            raise PeerLostError(
                f"{self.name} expected to say where it listens, said {line[:200]!r}"
            ) from None
