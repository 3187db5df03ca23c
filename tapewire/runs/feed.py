"""The loop of a run: a batch comes, is simulated, and its rows are collected."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, Final, Protocol

from tapewire.compiled.units import NS_PER_S
from tapewire.processes.collecting import TABLES
from tapewire.processes.signals import Signals
from tapewire.runs.hooks import FeedStanding, Hooks, RunProgress
from tapewire.runs.warnings import HALTS_TOLD_MAX

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tapewire.router import Drained, Simulation
    from tapewire.runs.models import RunModels
    from tapewire.wire import Receiver, StreamInfo
    from tapewire.wire.receiver import Hops

#: Bytes of a compressed MBO record, roughly: what turns a file size into an estimate.
_COMPRESSED_RECORD_BYTES: Final = 15


class TakesRows(Protocol):
    """A collector, as far as a simulation's rows go."""

    @property
    def add(self) -> Callable[..., None]:
        """Takes rows, and what they count; see `tapewire.analytics.Collector.add`."""

    def record_latency(self, tag: str, value_ns: int, count: int = 1) -> None:
        """Count a wall-clock latency; see `tapewire.analytics.Collector.record_latency`."""


class OrderGate(Protocol):
    """What stands between live data and orders."""

    def before(self, hops: "Sequence[Hops]", last_ns: int) -> None:
        """A batch has come, this way, and is simulated next; ``ts_recv`` of its last record, ns."""

    def after(self, hops: "Sequence[Hops]", simulate_ns: int) -> int:
        """It was simulated, which took so long; from the line to its orders, ns, 0 without any."""

    def standing(self) -> FeedStanding:
        """Say how the feed is."""

    def end(self) -> None:
        """The data are over, and the simulation is not yet."""


@dataclasses.dataclass
class Clock:
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


class Feed:
    """Brings a stream into a simulation and what comes of it into a collector.

    Parameters
    ----------
    simulation, collector
        Where a batch goes, and where its rows go.
    clock
        Told how long each stage takes.
    hooks, signals
        Told of after each batch, and asked.
    models
        Of its strategies; they go ahead of the simulation.
    warnings
        Of the run before its first record.
    gate
        Of a live run.
    """

    def __init__(
        self,
        simulation: "Simulation",
        collector: TakesRows,
        clock: Clock,
        hooks: Hooks,
        signals: Signals,
        models: "RunModels | None" = None,
        warnings: "Sequence[str]" = (),
        gate: OrderGate | None = None,
    ) -> None:
        from tapewire.runs.standing import Board

        self._simulation = simulation
        self._collector = collector
        self._clock = clock
        self._hooks = hooks
        self._signals = signals
        self._models = models
        self._gate = gate
        self._trips_told = 0
        self._board = Board(simulation, warnings)

    def run(self, receiver: "Receiver") -> None:
        """Take every batch, to the end of the data.

        Raises
        ------
        TapewireError
            The stream's or the simulation's error, or that the user stopped it.
        """
        batches = receiver.batches()
        if self._models is not None:
            batches = self._models.batches(
                self._simulation, batches, self._signals.check, receiver.stop
            )
        with closing(batches):  # a thread may be working on them
            self._take(batches, receiver)
        with self._signals.immediate():
            if self._gate is not None:
                self._gate.end()
            self._simulation.finish()
            self._collect(self._simulation.drain())
        self._announce_trips()
        self._clock.stream_ended_s = time.perf_counter()

    def _take(self, batches: "Generator[Any]", receiver: "Receiver") -> None:
        total = events_expected(receiver.info)
        simulation, collector, clock = self._simulation, self._collector, self._clock
        check, progress, gate = self._signals.check, self._hooks.progress, self._gate
        standing = self._board.standing
        feed_standing = None if gate is None else gate.standing
        events = 0
        before_s = clock.stream_began_s = time.perf_counter()
        while (batch := next(batches, None)) is not None:
            received_s = time.perf_counter()
            count = len(batch)
            hops = list(receiver.hops())
            if gate is not None:
                gate.before(hops, int(batch["ts_recv"][-1]))
            # A signal interrupts a strategy's own code at once: it may take as long as it likes.
            with self._signals.immediate() if simulation.calls_python else nullcontext():
                simulation.feed(batch, check)
            drained = simulation.drain()
            simulated_s = time.perf_counter()
            if gate is not None and (
                order_ns := gate.after(hops, round((simulated_s - received_s) * NS_PER_S))
            ):
                collector.record_latency("order_wall", order_ns)
            with self._signals.immediate():  # a full row group is written here
                self._collect(drained)
            batch_ns = round((simulated_s - received_s) * NS_PER_S)
            collector.record_latency("batch_wall", batch_ns)
            collector.record_latency("event_wall", batch_ns // count, count)
            events += count
            clock.receive_s += received_s - before_s
            clock.simulate_s += simulated_s - received_s
            before_s = time.perf_counter()
            clock.collect_s += before_s - simulated_s
            collector.record_latency("collect_wall", round((before_s - simulated_s) * NS_PER_S))
            for hop in hops:
                collector.record_latency("decode_wall", hop.decode_ns)
                collector.record_latency("wire_wall", hop.wire_ns)
            check()
            self._announce_trips()
            progress(
                RunProgress(
                    events,
                    total,
                    clock.elapsed_s,
                    simulation.now_ns,
                    simulation.pnl,
                    standing,
                    feed_standing,
                )
            )

    def collect_rest(self) -> None:
        """Take the rows that a failed simulation has not handed out yet."""
        self._collect(self._simulation.drain())

    def _collect(self, drained: "Drained") -> None:
        simulation = self._simulation
        self._board.note(drained)
        self._collector.add(
            **{name: getattr(drained, name) for name in TABLES},
            legs=simulation.legs,
            series_names=simulation.series_names,
            fee_names=simulation.fee_line_names,
        )

    def _announce_trips(self) -> None:
        """Say when a limit was reached; the first few, all are in the results."""
        if self._trips_told < min(self._simulation.trip_n, HALTS_TOLD_MAX):
            trips = self._simulation.limit_trips()[self._trips_told : HALTS_TOLD_MAX]
            self._trips_told += len(trips)
            for trip in trips:
                self._hooks.announce(trip.headline())


def events_expected(info: "StreamInfo") -> int:
    """Return how many events to expect: exactly, or estimated from the sizes of the files."""
    if info.records is not None:
        return info.records
    return sum(file.records or file.size_bytes // _COMPRESSED_RECORD_BYTES for file in info.files)
