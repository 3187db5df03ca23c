"""Whether a peer is alive and gets on, by times that are handed in. Without sockets or clocks.

Two different things: a peer that is silent for too long is lost (:class:`Presence`), and one that
says it is alive but gets nothing done is given up, too (:class:`Patience`), so that no heartbeat
extends a deadline. All times are seconds of one monotonic clock.
"""

import math
from typing import Final

from tapewire.errors import PeerLostError

HEARTBEAT_S: Final = 1.0
#: Unanswered heartbeats after which no more are added to a busy peer's queue.
UNHEARD_HEARTBEATS_MAX: Final = 64
#: A peer that should be talking and is silent for so long is lost, unless it is said otherwise …
PEER_TIMEOUT_S: Final = 5.0
#: … and one that is alive, but gets nothing done for so long.
STALL_TIMEOUT_S: Final = 600.0


class Presence:
    """A peer as far as it is heard: when it is due a heartbeat, and when it is lost.

    Parameters
    ----------
    name
        What errors call it.
    timeout_s
        After so long without a word (s) it has fallen silent.
    """

    def __init__(self, name: str, timeout_s: float = PEER_TIMEOUT_S) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._heard_s: float | None = None
        self._said_s = -math.inf
        self._unheard_heartbeats = 0

    def __str__(self) -> str:
        return self.name

    @property
    def was_heard(self) -> bool:
        """Whether it has ever said a word."""
        return self._heard_s is not None

    def heard(self, now_s: float) -> None:
        """Take note that it has said something."""
        self._heard_s = now_s
        self._unheard_heartbeats = 0

    def excuse(self, now_s: float) -> None:
        """Begin to listen: what it did not say until now is no fault of it."""
        self._heard_s = now_s

    def said(self, now_s: float) -> None:
        """Take note that something was said to it."""
        self._said_s = now_s

    def said_heartbeat(self) -> None:
        """Take note that what was said to it last was a heartbeat."""
        self._unheard_heartbeats += 1

    def heartbeat_due(self, now_s: float) -> bool:
        """Whether it should be told that this end is alive."""
        return (
            now_s - self._said_s > HEARTBEAT_S and self._unheard_heartbeats < UNHEARD_HEARTBEATS_MAX
        )

    def silent(self, now_s: float) -> bool:
        """Whether it has been silent for too long; before its first word it never is."""
        return self._heard_s is not None and now_s - self._heard_s > self.timeout_s

    def require_heard(self, now_s: float, where: str) -> None:
        """Give up on a peer that is silent.

        Raises
        ------
        PeerLostError
            If it has been silent for too long; ``where`` in the work with it that was.
        """
        if self.silent(now_s):
            raise PeerLostError(f"{self} fell silent for {self.timeout_s:g} s {where}")


class Patience:
    """How long a peer that is alive may go on without getting something done.

    Parameters
    ----------
    limit_s
        So long (s), from when it had begun.
    since_s
        When that was.
    """

    def __init__(self, limit_s: float, since_s: float = -math.inf) -> None:
        self.limit_s = limit_s
        self.since_s = since_s

    def renew(self, now_s: float) -> None:
        """Begin anew: it has got something done, or something to do."""
        self.since_s = now_s

    def require(self, now_s: float, peer: Presence, missed: str, where: str = "") -> None:
        """Give up on a peer that is over its time.

        Parameters
        ----------
        missed
            What it has not done, as in "has sent nothing".
        where
            Where in the work with it that was; empty if that is of no interest.

        Raises
        ------
        PeerLostError
            If it is.
        """
        if now_s - self.since_s > self.limit_s:
            at = f" {where}" if where else ""
            raise PeerLostError(f"{peer} is alive but {missed} for {self.limit_s:g} s{at}")
