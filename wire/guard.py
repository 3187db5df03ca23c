"""Holds every connection of a socket to a number of bytes, and their number to a limit.

libzmq bounds the size of one frame (``MAXMSGSIZE``) and the number of whole messages (``RCVHWM``),
but not the frames of one message: it gathers them where its user can neither see nor count them,
and memory grows for as long as a peer goes on (measured: 1.6 GB from 50 MB of empty frames). So a
thread here follows each connection from outside. Nor may whole messages be bounded by libzmq: see
`sockets`. The kernel counts the bytes that have come over it
(``TCP_INFO``), the socket's user says which ones have reached it as messages, and a connection on
which more lie in between than the protocol can have there is shut down; libzmq then frees what it
had gathered.

The thread wakes when connections come and go, and every ``_LOOK_EVERY_S`` while there is one over
tcp. The kernel keeps no count for ``ipc``, where only this user's own processes can connect
(see `endpoints`); there the number of connections is bounded alone.
"""

import contextlib
import enum
import fcntl
import math
import os
import socket as sockets
import stat
import struct
import termios
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import zmq
from zmq.utils.monitor import recv_monitor_message

#: The shorter, the less memory a flood takes before it is seen; a look costs some microseconds.
_LOOK_EVERY_S: Final = 0.02
#: What keeps a connection alive is no message and never reaches the user: so many bytes a second.
_KEEPALIVE_BYTES_PER_S: Final = 1_024
#: Closing frames and handshakes around the messages.
_SLACK_BYTES: Final = 4_096
_BYTES_RECEIVED: Final = struct.Struct("=128xQ")  # tcpi_bytes_received of struct tcp_info
_PEER: Final = struct.Struct("=iII")  # struct ucred: process, user, group
_INT: Final = struct.Struct("i")
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
#: What a handshake came to that failed, by the event that says so.
_FAILURES: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
)
_EVENTS: Final = (
    zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED
    | _FAILURES[0] | _FAILURES[1] | _FAILURES[2]
)  # fmt: skip
#: Failed handshakes that are kept until somebody takes them.
_FAILED_MAX: Final = 64
#: What CURVE adds to a frame: a name, a nonce, a seal and flags.
CURVE_BYTES: Final = 33
_SHORT_BYTES_MAX: Final = 255  # of a frame whose length takes one byte


class Failed(enum.Enum):
    """What a handshake failed of, as far as libzmq says."""

    KEY_REFUSED = enum.auto()  # the bound end does not know the key of the connecting one
    OTHER_KEY = enum.auto()  # the connecting end expects another key of the bound one
    MECHANISM = enum.auto()  # one end has keys, the other none
    ENDED = enum.auto()  # the other end hung up, or took too long


def wire_bytes(frames: Iterable[zmq.Frame], *, has_keys: bool) -> int:
    """Return how many bytes the frames of a message are on the wire."""
    extra = CURVE_BYTES if has_keys else 0
    total = 0
    for frame in frames:
        size = len(frame) + extra
        total += size + (2 if size <= _SHORT_BYTES_MAX else 9)
    return total


@dataclass
class _Connection:
    """One connection, by a descriptor of our own: its number can't come to mean another file."""

    socket: sockets.socket
    counted: bool  # the kernel counts its bytes
    address: str
    owner: str  # whose it is: a host over tcp, a process over ipc
    opened_s: float
    taken_bytes: int  # have reached the user as messages
    kept: bool
    unkept_since_s: float
    drop_at_s: float = math.inf
    #: How many bytes libzmq had taken from the kernel, and when: of its first message.
    read: tuple[int, float] = (0, -math.inf)

    def unread_bytes(self) -> int:
        """How many bytes still lie with the kernel."""
        count = fcntl.ioctl(self.socket, termios.FIONREAD, bytes(_INT.size))
        return int(_INT.unpack(count)[0])

    def received_bytes(self) -> int:
        info = self.socket.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _BYTES_RECEIVED.size)
        return int(_BYTES_RECEIVED.unpack(info)[0])

    def is_silent(self) -> bool:
        """Whether it has not said a byte, as far as anybody knows."""
        with contextlib.suppress(OSError):  # reset meanwhile
            return not (self.counted and self.received_bytes())
        return True


