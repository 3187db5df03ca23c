"""Bars of longer timeframes made of shorter ones, and when each is known."""

import re
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from tapewire.candles.columns import BarColumns, Floats, Integers
from tapewire.candles.sessions import SessionClock, SessionSpan
from tapewire.compiled.units import NS_PER_S
from tapewire.errors import ConfigError, InputError

_LETTERS_NS: Final = {
    "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3_600 * NS_PER_S, "d": 86_400 * NS_PER_S,
    "w": 7 * 86_400 * NS_PER_S,
}  # fmt: skip
_DAYS_IN_WEEK: Final = 7
#: Days from the epoch, a Thursday, to the first Monday.
_MONDAY: Final = 4


@dataclass(frozen=True)
class Timeframe:
    """A length of bars.

    Attributes
    ----------
    name : str
        As ``30s``, ``5m``, ``4h``, ``1d`` or ``1w``.
    length_ns : int
        Of a bar, ns; of days and weeks, the nominal one.
    sessions : int
        Sessions in a bar, 0 where bars are parts of one: 1 for ``1d``, 7 for ``1w``.
    """

    name: str
    length_ns: int
    sessions: int

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the timeframe of a name.

        Raises
        ------
        ConfigError
            If it is none: a number from 1 and ``s``, ``m`` or ``h``, up to a day; ``1d``; ``1w``.
        """
        found = re.fullmatch(r"([1-9]\d{0,4})(s|m|h)|(1)(d|w)", name)
        if found is not None:
            letter = found[2] or found[4]
            length_ns = int(found[1] or found[3]) * _LETTERS_NS[letter]
            if letter in "dw" or length_ns <= _LETTERS_NS["d"]:
                sessions = {"d": 1, "w": _DAYS_IN_WEEK}.get(letter, 0)
                return cls(name, length_ns, sessions)
        raise ConfigError(
            f"expected a timeframe as 30s, 5m, 4h, 1d or 1w, at most 24h or of sessions, found "
            f"{name!r}"
        )

    def bounds_at(self, clock: SessionClock, ts_ns: int) -> tuple[int, int]:
        """Return where the bar of a moment begins and ends, ns.

        Bars are counted from the session's start, and the last ends where it ends. A day is a
        session; a week the sessions of the trading days from Monday on, and ends as Sunday's would.

        Raises
        ------
        InputError
            If the moment is between two sessions.
        """
        span = clock.span_at(ts_ns)
        if self.sessions == _DAYS_IN_WEEK:
            return _week(clock, span)
        if self.sessions:
            return span.start_ns, span.end_ns
        start_ns = span.start_ns + (ts_ns - span.start_ns) // self.length_ns * self.length_ns
        return start_ns, min(start_ns + self.length_ns, span.end_ns)

    def bounds_of(self, clock: SessionClock, ts_event: Integers) -> Integers:
        """Return what `bounds_at` says of ascending moments: int64 (2, n)."""
        number, start, end = clock.spans_of(ts_event)
        if self.sessions == _DAYS_IN_WEEK:
            weeks, first, inverse = np.unique(
                (number - _MONDAY) // _DAYS_IN_WEEK, return_index=True, return_inverse=True
            )
            bounds = [self.bounds_at(clock, int(ts_event[row])) for row in first]
            return np.array(bounds, np.int64).reshape(len(weeks), 2).T[:, inverse]
        if self.sessions:
            return np.stack((start, end))
        begin = start + (ts_event - start) // self.length_ns * self.length_ns
        return np.stack((begin, np.minimum(begin + self.length_ns, end)))


def timeframe_name(length_ns: int) -> str:
    """Return the name of the timeframe whose bars are so long.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for letter in "wdhms":
        count, rest = divmod(length_ns, _LETTERS_NS[letter])
        if count and not rest and (letter not in "wd" or count == 1):
            return Timeframe.of(f"{count}{letter}").name
    raise ConfigError(f"expected bars of whole seconds, found bars of {length_ns} ns")


def _week(clock: SessionClock, span: SessionSpan) -> tuple[int, int]:
    monday = span.number - (span.number - _MONDAY) % _DAYS_IN_WEEK
    sunday = monday + _DAYS_IN_WEEK - 1
    return clock.span_of_day(monday).start_ns, clock.span_of_day(sunday).end_ns


