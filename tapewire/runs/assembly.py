"""One run from configuration to run folder: replay → receiver → simulation → collector.

The replay is a child process (ipc or tcp), a thread (inproc), or a process that the user started
by hand. Everything else happens here, in one loop over batches; the simulation of a batch is one
compiled call.
"""

import contextlib
import dataclasses
import importlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from tapewire.compiled.units import NS_PER_S
from tapewire.config.loading import make_config
from tapewire.config.schema import DatabentoSource, RunConfig, SyntheticSource
from tapewire.errors import (
    InterruptedRunError,
    NoDataError,
    OutputError,
    PeerLostError,
    ProtocolError,
    TapewireError,
)
from tapewire.inputs.same_data import require_different
from tapewire.market.times import time_text
from tapewire.processes.replay_process import ReplayProcess
from tapewire.processes.signals import Signals
from tapewire.processes.transports import (
    ThreadedReplay,
    chosen_transport,
    replay_plan,
    temporary_endpoint,
)
from tapewire.runs.folders import run_folder, tell_where
from tapewire.runs.result import RunResult, copy_results, make_room

if TYPE_CHECKING:
    from tapewire.analytics import Collector
    from tapewire.inputs.cache import InputCache
    from tapewire.router import Drained, LossHalt, Simulation
    from tapewire.wire import Receiver, StreamInfo, Totals

