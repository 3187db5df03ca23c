"""Connections in memory in place of libzmq's, under the production code that speaks over them.

A message keeps its place behind those before it, as over TCP, unless a fault is asked for. What is
under way is bounded by the high-water marks that the production code has set; a connection whose
bytes overrun what its reader allowed is shut down, as `wire.guard` does; a bound socket that sends
to nobody is told so.
"""

import errno
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq

from simulator.world import Actor, World
from tapewire.wire.guard import wire_bytes
from tapewire.wire.network import Network

#: How often a connection is tried (s): the production's RECONNECT_IVL.
_RETRY_S = 0.05
#: What `wire.guard` allows beside: of handshakes, and for what keeps a connection alive.
_SLACK_BYTES = 4_096
_KEEPALIVE_BYTES_PER_S = 1_024
# As whole numbers, and made once: most turns are spent on finding that nothing has come.
_NOW, _MORE, _AGAIN = int(zmq.NOBLOCK), int(zmq.SNDMORE), zmq.Again()

Parts = list[bytes]


class Frame:
    """A received frame, as pyzmq gives it with ``copy=False``."""

    __slots__ = ("bytes", "connection", "more")

    def __init__(self, data: bytes, more: bool, connection: int) -> None:
        self.bytes, self.more, self.connection = data, more, connection

    def __len__(self) -> int:
        return len(self.bytes)

    @property
    def buffer(self) -> memoryview:
        return memoryview(self.bytes)

    def get(self, option: int) -> int:
        assert option == zmq.SRCFD
        return self.connection


class Pipe:
    """One direction of a connection."""

    def __init__(self, connection: "Connection", to: "Socket", name: str) -> None:
        self.connection, self.to, self.name = connection, to, name
        self.last_s = 0.0
        self.blocked_until_s = 0.0
        self.under_way = 0  # sent, and not yet read
        self.waiting: deque[Callable[[], None]] = deque()


class Connection:
    """Two ends, a number for each of their guards, and what is on its way between them."""

    def __init__(self, number: int, dealer: "Socket", router: "Socket", limit: int) -> None:
        self.number = number
        self.identity = b"\0" + number.to_bytes(4, "big")
        self.is_open = True
        self.limit = limit or dealer.options[zmq.SNDHWM] + router.options[zmq.RCVHWM]
        self.up = Pipe(self, router, f"{dealer.owner.name}>{router.owner.name}")
        self.down = Pipe(self, dealer, f"{router.owner.name}>{dealer.owner.name}")


