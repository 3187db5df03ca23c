"""A position that was opened at a bar's end, and the prices and bars that end it."""

import math

from tapewire.candles import Distance, Exits
from tapewire.candles.seen import SeenStreams, SeenValue


class HeldPosition:
    """The position of a strategy that has one at a time.

    Prices are in units of so much currency, as the bars' are. Levels are those of
    `tapewire.candles.exits`, from the average price of the entry's fills.

    Parameters
    ----------
    exits
        Of long and of short positions, by 1 and -1.
    streams
        Where average true ranges come from.
    price_unit
        Currency per unit.
    """

    def __init__(self, exits: dict[int, Exits], streams: SeenStreams, price_unit: float) -> None:
        self._exits, self._price_unit = exits, price_unit
        self._ranges: dict[int, SeenValue] = {
            period: streams.add("atr", period=period)
            for one in exits.values()
            for period in one.atr_periods
        }
        self._side = 0
        self._worth = self._lots = 0.0
        self._bars = 0
        self._stop, self._target = -math.inf, math.inf
        self._trail = math.inf
        self._best = math.nan
        self._signalled: dict[int, float] = {}

    def allows(self, side: int, price: float) -> bool:
        """Whether a position at about a price would have its levels apart from it.

        Not so where an average true range is not known yet.
        """
        self._signalled = {period: value.now for period, value in self._ranges.items()}
        exits = self._exits[side]
        given = (exits.stop_loss, exits.take_profit, exits.trailing_stop)
        return all(self._away(one, price) > 0 for one in given)

    def begin(self, side: int) -> None:
        """An entry is sent; ranges are those of `allows`."""
        self._side = side
        self._worth = self._lots = 0.0
        self._bars = 0
        self._stop, self._target = -side * math.inf, side * math.inf
        self._best = math.nan

    def fill(self, price: float, lots: int) -> None:
        """So much of the entry was filled: its levels are counted from the average price."""
        side, exits = self._side, self._exits[self._side]
        self._worth += price * lots
        self._lots += lots
        entered = self._worth / self._lots
        self._trail = self._away(exits.trailing_stop, entered)
        if math.isnan(self._best):
            self._best = entered
        self._best = max(self._best, entered) if side > 0 else min(self._best, entered)
        fixed = entered - side * self._away(exits.stop_loss, entered)
        moving = self._best - side * self._trail
        self._stop = moving if side * moving > side * fixed else fixed
        self._target = entered + side * self._away(exits.take_profit, entered)

    def end_bar(self, high: float, low: float) -> None:
        """A primary bar ended: a stop that follows moves, and time passes."""
        self._bars += 1
        if math.isnan(self._best):
            return
        if self._side > 0:
            self._best = max(self._best, high)
            self._stop = max(self._stop, self._best - self._trail)
        else:
            self._best = min(self._best, low)
            self._stop = min(self._stop, self._best + self._trail)

    def is_over(self) -> bool:
        """Whether its time has come."""
        held = self._exits[self._side].time_exit if self._side else None
        return held is not None and self._bars >= held

    def is_reached(self, price: float) -> bool:
        """Whether a price is at the stop or beyond, or at the target."""
        side = self._side
        return side * price <= side * self._stop or side * price >= side * self._target

    def _away(self, given: Distance | None, price: float) -> float:
        if given is None:
            return math.inf
        if given.kind == "percent":
            return abs(price) * (given.value / 100)
        if given.kind == "atr":
            return self._signalled[given.period] * given.value
        return given.value / self._price_unit
