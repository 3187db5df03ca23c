"""What metrics are computed from: gathered in one pass over the tables, shared by all metrics.

A `Tally` is gathered chunk by chunk, one per leg, and tallies of several legs add up. `Inputs` are
a tally with what does not add up (the P&L curve) and what is derived from either, once, when the
first metric asks for it. A metric names what it needs as parameters of its ``compute``; something
new to compute from is a field of `Tally`, or a cached property of `Inputs`.

Money in 1e-9 currency units, quantities in lots.
"""

import typing
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.arrivals import OrderCosts
from tapewire.analytics.capacity import Capacity
from tapewire.analytics.curves import Curve, Day
from tapewire.analytics.exact import magnitude, multiply, total
from tapewire.analytics.inventory import Inventory
from tapewire.analytics.ledger import NEVER_SENT
from tapewire.analytics.markouts import HORIZONS, NO_PRICE
from tapewire.analytics.trades import TradeTotals
from tapewire.compiled.units import MONEY_UNITS, NS_PER_S
from tapewire.execution.codes import OrderStatus, Reason

#: A UTC day whose samples span less is part of its neighbour, not a session of its own.
SESSION_SPAN_NS_MIN: Final = 3_600 * NS_PER_S
_SETTLEMENT: Final = Reason.SETTLEMENT.name
_NEVER_SENT: Final = [OrderStatus(s).name for s in NEVER_SENT]

#: Rows of one leg, column by column; at least one row.
Columns: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass
class Pnl:
    """Profit and loss at the last sample."""

    COLUMNS: ClassVar = ("realized_pnl", "unrealized_pnl", "fees")

    realized: int = 0
    unrealized: int = 0
    fees: int = 0

    @property
    def gross(self) -> int:
        """P&L before fees."""
        return self.realized + self.unrealized

    def add(self, samples: Columns) -> None:
        """Take samples, in order of time."""
        self.realized = int(samples["realized_pnl"][-1])
        self.unrealized = int(samples["unrealized_pnl"][-1])
        self.fees = int(samples["fees"][-1])

    def __add__(self, other: "Pnl") -> "Pnl":
        return Pnl(
            self.realized + other.realized,
            self.unrealized + other.unrealized,
            self.fees + other.fees,
        )


def _sent_by_us(rows: Columns) -> Columns:
    """Leave out the settlement of an instrument that expired: nobody sent or traded that."""
    settled = rows["reason"] == _SETTLEMENT
    return {k: v[~settled] for k, v in rows.items()} if settled.any() else rows


@dataclass
class OrderTotals:
    """Orders by their last status; lots ordered and filled, of orders that were not denied.

    What settles a position is no order of anybody's.
    """

    COLUMNS: ClassVar = ("status", "quantity", "filled_qty", "replaces", "reason")

    statuses: Counter[str] = field(default_factory=Counter)
    ordered: int = 0
    filled: int = 0
    replaces: int = 0

    @property
    def denied(self) -> int:
        """Orders that never left."""
        return sum(self.statuses[status] for status in _NEVER_SENT)

    def add(self, orders: Columns) -> None:
        """Take orders."""
        orders = _sent_by_us(orders)
        status = orders["status"]
        self.statuses += Counter(status.tolist())
        sent = ~np.isin(status, _NEVER_SENT)
        self.ordered += total(orders["quantity"][sent])
        self.filled += total(orders["filled_qty"][sent])
        self.replaces += total(orders["replaces"])

    def __add__(self, other: "OrderTotals") -> "OrderTotals":
        return OrderTotals(
            self.statuses + other.statuses,
            self.ordered + other.ordered,
            self.filled + other.filled,
            self.replaces + other.replaces,
        )


