"""Latency: every batch is measured once, and the figures are those of its histogram."""

from pathlib import Path

import numpy as np
import pytest

from tapewire.analytics.latency import LatencyLog
from tapewire.bench import latency
from tapewire.bench.measure import Scale
from tapewire.bench.workload import Workload
from tapewire.errors import FormatError
from tapewire.market.records import F_LAST

EVENTS = 60_000


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return Workload(tmp_path_factory.mktemp("latency"), EVENTS, 1)


@pytest.mark.long
def test_rows_have_ordered_figures(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "SINGLE_EVENTS_QUICK", 2_000)
    rows = list(latency.latency_rows(work, Scale(EVENTS, runs=2, seed=1, quick=True)))
    assert [(row.group, row.name, row.runs) for row in rows] == [
        ("latency", "per batch of 256", 2),
        ("latency", "per batch of 1,024", 2),
        ("latency", "per batch of 4,096", 2),
        ("latency", "per record, in batches of 4,096", 2),
        ("latency", "per batch of 16,384", 2),
        ("latency", "per event, fed one by one", 1),
        ("latency", "tapewire run, per batch of 4,096", 1),
        ("latency", "tapewire run, per record, in batches of 4,096", 1),
    ]
    for row in rows:
        names = ("p50_us", "p99_us", "p999_us", "max_us")
        values = [row.figures[name] for name in names]
        assert values == sorted(values)
        assert values[0] > 0


def test_records_share_the_time_of_their_batch(
    work: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pass_of(_: Workload, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = np.diff(edges)
        took = 40 * counts  # 40 ns a record,
        took[0] = 80 * counts[0]  # but the first batch twice as long
        return took, counts

    monkeypatch.setattr(latency, "timed_batches", pass_of)
    monkeypatch.setattr(latency, "run_rows", lambda _: iter(()))
    found = {row.name: row for row in latency.latency_rows(work, Scale(EVENTS, 3, 1, quick=True))}
    batch = found["per batch of 4,096"]
    assert batch.figures["p50_us"] == pytest.approx(40 * 4.096, rel=0.001)
    assert batch.figures["max_us"] == pytest.approx(80 * 4.096, rel=0.001)
    record = found["per record, in batches of 4,096"]
    assert record.figures == {"p50_us": 0.04, "p99_us": 0.08, "p999_us": 0.08, "max_us": 0.08}
    assert record.median_s == batch.median_s == pytest.approx((EVENTS + 4_096) * 40e-9)


def test_batches_after_the_warm_up_are_measured_once(work: Workload) -> None:
    warm = latency.warm_records(EVENTS)
    assert warm == EVENTS // 4
    took, counts = latency.timed_batches(work, latency.batch_edges(EVENTS, 4_096))
    assert took.size == counts.size
    assert counts.tolist() == [4_096] * 10 + [EVENTS % 4_096]  # from 4 × 4,096 on
    assert (took > 0).all()
    with pytest.raises(ValueError, match="batches after the first 15000 records"):
        latency.timed_batches(work, latency.batch_edges(EVENTS, EVENTS))


def test_an_event_ends_with_its_flag(work: Workload) -> None:
    edges = latency.event_edges(work.records)
    flags = work.records["flags"]
    assert edges[0] == 0
    assert (flags[edges[1:] - 1] & F_LAST).all()
    assert np.count_nonzero(flags & F_LAST) == edges.size - 1


def test_counts_weigh_the_values_of_a_histogram() -> None:
    values = np.array([1_000, 2_000, 5_000_000])
    once = latency.figures_of(latency.histogram_of(values))
    assert once["p50_us"] == pytest.approx(2, rel=0.001)
    assert once["p99_us"] == once["max_us"] == pytest.approx(5_000, rel=0.001)
    weighed = latency.figures_of(latency.histogram_of(values, np.array([990, 9, 1])))
    assert weighed["p50_us"] == pytest.approx(1, rel=0.001)
    assert weighed["p99_us"] == pytest.approx(1, rel=0.001)
    assert weighed["p999_us"] == pytest.approx(2, rel=0.001)
    assert weighed["max_us"] == pytest.approx(5_000, rel=0.001)


def test_a_histogram_is_found_by_its_tag(tmp_path: Path) -> None:
    log = LatencyLog()
    log.record("batch_wall", 7_000, 3)
    log.record("event_wall", 40)
    path = tmp_path / "latency.hdr"
    path.write_text(log.encode())
    assert latency.read_histogram(path, "batch_wall").get_total_count() == 3
    assert latency.read_histogram(path, "event_wall").get_max_value() == 40
    with pytest.raises(FormatError, match="expected a histogram 'other', found none"):
        latency.read_histogram(path, "other")
