"""The sending end of a stream: one bound socket, one or several receivers, credits, slots."""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable
from typing import Final, Self

import msgspec
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
from tapewire.wire.guard import Guard
from tapewire.wire.peers import WAITING_MAX, Peer, Seats
from tapewire.wire.slots import SLOTS_MAX, SlotsWriter, boot_id
from tapewire.wire.sockets import (
    HEARTBEAT_S,
    UNHEARD_HEARTBEATS_MAX,
    WAIT_SLICE_S,
    Waiter,
    make_socket,
    receive_message,
)

RECEIVERS_MAX: Final = 64
#: A closed connection is reported a moment before sending to it fails: so ask more than once.
_PROBES: Final = 5
#: Measured: 16 slots of large batches are slower than 4; with batches of one record, 64 slots
#: are faster than 4, presumably because both ends take turns less often.
_SLOTS_MIN: Final = 4
_RECORDS_UNDER_WAY: Final = 131_072
#: Connections that are neither receivers nor waiting to be.
_STRANGERS_MAX: Final = 32
#: What may be under way from a receiver: the credits of its window and some heartbeats.
_UNTAKEN_BYTES_MAX: Final = 2 * msg.SMALL_MESSAGE_BYTES_MAX
#: How long a stranger is left connected after an answer or, if it says nothing, without one (s).
_ANSWER_S: Final = 0.5
_STRANGER_S: Final = 5.0
#: Messages taken in at once; the others wait until the stream has gone on.
_MESSAGES_PER_PUMP: Final = 1_024


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
        self._batch_records = batch_records
        self._slot_count = slots
        self._payload: msg.PayloadChoice = payload
        self._peer_timeout_s = peer_timeout_s
        self._start_timeout_s = start_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._tick = tick
        self._seats = Seats(receivers)
        self._peers = self._seats.taken
        self._info: msg.StreamInfo | None = None
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
        self._guard: Guard | None = None
        if scheme != "inproc":
            self._guard = Guard(
                self._socket,
                untaken_bytes_max=_UNTAKEN_BYTES_MAX,
                connections_max=receivers + WAITING_MAX + _STRANGERS_MAX,
                idle_s=_STRANGER_S,
            )
        self._waiter = Waiter(self._socket, self._guard)
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
        self._info = info
        deadline_s = time.monotonic() + self._start_timeout_s
        while not self._seats.all_ready:
            self._service(WAIT_SLICE_S)
            self._fill_seats()
            if time.monotonic() > deadline_s:
                raise PeerLostError(
                    f"expected {self._seats.count} receivers at {self.endpoint!r} within "
                    f"{self._start_timeout_s:g} s, found {self._ready_count()} that are ready: "
                    f"connect with `tapewire run CONFIG --connect {self.endpoint}`"
                )
        self._streaming = True  # from here on, to lose a receiver is to fail
        for peer in self._seats.dismiss():
            self._refuse(peer.identity, peer.connection, self._no_seat())
        self._settle_slots()

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
        now_s = time.monotonic()
        # Sent from here on: a quick receiver may give it back before a slow one has it.
        self._sequence += 1
        self._records += count
        for peer in list(self._peers.values()):
            if peer.released == header.sequence:  # until now there was nothing to consume
                peer.last_progress_s = now_s
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
        deadline_s = time.monotonic() + self._stall_timeout_s
        while late := [p for p in self._peers.values() if not p.left]:
            self._service(WAIT_SLICE_S)
            if time.monotonic() > deadline_s:
                raise PeerLostError(
                    f"{late[0]} is alive but has not confirmed the end of the stream for "
                    f"{self._stall_timeout_s:g} s"
                )

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

    def _ready_count(self) -> int:
        return sum(p.payload is not None for p in self._peers.values())

    def _fill_seats(self) -> None:
        """Welcome who waits for a seat; take theirs from those that don't become ready."""
        for peer in self._seats.overdue(time.monotonic()):
            self._refuse(
                peer.identity,
                peer.connection,
                ProtocolError("expected a ready after the welcome, found none in time"),
            )
        while (newcomer := self._seats.seat_next()) is not None:
            self._welcome(newcomer)

    def _welcome(self, peer: Peer) -> None:
        assert self._info is not None
        mappings = self._info.mappings
        peer.window = min(peer.hello.credits, self._slot_count)
        peer.welcomed(time.monotonic(), len(mappings))
        offer = self._offer_to(peer)
        peer.offered = offer is not None
        first = msgspec.structs.replace(self._info, mappings=mappings[: msg.MAPPINGS_PER_MESSAGE])
        welcome = msg.Welcome(
            WIRE_VERSION,
            "replay",
            os.getpid(),
            self._stream_id,
            peer.window,
            self._slot_count,
            offer,
            first,
            len(mappings),
        )
        self._send(peer, [msg.encode_message(welcome)])

    def _offer_to(self, peer: Peer) -> msg.SlotsOffer | None:
        """Return where a receiver on this host finds the slots; make them for the first one."""
        hello = peer.hello
        if "inline" in (self._payload, hello.payload) or hello.boot_id != boot_id():
            return None
        if self._writer is None:
            try:
                self._writer = SlotsWriter(self._slot_count, self._batch_records)
            except EndpointError:
                if self._payload == "shared":
                    raise
                return None
        return self._writer.offer

    def _settle_slots(self) -> None:
        """Write batches into the slots, if any receiver reads them there."""
        if self._writer is not None and not any(
            p.payload == "shared" for p in self._peers.values()
        ):
            self._writer.close()
            self._writer = None
        if self._writer is not None:
            self._arrays = self._writer.arrays
            self._writer.seal_off()
        else:
            self._arrays = [np.empty(self._batch_records, MBO_DTYPE)] * self._slot_count

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

    def _look_after(self, peer: Peer, now_s: float, probe: bool) -> None:
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

    def _require_heard(self, peer: Peer, now_s: float) -> None:
        if now_s - peer.last_heard_s > self._peer_timeout_s:
            if not self._streaming:
                self._refuse(peer.identity, peer.connection, ProtocolError("it fell silent"))
                return
            raise PeerLostError(
                f"{peer} fell silent for {self._peer_timeout_s:g} s after batch "
                f"{peer.released} of {self._sequence} sent"
            )

    def _pump(self) -> None:
        """Take in what has arrived."""
        for _ in range(_MESSAGES_PER_PUMP):
            received = receive_message(self._socket, 2)
            if received is None:
                return
            identity, *frames = received
            connection = None
            if self._guard is not None:
                connection = int(frames[0].get(zmq.SRCFD))
                self._guard.take(connection, sum(map(len, frames)))
                if self._guard.dropping(connection):
                    continue  # it has had its answer
            try:
                if len(frames) != 1:
                    raise ProtocolError("a message of more than 1 frame")
                message = msg.decode_message(frames[0].buffer)
                self._take(identity.bytes, connection, message)
            except ProtocolError as error:
                self._refuse(identity.bytes, connection, error)

    def _refuse(self, identity: bytes, connection: int | None, error: TapewireError) -> None:
        """Answer a peer that broke the protocol, and drop it; fail if it is one of ours."""
        with contextlib.suppress(zmq.ZMQError):
            frame = msg.encode_message(msg.Error(type(error).__name__, str(error)))
            self._socket.send_multipart([identity, frame], zmq.NOBLOCK)
        if self._guard is not None and connection is not None:
            self._guard.keep(connection, False)
            self._guard.drop(connection, _ANSWER_S)
        peer = self._seats.free(identity)
        if peer is not None and self._streaming:
            raise ProtocolError(f"from {peer}: {error}")

    def _no_seat(self) -> EndpointError:
        return EndpointError(
            f"the replay at {self.endpoint!r} already serves its {self._seats.count} "
            "receivers: start it with more"
        )

    def _take(self, identity: bytes, connection: int | None, message: msg.Message) -> None:
        peer = self._seats.find(identity)
        now_s = time.monotonic()
        if peer is None:
            if isinstance(message, msg.Hello):
                self._greet(Peer(identity, message, connection, now_s))
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
        elif isinstance(message, msg.More):
            self._send_mappings(peer, message.received)
        elif isinstance(message, msg.Goodbye):
            self._take_goodbye(peer, message)
        else:
            raise ProtocolError(f"an unexpected {type(message).__name__.lower()}")

    def _greet(self, peer: Peer) -> None:
        hello = peer.hello
        if hello.wire_version != WIRE_VERSION:
            raise ProtocolError(
                f"the replay speaks wire version {WIRE_VERSION}, this side {hello.wire_version}: "
                "run the same Tapewire version at both ends"
            )
        if not 1 <= hello.credits <= SLOTS_MAX:
            raise ProtocolError(f"credits: expected 1 to {SLOTS_MAX}, found {hello.credits}")
        if self._streaming or not self._seats.queue(peer):
            self._refuse(peer.identity, peer.connection, self._no_seat())
        elif self._guard is not None and peer.connection is not None:
            self._guard.keep(peer.connection)

    def _send_mappings(self, peer: Peer, received: int) -> None:
        assert self._info is not None
        more = self._info.mappings[received : received + msg.MAPPINGS_PER_MESSAGE]
        if peer.payload is not None or not peer.ready_by_s or not more:
            raise ProtocolError(f"an unexpected request for more than {received} mappings")
        self._send(peer, [msg.encode_message(msg.Mappings(more))])

    def _set_ready(self, peer: Peer, ready: msg.Ready) -> None:
        expected = peer.ready_by_s and peer.payload is None
        if not expected or (ready.payload == "shared" and not peer.offered):
            raise ProtocolError(f"an unexpected ready for {ready.payload} payload")
        if ready.payload == "inline" and self._payload == "shared":
            raise ProtocolError("no shared memory with this receiver: use payload: auto or inline")
        peer.payload = ready.payload

    def _take_goodbye(self, peer: Peer, goodbye: msg.Goodbye) -> None:
        if not goodbye.reason:
            peer.left = True
            peer.released = self._sequence
            return
        self._seats.free(peer.identity)
        if self._streaming:
            raise PeerLostError(
                f"{peer} left after batch {peer.released} of {self._sequence} sent: "
                f"{goodbye.reason}"
            )

    def _send(self, peer: Peer, frames: list[bytes | memoryview]) -> None:
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

    def _lose(self, peer: Peer) -> None:
        self._seats.free(peer.identity)
        if self._streaming:
            if self._guard is not None and peer.connection in self._guard.overruns:
                raise ProtocolError(f"{peer} {self._guard.overruns[peer.connection]}")
            raise PeerLostError(
                f"{peer} is gone: its connection closed after batch {peer.released} of "
                f"{self._sequence} sent"
            )
