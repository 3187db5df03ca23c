"""Who of those that knock is a peer: a bounded number of seats, a bounded queue before them.

Without sockets.
"""

from typing import Final, Generic, Protocol, TypeVar

#: Guests that wait for a seat that may become free again; more are refused.
WAITING_MAX: Final = 16


class Guest(Protocol):
    """What there must be to know of who takes a seat."""

    identity: bytes
    #: When it loses its seat if it is not ready (s, monotonic).
    ready_by_s: float

    @property
    def ready(self) -> bool:
        """Whether it is ready to begin; then its seat is its own."""
        ...


_G = TypeVar("_G", bound=Guest)


class Seats(Generic[_G]):
    """A bounded number of peers, and a bounded queue before them.

    Attributes
    ----------
    taken
        Peers that have a seat, by identity.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken: dict[bytes, _G] = {}
        self._waiting: dict[bytes, _G] = {}

    def find(self, identity: bytes) -> _G | None:
        """Return a guest that has a seat or waits for one."""
        return self.taken.get(identity) or self._waiting.get(identity)

    @property
    def ready_count(self) -> int:
        """How many peers are ready."""
        return sum(guest.ready for guest in self.taken.values())

    @property
    def all_ready(self) -> bool:
        """Whether every seat is taken by a peer that is ready."""
        return len(self.taken) == self.count and self.ready_count == self.count

    def queue(self, guest: _G) -> bool:
        """Let a guest wait for a seat; return whether there is room for it."""
        if self.all_ready or len(self._waiting) >= self.count + WAITING_MAX:
            return False
        self._waiting[guest.identity] = guest
        return True

    def seat_next(self) -> _G | None:
        """Give a free seat to whoever has waited longest; return it."""
        if len(self.taken) == self.count or not self._waiting:
            return None
        guest = self._waiting.pop(next(iter(self._waiting)))
        self.taken[guest.identity] = guest
        return guest

    def overdue(self, now_s: float) -> list[_G]:
        """Return the peers that should have been ready by now."""
        return [g for g in self.taken.values() if not g.ready and now_s > g.ready_by_s]

    def free(self, identity: bytes) -> _G | None:
        """Take a guest's seat or place in the queue from it; return it."""
        return self.taken.pop(identity, None) or self._waiting.pop(identity, None)

    def dismiss(self) -> list[_G]:
        """Empty the queue; return who was in it."""
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting
