"""The sending end of a stream: one bound socket, one or several receivers, credits, slots."""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, cast

import numpy as np
import zmq

from tapewire.errors import (
    ConfigError,
    EndpointError,
    PeerLostError,
    ProtocolError,
    TapewireError,
    WireError,
)
from tapewire.market.records import MBO_DTYPE
from tapewire.wire import messages as msg
from tapewire.wire.endpoints import Binding, split_endpoint
from tapewire.wire.frames import (
    FLAG_SHARED,
    MAX_BATCH_RECORDS,
    NO_SLOT,
    WIRE_VERSION,
    BatchHeader,
    StreamDigest,
    encode_header,
    payload_bytes,
    payload_checksum,
)
from tapewire.wire.slots import SLOTS_MAX, SlotsWriter, boot_id
from tapewire.wire.sockets import (
    HEARTBEAT_S,
    UNHEARD_HEARTBEATS_MAX,
    WAIT_SLICE_S,
    Waiter,
    make_socket,
)

RECEIVERS_MAX: Final = 64
#: A closed connection is reported a moment before sending to it fails: so ask more than once.
_PROBES: Final = 5
#: Measured: 16 slots of large batches are slower than 4; with batches of one record, 64 slots
#: are faster than 4, presumably because both ends take turns less often.
_SLOTS_MIN: Final = 4
_RECORDS_UNDER_WAY: Final = 131_072


@dataclass
class _Peer:
    """One receiver as the sender sees it."""

    identity: bytes
    hello: msg.Hello
    last_heard_s: float
    last_sent_s: float
    last_progress_s: float
    payload: msg.Payload | None = None  # None until it is ready
    listening: bool = False  # it is in its receive loop: from here on, silence means trouble
    released: int = 0
    unheard_heartbeats: int = 0
    left: bool = False  # said goodbye after a complete stream
    window: int = 1

    def __str__(self) -> str:
        return f"the {self.hello.name[:40]} process (pid {self.hello.pid})"