class Socket:
    """A ROUTER or DEALER socket as far as the production code uses one."""

    def __init__(self, wires: "Wires", kind: int) -> None:
        self.wires, self.kind = wires, kind
        self.owner: Actor = wires.world.current
        self.owner.sockets.append(self)
        self.options: dict[int, int] = {}
        self.inbox: deque[tuple[Pipe, Parts]] = deque()
        self.guard: Watch | None = None
        self.connections: dict[bytes, Connection] = {}
        self.is_closed = False
        self._address = ""
        self._reading: deque[Frame] = deque()
        self._writing: Parts = []
        self._unsent: deque[Parts] = deque()  # of a dealer that is not connected

    # --- what the production code calls ---------------------------------------------------------

    def setsockopt(self, option: int, value: int) -> None:
        self.options[option] = value

    def getsockopt_string(self, option: int) -> str:
        assert option == zmq.LAST_ENDPOINT
        return self._address

    def bind(self, endpoint: str) -> None:
        if endpoint in self.wires.bound:
            raise zmq.ZMQError(errno.EADDRINUSE)
        self._address = endpoint
        self.wires.bound[endpoint] = self

    def connect(self, endpoint: str) -> None:
        self._address = endpoint
        self._try_to_connect()

    def send(self, part: Any, flags: int = 0) -> None:
        if not self._writing:
            self._require_room(part)
        self._writing.append(bytes(part))
        if not flags & _MORE:
            parts, self._writing = self._writing, []
            self._send(parts)

    def send_multipart(self, parts: list[Any], flags: int = 0) -> None:
        for k, part in enumerate(parts):
            self.send(part, int(flags) | (_MORE if k < len(parts) - 1 else 0))

    def recv(self, flags: int, copy: bool) -> Frame:
        assert flags & _NOW
        assert not copy
        if not self._reading:
            if not self.inbox:
                raise _AGAIN.with_traceback(None)
            pipe, parts = self.inbox.popleft()
            pipe.under_way -= 1
            if self.kind == zmq.ROUTER:
                parts = [pipe.connection.identity, *parts]
            last = len(parts) - 1
            self._reading.extend(
                Frame(part, k < last, pipe.connection.number) for k, part in enumerate(parts)
            )
        return self._reading.popleft()

    def close(self) -> None:
        """Close it; what was sent arrives first, unless it may not linger."""
        if self.is_closed:
            return
        self.is_closed = True
        self.owner.sockets.remove(self)
        if self.wires.bound.get(self._address) is self:
            del self.wires.bound[self._address]
        for connection in list(self.connections.values()):
            self.wires.close(connection, self, keeps_sent=self.options[zmq.LINGER] > 0)

    # --- the simulation -------------------------------------------------------------------------

    def die(self) -> None:
        """Close it as the kernel does: some of what was sent is lost with the process."""
        self.options[zmq.LINGER] = self.wires.world.draw.choice((0, 1))
        self.close()

    def _require_room(self, first_part: Any) -> None:
        if self.is_closed:
            return
        if self.kind == zmq.ROUTER:
            connection = self.connections.get(bytes(first_part))
            if connection is None:
                raise zmq.ZMQError(errno.EHOSTUNREACH)
            full = connection.down.under_way >= connection.limit
        elif self.connections:
            connection = next(iter(self.connections.values()))
            full = connection.up.under_way >= connection.limit
        else:
            full = len(self._unsent) >= self.options[zmq.SNDHWM]
        if full:
            raise zmq.Again

    def _send(self, parts: Parts) -> None:
        if self.is_closed:  # its process is dead
            return
        if self.kind == zmq.ROUTER:
            self.wires.send(self.connections[parts[0]].down, parts[1:])
        elif self.connections:
            self.wires.send(next(iter(self.connections.values())).up, parts)
        else:
            self._unsent.append(parts)

    def _try_to_connect(self) -> None:
        """Connect to who is bound there by now, or try again in a moment."""
        if self.is_closed or self.connections:
            return
        world = self.wires.world
        router = self.wires.bound.get(self._address)
        if router is None or router.guard is None:
            world.at(world.now_s() + _RETRY_S, self._try_to_connect)
            return
        connection = self.wires.connect(self, router)
        while self._unsent:
            self.wires.send(connection.up, self._unsent.popleft())

    def lose(self, connection: Connection) -> None:
        """The other end has closed; a dealer tries again, as libzmq does."""
        if self.connections.pop(connection.identity, None) is None or self.is_closed:
            return
        if self.guard is not None:
            self.guard.lose(connection.number)
        if self.kind == zmq.DEALER:
            world = self.wires.world
            world.at(world.now_s() + _RETRY_S, self._try_to_connect)

    def arrived(self, pipe: Pipe, parts: Parts) -> None:
        """A message has come."""
        self.inbox.append((pipe, parts))
        self.wires.world.wake(self.owner)


class Gone:
    """Stands for a descriptor that says that a connection has closed."""

    def __init__(self) -> None:
        self.is_set = False


