"""How long the machine takes, as distributions: from a batch's arrival to its last order.

Wall time of this process, by a monotonic clock around the calls of the loop. What the latency
model makes simulated orders wait is another thing, in simulated time; none of it is in here.
"""

import contextlib
import gc
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics.latency import LATENCY_NS_MAX, SIGNIFICANT_DIGITS
from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import run_child
from tapewire.bench.runs import run_config
from tapewire.bench.workload import LoadedSession, Records, make_simulation
from tapewire.children import module_command
from tapewire.errors import FormatError
from tapewire.market.records import F_LAST

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

BATCHES: Final = (256, 1_024, 4_096, 16_384)
#: Batch size of the rows per event.
EVENT_BATCH: Final = 4_096
#: Events fed one by one: the first part of the session.
SINGLE_EVENTS: Final = 200_000
SINGLE_EVENTS_QUICK: Final = 50_000
#: Records before the first that is timed: the snapshot, and what is first in everything.
WARM_RECORDS: Final = 32_768
_WARM_SHARE_MAX: Final = 4  # at most a quarter of the session
_STRATEGY: Final = "market_maker"
#: Histograms of a run, and what their rows are called.
_RUN_TAGS: Final = {
    "batch_wall": f"tapewire run, per batch of {EVENT_BATCH:,}",
    "event_wall": f"tapewire run, per record, in batches of {EVENT_BATCH:,}",
}
_NS_PER_US: Final = 1_000
_NOTE: Final = "wall time, nothing simulated: feed and drain"

Ints = npt.NDArray[np.int64]


def latency_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Histograms of wall time per batch and per event, with the market maker.

    Parameters
    ----------
    work : LoadedSession
        Its records are in memory; its first part warms up and is not counted.
    scale : Scale
        As many passes as runs, all into one histogram.

    Yields
    ------
    Row
        Group ``latency``; figures ``p50_us``, ``p99_us``, ``p999_us`` and ``max_us`` of an
        HdrHistogram of three digits. Its times are those of whole passes.
    """
    for batch in BATCHES:
        passes = [timed_batches(work, batch_edges(work.events, batch)) for _ in range(scale.runs)]
        took, counts = (np.concatenate(part) for part in zip(*passes, strict=True))
        yield _row(f"per batch of {batch:,}", passes, histogram_of(took), _NOTE)
        if batch == EVENT_BATCH:
            each = (took + counts // 2) // counts
            yield _row(f"per record, in batches of {batch:,}", passes, histogram_of(each, counts),
                       "a batch's wall time over its records: they share it")  # fmt: skip
    single = [timed_batches(work, _first_events(work, scale))]
    yield _row("per event, fed one by one", single, histogram_of(single[0][0]),
               "each event a batch of its own: the calls from Python are in it")  # fmt: skip
    yield from run_rows(work)


def _first_events(work: LoadedSession, scale: Scale) -> Ints:
    edges = event_edges(work.records)
    warm = int(np.searchsorted(edges, warm_records(work.events)))
    return edges[: warm + (SINGLE_EVENTS_QUICK if scale.quick else SINGLE_EVENTS) + 1]


def batch_edges(events: int, batch: int) -> Ints:
    """Where batches begin and, last, where they end: int64, shape (batches + 1,)."""
    return np.append(np.arange(0, events, batch), events)


def event_edges(records: Records) -> Ints:
    """Where events begin and, last, where they end: after every record with F_LAST."""
    ends = np.flatnonzero(records["flags"] & F_LAST) + 1
    return np.append(0, ends)


def warm_records(events: int) -> int:
    """Records that warm up, of so many."""
    return min(WARM_RECORDS, events // _WARM_SHARE_MAX)


def timed_batches(work: LoadedSession, edges: Ints) -> tuple[Ints, Ints]:
    """Feed a session batch by batch, each between two clock readings.

    Parameters
    ----------
    work : LoadedSession
    edges : (n + 1,) int64
        Where batches begin and end.

    Returns
    -------
    took_ns, counts : (m,) int64
        Of the batches after the warm-up: from the batch at hand to its last order out, and its
        records.

    Raises
    ------
    ValueError
        If no batch is left after the warm-up.
    """
    simulation = make_simulation(work, (_STRATEGY,))
    feed, drain, clock = simulation.feed, simulation.drain, time.perf_counter_ns
    records = work.records
    bounds = edges.tolist()
    took = np.zeros(len(bounds) - 1, np.int64)
    gc.collect()
    for k, (start, stop) in enumerate(itertools.pairwise(bounds)):
        batch = records[start:stop]
        arrived_ns = clock()
        feed(batch)
        drain()
        took[k] = clock() - arrived_ns
    counted = edges[:-1] >= warm_records(work.events)
    if not counted.any():
        raise ValueError(f"expected batches after the first {warm_records(work.events)} records")
    return took[counted], np.diff(edges)[counted]


def run_rows(work: LoadedSession) -> Iterator[Row]:
    """A real run in two processes: from a batch handed out by the receiver to its last order.

    Read from the histograms that every run writes.
    """
    with (
        run_config(work, work.raw, {"batch_records": EVENT_BATCH}) as config,
        tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder,
    ):
        output = Path(folder) / "run"
        run_child([*module_command("tapewire"), "run", str(config), "-o", str(output)])
        elapsed_s = json.loads((output / "manifest.json").read_text())["elapsed_s"]
        found = {tag: read_histogram(output / "latency.hdr", tag) for tag in _RUN_TAGS}
    for tag, name in _RUN_TAGS.items():
        yield row_of("latency", name, work.events, [elapsed_s],
                     "the same beside a replay process; its first batches count, too",
                     figures_of(found[tag]))  # fmt: skip


# --- histograms -----------------------------------------------------------------------------------


def histogram_of(values_ns: Ints, counts: Ints | None = None) -> "HdrHistogram":
    """A histogram of values, each once or as often as ``counts`` says."""
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
    repeats = np.ones(values_ns.size, np.int64) if counts is None else counts
    for value, count in zip(values_ns.tolist(), repeats.tolist(), strict=True):
        histogram.record_value(min(value, LATENCY_NS_MAX), count)
    return histogram


def read_histogram(path: Path, tag: str) -> "HdrHistogram":
    """The histogram of a tag in a run's ``latency.hdr``.

    Raises
    ------
    FormatError
        If there is none.
    """
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    widest = HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
    reader: Any = HistogramLogReader(str(path), widest)
    with contextlib.closing(reader):
        while (histogram := reader.get_next_interval_histogram()) is not None:
            if histogram.get_tag() == tag:
                return histogram
    raise FormatError(f"{path}: expected a histogram {tag!r}, found none")


def figures_of(histogram: "HdrHistogram") -> dict[str, float]:
    """Median, tails and maximum in microseconds."""
    at = {
        "p50_us": histogram.get_value_at_percentile(50.0),
        "p99_us": histogram.get_value_at_percentile(99.0),
        "p999_us": histogram.get_value_at_percentile(99.9),
        "max_us": histogram.get_max_value(),
    }
    return {name: round(value / _NS_PER_US, 3) for name, value in at.items()}


def _row(name: str, passes: list[tuple[Ints, Ints]], histogram: "HdrHistogram", note: str) -> Row:
    seconds = [float(took.sum()) / 1e9 for took, _ in passes]
    return row_of("latency", name, int(passes[0][1].sum()), seconds, note, figures_of(histogram))