@dataclass
class FillTotals:
    """Number of fills, lots by liquidity side, the largest absolute position, waits in queues."""

    COLUMNS: ClassVar = (
        "last_qty", "liquidity_side", "position", "ts_event", "ts_placed", "queue_ahead", "reason",
    )  # fmt: skip

    count: int = 0
    maker_volume: int = 0
    taker_volume: int = 0
    max_position: int = 0
    waited_ns: int = 0  # of maker lots, from their order's place in the queue to the fill, summed
    queued: int = 0  # maker lots of orders that joined a queue
    ahead: int = 0  # lots ahead when their order joined, summed over those

    @property
    def volume(self) -> int:
        """Lots bought and sold."""
        return self.maker_volume + self.taker_volume

    def add(self, fills: Columns) -> None:
        """Take fills."""
        self.max_position = max(self.max_position, magnitude(fills["position"]))
        fills = _sent_by_us(fills)
        quantity = fills["last_qty"]
        maker = fills["liquidity_side"] == "MAKER"
        self.count += quantity.size
        self.maker_volume += total(quantity[maker])
        self.taker_volume += total(quantity[~maker])
        waited = fills["ts_event"][maker] - fills["ts_placed"][maker]
        self.waited_ns += total(multiply(waited, quantity[maker]))
        joined = maker & (fills["queue_ahead"] >= 0)
        self.queued += total(quantity[joined])
        self.ahead += total(multiply(fills["queue_ahead"][joined], quantity[joined]))

    def __add__(self, other: "FillTotals") -> "FillTotals":
        return FillTotals(
            self.count + other.count,
            self.maker_volume + other.maker_volume,
            self.taker_volume + other.taker_volume,
            max(self.max_position, other.max_position),
            self.waited_ns + other.waited_ns,
            self.queued + other.queued,
            self.ahead + other.ahead,
        )


@dataclass
class Edge:
    """How far prices were on our side of a mid: lots that were, and 1e-9 currency, exactly."""

    lots: int = 0
    money: Fraction = Fraction(0)

    @property
    def per_lot(self) -> float | None:
        """Currency per lot; None without a lot."""
        return float(self.money / self.lots / MONEY_UNITS) if self.lots else None

    def __add__(self, other: "Edge") -> "Edge":
        return Edge(self.lots + other.lots, self.money + other.money)


@dataclass
class EdgeTotals:
    """Fills against the mid before them and at times after them, by liquidity side.

    A fill's edge is side x (mid - price) x lots x multiplier: above zero where a buy was below the
    mid, or a sale above it.
    """

    COLUMNS: ClassVar = (
        "order_side", "last_px", "last_qty", "liquidity_side", "mid",
        *(f"mid_{name}" for name in HORIZONS),
    )  # fmt: skip

    makers: dict[str, Edge] = field(default_factory=dict)
    takers: dict[str, Edge] = field(default_factory=dict)

    def of_all(self, mid: str) -> Edge:
        """Edge of all fills against a mid, named by its column."""
        return self.makers.get(mid, Edge()) + self.takers.get(mid, Edge())

    def add(self, fills: Columns, multiplier_num: int, multiplier_den: int) -> None:
        """Take fills of one instrument; fills without a mid count for nothing there."""
        lots = np.where(fills["order_side"] == "BUY", fills["last_qty"], -fills["last_qty"])
        maker = fills["liquidity_side"] == "MAKER"
        for mid in self.COLUMNS[4:]:
            known = fills[mid] != NO_PRICE
            for totals, mine in ((self.makers, known & maker), (self.takers, known & ~maker)):
                edge = multiply(fills[mid][mine] - fills["last_px"][mine], lots[mine])
                money = Fraction(total(edge) * multiplier_num, multiplier_den)
                more = Edge(total(np.abs(lots[mine])), money)
                totals[mid] = totals.get(mid, Edge()) + more

    def __add__(self, other: "EdgeTotals") -> "EdgeTotals":
        return EdgeTotals(_summed(self.makers, other.makers), _summed(self.takers, other.takers))


