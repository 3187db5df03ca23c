"""The market stream of a live run in a process of its own."""

import os
import signal
from typing import Final

from tapewire.processes.child import ChildProcess
from tapewire.processes.replay_process import ReadyDeadline, address_of
from tapewire.processes.signals import Signals

#: Its kernels in the kernel cache.
LIVE_KERNELS: Final = "live"


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
        return address_of(self, signals, ReadyDeadline(LIVE_KERNELS), "listen")
