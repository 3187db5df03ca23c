"""Latency histograms of the run: how long things took, and how long they took in the simulation.

``latency.hdr`` is a log of the HdrHistogram format 1.2 (one tagged, compressed histogram a line),
which hdrhistogram's own tools and its online plotter read. Values are nanoseconds with three
significant digits.
"""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapewire.errors import MissingFileError, SimulationError

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

#: One hour; a longer value is recorded as one hour and counted.
LATENCY_NS_MAX: Final = 3_600_000_000_000
SIGNIFICANT_DIGITS: Final = 3
#: Leading bits by which a histogram of so many digits tells values apart: 2,048 is the first power
#: of two that is 2 * 10**3 or more.
_CLASS_BITS: Final = 11
#: Simulated latencies, taken from the rows; everything else is wall clock.
SIM_ORDER_ENTRY: Final = "sim_order_entry"
SIM_FILL_NOTICE: Final = "sim_fill_notice"
SIMULATED: Final = {
    SIM_ORDER_ENTRY: "order sent to order at the exchange (ts_arrived - ts_sent)",
    SIM_FILL_NOTICE: "fill at the exchange to fill known (ts_known - ts_event)",
}
#: Most bars of one histogram in the report.
BARS_MAX: Final = 40
#: Where bars end, by powers of ten: the finest of these that BARS_MAX bars are enough for.
_ENDS: Final = (
    (100, 120, 150, 180, 220, 270, 330, 390, 470, 560, 680, 820),
    (100, 200, 500),
    (100,),
)
#: Percentiles of a summary.
_PERCENTS: Final = (50.0, 90.0, 99.0, 99.9)
_TAG: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class LatencySummary(NamedTuple):
    """One histogram in figures; all but ``records`` in nanoseconds.

    ``bars`` are (largest value in ns, count) of neighbouring classes, the empty ones between
    included; a value counts as what its three digits make of it.
    """

    tag: str
    records: int
    mean: float
    p50: int
    p90: int
    p99: int
    p999: int
    maximum: int
    simulated: bool
    bars: tuple[tuple[int, int], ...] = ()


