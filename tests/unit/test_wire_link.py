"""The connecting end of a connection."""

import pytest
import zmq

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
