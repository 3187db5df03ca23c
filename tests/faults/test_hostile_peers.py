"""Somebody hostile at each socket that listens, for minutes: the good one does not notice."""

import contextlib
import random
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import streams
import tapewire as tw
import zmtp
from soaking import Soak
from tapewire.replay import ReplayPlan
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.wire import Receiver
from tapewire.wire import messages as msg
from tapewire.wire.frames import WIRE_VERSION

HOSTILE_S = 600.0
COUNT = 20_000
TAKEN_MAX_MB = 300
#: For the good one to get all of a small stream, or a page, whatever others do, s.
PATIENCE_S = 20.0
HELLO = msg.encode_message(msg.Hello(WIRE_VERSION, "router", 4_242, "elsewhere", "inline", 4))


def mutated(data: bytes, draw: random.Random) -> bytes:
    """With some bits flipped, an end cut off, or something behind it."""
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 8)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed[: draw.randrange(1, len(changed) + 1)]) + draw.randbytes(draw.randrange(9))


def plain(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=2)


def noise(port: int, draw: random.Random) -> None:
    with plain(port) as line:
        line.sendall(draw.randbytes(draw.randrange(1, 5_000)))


def many(port: int, draw: random.Random) -> None:
    """Connections that say nothing for a while."""
    with contextlib.ExitStack() as lines:
        for _ in range(draw.randrange(20, 100)):
            lines.enter_context(plain(port))
        time.sleep(0.2)


def slow(port: int, draw: random.Random) -> None:
    """A byte at a time."""
    with plain(port) as line:
        for byte in b"GET /metrics HTTP/1.1\r\n"[: draw.randrange(4, 20)]:
            line.sendall(bytes([byte]))
            time.sleep(0.05)


def frames(port: int, draw: random.Random) -> None:
    """A peer that speaks the protocol, and badly, forty times a second."""
    time.sleep(0.05)
    peer = zmtp.Peer.to(f"tcp://127.0.0.1:{port}")
    with contextlib.closing(peer):
        for _ in range(draw.randrange(1, 20)):
            # Never a hello: who says one is a receiver like any other of this host.
            peer.say(b"\0" + mutated(HELLO, draw))


def flood(port: int, draw: random.Random) -> None:
    peer = zmtp.Peer.to(f"tcp://127.0.0.1:{port}")
    with contextlib.closing(peer):
        peer.flood(draw.choice([b"", b"x" * 60_000]), 64 << 20, seconds=1.0)


def request(port: int, draw: random.Random) -> None:
    """Headers without end, or damaged ones."""
    with plain(port) as line:
        line.sendall(mutated(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", draw))
        line.sendall((b"X: " + b"y" * 1_000 + b"\r\n") * draw.randrange(200))


Attack = Callable[[int, random.Random], None]


@contextlib.contextmanager
def besieged(port: int, attacks: tuple[Attack, ...], seed: int, sent: list[str]) -> Iterator[None]:
    """Two threads attack, one attack after the other, as long as this goes on."""
    stop = threading.Event()

    def go_on(number: int) -> None:
        draw = random.Random(f"{seed} {number}")
        while not stop.is_set():
            attack = draw.choice(attacks)
            with contextlib.suppress(OSError, AssertionError):  # hung up on, as it should be
                attack(port, draw)
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


def besiege_replay(folder: Path, seed: int, seconds: float, sent: list[str]) -> tuple[float, int]:
    """Longest wait of a good receiver for its stream, s, and memory that the replay took, MB."""
    records = streams.make_records(COUNT)
    path = streams.write(folder / "x.dbn", streams.dbn_bytes(records))
    end_s, longest_s, taken_mb = time.monotonic() + seconds, 0.0, 0
    while time.monotonic() < end_s:
        seed += 1
        process = streams.child(ReplayPlan((path,), batch_records=1_000), "tcp://127.0.0.1:*")
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline().split('"')[-2]
            before_mb = zmtp.peak_mb(process.pid)
            with besieged(int(endpoint.rpartition(":")[2]), (noise, many, slow, frames, flood),
                          seed, sent):  # fmt: skip
                time.sleep(min(5.0, seconds))
                began_s = time.monotonic()
                with Receiver(endpoint) as receiver:
                    receiver.connect()
                    got = b"".join(batch.tobytes() for batch in receiver.batches())
                longest_s = max(longest_s, time.monotonic() - began_s)
                taken_mb = max(taken_mb, zmtp.peak_mb(process.pid) - before_mb)
            assert got == records.tobytes(), f"seed {seed}"
            assert streams.outcome(process)[0] == 0, f"seed {seed}"
        finally:
            process.kill()
            process.communicate()
    return longest_s, taken_mb


@pytest.mark.soak
def test_hostile_peers_at_a_replay(tmp_path: Path, soak: Soak) -> None:
    sent: list[str] = []

    def play(seed: int) -> None:
        longest_s, taken_mb = besiege_replay(tmp_path, seed, soak.seconds(HOSTILE_S), sent)
        assert longest_s < PATIENCE_S
        assert taken_mb < TAKEN_MAX_MB
        soak.say(f"{len(sent)} attacks, a stream within {longest_s:.2f} s, {taken_mb} MB more")

    soak.seeds(1, play)


@pytest.mark.soak
def test_hostile_peers_at_the_page_of_figures(
    tmp_path: Path, synthetic_file: Path, soak: Soak
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sent: list[str] = []
    asked_s: list[float] = []
    alone = tw.run(synthetic_file, strategies="market_maker", output=tmp_path / "alone")
    end_s = time.monotonic() + soak.seconds(HOSTILE_S)

    def progress(said: RunProgress) -> None:
        if len(asked_s) % 2 == 0:
            time.sleep(min(2.0, max(0.0, end_s - time.monotonic())))
        began_s = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as page:
            assert b"tapewire_events_total" in page.read()
        asked_s.append(time.monotonic() - began_s)

    def play(seed: int) -> None:
        while not asked_s or time.monotonic() < end_s:
            with besieged(port, (noise, many, slow, request), seed, sent):
                run = tw.run(
                    synthetic_file, strategies="market_maker", output=tmp_path / "out", force=True,
                    batch_records=2_000, overrides={"backtest.output.metrics_port": port},
                    hooks=Hooks(progress=progress),
                )  # fmt: skip
            assert run.digest == alone.digest
            seed += 1

    soak.seeds(1, play)
    assert max(asked_s) < PATIENCE_S
    soak.say(f"{len(sent)} attacks, {len(asked_s)} pages, each within {max(asked_s):.2f} s")