def slots_for(batch_records: int) -> int:
    """Return how many batches of this size should be under way at most."""
    return max(_SLOTS_MIN, min(SLOTS_MAX, _RECORDS_UNDER_WAY // batch_records))


def _no_tick() -> None:
    """Nothing to do while waiting."""


class Publisher:
    """Sends one stream to ``receivers`` receivers, each by its credits; never drops.

    Parameters
    ----------
    endpoint
        Where to bind. ``tcp`` only on loopback; ``ipc`` only in a folder with mode 0700.
    receivers
        How many to wait for before the stream begins.
    batch_records
        Most records a batch may have, 1 to 65,536.
    slots
        Batches that may be under way at once, 1 to 64; None: by their size.
    payload
        ``"shared"`` refuses receivers that can't share memory; ``"inline"`` never offers it.
    peer_timeout_s
        A receiver that should be talking and is silent for so long (s) is lost.
    start_timeout_s
        How long (s) to wait for the receivers to come.
    stall_timeout_s
        A receiver that is alive but consumes nothing for so long (s) is given up.
    context
        The ZeroMQ context; needed for ``inproc``, else one is made.
    tick
        Called at least every 0.1 s while waiting; may raise to end the wait.

    Raises
    ------
    EndpointError
        If the address can't be bound.
    ConfigError
        If a number is out of its range.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        receivers: int = 1,
        batch_records: int,
        slots: int | None = None,
        payload: msg.PayloadChoice = "auto",
        peer_timeout_s: float = 5.0,
        start_timeout_s: float = 300.0,
        stall_timeout_s: float = 600.0,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        tick: Callable[[], None] = _no_tick,
    ) -> None:
        if slots is None:
            slots = slots_for(max(1, batch_records))
        for key, value, most in (
            ("receivers", receivers, RECEIVERS_MAX),
            ("batch_records", batch_records, MAX_BATCH_RECORDS),
            ("slots", slots, SLOTS_MAX),
        ):
            if not 1 <= value <= most:
                raise ConfigError(f"{key}: expected 1 to {most}, found {value}")
        scheme, _ = split_endpoint(endpoint)
        if scheme == "inproc" and context is None:
            raise EndpointError("an inproc address needs the ZeroMQ context of its receivers")
        self._receivers = receivers
        self._batch_records = batch_records
        self._slot_count = slots
        self._payload: msg.PayloadChoice = payload
        self._peer_timeout_s = peer_timeout_s
        self._start_timeout_s = start_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._tick = tick
        self._peers: dict[bytes, _Peer] = {}
        self._stream_id = secrets.randbits(63)
        self._sequence = 0
        self._records = 0
        self._digest = StreamDigest()
        self._first_ts_recv = 0
        self._last_ts_recv = 0
        self._streaming = False
        self._writer: SlotsWriter | None = None
        self._arrays: list[np.ndarray] = []
        self._disconnects_seen = 0
        self._probes_left = 0
        self._own_context = zmq.Context() if context is None else None
        self._socket = make_socket(
            context or self._own_context,  # type: ignore[arg-type]
            zmq.ROUTER,
            peer_timeout_s=peer_timeout_s,
            message_bytes_max=msg.SMALL_MESSAGE_BYTES_MAX,
        )
        self._waiter = Waiter(self._socket, watch_connections=scheme != "inproc")
        self.wait_s = 0.0
        try:
            self._binding = Binding(self._socket, endpoint)
        except BaseException:
            self._close_socket()
            raise

    @property
    def endpoint(self) -> str:
        """The address as bound (a ``*`` port is filled in)."""
        return self._binding.endpoint

    # --- life cycle -------------------------------------------------------------------------

    def handshake(self, info: msg.StreamInfo) -> None:
        """Wait for the receivers, welcome them and settle how the payload travels.

        Raises
        ------
        PeerLostError
            If they do not all come in time.
        """
        deadline_s = time.monotonic() + self._start_timeout_s
        while len(self._peers) < self._receivers:
            self._wait_for("receivers", deadline_s)
        self._open_slots()
        self._streaming = True  # from here on, to lose a receiver is to fail
        for peer in list(self._peers.values()):
            self._welcome(peer, info)
        while any(p.payload is None for p in self._peers.values()):
            self._wait_for("receivers that are ready", deadline_s)
        if self._writer is not None:
            self._writer.seal_off()

    def next_slot(self) -> np.ndarray:
        """Wait until every receiver has credit; return where the next batch is to be written.

        Returns
        -------
        ndarray
            ``MBO_DTYPE``, shape ``(batch_records,)``.
        """
        self._pump()
        if not self._has_credit():
            begin_s = time.monotonic()
            while not self._has_credit():
                self._service(WAIT_SLICE_S)
            self.wait_s += time.monotonic() - begin_s
        return self._arrays[self._sequence % self._slot_count]

    def publish(self, count: int, first_ts_recv: int, last_ts_recv: int) -> None:
        """Send the first ``count`` records of the slot last given by :meth:`next_slot`.

        Parameters
        ----------
        first_ts_recv, last_ts_recv
            The stream's clock (ns) at the first and last record of the batch.
        """
        slot = self._sequence % self._slot_count
        records = self._arrays[slot][:count]
        header = BatchHeader(
            FLAG_SHARED,
            self._stream_id,
            self._sequence,
            self._records,
            count,
            slot,
            first_ts_recv,
            last_ts_recv,
            payload_checksum(records),
        )
        # Sent from here on: a quick receiver may give it back before a slow one has it.
        self._sequence += 1
        self._records += count
        for peer in list(self._peers.values()):
            if peer.payload == "shared":
                self._send(peer, [encode_header(header)])
            else:
                inline = header._replace(flags=0, slot=NO_SLOT)
                # Copied by libzmq: the slot is free again as soon as this returns.
                self._send(peer, [encode_header(inline), payload_bytes(records)])
        if not header.sequence:
            self._first_ts_recv = first_ts_recv
        self._last_ts_recv = last_ts_recv
        self._digest.add(header)

    @property
    def sent(self) -> tuple[int, int, int, int, str]:
        """Events, batches, first and last clock, digest of what was sent so far."""
        return (
            self._records,
            self._sequence,
            self._first_ts_recv,
            self._last_ts_recv,
            self._digest.hexdigest(),
        )

    def finish(self, totals: msg.Totals) -> None:
        """Send the end of the stream and wait until every receiver has confirmed it."""
        for peer in list(self._peers.values()):
            self._send(peer, [msg.encode_message(msg.End(totals))])
        while not all(p.left for p in self._peers.values()):
            self._service(WAIT_SLICE_S)

    def fail(self, error: BaseException) -> None:
        """Tell the receivers that the stream ends here, and why."""
        if isinstance(error, TapewireError):
            message = msg.Error(type(error).__name__, str(error))
        else:
            message = msg.Error("WireError", f"the replay process failed: {error!r}")
        frame = msg.encode_message(message)
        for peer in list(self._peers.values()):  # to send may be to lose one
            if not peer.left:
                with contextlib.suppress(WireError):
                    self._send(peer, [frame])

    def service(self, wait_s: float) -> None:
        """Wait up to ``wait_s``, keeping the connections alive; for pacing and long decodes."""
        deadline_s = time.monotonic() + wait_s
        while True:
            left_s = deadline_s - time.monotonic()
            self._service(max(0.0, min(left_s, WAIT_SLICE_S)))
            if left_s <= WAIT_SLICE_S:
                return

    def close(self) -> None:
        """Close the socket and give back the address and the slots."""
        self._arrays = []
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._close_socket()
        self._binding.close()

    def _close_socket(self) -> None:
        self._waiter.close()
        if self._own_context is not None:
            self._own_context.term()  # at most LINGER_MS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- handshake --------------------------------------------------------------------------

    def _wait_for(self, what: str, deadline_s: float) -> None:
        self._service(WAIT_SLICE_S)
        if time.monotonic() > deadline_s:
            raise PeerLostError(
                f"expected {self._receivers} {what} at {self.endpoint!r} within "
                f"{self._start_timeout_s:g} s, found {len(self._peers)}: connect with "
                f"`tapewire run CONFIG --connect {self.endpoint}`"
            )

    def _open_slots(self) -> None:
        here = boot_id()
        wanted = self._payload != "inline" and any(
            p.hello.payload != "inline" and p.hello.boot_id == here for p in self._peers.values()
        )
        if wanted:
            try:
                self._writer = SlotsWriter(self._slot_count, self._batch_records)
            except EndpointError:
                if self._payload == "shared":
                    raise
        if self._writer is not None:
            self._arrays = self._writer.arrays
        else:
            self._arrays = [np.empty(self._batch_records, MBO_DTYPE)] * self._slot_count

    def _welcome(self, peer: _Peer, info: msg.StreamInfo) -> None:
        offer = None
        if self._writer is not None and peer.hello.boot_id == boot_id():
            offer = self._writer.offer
        peer.window = min(peer.hello.credits, self._slot_count)
        welcome = msg.Welcome(
            WIRE_VERSION,
            "replay",
            os.getpid(),
            self._stream_id,
            peer.window,
            self._slot_count,
            offer,
            info,
        )
        self._send(peer, [msg.encode_message(welcome)])

    # --- credits ----------------------------------------------------------------------------

    def _has_credit(self) -> bool:
        return all(self._sequence - p.released < p.window for p in self._peers.values())

    # --- receiving and waiting --------------------------------------------------------------

    def _service(self, timeout_s: float) -> None:
        """One round of a wait: take what came in, heartbeat, look for lost receivers."""
        self._tick()
        self._waiter.wait(timeout_s)
        self._pump()
        now_s = time.monotonic()
        if self._waiter.disconnects > self._disconnects_seen:
            self._disconnects_seen = self._waiter.disconnects
            self._probes_left = _PROBES
        probe = self._probes_left > 0
        self._probes_left -= probe
        for peer in list(self._peers.values()):
            if not peer.left:
                self._look_after(peer, now_s, probe)

    def _look_after(self, peer: _Peer, now_s: float, probe: bool) -> None:
        due = now_s - peer.last_sent_s > HEARTBEAT_S
        if probe or (due and peer.unheard_heartbeats < UNHEARD_HEARTBEATS_MAX):
            self._send(peer, [msg.encode_message(msg.Heartbeat())])
            peer.unheard_heartbeats += 1
            if peer.identity not in self._peers:  # found gone before the stream began
                return
        idle = peer.released == self._sequence
        if peer.listening and idle:
            self._require_heard(peer, now_s)
        elif not idle and now_s - peer.last_progress_s > self._stall_timeout_s:
            raise PeerLostError(
                f"{peer} is alive but has consumed nothing for {self._stall_timeout_s:g} s "
                f"after batch {peer.released} of {self._sequence} sent"
            )

    def _require_heard(self, peer: _Peer, now_s: float) -> None:
        if now_s - peer.last_heard_s > self._peer_timeout_s:
            raise PeerLostError(
                f"{peer} fell silent for {self._peer_timeout_s:g} s after batch "
                f"{peer.released} of {self._sequence} sent"
            )

    def _pump(self) -> None:
        """Take in everything that has arrived."""
        while cast(int, self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
            identity, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
            try:
                if len(frames) != 1:
                    raise ProtocolError(f"a message of {len(frames)} frames, expected 1")
                self._take(identity, msg.decode_message(frames[0]))
            except ProtocolError as error:
                self._refuse(identity, error)

    def _refuse(self, identity: bytes, error: TapewireError) -> None:
        """Answer a peer that broke the protocol; fail if it is one of ours."""
        with contextlib.suppress(zmq.ZMQError):
            frame = msg.encode_message(msg.Error(type(error).__name__, str(error)))
            self._socket.send_multipart([identity, frame], zmq.NOBLOCK)
        peer = self._peers.pop(identity, None)
        if peer is not None and self._streaming:
            raise ProtocolError(f"from {peer}: {error}")

    def _take(self, identity: bytes, message: msg.Message) -> None:
        peer = self._peers.get(identity)
        now_s = time.monotonic()
        if peer is None:
            if isinstance(message, msg.Hello):
                self._greet(identity, message, now_s)
            elif not isinstance(message, msg.Heartbeat | msg.Goodbye):
                raise ProtocolError("expected a hello first")
            return
        peer.last_heard_s = now_s
        peer.unheard_heartbeats = 0
        if isinstance(message, msg.Credit):
            if not peer.released <= message.released <= self._sequence:
                raise ProtocolError(
                    f"credit for batches before {message.released}, expected "
                    f"{peer.released} to {self._sequence}"
                )
            peer.released = message.released
            peer.last_progress_s = now_s
            peer.listening = True
        elif isinstance(message, msg.Heartbeat):
            peer.listening = True
        elif isinstance(message, msg.Ready):
            self._set_ready(peer, message)
        elif isinstance(message, msg.Goodbye):
            self._take_goodbye(peer, message)
        else:
            raise ProtocolError(f"an unexpected {type(message).__name__.lower()}")

    def _greet(self, identity: bytes, hello: msg.Hello, now_s: float) -> None:
        if hello.wire_version != WIRE_VERSION:
            raise ProtocolError(
                f"the replay speaks wire version {WIRE_VERSION}, this side {hello.wire_version}: "
                "run the same Tapewire version at both ends"
            )
        if not 1 <= hello.credits <= SLOTS_MAX:
            raise ProtocolError(f"credits: expected 1 to {SLOTS_MAX}, found {hello.credits}")
        if self._streaming or len(self._peers) >= self._receivers:
            self._refuse(
                identity,
                EndpointError(
                    f"the replay at {self.endpoint!r} already serves its {self._receivers} "
                    "receivers: start it with more"
                ),
            )
            return
        self._peers[identity] = _Peer(identity, hello, now_s, now_s, now_s)

    def _set_ready(self, peer: _Peer, ready: msg.Ready) -> None:
        if peer.payload is not None or (ready.payload == "shared" and self._writer is None):
            raise ProtocolError(f"an unexpected ready for {ready.payload} payload")
        if ready.payload == "inline" and self._payload == "shared":
            raise ProtocolError("no shared memory with this receiver: use payload: auto or inline")
        peer.payload = ready.payload

    def _take_goodbye(self, peer: _Peer, goodbye: msg.Goodbye) -> None:
        if not goodbye.reason:
            peer.left = True
            peer.released = self._sequence
            return
        del self._peers[peer.identity]
        if self._streaming:
            raise PeerLostError(
                f"{peer} left after batch {peer.released} of {self._sequence} sent: "
                f"{goodbye.reason}"
            )

    def _send(self, peer: _Peer, frames: list[bytes | memoryview]) -> None:
        try:
            self._socket.send_multipart([peer.identity, *frames], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno == errno.EAGAIN:
                raise PeerLostError(
                    f"the queue to {peer} is full in spite of its credits: it reads nothing"
                ) from None
            self._pump()  # its goodbye may have come meanwhile, and says more
            if not peer.left and peer.identity in self._peers:
                self._lose(peer)
            return
        peer.last_sent_s = time.monotonic()

    def _lose(self, peer: _Peer) -> None:
        self._peers.pop(peer.identity, None)
        if self._streaming:
            raise PeerLostError(
                f"{peer} is gone: its connection closed after batch {peer.released} of "
                f"{self._sequence} sent"
            )
