"""Days that were played apart become one run, told as a simulation of all of them would tell it.

Rows are put right by `tapewire.runs.renumbering`, handed on to the run's collector, and hashed as a
simulation hashes its own; nothing is computed anew.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError, SimulationError
from tapewire.execution.codes import FillReason, OrderStatus, Reason
from tapewire.execution.rows import ORDER_CORE_DTYPE, ORDER_DTYPE
from tapewire.market.times import time_text
from tapewire.router import Worths
from tapewire.router.digest import LegDigests
from tapewire.runs.renumbering import Renumbering
from tapewire.runs.standing import Standing

if TYPE_CHECKING:
    from tapewire.router import GuessedQueue, LegInfo, LimitTrip, LossHalt, SimulationConfig
    from tapewire.router.doubts import FlaggedBook
    from tapewire.runs.day_ends import DayEnd
    from tapewire.runs.day_rows import Batch
    from tapewire.runs.days import DayApart
    from tapewire.runs.feed import TakesRows

_CORE_WORDS: Final = len(ORDER_CORE_DTYPE.names or ())
_WORDS: Final = len(ORDER_DTYPE.names or ())
#: What of counts is the largest of all days, not the sum.
_LARGEST: Final = "_max"


class JoinedDays:
    """What the days so far come to together.

    Parameters
    ----------
    config
        Of a simulation of all of them.

    Attributes
    ----------
    days : list of dict
        What the manifest says of each day.
    counts : dict of str to int
        Of all days together; of what is a largest, the largest.
    now_ns : int
        Largest capture time so far, ns.
    """

    def __init__(self, config: "SimulationConfig") -> None:
        self.config = config
        self.days: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {"events": 0}
        self.now_ns = 0
        self.series_names: list[str] = []
        self.fee_line_names: list[str] = []
        self._rows = Renumbering(
            frozenset(
                spec.strategy_id for spec in config.strategies if spec.definition.wants.together
            )
        )
        self._digests = LegDigests()
        self._books: set[tuple[int, int]] = set()
        self._bills: dict[str, Counter[str]] = {}
        self._halts: list[LossHalt] = []
        self._trips: list[LimitTrip] = []
        self._guessed: dict[GuessedQueue, None] = {}
        self._flagged: dict[tuple[int, int], FlaggedBook] = {}
        self._last_ns = 0
        self._gross: Counter[int] = Counter()  # by leg, 1e-9 currency, before fees

    # --- what a simulation tells ------------------------------------------------------------------

    @property
    def legs(self) -> "list[LegInfo]":
        """Who traded where, by number of the leg."""
        return self._rows.legs

    def loss_halts(self) -> "list[LossHalt]":
        """Strategy instances that reached their loss limit."""
        return self._halts

    def limit_trips(self) -> "list[LimitTrip]":
        """Limits that were reached and had something follow."""
        return self._trips

    def guessed_queues(self) -> "list[GuessedQueue]":
        """Books of strategies in which places in queues were guessed."""
        return list(self._guessed)

    def flagged(self) -> "list[FlaggedBook]":
        """Return the books whose records said something of themselves, on any day."""
        return list(self._flagged.values())

    def fee_lines(self) -> dict[str, dict[str, int]]:
        """Fees by strategy and line, 1e-9 currency."""
        return {name: dict(bill) for name, bill in self._bills.items()}

    def digests(self) -> dict[str, str]:
        """One digest per strategy, as of a simulation that had made these rows."""
        names = [spec.strategy_id for spec in self.config.strategies]
        return self._digests.per_strategy(names, self.legs, self._rows.accounts)

    def digest(self) -> str:
        """One digest of the whole run."""
        return self._digests.of_run(self.digests(), self.counts["events"])

    def pnl(self) -> float:
        """Net P&L in currency; for showing, not for accounts. Every day ends flat."""
        return self.standing().pnl

    def standing(self) -> Standing:
        """Return where the days so far stand; orders and fills are not among it."""
        n = len(self.legs)
        counts = {name: self.counts.get(name, 0) for name in ("orders_sent", "orders_denied")}
        accounts, one = self._rows.accounts.copy(), np.ones(n, np.int64)
        gross = np.array([self._gross.get(leg, 0) for leg in range(n)], np.int64)
        return Standing(
            list(self.legs), accounts, Worths(one, one, accounts["cash"], gross),
            np.zeros(n, np.int64),
            np.zeros((n, max(OrderStatus) + 1), np.int64), [], [],
            counts | {"loss_halts": len(self._halts)},
        )  # fmt: skip

    # --- joining ----------------------------------------------------------------------------------

    def add(
        self, day: "DayApart", end: "DayEnd", batches: "Iterable[Batch]", collector: "TakesRows"
    ) -> None:
        """Take a day; days come in order.

        Parameters
        ----------
        day, end
            Which, and what came of it.
        batches
            Its rows; they are written to.
        collector
            Takes them as those of one run.

        Raises
        ------
        FormatError
            If the day before goes on after this one has begun.
        SimulationError, OutputError
            As `Collector.add`; or if the day has not ended flat, which is no user's fault.
        """
        self._require_later(day, end)
        self._rows.begin(day.number, end.legs)
        lines = [_place(self.fee_line_names, name) for name in end.fee_names]
        series = [_place(self.series_names, name) for name in end.series_names]
        told: Counter[str] = Counter(fills=0, orders=0, closed_lots=0, orders_canceled=0)
        for rows in batches:
            self._rows.take(rows)
            _recount(rows["fees"], "line", lines)
            _recount(rows["series"], "name", series)
            self._digests.update(rows["fills"], _core_of(rows["orders"]))
            told.update(_told_of(rows))
            collector.add(
                **rows, legs=list(self.legs), series_names=list(self.series_names),
                fee_names=list(self.fee_line_names),
            )  # fmt: skip
        self._rows.end()
        for leg, gross in zip(self._rows.places.tolist(), end.gross, strict=True):
            self._gross[leg] += gross
        for tag, value_ns, count in end.latencies:
            collector.record_latency(tag, value_ns, count)
        self._require_flat(day)
        self._note(day, end, told)

    def _require_later(self, day: "DayApart", end: "DayEnd") -> None:
        first_ns = end.totals.first_ts_recv
        if first_ns < self._last_ns:
            raise FormatError(
                f"{', '.join(day.plan.files[:5])}: expected records after those of the day before "
                f"({time_text(self._last_ns)}) with days apart, found them from "
                f"{time_text(first_ns)} on: give files of one day each"
            )
        self._last_ns = end.totals.last_ts_recv

    def _require_flat(self, day: "DayApart") -> None:
        held = np.flatnonzero(self._rows.accounts["position"])
        if held.size:
            leg = self.legs[int(held[0])]
            lots = int(self._rows.accounts["position"][held[0]])
            raise SimulationError(
                f"expected {leg.strategy_id} to hold nothing of {leg.symbol} after {day.date}, "
                f"found {lots:+,}"
            )

    def _note(self, day: "DayApart", end: "DayEnd", told: Counter[str]) -> None:
        """Take what came of the day beside its rows."""
        for name, count in end.counts.items():
            before = self.counts.get(name, 0)
            self.counts[name] = max(before, count) if _LARGEST in name else before + count
        self._books.update(end.books)
        self.counts["books"] = len(self._books)
        self.now_ns = max(self.now_ns, end.now_ns)
        for strategy, bill in end.fee_lines.items():
            total = self._bills.setdefault(strategy, Counter(dict.fromkeys(bill, 0)))
            total.update(bill)
        self._halts += end.loss_halts
        self._trips += end.limit_trips
        self._guessed.update(dict.fromkeys(end.guessed))
        for book in end.flagged:
            key = book.publisher_id, book.instrument_id
            self._flagged[key] = book.after(self._flagged.get(key))
        self.days.append(
            {
                "date": day.date,
                "files": list(day.plan.files),
                "events": end.counts["events"],
                "digest": end.digest,
                "first_ts_recv": end.totals.first_ts_recv,
                "last_ts_recv": end.totals.last_ts_recv,
                **told,
            }
        )


def _told_of(rows: "Batch") -> dict[str, int]:
    """Count what the manifest says of a day's rows."""
    fills, orders = rows["fills"], rows["orders"]
    closed = fills["reason"] == FillReason.DAY_END
    canceled = (orders["reason"] == Reason.DAY_END) & (orders["status"] == OrderStatus.CANCELED)
    return {
        "fills": fills.size,
        "orders": orders.size,
        "closed_lots": int(fills["last_qty"][closed].sum()),
        "orders_canceled": int(canceled.sum()),
    }


def _core_of(orders: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return of ``ORDER_DTYPE`` what every order has, ``ORDER_CORE_DTYPE``."""
    words = orders.view(np.int64).reshape(orders.size, _WORDS)[:, :_CORE_WORDS]
    return np.ascontiguousarray(words).view(ORDER_CORE_DTYPE)[:, 0]


def _place(names: list[str], name: str) -> int:
    """Return a name's place among those known, where it is put if it is new."""
    if name not in names:
        names.append(name)
    return names.index(name)


def _recount(rows: npt.NDArray[Any], column: str, places: list[int]) -> None:
    """Have a column count the run's names in place of the day's."""
    if rows.size:
        rows[column] = np.array(places, np.int64)[rows[column]]
