"""Rows of a simulation that has no run folder, kept in memory and booked a second time."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics import table_of
from tapewire.analytics.ledger import Ledger
from tapewire.config.wording import describe, suggest
from tapewire.errors import ConfigError
from tapewire.router import Simulation

if TYPE_CHECKING:
    import pyarrow as pa

#: Records after which rows are collected at the latest: they are smaller here than where they wait.
_COLLECTED_EVERY: Final = 65_536
_TABLES: Final = ("fills", "orders", "equity", "fees", "events", "series")


class KeptRows:
    """All rows that a simulation reports, for as long as it lives."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._rows: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _TABLES}
        self._ledger = Ledger()
        self._waiting = 0

    def note(self, records: int) -> None:
        """Collect, if enough records have gone by since the last time."""
        self._waiting += records
        if self._waiting >= _COLLECTED_EVERY:
            self.collect()

    def collect(self) -> None:
        """Take what was reported since the last time.

        Raises
        ------
        SimulationError
            If the rows contradict each other.
        """
        self._waiting = 0
        drained, legs = self._simulation.drain(), self._simulation.legs
        reported = (
            drained.fills, drained.orders, drained.samples, drained.fees, drained.events,
            drained.series,
        )  # fmt: skip
        for name, rows in zip(_TABLES, reported, strict=True):
            if rows.size or not self._rows[name]:
                self._rows[name].append(rows)
        self._ledger.add_fills(drained.fills, legs)
        self._ledger.add_orders(drained.orders)
        self._ledger.add_samples(drained.samples, legs)

    def check(self) -> None:
        """Compare every account with what its fills come to, at the end of the data.

        Raises
        ------
        SimulationError
            At the first difference.
        """
        self.collect()
        self._ledger.check(self._simulation.legs)

    def table(self, name: Any) -> "pa.Table":
        """Return a table as far as it goes."""
        if name not in _TABLES:
            hint = f", {suggest(name, _TABLES)}" if isinstance(name, str) else ""
            raise ConfigError(
                f"table: expected {' or '.join(_TABLES)}, found {describe(name)}{hint}"
            )
        self.collect()
        rows = self._rows[name] = [np.concatenate(self._rows[name])]
        simulation = self._simulation
        counted = simulation.fee_line_names if name == "fees" else simulation.series_names
        return table_of(name, rows[0], simulation.legs, counted)
