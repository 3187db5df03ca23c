"""A day's rows as those of a run that began earlier: its numbers and sums go on from there.

A day numbers its legs, and each instance of a strategy its orders, anew, and accounts begin at 0.
As every day begins and ends flat, an account goes on by adding what it came to before: cash,
realised P&L, fees and volume are sums, of which no part hangs on an earlier one.
"""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics.exact import groups
from tapewire.execution.codes import DAY_END_ID, SHORT_DAY_END_ID
from tapewire.positions.rows import SAMPLE_DTYPE

if TYPE_CHECKING:
    from tapewire.router import LegInfo
    from tapewire.runs.day_rows import Batch

#: Of an account, what is added from day to day; of `max_position` the largest stays.
_SUMS: Final = ("cash", "realized", "fees", "volume")
_HAVE_ORDERS: Final = ("fills", "orders", "events", "fees")
_HAVE_LEGS: Final = (*_HAVE_ORDERS, "samples", "series")


class Renumbering:
    """Where the days so far have come to; takes one after the other.

    Parameters
    ----------
    together
        Strategies that have one instance over all their books; of others each book has its own.

    Attributes
    ----------
    legs : list of LegInfo
        Of all days so far, in the order in which they came up.
    accounts : ndarray
        ``SAMPLE_DTYPE``, one row per leg, as of its last sample.
    fills : int
        So far.
    places : ndarray
        Of the day's legs among those of all days, int64.
    """

    def __init__(self, together: frozenset[str] = frozenset()) -> None:
        self.legs: list[LegInfo] = []
        self.accounts = np.zeros(0, SAMPLE_DTYPE)
        self.fills = 0
        self._together = together
        self._places: dict[Hashable, int] = {}
        self._orders: dict[Hashable, tuple[int, int]] = {}  # by instance: sent, closing
        self._groups: dict[int, int] = {}  # by leg
        self._volumes: dict[int, int] = {}  # of touches, by book

    def begin(self, number: int, legs: "Sequence[LegInfo]") -> None:
        """Begin the day of a number, from 0, with its legs."""
        self._number = number
        places, instances = [], []
        for leg in legs:
            key = leg.strategy_id, leg.publisher_id, leg.instrument_id
            place = self._places.setdefault(key, len(self.legs))
            if place == len(self.legs):
                self.legs.append(dataclasses.replace(leg, leg=place))
            places.append(place)
            instances.append(leg.strategy_id if leg.strategy_id in self._together else key)
        fresh = np.zeros(len(self.legs) - len(self.accounts), SAMPLE_DTYPE)
        self.accounts = np.concatenate([self.accounts, fresh])
        self.accounts["leg"] = np.arange(len(self.legs))
        self.places = np.array(places, np.int64)
        self._base = self.accounts.copy()
        self._instances = list(dict.fromkeys(instances))
        self._instance = np.array([self._instances.index(i) for i in instances], np.int64)
        self._first = np.array(
            [self._orders.get(i, (0, 0)) for i in self._instances], np.int64
        ).reshape(-1, 2)
        self._last = np.zeros_like(self._first)
        self._first_group = np.array([self._groups.get(k, 0) for k in places], np.int64)
        self._last_group = np.zeros_like(self._first_group)
        self._first_volumes = dict(self._volumes)
        self._fills_before = self.fills

    def take(self, rows: "Batch") -> None:
        """Put the rows of a batch right, in place."""
        orders = rows["orders"]
        self._note_orders(orders)
        for name in _HAVE_ORDERS:
            self._number_orders(rows[name])
        if orders.size:
            first = self._first[self._instance[orders["leg"]], 0]
            orders["parent"] += np.where(orders["parent"] != 0, first, 0)
            group = self._first_group[orders["leg"]]
            orders["group"] += np.where(orders["group"] != 0, group, 0)
        for name in _HAVE_LEGS:
            table = rows[name]
            if table.size:
                table["leg"] = self.places[table["leg"]]
        self._add_up(rows["samples"])
        rows["fees"]["fill"] += self._fills_before
        self.fills += rows["fills"].size
        self._go_on(rows["touches"])

    def end(self) -> None:
        """End the day: the next goes on from there."""
        for k, instance in enumerate(self._instances):
            sent, closing = (self._first[k] + self._last[k]).tolist()
            self._orders[instance] = (sent, closing)
        for k, leg in enumerate(self.places.tolist()):
            self._groups[leg] = int(self._first_group[k] + self._last_group[k])

    def _note_orders(self, orders: npt.NDArray[Any]) -> None:
        """Remember how far the day has counted."""
        if not orders.size:
            return
        ids, instance = orders["client_order_id"], self._instance[orders["leg"]]
        np.maximum.at(self._last[:, 0], instance, ids)
        np.maximum.at(self._last[:, 1], instance, np.where(_is_closing(ids), -ids, 0))
        np.maximum.at(self._last_group, orders["leg"], orders["group"])

    def _number_orders(self, rows: npt.NDArray[Any]) -> None:
        """Put right which order rows are of."""
        if not rows.size:
            return
        ids, first = rows["client_order_id"], self._first[self._instance[rows["leg"]]]
        rows["client_order_id"] = np.select(
            [ids > 0, _is_closing(ids), (ids == DAY_END_ID) | (ids == SHORT_DAY_END_ID)],
            [ids + first[:, 0], ids - first[:, 1], ids - self._number],
            ids,
        )

    def _add_up(self, samples: npt.NDArray[Any]) -> None:
        """Let accounts go on from where their legs were."""
        if not samples.size:
            return
        base = self._base[samples["leg"]]
        for name in _SUMS:
            samples[name] += base[name]
        samples["max_position"] = np.maximum(samples["max_position"], base["max_position"])
        for leg, at in groups(samples["leg"]):
            self.accounts[leg] = samples[at[-1]]

    def _go_on(self, touches: npt.NDArray[Any]) -> None:
        """Let the traded lots of books go on."""
        for book, at in groups(touches["book"]):
            touches["volume"][at] += self._first_volumes.get(book, 0)
            self._volumes[book] = int(touches["volume"][at[-1]])


def _is_closing(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether orders are the simulation's own that close a position after a limit."""
    return np.asarray((ids < 0) & (ids > DAY_END_ID))
