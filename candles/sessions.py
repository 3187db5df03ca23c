"""Sessions: where trading days begin and end, by a place's clock."""

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from tapewire.candles.columns import Integers
from tapewire.compiled.units import NS_PER_S
from tapewire.errors import ConfigError, InputError

_DAY: Final = dt.timedelta(days=1)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NOON: Final = dt.time(12)
_WRITTEN: Final = re.compile(r"(\d\d:\d\d)(?:-(\d\d:\d\d))?(?:\s+(\S+))?")


class SessionSpan(NamedTuple):
    """One session.

    Attributes
    ----------
    number : int
        Days from 1 January 1970 to its trading day; so weeks begin where number % 7 is 4.
    start_ns, end_ns : int
        Where it begins and where it ends, ns since the epoch, UTC.
    """

    number: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class SessionClock:
    """When sessions begin and end.

    Attributes
    ----------
    timezone : str
        Of the times, as ``America/Chicago``; they keep to its daylight saving.
    start : str
        Time of day at which each day's session begins, as ``17:00``. One that begins at noon or
        later is of the next day: so has the CME it.
    end : str, optional
        Time of day at which it ends; without one, it ends where the next begins.
    """

    timezone: str = "UTC"
    start: str = "00:00"
    end: str | None = None

    def __post_init__(self) -> None:
        for key, value in (("start", self.start), ("end", self.end)):
            if value is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
                raise ConfigError(
                    f"session {key}: expected a time of day as 17:00, found {value!r}"
                )
        try:
            ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError):
            raise ConfigError(
                f"session timezone: expected a name as America/Chicago, found {self.timezone!r}"
            ) from None

    @classmethod
    def of(cls, text: str) -> "SessionClock":
        """Take ``17:00-16:00 America/Chicago``; end and zone may be left out.

        Raises
        ------
        ConfigError
            If it is none.
        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise ConfigError(
                f"session: expected as '17:00-16:00 America/Chicago' or '17:00', found {text!r}"
            )
        return cls(found[3] or "UTC", found[1], found[2])

    def __str__(self) -> str:
        end = f"-{self.end}" if self.end else ""
        return f"{self.start}{end} {self.timezone}"

    def span_at(self, ts_ns: int) -> SessionSpan:
        """Return the session a moment is in.

        Raises
        ------
        InputError
            If it is between two sessions.
        """
        zone = ZoneInfo(self.timezone)
        day = dt.datetime.fromtimestamp(ts_ns // NS_PER_S, zone).date()
        for date in (day + _DAY, day, day - _DAY):
            span = _span(self, date)
            if span.start_ns <= ts_ns:
                break
        if ts_ns >= span.end_ns:
            raise InputError(
                f"{_text(ts_ns)}: expected bars within sessions from {self.start} to {self.end} "
                f"({self.timezone}), found one outside"
            )
        return span

    def span_of_day(self, number: int) -> SessionSpan:
        """Return the session of a trading day, given in days from 1 January 1970."""
        trading_day = _EPOCH.date() + number * _DAY
        late = dt.time.fromisoformat(self.start) >= _NOON
        return _span(self, trading_day - _DAY if late else trading_day)

    def spans_of(self, ts_event: Integers) -> Integers:
        """Return what `span_at` says of ascending moments.

        Returns
        -------
        int64 (3, n)
            Number, start and end of the session of each.

        Raises
        ------
        InputError
            If one is between two sessions.
        """
        if not len(ts_event):
            return np.empty((3, 0), np.int64)
        zone = ZoneInfo(self.timezone)
        first, last = (
            dt.datetime.fromtimestamp(int(ts) // NS_PER_S, zone).date()
            for ts in (ts_event[0], ts_event[-1])
        )
        count = (last - first).days + 3
        table = np.array([_span(self, first + (k - 1) * _DAY) for k in range(count)], np.int64).T
        spans = table[:, np.searchsorted(table[1], ts_event, "right") - 1]
        outside = np.flatnonzero(ts_event >= spans[2])
        if len(outside):
            self.span_at(int(ts_event[outside[0]]))  # says what is wrong
        return spans


@lru_cache(maxsize=1 << 14)
def _span(clock: SessionClock, date: dt.date) -> SessionSpan:
    """Return the session that begins on a date."""
    start = dt.time.fromisoformat(clock.start)
    following = _moment(date + _DAY, start, clock.timezone)
    end_ns = following
    if clock.end is not None:
        end = dt.time.fromisoformat(clock.end)
        day = date if end > start else date + _DAY
        end_ns = min(following, _moment(day, end, clock.timezone))
    trading_day = date + _DAY if start >= _NOON else date
    return SessionSpan(
        (trading_day - _EPOCH.date()).days, _moment(date, start, clock.timezone), end_ns
    )


def _moment(date: dt.date, time: dt.time, timezone: str) -> int:
    moment = dt.datetime.combine(date, time, ZoneInfo(timezone))
    return (moment - _EPOCH) // dt.timedelta(seconds=1) * NS_PER_S


def _text(ts_ns: int) -> str:
    seconds, ns = divmod(ts_ns, NS_PER_S)
    text = dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ns:09d}Z" if ns else f"{text}Z"
