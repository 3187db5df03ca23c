"""A run whose days are apart: each is played by itself, here or by workers, and all are joined.

Whoever plays a day leaves its rows in a folder within the run folder. This process takes them in
the order of the days, batch by batch, and does all else as any run does: tables, accounts, metrics,
report.
"""

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tapewire.analytics.run_folder import DAYS
from tapewire.atomic import output_errors
from tapewire.config.schema import RunConfig
from tapewire.errors import (
    ConfigError,
    InterruptedRunError,
    NoDataError,
    OutputError,
    PeerLostError,
    TapewireError,
)
from tapewire.runs import one_day
from tapewire.runs.assembly import RunAssembly
from tapewire.runs.checkpoint import Checkpoint, require_checkpoint
from tapewire.runs.day_ends import rows_of
from tapewire.runs.day_rows import rows_in
from tapewire.runs.days import DayApart, days_of
from tapewire.runs.feed import events_expected
from tapewire.runs.folders import run_folder
from tapewire.runs.joining import JoinedDays
from tapewire.runs.manifest import manifest_of
from tapewire.runs.players import Far, Played, as_played, played_by_workers, played_here
from tapewire.runs.result import RunResult, copy_results, make_room
from tapewire.runs.stream import replayed_plan
from tapewire.runs.warnings import gap_warnings

if TYPE_CHECKING:
    from tapewire.processes.collector_process import RunCollector
    from tapewire.wire import Totals

#: What of a stream's totals adds up.
_SUMS: Final = (
    "events", "batches", "clamped_ts_recv", "filtered", "decode_s", "wait_s", "pace_s", "duplicates"
)  # fmt: skip


