"""The receiving end of a stream: handshake, credits, and the checks that make it lossless."""

import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Final, NoReturn, Self

import msgspec
import numpy as np
import zmq

from tapewire import errors
from tapewire.compiled.units import NS_PER_S
from tapewire.errors import EndpointError, PeerLostError, ProtocolError, TapewireError
from tapewire.market.records import MBO_DTYPE, RECORD_BYTES
from tapewire.wire import messages as msg
from tapewire.wire.checks import StreamChecker, require_sane
from tapewire.wire.endpoints import require_own_folder, split_endpoint
from tapewire.wire.frames import (
    HEADER_BYTES,
    NO_SLOT,
    WIRE_VERSION,
    BatchHeader,
    decode_header,
)
from tapewire.wire.guard import Guard
from tapewire.wire.slots import SLOTS_MAX, SlotsReader, boot_id
from tapewire.wire.sockets import (
    HEARTBEAT_S,
    UNHEARD_HEARTBEATS_MAX,
    WAIT_SLICE_S,
    Waiter,
    make_socket,
    receive_message,
)

#: As many as the sender has slots for: those bound the memory.
CREDITS_DEFAULT: Final = SLOTS_MAX
#: Somebody who waits is told so after this long (s).
NOTICE_S: Final = 2.0
_CONNECTIONS_MAX: Final = 4
#: What a paced stream may cover that does not say so, and how long it may pause at most (s).
_SPAN_UNKNOWN_S: Final = 7 * 86_400.0
_PACED_GAP_S_MAX: Final = 30 * 86_400.0
#: What a small message takes on the wire, with room to spare.
_SMALL_BYTES: Final = 256
_ERROR_KINDS: Final = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TapewireError)
}


def _no_tick() -> None:
    """Nothing to do while waiting."""


