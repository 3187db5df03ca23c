"""Bars of several timeframes made of trades as they come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tapewire.candles.columns import BarRow
from tapewire.candles.sessions import SessionClock
from tapewire.candles.timeframes import Timeframe

_NEVER: Final = 1 << 63


@dataclass
class _OpenBar:
    """A bar that has not ended, or that nobody knows to have ended."""

    begin_ns: int
    end_ns: int
    session: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def row(self) -> BarRow:
        return BarRow(
            self.begin_ns, self.open, self.high, self.low, self.close, self.volume, self.session
        )


class TradeBars:
    """Bars of trades; each is complete with the first trade that comes after its end.

    They are the bars that `tapewire.candles.read_candles` and `Timeframes` make of the same trades
    by capture time; a bar without trades does not exist.

    Parameters
    ----------
    names
        Timeframes, as ``5m`` or ``1d``, the primary one first: of bars that end together it comes
        last, and so has seen the others.
    clock
        When sessions begin; None: at midnight, UTC.

    Raises
    ------
    ConfigError
        If one is no timeframe.
    """

    def __init__(self, names: Sequence[str], clock: SessionClock | None = None) -> None:
        self._clock = clock or SessionClock()
        primary, *others = names
        distinct = dict.fromkeys(name for name in others if name != primary)
        self._timeframes = {name: Timeframe.of(name) for name in (*distinct, primary)}
        self._open: dict[str, _OpenBar] = {}
        self._now_ns = 0
        self._first_end_ns = _NEVER

    def add(self, ts_ns: int, price: float, size: float) -> Sequence[tuple[str, BarRow]]:
        """Take the next trade; return the bars that ended before it, as they ended.

        Parameters
        ----------
        ts_ns
            When it was captured, ns since the epoch; one before that of the last trade counts as
            the last one's.
        price, size
            In any units.

        Returns
        -------
        sequence of (name of a timeframe, bar)

        Raises
        ------
        InputError
            If it is between two sessions.
        """
        self._now_ns = now_ns = max(self._now_ns, ts_ns)
        ended = list(self._ended(now_ns)) if now_ns >= self._first_end_ns else ()
        if len(self._open) < len(self._timeframes):
            self._begin(now_ns, price)
        for bar in self._open.values():
            if price > bar.high:
                bar.high = price
            elif price < bar.low:
                bar.low = price
            bar.close = price
            bar.volume += size
        return ended

    def _ended(self, now_ns: int) -> Iterator[tuple[str, BarRow]]:
        over = [name for name, bar in self._open.items() if bar.end_ns <= now_ns]
        # Stable, and the open bars are in the order of the timeframes: the primary one comes last.
        for name in sorted(over, key=lambda name: self._open[name].end_ns):
            yield name, self._open.pop(name).row()

    def _begin(self, now_ns: int, price: float) -> None:
        session = self._clock.span_at(now_ns).number
        known = self._open
        self._open = {}
        for name, timeframe in self._timeframes.items():
            if name in known:
                self._open[name] = known[name]
            else:
                begin_ns, end_ns = timeframe.bounds_at(self._clock, now_ns)
                self._open[name] = _OpenBar(
                    begin_ns, end_ns, session, price, price, price, price, 0.0
                )
        self._first_end_ns = min(bar.end_ns for bar in self._open.values())