class ApartRun(RunAssembly):
    """The parts of a run whose days are apart, from the first check to the manifest."""

    _kept: Checkpoint | None = None
    _day_n = 0

    def run(self) -> RunResult:
        """Play the days and join them; see `tapewire.runs.assembly.run_checked`."""
        from tapewire.replay import open_source
        from tapewire.runs import wiring
        from tapewire.runs.contract_warnings import contract_warnings
        from tapewire.runs.contracts import contracts_of

        facts = self.facts
        if self.connect is not None:
            raise ConfigError(
                "connect: expected days together (replay.days) with a replay that was started by "
                "hand, found days apart"
            )
        if self.resume:
            require_checkpoint(self.output)
        self._require_output()
        with contextlib.ExitStack() as stack:
            plan = replayed_plan(facts, self.hooks, self.signals, stack)
            with self.signals.immediate(), open_source(plan) as source:
                whole = facts.info = source.info
                days, notes = days_of(plan, source.headers)
            facts.transport = as_played(facts.config).backtest.replay.transport
            facts.warnings += [*notes, *gap_warnings(whole.files, apart=True)]
            process = self._collector_process(stack)
            with self.signals.immediate():
                wiring.warm_up(facts.config, self.hooks.announce)
            self._note_kernel_cache()
            facts.contracts = contracts_of(facts.config, whole, facts.rolls)
            facts.warnings += contract_warnings(facts.config, whole, facts.contracts)
            facts.status = wiring.status_files(facts.config)
            given = one_day.DaysGiven(whole, facts.contracts, facts.status)
            joined = facts.simulation = JoinedDays(
                wiring.simulation_config(facts.config, whole, facts.status, facts.contracts)
            )
            folder = stack.enter_context(run_folder(self.output, self.name))
            make_room(facts.config.backtest.output)
            with self._collector(folder, process) as collector, self._ending(collector):
                self._play(days, given, folder, joined, collector)
                self._finish(days, joined, collector)
                if self._kept is not None:
                    self._kept.remove()
            result = RunResult.load(folder)
            copy_results(facts.config.backtest.output, folder)
            return result

    @contextlib.contextmanager
    def _ending(self, collector: "RunCollector") -> Iterator[None]:
        """Have whatever goes wrong told by the folder's manifest, too."""
        try:
            yield
        except KeyboardInterrupt:
            error: TapewireError = self.signals.error()
            self._fail(collector, "incomplete", error, digests=False)
            self._tell_how_to_go_on(error, collector.path)
            raise error from None
        except (InterruptedRunError, PeerLostError) as lost:
            self._fail(collector, "incomplete", lost)
            self._tell_how_to_go_on(lost, collector.path)
            raise
        except BaseException as failed:
            self._fail(collector, "failed", failed)
            if isinstance(failed, OutputError):  # what else fails would fail again
                self._tell_how_to_go_on(failed, collector.path)
            raise

    def _tell_how_to_go_on(self, error: TapewireError, folder: Path) -> None:
        """Add to an error how many days are kept, and how to go on with them."""
        if self._kept is None:
            return
        with contextlib.suppress(TapewireError, OSError):
            told = f"{self._kept.done():,} of {self._day_n:,} days are kept"
            how = f"the same command with -o {folder} and --resume, not --checkpoint, goes on"
            error.args = (f"{error}; {told}: {how}",)

    def _finish(
        self, days: Sequence[DayApart], joined: JoinedDays, collector: "RunCollector"
    ) -> None:
        """Write what a run ends with."""
        if not joined.counts["events"]:
            raise NoDataError(
                "expected events, found none after the filters (symbols, publishers, start, end): "
                "look at the files with `tapewire data inspect FILE`"
            )
        empty = [day.date for day in days if day.date not in {one["date"] for one in joined.days}]
        if empty:
            self.facts.warnings.append(f"the filters leave no record of {', '.join(empty[:5])}")
        canceled, lots = (
            sum(one[name] for one in joined.days) for name in ("orders_canceled", "closed_lots")
        )
        if canceled or lots:
            self.facts.warnings.append(
                f"days are apart: at their ends {canceled:,} open orders were canceled and "
                f"{lots:,} lots closed"
            )
        with self.signals.immediate():
            manifest = manifest_of(self.facts, collector)
            manifest["days"] = joined.days
            if self.resume and self._kept is not None:
                manifest["resumed"] = {
                    "days_kept": [day.date for day in days if day.number in self._kept.ends]
                }
            collector.finish(manifest=manifest)

    # --- playing ----------------------------------------------------------------------------------

    def _play(
        self,
        days: Sequence[DayApart],
        given: one_day.DaysGiven,
        folder: Path,
        joined: JoinedDays,
        collector: "RunCollector",
    ) -> None:
        """Have every day played, and join each when those before it are."""
        clock, config = self.facts.clock, as_played(self.facts.config)
        parts = self._parts(folder, days)
        kept = self._kept.ends if self._kept is not None else {}
        clock.stream_began_s = time.perf_counter()
        far = Far(self.hooks, events_expected(given.stream), joined)
        missing = [day for day in days if day.number not in kept]
        played = self._players(config, given, missing, parts, far)
        totals = []
        try:
            with contextlib.closing(played):
                for day in days:
                    end = kept.get(day.number)
                    if end is None:
                        played_day, end = next(played)
                        assert played_day is day
                    if end is None:
                        continue
                    rows = rows_of(parts, day)
                    with self.signals.immediate():
                        joined.add(day, end, rows_in(rows), collector)
                    if self._kept is None:
                        rows.unlink()
                    far.has_joined(day)
                    totals.append(end.totals)
                    clock.receive_s += end.stages_s[0]
                    clock.simulate_s += end.stages_s[1]
                    clock.collect_s += end.stages_s[2]
        finally:
            if self._kept is None:
                shutil.rmtree(parts, ignore_errors=True)
        clock.stream_ended_s = time.perf_counter()
        self.facts.totals = _together(totals) if totals else None

    def _parts(self, folder: Path, days: Sequence[DayApart]) -> Path:
        """Return the folder that days go into, with those that are kept from before."""
        self._day_n = len(days)
        if self.checkpoint or self.resume:
            with self.signals.immediate():  # what days have read is read again
                self._kept = Checkpoint(folder, self.facts, days, resume=self.resume)
            if self.resume:
                there = len(self._kept.ends)
                self.hooks.announce(f"{there:,} of {len(days):,} days are there from before")
            return self._kept.path
        parts = folder / DAYS
        with output_errors(parts, "make"):
            parts.mkdir(mode=0o700)
        return parts

    def _players(
        self, config: RunConfig, given: one_day.DaysGiven, days: Sequence[DayApart], parts: Path,
        far: Far,
    ) -> Played:  # fmt: skip
        """Who plays the days: this process, or several at a time."""
        workers, keep = min(config.backtest.replay.workers, len(days)), self._kept is not None
        if workers <= 1:
            return played_here(config, given, days, parts, far, self.signals, keep=keep)
        return played_by_workers(config, given, days, parts, far, self.signals, workers, keep=keep)


def _together(totals: "Sequence[Totals]") -> "Totals":
    """Return what the streams of days carried as what one would have."""
    content = hashlib.sha256("|".join(one.digest for one in totals).encode())
    return msgspec.structs.replace(
        totals[0],
        last_ts_recv=totals[-1].last_ts_recv,
        digest=content.hexdigest(),
        files=tuple(file for one in totals for file in one.files),
        **{name: sum(getattr(one, name) for one in totals) for name in _SUMS},
    )
