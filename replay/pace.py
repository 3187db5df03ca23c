"""When records are due: as fast as possible, as recorded, or x times as fast."""

import time
from collections.abc import Callable

import numpy as np

from tapewire.compiled.units import NS_PER_S
from tapewire.market.records import F_SNAPSHOT


class Pacer:
    """Says how many records are due, and how long until the next one is.

    A record is due ``(ts_recv - first) / speed`` after the first one. The first one is the first
    that is no snapshot: a snapshot describes what was there before, often hours earlier, and is
    due at once.

    Parameters
    ----------
    speed
        1.0: as recorded; x: x times as fast.
    clock_ns
        The wall clock, ns; a fake one in tests.
    """

    def __init__(self, speed: float, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._speed = speed
        self._clock_ns = clock_ns
        self._first_ns: int | None = None
        self._begin_ns = 0

    def due(self, records: np.ndarray, clocks: np.ndarray) -> int:
        """Return how many records, counted from the front, are due now.

        Parameters
        ----------
        records
            ``MBO_DTYPE``, shape (n,), n ≥ 1.
        clocks
            int64, shape (n,), ascending: the stream's clock at each, ns.
        """
        before_live = 0
        if self._first_ns is None:
            live = np.flatnonzero((records["flags"] & F_SNAPSHOT) == 0)
            if not len(live):
                return len(records)
            before_live = int(live[0])
            self._first_ns = int(clocks[before_live])
            self._begin_ns = self._clock_ns()
        elapsed_ns = int((self._clock_ns() - self._begin_ns) * self._speed)
        limit_ns = min(self._first_ns + elapsed_ns, 2**63 - 1)
        return max(before_live, int(np.searchsorted(clocks, limit_ns, side="right")))

    def wait_s(self, clock: int) -> float:
        """Return how long (s) until a record with this clock (ns) is due; 0 if it is."""
        if self._first_ns is None:
            return 0.0
        due_ns = self._begin_ns + (clock - self._first_ns) / self._speed
        return max(0.0, (due_ns - self._clock_ns()) / NS_PER_S)
