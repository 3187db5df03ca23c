"""A venue that others connect to, for rails in a process of their own; it outlives all of them."""

import contextlib
import os
import pickle
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rails_venue import Venue
from tapewire.errors import BrokerDownError
from tapewire.live.orders import BrokerDown, BrokerUp, CancelOrder, NewOrder, ReplaceOrder

_LENGTH = struct.Struct("<I")


def _pack(message: Any) -> bytes:
    data = pickle.dumps(message)
    return _LENGTH.pack(len(data)) + data


class _Messages:
    """Messages out of a stream of bytes."""

    def __init__(self) -> None:
        self.data = b""

    def feed(self, data: bytes) -> list[Any]:
        self.data += data
        found = []
        while len(self.data) >= 4:
            end = 4 + _LENGTH.unpack_from(self.data)[0]
            if len(self.data) < end:
                break
            found.append(pickle.loads(self.data[4:end]))
            self.data = self.data[end:]
        return found


class VenueServer:
    """Serves a `Venue` at a path, in a thread; cuts, fills and is slow as a seed has it.

    Parameters
    ----------
    cuts
        Of how many commands one ends the connection, before or after it is taken; 0: none.
    fills_s
        About how often some open order fills; 0: never.
    """

    def __init__(self, path: Path, seed: int, *, cuts: int = 0, fills_s: float = 0.0) -> None:
        self.venue = Venue()
        self.lock = threading.Lock()
        self.draw = random.Random(seed)
        self.cuts, self.fills_s = cuts, fills_s
        self.sessions = self.cut_count = 0
        self._connection: socket.socket | None = None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "VenueServer":
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._hang_up()
        self._server.close()

    def cut(self) -> None:
        """End the connection that there is now."""
        with self.lock:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection.close()
            self._connection = None

    def _serve(self) -> None:
        messages, next_fill_s = _Messages(), time.monotonic()
        while not self._stop.is_set():
            with self.lock:
                sources = [self._server, *([self._connection] if self._connection else [])]
            with contextlib.suppress(OSError, ValueError):  # it was closed meanwhile
                ready = select.select(sources, [], [], 0.005)[0]
                with self.lock:
                    if self._server in ready:
                        self._hang_up()
                        self._connection = self._server.accept()[0]
                        self.sessions += 1
                        messages = _Messages()
                    elif self._connection in ready and self._connection is not None:
                        self._take(messages)
            if self.fills_s and time.monotonic() > next_fill_s:
                next_fill_s = time.monotonic() + self.draw.expovariate(1 / self.fills_s)
                with self.lock:
                    self._fill()

    def _take(self, messages: _Messages) -> None:
        assert self._connection is not None
        data = self._connection.recv(1 << 16)
        if not data:
            self._hang_up()
        for command in messages.feed(data):
            cuts = self.cuts and self.draw.randrange(self.cuts) == 0
            if cuts and self.draw.random() < 0.5:
                self.cut_count += 1
                self._hang_up()
                return
            said = self.venue.take(command, time.time_ns())
            if cuts:
                self.cut_count += 1
                self._hang_up()
                return
            self._say(said)

    def _fill(self) -> None:
        if names := self.venue.open:
            name = self.draw.choice(names)
            one = self.venue.orders[name]
            lots = self.draw.randint(1, one.quantity - one.filled)
            self._say(self.venue.fill(name, lots, time.time_ns()))

    def _say(self, said: list[Any]) -> None:
        with contextlib.suppress(OSError):
            for one in said:
                if self._connection is not None:
                    self._connection.sendall(_pack(one))


class ServedBroker:
    """An adapter to a `VenueServer`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._messages = _Messages()
        self._coming: list[Any] = []

    def connect(self) -> None:
        if self._socket is not None:
            return
        one = socket.socket(socket.AF_UNIX)
        try:
            one.connect(self._path)
        except OSError as error:
            one.close()
            self._coming.append(BrokerDown(str(error), False, 0, time.time_ns()))
            return
        self._socket, self._messages = one, _Messages()
        self._coming.append(BrokerUp("served", 0, time.time_ns()))

    def _send(self, message: Any) -> None:
        if self._socket is None:
            raise BrokerDownError("the venue is away: connect first")
        try:
            self._socket.sendall(_pack(message))
        except OSError as error:  # a part of it may have gone: it is not known
            self._down(str(error))

    def _down(self, why: str) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._coming.append(BrokerDown(why, False, 0, time.time_ns()))

    def submit(self, order: NewOrder) -> None:
        self._send(order)

    def cancel(self, request: CancelOrder) -> None:
        self._send(request)

    def replace(self, request: ReplaceOrder) -> None:
        self._send(request)

    def request_report(self, since_ns: int, unsettled: Sequence[NewOrder] = ()) -> None:
        self._send(tuple(unsettled))

    def poll(self, wait_s: float) -> list[Any]:
        while self._socket is not None and select.select([self._socket], [], [], 0)[0]:
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                self._down(str(error))
                break
            if not data:
                self._down("the venue has hung up")
                break
            self._coming += self._messages.feed(data)
        coming, self._coming = self._coming, []
        return coming

    def fileno(self) -> int | None:
        return None if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def open_broker(path: str) -> ServedBroker:
    """As a factory of settings."""
    return ServedBroker(path)


def open_leaking(variable: str) -> ServedBroker:
    """One that fails, and says what it would log in with."""
    raise RuntimeError(f"can't log in with {os.environ[variable]}")
