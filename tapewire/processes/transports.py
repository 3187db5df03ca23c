"""The replay end of a run's stream: its plan, its address, and the replay as a thread."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import zmq

from tapewire.config.schema import DatabentoSource, Replay
from tapewire.errors import PeerLostError
from tapewire.processes.replay_process import READY_TIMEOUT_S, START_TIMEOUT_S, ReadyDeadline
from tapewire.processes.signals import Signals

if TYPE_CHECKING:
    from tapewire.replay import ReplayPlan

#: How long the thread may take to end after it was asked to.
_JOIN_TIMEOUT_S: Final = 2.0
_POLL_S: Final = 0.005


def replay_plan(source: DatabentoSource, options: Replay) -> "ReplayPlan":
    """Say what is to be replayed and how, in the replay's own terms."""
    from tapewire.replay import ReplayPlan

    return ReplayPlan(
        files=tuple(source.files),
        symbols=tuple(source.symbols),
        publishers=tuple(source.publishers),
        start_ns=source.start,
        end_ns=source.end,
        warmup=source.warmup,
        duplicates=source.duplicates,
        allow_truncated=source.allow_truncated,
        speed=options.speed_factor,
        batch_records=options.batch_records,
        payload=options.payload,
    )


def chosen_transport(wanted: str) -> str:
    """Resolve ``auto``: a process of its own for the replay where it can have a core of its own."""
    if wanted != "auto":
        return wanted
    return "ipc" if cores() > 1 else "inproc"


def chosen_collector(wanted: str, transport: str) -> str:
    """Resolve ``auto``: a process of its own for the collector where a third core is there.

    Whoever wants the replay in this process wants the collector there, too.
    """
    if wanted != "auto":
        return wanted
    return "process" if cores() > 2 and transport != "inproc" else "inline"


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


@contextlib.contextmanager
def temporary_endpoint(transport: str) -> Iterator[str]:
    """Give an address for one run; what it needs in the file system goes with it."""
    if transport == "tcp":
        yield "tcp://127.0.0.1:*"
        return
    from tapewire.wire import private_endpoint

    with private_endpoint() as endpoint:
        yield endpoint


class ThreadedReplay:
    """A replay in a thread of this process, over inproc; it ends with this object."""

    endpoint: Final = "inproc://replay"

    def __init__(self, plan: "ReplayPlan", *, peer_timeout_s: float) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._serve, args=(plan, peer_timeout_s), name="tapewire-replay", daemon=True
        )
        self._thread.start()

    def _serve(self, plan: "ReplayPlan", peer_timeout_s: float) -> None:
        from tapewire.replay import serve

        def ready(*_: Any) -> None:
            self._ready.set()

        try:
            serve(
                plan,
                self.endpoint,
                peer_timeout_s=peer_timeout_s,
                start_timeout_s=START_TIMEOUT_S,
                context=self.context,
                stop=self._stop,
                ready=ready,
            )
        except BaseException as error:  # handed to the thread that waits for it
            self._error = error

    def wait_ready(self, signals: Signals) -> None:
        """Wait until the files are checked and the address is bound.

        Raises
        ------
        TapewireError
            The replay's own error; `PeerLostError` if it said nothing in time.
        """
        deadline = ReadyDeadline()
        while not self._ready.is_set():
            signals.check()
            if self._error is not None:
                raise self._error
            if deadline.is_past():
                raise PeerLostError(
                    f"the replay expected to open its files within {READY_TIMEOUT_S:g} s, did not"
                )
            time.sleep(_POLL_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(_JOIN_TIMEOUT_S)
        if not self._thread.is_alive():
            self.context.term()
