"""The receivers as the sender sees them, and who of them has a seat. Without sockets."""

from dataclasses import dataclass
from typing import Final

from tapewire.wire import messages as msg

#: A receiver that was welcomed and is not ready after so long (s) loses its seat …
READY_TIMEOUT_S: Final = 5.0
#: … or later (s), for every symbol mapping it has to ask for.
_READY_PER_MAPPING_S: Final = 20e-6
#: Receivers that wait for a seat that may become free again; more are refused.
WAITING_MAX: Final = 16


@dataclass
class Peer:
    """One receiver as the sender sees it."""

    identity: bytes
    hello: msg.Hello
    connection: int | None  # what libzmq calls its connection; None over inproc
    last_heard_s: float
    last_sent_s: float = 0.0
    last_progress_s: float = 0.0
    ready_by_s: float = 0.0
    payload: msg.Payload | None = None  # None until it is ready
    offered: bool = False  # it was told where the slots are
    listening: bool = False  # it is in its receive loop: from here on, silence means trouble
    released: int = 0
    unheard_heartbeats: int = 0
    left: bool = False  # said goodbye after a complete stream
    window: int = 1

    def __str__(self) -> str:
        return f"the {self.hello.name[:40]} process (pid {self.hello.pid})"

    def welcomed(self, now_s: float, mappings: int) -> None:
        """Begin the time it has to become ready."""
        self.last_heard_s = self.last_sent_s = self.last_progress_s = now_s
        self.ready_by_s = now_s + READY_TIMEOUT_S + mappings * _READY_PER_MAPPING_S


class Seats:
    """A bounded number of receivers of one stream, and a bounded queue before them.

    Attributes
    ----------
    taken
        Receivers that have been welcomed, by identity.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken: dict[bytes, Peer] = {}
        self._waiting: dict[bytes, Peer] = {}

    def find(self, identity: bytes) -> Peer | None:
        """Return a receiver that has a seat or waits for one."""
        return self.taken.get(identity) or self._waiting.get(identity)

    @property
    def all_ready(self) -> bool:
        """Whether every seat is taken by a receiver that is ready."""
        return len(self.taken) == self.count and all(
            p.payload is not None for p in self.taken.values()
        )

    def queue(self, peer: Peer) -> bool:
        """Let a receiver wait for a seat; return whether there is room for it."""
        if self.all_ready or len(self._waiting) >= self.count + WAITING_MAX:
            return False
        self._waiting[peer.identity] = peer
        return True

    def seat_next(self) -> Peer | None:
        """Give a free seat to whoever has waited longest; return it."""
        if len(self.taken) == self.count or not self._waiting:
            return None
        peer = self._waiting.pop(next(iter(self._waiting)))
        self.taken[peer.identity] = peer
        return peer

    def overdue(self, now_s: float) -> list[Peer]:
        """Return the receivers that should have been ready by now."""
        return [p for p in self.taken.values() if p.payload is None and now_s > p.ready_by_s]

    def free(self, identity: bytes) -> Peer | None:
        """Take a receiver's seat or place in the queue from it; return it."""
        return self.taken.pop(identity, None) or self._waiting.pop(identity, None)

    def dismiss(self) -> list[Peer]:
        """Empty the queue; return who was in it."""
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting
