"""What metrics are computed from, gathered leg by leg from columns of rows in their order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.capacity import MarketActivity
from tapewire.analytics.curves import Curve
from tapewire.analytics.exact import Int64Array, groups, to_int64
from tapewire.analytics.ledger import Leg
from tapewire.analytics.margins import MarginPeaks, Margins
from tapewire.analytics.matching import LegTrades
from tapewire.analytics.metrics import Inputs, Registry, Tally
from tapewire.analytics.rates import Conversion

#: Columns of a row that is of no leg, of no book.
BLANK: dict[str, Any] = {"strategy_id": None, "leg": None, "publisher_id": None,
                         "instrument_id": None, "symbol": None}  # fmt: skip


class _Totals(Protocol):
    """What rows of one leg are added to, at what a price point is worth."""

    def add(self, rows: Mapping[str, NDArray[Any]], num: int, den: int, /) -> None:
        """Take rows."""


class Tallies:
    """Tallies of legs, and P&L over time of strategies.

    Parameters
    ----------
    legs
        The run's leg table, as far as it is known.
    initial_capital
        What each strategy begins with, 1e-9 currency, where that was stated.
    margins
        What a lot takes as margin by symbol, where that was stated.
    conversion
        Of money in other currencies, where rates change.
    """

    def __init__(
        self,
        legs: Sequence[Leg],
        initial_capital: int | None,
        margins: Margins,
        conversion: Conversion,
    ) -> None:
        self.legs = legs
        self.initial_capital = initial_capital
        self.margins = MarginPeaks(legs, margins)
        self.tallies: dict[int, Tally] = {}
        #: P&L over time by strategy.
        self.strategies: dict[str, Curve] = {}
        #: What happened in each book, where that is known, before `finish`.
        self.markets: dict[int, MarketActivity] = {}
        #: What is wrong with metrics that failed, by column.
        self.failed: dict[str, str] = {}
        self._trades: dict[int, LegTrades] = {}
        self._conversion = conversion
        self._last_pnl: dict[int, int] = {}
        self._clocks: dict[str, int] = {}

    def grow(self, legs: Sequence[Leg]) -> None:
        """Take a leg table that has grown."""
        if len(legs) != len(self.legs):
            self.legs = legs
            self.margins.grow(legs)

    def open(self, leg: int) -> Tally:
        """Return the tally of a leg, opening it on first use."""
        if leg not in self.tallies:
            self.tallies[leg] = Tally()
            info = self.legs[leg]
            self._trades[leg] = LegTrades(
                info.multiplier_num, info.multiplier_den, self._conversion.of(info)
            )
            self.strategies.setdefault(
                self.legs[leg].strategy_id, Curve(capital=self.initial_capital)
            )
        return self.tallies[leg]

    def add_orders(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Take columns of orders."""
        for leg, mine in by_leg(part):
            tally = self.open(leg)
            tally.orders.add(mine)
            for totals in (tally.capacity, tally.costs):
                self._by_rate(leg, mine, totals, "ts_sent")
            self.see_orders(leg, mine)

    def add_fills(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Take columns of fills, in order."""
        signed = np.where(part["order_side"] == "BUY", part["last_qty"], -part["last_qty"])
        more = np.abs(part["position"]) - np.abs(part["position"] - signed)
        for leg, mine in by_leg({**part, "signed": signed, "at": np.arange(len(signed))}):
            tally = self.open(leg)
            tally.fills.add(mine)
            tally.inventory.add(mine, self.legs[leg].position_limit)
            self._by_rate(leg, mine, tally.impact)
            parts = self._trades[leg].add(mine)
            if parts is not None:
                more[mine["at"]] = parts.more_held(len(mine["at"]))
            self.see_fills(leg, mine)
        self.margins.add(part["leg"], more, part["ts_event"])

    def add_markouts(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Take columns of markouts."""
        for leg, mine in by_leg(part):
            self._by_rate(leg, mine, self.open(leg).edges)

    def add_samples(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Take columns of samples, in order."""
        change = np.empty_like(part["pnl"])
        # Legs report at their own pace; the sum over legs goes by one clock.
        order = np.argsort(part["ts"], kind="stable")
        part = {name: column[order] for name, column in part.items()}
        strategies: dict[str, list[NDArray[np.intp]]] = {}
        for leg, rows in groups(part["leg"]):
            mine = {name: column[rows] for name, column in part.items()}
            self.open(leg).pnl.add(mine)
            before = self._last_pnl.get(leg, 0)
            change[rows] = to_int64(np.diff(mine["pnl"], prepend=before), "P&L change")
            self._last_pnl[leg] = int(mine["pnl"][-1])
            strategies.setdefault(self.legs[leg].strategy_id, []).append(rows)
            self.see_samples(leg, mine, change[rows])
        for name, places in strategies.items():
            rows = places[0] if len(places) == 1 else np.sort(np.concatenate(places))
            # Its own clock: who else is there does not show.
            ts = np.maximum(part["ts"][rows], self._clocks.get(name, 0))
            self._clocks[name] = int(ts[-1])
            self.strategies[name].add(ts, change[rows])
        self.see_changes(part["ts"], change)

    def see_orders(self, leg: int, orders: Mapping[str, NDArray[Any]]) -> None:
        """Look at a leg's orders, too: for who draws them."""

    def see_fills(self, leg: int, fills: Mapping[str, NDArray[Any]]) -> None:
        """Look at a leg's fills, too."""

    def see_samples(
        self, leg: int, samples: Mapping[str, NDArray[Any]], change: Int64Array
    ) -> None:
        """Look at a leg's samples, too, and at what each changed its P&L by."""

    def see_changes(self, ts: Int64Array, change: Int64Array) -> None:
        """Look at changes of P&L of all legs, by time."""

    def finish(self, last_ns: int) -> None:
        """Take in what was held back; positions are held until the last sample."""
        for curve in self.strategies.values():
            curve.finish()
        for leg, tally in self.tallies.items():
            info = self.legs[leg]
            tally.trades = self._trades[leg].totals
            tally.inventory.finish(last_ns, info.position_limit)
            book = info.publisher_id << 32 | info.instrument_id
            tally.capacity.finish(book, self.markets.get(book))
        self.margins.finish(last_ns)

    def of_strategies(self, metrics: Registry) -> list[dict[str, Any]]:
        """Return a row of metrics for each strategy, in the order of their legs."""
        of_strategy: dict[str, list[Tally]] = {}
        for leg in sorted(self.tallies):
            of_strategy.setdefault(self.legs[leg].strategy_id, []).append(self.tallies[leg])
        rows = []
        for name, mine in of_strategy.items():
            figures = metrics.compute(
                Inputs.of(
                    mine, self.strategies[name], self.initial_capital,
                    self.margins.of_strategy(name),
                ),
                self.failed,
            )  # fmt: skip
            rows.append({"scope": "strategy", **BLANK, "strategy_id": name, **figures})
        return rows

    def _by_rate(
        self, leg: int, rows: Mapping[str, NDArray[Any]], totals: _Totals, time: str = "ts_event"
    ) -> None:
        """Have rows of a leg added to totals of money, at the rates of their times."""
        info = self.legs[leg]
        steps = self._conversion.of(info)
        if steps is None:
            totals.add(rows, info.multiplier_num, info.multiplier_den)
            return
        for which, at in groups(steps.which(rows[time])):
            some = {name: column[at] for name, column in rows.items()}
            totals.add(some, *steps.ratio(which))


def by_leg(part: Mapping[str, NDArray[Any]]) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """Yield each leg with its rows of some columns, keeping their order."""
    leg = part["leg"]
    if leg.size and (leg[1:] >= leg[:-1]).all():  # leg by leg already: nothing is copied
        starts = np.flatnonzero(np.r_[True, leg[1:] != leg[:-1]]).tolist()
        for start, stop in zip(starts, [*starts[1:], leg.size], strict=True):
            yield int(leg[start]), {name: column[start:stop] for name, column in part.items()}
        return
    for number, rows in groups(leg):
        yield number, {name: column[rows] for name, column in part.items()}
