"""Figures of latencies are those that the histogram's own, slower methods give."""

import numpy as np
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.analytics.latency import LATENCY_NS_MAX, SIGNIFICANT_DIGITS, LatencyLog

VALUES = st.one_of(st.integers(0, 5_000), st.integers(0, 10**7), st.integers(0, LATENCY_NS_MAX))


@given(st.lists(st.tuples(VALUES, st.integers(1, 50)), min_size=1, max_size=60))
@settings(max_examples=60)
def test_a_summary_is_what_the_library_says(recorded: list[tuple[int, int]]) -> None:
    log, slow = LatencyLog(), HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
    for value, count in recorded:
        log.record("x", value, count)
        slow.record_value(value, count)
    (found,) = log.summaries()
    assert found.records == slow.get_total_count()
    assert np.isclose(found.mean, slow.get_mean_value(), rtol=1e-12)
    assert (found.p50, found.p90, found.p99, found.p999) == tuple(
        slow.get_value_at_percentile(p) for p in (50.0, 90.0, 99.0, 99.9)
    )
    assert found.maximum == slow.get_max_value()
    assert sum(count for _, count in found.bars) == found.records
