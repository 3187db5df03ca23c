"""One run from configuration to run folder: replay → receiver → simulation → collector.

Everything but the replay happens here, in one loop over batches (`tapewire.runs.feed`); the
simulation of a batch is one compiled call.
"""

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from tapewire.config.accounts import margins
from tapewire.config.schema import RunConfig, to_fixed
from tapewire.errors import (
    ConfigError,
    FlaggedDataError,
    InterruptedRunError,
    NoDataError,
    OutputError,
    PeerLostError,
    ProtocolError,
    StrategyError,
)
from tapewire.market.times import time_text
from tapewire.processes.signals import Signals
from tapewire.processes.transports import chosen_collector
from tapewire.runs.feed import Feed
from tapewire.runs.folders import run_folder, tell_where
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.manifest import RunFacts, applied, manifest_of
from tapewire.runs.models import RunModels
from tapewire.runs.result import RunResult, copy_results, make_room
from tapewire.runs.settlements import settlement_prices
from tapewire.runs.stream import Stream
from tapewire.runs.warnings import gap_warnings

if TYPE_CHECKING:
    from tapewire.processes.collector_process import CollectorProcess, RunCollector
    from tapewire.router import Simulation
    from tapewire.runs.feed import OrderGate

#: An error, whichever it is.
AnError = TypeVar("AnError", bound=BaseException)


def run_checked(
    config: RunConfig,
    *,
    name: str,
    output: str | os.PathLike[str] | None = None,
    force: bool = False,
    connect: str | None = None,
    hooks: Hooks | None = None,
    checkpoint: bool = False,
    resume: bool = False,
) -> RunResult:
    """Run a backtest of a configuration as `load_config` and `make_config` give it.

    The parameters are those of `tapewire.run`, which takes more.
    """
    if checkpoint and resume:
        raise ConfigError("--resume: expected without --checkpoint, as it keeps days itself")
    if (checkpoint or resume) and config.backtest.replay.days == "together":
        raise ConfigError(
            f"--{'resume' if resume else 'checkpoint'}: expected days apart (replay.days), which "
            "are kept one by one; days together are one simulation, whose state is not kept"
        )
    with Signals() as signals:
        try:
            run = _kind_of(config)(
                config, name, output, force, connect, hooks or Hooks(), signals,
                checkpoint=checkpoint, resume=resume,
            )  # fmt: skip
            return run.run()
        except KeyboardInterrupt:
            raise signals.error() from None


def _kind_of(config: RunConfig) -> "type[RunAssembly]":
    if config.backtest.replay.days == "together":
        return RunAssembly
    from tapewire.runs.apart import ApartRun

    return ApartRun


