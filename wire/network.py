"""What connections stand on: contexts, watches over them, ways to wait, clocks.

Both ends of every protocol ask one of these for it, so that a simulation can put its own in place
of libzmq and of this host's time. Sockets are made by `sockets`, of a context from here.
"""

import math
import time
from collections.abc import Callable
from typing import Final

import zmq

from tapewire.wire.guard import Guard


class Network:
    """libzmq's connections and this host's monotonic clock.

    Attributes
    ----------
    now_s, now_ns : callable
        The time, s and ns, of one clock.
    """

    now_s: Callable[[], float] = staticmethod(time.monotonic)
    now_ns: Callable[[], int] = staticmethod(time.monotonic_ns)

    def context(self) -> "zmq.Context[zmq.Socket[bytes]]":
        """Return a new context."""
        return zmq.Context()

    def poller(self) -> zmq.Poller:
        """Return what waits for sockets and descriptors."""
        return zmq.Poller()

    def guard(
        self,
        socket: "zmq.Socket[bytes]",
        *,
        untaken_bytes_max: int,
        connections_max: int,
        idle_s: float = math.inf,
        stranger_bytes_max: int | None = None,
        first_bytes_max: int | None = None,
        once: bool = False,
    ) -> Guard:
        """Return a watch over the connections of a socket; see `Guard`."""
        return Guard(
            socket,
            untaken_bytes_max=untaken_bytes_max,
            connections_max=connections_max,
            idle_s=idle_s,
            stranger_bytes_max=stranger_bytes_max,
            first_bytes_max=first_bytes_max,
            once=once,
        )


#: The one that there is outside of simulations.
LIBZMQ: Final = Network()
