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
from tapewire.wire.guard import Guard
from tapewire.wire.sockets import Waiter, make_socket, receive_message

#: A closed connection is reported a moment before sending to it fails: so ask more than once.
_PROBES: Final = 5
#: Connections that are neither peers nor waiting to be.
_STRANGERS_MAX: Final = 32
#: How long a stranger is left connected after an answer or, if it says nothing, without one (s).
_ANSWER_S: Final = 0.5
_STRANGER_S: Final = 5.0
#: Messages taken in at once; the others wait until the work has gone on.
_MESSAGES_PER_PUMP: Final = 1_024


class Addressee(Protocol):
    """Whom a message may be sent to; its text is what errors call it."""

    identity: bytes


class Hub:
    """The bound end of any number of connections.

    Parameters
    ----------
    endpoint
        Where to bind. ``tcp`` only on loopback; ``ipc`` only in a folder with mode 0700.
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
    ) -> None:
        scheme, _ = split_endpoint(endpoint)
        if scheme == "inproc" and context is None:
            raise EndpointError("an inproc address needs the ZeroMQ context of its receivers")
        self._frames_max = frames_max
        self._disconnects_seen = 0
        self._probes_left = 0
        self._own_context = zmq.Context() if context is None else None
        self.socket = make_socket(
            context or self._own_context,  # type: ignore[arg-type]
            zmq.ROUTER,
            peer_timeout_s=peer_timeout_s,
            message_bytes_max=message_bytes_max,
        )
        self._guard: Guard | None = None
        if scheme != "inproc":
            self._guard = Guard(
                self.socket,
                untaken_bytes_max=untaken_bytes_max,
                connections_max=peers_max + _STRANGERS_MAX,
                idle_s=_STRANGER_S,
            )
        self._waiter = Waiter(self.socket, self._guard)
        try:
            self._binding = Binding(self.socket, endpoint)
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
                return
            identity, *frames = message
            connection = None
            if self._guard is not None:
                connection = int(frames[0].get(zmq.SRCFD))
                self._guard.take(connection, sum(map(len, frames)))
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
            self.socket.send_multipart([peer.identity, *frames], zmq.NOBLOCK)
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
        with contextlib.suppress(zmq.ZMQError):
            self.socket.send_multipart([identity, answer], zmq.NOBLOCK)
        if self._guard is not None and connection is not None:
            self._guard.keep(connection, False)
            self._guard.drop(connection, _ANSWER_S)

    def overrun(self, connection: int | None) -> str | None:
        """Say what a connection did that was shut down for its bytes; None if it was not."""
        if self._guard is None or connection is None:
            return None
        return self._guard.overruns.get(connection)

    def close(self) -> None:
        """Close the socket and give back the address."""
        self._close_socket()
        self._binding.close()

    def _close_socket(self) -> None:
        self._waiter.close()
        if self._own_context is not None:
            self._own_context.term()  # at most LINGER_MS
