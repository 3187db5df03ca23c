"""The simulation's rows on their way into their tables: held, then written and booked at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.arrivals import COST_DTYPE
from tapewire.analytics.latency import (
    SIM_FILL_NOTICE,
    SIM_ORDER_ENTRY,
    LatencyLog,
    require_forward,
)
from tapewire.analytics.ledger import Ledger, Leg, account_money
from tapewire.analytics.markouts import MARKOUT_DTYPE
from tapewire.analytics.rates import Conversion
from tapewire.analytics.run_folder import RunFolder
from tapewire.analytics.schemas import FEES, SERIES, Column
from tapewire.analytics.tables import (
    EquityColumns,
    Names,
    TableWriter,
    event_columns,
    fee_columns,
    fill_columns,
    markout_columns,
    order_columns,
    series_columns,
)
from tapewire.analytics.waiting import WaitingRows
from tapewire.execution.rows import EVENT_DTYPE, FEE_DTYPE, FILL_DTYPE, ORDER_DTYPE
from tapewire.positions.rows import SAMPLE_DTYPE, SERIES_DTYPE

_DTYPES: Final = {
    "fills": FILL_DTYPE, "orders": ORDER_DTYPE, "equity": SAMPLE_DTYPE, "events": EVENT_DTYPE,
    "series": SERIES_DTYPE, "fees": FEE_DTYPE, "markouts": MARKOUT_DTYPE,
}  # fmt: skip


class RowTables:
    """The tables of one run in the making.

    Rows are kept until a row group is full; only then they become columns, and enter the ledger
    and the histograms of simulated latencies. A row group has as many rows as it may, however they
    came in batches: rows of several strategies are put in order of time within one.

    Parameters
    ----------
    folder
        Where the files are.
    tables
        Columns of every table by its name.
    row_group_rows
        Rows held in memory per table.
    latency
        Takes the simulated latencies.
    conversion
        Of money in other currencies, where rates change.

    Attributes
    ----------
    rows : dict of str to int
        Rows taken so far, as the manifest calls them.
    ledger : Ledger
        The second set of books.
    """

    def __init__(
        self,
        folder: RunFolder,
        tables: Mapping[str, tuple[Column, ...]],
        row_group_rows: int,
        latency: LatencyLog,
        conversion: Conversion | None = None,
    ) -> None:
        self.rows = dict.fromkeys(map(_counted_as, tables), 0)
        self.ledger = Ledger()
        self._folder = folder
        self._row_group_rows = row_group_rows
        self._latency = latency
        self._legs: Sequence[Leg] = ()
        self._series_names: Sequence[str] = ()
        self._fee_names: Sequence[str] = ()
        self._held = {name: _none_waiting(name) for name in tables}
        self._conversion = conversion or Conversion()
        self._equity = EquityColumns(self._conversion)
        self._writers: dict[str, TableWriter] = {}
        try:
            for name, columns in tables.items():
                self._open(name, columns)
        except BaseException:
            self.abandon()
            raise

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def add(self, name: str, rows: NDArray[np.void], legs: Sequence[Leg]) -> None:
        """Take rows of a table, in the order they happened; see `Collector.add`."""
        costed = name == "orders" and rows.dtype == COST_DTYPE
        if rows.dtype != _DTYPES[name] and not costed:
            raise TypeError(f"expected {name} rows of {_DTYPES[name]}, found {rows.dtype}")
        self._legs = legs
        if rows.size == 0:
            return
        self.rows[_counted_as(name)] += rows.size
        if self._conversion and name == "fills":
            self._conversion.add_fills(rows, legs)
        elif self._conversion and name == "equity":
            self._conversion.add_samples(rows, legs)
        self._held[name].add(rows)
        if len(self._held[name]) >= self._row_group_rows:
            self._flush_groups(name)

    def add_series(
        self, rows: NDArray[np.void], series_names: Sequence[str], legs: Sequence[Leg]
    ) -> None:
        """Take values that strategies recorded; the first make the table."""
        if rows.size and "series" not in self:
            self.rows["series"] = 0
            self._held["series"] = _none_waiting("series")
            self._open("series", SERIES)
        if "series" in self:
            self._series_names = series_names
            self.add("series", rows, legs)

    def add_fees(self, rows: NDArray[np.void], names: Sequence[str], legs: Sequence[Leg]) -> None:
        """Take lines of fees; the first make the table."""
        if rows.size and "fees" not in self:
            self.rows["fees"] = 0
            self._held["fees"] = _none_waiting("fees")
            self._open("fees", FEES)
        if "fees" in self:
            self._fee_names = names
            self.add("fees", rows, legs)

    def finish(self) -> dict[str, Any]:
        """Write what is held, check the books, close the files; return what the books say.

        Raises
        ------
        SimulationError
            If the books do not balance.
        OutputError
            If something can't be written.
        """
        for name in self._held:
            self._flush(name)
        conservation = self.ledger.check(self._legs)
        for writer in self._writers.values():
            writer.close()
        return conservation

    def finish_unchecked(self, status: str) -> None:
        """Write what is held and close the files, marked with the status of a run without an end.

        Raises
        ------
        SimulationError
            If the rows contradict each other.
        OutputError
            If something can't be written.
        """
        for name in self._held:
            self._flush(name)
        for writer in self._writers.values():
            writer.mark(status)
            writer.close()

    def write_whole(
        self, name: str, schema: tuple[Column, ...], columns: dict[str, Any], rows: int
    ) -> None:
        """Write one more table at once."""
        writer = self._open(name, schema)
        writer.write(columns, rows)
        writer.close()

    def final_pnl(self) -> dict[int, int]:
        """Return the P&L (1e-9 currency) of every leg at its last sample; 0 without one."""
        names = Names(self._legs, self._conversion)
        final: dict[int, int] = {}
        for leg, account in self.ledger.accounts.items():
            final[leg] = 0
            if account.sample is not None:
                row = account.sample.reshape(1)
                money = account_money(row, names.num[[leg]], names.den[[leg]])
                money = self._conversion.convert(row, self._legs, money, again=True)
                final[leg] = int(money["pnl"][0])
        return final

    def abandon(self) -> None:
        """Let go of what is held and of every file. Never raises."""
        for held in self._held.values():
            held.clear()
        for writer in self._writers.values():
            writer.abandon()

    def _open(self, name: str, columns: tuple[Column, ...]) -> TableWriter:
        file = self._folder.open(f"{name}.parquet")
        self._writers[name] = TableWriter(file, name, columns)
        return self._writers[name]

    def _flush_groups(self, name: str) -> None:
        """Write the row groups that are full; what is left over waits for more."""
        held, size = self._held[name], self._row_group_rows
        rows = held.take()
        whole = len(rows) - len(rows) % size
        for start in range(0, whole, size):
            self._write(name, rows[start : start + size])
        held.add(rows[whole:].copy())  # a view would keep all of them

    def _flush(self, name: str) -> None:
        if self._held[name]:
            self._write(name, self._held[name].take())

    def _write(self, name: str, rows: NDArray[np.void]) -> None:
        names = Names(self._legs, self._conversion)
        if name == "fills":
            columns = fill_columns(rows, names)
            self.ledger.add_fills(rows, self._legs)
            self._simulated(SIM_FILL_NOTICE, rows["ts_event"], rows["ts_known"])
        elif name == "orders":
            columns = order_columns(rows, names)
            self.ledger.add_orders(rows)
            self._simulated(SIM_ORDER_ENTRY, rows["ts_sent"], rows["ts_arrived"])
        elif name == "events":
            columns = event_columns(rows, names)
        elif name == "markouts":
            columns = markout_columns(rows, names)
        elif name == "fees":
            columns = fee_columns(rows, names, self._fee_names)
        elif name == "series":
            columns = series_columns(rows, names, self._series_names)
        else:
            columns = self._equity.build(rows, names)
            self.ledger.add_samples(rows, self._legs)
        self._writers[name].write(columns, rows.size)

    def _simulated(self, tag: str, begin: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        took = require_forward(tag, begin, end)
        self._latency.record_all(tag, took)


def _none_waiting(table: str) -> WaitingRows:
    return WaitingRows(np.zeros(0, _DTYPES[table]))


def _counted_as(table: str) -> str:
    return "samples" if table == "equity" else table