class Watch:
    """What `wire.guard.Guard` is to a socket of libzmq."""

    def __init__(
        self, wires: "Wires", socket: Socket, *, untaken_bytes_max: int, connections_max: int,
        idle_s: float, once: bool, stranger_bytes_max: int | None = None,
        first_bytes_max: int | None = None,
    ) -> None:  # fmt: skip
        self.untaken_bytes_max = untaken_bytes_max
        self.connected = self.disconnects = 0
        self.overruns: dict[int, str] = {}
        self.failed: deque[Any] = deque()
        self.gone_fd = Gone()
        self.untaken_bytes_seen = 0
        self._wires, self._socket = wires, socket
        self._idle_s, self._once, self._connections_max = idle_s, once, connections_max
        self._untaken: dict[int, int] = {}
        self._since_s: dict[int, float] = {}
        self._kept: set[int] = set()
        self._dropping: set[int] = set()
        socket.guard = self

    def clear(self) -> None:
        self.gone_fd.is_set = False

    def heard_all(self, by_s: float | None = None) -> None:
        """Here, whoever is let in is so before it is overdue."""

    def take(self, number: int, count: int) -> None:
        if number in self._untaken:
            self._untaken[number] -= count

    def keep(self, number: int, kept: bool = True) -> None:
        (self._kept.add if kept else self._kept.discard)(number)
        if not kept:
            self._look_for_idle(number)

    def drop(self, number: int, after_s: float) -> None:
        self._dropping.add(number)
        world = self._wires.world
        world.at(world.now_s() + after_s, lambda: self._shut(number))

    def dropping(self, number: int) -> bool:
        return number in self._dropping

    def close(self) -> None:
        self._socket.guard = None

    # --- the simulation -------------------------------------------------------------------------

    def come(self, number: int) -> None:
        """A connection has come up."""
        self.connected += 1
        self._untaken[number], self._since_s[number] = 0, self._wires.world.now_s()
        if len(self._untaken) > self._connections_max:
            strangers = [one for one in self._untaken if one not in self._kept]
            self._shut(strangers[0])
        if self._once and self.overruns:
            self._shut(number)
        self._look_for_idle(number)

    def _look_for_idle(self, number: int) -> None:
        if self._idle_s < 1e6:
            world = self._wires.world
            world.at(
                world.now_s() + self._idle_s, lambda: number in self._kept or self._shut(number)
            )

    def lose(self, number: int) -> None:
        """A connection has gone."""
        if self._untaken.pop(number, None) is not None:
            self.disconnects += 1
            self.gone_fd.is_set = True
            self._wires.world.wake(self._socket.owner)

    def count(self, pipe: Pipe, parts: Parts) -> bool:
        """Count bytes that have come; whether they are within what the reader allows."""
        number = pipe.connection.number
        if number not in self._untaken:
            return True
        untaken = self._untaken[number] + wire_bytes(parts, has_keys=False)  # type: ignore[arg-type]
        self._untaken[number] = untaken
        self.untaken_bytes_seen = max(self.untaken_bytes_seen, untaken)
        age_s = self._wires.world.now_s() - self._since_s[number]
        allowed = self.untaken_bytes_max + _SLACK_BYTES + round(age_s * _KEEPALIVE_BYTES_PER_S)
        if untaken <= allowed:
            return True
        self.overruns[number] = f"sent {untaken} bytes beyond what was taken, allowed {allowed}"
        self._shut(number, resets=True)
        return False

    def _shut(self, number: int, *, resets: bool = False) -> None:
        for connection in list(self._socket.connections.values()):
            if connection.number == number and resets:
                self._wires.cut(connection)
            elif connection.number == number:
                self._socket.lose(connection)
                self._wires.close(connection, self._socket, keeps_sent=True)


