"""How much of a soak is played, and what it came to: the fixture ``soak`` of marked tests.

Their figures are the full ones. ``make soak`` plays them whole, which takes hours;
``make soak ARGS="--soak-scale 0.01 -k wire"`` a hundredth of what has that name.
"""

import time
from collections.abc import Callable

from seeds import play_seeds

#: How long a soak may take where it does not say so itself, s.
TIMEOUT_S = 4 * 3600
#: Seeds that may fail before a soak ends: one hides no other.
FAILURES_MAX = 5


class Soak:
    """What one test is given.

    Parameters
    ----------
    name
        The test's, for the line that plays a failure again.
    scale
        Part of the full figures that is played.
    said
        Lines for the end of the session, to which this one's are added.
    """

    def __init__(self, name: str, scale: float, said: list[str]) -> None:
        self._name, self._scale, self._said = name, scale, said
        self._began_s = time.monotonic()

    def count(self, full: int) -> int:
        """Of so many, how many: at least one."""
        return max(1, round(full * self._scale))

    def seconds(self, full: float) -> float:
        """Of so long, how long, s: at least two."""
        return max(2.0, full * self._scale)

    def seeds(self, full: int, play: Callable[[int], object]) -> int:
        """Play so many drawn seeds, or the one of ``TAPEWIRE_SEED``; return how many."""
        return play_seeds(
            self._name, self.count(full), play, verb="soak", failures_max=FAILURES_MAX
        )

    def say(self, figures: str) -> None:
        """Tell what it came to: shown at once, and with all others at the end."""
        took_s = time.monotonic() - self._began_s
        line = f"{self._name}: {figures}; {took_s:,.0f} s, scale {self._scale:g}"
        print(line, flush=True)
        self._said.append(line)
