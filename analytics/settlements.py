"""Daily marks at settlement prices: what futures accounts are credited and debited each day.

A day ends as its session closes. What a leg has come to by then is the P&L of its last sample, with
what it holds valued at the venue's settlement price of the day, where that is known, in the place
of the sample's mark. The day's variation is that, less the same of the day before: what a clearing
house pays or collects for the day (CME, "Mark-to-Market"), fees included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.ledger import Leg
from tapewire.analytics.rates import Conversion
from tapewire.errors import SimulationError

_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True)
class SettlementPrices:
    """When days end, and what instruments settled at.

    Attributes
    ----------
    closes
        (ns, day since the epoch), ascending.
    prices
        By symbol: (day, price in 1e-9).
    """

    closes: Sequence[tuple[int, int]] = ()
    prices: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.prices)


@dataclass(frozen=True)
class SettledDay:
    """A leg's day: prices in 1e-9, money in 1e-9 of the account's currency.

    Attributes
    ----------
    ts_close
        When the day ended, ns.
    position
        Lots held then, signed.
    mark
        Of the last sample before that; None: there was no price yet.
    settlement
        The venue's price of the day; None: it is not known, and the mark counts.
    pnl
        Net P&L by the end of the day, what is held at that price.
    variation
        By how much that changed with the day.
    """

    leg: int
    day: int
    ts_close: int
    position: int
    mark: int | None
    settlement: int | None
    pnl: int
    variation: int

    @property
    def date(self) -> str:
        """The day as ISO 8601 has it."""
        return (_EPOCH + timedelta(days=self.day)).isoformat()


class SettledDays:
    """Keeps each leg's last sample of each day; of none where no price is known."""

    def __init__(
        self, legs: Sequence[Leg], settlements: SettlementPrices, conversion: Conversion
    ) -> None:
        self._legs = legs
        self._conversion = conversion
        self._closes = np.array([ts for ts, _ in settlements.closes], np.int64)
        self._days = [day for _, day in settlements.closes]
        self._prices = {symbol: dict(known) for symbol, known in settlements.prices.items()}
        #: By leg and day: time, position, mark, P&L.
        self._last: dict[int, dict[int, tuple[int, int, int, int]]] = {}

    def add(self, leg: int, samples: Mapping[str, NDArray[Any]]) -> None:
        """Take samples of a leg, in order of time: those at a close belong to the day it ends."""
        if not self._prices:
            return
        at = np.searchsorted(self._closes, samples["ts"])
        if at[-1] == len(self._closes):
            raise SimulationError(
                f"expected samples before the last close of a session ({self._closes[-1]} ns), "
                f"found one at {samples['ts'][-1]} ns"
            )
        mine = self._last.setdefault(leg, {})
        for k in np.flatnonzero(np.r_[at[1:] != at[:-1], True]).tolist():
            row = (samples[name][k] for name in ("ts", "position", "mark", "pnl"))
            ts, position, mark, pnl = (int(value) for value in row)
            mine[int(at[k])] = ts, position, mark, pnl

    def rows(self, no_mark: int) -> list[SettledDay]:
        """Return the days of all legs, by leg; ``no_mark`` is a mark that is none.

        A day without a sample has one if its settlement price is known.
        """
        found: list[SettledDay] = []
        if not self._last:
            return found
        end = max(max(days) for days in self._last.values())
        for leg, days in sorted(self._last.items()):
            known = self._prices.get(self._legs[leg].symbol, {})
            before = 0
            for at in range(min(days), end + 1):
                day = self._days[at]
                if at in days:
                    ts, position, mark, pnl = days[at]
                elif day not in known:
                    continue
                price = known.get(day)
                settled = pnl
                if price is not None and position:
                    settled += self._worth(leg, ts, position * (price - mark))
                found.append(SettledDay(
                    leg, day, int(self._closes[at]), position,
                    None if mark == no_mark else mark, price, settled, settled - before,
                ))  # fmt: skip
                before = settled
        return found

    def _worth(self, leg: int, ts: int, units: int) -> int:
        """Price units x lots in currency, rounded down, at the rate of a sample's time."""
        info = self._legs[leg]
        steps = self._conversion.of(info)
        if steps is None:
            return units * info.multiplier_num // info.multiplier_den
        num, den = steps.at(np.array([ts], np.int64))
        return units * int(num[0]) // int(den[0])


def settlement_columns(days: Sequence[SettledDay], legs: Sequence[Leg]) -> dict[str, list[Any]]:
    """Return the columns of ``settlements.parquet``."""
    mine = [legs[one.leg] for one in days]
    return {
        "leg": [one.leg for one in days],
        "strategy_id": [leg.strategy_id for leg in mine],
        "symbol": [leg.symbol for leg in mine],
        "publisher_id": [leg.publisher_id for leg in mine],
        "instrument_id": [leg.instrument_id for leg in mine],
        "day": [one.date for one in days],
        "ts_close": [one.ts_close for one in days],
        "position": [one.position for one in days],
        "mark": [one.mark for one in days],
        "settlement_price": [one.settlement for one in days],
        "pnl": [one.pnl for one in days],
        "variation": [one.variation for one in days],
    }