class RunAssembly:
    """One run's parts, from the first check to the manifest.

    Attributes
    ----------
    keeps_rows
        Whether the rows of a run that did not come to its end are kept.
    orders_go_abroad
        Whether a broker works its orders, and not the simulation.
    """

    keeps_rows = False
    orders_go_abroad = False

    def __init__(
        self,
        config: RunConfig,
        name: str,
        output: str | os.PathLike[str] | None,
        force: bool,
        connect: str | None,
        hooks: Hooks,
        signals: Signals,
        *,
        checkpoint: bool = False,
        resume: bool = False,
    ) -> None:
        self.facts = RunFacts(config, warnings=list(config.notes))
        self.name = name
        self.output = output or config.backtest.output.directory
        self.force = force
        self.connect = connect
        self.hooks = hooks
        self.signals = signals
        self.checkpoint = checkpoint
        self.resume = resume

    def run(self) -> RunResult:
        """Run it; see `run_checked`."""
        from tapewire.runs import wiring
        from tapewire.runs.contract_warnings import contract_warnings
        from tapewire.runs.contracts import contracts_of

        facts = self.facts
        self._require_output()
        with contextlib.ExitStack() as stack:
            self._serve_metrics(stack)
            stream = self._stream(stack)
            process = self._collector_process(stack, stream)
            with self.signals.immediate(), self.signals.watching(stream.check):
                wiring.warm_up(facts.config, self.hooks.announce, abroad=self.orders_go_abroad)
            self._note_kernel_cache()
            facts.info = stream.begin()
            facts.warnings += gap_warnings(facts.info.files)
            facts.contracts = contracts_of(facts.config, facts.info, facts.rolls)
            facts.warnings += contract_warnings(facts.config, facts.info, facts.contracts)
            times = facts.contracts.reach(facts.info)
            facts.models = RunModels(facts.config, self.hooks.announce, stack, times)
            facts.status = wiring.status_files(facts.config)
            simulation = facts.simulation = wiring.make_simulation(
                facts.config, facts.info, facts.models, facts.status, facts.contracts,
                touches=facts.config.backtest.output.markouts, abroad=self.orders_go_abroad,
            )  # fmt: skip
            simulation.touch_memory()
            folder = stack.enter_context(run_folder(self.output, self.name))
            return self._simulate(stream, simulation, folder, process)

    def _require_output(self) -> None:
        """Refuse a run folder that can't be used, before anything is prepared."""
        from tapewire.analytics.run_folder import require_usable

        if self.output:
            require_usable(Path(self.output), force=self.force, resume=self.resume)

    def _stream(self, stack: contextlib.ExitStack) -> Stream:
        """Start what brings the data."""
        return Stream(self.facts, self.connect, self.hooks, self.signals, stack)

    def _gate(self, simulation: "Simulation") -> "OrderGate | None":
        """Say what stands between the data and orders: of files, nothing."""
        return None

    def _serve_metrics(self, stack: contextlib.ExitStack) -> None:
        port = self.facts.config.backtest.output.metrics_port
        if port is None:
            return
        from tapewire.runs.metrics_page import MetricsPage

        page, told = stack.enter_context(MetricsPage(port)), self.hooks.progress

        def progress(progress: RunProgress) -> None:
            page.progress(progress)
            told(progress)

        self.hooks = dataclasses.replace(self.hooks, progress=progress)

    def _collector_process(
        self, stack: contextlib.ExitStack, stream: Stream | None = None
    ) -> "CollectorProcess | None":
        """Start the process that writes the files, if it is to be one: it takes a moment."""
        wanted = self.facts.config.backtest.output.collector
        self.facts.collector = chosen_collector(wanted, self.facts.transport)
        if self.facts.collector == "inline":
            return None
        from tapewire.processes.collector_process import CollectorProcess

        coming = [] if stream is None else [stream.check]
        return stack.enter_context(CollectorProcess(self.signals.check, *coming))

    def _collector(self, folder: Path, process: "CollectorProcess | None") -> "RunCollector":
        """Have the run folder claimed by who writes into it."""
        from tapewire.analytics import Collector
        from tapewire.processes.collector_thread import CollectorThread

        config, info = self.facts.config, self.facts.info
        capital, contracts = config.backtest.initial_capital, self.facts.contracts
        assert contracts is not None
        assert info is not None
        claim = Collector if process is None else process.begin
        claimed = claim(
            folder, config.to_yaml(), force=self.force, resume=self.resume,
            event_log=config.backtest.output.keeps_events,
            markouts=config.backtest.output.markouts,
            initial_capital=None if capital is None else to_fixed(capital),
            margins=margins(config.backtest, contracts.account, contracts.rates_of),
            rates=contracts.rates,
            settlements=settlement_prices(contracts, config.backtest.session, info),
        )  # fmt: skip
        return CollectorThread(claimed) if isinstance(claimed, Collector) else claimed

    def _note_kernel_cache(self) -> None:
        from tapewire.compiled.kernel_cache import CACHE_WARNING

        self.facts.warnings += [CACHE_WARNING] if CACHE_WARNING is not None else []

    def _simulate(
        self,
        stream: Stream,
        simulation: "Simulation",
        folder: Path,
        process: "CollectorProcess | None",
    ) -> RunResult:
        facts = self.facts

        def check() -> None:
            self.signals.check()
            stream.check()

        make_room(facts.config.backtest.output)
        with self._collector(folder, process) as collector:
            feed = Feed(
                simulation, collector, facts.clock, self.hooks, self.signals, facts.models,
                facts.warnings, self._gate(simulation),
            )  # fmt: skip
            try:
                if facts.models is not None:
                    facts.models.connect(check)
                feed.run(stream.receiver)
                facts.totals = stream.receiver.totals
                stream.wait_end()
                self._require_whole()
                with self.signals.immediate():
                    if facts.models is not None:
                        facts.models.record_latencies(collector)
                    collector.finish(manifest=manifest_of(facts, collector))
            except KeyboardInterrupt:
                raise self._fail(
                    collector, "incomplete", self.signals.error(), digests=False
                ) from None
            except (InterruptedRunError, PeerLostError) as lost:
                is_collector = process is not None and process.is_lost
                # Without a name here: an error with one holds this frame, and all memory, for long.
                raise self._fail(
                    collector, "incomplete", lost if is_collector else stream.named(lost)
                ) from None
            except StrategyError as strategy:
                with self.signals.immediate():  # up to three row groups are written here
                    feed.collect_rest()
                    self._fail(collector, "failed", strategy, keep_rows=True)
                raise
            except FlaggedDataError as flagged:
                with self.signals.immediate():  # a file may have to be read as far as that record
                    placed = self._located(flagged)
                    self._fail(collector, "failed", placed)
                raise placed from None
            except BaseException as failed:
                self._fail(collector, "failed", failed)
                raise
        return self._result(folder)

    def _result(self, folder: Path) -> RunResult:
        """Return what is in the run folder."""
        result = RunResult.load(folder)
        copy_results(self.facts.config.backtest.output, folder)
        return result

    def _fail(
        self,
        collector: "RunCollector",
        status: Literal["incomplete", "failed"],
        error: AnError,
        *,
        digests: bool = True,
        keep_rows: bool = False,
    ) -> AnError:
        """End the run folder without results; return the error, which is the story in any case."""
        reason = str(error) or type(error).__name__
        with contextlib.suppress(OutputError):
            manifest = manifest_of(self.facts, collector, digests=digests)
            if isinstance(error, StrategyError):
                manifest["failure"] = {
                    "strategy_id": error.strategy_id,
                    "ts_ns": error.ts_ns,
                    "symbol": error.symbol,
                }
            where = collector.fail(status, reason, manifest, keep_rows=keep_rows or self.keeps_rows)
            tell_where(error, where, collector.path)
        return error

    def _located(self, error: FlaggedDataError) -> FlaggedDataError:
        from tapewire.runs.flagged import located

        assert self.facts.info is not None
        return located(error, self.facts.info.files, self.signals.check)

    def _require_whole(self) -> None:
        """Refuse a run over nothing, and one whose simulation saw other than what was sent."""
        facts = self.facts
        assert facts.totals is not None
        assert facts.simulation is not None
        if facts.totals.events == 0:
            raise NoDataError(
                "expected events, found none after the filters (symbols, publishers, start, end): "
                "look at the files with `tapewire data inspect FILE`"
            )
        counts = facts.simulation.counts
        if not counts["events"] and facts.info is not None:
            start = time_text(facts.info.warmup_until_ns)
            raise NoDataError(
                f"expected events at or after start ({start}), found "
                f"{counts['warmup_records']} records, all before it"
            )
        simulated = applied(counts)
        if simulated != facts.totals.events:
            raise ProtocolError(
                f"expected {facts.totals.events} events in the simulation, found {simulated}"
            )
        if facts.cache is not None:
            facts.cache.require_intact(facts.totals.files)
