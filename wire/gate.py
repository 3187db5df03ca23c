"""Asks who may connect: the answers to libzmq's own question, for all sockets of one context.

With CURVE alone libzmq lets anybody in who knows the public key of the bound end. For every such
connection it asks a socket at a fixed address (ZAP, rfc.zeromq.org/spec/27), which a thread here
answers from a list of keys. Who has no CURVE, or another key of the bound end, never comes so far.
"""

import contextlib
import os
import threading
from collections import deque
from typing import Final

import zmq
from zmq.utils import z85

from tapewire.wire.keys import ServerKeys
from tapewire.wire.sockets import ZAP_DOMAIN, make_socket

_ADDRESS: Final = "inproc://zeromq.zap.01"
_VERSION: Final = b"1.0"
_REQUEST_BYTES_MAX: Final = 1_024
_FRAMES: Final = 9  # identity, empty, version, id, domain, address, routing id, mechanism, key
#: Refusals that are kept until somebody takes them.
_REFUSED_MAX: Final = 64


class Gate:
    """Answers for one context until it is closed; make it before a socket of the context is bound.

    Parameters
    ----------
    context
    keys
        Who may connect.

    Attributes
    ----------
    refused : deque of (str, str)
        Address and public key of those who were not let in, to be taken from the left.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", keys: ServerKeys) -> None:
        self._allowed = keys.allowed
        self.refused: deque[tuple[str, str]] = deque(maxlen=_REFUSED_MAX)
        self._socket = make_socket(
            context, zmq.ROUTER, peer_timeout_s=1.0, message_bytes_max=_REQUEST_BYTES_MAX
        )
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ADDRESS)
        self._stop_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="tapewire-gate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; call after the context's other sockets are closed."""
        os.eventfd_write(self._stop_fd, 1)
        self._thread.join()
        os.close(self._stop_fd)

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stop_fd, zmq.POLLIN)
        while self._stop_fd not in dict(poller.poll()):
            with contextlib.suppress(zmq.Again):
                self._answer(self._socket.recv_multipart(zmq.NOBLOCK))
        self._socket.close(0)

    def _answer(self, request: list[bytes]) -> None:
        if len(request) < _FRAMES - 1:
            return
        identity, _, version, number, domain, address, _, mechanism, *credentials = request
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and credentials else ""
        is_let_in = version == _VERSION and domain == ZAP_DOMAIN and key in self._allowed
        if not is_let_in:
            self.refused.append((address.decode(errors="replace"), key))
        status, text = (b"200", b"OK") if is_let_in else (b"400", b"unknown key")
        with contextlib.suppress(zmq.ZMQError):  # who asked may have hung up
            self._socket.send_multipart(
                [identity, b"", _VERSION, number, status, text, key.encode() * is_let_in, b""],
                zmq.NOBLOCK,
            )
