"""The run's end of the connection to its collector's process: numbered messages within a window."""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Final

from tapewire.errors import PeerLostError, TapewireError
from tapewire.processes.child import ChildProcess
from tapewire.processes.collecting import (
    CODEC,
    FRAME_BYTES_MAX,
    PIECE_BYTES,
    WINDOW,
    About,
    CollectDone,
    CollectEnded,
    CollectHello,
    CollectPing,
    CollectWords,
)
from tapewire.wire import private_endpoint
from tapewire.wire.credit import CreditWindow
from tapewire.wire.hub import Hub
from tapewire.wire.liveness import PEER_TIMEOUT_S, STALL_TIMEOUT_S
from tapewire.wire.sockets import WAIT_SLICE_S

#: How long the process may take to be there (s): it loads what it needs, as the run does.
_START_TIMEOUT_S: Final = 60.0
#: How long it may take to end once its connection has closed: it says why as it ends.
_LEAVING_S: Final = 3.0
_MODULE: Final = "tapewire.processes.collector_main"


class _Peer:
    def __init__(self, identity: bytes, name: str) -> None:
        self.identity = identity
        self._name = name

    def __str__(self) -> str:
        return self._name


class CollectorLine:
    """The collector's process, and what is said to it; both end with this object.

    Parameters
    ----------
    tick
        Called while it waits; may raise.

    Attributes
    ----------
    is_lost : bool
        The process was lost, or ended with an error of its own.
    is_cut : bool
        A message was interrupted half-way: nothing can be said after it.
    child : ChildProcess
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self.tick = tick
        self.is_lost = self.is_cut = False
        self._resources = contextlib.ExitStack()
        self._peer: _Peer | None = None
        self._answer: str | None = None
        self._window = CreditWindow(WINDOW)
        self._renewed_s = time.monotonic()  # when it got something done, or something to do
        try:
            endpoint = self._resources.enter_context(private_endpoint())
            self._hub = Hub(
                endpoint,
                context=None,
                peer_timeout_s=PEER_TIMEOUT_S,
                peers_max=1,
                message_bytes_max=FRAME_BYTES_MAX,
                untaken_bytes_max=2 * FRAME_BYTES_MAX,
            )
            self._resources.callback(self._hub.close)
            arguments = ["--connect", endpoint, "--parent-pid", str(os.getpid())]
            self.child = self._resources.enter_context(
                ChildProcess("the collector process", _MODULE, arguments)
            )
        except BaseException:
            self._resources.close()
            raise

    @property
    def number(self) -> int:
        """Of the next message."""
        return self._window.sent

    def wait_there(self, coming: Callable[[], None]) -> None:
        """Wait until the process has connected; ``coming`` is called meanwhile, and may raise.

        Raises
        ------
        PeerLostError
            If it does not, in time.
        """
        until_s = time.monotonic() + _START_TIMEOUT_S
        while self._peer is None:
            coming()
            self._wait()
            if time.monotonic() > until_s:
                raise self._lost(f"expected to be there within {_START_TIMEOUT_S:g} s, was not")

    def send_document(self, about: About, document: bytes) -> None:
        """Send a JSON document, in pieces if it is long; see `send`."""
        for at in range(0, len(document), PIECE_BYTES):
            piece = document[at : at + PIECE_BYTES]
            header = CollectWords(self._window.sent, about, at + PIECE_BYTES < len(document))
            self.send([CODEC.encode(header), piece])

    def send(self, frames: list[bytes | memoryview]) -> None:
        """Send a message of the next number, as soon as there is room for it.

        Raises
        ------
        TapewireError
            The collector's own error about earlier rows, or that it was lost.
        """
        self._receive()
        self._renewed_s = time.monotonic()
        while not self._window.open:
            self._wait()
        assert self._peer is not None
        self.is_cut = True  # an interrupt leaves half a message behind
        if not self._hub.send(self._peer, frames):
            raise self._lost("has left")
        self._window.spend()
        self.is_cut = False

    def wait_answer(self) -> str:
        """Wait until the collector has said that something longer is done; return its path."""
        while self._answer is None:
            self._renewed_s = time.monotonic()  # a report may take as long as it takes
            self._wait()
        answer, self._answer = self._answer, None
        return answer

    def _wait(self) -> None:
        self._hub.wait(WAIT_SLICE_S)
        self._receive()
        self.require()
        self.tick()
        if self._peer is None or self._answer is not None:
            return
        if self._hub.probe_due() and not self._hub.send(self._peer, [CODEC.encode(CollectPing())]):
            raise self._lost(f"fell silent for {PEER_TIMEOUT_S:g} s")
        if not self._window.idle and time.monotonic() - self._renewed_s > STALL_TIMEOUT_S:
            raise self._lost(f"is alive but has taken nothing for {STALL_TIMEOUT_S:g} s")

    def _receive(self) -> None:
        for identity, connection, frames in self._hub.received():
            if self._peer is not None and identity != self._peer.identity:
                self._hub.refuse(identity, connection, b"")
                continue
            message = CODEC.decode(frames[0].buffer, bytes_max=FRAME_BYTES_MAX)
            if isinstance(message, CollectHello) and message.pid == self.child.pid:
                self._peer = _Peer(identity, self.child.name)
                self._hub.keep(connection)
            elif isinstance(message, CollectDone):
                self._window.release(message.number)
                self._renewed_s = time.monotonic()
            elif isinstance(message, CollectEnded):
                self._answer = message.path

    def require(self) -> None:
        """Raise the collector's own error, or that it was lost, if it has ended before its work."""
        if not self.child.has_ended:
            return
        self._receive()  # it may have said that it was done
        if self._answer is None:
            self.is_lost = True
            raise self.child.error() or PeerLostError(f"{self.child.name} has left")

    def _lost(self, what: str) -> TapewireError:
        self.is_lost = True
        return self.child.error(_LEAVING_S) or PeerLostError(f"{self.child.name} {what}")

    def close(self) -> None:
        """End the process and the connection. Never raises."""
        self._resources.close()
