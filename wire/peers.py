"""A receiver of the stream as its sender sees it. Without sockets."""

from typing import Final

from tapewire.wire import messages as msg
from tapewire.wire.credit import CreditWindow
from tapewire.wire.liveness import PEER_TIMEOUT_S, STALL_TIMEOUT_S, Patience, Presence

#: A receiver that was welcomed and is not ready after so long (s) loses its seat …
READY_TIMEOUT_S: Final = 5.0
#: … or later (s), for every symbol mapping it has to ask for.
_READY_PER_MAPPING_S: Final = 20e-6


class Peer(Presence):
    """One receiver: what it said, what it was offered, what it has been sent.

    Attributes
    ----------
    connection
        What libzmq calls its connection; None over inproc.
    ready_by_s
        Until when it has to be ready (s, monotonic); 0 before it is welcomed.
    payload
        As it settled for; None until it is ready.
    offered
        It was told where the slots are.
    listening
        It is in its receive loop: from here on, silence means trouble.
    left
        It has said goodbye after a complete stream.
    credit, patience
        What it lets be under way, and how long it may take over that.
    """

    def __init__(
        self,
        identity: bytes,
        hello: msg.Hello,
        connection: int | None,
        now_s: float,
        *,
        timeout_s: float = PEER_TIMEOUT_S,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        super().__init__(f"the {hello.name[:40]} process (pid {hello.pid})", timeout_s)
        self.identity = identity
        self.hello = hello
        self.connection = connection
        self.ready_by_s = 0.0
        self.payload: msg.Payload | None = None
        self.offered = False
        self.listening = False
        self.left = False
        self.credit = CreditWindow(hello.credits)
        self.patience = Patience(stall_timeout_s, now_s)
        self.heard(now_s)

    @property
    def ready(self) -> bool:
        """Whether it has settled how its batches travel."""
        return self.payload is not None

    def welcomed(self, now_s: float, mappings: int) -> None:
        """Begin the time it has to become ready."""
        self.heard(now_s)
        self.said(now_s)
        self.patience.renew(now_s)
        self.ready_by_s = now_s + READY_TIMEOUT_S + mappings * _READY_PER_MAPPING_S

    def spend(self, now_s: float) -> None:
        """Count a batch that is about to be sent to it."""
        if self.credit.idle:  # until now there was nothing to consume
            self.patience.renew(now_s)
        self.credit.spend()

    def release(self, released: int, now_s: float) -> None:
        """Take its credit for all batches before ``released``."""
        before = self.credit.released
        self.credit.release(released, "batches")
        if released > before:  # else it says again what it has said: nothing was consumed
            self.patience.renew(now_s)
        self.listening = True

    def require_alive(self, now_s: float, where: str) -> None:
        """Give up on it if it is silent where it has nothing to do, or does nothing of it.

        Raises
        ------
        PeerLostError
            If so.
        """
        if not self.credit.idle:
            self.patience.require(now_s, self, "has consumed nothing", where)
        elif self.listening:
            self.require_heard(now_s, where)
