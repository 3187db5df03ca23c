"""The last bars of all, which no search sees: kept closed until they are opened, once and by name.

A search is given `Holdout.search`, bars of its own that hold nothing of the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tapewire.candles import Candles
from tapewire.candles.declared import DeclaredBars
from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.sessions import SessionClock
from tapewire.errors import ConfigError, NoDataError
from tapewire.generator.guards.shuffling import require_positive

#: Part of the sessions that is kept, where nothing is said.
SHARE: Final = 0.25


@dataclass(frozen=True)
class HoldoutOpening:
    """That a holdout is opened: what is kept of it.

    Attributes
    ----------
    who, why
        As they were given.
    forced
        It had been opened before.
    start_ns, end_ns
        What is opened: its first bar's begin, its last one's end, ns since the epoch, UTC.
    sessions, bars
        How many there are in it.
    """

    who: str
    why: str
    forced: bool
    start_ns: int
    end_ns: int
    sessions: int
    bars: int


#: Keeps an opening, and says how often that holdout has been opened, this time among them.
OnOpen = Callable[[HoldoutOpening], int]


@dataclass(frozen=True)
class OpenedHoldout:
    """What was opened.

    Attributes
    ----------
    candles : Candles
        All bars: those of the search, by which indicators are warm, then those that were kept.
    start_ns
        Where the first of these begins.
    openings
        How often it has been opened, this time among them.
    """

    candles: Candles
    start_ns: int
    openings: int


class Holdout:
    """Bars in two parts: one to search on, one that is closed.

    Made by `Holdout.of`.

    Attributes
    ----------
    search : Candles
        Bars to search on.
    sessions, bars : int
        How many are kept closed.
    start_ns : int
        Where they begin, ns since the epoch, UTC.
    openings : int
        How often they have been opened.
    """

    def __init__(self, candles: Candles, first: int, sessions: int, openings: int) -> None:
        self.search = _copy_of(candles, first)
        self.sessions = sessions
        self.bars = len(candles) - first
        self.start_ns = int(candles.ts_event[first])
        self.openings = openings
        self._all = candles

    @classmethod
    def of(
        cls,
        candles: Candles,
        share: float = SHARE,
        clock: SessionClock | None = None,
        *,
        openings: int = 0,
    ) -> "Holdout":
        """Keep the last sessions of some bars.

        Parameters
        ----------
        candles
            All there are.
        share
            Part of the sessions that is kept, rounded up to whole ones; above 0, below 1.
        clock
            When sessions begin; None: at midnight, UTC.
        openings
            How often these were opened before, as whoever keeps account knows.

        Raises
        ------
        ConfigError
            If the share is out of its range, or there are fewer than two sessions.
        InputError
            If bars are not where the clock has them.
        """
        if not 0 < share < 1:
            raise ConfigError(f"holdout: expected a share above 0 and below 1, found {share:g}")
        numbers, firsts = np.unique(
            (clock or SessionClock()).spans_of(candles.ts_event)[0], return_index=True
        )
        if len(numbers) < 2:
            raise ConfigError(
                f"holdout: expected bars of at least 2 sessions, found {len(numbers)}; give longer "
                "data, or have days begin within it (--session)"
            )
        kept = min(len(numbers) - 1, int(np.ceil(share * len(numbers))))
        return cls(candles, int(firsts[len(numbers) - kept]), kept, openings)

    def __repr__(self) -> str:
        times = f"opened {self.openings} times" if self.openings else "closed"
        return f"Holdout({len(self.search)} bars to search on, {self.bars} kept: {times})"

    def require(
        self,
        strategies: Sequence[DeclaredStrategy],
        clock: SessionClock | None = None,
        *,
        shuffled: bool = False,
    ) -> None:
        """Refuse what could not be traded in it, as long as it is closed: it is opened once.

        Parameters
        ----------
        strategies
            All that are to be traded.
        clock
            When sessions begin; None: at midnight, UTC.
        shuffled
            They are traded on `shuffled_bars`, too.

        Raises
        ------
        ConfigError
            If a timeframe is not made of whole bars.
        InputError
            If bars are not where the clock has them, or have prices that can't be shuffled.
        NoDataError
            If no complete bar of a primary timeframe begins in it.
        """
        bars = DeclaredBars.of(self._all, strategies, clock)
        for primary in dict.fromkeys(one.timeframes.primary for one in strategies):
            first_bar(bars.traded(primary), self.start_ns, primary)
        if shuffled:
            require_positive(self._all)

    def open(
        self, who: str, why: str, on_open: OnOpen | None = None, *, force: bool = False
    ) -> OpenedHoldout:
        """Open it, which a search may do once.

        Parameters
        ----------
        who, why
            Kept with the opening.
        on_open
            Keeps it, before anything is given out, and says how often there was one.
        force
            Open it although it has been opened.

        Raises
        ------
        ConfigError
            If nobody is named or no reason is given, or it has been opened and is not forced.
        """
        for name, text in (("who", who), ("why", why)):
            if not text.strip():
                raise ConfigError(f"holdout: expected {name} opens it, found nothing")
        self.require_closed(force=force)
        last = int(self._all.ts_close[-1])
        opening = HoldoutOpening(
            who, why, bool(self.openings), self.start_ns, last, self.sessions, self.bars
        )
        counted = 0 if on_open is None else on_open(opening)
        self.openings = max(self.openings + 1, counted)
        if self.openings > 1:
            self._refuse(self.openings - 1, force=force)
        return OpenedHoldout(self._all, self.start_ns, self.openings)

    def require_closed(self, *, force: bool = False) -> None:
        """Refuse one that has been opened.

        Raises
        ------
        ConfigError
            Saying how often; never, if it is forced.
        """
        self._refuse(self.openings, force=force)

    @staticmethod
    def _refuse(count: int, *, force: bool) -> None:
        if count and not force:
            raise ConfigError(
                f"holdout: expected one that is closed, found one that was opened {count} "
                f"{'time' if count == 1 else 'times'}; what it says of strategies that were chosen "
                "after that is no longer a test. Take later data, or force it and be told so"
            )


def first_bar(candles: Candles, start_ns: int, primary: str) -> int:
    """Return the place of the first bar that begins at a moment or later.

    Parameters
    ----------
    candles, primary
        Bars, and the timeframe that they are of.
    start_ns
        ns since the epoch, UTC.

    Raises
    ------
    NoDataError
        If there is none.
    """
    first = int(np.searchsorted(candles.ts_event, start_ns))
    if first == len(candles):
        raise NoDataError(f"{candles.symbol or 'candles'}: has no complete bar of {primary} there")
    return first


def _copy_of(candles: Candles, last: int) -> Candles:
    """Return the first bars, of arrays of their own: a part's lead to those behind them."""
    return Candles(
        candles.ts_event[:last].copy(), candles.open[:last].copy(), candles.high[:last].copy(),
        candles.low[:last].copy(), candles.close[:last].copy(), candles.volume[:last].copy(),
        candles.tick_size, candles.interval_ns, candles.symbol, candles.counts,
    )  # fmt: skip
