"""A bound socket with many peers: who sends what is known, and how much of it is bounded.

Which messages there are is none of its business; see `publisher` for one that speaks through it.
"""

import contextlib
import errno
from collections.abc import Iterator
from typing import Final, Protocol

import zmq

from tapewire.errors import EndpointError, PeerLostError
from tapewire.wire.endpoints import Binding, split_endpoint
from tapewire.wire.gate import Gate
from tapewire.wire.guard import Failed, Guard, wire_bytes
from tapewire.wire.keys import ServerKeys
from tapewire.wire.network import LIBZMQ, Network
from tapewire.wire.sockets import Waiter, make_socket, receive_message, send_parts

#: A closed connection is reported a moment before sending to it fails: so ask more than once.
_PROBES: Final = 5
#: Connections that are neither peers nor waiting to be.
_STRANGERS_MAX: Final = 32
#: How long a stranger is left connected after an answer or, if it says nothing, without one (s).
_ANSWER_S: Final = 0.5
_STRANGER_S: Final = 5.0
#: What a stranger may send before it is known: a hello is far shorter.
_STRANGER_BYTES_MAX: Final = 1 << 20
#: Messages taken in at once; the others wait until the work has gone on.
_MESSAGES_PER_PUMP: Final = 1_024
#: Who was refused for its keys is told in so many sentences, and no more.
_REFUSED_MAX: Final = 32
_WHY: Final = {
    Failed.OTHER_KEY: "it expects another key of this end",
    Failed.MECHANISM: "it has no keys",
    Failed.ENDED: "it hung up in the handshake, as one without keys may",
}


class Addressee(Protocol):
    """Whom a message may be sent to; its text is what errors call it."""

    identity: bytes


