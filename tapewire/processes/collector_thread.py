"""A collector in a thread beside the simulation: columns, checks and disks are waited for there."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np

from tapewire.analytics.collector import Collector
from tapewire.analytics.denials import Denials
from tapewire.analytics.figures import FiguresCollector
from tapewire.errors import OutputError, SimulationError
from tapewire.processes.collecting import PIECE_BYTES, WINDOW

if TYPE_CHECKING:
    from tapewire.analytics.ledger import Leg

#: Rows are handed over when they have so many bytes, and so many times at most: together they may
#: take the memory that a collector's process may.
HANDED_BYTES: Final = PIECE_BYTES // 2
HANDED_MAX: Final = WINDOW
#: Batches of a hundred strategies have more bytes than are wanted; of them fewer are under way.
_UNDER_WAY_BYTES_MAX: Final = HANDED_BYTES * HANDED_MAX
#: Batches, or latencies, that are handed over without being so large.
_BATCHES_MAX: Final = 1_024


class CollectorThread:
    """A `Collector` that takes rows in a thread of its own, in the order in which they came.

    An error in there is raised by the next call that may: `add`, `finish`, or `fail` where rows are
    to be kept. What does not go on beside the simulation, the checks and the report at the end, is
    done by who calls.

    Parameters
    ----------
    collector
        Nobody else may use it; it is closed with this object.
    handed_max
        How many times rows may be handed over that are not taken yet; by that, their bytes, too.
    """

    def __init__(
        self, collector: Collector | FiguresCollector, *, handed_max: int = HANDED_MAX
    ) -> None:
        self.path = collector.path
        self._handed_max = handed_max
        self._collector = collector
        self._worker = ThreadPoolExecutor(1, "collector")
        self._handed: deque[tuple[Future[None], int]] = deque()  # with their bytes
        self._stopped = False
        self._error: BaseException | None = None  # the first in there: it stays the answer
        self._batches: list[dict[str, Any]] = []
        self._bytes = 0
        self._latencies: list[tuple[str, int, int]] = []
        self._denials = Denials()
        self._legs: Sequence[Leg] = ()
        self._rows = dict.fromkeys(("fills", "orders", "samples"), 0)

    def add(self, *, legs: "Sequence[Leg]", **rows: Any) -> None:
        """Take rows, in the order they happened; see `Collector.add`, which tells of the others.

        Raises
        ------
        SimulationError, OutputError
            What became of these rows or earlier ones; see `Collector.add`.
        """
        self._legs = legs
        for name in self._rows:
            self._rows[name] += len(rows[name])
        if rows["orders"].size:
            self._denials.add(rows["orders"])
        self._batches.append({"legs": legs, **rows})
        self._bytes += sum(table.nbytes for table in rows.values() if isinstance(table, np.ndarray))
        if self._bytes >= HANDED_BYTES or len(self._batches) >= _BATCHES_MAX:
            self._hand_over()

    def denial_warnings(self) -> list[str]:
        """Say which strategies had orders denied so far, and why."""
        return self._denials.warnings(self._legs)

    def record_latency(self, tag: str, value_ns: int, count: int = 1) -> None:
        """Count a wall-clock latency for ``latency.hdr``; see `LatencyLog.record`."""
        self._latencies.append((tag, value_ns, count))

    def finish(self, manifest: Mapping[str, Any]) -> Path:
        """Wait until all rows are taken, then end the run; see `Collector.finish`."""
        self._wait_taken()
        return self._collector.finish(manifest=manifest)

    def fail(
        self,
        status: Literal["incomplete", "failed"],
        reason: str,
        manifest: Mapping[str, Any] | None = None,
        *,
        keep_rows: bool = False,
    ) -> Path:
        """End a run that has no result; see `Collector.fail`. Only rows to be kept are waited for.

        Raises
        ------
        OutputError
            If not even the manifest can be written.
        """
        told = dict(manifest or {})
        if keep_rows:
            try:
                self._wait_taken()
            except (SimulationError, OutputError) as error:
                told["rows_kept"] = f"none of the rows could be kept: {error}"
                keep_rows = False
        self._stop()
        self._collector.rows.update(self._rows)
        return self._collector.fail(status, reason, told, keep_rows=keep_rows)

    def close(self) -> None:
        """End the thread and leave the run without a trace, unless it has ended. Never raises."""
        self._stop()
        self._collector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _hand_over(self) -> None:
        batches, size = self._batches, self._bytes
        latencies = self._latencies
        self._batches, self._bytes, self._latencies = [], 0, []
        while self._handed and (
            self._handed[0][0].done()
            or len(self._handed) >= self._handed_max
            or self._under_way() + size > self._under_way_max()
        ):
            self._handed.popleft()[0].result()
        if self._error is not None:
            raise self._error
        self._handed.append((self._worker.submit(self._take, batches, latencies), size))

    def _under_way(self) -> int:
        """Bytes of rows that were handed over and may not be taken yet."""
        return sum(size for _, size in self._handed)

    def _under_way_max(self) -> int:
        """Bytes that may be: of large batches no more than of small ones."""
        return _UNDER_WAY_BYTES_MAX * self._handed_max // HANDED_MAX

    def _wait_taken(self) -> None:
        self._hand_over()
        while self._handed:
            self._handed.popleft()[0].result()
        if self._error is not None:
            raise self._error

    def _take(self, batches: list[dict[str, Any]], latencies: list[tuple[str, int, int]]) -> None:
        """What the thread does: nothing more once it has failed or was stopped."""
        if self._stopped or self._error is not None:
            return
        try:
            for batch in batches:
                self._collector.add(**batch)
            for latency in latencies:
                self._collector.record_latency(*latency)
        except BaseException as error:
            self._error = error
            raise

    def _stop(self) -> None:
        self._stopped = True
        self._worker.shutdown(cancel_futures=True)
