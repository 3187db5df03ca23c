"""How often somebody may look at a run, so that the run does not notice."""

import time
from typing import Final

#: A look is followed by so many times as long as it took without another one.
_TIMES_REST: Final = 100


class Turns:
    """Says when it is time to look again: so often at most, and for little of the time.

    A look that takes long, at thousands of legs, is followed by a hundred times as long without.

    Parameters
    ----------
    interval_s
        Shortest time between the beginnings of two looks (s).
    times_rest
        How many times as long as a look took there is none; None: a hundred times.
    """

    def __init__(self, interval_s: float, times_rest: int | None = None) -> None:
        self._interval_s = interval_s
        self._times_rest = _TIMES_REST if times_rest is None else times_rest
        self._next_s = 0.0
        self._began_s = 0.0

    def begin(self) -> bool:
        """Whether it is time; if so, call `end` when it is done."""
        self._began_s = time.monotonic()
        return self._began_s >= self._next_s

    def end(self) -> None:
        """Put off the next one, by what this one took."""
        took_s = time.monotonic() - self._began_s
        self._next_s = self._began_s + max(self._interval_s, self._times_rest * took_s)
