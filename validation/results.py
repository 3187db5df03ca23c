"""What a placebo pass comes to."""

from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

#: Names of the classes, by their number in ``layout``.
CLASSES: Final = (
    "same", "auction", "closed", "own_trade", "iceberg", "implied", "self_match", "unexplained",
)  # fmt: skip
#: Of a difference between aggressors: what the book can't know.
UNKNOWABLE: Final = ("iceberg", "implied")


@dataclass(frozen=True)
class ClassCount:
    """Orders that differ first in events of one class, and lots that differ there.

    Attributes
    ----------
    orders : int
    missed_lots, extra_lots : int
        Filled for the real orders and not for those sent again, and the other way round.
    """

    orders: int
    missed_lots: int
    extra_lots: int


@dataclass(frozen=True)
class PlaceboCounts:
    """What became of the orders that were sent again.

    Attributes
    ----------
    orders, same_orders : int
        Real orders that were added, then filled, replaced or canceled; and those whose ghost had
        the same fills: in the same events, as many lots, at the same price.
    traded_orders, same_traded_orders : int
        Of them, those that were filled, or whose ghost was.
    lots, same_lots, extra_lots : int
        Filled of the real orders while they rested; filled of their ghosts in the same event at
        the same price; filled of ghosts beyond that.
    classes : dict of str to ClassCount
        What differs, by what was unusual in the event.
    takers, same_takers, taken_lots, same_taken_lots, extra_taken_lots, taker_classes
        The same of aggressors.
    clips : int
        Orders that were icebergs and showed, within one event, clips beyond the one that stood
        there; those are sent as orders of their own, at the back of the queue.
    not_sent : dict of str to int
        ``lots_of_earlier_orders``: filled of orders that were there before the data;
        ``lots_without_aggressor``: traded in auctions, or implied; ``orders_within_an_event``:
        came and went within one; ``orders_untouched``: nothing had happened to them by the end.
    """

    orders: int
    same_orders: int
    traded_orders: int
    same_traded_orders: int
    lots: int
    same_lots: int
    extra_lots: int
    classes: dict[str, ClassCount]
    takers: int
    same_takers: int
    taken_lots: int
    same_taken_lots: int
    extra_taken_lots: int
    taker_classes: dict[str, ClassCount]
    clips: int
    not_sent: dict[str, int]

    @property
    def shares(self) -> dict[str, float | None]:
        """Shares that agree, 0 to 1; None where there was nothing to agree on.

        Lots that only the ghosts had count as disagreement. ``taken_lots`` leaves out what
        aggressors took of icebergs' later clips and of implied volume.
        """
        unknowable = sum(
            count.missed_lots for name, count in self.taker_classes.items() if name in UNKNOWABLE
        )
        excused = sum(
            count.extra_lots for name, count in self.taker_classes.items() if name in UNKNOWABLE
        )
        return {
            "orders": _share(self.same_orders, self.orders),
            "traded_orders": _share(self.same_traded_orders, self.traded_orders),
            "lots": _share(self.same_lots, self.lots + self.extra_lots),
            "takers": _share(self.same_takers, self.takers),
            "taken_lots": _share(
                self.same_taken_lots,
                self.taken_lots - unknowable + self.extra_taken_lots - excused,
            ),
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def classes_of(counts: npt.NDArray[Any]) -> dict[str, ClassCount]:
    """Return the classes that have something, of ``layout.COUNT`` records."""
    return {
        name: ClassCount(int(row["orders"]), int(row["missed_lots"]), int(row["extra_lots"]))
        for name, row in zip(CLASSES, counts, strict=True)
        if name != "same" and (row["orders"] or row["missed_lots"] or row["extra_lots"])
    }
