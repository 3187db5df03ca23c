"""What a sender agrees with each of its receivers: version, window, how batches travel.

Without sockets: what comes in is a message, what goes out is one or a :class:`ProtocolError`.
"""

import os
import secrets
from typing import Final

import msgspec
import numpy as np

from tapewire.errors import EndpointError, ProtocolError
from tapewire.market.records import MBO_DTYPE
from tapewire.wire import messages as msg
from tapewire.wire.frames import WIRE_VERSION
from tapewire.wire.peers import Peer
from tapewire.wire.slots import SLOTS_MAX, SlotsWriter, boot_id

#: Measured: 16 slots of large batches are slower than 4; with batches of one record, 64 slots
#: are faster than 4, presumably because both ends take turns less often.
_SLOTS_MIN: Final = 4
_RECORDS_UNDER_WAY: Final = 131_072


def slots_for(batch_records: int) -> int:
    """Return how many batches of this size should be under way at most."""
    return max(_SLOTS_MIN, min(SLOTS_MAX, _RECORDS_UNDER_WAY // batch_records))


class Terms:
    """The sender's side of every handshake, and the memory that batches are written to.

    Parameters
    ----------
    batch_records
        Most records a batch may have.
    slots
        Batches that may be under way at once.
    payload
        ``"shared"`` refuses receivers that can't share memory; ``"inline"`` never offers it.

    Attributes
    ----------
    info
        What the stream carries; set before anybody is welcomed.
    """

    def __init__(self, batch_records: int, slots: int, payload: msg.PayloadChoice) -> None:
        self.batch_records = batch_records
        self.slots = slots
        self.stream_id = secrets.randbits(63)
        self.info: msg.StreamInfo | None = None
        self._payload: msg.PayloadChoice = payload
        self._writer: SlotsWriter | None = None

    def require_fit(self, hello: msg.Hello) -> None:
        """Check that a receiver can be served.

        Raises
        ------
        ProtocolError
            If it speaks another version, or grants too much or nothing.
        """
        if hello.wire_version != WIRE_VERSION:
            raise ProtocolError(
                f"the replay speaks wire version {WIRE_VERSION}, this side {hello.wire_version}: "
                "run the same Tapewire version at both ends"
            )
        if not 1 <= hello.credits <= SLOTS_MAX:
            raise ProtocolError(f"credits: expected 1 to {SLOTS_MAX}, found {hello.credits}")

    def welcome(self, peer: Peer, now_s: float) -> msg.Welcome:
        """Return the welcome of a receiver that has got a seat."""
        assert self.info is not None
        mappings = self.info.mappings
        peer.credit.window = min(peer.hello.credits, self.slots)
        peer.welcomed(now_s, len(mappings))
        offer = self._offer_to(peer.hello)
        peer.offered = offer is not None
        return msg.Welcome(
            WIRE_VERSION,
            "replay",
            os.getpid(),
            self.stream_id,
            peer.credit.window,
            self.slots,
            offer,
            msgspec.structs.replace(self.info, mappings=mappings[: msg.MAPPINGS_PER_MESSAGE]),
            len(mappings),
        )

    def _offer_to(self, hello: msg.Hello) -> msg.SlotsOffer | None:
        """Return where a receiver on this host finds the slots; make them for the first one."""
        if "inline" in (self._payload, hello.payload) or hello.boot_id != boot_id():
            return None
        if self._writer is None:
            try:
                self._writer = SlotsWriter(self.slots, self.batch_records)
            except EndpointError:
                if self._payload == "shared":
                    raise
                return None
        return self._writer.offer

    def mappings_after(self, peer: Peer, received: int) -> msg.Mappings:
        """Return the symbol mappings that a receiver asks for.

        Raises
        ------
        ProtocolError
            If it has none to ask for.
        """
        assert self.info is not None
        more = self.info.mappings[received : received + msg.MAPPINGS_PER_MESSAGE]
        if peer.ready or not peer.ready_by_s or not more:
            raise ProtocolError(f"an unexpected request for more than {received} mappings")
        return msg.Mappings(more)

    def set_ready(self, peer: Peer, ready: msg.Ready) -> None:
        """Take the payload that a receiver settled for.

        Raises
        ------
        ProtocolError
            If it is out of turn, was not offered or is not allowed.
        """
        expected = peer.ready_by_s and not peer.ready
        if not expected or (ready.payload == "shared" and not peer.offered):
            raise ProtocolError(f"an unexpected ready for {ready.payload} payload")
        if ready.payload == "inline" and self._payload == "shared":
            raise ProtocolError("no shared memory with this receiver: use payload: auto or inline")
        peer.payload = ready.payload

    def settle_slots(self, shared: bool) -> list[np.ndarray]:
        """Return the array of each slot: in shared memory if any receiver reads there."""
        if self._writer is not None and not shared:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            return [np.empty(self.batch_records, MBO_DTYPE)] * self.slots
        self._writer.seal_off()
        return self._writer.arrays

    @property
    def shares_memory(self) -> bool:
        """Whether any receiver reads batches where they are written."""
        return self._writer is not None

    def close(self) -> None:
        """Let go of the memory."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