class Poller:
    """Waits for sockets and `Gone`, in virtual time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._what: list[Any] = []

    def register(self, what: Any, flags: int) -> None:
        self._what.append(what)

    def poll(self, timeout_ms: int) -> list[tuple[Any, int]]:
        until_s = self._world.now_s() + timeout_ms / 1_000
        while not (ready := self._ready()) and (left_s := until_s - self._world.now_s()) > 1e-9:
            self._world.wait(left_s)
        return ready

    def _ready(self) -> list[tuple[Any, int]]:
        return [
            (what, zmq.POLLIN)
            for what in self._what
            if (what.is_set if isinstance(what, Gone) else what.inbox)
        ]


class Context:
    """Makes sockets; the production code sets their options."""

    def __init__(self, wires: "Wires") -> None:
        self._wires = wires

    def socket(self, kind: int) -> Socket:
        return Socket(self._wires, kind)

    def term(self) -> None:
        pass


class Wires(Network):
    """Every connection of one world, and what goes wrong with it.

    Attributes
    ----------
    alter : callable (pipe, parts) -> list of messages
        Sees every message as it is sent, and says what goes on in its place.
    latency_s : callable () -> float
        Drawn for every message.
    limit : int
        Messages that may be under way one way; 0: as many as the sockets have room for.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.now_s, self.now_ns = world.now_s, world.now_ns
        self.bound: dict[str, Socket] = {}
        self.open: list[Connection] = []
        self.alter: Callable[[Pipe, Parts], list[Parts]] = lambda pipe, parts: [parts]
        self.latency_s: Callable[[], float] = lambda: 0.0001
        self.limit = 0
        self._number = 0

    def context(self) -> Any:
        return Context(self)

    def poller(self) -> Any:
        return Poller(self.world)

    def guard(self, socket: Any, **limits: Any) -> Any:
        return Watch(self, socket, **{"idle_s": float("inf"), "once": False, **limits})

    def connect(self, dealer: Socket, router: Socket) -> Connection:
        """Bring up a connection."""
        self._number += 1
        connection = Connection(self._number, dealer, router, self.limit)
        self.open.append(connection)
        for end in (dealer, router):
            end.connections[connection.identity] = connection
            assert end.guard is not None
        for end in (dealer, router):
            if end.guard is not None:
                end.guard.come(connection.number)
        return connection

    def send(self, pipe: Pipe, parts: Parts) -> None:
        """Put a message on its way, or what a fault makes of it."""
        if not pipe.connection.is_open:
            return
        for message in self.alter(pipe, parts):
            pipe.under_way += 1
            self._put(pipe, lambda message=message: self._deliver(pipe, message))

    def _put(self, pipe: Pipe, call: Callable[[], None]) -> None:
        due_s = max(pipe.last_s, pipe.blocked_until_s, self.world.now_s() + self.latency_s())
        pipe.last_s = due_s
        pipe.waiting.append(call)
        self.world.at(due_s, lambda: self._next(pipe))

    def _next(self, pipe: Pipe) -> None:
        """Have the first that waits arrive, whichever was due: nothing overtakes within a pipe."""
        if self.world.now_s() < pipe.blocked_until_s:  # it stalled meanwhile
            self.world.at(pipe.blocked_until_s, lambda: self._next(pipe))
        elif pipe.waiting:
            pipe.waiting.popleft()()

    def _deliver(self, pipe: Pipe, parts: Parts) -> None:
        to = pipe.to
        if to.is_closed or pipe.connection.identity not in to.connections:
            return
        if to.guard is not None and not to.guard.count(pipe, parts):
            return
        self.world.note(pipe.name, len(parts))
        to.arrived(pipe, parts)

    def stall(self, connection: Connection, seconds: float) -> None:
        """Let nothing through for so long."""
        for pipe in (connection.up, connection.down):
            pipe.blocked_until_s = max(pipe.blocked_until_s, self.world.now_s() + seconds)

    def close(self, connection: Connection, by: Socket, *, keeps_sent: bool) -> None:
        """One end has closed: the other one is told behind what was sent, or at once."""
        by.connections.pop(connection.identity, None)
        pipe = connection.up if connection.down.to is by else connection.down
        if keeps_sent:
            self._put(pipe, lambda: self._end(connection))
        else:
            self._end(connection)

    def cut(self, connection: Connection) -> None:
        """Both ends are told that the connection has closed."""
        self.world.note("cut", connection.number)
        self._end(connection)

    def _end(self, connection: Connection) -> None:
        if connection.is_open:
            connection.is_open = False
            self.open.remove(connection)
        for pipe in (connection.up, connection.down):
            pipe.to.lose(connection)
