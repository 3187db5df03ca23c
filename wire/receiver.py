"""The receiving end of a stream: what makes it lossless, credit by credit."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Final, NamedTuple, Self

import numpy as np
import zmq

from tapewire.compiled.units import NS_PER_S
from tapewire.errors import ConfigError, PeerLostError, ProtocolError
from tapewire.market.records import MBO_DTYPE, RECORD_BYTES
from tapewire.wire import messages as msg
from tapewire.wire.checks import StreamChecker
from tapewire.wire.codec import array_of
from tapewire.wire.credit import CreditReturn
from tapewire.wire.frames import HEADER_BYTES, NO_SLOT, BatchHeader, decode_header
from tapewire.wire.joining import Joined, Joining
from tapewire.wire.link import Link
from tapewire.wire.liveness import (
    PEER_TIMEOUT_S,
    STALL_TIMEOUT_S,
    UNHEARD_HEARTBEATS_MAX,
    Patience,
)
from tapewire.wire.network import LIBZMQ, Network
from tapewire.wire.sender import Sender
from tapewire.wire.slots import SLOTS_MAX
from tapewire.wire.sockets import WAIT_SLICE_S

#: As many as the sender has slots for: those bound the memory.
CREDITS_DEFAULT: Final = SLOTS_MAX
#: What a paced stream may cover that does not say so, and how long it may pause at most (s).
_SPAN_UNKNOWN_S: Final = 7 * 86_400.0
_PACED_GAP_S_MAX: Final = 30 * 86_400.0
#: Batches whose ways are kept until somebody asks; of more, the last.
HOPS_MAX: Final = 4_096
#: What a small message takes on the wire, with room to spare.
_SMALL_BYTES: Final = 256


class Hops(NamedTuple):
    """How long a batch took on its way, ns of the wall clock.

    ``wire_ns`` is from when it was sent to when it was taken, so that what it waited for the
    consumer is in it.
    """

    decode_ns: int
    wire_ns: int


def _no_tick() -> None:
    """Nothing to do while waiting."""


def _no_notice(text: str) -> None:
    """Nobody to be told."""


def _not_told(state: msg.FeedState, text: str) -> None:
    """Nobody asks what becomes of a feed."""


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
    told
        Called with what the sender says of a live feed, between two batches.
    network
        What it stands on.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        payload: msg.PayloadChoice = "auto",
        credits: int = CREDITS_DEFAULT,
        peer_timeout_s: float = PEER_TIMEOUT_S,
        connect_timeout_s: float = 60.0,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        name: str = "router",
        tick: Callable[[], None] = _no_tick,
        notice: Callable[[str], None] = _no_notice,
        told: Callable[[msg.FeedState, str], None] = _not_told,
        network: Network = LIBZMQ,
    ) -> None:
        if not 1 <= credits <= SLOTS_MAX:
            raise ConfigError(f"credits: expected 1 to {SLOTS_MAX}, found {credits}")
        self.endpoint = endpoint
        self._link = Link(
            endpoint,
            context=context,
            peer_timeout_s=peer_timeout_s,
            message_bytes_max=msg.LARGE_MESSAGE_BYTES_MAX,
            network=network,
        )
        self._sender = Sender(self._link, peer_timeout_s, tick, network)
        self._joining = Joining(
            self._link,
            self._sender,
            payload=payload,
            credits=credits,
            name=name,
            timeout_s=connect_timeout_s,
            notice=notice,
            network=network,
        )
        self._tick = tick
        self._told = told
        self._now_s = network.now_s
        self._now_ns = network.now_ns
        self._patience = Patience(stall_timeout_s)  # of the consumer with the next batch
        self._joined: Joined | None = None
        self._totals: msg.Totals | None = None
        self._stopped = False
        self._stream = StreamChecker(0, 0)  # replaced, as the credit is, by what the welcome says
        self._credit = CreditReturn(1)
        self._hops: deque[Hops] = deque(maxlen=HOPS_MAX)

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
        self._link.open()
        joined = self._joining.join()
        welcome, info, _ = joined
        self._joined = joined
        self._stream = StreamChecker(welcome.stream_id, info.batch_records)
        self._credit = CreditReturn(welcome.window)
        self._set_bounds(info, welcome.window)
        self._sender.say(msg.Ready(info.payload))
        return info

    def _set_bounds(self, info: msg.StreamInfo, window: int) -> None:
        """Say what may be on its way from the sender, and how long it may take."""
        batch_bytes = _SMALL_BYTES
        if info.payload == "inline":
            batch_bytes += info.batch_records * RECORD_BYTES
        self._link.allow(
            window * batch_bytes
            + UNHEARD_HEARTBEATS_MAX * _SMALL_BYTES
            + msg.LARGE_MESSAGE_BYTES_MAX  # its end, with the totals of many files
        )
        if info.speed is not None:
            covered_s = max(0, info.end_ns - info.start_ns) / NS_PER_S
            span_s = covered_s if info.start_ns and info.end_ns else _SPAN_UNKNOWN_S
            self._patience.limit_s += min(span_s / info.speed, _PACED_GAP_S_MAX)

    def _require_joined(self) -> Joined:
        if self._joined is None:
            raise RuntimeError("call connect() first")
        return self._joined

    @property
    def info(self) -> msg.StreamInfo:
        """What the stream carries; after :meth:`connect`."""
        return self._require_joined().info

    @property
    def totals(self) -> msg.Totals:
        """What the stream carried, verified; after :meth:`batches` is exhausted."""
        if self._totals is None:
            raise RuntimeError("the stream has not ended yet")
        return self._totals

    @property
    def sender_pid(self) -> int:
        """Process id of the sender; after :meth:`connect`."""
        return self._require_joined().welcome.pid

    def batches(self) -> Generator[np.ndarray]:
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
        self._require_joined()
        credit = self._credit
        try:
            self._sender.say(msg.Heartbeat())  # from here on, silence means trouble
            self._patience.renew(self._now_s())
            while True:
                frames = self._next_frames()
                if len(frames[0]) == HEADER_BYTES and bytes(frames[0].buffer[:3]) == b"TWB":
                    yield self._accept(frames)
                    now_s = self._now_s()
                    self._patience.renew(now_s)
                    # A slow consumer is not done with half a window for long: it says so earlier.
                    if credit.release() or self._sender.heartbeat_due(now_s):
                        self._give_back()
                elif self._control(frames):
                    break
        except ProtocolError as error:
            self._sender.leave(str(error))
            raise
        self._sender.leave("")

    def hops(self) -> Iterator[Hops]:
        """Give, once each, how long batches took on their way here; of at most the last so many."""
        while self._hops:
            yield self._hops.popleft()

    def stop(self) -> None:
        """Have `batches` end soon, by a `PeerLostError`; any thread may call it."""
        self._stopped = True

    def close(self, reason: str = "it closed the stream before its end") -> None:
        """Leave; tell the sender why if the stream is not at its end."""
        linger = False
        if self._link.is_open:
            self._sender.leave(reason)
            # Without a welcome, or once the sender is gone, nobody is there to take what was said.
            linger = self._joining.welcomed and not self._link.closed_by_peer
        if self._joined is not None and self._joined.slots is not None:
            self._joined.slots.close()
        self._link.close(linger=linger)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the stream -------------------------------------------------------------------------

    def _accept(self, frames: list[zmq.Frame]) -> np.ndarray:
        """Check a batch and return its records."""
        header = decode_header(frames[0].buffer)
        self._stream.require_next(header)
        records = self._payload_of(header, frames)
        self._stream.accept(header, records)
        if header.sent_ns:
            wire_ns = self._now_ns() - header.sent_ns
            if wire_ns >= 0:  # else the ends have different clocks
                self._hops.append(Hops(header.decode_ns, wire_ns))
        return records

    def _payload_of(self, header: BatchHeader, frames: list[zmq.Frame]) -> np.ndarray:
        assert self._joined is not None
        welcome, _, slots = self._joined
        if header.shared != (slots is not None):
            expected = "inline" if slots is None else "shared"
            raise ProtocolError(f"{header} is not {expected}, as was agreed")
        if slots is not None:
            if len(frames) != 1 or header.slot != header.sequence % welcome.slots:
                raise ProtocolError(
                    f"{header} names slot {header.slot} in {len(frames)} frames, expected slot "
                    f"{header.sequence % welcome.slots} in 1"
                )
            return slots.arrays[header.slot][: header.record_count]
        assert header.slot == NO_SLOT  # decode_header has seen to it
        parts = [frame.buffer for frame in frames[1:]]
        return array_of(parts, MBO_DTYPE, (header.record_count,), header)

    def _control(self, frames: list[zmq.Frame]) -> bool:
        """Act on a control message; return whether the stream is at its end."""
        message = self._sender.read(frames)
        if isinstance(message, msg.Heartbeat | msg.Told):
            self._tick()
            self._require_progress(self._now_s())
            if isinstance(message, msg.Told):
                self._told(message.state, message.text)
            return False
        if not isinstance(message, msg.End):
            raise self._sender.unexpected(message, "a batch", self._credit.released)
        totals = message.totals
        self._stream.require_totals(totals, self.info)
        self._totals = totals
        return True

    def _give_back(self) -> None:
        """Tell the sender what the consumer is done with."""
        if self._sender.say(msg.Credit(self._credit.released)):
            self._credit.told()

    # --- waiting ----------------------------------------------------------------------------

    def _next_frames(self) -> list[zmq.Frame]:
        """Wait for the next message; heartbeat meanwhile; give up on a lost sender."""
        sender = self._sender
        frames = sender.receive()
        if frames is not None:
            return frames
        sender.excuse(self._now_s())  # until now the consumer was busy, not the sender
        while True:
            if self._credit.owed:
                self._give_back()
            gone = sender.gone
            frames = sender.wait(0.0 if gone else WAIT_SLICE_S)
            if frames is not None:
                return frames
            if self._stopped:
                raise PeerLostError("nobody waits for the stream any more")
            now_s = self._now_s()
            if gone:
                sender.require_no_overrun()
                raise PeerLostError(
                    f"{sender} is gone: its connection closed {self._at()} without an end of stream"
                )
            sender.require_heard(now_s, self._at())
            self._require_progress(now_s)
            if sender.heartbeat_due(now_s) and sender.say(msg.Heartbeat()):
                sender.said_heartbeat()

    def _at(self) -> str:
        return f"after batch {self._credit.released} ({self._stream.records} records)"

    def _require_progress(self, now_s: float) -> None:
        """Give up on a sender that only says that it is alive."""
        self._patience.require(now_s, self._sender, "has sent nothing of the stream", self._at())
