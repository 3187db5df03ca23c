"""What somebody hostile does to a socket that listens, and threads that go on with it."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator

import zmtp

#: An address, and what to draw from.
Attack = Callable[[str, random.Random], None]
CONNECT_TIMEOUT_S = 2.0
#: Before the next attack, where nobody listens yet or any more, s.
_PAUSE_S = 0.02


def mutated(data: bytes, draw: random.Random) -> bytes:
    """With some bits flipped, an end cut off, or something behind it."""
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 8)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed[: draw.randrange(1, len(changed) + 1)]) + draw.randbytes(draw.randrange(9))


def plain(endpoint: str) -> socket.socket:
    return zmtp.connected(endpoint, CONNECT_TIMEOUT_S)


def noise(endpoint: str, draw: random.Random) -> None:
    with plain(endpoint) as line:
        line.sendall(draw.randbytes(draw.randrange(1, 5_000)))


def many(endpoint: str, draw: random.Random) -> None:
    """Connections that say nothing for a while."""
    with contextlib.ExitStack() as lines:
        for _ in range(draw.randrange(20, 100)):
            lines.enter_context(plain(endpoint))
        time.sleep(0.2)


def slow(endpoint: str, draw: random.Random) -> None:
    """A byte at a time."""
    with plain(endpoint) as line:
        for byte in b"GET /metrics HTTP/1.1\r\n"[: draw.randrange(4, 20)]:
            line.sendall(bytes([byte]))
            time.sleep(0.05)


def frames(hello: bytes, is_hello: Callable[[bytes], bool]) -> Attack:
    """A peer that speaks the protocol, and badly, forty times a second.

    Never a hello: who says one is let in like any other of this host.
    """

    def bad_frames(endpoint: str, draw: random.Random) -> None:
        time.sleep(0.05)
        with contextlib.closing(zmtp.Peer.to(endpoint)) as peer:
            for _ in range(draw.randrange(1, 20)):
                changed = mutated(hello, draw)
                if not is_hello(changed):
                    peer.say(changed)

    return bad_frames


def chatter(endpoint: str, draw: random.Random) -> None:
    """Whole messages of nonsense, as many as go out in half a second."""
    with contextlib.closing(zmtp.Peer.to(endpoint)) as peer:
        some = zmtp.frame(draw.randbytes(draw.choice([1, 200, 20_000]))) * 10
        end_s = time.monotonic() + 0.5
        while time.monotonic() < end_s:
            peer.socket.sendall(some)


def flood(endpoint: str, draw: random.Random) -> None:
    """A message without end."""
    with contextlib.closing(zmtp.Peer.to(endpoint)) as peer:
        peer.flood(draw.choice([b"", b"x" * 60_000]), 64 << 20, seconds=1.0)


def request(endpoint: str, draw: random.Random) -> None:
    """Headers of HTTP without end, or damaged ones."""
    with plain(endpoint) as line:
        line.sendall(mutated(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", draw))
        line.sendall((b"X: " + b"y" * 1_000 + b"\r\n") * draw.randrange(200))


@contextlib.contextmanager
def besieged(
    endpoint: str, attacks: tuple[Attack, ...], seed: int, sent: list[str]
) -> Iterator[None]:
    """Two threads attack, one attack after the other, as long as this goes on.

    Names of attacks that came through, or were hung up on, are added to ``sent``.
    """
    stop = threading.Event()

    def go_on(number: int) -> None:
        draw = random.Random(f"{seed} {number}")
        while not stop.is_set():
            attack = draw.choice(attacks)
            try:
                attack(endpoint, draw)
            except (FileNotFoundError, ConnectionRefusedError):  # nobody is there yet, or any more
                time.sleep(_PAUSE_S)
                continue
            except (OSError, AssertionError):  # hung up on, as it should be
                pass
            sent.append(attack.__name__)

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
