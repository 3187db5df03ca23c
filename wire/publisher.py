"""The sending end of a stream: one bound socket, one or several receivers, credits, slots."""

import contextlib
from collections.abc import Callable
from typing import Final, Self

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
from tapewire.wire import messages as msg
from tapewire.wire.frames import (
    FLAG_SHARED,
    MAX_BATCH_RECORDS,
    NO_SLOT,
    BatchHeader,
    StreamDigest,
    encode_header,
    payload_bytes,
    payload_checksum,
)
from tapewire.wire.hub import Hub
from tapewire.wire.liveness import PEER_TIMEOUT_S, STALL_TIMEOUT_S, Patience
from tapewire.wire.network import LIBZMQ, Network
from tapewire.wire.peers import Peer
from tapewire.wire.seats import WAITING_MAX, Seats
from tapewire.wire.slots import SLOTS_MAX
from tapewire.wire.sockets import WAIT_SLICE_S
from tapewire.wire.terms import Terms, slots_for

RECEIVERS_MAX: Final = 64
#: What may be under way from a receiver: the credits of its window and some heartbeats.
_UNTAKEN_BYTES_MAX: Final = 2 * msg.SMALL_MESSAGE_BYTES_MAX


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
    network
        What it stands on.

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
        peer_timeout_s: float = PEER_TIMEOUT_S,
        start_timeout_s: float = 300.0,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        tick: Callable[[], None] = _no_tick,
        network: Network = LIBZMQ,
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
        self._peer_timeout_s = peer_timeout_s
        self._start_timeout_s = start_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._tick = tick
        self._now_s = network.now_s
        self._now_ns = network.now_ns
        self._terms = Terms(batch_records, slots, payload)
        self._seats: Seats[Peer] = Seats(receivers)
        self._peers = self._seats.taken
        self._sequence = 0
        self._records = 0
        self._digest = StreamDigest()
        self._first_ts_recv = 0
        self._last_ts_recv = 0
        self._streaming = False
        self._arrays: list[np.ndarray] = []
        self.wait_s = 0.0
        self._hub = Hub(
            endpoint,
            context=context,
            peer_timeout_s=peer_timeout_s,
            peers_max=receivers + WAITING_MAX,
            message_bytes_max=msg.SMALL_MESSAGE_BYTES_MAX,
            untaken_bytes_max=_UNTAKEN_BYTES_MAX,
            network=network,
        )

    @property
    def endpoint(self) -> str:
        """The address as bound (a ``*`` port is filled in)."""
        return self._hub.endpoint

    # --- life cycle -------------------------------------------------------------------------

    def handshake(self, info: msg.StreamInfo) -> None:
        """Wait for the receivers, welcome them and settle how the payload travels.

        Raises
        ------
        PeerLostError
            If they do not all come in time.
        """
        self._terms.info = info
        deadline_s = self._now_s() + self._start_timeout_s
        while not self._seats.all_ready:
            self._service(WAIT_SLICE_S)
            self._fill_seats()
            if self._now_s() > deadline_s:
                raise PeerLostError(
                    f"expected {self._seats.count} receivers at {self.endpoint!r} within "
                    f"{self._start_timeout_s:g} s, found {self._seats.ready_count} that are ready: "
                    f"connect with `tapewire run CONFIG --connect {self.endpoint}`"
                )
        self._streaming = True  # from here on, to lose a receiver is to fail
        for peer in self._seats.dismiss():
            self._refuse(peer.identity, peer.connection, self._no_seat())
        self._arrays = self._terms.settle_slots(
            any(p.payload == "shared" for p in self._peers.values())
        )

    def _fill_seats(self) -> None:
        """Welcome who waits for a seat; take theirs from those that don't become ready."""
        for peer in self._seats.overdue(self._now_s()):
            self._refuse(
                peer.identity,
                peer.connection,
                ProtocolError("expected a ready after the welcome, found none in time"),
            )
        while (newcomer := self._seats.seat_next()) is not None:
            self._say(newcomer, self._terms.welcome(newcomer, self._now_s()))

    def next_slot(self) -> np.ndarray:
        """Wait until every receiver has credit; return where the next batch is to be written.

        Returns
        -------
        ndarray
            ``MBO_DTYPE``, shape ``(batch_records,)``.
        """
        self._pump()
        if not self._has_credit():
            begin_s = self._now_s()
            while not self._has_credit():
                self._service(WAIT_SLICE_S)
            self.wait_s += self._now_s() - begin_s
        return self._arrays[self._sequence % len(self._arrays)]

    def _has_credit(self) -> bool:
        for peer in self._peers.values():  # noqa: SIM110 - once per batch: no generator
            if not peer.credit.open:
                return False
        return True

    def publish(
        self, count: int, first_ts_recv: int, last_ts_recv: int, *, decode_ns: int = 0
    ) -> None:
        """Send the first ``count`` records of the slot last given by :meth:`next_slot`.

        Parameters
        ----------
        first_ts_recv, last_ts_recv
            The stream's clock (ns) at the first and last record of the batch.
        decode_ns
            What it took to read and decode them.
        """
        slot = self._sequence % len(self._arrays)
        records = self._arrays[slot][:count]
        shared = self._terms.shares_memory
        header = BatchHeader(
            FLAG_SHARED if shared else 0,
            self._terms.stream_id,
            self._sequence,
            self._records,
            count,
            slot if shared else NO_SLOT,
            first_ts_recv,
            last_ts_recv,
            payload_checksum(records),
            decode_ns,
            self._now_ns(),
        )
        now_s = self._now_s()
        # Sent from here on: a quick receiver may give it back before a slow one has it.
        self._sequence += 1
        self._records += count
        for peer in list(self._peers.values()):
            peer.spend(now_s)
            if peer.payload == "shared":
                self._send(peer, [encode_header(header)])
            else:
                inline = header._replace(flags=0, slot=NO_SLOT) if shared else header
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
            self._say(peer, msg.End(totals))
        begin_s = self._now_s()
        while late := [p for p in self._peers.values() if not p.left]:
            self._service(WAIT_SLICE_S)
            # Who is still at batches before it gets on: that time is not the end's.
            patience = Patience(self._stall_timeout_s, max(begin_s, late[0].patience.since_s))
            patience.require(self._now_s(), late[0], "has not confirmed the end of the stream")

    def tell(self, state: msg.FeedState, text: str) -> None:
        """Tell the receivers what has become of the feed that the batches are of."""
        for peer in list(self._peers.values()):
            if not peer.left:
                self._say(peer, msg.Told(state, text))

    def fail(self, error: BaseException) -> None:
        """Tell the receivers that the stream ends here, and why."""
        if isinstance(error, TapewireError):
            message = msg.Error(type(error).__name__, str(error))
        else:
            message = msg.Error("WireError", f"the replay process failed: {error!r}")
        for peer in list(self._peers.values()):  # to send may be to lose one
            if not peer.left:
                with contextlib.suppress(WireError):
                    self._say(peer, message)

    def service(self, wait_s: float) -> None:
        """Wait up to ``wait_s``, keeping the connections alive; for pacing and long decodes."""
        deadline_s = self._now_s() + wait_s
        while True:
            left_s = deadline_s - self._now_s()
            self._service(max(0.0, min(left_s, WAIT_SLICE_S)))
            if left_s <= WAIT_SLICE_S:
                return

    def close(self) -> None:
        """Close the socket and give back the address and the slots."""
        self._arrays = []
        self._terms.close()
        self._hub.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- waiting ----------------------------------------------------------------------------

    def _service(self, timeout_s: float) -> None:
        """One round of a wait: take what came in, heartbeat, look for lost receivers."""
        self._tick()
        self._hub.wait(timeout_s)
        self._pump()
        now_s = self._now_s()
        probe = self._hub.probe_due()
        for peer in list(self._peers.values()):
            if not peer.left:
                self._look_after(peer, now_s, probe)

    def _look_after(self, peer: Peer, now_s: float, probe: bool) -> None:
        if probe or peer.heartbeat_due(now_s):
            self._say(peer, msg.Heartbeat())
            peer.said_heartbeat()
            if peer.identity not in self._peers:  # found gone before the stream began
                return
        if self._streaming:
            peer.require_alive(now_s, self._at(peer))
        elif peer.listening and peer.silent(now_s):
            self._refuse(peer.identity, peer.connection, ProtocolError("it fell silent"))

    def _at(self, peer: Peer) -> str:
        return f"after batch {peer.credit.released} of {self._sequence} sent"

    # --- receiving --------------------------------------------------------------------------

    def _pump(self) -> None:
        """Take in what has arrived."""
        for identity, connection, frames in self._hub.received():
            try:
                if len(frames) != 1:
                    raise ProtocolError("a message of more than 1 frame")
                self._take(identity, connection, msg.decode_message(frames[0].buffer))
            except ProtocolError as error:
                self._refuse(identity, connection, error)

    def _refuse(self, identity: bytes, connection: int | None, error: TapewireError) -> None:
        """Answer a peer that broke the protocol, and drop it; fail if it is one of ours."""
        answer = msg.encode_message(msg.Error(type(error).__name__, str(error)))
        self._hub.refuse(identity, connection, answer)
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
        now_s = self._now_s()
        if peer is None:
            if isinstance(message, msg.Hello):
                self._greet(identity, connection, message, now_s)
            elif not isinstance(message, msg.Heartbeat | msg.Goodbye):
                raise ProtocolError("expected a hello first")
            return
        peer.heard(now_s)
        if isinstance(message, msg.Credit):
            peer.release(message.released, now_s)
        elif isinstance(message, msg.Heartbeat):
            peer.listening = True
        elif isinstance(message, msg.Ready):
            self._terms.set_ready(peer, message)
        elif isinstance(message, msg.More):
            self._say(peer, self._terms.mappings_after(peer, message.received))
        elif isinstance(message, msg.Goodbye):
            self._take_goodbye(peer, message)
        else:
            raise ProtocolError(f"an unexpected {type(message).__name__.lower()}")

    def _greet(
        self, identity: bytes, connection: int | None, hello: msg.Hello, now_s: float
    ) -> None:
        self._terms.require_fit(hello)
        peer = Peer(
            identity,
            hello,
            connection,
            now_s,
            timeout_s=self._peer_timeout_s,
            stall_timeout_s=self._stall_timeout_s,
        )
        if self._streaming or not self._seats.queue(peer):
            self._refuse(identity, connection, self._no_seat())
        else:
            self._hub.keep(connection)

    def _take_goodbye(self, peer: Peer, goodbye: msg.Goodbye) -> None:
        if not goodbye.reason:
            peer.left = True
            peer.credit.release_all()
            return
        self._seats.free(peer.identity)
        if self._streaming:
            raise PeerLostError(f"{peer} left {self._at(peer)}: {goodbye.reason}")

    # --- sending ----------------------------------------------------------------------------

    def _say(self, peer: Peer, message: msg.Message) -> None:
        self._send(peer, [msg.encode_message(message)])

    def _send(self, peer: Peer, frames: list[bytes | memoryview]) -> None:
        if self._hub.send(peer, frames):
            peer.said(self._now_s())
            return
        self._pump()  # its goodbye may have come meanwhile, and says more
        if not peer.left and peer.identity in self._peers:
            self._lose(peer)

    def _lose(self, peer: Peer) -> None:
        self._seats.free(peer.identity)
        if self._streaming:
            overrun = self._hub.overrun(peer.connection)
            if overrun is not None:
                raise ProtocolError(f"{peer} {overrun}")
            raise PeerLostError(f"{peer} is gone: its connection closed {self._at(peer)}")