#: Strategies halted by their loss limit that are told of by name; the manifest has all of them.
HALTS_TOLD_MAX: Final = 5


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is, once per batch."""

    events: int
    #: Events of the whole input: exact, or estimated from its size.
    events_total: int
    elapsed_s: float
    #: Simulated time, ns since the epoch.
    now_ns: int
    #: Function giving the P&L over all strategies in currency; costs a little.
    pnl: Callable[[], float]


@dataclasses.dataclass
class Hooks:
    """What the command line shows while a run goes on; silent by default."""

    announce: Callable[[str], None] = lambda text: None
    progress: Callable[[Progress], None] = lambda progress: None
    #: Starts to show how far something before the run is, from what it is and its size in MB.
    working: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = (
        lambda what, total_mb: nullcontext(lambda done_mb: None)
    )


@dataclasses.dataclass
class _Clock:
    """Wall time of this process: before the stream, and per stage of it."""

    called_s: float = dataclasses.field(default_factory=time.perf_counter)
    stream_began_s: float | None = None
    stream_ended_s: float | None = None
    receive_s: float = 0.0
    simulate_s: float = 0.0
    collect_s: float = 0.0

    @property
    def setup_s(self) -> float:
        """From the call to the request for the first batch."""
        return (self.stream_began_s or time.perf_counter()) - self.called_s

    @property
    def elapsed_s(self) -> float:
        """From the request for the first batch to the last event done, or to now."""
        if self.stream_began_s is None:
            return 0.0
        return (self.stream_ended_s or time.perf_counter()) - self.stream_began_s


def run_checked(
    config: RunConfig,
    *,
    name: str,
    output: str | os.PathLike[str] | None = None,
    force: bool = False,
    connect: str | None = None,
    hooks: Hooks | None = None,
) -> RunResult:
    """Run a backtest of a configuration as `load_config` and `make_config` give it.

    The parameters are those of `tapewire.run`, which takes more.
    """
    with Signals() as signals:
        try:
            return _Run(config, name, output, force, connect, hooks or Hooks(), signals).run()
        except KeyboardInterrupt:
            raise signals.error() from None


class _Run:
    """One run's parts, from the first check to the manifest."""

    def __init__(
        self,
        config: RunConfig,
        name: str,
        output: str | os.PathLike[str] | None,
        force: bool,
        connect: str | None,
        hooks: Hooks,
        signals: Signals,
    ) -> None:
        self.config = config
        self.hooks = hooks
        self.signals = signals
        self.connect = connect
        self.force = force
        self.name = name
        self.output = output or config.backtest.output.directory
        self.warnings: list[str] = []
        self.halts_told = 0
        self.clock = _Clock()
        self.transport = "connect"  # until it is known otherwise
        self.cache: InputCache | None = None
        self.info: StreamInfo | None = None
        self.simulation: Simulation | None = None
        self.totals: Totals | None = None

    def run(self) -> RunResult:
        from tapewire.runs import wiring

        with contextlib.ExitStack() as stack:
            receiver, replay = self._open_stream(stack)
            stack.callback(receiver.close, "the run ended before its data")
            with self.signals.immediate():
                wiring.warm_up(self.config, self.hooks.announce)
            self._note_kernel_cache()
            self.info = _connected(receiver, replay)
            if self.connect is not None:
                self._note_foreign_stream(self.info)
            self.warnings += wiring.unset_instruments(self.config, self.info)
            self.simulation = wiring.make_simulation(self.config, self.info)
            self.simulation.touch_memory()
            folder = stack.enter_context(run_folder(self.output, self.name))
            return self._simulate(receiver, replay, folder)

    def _note_kernel_cache(self) -> None:
        from tapewire.compiled.kernel_cache import CACHE_WARNING

        self.warnings += [CACHE_WARNING] if CACHE_WARNING is not None else []

    # --- the stream -------------------------------------------------------------------------

    def _open_stream(
        self, stack: contextlib.ExitStack
    ) -> tuple["Receiver", "ReplayProcess | ThreadedReplay | None"]:
        """Start the replay, wait until it has checked its files; return both ends."""
        options = self.config.backtest.replay
        timeout_s = float(options.peer_timeout_s)
        if self.connect is not None:
            return self._receiver(self.connect), None
        plan = self._plan(stack)
        self.transport = chosen_transport(options.transport)
        if self.transport == "inproc":
            thread = stack.enter_context(ThreadedReplay(plan, peer_timeout_s=timeout_s))
            thread.wait_ready(self.signals)
            return self._receiver(thread.endpoint, context=thread.context), thread
        endpoint = stack.enter_context(temporary_endpoint(self.transport))
        process = stack.enter_context(
            ReplayProcess(plan.to_json(), endpoint, peer_timeout_s=timeout_s)
        )
        importlib.import_module("tapewire.router")  # while the other process opens its files
        return self._receiver(process.wait_ready(self.signals), process), process

    def _plan(self, stack: contextlib.ExitStack) -> Any:
        source = self.config.backtest.data_source
        if isinstance(source, SyntheticSource):
            from tapewire.inputs.synthetic import session_file

            with self.signals.immediate():
                files = (str(session_file(source, self.hooks.announce)),)
            source = DatabentoSource(type="databento", files=list(files))
        options = self.config.backtest.replay
        plan = replay_plan(source, options)
        with self.signals.immediate():
            require_different(plan.files)
        if not options.cache:
            return plan
        from tapewire.inputs.cache import InputCache

        self.cache = stack.enter_context(
            InputCache(
                options.cache_max_bytes,
                announce=self.hooks.announce,
                working=self.hooks.working,
            )
        )
        with self.signals.immediate():
            plan = self.cache.prepare(plan)
        self.warnings += self.cache.warnings
        return plan

    def _receiver(
        self, endpoint: str, process: ReplayProcess | None = None, context: Any = None
    ) -> "Receiver":
        from tapewire.wire import Receiver

        def tick() -> None:
            self.signals.check()
            if process is not None:
                process.check()

        def notice(text: str) -> None:
            if self.connect is not None:
                self.hooks.announce(text)

        options = self.config.backtest.replay
        return Receiver(
            endpoint,
            payload=options.payload,
            peer_timeout_s=float(options.peer_timeout_s),
            context=context,
            tick=tick,
            notice=notice,
        )

    def _note_foreign_stream(self, info: "StreamInfo") -> None:
        """Let the configuration of the run folder name the files that were really replayed."""
        content = self.config.model_dump(mode="python", exclude_none=True)
        content["backtest"]["data_source"] = {
            "type": "databento",
            "files": [file.name for file in info.files],
        }
        self.config = make_config(content)
        self.warnings.append(
            f"the events came from a replay at {self.connect} that was started by hand: filters "
            "given there are not in config.yaml"
        )

    # --- the loop ---------------------------------------------------------------------------

    def _simulate(
        self, receiver: "Receiver", replay: "ReplayProcess | ThreadedReplay | None", folder: Path
    ) -> RunResult:
        from tapewire.analytics import Collector

        make_room(self.config.backtest.output)
        output = self.config.backtest.output
        with Collector(
            folder, self.config.to_yaml(), force=self.force, event_log=output.detailed_log
        ) as collector:
            try:
                self._feed(receiver, collector)
                self.totals = receiver.totals
                if isinstance(replay, ReplayProcess):
                    replay.wait_end()
                self._require_whole()
                with self.signals.immediate():
                    collector.finish(manifest=self._manifest(collector))
            except KeyboardInterrupt:
                error: TapewireError = self.signals.error()
                self._fail(collector, "incomplete", error, digests=False)
                raise error from None
            except (InterruptedRunError, PeerLostError) as lost:
                error = _named(lost, replay)
                self._fail(collector, "incomplete", error)
                raise error from None
            except BaseException as failed:
                self._fail(collector, "failed", failed)
                raise
        result = RunResult.load(folder)
        copy_results(self.config.backtest.output, folder)
        return result

    def _fail(
        self,
        collector: "Collector",
        status: Literal["incomplete", "failed"],
        error: BaseException,
        *,
        digests: bool = True,
    ) -> None:
        """End the run folder without results; the error itself is the story, whatever comes."""
        reason = str(error) or type(error).__name__
        with contextlib.suppress(OutputError):
            manifest = self._manifest(collector, digests=digests)
            tell_where(error, collector.fail(status, reason, manifest), collector.path)

    def _feed(self, receiver: "Receiver", collector: "Collector") -> None:
        simulation, clock, check = self.simulation, self.clock, self.signals.check
        assert simulation is not None
        total = _events_total(receiver.info)
        progress = self.hooks.progress
        events = 0
        batches = receiver.batches()
        before_s = clock.stream_began_s = time.perf_counter()
        while (batch := next(batches, None)) is not None:
            received_s = time.perf_counter()
            count = len(batch)
            simulation.feed(batch, check)
            drained = simulation.drain()
            simulated_s = time.perf_counter()
            with self.signals.immediate():  # a full row group is written here
                _collect(collector, drained, simulation)
            batch_ns = round((simulated_s - received_s) * NS_PER_S)
            collector.record_latency("batch_wall", batch_ns)
            collector.record_latency("event_wall", batch_ns // count, count)
            events += count
            clock.receive_s += received_s - before_s
            clock.simulate_s += simulated_s - received_s
            before_s = time.perf_counter()
            clock.collect_s += before_s - simulated_s
            check()
            self._announce_halts()
            progress(Progress(events, total, clock.elapsed_s, simulation.now_ns, simulation.pnl))
        with self.signals.immediate():
            simulation.finish()
            _collect(collector, simulation.drain(), simulation)
        self._announce_halts()
        clock.stream_ended_s = time.perf_counter()

    def _announce_halts(self) -> None:
        """Say when a strategy has reached its loss limit; the first few, all are in the results."""
        assert self.simulation is not None
        if self.halts_told < min(self.simulation.halted_n, HALTS_TOLD_MAX):
            halts = self.simulation.loss_halts()[self.halts_told : HALTS_TOLD_MAX]
            self.halts_told += len(halts)
            for halt in halts:
                self.hooks.announce(halt.headline())

    def _require_whole(self) -> None:
        """Refuse a run over nothing, and one whose simulation saw other than what was sent."""
        assert self.totals is not None
        assert self.simulation is not None
        if self.totals.events == 0:
            raise NoDataError(
                "expected events, found none after the filters (symbols, publishers, start, end): "
                "look at the files with `tapewire data inspect FILE`"
            )
        counts = self.simulation.counts
        if not counts["events"] and self.info is not None:
            start = time_text(self.info.warmup_until_ns)
            raise NoDataError(
                f"expected events at or after start ({start}), found "
                f"{counts['warmup_records']} records, all before it"
            )
        simulated = _applied(counts)
        if simulated != self.totals.events:
            raise ProtocolError(
                f"expected {self.totals.events} events in the simulation, found {simulated}"
            )
        if self.cache is not None:
            self.cache.require_intact(self.totals.files)

    # --- the manifest -----------------------------------------------------------------------

    def _manifest(
        self, collector: "Collector | None" = None, *, digests: bool = True
    ) -> dict[str, Any]:
        """Describe the run as far as it is known, at its end or where it stopped.

        Digests may take a second where legs are many: without them when somebody waits.
        """
        from tapewire.runs.versions import versions

        simulation, totals, clock = self.simulation, self.totals, self.clock
        counts = dict(simulation.counts) if simulation is not None else {}
        halts = simulation.loss_halts() if simulation is not None else []
        events = int(counts.get("events", 0))
        elapsed_s = clock.elapsed_s
        manifest: dict[str, Any] = {
            "events": events,
            "elapsed_s": round(elapsed_s, 6),
            "events_per_s": round(_applied(counts) / elapsed_s, 1) if elapsed_s else 0.0,
            "setup_s": round(clock.setup_s, 6),
            "config": self.config.to_dict(),
            "versions": versions(),
            "inputs": _inputs(self.info, totals, self.cache),
            "counts": {key: int(value) for key, value in counts.items()},
            "stages": _stages(_applied(counts), clock, totals),
            "loss_halts": [halt.to_dict() for halt in halts],
            "warnings": self.warnings + _halt_warnings(halts) + _count_warnings(counts, totals),
        }
        if self.info is not None:
            manifest["warmup"] = _warmup(self.info, counts)
            manifest["warnings"] += _warmup_warnings(manifest["warmup"])
            manifest["stream"] = {
                "transport": self.transport,
                "payload": self.info.payload,
                "batch_records": self.info.batch_records,
            }
        if self.cache is not None:
            manifest["cache"] = self.cache.describe()
        if collector is not None and simulation is not None:
            manifest["warnings"] += collector.denial_warnings()
        if totals is not None and simulation is not None:
            manifest["warnings"] += _log_warnings(counts, simulation.now_ns)
            manifest["stream"] |= {"batches": totals.batches, "digest": totals.digest}
            if digests:
                manifest["digest"] = simulation.digest()
                manifest["digests"] = simulation.digests()
        return manifest


def _connected(
    receiver: "Receiver",
    replay: "ReplayProcess | ThreadedReplay | None",
) -> "StreamInfo":
    try:
        return receiver.connect()
    except PeerLostError as lost:
        raise _named(lost, replay) from None


def _named(error: TapewireError, replay: "ReplayProcess | ThreadedReplay | None") -> TapewireError:
    """Prefer what the replay itself said to how its silence looked from here."""
    if isinstance(error, PeerLostError) and isinstance(replay, ReplayProcess):
        return replay.error() or error
    return error


#: Bytes of a compressed MBO record, roughly: what turns a file size into an estimate.
_COMPRESSED_RECORD_BYTES: Final = 15


def _events_total(info: "StreamInfo") -> int:
    """Return how many events to expect: exactly, or estimated from the sizes of the files."""
    if info.records is not None:
        return info.records
    return sum(file.records or file.size_bytes // _COMPRESSED_RECORD_BYTES for file in info.files)


def _inputs(
    info: "StreamInfo | None", totals: "Totals | None", cache: "InputCache | None"
) -> list[dict[str, Any]]:
    """Describe the files that the configuration names, whatever copies of them were replayed."""
    if info is None:
        return []
    ends = {file.name: file for file in totals.files} if totals is not None else {}
    cached = cache.inputs if cache is not None else {}
    inputs = []
    for replayed in info.files:
        end = ends.get(replayed.name)
        file, content = replayed, end.content_hash if end else None
        if replayed.name in cached:
            file = cached[replayed.name].original
            content = cached[replayed.name].original_hash if content else None
        inputs.append(
            {
                "file": file.name,
                "bytes": file.size_bytes,
                "xxh3_128": content,
                "dataset": file.dataset,
                "dbn_version": file.dbn_version,
                "records_read": end.records_read if end else None,
                "records_used": end.records_kept if end else None,
            }
        )
    return inputs


def _stages(events: int, clock: _Clock, totals: "Totals | None") -> dict[str, Any]:
    """Seconds and throughput of each stage; the replay's run beside those of this process."""

    def stage(seconds: float) -> dict[str, float]:
        return {
            "seconds": round(seconds, 6),
            "events_per_s": round(events / seconds, 1) if seconds > 0 else 0.0,
        }

    stages = {
        "receive": stage(clock.receive_s),
        "simulate": stage(clock.simulate_s),
        "collect": stage(clock.collect_s),
    }
    if totals is not None:
        stages["decode"] = stage(totals.decode_s)
        stages["replay_wait"] = stage(totals.wait_s)
        stages["replay_pace"] = stage(totals.pace_s)
    return stages


def _applied(counts: Mapping[str, int]) -> int:
    """Return how many records the simulation took in, those of the warm-up included."""
    return int(counts.get("events", 0)) + int(counts.get("warmup_records", 0))


def _warmup(info: "StreamInfo", counts: Mapping[str, int]) -> dict[str, Any]:
    """Describe what built the books before the start."""
    if not info.warmup_until_ns:
        return {"mode": "none", "records": 0}
    return {
        "mode": info.warmup,
        "until_ns": info.warmup_until_ns,
        "records": counts.get("warmup_records", 0),
        "books_without_snapshot": counts.get("warmup_books_without_snapshot", 0),
    }


def _warmup_warnings(warmup: Mapping[str, Any]) -> list[str]:
    unbegun = warmup.get("books_without_snapshot", 0)
    if warmup["mode"] != "snapshot" or not unbegun:
        return []
    what = f"{unbegun:,} books have no snapshot before start"
    return [f"warmup: snapshot: {what}: they were built from their first record on, as with full"]


def _collect(collector: "Collector", drained: "Drained", simulation: "Simulation") -> None:
    collector.add(
        drained.fills, drained.orders, drained.samples, simulation.legs, drained.events
    )  # fmt: skip


def _halt_warnings(halts: "Sequence[LossHalt]") -> list[str]:
    said = [halt.sentence() for halt in halts[:HALTS_TOLD_MAX]]
    if len(halts) > HALTS_TOLD_MAX:
        more = len(halts) - HALTS_TOLD_MAX
        said.append(f"{more:,} more reached max_loss: see loss_halts in manifest.json")
    return said


def _log_warnings(counts: Mapping[str, int], now_ns: int) -> list[str]:
    """Say how many rows of order logs were left over when the data ended."""
    unsent = counts.get("log_rows_unsent", 0)
    if not unsent:
        return []
    rows = "row of an order log was" if unsent == 1 else "rows of order logs were"
    return [f"{unsent:,} {rows} not sent: the data ended before, at {time_text(now_ns)}"]


def _count_warnings(counts: Mapping[str, int], totals: "Totals | None") -> list[str]:
    """Say in words which counts deserve a look."""
    said = {
        "locked_events": "events left a book locked (best bid = best ask)",
        "crossed_events": "events left a book crossed (best bid > best ask)",
        "unknown_cancels": "cancels named an order that was not in the book",
        "unknown_modifies": "modifies named an order that was not in the book: taken as adds",
        "duplicate_adds": "adds named an order that was in the book already",
        "ignored_records": "records could not be applied to a book",
        "missing_last": "events had no F_LAST: record boundaries stood in for event boundaries",
        "maybe_bad_book": "records are flagged F_MAYBE_BAD_BOOK: the capture may have gaps",
        "clamped_ts_event": "records went back in ts_event and were clamped",
    }
    warnings = [f"{counts[key]:,} {text}" for key, text in said.items() if counts.get(key)]
    if early := counts.get("fills_known_before_capture"):
        lead_us = counts["fills_known_before_capture_ns_max"] / 1000
        fills = "fill was known to its" if early == 1 else "fills were known to their"
        it = "it" if early == 1 else "them"
        warnings.append(
            f"{early:,} {fills} strategy before the record that caused {it} was "
            f"captured, by up to {lead_us:,.1f} µs: order responses do not travel by the feed "
            "(execution.fill_notice: feed makes them wait for it)"
        )
    if late := counts.get("late_responses"):
        late_us = counts["late_responses_ns_max"] / 1000
        responses = "order response was" if late == 1 else "order responses were"
        warnings.append(
            f"{late:,} {responses} told later than due, by up to {late_us:,.1f} µs: the event that "
            "decided them was captured when their strategy's clock had passed that time"
        )
    if totals is not None and totals.clamped_ts_recv:
        warnings.append(f"{totals.clamped_ts_recv:,} records went back in ts_recv and were clamped")
    return warnings
