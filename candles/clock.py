"""Times of day in bars: when positions end, when none begins, which bar ends a session."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from tapewire.candles.layout import LEAVE_AT_CLOSE, LEAVE_AT_OPEN, SHUT_AT_CLOSE, SHUT_AT_OPEN
from tapewire.compiled.units import NS_PER_DAY, NS_PER_S
from tapewire.errors import ConfigError

Integers = npt.NDArray[np.int64]

_MINUTE_NS: Final = 60 * NS_PER_S
#: Offsets of time zones change at multiples of this, UTC.
_QUARTER_NS: Final = 15 * _MINUTE_NS
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
#: As of the metrics of runs: a UTC day whose bars span less is no session of its own.
_SESSION_SPAN_NS: Final = 3_600 * NS_PER_S
#: By how much a day is shorter or longer where clocks change.
_CLOCK_CHANGE_NS: Final = 3_600 * NS_PER_S


def time_of_day(key: str, text: Any) -> int:
    """Return ns since midnight of a time as ``17:55``.

    Raises
    ------
    ConfigError
        If it is none, naming the key.
    """
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ConfigError(f"{key}: expected a time of day as 17:55, found {text!r}")
    return (int(found[1]) * 60 + int(found[2])) * _MINUTE_NS


def zone_of(key: str, name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises
    ------
    ConfigError
        If there is none, naming the key.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{key}: expected a time zone as America/Chicago, found {name!r}"
        ) from None


def local_ns(ts: Integers, zone: ZoneInfo) -> Integers:
    """Return the zone's wall clock, in ns since its own 1970, of times in ns UTC, shape (n,)."""
    if zone.key == "UTC":
        return ts
    quarters = ts // _QUARTER_NS
    first = np.flatnonzero(np.r_[True, quarters[1:] != quarters[:-1]][: len(ts)])
    offsets = np.empty(len(first), np.int64)
    for i, quarter in enumerate(quarters[first].tolist()):
        offsets[i] = _offset_ns(quarter, zone)
    shifted: Integers = ts + np.repeat(offsets, np.diff(first, append=len(ts)))
    return shifted


@lru_cache(maxsize=1 << 16)
def _offset_ns(quarter: int, zone: ZoneInfo) -> int:
    """Return what a zone is ahead of UTC by, in the quarter of an hour of that number."""
    moment = datetime.fromtimestamp(quarter * (_QUARTER_NS // NS_PER_S), UTC)
    offset = moment.astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds()) * NS_PER_S


@dataclass(frozen=True)
class DayClock:
    """A closing time of day, and when positions may be opened again; ns since local midnight."""

    close_ns: int
    open_ns: int
    zone: ZoneInfo

    @classmethod
    def of(cls, close_at: str, open_at: str, time_zone: str) -> "DayClock":
        """Take times as ``17:55`` and the name of a time zone.

        Raises
        ------
        ConfigError
            If one is wrong, naming its key.
        """
        return cls(
            time_of_day("close_at", close_at),
            time_of_day("open_at", open_at),
            zone_of("time_zone", time_zone),
        )

    def marks(self, ts_event: Integers, interval_ns: int) -> npt.NDArray[np.uint8]:
        """Return what the clock asks of each bar, shape (n,): see `tapewire.candles.layout`.

        A position is closed at the close of the bar that ends at the closing time or holds it. If
        there is no such bar, it is closed at the next open there is.
        """
        begins = local_ns(ts_event, self.zone)
        ends = local_ns(ts_event + interval_ns, self.zone)
        marks = np.zeros(len(begins), np.uint8)
        # Numbers of closing times that went by at or before an instant.
        by_begin, by_end = ((when - self.close_ns) // NS_PER_DAY for when in (begins, ends))
        holds = by_end > by_begin
        marks[holds] |= LEAVE_AT_CLOSE
        went_by = np.r_[False, by_begin[1:] > by_end[:-1]]
        marks[went_by] |= LEAVE_AT_OPEN
        for when, code in ((begins, SHUT_AT_OPEN), (ends, SHUT_AT_CLOSE)):
            since = (when - self.close_ns) % NS_PER_DAY
            marks[since < (self.open_ns - self.close_ns) % NS_PER_DAY] |= code
        return marks


def have_sessions(interval_ns: int) -> bool:
    """Whether bars of a length have sessions at all: see `session_ends`."""
    return interval_ns <= NS_PER_DAY + _CLOCK_CHANGE_NS


def session_ends(ts_close: Integers, interval_ns: int) -> Integers:
    """Return the last bar of each session, ascending, as the metrics of runs count sessions.

    A session is a UTC day whose bars last longer than an hour together, from the first one's
    beginning to the last one's end, midnight being of the day it ends. A shorter day counts with
    the next session, the last one with the session before.

    Each bar of a day (an hour more or less, where clocks change) is a session. Longer bars have no
    sessions: of what is annualised, 252 make a year.

    Parameters
    ----------
    ts_close
        Where bars end, ns UTC, ascending, shape (n,).
    interval_ns
        How long one lasts.
    """
    if abs(interval_ns - NS_PER_DAY) <= _CLOCK_CHANGE_NS:
        return np.arange(len(ts_close))
    if not have_sessions(interval_ns):
        return np.zeros(0, np.int64)
    day = (ts_close - 1) // NS_PER_DAY
    last = np.flatnonzero(np.r_[day[1:] != day[:-1], True])
    first = np.r_[0, last[:-1] + 1]
    ends = last[ts_close[last] - ts_close[first] + interval_ns > _SESSION_SPAN_NS]
    if len(ends):
        ends[-1] = len(ts_close) - 1
    found: Integers = ends.astype(np.int64)
    return found
