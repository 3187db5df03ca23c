"""Histograms that cost next to nothing to add to, for what is counted with every call.

The client library of Prometheus looks its figure up by labels, takes a lock and checks a value at
each of several steps; here it is one row and one lock. A page of figures has the same lines.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class LabelTally(Collector):
    """A histogram by labels.

    Parameters
    ----------
    name, told
        Its name, and what it is.
    labels
        Their names.
    bounds
        Upper ones, which are within, ascending; a last one without end is added.
    """

    def __init__(
        self, name: str, told: str, labels: Sequence[str], bounds: Sequence[float]
    ) -> None:
        self._name, self._told, self._labels = name, told, tuple(labels)
        self._bounds = tuple(bounds)
        self._lock = threading.Lock()
        # Counts of values within a bound and not the one before, the sum of values as the last.
        self._rows: dict[tuple[str, ...], list[float]] = {}

    def add(self, labels: tuple[str, ...], value: float) -> None:
        """Count a value, from any thread."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            row = self._rows.get(labels)
            if row is None:
                row = self._rows[labels] = [0.0] * (len(self._bounds) + 2)
            row[place] += 1
            row[-1] += value

    def counts(self) -> dict[tuple[str, ...], float]:
        """Return labels → how many values there were."""
        with self._lock:
            return {labels: sum(row[:-1]) for labels, row in self._rows.items()}

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Give what is known now."""
        with self._lock:
            rows = {labels: list(row) for labels, row in self._rows.items()}
        family = HistogramMetricFamily(self._name, self._told, labels=self._labels)
        for labels, row in rows.items():
            reached, buckets = 0.0, []
            for bound, count in zip((*self._bounds, float("inf")), row[:-1], strict=True):
                reached += count
                buckets.append((floatToGoString(bound), reached))
            family.add_metric(labels, buckets, row[-1])
        yield family
