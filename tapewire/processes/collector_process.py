"""The run's end of a collector in a process of its own: what `Collector` does, done elsewhere."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

import msgspec
import numpy as np

from tapewire.analytics.denials import Denials
from tapewire.errors import InterruptedRunError, TapewireError
from tapewire.processes.collecting import (
    BATCHES_MAX,
    CODEC,
    PIECE_BYTES,
    TABLES,
    WALL_DTYPE,
    BeginDocument,
    CollectedLeg,
    CollectRows,
    FailDocument,
    NamesDocument,
    Rows,
    byte_view,
    pieces_of,
)
from tapewire.processes.collector_line import CollectorLine

if TYPE_CHECKING:
    from tapewire.analytics.ledger import Leg
    from tapewire.analytics.margins import Margins
    from tapewire.analytics.rates import Rates
    from tapewire.analytics.settlements import SettlementPrices
    from tapewire.processes.collector_thread import CollectorThread

    #: What takes the rows of a run.
    RunCollector: TypeAlias = "CollectorThread | CollectorProcess"

#: Bytes held before they are sent, and latencies.
_HELD_BYTES: Final = PIECE_BYTES // 2
_LATENCIES_HELD: Final = 8_192


def _no_tick() -> None:
    """Nothing to look at."""


class CollectorProcess:
    """A `Collector` in a process of its own, which ends with this object.

    Rows are sent on in numbered messages; at most `WINDOW` of them are under way, so that a slow
    disk costs so much memory and then time. Sending never waits while there is room.

    Parameters
    ----------
    tick
        Called while it waits; may raise.
    coming
        Called, too, while the process is still to come, which takes seconds on a busy machine.

    Attributes
    ----------
    rows : dict of str to int
        Rows taken so far.
    """

    def __init__(
        self, tick: Callable[[], None] = _no_tick, coming: Callable[[], None] = _no_tick
    ) -> None:
        self._line = CollectorLine(tick)
        self._coming = coming
        self.rows = dict.fromkeys(("fills", "orders", "samples"), 0)
        self.path = Path()
        self._begun: BeginDocument | None = None
        self._ended: Path | None = None
        self._is_finishing = False
        self._legs: Sequence[Leg] = ()
        self._names = {"legs": 0, "series": 0, "fees": 0}  # how many the collector knows
        self._tags: dict[str, int] = {}
        self._tags_told = 0
        self._held: list[list[Rows]] = []
        self._held_bytes = 0
        self._latencies: list[tuple[int, int, int]] = []
        self._denials = Denials()

    @property
    def is_lost(self) -> bool:
        """Whether the process was lost, or ended with an error of its own."""
        return self._line.is_lost

    @property
    def pid(self) -> int:
        """The process id of the collector."""
        return self._line.child.pid

    def begin(
        self, out_dir: Path, config_yaml: str, *, force: bool = False, resume: bool = False,
        event_log: bool = False, markouts: bool = False, initial_capital: int | None = None,
        margins: "Margins | None" = None, rates: "Rates | None" = None,
        settlements: "SettlementPrices | None" = None,
    ) -> Self:  # fmt: skip
        """Have it claim the folder; the parameters are those of `Collector`.

        Raises
        ------
        OutputError
            If the folder holds an earlier run, is in use by another run, or can't be written.
        PeerLostError
            If the process does not come, or is lost.
        """
        self.path = Path(out_dir)
        self._line.wait_there(self._coming)
        self._begun = BeginDocument(
            out_dir=str(self.path), config_yaml=config_yaml, force=force,
            resume=resume, event_log=event_log, markouts=markouts, initial_capital=initial_capital,
            margins={symbol: list(steps) for symbol, steps in (margins or {}).items()},
            rates={symbol: list(steps) for symbol, steps in (rates or {}).items()},
            closes=list(settlements.closes) if settlements else [],
            settlements={symbol: list(known) for symbol, known in settlements.prices.items()}
            if settlements else {},
        )  # fmt: skip
        self._line.send_document("begin", msgspec.json.encode(self._begun))
        try:
            self._line.wait_answer()
        except InterruptedRunError as stopped:
            self._line.tick = _no_tick
            with contextlib.suppress(TapewireError):
                self._line.wait_answer()  # the folder may be its own by now: that is to say why
                self.fail("incomplete", str(stopped), {})
            raise
        return self

    def add(
        self,
        *,
        legs: "Sequence[Leg]",
        series_names: Sequence[str],
        fee_names: Sequence[str],
        **tables: Rows,
    ) -> None:
        """Take rows of all `TABLES`, in the order they happened; see `Collector.add`.

        Raises
        ------
        TapewireError
            The collector's own error about earlier rows, or that it was lost.
        """
        self._line.require()
        self._legs = legs
        self._tell_names(legs, series_names, fee_names)
        batch = [tables[name] for name in TABLES]
        size = sum(rows.nbytes for rows in batch)
        if not size:
            if len(self._latencies) >= _LATENCIES_HELD:
                self._flush()
            return
        for name in self.rows:
            self.rows[name] += len(tables[name])
        if tables["orders"].size:
            self._denials.add(tables["orders"])
        if size > PIECE_BYTES:
            self._flush()
            parts = pieces_of(batch)
            for part in parts:
                self._send_rows([part], more=part is not parts[-1])
            return
        self._held.append(batch)
        self._held_bytes += size
        if self._held_bytes >= _HELD_BYTES or len(self._held) >= BATCHES_MAX:
            self._flush()

    def denial_warnings(self) -> list[str]:
        """Say which strategies had orders denied so far, and why."""
        return self._denials.warnings(self._legs)

    def record_latency(self, tag: str, value_ns: int, count: int = 1) -> None:
        """Count a wall-clock latency for ``latency.hdr``; see `LatencyLog.record`."""
        self._latencies.append((self._tags.setdefault(tag, len(self._tags)), value_ns, count))

    def finish(self, manifest: Mapping[str, Any]) -> Path:
        """Have it check the books and give every file its final name; return the manifest.

        Raises
        ------
        TapewireError
            The collector's own error, or that it was lost.
        """
        self._flush()
        self._is_finishing = True
        self._line.send_document("finish", json.dumps(manifest).encode())
        self._ended = Path(self._line.wait_answer())
        self._line.child.wait_gone()  # every file is whole by now: how it ends changes nothing
        return self._ended

    def fail(
        self,
        status: Literal["incomplete", "failed"],
        reason: str,
        manifest: Mapping[str, Any],
        *,
        keep_rows: bool = False,
    ) -> Path:
        """End a run that has no result, see `Collector.fail`; without it, if it was lost.

        Raises
        ------
        OutputError
            If not even the manifest can be written.
        """
        if self._ended is not None:
            return self._ended
        self._line.tick = _no_tick
        if not self.is_lost and not self._line.is_cut:
            with contextlib.suppress(TapewireError):
                self._ended = self._fail_there(status, reason, manifest, keep_rows)
                return self._ended
        self._line.child.close()  # its lock on the folder goes with it
        self._ended = self._fail_here(status, reason, manifest)
        return self._ended

    def close(self) -> None:
        """End the process; a run without an end leaves no trace. Never raises."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- the end --------------------------------------------------------------------------------

    def _fail_there(
        self, status: Literal["incomplete", "failed"], reason: str, manifest: Mapping[str, Any],
        keep_rows: bool,
    ) -> Path:  # fmt: skip
        if self._is_finishing:  # it may be writing the report: that ends, with an answer
            os.kill(self._line.child.pid, signal.SIGINT)
        if keep_rows:
            self._flush()
        document = FailDocument(
            status=status, reason=reason, manifest=dict(manifest), keep_rows=keep_rows
        )
        self._line.send_document("fail", msgspec.json.encode(document))
        return Path(self._line.wait_answer())

    def _fail_here(
        self, status: Literal["incomplete", "failed"], reason: str, manifest: Mapping[str, Any]
    ) -> Path:
        """Write the manifest in this process: what the other one has left is cleared."""
        from tapewire.analytics import Collector

        begun = self._begun
        assert begun is not None
        with Collector(
            self.path, begun.config_yaml, force=begun.force, event_log=begun.event_log
        ) as collector:
            collector.rows.update(self.rows)
            return collector.fail(status, reason, manifest)

    # --- messages -------------------------------------------------------------------------------

    def _tell_names(
        self, legs: "Sequence[Leg]", series: Sequence[str], fees: Sequence[str]
    ) -> None:
        """Send what rows count from here on; what was held counts less."""
        known = self._names
        if (len(legs), len(series), len(fees)) == (known["legs"], known["series"], known["fees"]):
            return
        self._flush()
        new = NamesDocument(
            legs=[_leg_entry(leg) for leg in legs[known["legs"] :]],
            series=list(series[known["series"] :]),
            fees=list(fees[known["fees"] :]),
        )
        self._names = {"legs": len(legs), "series": len(series), "fees": len(fees)}
        self._line.send_document("names", msgspec.json.encode(new))

    def _flush(self) -> None:
        if len(self._tags) > self._tags_told:
            tags = NamesDocument(tags=list(self._tags)[self._tags_told :])
            self._tags_told = len(self._tags)
            self._line.send_document("names", msgspec.json.encode(tags))
        if self._held or self._latencies:
            held, self._held, self._held_bytes = self._held, [], 0
            self._send_rows(held, more=False)

    def _send_rows(self, batches: list[list[Rows]], *, more: bool) -> None:
        latencies = np.array(self._latencies, WALL_DTYPE)
        self._latencies = []
        counts = tuple(len(rows) for batch in batches for rows in batch)
        header = CollectRows(self._line.number, counts, len(latencies), more)
        frames: list[bytes | memoryview] = [CODEC.encode(header)]
        for k, dtype in enumerate(TABLES.values()):
            rows = [batch[k] for batch in batches if len(batch[k])]
            frames.append(byte_view(np.concatenate(rows) if rows else np.zeros(0, dtype)))
        self._line.send([*frames, byte_view(latencies)])


def _leg_entry(leg: "Leg") -> CollectedLeg:
    return CollectedLeg(*(getattr(leg, name) for name in CollectedLeg.__struct_fields__))