class Guard:
    """Follows the connections of one socket in a thread of its own, until it is closed.

    Connections are named by the number of their descriptor in libzmq, as ``zmq.SRCFD`` of a
    received frame gives it.

    Parameters
    ----------
    untaken_bytes_max
        Bytes of a connection that may be on their way to the user.
    connections_max
        How many there may be. Of those beyond, which are not kept, such go first that have not said
        a byte, as far as the kernel counts, then those of whom has the most, then the oldest: who
        opens many shall not push out who is about to say hello.
    idle_s
        A connection that nobody has kept is closed after so long (s), if the socket's user has
        taken all messages since: what it said may still lie there while the user is busy.
    stranger_bytes_max
        Bytes that may be on their way of a connection that nobody has kept; None: as of others.
    first_bytes_max
        Bytes of the first message of a connection, if less than may be under way: where libzmq had
        taken more of them from the kernel, and the socket's user found no message afterwards, there
        is none that ends.
    once
        After one has been shut down for its bytes, none is let be: for a socket with one peer,
        which libzmq connects to again.

    Attributes
    ----------
    untaken_bytes_max
        May be changed at any time.
    connected, disconnects
        How often connections have come up and gone.
    overruns
        What connections did that were shut down for their bytes, by their number.
    failed : deque of (str, Failed)
        Addresses whose handshakes failed, and why, to be taken from the left.
    """

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        *,
        untaken_bytes_max: int,
        connections_max: int,
        idle_s: float = math.inf,
        stranger_bytes_max: int | None = None,
        first_bytes_max: int | None = None,
        once: bool = False,
    ) -> None:
        self.untaken_bytes_max = untaken_bytes_max
        self.connected = 0
        self.disconnects = 0
        self.overruns: dict[int, str] = {}
        self.failed: deque[tuple[str, Failed]] = deque(maxlen=_FAILED_MAX)
        self._failing: Failed | None = None
        self._connections_max = connections_max
        self._idle_s = idle_s
        self._stranger_bytes_max = math.inf if stranger_bytes_max is None else stranger_bytes_max
        self._first_bytes_max = math.inf if first_bytes_max is None else first_bytes_max
        self._heard_all_s = -math.inf
        self._once = once
        self._connections: dict[int, _Connection] = {}
        self._early: dict[int, int] = {}
        self._early_kept: set[int] = set()
        self._stopping = False
        self._socket = socket
        self._monitor = socket.get_monitor_socket(_EVENTS)
        self._monitor.setsockopt(zmq.LINGER, 0)
        self._stop_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        #: Readable whenever a connection has gone since :meth:`clear`.
        self.gone_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="tapewire-guard", daemon=True)
        self._thread.start()

    # --- for the socket's user --------------------------------------------------------------

    def clear(self) -> None:
        """Take note that connections have gone."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.gone_fd)

    def take(self, number: int, count: int) -> None:
        """Count the bytes of a message that has come out of the socket; see `wire_bytes`."""
        connection = self._connections.get(number)
        if connection is not None:
            connection.taken_bytes += count
        else:  # quicker than the news of its connection
            early = self._early.get(number, 0) + count
            self._early[number] = min(early, self.untaken_bytes_max)

    def heard_all(self, by_s: float | None = None) -> None:
        """Say that all messages which had arrived were taken, and their connections kept or not.

        Parameters
        ----------
        by_s
            Those which had arrived by then (`time.monotonic`); default: by now.
        """
        self._heard_all_s = time.monotonic() if by_s is None else by_s

    def keep(self, number: int, kept: bool = True) -> None:
        """Say that a connection is one of ours, or no longer."""
        connection = self._connections.get(number)
        if connection is not None:
            connection.kept = kept
            connection.unkept_since_s = time.monotonic()
        elif kept:
            self._early_kept.add(number)

    def drop(self, number: int, after_s: float) -> None:
        """Shut a connection down, once what was said to it last has had time to go out."""
        connection = self._connections.get(number)
        if connection is not None and connection.drop_at_s == math.inf:
            connection.drop_at_s = time.monotonic() + after_s
            os.eventfd_write(self._stop_fd, 1)

    def dropping(self, number: int) -> bool:
        """Whether a connection is about to be shut down."""
        connection = self._connections.get(number)
        return connection is not None and connection.drop_at_s < math.inf

    def close(self) -> None:
        """End the thread; call before the socket is closed."""
        self._stopping = True
        os.eventfd_write(self._stop_fd, 1)
        self._thread.join()
        self._socket.disable_monitor()
        self._monitor.close(0)
        os.close(self._stop_fd)
        os.close(self.gone_fd)

    # --- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._monitor, zmq.POLLIN)
        poller.register(self._stop_fd, zmq.POLLIN)
        while not self._stopping:
            looking = any(
                c.counted or c.drop_at_s < math.inf or not (c.kept or self._idle_s == math.inf)
                for c in self._connections.values()
            )
            poller.poll(round(_LOOK_EVERY_S * 1_000) if looking else None)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._stop_fd)
            while self._monitor.poll(0):
                event = recv_monitor_message(self._monitor)
                self._follow(event["event"], event["value"])
            self._look()
        for connection in self._connections.values():
            connection.socket.close()
        self._connections.clear()

    def _follow(self, event: int, number: int) -> None:
        """Take note of a connection that has come or gone."""
        if event in _FAILURES:  # it is gone next
            self._failing = _failure(event, number)
            return
        if before := self._connections.pop(number, None):
            before.socket.close()
        if event == zmq.EVENT_DISCONNECTED:
            if self._failing is not None:
                self.failed.append((before.address if before else "somebody", self._failing))
                self._failing = None
            self.disconnects += 1
            os.eventfd_write(self.gone_fd, 1)
            return
        self.connected += 1
        if not self._once:
            self.overruns.pop(number, None)
        # It may be gone already, and its number be that of another file: then there is nothing
        # to follow, or, if that is a connection, its own event is about to come.
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                return
            socket = sockets.socket(fileno=os.dup(number))
            counted = socket.family in (sockets.AF_INET, sockets.AF_INET6)
            now_s = time.monotonic()
            taken_bytes, kept = self._early.pop(number, 0), number in self._early_kept
            self._early_kept.discard(number)
            address = _address_of(socket)
            owner = address if counted else _process_of(socket)
            self._connections[number] = _Connection(
                socket, counted, address, owner, now_s, taken_bytes, kept, now_s
            )

    def _look(self) -> None:
        """Shut down what has overrun its bytes, its time or the number of connections."""
        now_s = time.monotonic()
        strangers = [c for c in self._connections.values() if not c.kept]
        going = sum(c.drop_at_s <= now_s for c in self._connections.values())
        surplus = len(self._connections) - going - self._connections_max
        if surplus > 0:
            for connection in _first_to_go([c for c in strangers if c.drop_at_s > now_s])[:surplus]:
                connection.drop_at_s = now_s
        for connection in strangers:
            if self._heard_all_s - connection.unkept_since_s > self._idle_s:
                connection.drop_at_s = min(connection.drop_at_s, now_s)
        for number, connection in self._connections.items():
            with contextlib.suppress(OSError):  # reset meanwhile
                if connection.counted:
                    self._look_at(number, connection, now_s)
                if self._once and self.overruns:
                    connection.drop_at_s = now_s
                if connection.drop_at_s <= now_s:
                    connection.socket.shutdown(sockets.SHUT_RDWR)

    def _look_at(self, number: int, connection: _Connection, now_s: float) -> None:
        most_bytes = self.untaken_bytes_max
        if not connection.kept:
            most_bytes = round(min(most_bytes, self._stranger_bytes_max))
        allowed_bytes = (
            most_bytes
            + _SLACK_BYTES
            + round((now_s - connection.opened_s) * _KEEPALIVE_BYTES_PER_S)
        )
        received_bytes = connection.received_bytes()
        if not connection.taken_bytes and self._is_overdue(connection, received_bytes, now_s):
            allowed_bytes = min(allowed_bytes, round(self._first_bytes_max))
        untaken_bytes = received_bytes - connection.taken_bytes
        if untaken_bytes > allowed_bytes:
            connection.drop_at_s = now_s
            # With a reset: what is still under way would keep it half open for a minute.
            connection.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _LINGER_NOT)
            self.overruns[number] = (
                f"sent {untaken_bytes} bytes beyond the messages that were taken from it, expected "
                f"at most {allowed_bytes}: it sends a message without end, or more than it may"
            )

    def _is_overdue(self, connection: _Connection, received_bytes: int, now_s: float) -> bool:
        """Whether libzmq has more than a first message of it, and yet there was none to be had.

        What it has taken from the kernel is with the socket's user as soon as it is whole. So what
        had been taken before the user last looked, and found nothing, is the begin of a message.
        """
        if self._first_bytes_max == math.inf:
            return False
        read_bytes, read_s = connection.read
        if read_s < self._heard_all_s:
            if read_bytes > self._first_bytes_max + _SLACK_BYTES:
                return True
            connection.read = (received_bytes - connection.unread_bytes(), now_s)
        return False


def _address_of(socket: sockets.socket) -> str:
    if socket.family in (sockets.AF_INET, sockets.AF_INET6):
        with contextlib.suppress(OSError):  # it is gone already
            return str(socket.getpeername()[0])
    return "somebody"


def _process_of(socket: sockets.socket) -> str:
    with contextlib.suppress(OSError):
        pid, _, _ = _PEER.unpack(socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12))
        return str(pid)
    return "somebody"


def _first_to_go(strangers: "list[_Connection]") -> "list[_Connection]":
    """Connections in the order in which there is no more room for them; see `Guard`."""
    crowds = Counter(one.owner for one in strangers)
    return sorted(strangers, key=lambda one: (not one.is_silent(), -crowds[one.owner]))


def _failure(event: int, code: int) -> Failed:
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return Failed.KEY_REFUSED
    if code == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
        return Failed.OTHER_KEY
    if code == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
        return Failed.MECHANISM
    return Failed.ENDED