def _no_notice(text: str) -> None:
    """Nobody to be told."""


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
        How long (s) to wait for the sender to be there and say welcome, whatever else it says.
    stall_timeout_s
        A sender that is alive but sends nothing of the stream for so long (s) is given up. Of a
        paced stream, gaps as long as the whole of it are waited for besides.
    context
        The ZeroMQ context; needed for ``inproc``, else one is made.
    name
        What the sender calls this end in its messages.
    tick
        Called at least every 0.1 s while waiting; may raise to end the wait.
    notice
        Called once with a sentence if nobody has welcomed this end after ``NOTICE_S``.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        payload: msg.PayloadChoice = "auto",
        credits: int = CREDITS_DEFAULT,
        peer_timeout_s: float = 5.0,
        connect_timeout_s: float = 60.0,
        stall_timeout_s: float = 600.0,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        name: str = "router",
        tick: Callable[[], None] = _no_tick,
        notice: Callable[[str], None] = _no_notice,
    ) -> None:
        if not 1 <= credits <= SLOTS_MAX:
            raise errors.ConfigError(f"credits: expected 1 to {SLOTS_MAX}, found {credits}")
        self.endpoint = endpoint
        self._scheme, self._address = split_endpoint(endpoint)
        if self._scheme == "inproc" and context is None:
            raise EndpointError("an inproc address needs the ZeroMQ context of its sender")
        self._payload: msg.PayloadChoice = payload
        self._credits = credits
        self._peer_timeout_s = peer_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._own_context = zmq.Context() if context is None else None
        self._context = context or self._own_context
        self._name = name
        self._tick = tick
        self._notice = notice
        self._guard: Guard | None = None
        self._waiter: Waiter | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._slots: SlotsReader | None = None
        self._welcome: msg.Welcome | None = None
        self._info: msg.StreamInfo | None = None
        self._totals: msg.Totals | None = None
        self._sender = f"the replay process at {endpoint}"
        self._last_heard_s = 0.0
        self._last_sent_s = 0.0
        self._asked_s = 0.0  # since when the consumer waits for the next batch
        self._patience_s = stall_timeout_s
        self._stream = StreamChecker(0, 0)  # replaced at the welcome
        self._released = 0  # batches the consumer is done with
        self._released_sent = 0
        self._disconnects_before = 0
        self._finished = False
        self._control_bytes = 0  # of the last control message

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
        self._open_socket()
        hello = msg.Hello(
            WIRE_VERSION, self._name, os.getpid(), boot_id(), self._payload, self._credits
        )
        self._send(hello)
        deadline_s = time.monotonic() + self._connect_timeout_s
        welcome = self._await_welcome(deadline_s)
        self._welcome = welcome
        self._sender = f"the {welcome.name} process (pid {welcome.pid})"
        info = self._complete(welcome, deadline_s)
        self._stream = StreamChecker(welcome.stream_id, info.batch_records)
        payload = self._settle_payload(welcome)
        self._info = msgspec.structs.replace(info, payload=payload)
        self._set_bounds(self._info, welcome.window)
        self._send(msg.Ready(payload))
        return self._info

    def _open_socket(self) -> None:
        assert self._context is not None
        if self._scheme == "ipc":
            require_own_folder(self._address, missing_ok=True)
        self._socket = make_socket(
            self._context,
            zmq.DEALER,
            peer_timeout_s=self._peer_timeout_s,
            message_bytes_max=msg.LARGE_MESSAGE_BYTES_MAX,
        )
        if self._scheme != "inproc":
            self._guard = Guard(
                self._socket,
                untaken_bytes_max=msg.LARGE_MESSAGE_BYTES_MAX,
                connections_max=_CONNECTIONS_MAX,
                once=True,
            )
        self._waiter = Waiter(self._socket, self._guard)
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            raise EndpointError(
                f"can't connect to {self.endpoint!r}: {zmq.strerror(error.errno or 0)}"
            ) from None

    def _set_bounds(self, info: msg.StreamInfo, window: int) -> None:
        """Say what may be on its way from the sender, and how long it may take."""
        batch_bytes = _SMALL_BYTES
        if info.payload == "inline":
            batch_bytes += info.batch_records * RECORD_BYTES
        if self._guard is not None:
            self._guard.untaken_bytes_max = (
                window * batch_bytes
                + UNHEARD_HEARTBEATS_MAX * _SMALL_BYTES
                + msg.LARGE_MESSAGE_BYTES_MAX  # its end, with the totals of many files
            )
        if info.speed is not None:
            covered_s = max(0, info.end_ns - info.start_ns) / NS_PER_S
            span_s = covered_s if info.start_ns and info.end_ns else _SPAN_UNKNOWN_S
            self._patience_s += min(span_s / info.speed, _PACED_GAP_S_MAX)

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
            self._asked_s = time.monotonic()
            while True:
                frames = self._next_frames()
                if len(frames[0]) == HEADER_BYTES and bytes(frames[0].buffer[:3]) == b"TWB":
                    yield self._accept(frames)
                    self._released += 1
                    self._asked_s = time.monotonic()
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

    def _await_welcome(self, deadline_s: float) -> msg.Welcome:
        """Wait for the sender; say so if that takes more than a moment."""
        notice_s = time.monotonic() + NOTICE_S
        while True:
            message = self._next_control(deadline_s, notice_s)
            if message is None:
                notice_s = math.inf
                there = self._guard is not None and self._guard.connected > 0
                self._notice(
                    f"{'no replay welcomes this run' if there else 'nobody answers'} at "
                    f"{self.endpoint} yet: waiting for up to {self._connect_timeout_s:g} s; start "
                    f"`tapewire replay FILES --bind {self.endpoint}` in another terminal, or check "
                    "the address"
                )
            elif isinstance(message, msg.Welcome):
                require_sane(message, self._sender, self._credits)
                if self._scheme == "ipc":
                    require_own_folder(self._address)
                assert self._waiter is not None
                self._disconnects_before = self._waiter.disconnects
                return message
            elif not isinstance(message, msg.Heartbeat):
                raise self._unexpected(message, "a welcome")

    def _complete(self, welcome: msg.Welcome, deadline_s: float) -> msg.StreamInfo:
        """Ask for the symbol mappings that the welcome has no room for."""
        mappings = list(welcome.info.mappings)
        allowed_bytes = msg.MAPPINGS_BYTES_MAX
        while len(mappings) < welcome.mappings:
            self._send(msg.More(len(mappings)))
            message: msg.Message | None = msg.Heartbeat()
            while isinstance(message, msg.Heartbeat):
                message = self._next_control(deadline_s)
            if not isinstance(message, msg.Mappings):
                assert message is not None
                raise self._unexpected(message, "symbol mappings")
            mappings += message.mappings
            allowed_bytes -= self._control_bytes
            if len(mappings) > welcome.mappings or allowed_bytes < 0:
                raise ProtocolError(
                    f"expected {welcome.mappings} symbol mappings in at most "
                    f"{msg.MAPPINGS_BYTES_MAX} bytes from {self._sender}, found more"
                )
        return msgspec.structs.replace(welcome.info, mappings=tuple(mappings))

    def _next_control(self, deadline_s: float, notice_s: float = math.inf) -> msg.Message | None:
        """Wait for a message of the handshake until a deadline; None when the notice is due."""
        assert self._waiter is not None
        while True:
            gone = self._last_heard_s > 0 and self._waiter.disconnects > self._disconnects_before
            frames = self._poll_frames(0.0 if gone else WAIT_SLICE_S)
            now_s = time.monotonic()
            if frames is not None and now_s <= deadline_s:
                message = self._decode_control(frames)
                if isinstance(message, msg.Error):
                    self._raise_sent(message)
                return message
            self._require_no_overrun()
            if gone:
                raise PeerLostError(f"{self._sender} is gone before the stream began")
            heard = self._last_heard_s > 0
            if heard and now_s - self._last_heard_s > self._peer_timeout_s:
                raise PeerLostError(
                    f"{self._sender} fell silent for {self._peer_timeout_s:g} s before the "
                    "stream began"
                )
            if now_s > deadline_s:
                raise EndpointError(self._no_welcome(heard))
            if now_s > notice_s:
                return None

    def _no_welcome(self, heard: bool) -> str:
        if heard:
            return (
                f"{self._sender} answered, but did not begin the stream within "
                f"{self._connect_timeout_s:g} s"
            )
        return (
            f"nobody answered at {self.endpoint!r} within {self._connect_timeout_s:g} s: start "
            "the replay there, or check the address"
        )

    def _require_no_overrun(self) -> None:
        if self._guard is not None and self._guard.overruns:
            raise ProtocolError(f"{self._sender} {next(iter(self._guard.overruns.values()))}")

    def _settle_payload(self, welcome: msg.Welcome) -> msg.Payload:
        if self._payload == "inline" or welcome.offer is None:
            why = "the sender offers none"
        else:
            try:
                self._slots = SlotsReader(
                    welcome.offer, welcome.pid, welcome.slots, welcome.info.batch_records
                )
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
            self._tick()
            self._require_progress()
            return False
        if isinstance(message, msg.Error):
            self._raise_sent(message)
        if not isinstance(message, msg.End):
            raise self._unexpected(message, "a batch")
        totals = message.totals
        self._stream.require_totals(totals, self.info)
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
            at = self._at()
            if gone:
                self._require_no_overrun()
                raise PeerLostError(
                    f"{self._sender} is gone: its connection closed {at} without an end of stream"
                )
            if now_s - self._last_heard_s > self._peer_timeout_s:
                raise PeerLostError(
                    f"{self._sender} fell silent for {self._peer_timeout_s:g} s {at}"
                )
            self._require_progress()
            if now_s - self._last_sent_s > HEARTBEAT_S:
                self._send(msg.Heartbeat())

    def _at(self) -> str:
        return f"after batch {self._released} ({self._stream.records} records)"

    def _require_progress(self) -> None:
        """Give up on a sender that only says that it is alive."""
        if time.monotonic() - self._asked_s > self._patience_s:
            raise PeerLostError(
                f"{self._sender} is alive but has sent nothing of the stream for "
                f"{self._patience_s:g} s {self._at()}"
            )

    def _poll_frames(self, timeout_s: float) -> list[zmq.Frame] | None:
        assert self._waiter is not None
        self._tick()
        return self._try_receive() if self._waiter.wait(timeout_s) else None

    def _try_receive(self) -> list[zmq.Frame] | None:
        assert self._socket is not None
        frames = receive_message(self._socket, 2)
        if frames is not None:
            self._last_heard_s = time.monotonic()
            if self._guard is not None:
                self._guard.take(int(frames[0].get(zmq.SRCFD)), sum(map(len, frames)))
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
        self._control_bytes = len(frames[0])
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