@dataclass
class ImpactTotals:
    """What own impact made fills cost, 1e-9 currency, exactly."""

    COLUMNS: ClassVar = ("impact", "last_qty")

    money: Fraction = Fraction(0)

    def add(self, fills: Columns, multiplier_num: int, multiplier_den: int) -> None:
        """Take fills of one instrument."""
        if fills["impact"].any():
            worse = total(multiply(fills["impact"], fills["last_qty"]))
            self.money += Fraction(worse * multiplier_num, multiplier_den)

    def __add__(self, other: "ImpactTotals") -> "ImpactTotals":
        return ImpactTotals(self.money + other.money)


def _summed(a: Mapping[str, Edge], b: Mapping[str, Edge]) -> dict[str, Edge]:
    return {name: a.get(name, Edge()) + b.get(name, Edge()) for name in {**a, **b}}


class Sessions(NamedTuple):
    """Net P&L of each session, in order of time; see `session_results`."""

    results: list[int]


class Capital(NamedTuple):
    """What there was at the start, 1e-9 currency; None: nobody said."""

    initial: int | None = None


class Margin(NamedTuple):
    """The most that positions took at one time, 1e-9 currency; None: nobody said what a lot is."""

    peak: int | None = None


@dataclass
class Tally:
    """What is gathered of one leg and adds up over several."""

    pnl: Pnl = field(default_factory=Pnl)
    orders: OrderTotals = field(default_factory=OrderTotals)
    fills: FillTotals = field(default_factory=FillTotals)
    trades: TradeTotals = field(default_factory=TradeTotals)
    edges: EdgeTotals = field(default_factory=EdgeTotals)
    impact: ImpactTotals = field(default_factory=ImpactTotals)
    costs: OrderCosts = field(default_factory=OrderCosts)
    inventory: Inventory = field(default_factory=Inventory)
    capacity: Capacity = field(default_factory=Capacity)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))


@dataclass
class Inputs(Tally):
    """Everything the metrics of one leg, one strategy or the run may be computed from."""

    equity: Curve = field(default_factory=Curve)
    capital: Capital = field(default_factory=Capital)
    margin: Margin = field(default_factory=Margin)

    @classmethod
    def of(
        cls, tallies: Iterable[Tally], equity: Curve, capital: int | None = None,
        margin: int | None = None,
    ) -> Self:  # fmt: skip
        """Return the inputs of several legs together, whose P&L over time is ``equity``.

        ``capital`` is what they began with, ``margin`` the most that their positions took, 1e-9
        currency, where that is known.
        """
        return cls(
            **vars(sum(tallies, Tally())), equity=equity, capital=Capital(capital),
            margin=Margin(margin),
        )  # fmt: skip

    @cached_property
    def sessions(self) -> Sessions:
        """P&L by session."""
        return Sessions(session_results(self.equity.days))


def session_results(days: Mapping[int, Day]) -> list[int]:
    """Return the net P&L of each session, 1e-9 currency, in order of time.

    A session is a UTC day whose samples span at least `SESSION_SPAN_NS_MIN`. A shorter day is a
    sliver (a file that begins seconds before midnight), no session of its own: its P&L counts
    with the next session, or with the last one if none follows.
    """
    ordered = [days[number] for number in sorted(days)]
    ends = [d.pnl for d in ordered if d.last_ns - d.first_ns >= SESSION_SPAN_NS_MIN]
    if ends:
        ends[-1] = ordered[-1].pnl
    return [b - a for a, b in zip([0, *ends], ends, strict=False)]


def _input_types() -> dict[str, Any]:
    derived = {
        name: typing.get_type_hints(member.func)["return"]
        for name, member in vars(Inputs).items()
        if isinstance(member, cached_property)
    }
    return {**{f.name: f.type for f in fields(Inputs)}, **derived}


#: What a parameter of ``compute`` may be called, and its type.
INPUT_TYPES: Final = _input_types()
