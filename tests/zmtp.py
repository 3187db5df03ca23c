"""The ZeroMQ protocol by hand, to send over tcp or ipc what libzmq itself never would."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

MORE = 1
_LONG = 2
COMMAND = 4
_GREETING = b"\xff" + b"\0" * 8 + b"\x7f\x03\0NULL" + b"\0" * 48


def frame(body: bytes, flags: int = 0) -> bytes:
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return bytes((flags | _LONG,)) + struct.pack(">Q", len(body)) + body


def connected(endpoint: str, timeout_s: float) -> socket.socket:
    """A plain connection to an address."""
    scheme, _, address = endpoint.partition("://")
    if scheme == "tcp":
        host, port = address.split(":")
        return socket.create_connection((host, int(port)), timeout=timeout_s)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(timeout_s)
    try:
        line.connect(address)
    except BaseException:
        line.close()
        raise
    return line


class Peer:
    """One connection, its handshake done."""

    def __init__(self, connection: socket.socket, kind: bytes) -> None:
        connection.settimeout(10)
        self.socket = connection
        try:
            connection.sendall(_GREETING)
            self.receive(64)
            name = b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
            connection.sendall(frame(b"\x05READY" + name + b"\x08Identity\0\0\0\0", COMMAND))
            self.hear()
        except BaseException:
            connection.close()
            raise

    @classmethod
    def to(cls, endpoint: str) -> Self:
        """Connect as a receiver does."""
        return cls(connected(endpoint, timeout_s=10), b"DEALER")

    def receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def hear(self) -> bytes:
        """The next frame, whatever it is."""
        flags, size = self.receive(2)
        if flags & _LONG:
            size = struct.unpack(">Q", bytes((size,)) + self.receive(7))[0]
        return self.receive(size)

    def say(self, *frames: bytes) -> None:
        for i, body in enumerate(frames):
            self.socket.sendall(frame(body, MORE if i < len(frames) - 1 else 0))

    def flood(self, body: bytes, bytes_max: int, seconds: float = 10.0) -> int:
        """Send a message without end until the other side has enough; return what it took."""
        piece = frame(body, MORE)
        pieces = piece * max(1, (1 << 18) // len(piece))
        sent, deadline_s = 0, time.monotonic() + seconds
        try:
            while sent < bytes_max:
                assert time.monotonic() < deadline_s, f"{sent} bytes, and still no end"
                self.socket.sendall(pieces)
                sent += len(pieces)
        except (ConnectionError, BrokenPipeError):
            pass
        return sent

    def closed(self, seconds: float) -> bool:
        """Whether the other side hangs up within that time."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(1 << 16):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()


@contextmanager
def listening(path: Path | None = None) -> Iterator[tuple[str, socket.socket]]:
    """An address where a sender by hand can be: of tcp, or the ipc one of a path."""
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as server:
        server.bind(str(path) if path else ("127.0.0.1", 0))
        server.listen()
        server.settimeout(20)
        yield f"ipc://{path}" if path else f"tcp://127.0.0.1:{server.getsockname()[1]}", server


def accepted(server: socket.socket) -> Peer:
    return Peer(server.accept()[0], b"ROUTER")


def peak_mb(pid: int) -> int:
    """Most memory a process ever had resident, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) >> 10
    raise AssertionError(f"process {pid} is gone")
