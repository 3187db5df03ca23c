"""A socket connected to one peer: whether it is there, and how much it sends, is watched.

Which messages there are is none of its business; see `receiver` for one that speaks through it.
"""

import zmq

from tapewire.errors import EndpointError
from tapewire.wire.endpoints import clear_orphaned, require_own_folder, split_endpoint
from tapewire.wire.guard import Failed, Guard, wire_bytes
from tapewire.wire.keys import ClientKeys
from tapewire.wire.network import LIBZMQ, Network
from tapewire.wire.sockets import WAIT_SLICE_S, Waiter, make_socket, receive_message, send_parts

_CONNECTIONS_MAX = 4
#: How often the guard is told that there is no first message yet, s.
_FIRST_LOOK_S = 0.02


class Link:
    """The connecting end of one connection.

    Parameters
    ----------
    endpoint
        Where the peer is bound.
    context
        The ZeroMQ context; needed for ``inproc``, else one is made.
    peer_timeout_s
        A connection without a sign of life for so long (s) is closed.
    message_bytes_max
        Largest frame of the peer, and what may be under way from it until :meth:`allow` says
        otherwise.
    first_bytes_max
        Bytes of the peer's first message, if less than may be under way; see `Guard`.
    frames_max
        Most frames of a message; of a longer one, one more is kept, so that it can be told.
    keys
        This end's, and the peer's; without them ``tcp`` only on loopback.
    network
        What it stands on.

    Raises
    ------
    EndpointError
        If the address is not one that can be reached.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        context: "zmq.Context[zmq.Socket[bytes]] | None",
        peer_timeout_s: float,
        message_bytes_max: int,
        first_bytes_max: int | None = None,
        frames_max: int = 2,
        keys: ClientKeys | None = None,
        network: Network = LIBZMQ,
    ) -> None:
        self.endpoint = endpoint
        self._scheme, self._address = split_endpoint(endpoint, has_keys=keys is not None)
        if self._scheme == "inproc" and context is None:
            raise EndpointError("an inproc address needs the ZeroMQ context of its sender")
        self._peer_timeout_s = peer_timeout_s
        self._message_bytes_max = message_bytes_max
        self._first_bytes_max = first_bytes_max
        self._frames_max = frames_max
        self._keys = keys
        self._network = network
        self._own_context = network.context() if context is None else None
        self._context = context or self._own_context
        self._guard: Guard | None = None
        self._waiter: Waiter | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._disconnects_before = 0
        self._was_heard = False

    def open(self) -> None:
        """Connect; whether anybody is there shows later.

        Raises
        ------
        EndpointError
            If the address can't be connected to, or its folder is open to others.
        """
        assert self._context is not None
        if self._scheme == "ipc":
            require_own_folder(self._address, missing_ok=True)
        self._socket = make_socket(
            self._context,
            zmq.DEALER,
            peer_timeout_s=self._peer_timeout_s,
            message_bytes_max=self._message_bytes_max,
            keys=self._keys,
        )
        if self._scheme != "inproc":
            self._guard = self._network.guard(
                self._socket,
                untaken_bytes_max=self._message_bytes_max,
                connections_max=_CONNECTIONS_MAX,
                first_bytes_max=self._first_bytes_max,
                once=True,
            )
        self._waiter = Waiter(self._socket, self._guard, self._network.poller())
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            raise EndpointError(
                f"can't connect to {self.endpoint!r}: {zmq.strerror(error.errno or 0)}"
            ) from None

    def settle(self) -> None:
        """Hold on to the connection there is now: if it closes, the peer is gone.

        Raises
        ------
        EndpointError
            If the folder of its address is open to others.
        """
        self.require_own()
        assert self._waiter is not None
        self._disconnects_before = self._waiter.disconnects

    def require_own(self) -> None:
        """Check that whoever is at an ipc address can be this user's own alone.

        Raises
        ------
        EndpointError
            If the folder of its address is open to others.
        """
        if self._scheme == "ipc":
            require_own_folder(self._address)

    def allow(self, untaken_bytes_max: int) -> None:
        """Say how many bytes may be under way from the peer from here on."""
        if self._guard is not None:
            self._guard.untaken_bytes_max = untaken_bytes_max

    @property
    def is_open(self) -> bool:
        """Whether there is a socket."""
        return self._waiter is not None

    @property
    def connected(self) -> bool:
        """Whether somebody has ever been there; over inproc, has said something."""
        # The guard has its own thread, and may be slower than a first message.
        return self._was_heard or (self._guard is not None and self._guard.connected > 0)

    @property
    def closed_by_peer(self) -> bool:
        """Whether the connection has closed; what had come before may still be received."""
        assert self._waiter is not None
        return self._waiter.disconnects > self._disconnects_before

    @property
    def failed(self) -> Failed | None:
        """What the first handshake failed of, if one has."""
        return self._guard.failed[0][1] if self._guard is not None and self._guard.failed else None

    @property
    def overrun(self) -> str | None:
        """What the peer did if its connection was shut down for its bytes, else None."""
        if self._guard is None or not self._guard.overruns:
            return None
        return next(iter(self._guard.overruns.values()))

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to receive, or the connection has closed."""
        assert self._waiter is not None
        if self._guard is None or self._was_heard or self._first_bytes_max is None:
            return self._waiter.wait(timeout_s)
        end_s = self._network.now_s() + min(timeout_s, WAIT_SLICE_S)
        disconnects = self._waiter.disconnects
        while True:
            began_s = self._network.now_s()
            if self._waiter.wait(min(_FIRST_LOOK_S, end_s - began_s)):
                return True
            self._guard.heard_all(began_s)
            if self._network.now_s() >= end_s or self._waiter.disconnects > disconnects:
                return False

    @property
    def fds(self) -> tuple[int, int]:
        """What becomes readable for who waits by other means than `wait`; not over inproc.

        The first when something may have come: nothing more is said of it before all of that is
        received. The second when the connection may have closed, until `note_gone`.
        """
        assert self._socket is not None
        assert self._guard is not None
        return int(self._socket.getsockopt(zmq.FD)), self._guard.gone_fd

    def note_gone(self) -> None:
        """Take note that the connection may have closed."""
        assert self._guard is not None
        self._guard.clear()

    def receive(self) -> list[zmq.Frame] | None:
        """Take a message that has arrived, or None."""
        assert self._socket is not None
        frames = receive_message(self._socket, self._frames_max)
        if frames is None:
            return None
        if self._guard is not None:
            try:
                connection = int(frames[0].get(zmq.SRCFD))
            except zmq.ZMQError:  # of a connection that libzmq does not know any more
                return None
            self._guard.take(connection, wire_bytes(frames, has_keys=self._keys is not None))
        self._was_heard = True
        return frames

    def send(self, frame: bytes, *parts: bytes | memoryview) -> bool:
        """Send a message if there is room; return whether it was.

        A lost peer is noticed by a wait.
        """
        assert self._socket is not None
        try:
            send_parts(self._socket, (frame, *parts))
        except zmq.Again:
            return False
        return True

    def close(self, *, linger: bool = True) -> None:
        """Close the socket; without ``linger``, what was said last need not arrive."""
        if self._waiter is not None:
            if not linger and self._socket is not None:
                self._socket.setsockopt(zmq.LINGER, 0)
            self._waiter.close()
            self._waiter = None
        if self._own_context is not None:
            self._own_context.term()
        clear_orphaned(self.endpoint)
