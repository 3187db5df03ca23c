"""Takes the simulation's rows as they come and turns them into metrics alone: no run folder.

What a study asks of each of its trials. Rows go the way that they go in a `Collector`, without the
tables between: the same accounts are rebuilt and compared, the same metrics come out, to the bit.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.arrivals import Arrivals
from tapewire.analytics.bands import Bands
from tapewire.analytics.columns import Part, fill_part, markout_part, order_part, sample_part
from tapewire.analytics.denials import Denials
from tapewire.analytics.exact import groups
from tapewire.analytics.latency import SIM_FILL_NOTICE, SIM_ORDER_ENTRY, require_forward
from tapewire.analytics.ledger import Ledger, Leg
from tapewire.analytics.margins import Margins
from tapewire.analytics.markouts import Markouts, as_words
from tapewire.analytics.metrics import METRICS, Registry, failures
from tapewire.analytics.rates import Conversion, Rates
from tapewire.analytics.run_folder import MANIFEST
from tapewire.analytics.schemas import arrow_schema
from tapewire.analytics.tables import Names
from tapewire.analytics.tallies import Tallies
from tapewire.analytics.waiting import WaitingRows
from tapewire.execution.rows import FILL_DTYPE, ORDER_DTYPE, TOUCH_DTYPE
from tapewire.positions.rows import SAMPLE_DTYPE

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of a table that are held before they are taken in: many of each leg, a few MB together.
HELD_ROWS: Final = 32_768
#: Moves of a book's best prices after which fills before them are looked at again.
_LOOK_MOVES: Final = 1_024
_HELD: Final = {
    "fills": FILL_DTYPE, "orders": ORDER_DTYPE, "equity": SAMPLE_DTYPE, "touches": TOUCH_DTYPE,
}  # fmt: skip

#: Gets columns of ``fills`` or ``equity``, and the legs that they count.
Watch = Callable[[str, Part, Sequence[Leg]], None]


class FiguresCollector:
    """Metrics of each strategy of a run, from its rows.

    It is used as a `Collector` is, and writes nothing.

    Parameters
    ----------
    path
        Where the run folder would be.
    markouts
        Whether there are touches: markouts, and what orders cost.
    metrics
        What is computed of every strategy.
    initial_capital, margins, rates
        As a `Collector` takes them.
    watch
        Sees columns of fills and samples, too, in their order.
    held_rows
        Rows held in memory per table.
    """

    def __init__(
        self,
        path: Path,
        *,
        markouts: bool = False,
        metrics: Registry = METRICS,
        initial_capital: int | None = None,
        margins: Margins | None = None,
        rates: Rates | None = None,
        watch: Watch | None = None,
        held_rows: int = HELD_ROWS,
    ) -> None:
        self.path = Path(path)
        self.rows = dict.fromkeys(("fills", "orders", "samples"), 0)
        #: What `finish` was given, and what it made.
        self.manifest: dict[str, Any] = {}
        self._metrics = metrics
        self._conversion = Conversion(rates)
        self._tallies = Tallies((), initial_capital, margins or {}, self._conversion)
        self._has_margins = bool(margins)
        self._ledger = Ledger()
        self._denials = Denials()
        self._arrivals = Arrivals() if markouts else None
        self._markouts = Markouts(_LOOK_MOVES) if markouts else None
        self._bands = Bands() if markouts else None
        self._watch = watch
        self._legs: Sequence[Leg] = ()
        self._held_rows = held_rows
        self._held = {name: WaitingRows(np.zeros(0, dtype)) for name, dtype in _HELD.items()}
        self._figures: list[dict[str, Any]] = []

    def add(
        self,
        fills: NDArray[np.void],
        orders: NDArray[np.void],
        samples: NDArray[np.void],
        legs: Sequence[Leg],
        touches: NDArray[np.void] | None = None,
        **others: object,
    ) -> None:
        """Take rows, in the order they happened; see `Collector.add`. Others count for nothing.

        Raises
        ------
        SimulationError
            If the rows contradict each other (see `Ledger`).
        """
        self._legs = legs
        given = {"fills": fills, "orders": orders, "equity": samples, "touches": touches}
        for name, rows in given.items():
            if rows is not None:
                self._held[name].add(rows)
        self.rows["fills"] += fills.size
        self.rows["orders"] += orders.size
        self.rows["samples"] += samples.size
        if orders.size:
            self._denials.add(orders)
        if sum(map(len, self._held.values())) >= self._held_rows:
            self._take()

    def denial_warnings(self) -> list[str]:
        """Say which strategies had orders denied so far, and why."""
        return self._denials.warnings(self._legs)

    def record_latency(self, tag: str, value_ns: int, count: int = 1) -> None:
        """Nothing: how long things took is no metric."""

    def finish(self, manifest: Mapping[str, Any] | None = None) -> Path:
        """Check the books, and work out what is left.

        Raises
        ------
        SimulationError
            If the books do not balance.
        """
        self._take()
        if self._markouts is not None:
            self._add_markouts(self._markouts.finish())
        self._ledger.check(self._legs)
        for leg in self._ledger.accounts:
            self._tallies.open(leg)
        if self._bands is not None:
            self._tallies.markets = self._bands.markets()
        self._tallies.finish(self._ledger.last_sample_ns or 0)
        self._figures = self._tallies.of_strategies(self._metrics)
        self.manifest = {"status": "complete", **(manifest or {}), "rows": dict(self.rows)}
        if told := failures(self._tallies.failed):
            self.manifest["warnings"] = [*self.manifest.get("warnings", ()), *told]
        return self.path / MANIFEST

    def fail(
        self,
        status: Literal["incomplete", "failed"],
        reason: str,
        manifest: Mapping[str, Any] | None = None,
        *,
        keep_rows: bool = False,
    ) -> Path:
        """End a run that has no result: there is nothing to leave."""
        self.close()
        return self.path / MANIFEST

    def close(self) -> None:
        """Let go of what is held. Never raises."""
        for held in self._held.values():
            held.clear()

    def table(self) -> "pa.Table":
        """Return rows of ``metrics.parquet``: those of strategies."""
        import pyarrow as pa

        schema = arrow_schema("metrics", self._metrics.table)
        columns = self._metrics.columns(self._figures)
        return pa.table(
            [pa.array(columns[field.name], field.type) for field in schema], schema=schema
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self) -> None:
        """Take in what is held: fills first, whose money samples may be of."""
        legs, names = self._legs, Names(self._legs, self._conversion)
        self._tallies.grow(legs)
        fills, orders, samples, touches = (held.take() for held in self._held.values())
        if self._markouts is not None and self._arrivals is not None:
            orders = self._arrivals.add(fills, orders, touches)
            self._add_markouts(self._markouts.add(fills, touches))
            if self._bands is not None:
                self._bands.add(fills, touches)
        if fills.size:
            names.check(fills, "fills")
            require_forward(SIM_FILL_NOTICE, fills["ts_event"], fills["ts_known"])
            self._ledger.add_fills(fills, legs)
            self._conversion.add_fills(fills, legs)
            # Margins follow positions in the order of the table, over all legs.
            part = fill_part(fills if self._has_margins else _leg_by_leg(fills))
            self._tallies.add_fills(part)
            self._see("fills", part)
        if orders.size:
            names.check(orders, "orders")
            require_forward(SIM_ORDER_ENTRY, orders["ts_sent"], orders["ts_arrived"])
            self._ledger.add_orders(orders)
            self._tallies.add_orders(order_part(_leg_by_leg(orders), names))
        if samples.size:
            names.check(samples, "samples")
            self._conversion.add_samples(samples, legs)
            self._ledger.add_samples(samples, legs)
            part = sample_part(samples, names, self._conversion)
            self._tallies.add_samples(part)
            self._see("equity", part)

    def _add_markouts(self, rows: NDArray[np.void]) -> None:
        if rows.size:
            self._tallies.add_markouts(markout_part(_leg_by_leg(rows)))

    def _see(self, name: str, part: Part) -> None:
        if self._watch is not None:
            self._watch(name, part, self._legs)


def _leg_by_leg(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return rows of int64 fields by leg, in their order within each: what is read is together."""
    order = np.concatenate([at for _, at in groups(rows["leg"])])
    return np.asarray(as_words(np.ascontiguousarray(rows))[order].view(rows.dtype)[:, 0])
