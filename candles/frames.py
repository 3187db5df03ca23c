"""Bars of several timeframes of one instrument, and which of them is known when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tapewire.candles.columns import BarColumns, Floats, Integers
from tapewire.candles.sessions import SessionClock
from tapewire.candles.timeframes import Timeframe, TimeframeBars, resample
from tapewire.errors import ConfigError


class SeenBars(NamedTuple):
    """Bars of a timeframe as those of a primary one see them.

    Attributes
    ----------
    bars : int64 (m,)
        Which are seen at all: where the data have gaps, one may be known only after the next is.
    starts : int64 (m,)
        The first primary bar, by place, at whose end each is the last that is known.
    """

    bars: Integers
    starts: Integers


@dataclass(frozen=True)
class Timeframes:
    """Bars of several timeframes.

    Attributes
    ----------
    base : Timeframe
        Of the bars all are made of.
    clock : SessionClock
    frames : mapping of str to TimeframeBars
        By the name of a timeframe; complete bars only.
    """

    base: Timeframe
    clock: SessionClock
    frames: Mapping[str, TimeframeBars]
    _seen: dict[tuple[str, str], SeenBars] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        bars: BarColumns,
        base: str,
        names: Iterable[str] = (),
        clock: SessionClock | None = None,
    ) -> "Timeframes":
        """Make bars of timeframes of those of the shortest.

        Parameters
        ----------
        bars
            Of one instrument, of the timeframe `base`.
        base, names
            As ``1m``; each of `names` is made of whole bars of `base`.
        clock
            When sessions begin; None: at midnight, UTC.

        Raises
        ------
        ConfigError
            If a name is no timeframe, or none of whole bars of `base`.
        InputError
            If bars are not where the clock has them; see `resample`.
        """
        clock = clock or SessionClock()
        shortest = Timeframe.of(base)
        made = {
            name: resample(bars, shortest, Timeframe.of(name), clock)
            for name in dict.fromkeys((base, *names))
        }
        return cls(shortest, clock, made)

    def has_all(self, names: Iterable[str]) -> bool:
        """Whether bars of all these timeframes are there."""
        return all(name in self.frames for name in names)

    def of_name(self, name: str) -> TimeframeBars:
        """Return the bars of a timeframe.

        Raises
        ------
        ConfigError
            If they were not made.
        """
        found = self.frames.get(name)
        if found is None:
            known = ", ".join(self.frames)
            raise ConfigError(f"expected bars of {name}, there are those of {known}")
        return found

    def seen(self, primary: str, name: str) -> SeenBars:
        """Return which bars of a timeframe are the last that is known, and from when on."""
        found = self._seen.get((primary, name))
        if found is None:
            known = self.of_name(name).known_at(self.of_name(primary).end_ns)
            starts = np.flatnonzero(np.diff(known, prepend=-1))
            found = self._seen[primary, name] = SeenBars(known[starts], starts)
        return found

    def as_seen(self, primary: str, name: str, values: Floats) -> Floats:
        """Return a series of one timeframe as bars of the primary one see it.

        Parameters
        ----------
        values : float64
            One per bar of the timeframe ``name``, known at its end.

        Returns
        -------
        float64 (n,)
            One per primary bar: of the last bar that is known at its end, NaN before there is one.

        Raises
        ------
        ConfigError
            If bars of a timeframe were not made.
        """
        seen = self.seen(primary, name)
        lengths = np.diff(np.concatenate(([0], seen.starts, [len(self.of_name(primary))])))
        return np.repeat(np.concatenate(([np.nan], values[seen.bars])), lengths)
