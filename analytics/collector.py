"""Takes the simulation's rows as they come and turns them into a run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.analysis import Analysis, analyse
from tapewire.analytics.arrivals import Arrivals
from tapewire.analytics.bands import Bands
from tapewire.analytics.denials import Denials
from tapewire.analytics.latency import LatencyLog
from tapewire.analytics.ledger import Leg
from tapewire.analytics.manifest import (
    ROWS_KEPT,
    complete_manifest,
    leg_table,
    manifest_text,
    missing_keys,
    unfinished_manifest,
)
from tapewire.analytics.margins import Margins
from tapewire.analytics.markouts import Markouts
from tapewire.analytics.metrics import METRICS, Registry, failures
from tapewire.analytics.rates import Conversion, Rates
from tapewire.analytics.row_tables import RowTables
from tapewire.analytics.run_folder import MANIFEST, RunFolder
from tapewire.analytics.schemas import SETTLEMENTS
from tapewire.analytics.settlements import SettlementPrices, settlement_columns
from tapewire.analytics.tables import ROW_GROUP_ROWS, TABLES, TABLES_ASKED_FOR
from tapewire.analytics.variants import Variants
from tapewire.atomic import output_errors, temporary_name
from tapewire.errors import InterruptedRunError, OutputError, SimulationError


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
    resume
        Leave the days in ``out_dir`` that a run which was stopped has kept.
    event_log
        Write ``events.parquet``, too.
    markouts
        Write ``markouts.parquet`` and what orders cost, too, and what follows from them.
    row_group_rows
        Rows held in memory per table.
    metrics
        What is computed of every leg, of every strategy and in total.
    initial_capital
        What each strategy begins with, 1e-9 currency; without it there are no returns.
    margins
        What a lot takes as margin by symbol, where that is known.
    rates
        Of instruments in other currencies, where their rates change.
    settlements
        What instruments settled at by day; with any, ``settlements.parquet`` is written.

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
        resume: bool = False,
        event_log: bool = False,
        markouts: bool = False,
        row_group_rows: int = ROW_GROUP_ROWS,
        metrics: Registry = METRICS,
        initial_capital: int | None = None,
        margins: Margins | None = None,
        rates: Rates | None = None,
        settlements: SettlementPrices | None = None,
    ) -> None:
        if row_group_rows < 1:
            raise ValueError(f"expected row_group_rows >= 1, found {row_group_rows}")
        self.path = Path(out_dir)
        self.latency = LatencyLog()
        self._metrics = metrics
        self._initial_capital = initial_capital
        self._margins = margins
        self._conversion = Conversion(rates)
        self._settlements = settlements
        self._config_yaml = config_yaml
        self._legs: Sequence[Leg] = ()
        self._denials = Denials()
        self._ended: Path | None = None
        self._folder = RunFolder(self.path, force=force, resume=resume)
        self._markouts = Markouts() if markouts else None
        self._bands = Bands() if markouts else None
        self._arrivals = Arrivals() if markouts else None
        asked = {"events": event_log, "markouts": markouts}
        tables = TABLES | {name: TABLES_ASKED_FOR[name] for name in asked if asked[name]}
        try:
            self._tables = RowTables(
                self._folder, tables, row_group_rows, self.latency, self._conversion
            )
        except BaseException:
            self._folder.close()
            raise
        self.rows = self._tables.rows

    def add(
        self,
        fills: NDArray[np.void],
        orders: NDArray[np.void],
        samples: NDArray[np.void],
        legs: Sequence[Leg],
        events: NDArray[np.void] | None = None,
        series: NDArray[np.void] | None = None,
        series_names: Sequence[str] = (),
        fees: NDArray[np.void] | None = None,
        fee_names: Sequence[str] = (),
        touches: NDArray[np.void] | None = None,
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
        series, series_names
            ``SERIES_DTYPE``, and the names that it counts; they may have grown since the last call.
        fees, fee_names
            ``FEE_DTYPE``, and the names of lines that it counts.
        touches
            ``TOUCH_DTYPE``, of a run that has markouts.

        Raises
        ------
        SimulationError
            If the rows contradict each other (see `Ledger`).
        OutputError
            If a row group can't be written.
        """
        self._refuse_if_ended()
        self._legs = legs
        known = orders
        if self._arrivals is not None and touches is not None:
            known = self._arrivals.add(fills, orders, touches)
        tables = {"fills": fills, "orders": known, "equity": samples}
        if events is not None and "events" in self._tables:
            tables["events"] = events
        for name, rows in tables.items():
            self._tables.add(name, rows, legs)
            if name == "orders" and rows.size:
                self._denials.add(rows)
        if self._markouts is not None and touches is not None:
            self._tables.add("markouts", self._markouts.add(fills, touches), legs)
        if self._bands is not None and touches is not None:
            self._bands.add(fills, touches)
        if series is not None:
            self._tables.add_series(series, series_names, legs)
        if fees is not None:
            self._tables.add_fees(fees, fee_names, legs)

    def denial_warnings(self) -> list[str]:
        """Say which strategies had orders denied so far, and why."""
        return self._denials.warnings(self._legs)

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
            At least the keys of `REQUIRED_KEYS`, JSON-ready; ``variants`` are what `Variants`
            takes. The collector adds ``status``, ``schema_version``, ``rows``, ``legs``,
            ``conservation``, ``results`` and ``files``.

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
        missing = missing_keys(manifest)
        if missing or manifest is None:
            raise ValueError(f"expected manifest keys {missing}, found none of them")
        try:
            whole = self._complete(manifest)
            self._ended = self._folder.publish(manifest_text(whole))
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
        *,
        keep_rows: bool = False,
    ) -> Path:
        """End a run that has no result: a manifest that says so, and no report or metrics.

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
        keep_rows
            Keep the tables of the rows so far, marked incomplete; the manifest says so, or why they
            could not be kept (``rows_kept``). Without it there is no table.

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
        whole = unfinished_manifest(status, reason, manifest, self.rows)
        if keep_rows:
            whole |= self._keep_rows(status)
        else:
            self._abandon()
        text = manifest_text(whole)
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

    def _complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from tapewire.analytics.report import render_report

        self._end_markouts()
        conservation = self._tables.finish()
        analysis = self._analyse()
        self._tables.write_whole(
            "metrics", self._metrics.table, self._metrics.columns(analysis.rows), len(analysis.rows)
        )
        if self._settlements:
            days = settlement_columns(analysis.settled, self._legs)
            self._tables.write_whole("settlements", SETTLEMENTS, days, len(analysis.settled))
        variants = None
        if given.get("variants"):
            variants = Variants(given["variants"], given["digests"], analysis)
            columns = variants.columns()
            self._tables.write_whole("variants", variants.schema, columns, len(given["variants"]))
        self._folder.write("config.yaml", self._config_yaml)
        self._folder.write("latency.hdr", self.latency.encode())
        legs = leg_table(self._legs, self._tables.ledger.accounts)
        whole = complete_manifest(given, self.rows, conservation, analysis, legs)
        whole["warnings"] = [*whole["warnings"], *failures(analysis.failed)]
        whole["files"] = self._folder.describe()
        if self.latency.over_range:
            note = f"{self.latency.over_range} latencies above an hour are recorded as one hour"
            whole["warnings"] = [*whole["warnings"], note]
        page = render_report(whole, analysis, self.latency.summaries(), variants)
        self._folder.write("report.html", page)
        whole["files"] = {**whole["files"], **self._folder.describe()}
        return whole

    def _end_markouts(self) -> None:
        if self._markouts is not None:
            self._tables.add("markouts", self._markouts.finish(), self._legs)

    def _analyse(self) -> Analysis:
        ledger, final = self._tables.ledger, self._tables.final_pnl()
        wanted = [*TABLES, *(name for name in ("markouts", "series") if name in self._tables)]
        files = {name: temporary_name(self.path / f"{name}.parquet") for name in wanted}
        span = (ledger.first_sample_ns or 0, ledger.last_sample_ns or 0)
        with output_errors(self.path, "read back the tables in"):
            return analyse(
                files, self._legs, final, span, self._metrics, self._initial_capital,
                self._margins, self._bands, self._conversion, self._settlements,
            )  # fmt: skip

    def _keep_rows(self, status: str) -> dict[str, Any]:
        """Close the tables as they are; return what the manifest says of them."""
        try:
            self._end_markouts()
            self._tables.finish_unchecked(status)
            self._folder.write("config.yaml", self._config_yaml)
            return {"rows_kept": ROWS_KEPT, "files": self._folder.describe()}
        except (SimulationError, OutputError) as error:
            self._abandon()
            return {"rows_kept": f"none of the rows could be kept: {error}"}

    def _abandon(self) -> None:
        self._tables.abandon()
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
