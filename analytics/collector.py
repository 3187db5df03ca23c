"""Takes the simulation's rows as they come and turns them into a run folder."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.analysis import Analysis, analyse
from tapewire.analytics.denials import denial_warnings, tally_denials
from tapewire.analytics.latency import SIM_FILL_NOTICE, SIM_ORDER_ENTRY, LatencyLog
from tapewire.analytics.ledger import Ledger, Leg, account_money
from tapewire.analytics.metrics import METRICS, Registry
from tapewire.analytics.run_folder import MANIFEST, RunFolder
from tapewire.analytics.schemas import SCHEMA_VERSION
from tapewire.analytics.tables import (
    ROW_GROUP_ROWS,
    TABLES,
    TABLES_AND_EVENTS,
    EquityColumns,
    Names,
    TableWriter,
    event_columns,
    fill_columns,
    order_columns,
)
from tapewire.atomic import output_errors, temporary_name
from tapewire.errors import InterruptedRunError, OutputError, SimulationError
from tapewire.execution.rows import EVENT_DTYPE, FILL_DTYPE, ORDER_DTYPE
from tapewire.positions.rows import SAMPLE_DTYPE

#: What the manifest of a complete run must get from the caller; the collector adds the rest.
REQUIRED_KEYS: Final = (
    "digest",
    "digests",
    "events",
    "elapsed_s",
    "events_per_s",
    "config",
    "versions",
    "inputs",
    "counts",
    "stages",
    "warnings",
)
_DTYPES: Final = {
    "fills": FILL_DTYPE, "orders": ORDER_DTYPE, "equity": SAMPLE_DTYPE, "events": EVENT_DTYPE,
}  # fmt: skip


class Collector:
    """Writes one run folder: tables as the run goes, metrics and report at its end.

    Rows are kept until a row group is full, so memory is bounded and `add` costs next to nothing
    between two of them. Everything stays under temporary names until `finish`, which rebuilds
    every account from the fills and refuses a run whose books do not balance.

    Parameters
    ----------
    out_dir
        The run folder; claimed at once, so that a folder that can't be used is refused early.
    config_yaml
        Text of ``config.yaml``: the run's configuration with all defaults filled in.
    force
        Replace an earlier run in ``out_dir`` once this one is complete; it stays if this one fails.
    event_log
        Write ``events.parquet``, too.
    row_group_rows
        Rows held in memory per table.
    metrics
        What is computed of every leg, of every strategy and in total.

    Raises
    ------
    OutputError
        If the folder holds an earlier run, is in use by another run, or can't be written.

    Notes
    -----
    Use as a context manager: leaving it without `finish` or `fail` removes every trace.
    """

    def __init__(
        self,
        out_dir: Path,
        config_yaml: str,
        *,
        force: bool = False,
        event_log: bool = False,
        row_group_rows: int = ROW_GROUP_ROWS,
        metrics: Registry = METRICS,
    ) -> None:
        if row_group_rows < 1:
            raise ValueError(f"expected row_group_rows >= 1, found {row_group_rows}")
        self.path = Path(out_dir)
        self.latency = LatencyLog()
        self._tables = TABLES_AND_EVENTS if event_log else TABLES
        self.rows = dict.fromkeys(map(_counted_as, self._tables), 0)
        self._metrics = metrics
        self._config_yaml = config_yaml
        self._row_group_rows = row_group_rows
        self._held: dict[str, list[NDArray[np.void]]] = {name: [] for name in self._tables}
        self._held_rows = dict.fromkeys(self._tables, 0)
        self._legs: Sequence[Leg] = ()
        self._ledger = Ledger()
        self._denials: Counter[tuple[int, int]] = Counter()
        self._equity = EquityColumns()
        self._writers: dict[str, TableWriter] = {}
        self._ended: Path | None = None
        self._folder = RunFolder(self.path, force=force)
        try:
            for name, columns in self._tables.items():
                file = self._folder.open(f"{name}.parquet")
                self._writers[name] = TableWriter(file, name, columns)
        except BaseException:
            self._abandon()
            self._folder.close()
            raise

    def add(
        self,
        fills: NDArray[np.void],
        orders: NDArray[np.void],
        samples: NDArray[np.void],
        legs: Sequence[Leg],
        events: NDArray[np.void] | None = None,
    ) -> None:
        """Take rows, in the order they happened.

        Parameters
        ----------
        fills, orders, samples
            ``FILL_DTYPE``, ``ORDER_DTYPE`` (one row per order over the whole run) and
            ``SAMPLE_DTYPE`` (the last per leg is its final account), each of shape (n,), n >= 0.
            The arrays are kept, not copied: don't write to them afterwards.
        legs
            The leg table; it may have grown since the last call.
        events
            ``EVENT_DTYPE``, of a run that has an event log.

        Raises
        ------
        SimulationError
            If the rows contradict each other (see `Ledger`).
        OutputError
            If a row group can't be written.
        """
        self._refuse_if_ended()
        self._legs = legs
        tables = {"fills": fills, "orders": orders, "equity": samples}
        if events is not None and "events" in self._tables:
            tables["events"] = events
        for name, rows in tables.items():
            if rows.dtype != _DTYPES[name]:
                raise TypeError(f"expected {name} rows of {_DTYPES[name]}, found {rows.dtype}")
            if rows.size == 0:
                continue
            self.rows[_counted_as(name)] += rows.size
            if name == "orders":
                tally_denials(self._denials, rows)
            self._held[name].append(rows)
            self._held_rows[name] += rows.size
            if self._held_rows[name] >= self._row_group_rows:
                self._flush(name)

    def denial_warnings(self) -> list[str]:
        """Say which strategies had orders denied so far, and why."""
        return denial_warnings(self._denials, self._legs)

    def record_latency(self, tag: str, value_ns: int, count: int = 1) -> None:
        """Count a wall-clock latency for ``latency.hdr``; see `LatencyLog.record`."""
        self.latency.record(tag, value_ns, count)

    def finish(
        self,
        status: Literal["complete"] = "complete",
        manifest: Mapping[str, Any] | None = None,
    ) -> Path:
        """Check the books, write what is missing, and give every file its final name.

        Parameters
        ----------
        status
            Only ``complete``; other ends are for `fail`.
        manifest
            At least the keys of `REQUIRED_KEYS`, JSON-ready. The collector adds ``status``,
            ``schema_version``, ``rows``, ``legs``, ``conservation``, ``results`` and ``files``.

        Returns
        -------
        Path
            The manifest.

        Raises
        ------
        SimulationError
            If the books do not balance.
        OutputError
            If something can't be written. After either, the folder holds at most a manifest that
            says the run failed.
        """
        self._refuse_if_ended()
        if status != "complete":
            raise ValueError(f"expected status 'complete', found {status!r}; use fail() for others")
        missing = [key for key in REQUIRED_KEYS if key not in (manifest or {})]
        if missing or manifest is None:
            raise ValueError(f"expected manifest keys {missing}, found none of them")
        try:
            whole = self._complete(manifest)
            self._ended = self._folder.publish(_json(whole))
        except BaseException as error:
            self._fail_after(error, manifest)
            raise
        self._folder.close()
        return self._ended

    def fail(
        self,
        status: Literal["incomplete", "failed"],
        reason: str,
        manifest: Mapping[str, Any] | None = None,
    ) -> Path:
        """End a run that has no result: a manifest that says so, and no table.

        Calling it after the run has ended changes nothing, so that an outer handler may always
        call it.

        Parameters
        ----------
        status
            ``incomplete`` (stopped, or a peer was lost) or ``failed``.
        reason
            One sentence for the user.
        manifest
            Whatever is known by then; no key is required.

        Returns
        -------
        Path
            The manifest: in ``out_dir``, or, where an earlier run stays in there, in a folder
            beside it.

        Raises
        ------
        OutputError
            If not even the manifest can be written.
        """
        if self._ended is not None:
            return self._ended
        if status not in ("incomplete", "failed"):
            raise ValueError(f"expected status 'incomplete' or 'failed', found {status!r}")
        self._abandon()
        whole = {
            "status": status,
            "reason": reason,
            "schema_version": SCHEMA_VERSION,
            **{k: v for k, v in (manifest or {}).items() if k not in ("status", "reason")},
            "rows": dict(self.rows),
            "files": {},
        }
        text = _json(whole)
        try:
            self._ended = self._folder.publish_unfinished(text)
        finally:
            self._folder.close()
        return self._ended

    def close(self) -> None:
        """Leave the run without a result or a trace, unless it has ended. Never raises."""
        if self._ended is None:
            self._abandon()
            self._folder.close()
            self._ended = self.path / MANIFEST

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_if_ended(self) -> None:
        if self._ended is not None:
            raise ValueError(f"the run in {self.path} has ended; no more rows can be added")

    def _flush(self, name: str) -> None:
        parts = self._held[name]
        if not parts:
            return
        rows = np.concatenate(parts)
        names = Names(self._legs)
        if name == "fills":
            columns = fill_columns(rows, names)
            self._ledger.add_fills(rows, self._legs)
            self._simulated(SIM_FILL_NOTICE, rows["ts_event"], rows["ts_known"])
        elif name == "orders":
            columns = order_columns(rows, names)
            self._ledger.add_orders(rows)
            self._simulated(SIM_ORDER_ENTRY, rows["ts_sent"], rows["ts_arrived"])
        elif name == "events":
            columns = event_columns(rows, names)
        else:
            columns = self._equity.build(rows, names)
            self._ledger.add_samples(rows, self._legs)
        self._writers[name].write(columns, rows.size)
        self._held[name] = []
        self._held_rows[name] = 0

    def _simulated(self, tag: str, begin: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        happened = end != 0
        took = end[happened] - begin[happened]
        if took.size and took.min() < 0:
            raise SimulationError(
                f"expected every {tag} latency to be 0 ns or more, found {took.min()} ns"
            )
        self.latency.record_all(tag, took)

    def _complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from tapewire.analytics.report import render_report

        for name in self._tables:
            self._flush(name)
        conservation = self._ledger.check(self._legs)
        for writer in self._writers.values():
            writer.close()
        analysis = self._analyse()
        self._write_metrics(analysis)
        self._folder.write("config.yaml", self._config_yaml)
        self._folder.write("latency.hdr", self.latency.encode())
        total, *others = analysis.rows
        whole = {
            "status": "complete",
            "schema_version": SCHEMA_VERSION,
            **{k: v for k, v in given.items() if k != "status"},
            "rows": dict(self.rows),
            "conservation": conservation,
            "results": {
                "total": self._metrics.headline(total),
                "strategies": {
                    r["strategy_id"]: self._metrics.headline(r)
                    for r in others
                    if r["scope"] == "strategy"
                },
            },
            "legs": self._leg_table(),
            "files": self._folder.describe(),
        }
        if self.latency.over_range:
            note = f"{self.latency.over_range} latencies above an hour are recorded as one hour"
            whole["warnings"] = [*whole["warnings"], note]
        page = render_report(whole, analysis, self.latency.summaries())
        self._folder.write("report.html", page)
        whole["files"] = {**whole["files"], **self._folder.describe()}
        return whole

    def _analyse(self) -> Analysis:
        names = Names(self._legs)
        final: dict[int, int] = {}
        for leg, account in self._ledger.accounts.items():
            final[leg] = 0
            if account.sample is not None:
                row = account.sample.reshape(1)
                money = account_money(row, names.num[[leg]], names.den[[leg]])
                final[leg] = int(money["pnl"][0])
        files = {name: temporary_name(self.path / f"{name}.parquet") for name in TABLES}
        span = (self._ledger.first_sample_ns or 0, self._ledger.last_sample_ns or 0)
        with output_errors(self.path, "read back the tables in"):
            return analyse(files, self._legs, final, span, self._metrics)

    def _write_metrics(self, analysis: Analysis) -> None:
        writer = TableWriter(self._folder.open("metrics.parquet"), "metrics", self._metrics.table)
        self._writers["metrics"] = writer
        writer.write(self._metrics.columns(analysis.rows), len(analysis.rows))
        writer.close()

    def _leg_table(self) -> list[dict[str, Any]]:
        return [
            {
                "leg": i,
                "strategy_id": self._legs[i].strategy_id,
                "publisher_id": int(self._legs[i].publisher_id),
                "instrument_id": int(self._legs[i].instrument_id),
                "symbol": self._legs[i].symbol,
                "multiplier_num": int(self._legs[i].multiplier_num),
                "multiplier_den": int(self._legs[i].multiplier_den),
                "tick_size": int(self._legs[i].tick_size),
            }
            for i in sorted(self._ledger.accounts)
        ]

    def _abandon(self) -> None:
        for name in self._tables:
            self._held[name] = []
        for writer in self._writers.values():
            writer.abandon()
        self._folder.discard_files()

    def _fail_after(self, error: BaseException, manifest: Mapping[str, Any]) -> None:
        """Leave the best manifest that can still be written; the error itself is the story."""
        stopped = isinstance(error, (KeyboardInterrupt, InterruptedRunError))
        status: Literal["incomplete", "failed"] = "incomplete" if stopped else "failed"
        reason = str(error) or type(error).__name__
        try:
            try:
                self.fail(status, reason, manifest)
            except (TypeError, ValueError):  # what the caller gave is no JSON: say so without it
                self.fail(status, reason)
        except OutputError:
            self.close()


def _counted_as(table: str) -> str:
    return "samples" if table == "equity" else table


def _json(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as JSON text; keys in the order given, no NaN or infinity."""
    return (
        json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    )


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected a manifest value that JSON can hold, found {type(value).__name__}")
