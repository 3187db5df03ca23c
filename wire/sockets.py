"""The one place where sockets are made, with every limit and deadline explicit.

libzmq's own defaults are: wait for ever at close, queue 1,000 messages of any size, accept
messages of any size, drop silently what can't be routed, never notice a silent peer.
"""

from collections.abc import Sequence
from typing import Final

import zmq

from tapewire.wire.guard import CURVE_BYTES, Guard
from tapewire.wire.keys import ClientKeys, ServerKeys
from tapewire.wire.liveness import HEARTBEAT_S

#: Longest sleep in any wait: how quickly a signal, a stop request or a dead peer is noticed.
WAIT_SLICE_S: Final = 0.1
LINGER_MS: Final = 1_000
# As whole numbers: an enumeration's take a microsecond to be put together.
_NOW: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.NOBLOCK) | int(zmq.SNDMORE)
#: Of what is sent; never reached: credits and the heartbeat allowance keep it far below.
HIGH_WATER_MARK: Final = 1_024
#: Of what is received: none. Where that queue is full libzmq stops reading, and if the connection
#: ends then, its next ping ends the whole process (an assertion of ``stream_engine_base.cpp``; seen
#: with 4.3.5). So nobody may be able to fill it: what is under way is bounded by `Guard`.
_RECEIVED_MAX: Final = 0
#: What libzmq calls our sockets when it asks who may connect; see `gate`.
ZAP_DOMAIN: Final = b"tapewire"


def make_socket(
    context: "zmq.Context[zmq.Socket[bytes]]",
    kind: int,
    *,
    peer_timeout_s: float,
    message_bytes_max: int,
    keys: ServerKeys | ClientKeys | None = None,
) -> "zmq.Socket[bytes]":
    """Make a socket whose every queue, size and wait is bounded.

    Parameters
    ----------
    kind
        ``zmq.ROUTER`` or ``zmq.DEALER``.
    peer_timeout_s
        After this long without a sign of life from the peer's input/output thread (s) the
        connection is closed, even while both programs are busy elsewhere.
    message_bytes_max
        Larger frames close the connection of the peer that sent them; see `Guard` for the rest.
    keys
        Of a connection that may leave this host; who has none for the other end is not let in.
    """
    socket = context.socket(kind)
    timeout_ms = max(1, round(peer_timeout_s * 1_000))
    for option, value in (
        (zmq.LINGER, LINGER_MS),
        (zmq.SNDHWM, HIGH_WATER_MARK),
        (zmq.RCVHWM, _RECEIVED_MAX),
        (zmq.SNDTIMEO, 0),  # nothing ever blocks in a send or receive: poll first
        (zmq.RCVTIMEO, 0),
        (zmq.MAXMSGSIZE, message_bytes_max + (CURVE_BYTES if keys is not None else 0)),
        (zmq.HANDSHAKE_IVL, timeout_ms),
        (zmq.HEARTBEAT_IVL, min(round(HEARTBEAT_S * 1_000), max(1, timeout_ms // 3))),
        (zmq.HEARTBEAT_TIMEOUT, timeout_ms),
        (zmq.HEARTBEAT_TTL, timeout_ms // 100 * 100),
        (zmq.RECONNECT_IVL, 50),
        (zmq.RECONNECT_IVL_MAX, 0),
    ):
        socket.setsockopt(option, value)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.BACKLOG, 64)
    if keys is not None:
        _use_keys(socket, keys)
    return socket


def _use_keys(socket: "zmq.Socket[bytes]", keys: ServerKeys | ClientKeys) -> None:
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.pair.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.pair.secret.encode())
    if isinstance(keys, ClientKeys):
        socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server.encode())
        return
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without a gate nobody is let in


def receive_message(socket: "zmq.Socket[bytes]", frames_max: int) -> list[zmq.Frame] | None:
    """Take a message that has arrived, or None.

    Of a message of more than ``frames_max`` frames no more than one above that is kept, so that it
    can be told.
    """
    try:
        frames = [frame := socket.recv(_NOW, copy=False)]
        while frame.more:
            frame = socket.recv(_NOW, copy=False)
            if len(frames) <= frames_max:
                frames.append(frame)
    except zmq.Again:
        return None
    return frames


def send_parts(socket: "zmq.Socket[bytes]", parts: Sequence[bytes | memoryview]) -> None:
    """Send a message of several frames, or raise ``zmq.Again``: in half of pyzmq's own time.

    Its `send_multipart` looks at every part, and adds its flags as members of an enumeration.
    """
    last = len(parts) - 1
    for k, part in enumerate(parts):
        socket.send(part, _MORE if k < last else _NOW)


class Waiter:
    """Waits for a socket and notices when a connection of it closes."""

    def __init__(
        self, socket: "zmq.Socket[bytes]", guard: Guard | None, poller: zmq.Poller
    ) -> None:
        self._socket = socket
        self._guard = guard
        self._poller = poller
        self._poller.register(socket, zmq.POLLIN)
        if guard is not None:  # inproc has none
            self._poller.register(guard.gone_fd, zmq.POLLIN)

    @property
    def disconnects(self) -> int:
        """How many connections have closed."""
        return 0 if self._guard is None else self._guard.disconnects

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to receive, or a connection has closed."""
        timeout_ms = max(0, -int(-min(timeout_s, WAIT_SLICE_S) * 1_000 // 1))
        ready = dict(self._poller.poll(timeout_ms))
        if self._guard is not None and self._guard.gone_fd in ready:
            self._guard.clear()
        return self._socket in ready

    def close(self) -> None:
        """Close the socket and its guard."""
        if self._guard is not None:
            self._guard.close()
        self._socket.close()
