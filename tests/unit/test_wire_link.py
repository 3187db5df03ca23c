"""The connecting end of a connection."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq

import zmtp
from tapewire.wire.endpoints import private_endpoint
from tapewire.wire.link import Link


def test_who_was_heard_is_there_however_late_the_guard_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a last word would not be sent: nobody would seem to be there to hear it."""
    monkeypatch.setattr("tapewire.wire.guard.Guard._follow", lambda self, event, number: None)
    with private_endpoint() as endpoint, zmq.Context() as context:
        router = context.socket(zmq.ROUTER)
        router.bind(endpoint)
        link = Link(endpoint, context=None, peer_timeout_s=5, message_bytes_max=1 << 20)
        link.open()
        try:
            assert not link.connected
            link.send(b"hello")
            router.send_multipart([router.recv_multipart()[0], b"welcome"])
            while link.receive() is None:
                link.wait(1)
            assert link.connected
        finally:
            link.close()
            router.close(0)


FIRST_BYTES_MAX = 100_000


@contextmanager
def linked(peer_does: Callable[[zmtp.Peer], None]) -> Iterator[Link]:
    """A link to somebody over tcp who may say a lot, but not at first."""
    with zmtp.listening() as (endpoint, server):

        def peer() -> None:
            one = zmtp.accepted(server)
            peer_does(one)
            one.closed(10)
            one.close()

        thread = threading.Thread(target=peer)
        thread.start()
        link = Link(
            endpoint, context=None, peer_timeout_s=5, message_bytes_max=64 << 20,
            first_bytes_max=FIRST_BYTES_MAX,
        )  # fmt: skip
        link.open()
        try:
            yield link
        finally:
            link.close()
            thread.join()


def test_a_first_message_without_end_is_seen_by_what_was_taken_of_it() -> None:
    """Long before it is as large as what may be under way: its small parts take much more here."""
    with linked(lambda peer: peer.flood(b"", 32 << 20) and None) as link:
        deadline_s = time.monotonic() + 10
        while not link.closed_by_peer and time.monotonic() < deadline_s:
            link.wait(1)
        assert "a message without end" in (link.overrun or "")
        assert link.receive() is None


def test_much_behind_a_first_message_that_is_waited_for_is_no_message_without_end() -> None:
    count, rows = 300, b"r" * 50_000

    def peer_does(peer: zmtp.Peer) -> None:
        time.sleep(0.1)
        peer.say(b"welcome", *[b"w" * 30_000] * 3)  # nearly all that it may be
        for _ in range(count):
            peer.say(rows)

    with linked(peer_does) as link:
        assert not link.wait(0.05)
        time.sleep(1.0)  # most of it comes meanwhile
        heard = 0
        while heard < count + 1:
            frames = link.receive()
            if frames is None:
                assert not link.closed_by_peer, link.overrun
                link.wait(1)
            else:
                heard += 1
        assert link.overrun is None
