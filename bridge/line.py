"""The run's end of the connection to one model: who is there, what it says, what it is sent."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import zmq

from tapewire.bridge import protocol as msg
from tapewire.errors import PeerLostError, ProtocolError
from tapewire.wire.hub import Hub
from tapewire.wire.keys import ServerKeys
from tapewire.wire.liveness import HEARTBEAT_S, PEER_TIMEOUT_S
from tapewire.wire.network import LIBZMQ, Network

#: What may be under way from a model, beside one array: answers to many small messages.
_UNTAKEN_BYTES_MAX: Final = 2 * msg.ARRAY_BYTES_MAX


class ModelPeer:
    """A model that has said hello.

    Attributes
    ----------
    identity, connection
        What ZeroMQ calls it and its connection.
    hello
        What it said.
    """

    def __init__(self, identity: bytes, connection: int | None, hello: msg.BridgeHello) -> None:
        self.identity = identity
        self.connection = connection
        self.hello = hello

    def __str__(self) -> str:
        return f"{self.hello.name[:80]} (pid {self.hello.pid})"


class ModelLine:
    """One address, bound, and the one model that may be connected to it.

    Whoever comes second is refused, as is who does not begin with a hello of this version.

    Parameters
    ----------
    endpoint
        Where to bind.
    columns
        Of a features message, which its arrays are checked by.
    context
        Needed for ``inproc``.
    keys
        The run's own, and the model's that may connect; for ``tcp``.
    network
        What it stands on.

    Attributes
    ----------
    peer : ModelPeer or None
        Who is there.
    lost : str or None
        Why the one who was is not; in words.

    Raises
    ------
    EndpointError
        If the address can't be bound.
    """

    def __init__(
        self, endpoint: str, columns: int, *, context: "zmq.Context[Any] | None" = None,
        keys: ServerKeys | None = None, network: Network = LIBZMQ,
    ) -> None:  # fmt: skip
        self._hub = Hub(
            endpoint,
            context=context,
            peer_timeout_s=PEER_TIMEOUT_S,
            peers_max=1,
            message_bytes_max=msg.ARRAY_BYTES_MAX,
            untaken_bytes_max=_UNTAKEN_BYTES_MAX,
            frames_max=msg.FRAMES_MAX,
            keys=keys,
            network=network,
        )
        self._now_s = network.now_s
        self._columns = columns
        self._said_s = 0.0
        self.peer: ModelPeer | None = None
        self.lost: str | None = None

    @property
    def endpoint(self) -> str:
        """The address as bound."""
        return self._hub.endpoint

    @property
    def refused(self) -> tuple[str, ...]:
        """Who was not let in for its keys so far, in words."""
        return self._hub.refused

    @property
    def fd(self) -> int:
        """What becomes readable when something may have come."""
        return int(self._hub.socket.getsockopt(zmq.FD))

    def wait(self, timeout_s: float) -> bool:
        """Wait until something has come, at most so long (s); whether it has."""
        return self._hub.wait(timeout_s)

    def received(self) -> Iterator[tuple[msg.Message, list[np.ndarray]]]:
        """Yield what the model has said since, its arrays not copied; the first is its hello.

        Raises
        ------
        ProtocolError
            If it said what can't be read: nothing after it is.
        """
        if self.peer is not None and self._hub.probe_due():
            self.send(msg.BridgeHeartbeat())
        for identity, connection, frames in self._hub.received():
            known = self.peer is not None and identity == self.peer.identity
            try:
                if len(frames) > msg.FRAMES_MAX:
                    raise ProtocolError(
                        f"expected a message of at most {msg.FRAMES_MAX} frames, found more"
                    )
                message = msg.decode_message(frames[0].buffer)
                arrays = msg.read_arrays(
                    message, [frame.buffer for frame in frames[1:]], self._columns
                )
                if not known:
                    message = self._greeted(identity, connection, message)
            except ProtocolError as error:
                if known:
                    raise
                self._hub.refuse(
                    identity, connection, msg.encode_message(msg.BridgeError(str(error)))
                )
                continue
            if not isinstance(message, msg.BridgeHeartbeat):
                yield message, arrays
        overrun = self.peer and self._hub.overrun(self.peer.connection)
        if overrun:
            raise ProtocolError(f"it {overrun}")

    def _greeted(
        self, identity: bytes, connection: int | None, message: msg.Message
    ) -> msg.Message:
        """Let whoever begins with a hello have the seat, if that is free."""
        if not isinstance(message, msg.BridgeHello):
            raise ProtocolError(f"expected a hello first, found a {msg.name_of(message)} message")
        if message.protocol != msg.PROTOCOL:
            raise ProtocolError(
                f"expected version {msg.PROTOCOL} of the bridge's protocol, found "
                f"{message.protocol}: use the same release at both ends"
            )
        if self.peer is not None:
            raise ProtocolError(f"expected one model at this address, {self.peer} is here already")
        self.peer, self.lost = ModelPeer(identity, connection, message), None
        self._hub.keep(connection)
        return message

    def send(self, message: msg.Message, arrays: Sequence[np.ndarray] = ()) -> bool:
        """Send a message to the model; whether there was room for it, and somebody to read it.

        The arrays are copied unless they are large; see `lost` for whether it has gone.
        """
        if self.peer is None:
            return False
        frames: list[bytes | memoryview] = [msg.encode_message(message)]
        frames += [_bytes_of(array) for array in arrays]
        try:
            there = self._hub.send(self.peer, frames)
        except PeerLostError:  # its queue is full; how long it may be, others know
            return False
        self._said_s = self._now_s()
        if not there:
            self.lost = f"{self.peer} has left"
            self.peer = None
        return there

    def keep_up(self) -> None:
        """Say that this end is alive, if there was nothing else to say for a while."""
        if self.peer is not None and self._now_s() - self._said_s > HEARTBEAT_S:
            self.send(msg.BridgeHeartbeat())

    def drop(self, why: str) -> None:
        """Tell the model why it is no longer listened to, and hang up."""
        if self.peer is not None:
            self._hub.refuse(
                self.peer.identity, self.peer.connection, msg.encode_message(msg.BridgeError(why))
            )
            self.peer = None
        self.lost = why

    def close(self) -> None:
        """Close the socket and give back the address."""
        self._hub.close()


def _bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of an array, as they lie in memory."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
