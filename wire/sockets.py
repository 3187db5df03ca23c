"""The one place where sockets are made, with every limit and deadline explicit.

libzmq's own defaults are: wait for ever at close, queue 1,000 messages of any size, accept
messages of any size, drop silently what can't be routed, never notice a silent peer.
"""

from typing import Final

import zmq
from zmq.utils.monitor import recv_monitor_message

HEARTBEAT_S: Final = 1.0
#: Longest sleep in any wait: how quickly a signal, a stop request or a dead peer is noticed.
WAIT_SLICE_S: Final = 0.1
LINGER_MS: Final = 1_000
#: Never reached: credits and the heartbeat allowance keep both queues far below it.
HIGH_WATER_MARK: Final = 1_024
#: Unanswered heartbeats after which a sender stops adding to a busy peer's queue.
UNHEARD_HEARTBEATS_MAX: Final = 64


def make_socket(
    context: "zmq.Context[zmq.Socket[bytes]]",
    kind: int,
    *,
    peer_timeout_s: float,
    message_bytes_max: int,
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
        Larger messages close the connection of the peer that sent them.
    """
    socket = context.socket(kind)
    timeout_ms = max(1, round(peer_timeout_s * 1_000))
    for option, value in (
        (zmq.LINGER, LINGER_MS),
        (zmq.SNDHWM, HIGH_WATER_MARK),
        (zmq.RCVHWM, HIGH_WATER_MARK),
        (zmq.SNDTIMEO, 0),  # nothing ever blocks in a send or receive: poll first
        (zmq.RCVTIMEO, 0),
        (zmq.MAXMSGSIZE, message_bytes_max),
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
    return socket


class Waiter:
    """Waits for a socket and notices when a connection of it closes."""

    def __init__(self, socket: "zmq.Socket[bytes]", *, watch_connections: bool) -> None:
        self._socket = socket
        self._poller = zmq.Poller()
        self._poller.register(socket, zmq.POLLIN)
        self._monitor: zmq.Socket[bytes] | None = None
        if watch_connections:  # inproc has none
            self._monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            self._monitor.setsockopt(zmq.LINGER, 0)
            self._poller.register(self._monitor, zmq.POLLIN)
        self.disconnects = 0

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to receive; count closed connections on the way."""
        timeout_ms = max(0, -int(-min(timeout_s, WAIT_SLICE_S) * 1_000 // 1))
        ready = dict(self._poller.poll(timeout_ms))
        if self._monitor is not None and self._monitor in ready:
            while self._monitor.poll(0):
                if recv_monitor_message(self._monitor)["event"] == zmq.EVENT_DISCONNECTED:
                    self.disconnects += 1
        return self._socket in ready

    def close(self) -> None:
        """Close the socket and its monitor."""
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(0)
        self._socket.close()
