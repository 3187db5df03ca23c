"""How often a row is taken: by time, by events, at trades, when the touch changes."""

import re
from dataclasses import dataclass
from typing import Final

from tapewire.errors import ConfigError
from tapewire.features.definition import window_ns

# Kinds of sampling.
BY_TIME: Final = 0
BY_EVENTS: Final = 1
BY_TRADES: Final = 2
BY_TOUCH: Final = 3

EVENTS_MAX: Final = 10**9


@dataclass(frozen=True)
class Sampling:
    """When a book has a row.

    Attributes
    ----------
    text : str
        As it was written: ``100ms``, ``100ev``, ``trade`` or ``bbo``.
    kind : int
        One of ``BY_…``.
    n : int
        The interval in ns, or so many events of the book; 1 for the others.
    """

    text: str
    kind: int
    n: int

    @classmethod
    def of(cls, text: str) -> "Sampling":
        """Read a sampling.

        ``100ms`` (``1s``, ``5m``) is a row per book at every whole multiple of that time, as of all
        events with ``ts_recv`` up to and including it. ``100ev`` is one after every hundredth event
        of a book, ``trade`` after each event with a trade, ``bbo`` after each that changed price or
        lots of the best bid or ask.

        Raises
        ------
        ConfigError
            If it is none of these.
        """
        if text == "trade":
            return cls(text, BY_TRADES, 1)
        if text == "bbo":
            return cls(text, BY_TOUCH, 1)
        events = re.fullmatch(r"(\d{1,10})ev", text)
        if events is not None and 1 <= int(events[1]) <= EVENTS_MAX:
            return cls(text, BY_EVENTS, int(events[1]))
        interval_ns = window_ns(text)
        if interval_ns is not None:
            return cls(text, BY_TIME, interval_ns)
        raise ConfigError(
            f"every: expected a time of 1ms to 24h as 100ms, a number of events as 100ev, trade or "
            f"bbo, found {text!r}"
        )