@dataclass(frozen=True)
class TimeframeBars:
    """Bars of a timeframe, and when each is known.

    Attributes
    ----------
    timeframe : Timeframe
    bars : BarColumns (n)
        `ts_event` is where a bar begins by the clock, whether the data begin there or not.
    end_ns : int64 (n,)
        Where each ends, by the clock: from then on it is known.
    base_count : int64 (n,)
        Bars of the data in each; fewer than there could be, where the data have gaps. A bar without
        any does not exist.
    """

    timeframe: Timeframe
    bars: BarColumns
    end_ns: Integers
    base_count: Integers

    def __len__(self) -> int:
        return len(self.bars)

    def known_at(self, moments: Integers) -> Integers:
        """Return the last bar that is known at each of some moments, -1 where there is none.

        Parameters
        ----------
        moments : int64 (m,)
            ns since the epoch; a bar that ends at one is known.

        Returns
        -------
        int64 (m,)
        """
        return np.searchsorted(self.end_ns, moments, "right") - 1


def resample(
    base: BarColumns, base_timeframe: Timeframe, timeframe: Timeframe, clock: SessionClock
) -> TimeframeBars:
    """Make bars of a timeframe of shorter ones.

    Parameters
    ----------
    base
        Bars of `base_timeframe`, with gaps or without; their sessions are taken anew from `clock`.
    base_timeframe, timeframe
        The second a multiple of the first, or the same.
    clock
        Where bars begin: they are counted from each session's start.

    Returns
    -------
    TimeframeBars
        Those that were complete when the data ended; another one at the end is left out, for what
        comes would change it.

    Raises
    ------
    ConfigError
        If one timeframe is no multiple of the other.
    InputError
        If a bar lies between two sessions, does not begin at a bar's beginning, or begins before
        the one before it ended.
    """
    check_multiple(base_timeframe, timeframe)
    base_start, base_end = base_timeframe.bounds_of(clock, base.ts_event)
    off = np.flatnonzero(base_start != base.ts_event)
    if len(off):
        raise misplaced(base_timeframe, clock, int(off[0]), int(base.ts_event[off[0]]))
    start, end = timeframe.bounds_of(clock, base.ts_event)
    first = np.flatnonzero(np.diff(start, prepend=start[0] - 1 if len(start) else 0))
    if len(first) and end[-1] > base_end[-1]:
        last, first = int(first[-1]), first[:-1]
    else:
        last = len(base)
    cut = base.take(0, last)
    ends = np.append(first[1:], last) - 1 if len(first) else first
    number = clock.spans_of(base.ts_event[:last])[0]
    bars = BarColumns(
        ts_event=start[first],
        open=cut.open[first],
        high=_reduced(np.maximum, cut.high, first),
        low=_reduced(np.minimum, cut.low, first),
        close=cut.close[ends],
        volume=_reduced(np.add, cut.volume, first),
        session=number[first],
        price_unit=base.price_unit,
    )
    return TimeframeBars(timeframe, bars, end[first], ends + 1 - first)


def _reduced(how: np.ufunc, column: Floats, first: Integers) -> Floats:
    found: Floats = how.reduceat(column, first) if len(first) else np.empty(0)
    return found


def check_multiple(base: Timeframe, timeframe: Timeframe) -> None:
    """Refuse a timeframe that can't be made of bars of another.

    Raises
    ------
    ConfigError
        If bars of the one are not made of whole bars of the other.
    """
    if base.sessions:
        fits = timeframe.sessions >= base.sessions
    else:
        fits = bool(timeframe.sessions) or timeframe.length_ns % base.length_ns == 0
    if not fits:
        raise ConfigError(
            f"expected a timeframe of whole bars of {base.name}, found {timeframe.name}"
        )


def misplaced(timeframe: Timeframe, clock: SessionClock, row: int, ts_ns: int) -> InputError:
    """Say that a bar does not begin where bars begin."""
    start_ns, _ = timeframe.bounds_at(clock, ts_ns)
    return InputError(
        f"bars: expected row {row} to begin where bars of {timeframe.name} do, counted from "
        f"{clock.start} ({clock.timezone}), found it {(ts_ns - start_ns) / NS_PER_S:g} s later"
    )
