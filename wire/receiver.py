"""The receiving end of a stream: handshake, credits, and the checks that make it lossless."""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from typing import Final, NoReturn, Self

import numpy as np
import zmq

from tapewire import errors
from tapewire.errors import EndpointError, PeerLostError, ProtocolError, TapewireError
from tapewire.market.records import MBO_DTYPE, RECORD_BYTES
from tapewire.wire import messages as msg
from tapewire.wire.checks import StreamChecker
from tapewire.wire.endpoints import split_endpoint
from tapewire.wire.frames import (
    HEADER_BYTES,
    NO_SLOT,
    WIRE_VERSION,
    BatchHeader,
    decode_header,
)
from tapewire.wire.slots import SLOTS_MAX, SlotsReader, boot_id
from tapewire.wire.sockets import HEARTBEAT_S, WAIT_SLICE_S, Waiter, make_socket

#: As many as the sender has slots for: those bound the memory.
CREDITS_DEFAULT: Final = SLOTS_MAX
_ERROR_KINDS: Final = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TapewireError)
}


def _no_tick() -> None:
    """Nothing to do while waiting."""


class Receiver:
    """Receives one stream of batches, each checked, in order, none lost.

    Parameters
    ----------
    endpoint
        Where the sender is bound.
    payload
        ``"auto"`` takes shared memory where sender and receiver are on one host, else inline.
    credits
        Batches that may be under way at once, 1 to 64.
    peer_timeout_s
        A sender silent for so long (s) is lost.
    connect_timeout_s
        How long (s) to wait for the sender to be there and say welcome.
    context
        The ZeroMQ context; needed for ``inproc``, else one is made.
    name
        What the sender calls this end in its messages.
    tick
        Called at least every 0.1 s while waiting; may raise to end the wait.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        payload: msg.PayloadChoice = "auto",
        credits: int = CREDITS_DEFAULT,
        peer_timeout_s: float = 5.0,
        connect_timeout_s: float = 60.0,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        name: str = "router",
        tick: Callable[[], None] = _no_tick,
    ) -> None:
        if not 1 <= credits <= SLOTS_MAX:
            raise errors.ConfigError(f"credits: expected 1 to {SLOTS_MAX}, found {credits}")
        self.endpoint = endpoint
        self._scheme, _ = split_endpoint(endpoint)
        if self._scheme == "inproc" and context is None:
            raise EndpointError("an inproc address needs the ZeroMQ context of its sender")
        self._payload: msg.PayloadChoice = payload
        self._credits = credits
        self._peer_timeout_s = peer_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._own_context = zmq.Context() if context is None else None
        self._context = context or self._own_context
        self._name = name
        self._tick = tick
        self._waiter: Waiter | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._slots: SlotsReader | None = None
        self._welcome: msg.Welcome | None = None
        self._info: msg.StreamInfo | None = None
        self._totals: msg.Totals | None = None
        self._sender = f"the replay process at {endpoint}"
        self._last_heard_s = 0.0
        self._last_sent_s = 0.0
        self._stream = StreamChecker(0, 0)  # replaced at the welcome
        self._released = 0  # batches the consumer is done with
        self._released_sent = 0
        self._disconnects_before = 0
        self._finished = False

    # --- public life cycle ------------------------------------------------------------------

    def connect(self) -> msg.StreamInfo:
        """Join the stream; return what it will carry.

        Raises
        ------
        EndpointError
            If nobody answers in time, or shared memory was demanded and can't be had.
        ProtocolError
            If the sender breaks the protocol or speaks another version.
        """
        assert self._context is not None
        self._socket = make_socket(
            self._context,
            zmq.DEALER,
            peer_timeout_s=self._peer_timeout_s,
            message_bytes_max=msg.LARGE_MESSAGE_BYTES_MAX,
        )
        self._waiter = Waiter(self._socket, watch_connections=self._scheme != "inproc")
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            raise EndpointError(
                f"can't connect to {self.endpoint!r}: {zmq.strerror(error.errno or 0)}"
            ) from None
        hello = msg.Hello(
            WIRE_VERSION, self._name, os.getpid(), boot_id(), self._payload, self._credits
        )
        self._send(hello)
        welcome = self._await_welcome()
        self._welcome = welcome
        self._stream = StreamChecker(welcome.stream_id, welcome.info.batch_records)
        self._sender = f"the {welcome.name} process (pid {welcome.pid})"
        payload = self._settle_payload(welcome)
        self._info = _with_payload(welcome.info, payload)
        self._send(msg.Ready(payload))
        return self._info

    @property
    def info(self) -> msg.StreamInfo:
        """What the stream carries; after :meth:`connect`."""
        if self._info is None:
            raise RuntimeError("call connect() first")
        return self._info

    @property
    def totals(self) -> msg.Totals:
        """What the stream carried, verified; after :meth:`batches` is exhausted."""
        if self._totals is None:
            raise RuntimeError("the stream has not ended yet")
        return self._totals

    @property
    def sender_pid(self) -> int:
        """Process id of the sender; after :meth:`connect`."""
        if self._welcome is None:
            raise RuntimeError("call connect() first")
        return self._welcome.pid

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the batches of the stream in order.

        Yields
        ------
        ndarray
            ``MBO_DTYPE``, shape ``(n,)``, 1 ≤ n ≤ ``info.batch_records``. Valid until the next
            one is asked for; not to be written to (other receivers may share the memory).

        Raises
        ------
        ProtocolError
            On a gap, duplicate, reorder, bad checksum or length, naming sequence and offset.
        PeerLostError
            If the sender died or fell silent.
        TapewireError
            The sender's own error, by its class and text.
        """
        if self._welcome is None:
            raise RuntimeError("call connect() first")
        try:
            self._send(msg.Heartbeat())  # from here on, silence means trouble
            while True:
                frames = self._next_frames()
                if len(frames[0]) == HEADER_BYTES and bytes(frames[0].buffer[:3]) == b"TWB":
                    yield self._accept(frames)
                    self._released += 1
                    self._release()
                elif self._control(frames):
                    break
        except ProtocolError as error:
            self._leave(str(error))
            raise
        self._finished = True
        self._send(msg.Goodbye(""))

    def close(self, reason: str = "it closed the stream before its end") -> None:
        """Leave; tell the sender why if the stream is not at its end."""
        if self._waiter is None:
            if self._own_context is not None:
                self._own_context.term()
            return
        self._leave(reason)
        if self._slots is not None:
            self._slots.close()
        if self._welcome is None and self._socket is not None:
            self._socket.setsockopt(zmq.LINGER, 0)  # nobody is there to take what was said
        self._waiter.close()
        self._waiter = None
        if self._own_context is not None:
            self._own_context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- handshake --------------------------------------------------------------------------

    def _await_welcome(self) -> msg.Welcome:
        assert self._waiter is not None
        deadline_s = time.monotonic() + self._connect_timeout_s
        heard = False
        while True:
            gone = heard and self._waiter.disconnects > 0
            frames = self._poll_frames(0.0 if gone else WAIT_SLICE_S)
            now_s = time.monotonic()
            if frames is None:
                if gone:
                    raise PeerLostError(f"{self._sender} is gone before the stream began")
                if heard and now_s - self._last_heard_s > self._peer_timeout_s:
                    raise PeerLostError(
                        f"{self._sender} fell silent for {self._peer_timeout_s:g} s before the "
                        "stream began"
                    )
                if not heard and now_s > deadline_s:
                    raise EndpointError(
                        f"nobody answered at {self.endpoint!r} within "
                        f"{self._connect_timeout_s:g} s: start the replay there, or check the "
                        "address"
                    )
                continue
            heard = True
            message = self._decode_control(frames)
            if isinstance(message, msg.Welcome):
                self._require_sane(message)
                self._disconnects_before = self._waiter.disconnects
                return message
            if isinstance(message, msg.Error):
                self._raise_sent(message)
            if not isinstance(message, msg.Heartbeat):
                raise self._unexpected(message, "a welcome")

    def _require_sane(self, welcome: msg.Welcome) -> None:
        if welcome.wire_version != WIRE_VERSION:
            raise ProtocolError(
                f"this side speaks wire version {WIRE_VERSION}, {self._sender} version "
                f"{welcome.wire_version}: run the same Tapewire version at both ends"
            )
        if not (1 <= welcome.window <= self._credits and 0 <= welcome.slots <= SLOTS_MAX):
            raise ProtocolError(
                f"{self._sender} offers a window of {welcome.window} and {welcome.slots} slots, "
                f"expected at most {self._credits} and {SLOTS_MAX}"
            )

    def _settle_payload(self, welcome: msg.Welcome) -> msg.Payload:
        if self._payload == "inline" or welcome.offer is None:
            why = "the sender offers none"
        else:
            try:
                self._slots = SlotsReader(welcome.offer, welcome.slots, welcome.info.batch_records)
                return "shared"
            except OSError as error:
                why = str(error)
        if self._payload == "shared":
            reason = f"no shared memory with the sender: {why}"
            self._leave(reason)
            raise EndpointError(f"{reason}; use payload: auto or inline")
        return "inline"

    # --- the stream -------------------------------------------------------------------------

    def _accept(self, frames: list[zmq.Frame]) -> np.ndarray:
        """Check a batch and return its records."""
        header = decode_header(frames[0].buffer)
        self._stream.require_next(header)
        records = self._payload_of(header, frames)
        self._stream.accept(header, records)
        return records

    def _payload_of(self, header: BatchHeader, frames: list[zmq.Frame]) -> np.ndarray:
        assert self._welcome is not None
        where = f"batch sequence {header.sequence} (record offset {header.first_record})"
        expected = "shared" if self._slots is not None else "inline"
        if header.shared != (self._slots is not None):
            raise ProtocolError(f"{where} is not {expected}, as was agreed")
        if self._slots is not None:
            if len(frames) != 1 or header.slot != header.sequence % self._welcome.slots:
                raise ProtocolError(
                    f"{where} names slot {header.slot} in {len(frames)} frames, expected slot "
                    f"{header.sequence % self._welcome.slots} in 1"
                )
            return self._slots.arrays[header.slot][: header.record_count]
        assert header.slot == NO_SLOT  # decode_header has seen to it
        length = sum(len(f) for f in frames[1:])
        if len(frames) != 2 or length != header.record_count * RECORD_BYTES:
            raise ProtocolError(
                f"{where} has a payload of {length} bytes in {len(frames) - 1} frames, expected "
                f"{header.record_count * RECORD_BYTES} in 1"
            )
        return np.frombuffer(frames[1].buffer, MBO_DTYPE)

    def _control(self, frames: list[zmq.Frame]) -> bool:
        """Act on a control message; return whether the stream is at its end."""
        message = self._decode_control(frames)
        if isinstance(message, msg.Heartbeat):
            return False
        if isinstance(message, msg.Error):
            self._raise_sent(message)
        if not isinstance(message, msg.End):
            raise self._unexpected(message, "a batch")
        totals = message.totals
        self._stream.require_totals(totals)
        self._totals = totals
        return True

    def _release(self) -> None:
        """Give back what was consumed: at once if the sender may wait for it, else in halves."""
        assert self._welcome is not None
        held = self._released - self._released_sent
        if held * 2 >= self._welcome.window:
            self._send_credit()

    def _send_credit(self) -> None:
        if self._send(msg.Credit(self._released)):
            self._released_sent = self._released

    # --- waiting ----------------------------------------------------------------------------

    def _next_frames(self) -> list[zmq.Frame]:
        """Wait for the next message; heartbeat meanwhile; give up on a lost sender."""
        assert self._waiter is not None
        frames = self._try_receive()
        if frames is not None:
            return frames
        self._last_heard_s = time.monotonic()  # until now the consumer was busy, not the sender
        while True:
            if self._released_sent < self._released:
                self._send_credit()
            gone = self._waiter.disconnects > self._disconnects_before
            frames = self._poll_frames(0.0 if gone else WAIT_SLICE_S)
            if frames is not None:
                return frames
            now_s = time.monotonic()
            at = f"after batch {self._released} ({self._stream.records} records)"
            if gone:
                raise PeerLostError(
                    f"{self._sender} is gone: its connection closed {at} without an end of stream"
                )
            if now_s - self._last_heard_s > self._peer_timeout_s:
                raise PeerLostError(
                    f"{self._sender} fell silent for {self._peer_timeout_s:g} s {at}"
                )
            if now_s - self._last_sent_s > HEARTBEAT_S:
                self._send(msg.Heartbeat())

    def _poll_frames(self, timeout_s: float) -> list[zmq.Frame] | None:
        assert self._waiter is not None
        self._tick()
        return self._try_receive() if self._waiter.wait(timeout_s) else None

    def _try_receive(self) -> list[zmq.Frame] | None:
        assert self._socket is not None
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        self._last_heard_s = time.monotonic()
        return frames

    def _send(self, message: msg.Message) -> bool:
        """Send if the sender is there to take it; a lost one is noticed by the next wait."""
        assert self._socket is not None
        try:
            self._socket.send(msg.encode_message(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._last_sent_s = time.monotonic()
        return True

    def _leave(self, reason: str) -> None:
        if not self._finished and self._socket is not None:
            self._send(msg.Goodbye(reason))
            self._finished = True

    # --- errors -----------------------------------------------------------------------------

    def _decode_control(self, frames: list[zmq.Frame]) -> msg.Message:
        if len(frames) != 1:
            raise ProtocolError(
                f"a message of {len(frames)} frames from {self._sender}, expected a batch or a "
                "control message"
            )
        return msg.decode_message(frames[0].buffer, bytes_max=msg.LARGE_MESSAGE_BYTES_MAX)

    def _unexpected(self, message: msg.Message, expected: str) -> ProtocolError:
        return ProtocolError(
            f"expected {expected} from {self._sender} after batch {self._released}, found "
            f"{type(message).__name__.lower()}"
        )

    def _raise_sent(self, message: msg.Error) -> NoReturn:
        self._finished = True
        kind = _ERROR_KINDS.get(message.kind)
        if kind is None:
            raise ProtocolError(
                f"{self._sender} failed with an unknown kind of error {message.kind[:60]!r}: "
                f"{message.message}"
            )
        raise kind(message.message)


def _with_payload(info: msg.StreamInfo, payload: msg.Payload) -> msg.StreamInfo:
    return dataclasses.replace(info, payload=payload)