class LatencyLog:
    """Histograms by tag."""

    def __init__(self) -> None:
        self._histograms: dict[str, HdrHistogram] = {}
        self.over_range = 0

    def record(self, tag: str, value_ns: int, count: int = 1) -> None:
        """Count a latency ``count`` times.

        Parameters
        ----------
        tag
            Letters, digits and ``_ . : -``, at most 64.
        value_ns
            Not negative; beyond an hour it is recorded as an hour and counted as over range.
        count
            How often it occurred; positive.

        Raises
        ------
        ValueError
            If one of them is out of its range.
        """
        histogram = self._histograms.get(tag)
        if histogram is None:
            from hdrh.histogram import HdrHistogram

            if not _TAG.fullmatch(tag):
                raise ValueError(f"expected a tag of 1 to 64 letters, digits, _.:-, found {tag!r}")
            histogram = HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
            self._histograms[tag] = histogram
        if value_ns < 0 or count <= 0:
            raise ValueError(f"expected value_ns >= 0 and count > 0, found {value_ns} and {count}")
        if value_ns > LATENCY_NS_MAX:
            self.over_range += count
            value_ns = LATENCY_NS_MAX
        histogram.record_value(int(value_ns), int(count))

    def record_all(self, tag: str, values_ns: NDArray[np.int64]) -> None:
        """Count an array of latencies; those that a histogram does not tell apart, at once."""
        values, counts = np.unique(_lowest_equivalent(values_ns), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self.record(tag, value, count)

    def summaries(self) -> list[LatencySummary]:
        """Return the figures of every histogram, wall clock first, by tag."""
        return sorted(
            (_summary(tag, histogram) for tag, histogram in self._histograms.items()),
            key=lambda s: (s.simulated, s.tag),
        )

    def encode(self) -> str:
        """Return the text of an HdrHistogram log, one line per tag in order of tags."""
        from hdrh.log import HistogramLogWriter

        text = io.StringIO()
        writer: Any = HistogramLogWriter(text)
        writer.output_comment("[Tapewire latencies in ns; tags sim_* are simulated time]")
        writer.output_log_format_version()
        writer.output_legend()
        for tag, histogram in sorted(self._histograms.items()):
            text.write(f"Tag={tag},")
            writer.output_interval_histogram(histogram)
        return text.getvalue()


def require_forward(
    tag: str, begin: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return simulated latencies, ns, of what happened (its end is not 0).

    Raises
    ------
    SimulationError
        If something ended before it began.
    """
    happened = end != 0
    took: NDArray[np.int64] = end[happened] - begin[happened]
    if took.size and took.min() < 0:
        raise SimulationError(
            f"expected every {tag} latency to be 0 ns or more, found {took.min()} ns"
        )
    return took


def _lowest_equivalent(values_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the least value that a histogram has in one class with each, up to its largest."""
    _, bits = np.frexp(values_ns.astype(np.float64))  # exact: LATENCY_NS_MAX is below 2**53
    low = np.maximum(bits.astype(np.int64) - _CLASS_BITS, 0)
    return np.where(values_ns <= LATENCY_NS_MAX, values_ns >> low << low, values_ns)


def _summary(tag: str, histogram: "HdrHistogram") -> LatencySummary:
    lowest, widths, counts = _recorded(histogram)
    below = np.cumsum(counts)
    total = int(below[-1])
    at = [
        int(lowest[k] + widths[k] - 1)
        for k in np.searchsorted(below, [max(int(p * total / 100 + 0.5), 1) for p in _PERCENTS])
    ]
    middle = lowest + widths // 2
    mean = sum(c * m for c, m in zip(counts.tolist(), middle.tolist(), strict=True)) / total
    return LatencySummary(
        tag,
        total,
        mean,
        at[0],
        at[1],
        at[2],
        at[3],
        int(lowest[-1] + widths[-1] - 1),
        tag in SIMULATED,
        _bars(lowest, counts),
    )


def _recorded(
    histogram: "HdrHistogram",
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the least value of each class that was counted, how wide it is, and its count.

    What the histogram's own iterators give, without a step in Python for each class: class k below
    2 x h (h being half of the sub-buckets) holds the value k, above it (k mod h + h) x 2^b with
    b = k // h - 1.
    """
    counts = np.ctypeslib.as_array(histogram.counts).astype(np.int64)
    at = np.flatnonzero(counts)
    half = int(histogram.sub_bucket_half_count)
    power = np.maximum(at // half - 1, 0)
    lowest = np.where(at < half, at, (at % half + half) << power)
    return lowest, np.left_shift(1, power), counts[at]


def _bars(values: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    for ends_of_power in _ENDS:
        ends = np.array([0, *(end * 10**power // 100 for power in range(14)
                              for end in ends_of_power)], np.int64)  # fmt: skip
        ends = np.unique(ends)
        place = np.searchsorted(ends, values)
        first, last = int(place[0]), int(place[-1])
        if last - first < BARS_MAX:
            break
    found = np.zeros(last - first + 1, np.int64)
    np.add.at(found, place - first, counts)
    return tuple(zip(ends[first : last + 1].tolist(), found.tolist(), strict=True))


def read_latencies(path: Path) -> list[LatencySummary]:
    """Return the figures of every histogram of a run's ``latency.hdr``, wall clock first, by tag.

    Raises
    ------
    MissingFileError
        If there is no such file.
    """
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    if not path.is_file():
        raise MissingFileError(f"expected {path}, found no file")
    reference = HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
    reader: Any = HistogramLogReader(str(path), reference)
    found = []
    try:
        while (histogram := reader.get_next_interval_histogram()) is not None:
            found.append(_summary(str(histogram.get_tag()), histogram))
    finally:
        reader.close()
    return sorted(found, key=lambda s: (s.simulated, s.tag))