class Hub:
    """The bound end of any number of connections.

    Parameters
    ----------
    endpoint
        Where to bind. ``tcp`` without keys only on loopback; ``ipc`` only in a folder with mode
        0700.
    context
        The ZeroMQ context; needed for ``inproc``, else one is made.
    peer_timeout_s
        A connection without a sign of life for so long (s) is closed.
    peers_max
        Connections that may be peers or wait to be.
    message_bytes_max, untaken_bytes_max
        Largest frame of a peer, and what may be under way from one.
    frames_max
        Most frames of a message; of a longer one, one more is kept, so that it can be told.
    keys
        This end's, and who may connect; for ``tcp``.
    network
        What it stands on.

    Raises
    ------
    EndpointError
        If the address can't be bound.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        context: "zmq.Context[zmq.Socket[bytes]] | None",
        peer_timeout_s: float,
        peers_max: int,
        message_bytes_max: int,
        untaken_bytes_max: int,
        frames_max: int = 1,
        keys: ServerKeys | None = None,
        network: Network = LIBZMQ,
    ) -> None:
        scheme, _ = split_endpoint(endpoint, has_keys=keys is not None)
        if scheme == "inproc" and context is None:
            raise EndpointError("an inproc address needs the ZeroMQ context of its receivers")
        self._frames_max = frames_max
        self._disconnects_seen = 0
        self._probes_left = 0
        self._has_keys = keys is not None
        self._refused: dict[str, None] = {}
        if self._has_keys:
            context = None  # there is one gate to a context
        self._own_context = network.context() if context is None else None
        self._gate: Gate | None = None
        if keys is not None:
            assert self._own_context is not None
            self._gate = Gate(self._own_context, keys)
        self.socket = make_socket(
            context or self._own_context,  # type: ignore[arg-type]
            zmq.ROUTER,
            peer_timeout_s=peer_timeout_s,
            message_bytes_max=message_bytes_max,
            keys=keys,
        )
        self._guard: Guard | None = None
        if scheme != "inproc":
            self._guard = network.guard(
                self.socket,
                untaken_bytes_max=untaken_bytes_max,
                connections_max=peers_max + _STRANGERS_MAX,
                idle_s=_STRANGER_S,
                stranger_bytes_max=_STRANGER_BYTES_MAX,
            )
        self._waiter = Waiter(self.socket, self._guard, network.poller())
        try:
            self._binding = Binding(self.socket, endpoint, has_keys=self._has_keys)
        except BaseException:
            self._close_socket()
            raise

    @property
    def endpoint(self) -> str:
        """The address as bound (a ``*`` port is filled in)."""
        return self._binding.endpoint

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to receive, or a connection has closed; which it was."""
        return self._waiter.wait(timeout_s)

    def probe_due(self) -> bool:
        """Whether each peer should be sent something, to find out whose connection has closed."""
        if self._waiter.disconnects > self._disconnects_seen:
            self._disconnects_seen = self._waiter.disconnects
            self._probes_left = _PROBES
        due = self._probes_left > 0
        self._probes_left -= due
        return due

    def received(self) -> Iterator[tuple[bytes, int | None, list[zmq.Frame]]]:
        """Yield the messages that have arrived: identity, connection and frames of each."""
        for _ in range(_MESSAGES_PER_PUMP):
            message = receive_message(self.socket, self._frames_max + 1)
            if message is None:
                if self._guard is not None:
                    self._guard.heard_all()
                return
            identity, *frames = message
            connection = None
            if self._guard is not None:
                try:
                    connection = int(frames[0].get(zmq.SRCFD))
                except zmq.ZMQError:  # of a connection that libzmq does not know any more
                    continue
                self._guard.take(connection, wire_bytes(frames, has_keys=self._has_keys))
                if self._guard.dropping(connection):
                    continue  # it has had its answer
            yield identity.bytes, connection, frames

    def send(self, peer: Addressee, frames: list[bytes | memoryview]) -> bool:
        """Send a message; return whether the peer's connection is still there.

        Raises
        ------
        PeerLostError
            If there is no room for it: a peer with credit reads nothing.
        """
        try:
            send_parts(self.socket, [peer.identity, *frames])
        except zmq.ZMQError as error:
            if error.errno == errno.EAGAIN:
                raise PeerLostError(
                    f"the queue to {peer} is full in spite of its credits: it reads nothing"
                ) from None
            return False
        return True

    def keep(self, connection: int | None) -> None:
        """Say that a connection is one of ours: it may be as silent as it has reason to be."""
        if self._guard is not None and connection is not None:
            self._guard.keep(connection)

    def refuse(self, identity: bytes, connection: int | None, answer: bytes) -> None:
        """Answer somebody for the last time, and hang up."""
        try:
            self.socket.send_multipart([identity, answer], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno == errno.EHOSTUNREACH:
                return  # it has gone, and its descriptor's number may be somebody else's by now
        if self._guard is not None and connection is not None:
            self._guard.keep(connection, False)
            self._guard.drop(connection, _ANSWER_S)

    def overrun(self, connection: int | None) -> str | None:
        """Say what a connection did that was shut down for its bytes; None if it was not."""
        if self._guard is None or connection is None:
            return None
        return self._guard.overruns.get(connection)

    @property
    def refused(self) -> tuple[str, ...]:
        """Who was not let in for its keys so far, in words, each once; a bounded number."""
        if self._guard is not None and self._gate is not None:
            with contextlib.suppress(IndexError):  # until there are no more
                while True:
                    address, failed = self._guard.failed.popleft()
                    if failed in _WHY:  # else the gate has said it
                        self._note_refused(f"{address} was refused: {_WHY[failed]}")
            with contextlib.suppress(IndexError):
                while True:
                    address, key = self._gate.refused.popleft()
                    self._note_refused(f"{address} was refused: its key {key} is not allowed")
        return tuple(self._refused)

    def _note_refused(self, text: str) -> None:
        if len(self._refused) < _REFUSED_MAX:
            self._refused[text] = None

    def close(self) -> None:
        """Close the socket and give back the address."""
        self._close_socket()
        self._binding.close()

    def _close_socket(self) -> None:
        self._waiter.close()
        if self._gate is not None:
            self._gate.close()
        if self._own_context is not None:
            self._own_context.term()  # at most LINGER_MS
