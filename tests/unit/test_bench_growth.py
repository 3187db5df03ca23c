"""Growth: what is measured is what is said, and only in sound streams."""

import dataclasses
import mmap
from pathlib import Path

import numpy as np
import pytest

from tapewire.bench import growth
from tapewire.bench._growth_worker import GrowthPlan, measure, status_bytes
from tapewire.bench.crowds import Crowd
from tapewire.bench.measure import Row, Scale
from tapewire.errors import FormatError
from tapewire.replay.synth import synthesize


@pytest.fixture
def crowd_plan(tmp_path: Path) -> GrowthPlan:
    crowd = Crowd(20, 400, seed=1, activity="zipf")
    written = crowd.write(tmp_path / "crowd.dbn", 3_000)
    return GrowthPlan(str(tmp_path / "crowd.dbn"), written, crowd.opening_records)


def test_only_what_comes_after_the_untimed_records_is_timed(crowd_plan: GrowthPlan) -> None:
    found = measure(crowd_plan, chunk_records=300)
    assert found.records == crowd_plan.records - 400
    assert found.seconds > 0
    assert found.books == 20
    assert [at for at, _ in found.samples] == [300, 400, *range(700, crowd_plan.records, 300),
                                               crowd_plan.records]  # fmt: skip
    assert found.peak_bytes >= found.rss_bytes > found.held_bytes > 0
    everything = measure(dataclasses.replace(crowd_plan, untimed=0))
    assert everything.records == crowd_plan.records


def test_a_session_is_passed_over_again_moved_on_in_time(tmp_path: Path) -> None:
    path = tmp_path / "session.dbn"
    synthesize(path, events=8_000, seed=1)
    found = measure(GrowthPlan(str(path), 20_000, 0, ("market_maker",)), chunk_records=3_000)
    assert found.records == 20_000  # clocks that went back would have been counted and refused
    assert found.books == 1
    assert [at for at, _ in found.samples] == [
        3_000, 6_000, 8_000, 11_000, 14_000, 16_000, 19_000, 20_000,
    ]  # fmt: skip


def test_a_stream_with_unknown_orders_is_refused(crowd_plan: GrowthPlan) -> None:
    # A second pass adds every order again: a crowd has no snapshot to begin with.
    with pytest.raises(FormatError, match="duplicate_adds"):
        measure(dataclasses.replace(crowd_plan, records=crowd_plan.records + 100))


def test_the_slope_is_what_stays_not_what_comes_and_goes() -> None:
    at = np.arange(1, 41) * 500_000
    flat = np.full(40, 200_000_000)
    flat[:8] = np.linspace(150e6, 200e6, 8)  # warming up
    spiky = flat + (np.arange(40) % 5 == 0) * 8_000_000
    leaky = flat + at // 10  # 1 MB per 10 million
    slopes = [
        growth.rss_slope(list(zip(at.tolist(), resident.tolist(), strict=True)))
        for resident in (flat, spiky, leaky)
    ]
    assert slopes == pytest.approx([0, 0, 1])
    with pytest.raises(ValueError, match="at least 8 samples, found 3"):
        growth.rss_slope([(1, 1), (2, 2), (3, 3)])


def test_a_plan_reaches_a_process_of_its_own_and_its_figures_come_back(
    crowd_plan: GrowthPlan,
) -> None:
    assert GrowthPlan.from_json(crowd_plan.to_json()) == crowd_plan
    found = growth.spawn(crowd_plan)
    assert (found.records, found.books) == (crowd_plan.records - 400, 20)
    assert 50e6 < found.start_bytes <= found.rss_bytes <= found.peak_bytes


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows, small, and in this process."""
    monkeypatch.setattr(growth, "spawn", measure)
    monkeypatch.setattr(growth, "EVENTS", (4_000, 9_000))
    monkeypatch.setattr(growth, "SESSION_RECORDS", 4_000)
    monkeypatch.setattr(growth, "SLOPE_RECORDS_MIN", 9_000)
    monkeypatch.setattr(growth, "rss_slope", lambda samples: 0.25)
    monkeypatch.setattr(growth, "BOOKS", (1, 30))
    monkeypatch.setattr(growth, "ORDERS_PER_BOOK", 10)
    monkeypatch.setattr(growth, "LIVE_ORDERS", (100, 4_000, 5_000))
    monkeypatch.setattr(growth, "STEADY_RECORDS", 2_000)
    monkeypatch.setattr(growth, "SETTLE_RECORDS_MIN", 500)
    monkeypatch.setattr(growth, "_STILL_S", 0.2)


@pytest.mark.long
def test_rows_of_every_kind_of_growth(small: None, tmp_path: Path) -> None:
    rows = list(growth.growth_rows(tmp_path, Scale(events=1, runs=2, seed=1)))
    named = {(row.group.removeprefix("growth, "), row.name): row for row in rows}
    assert list(named) == [
        ("events", "4,000 events"),
        ("events", "9,000 events"),
        ("instruments", "1 instrument"),
        ("instruments", "30 instruments, zipf"),
        ("instruments", "30 instruments, even"),
        ("instruments", "30 instruments, zipf, tapewire run"),
        ("live orders", "100 live orders"),
        ("live orders", "4,000 live orders"),
        ("live orders", "5,000 live orders"),
        ("idle", "tapewire run, waiting for data"),
    ]
    assert [row.runs for row in rows] == [2, 2, 2, 2, 2, 1, 2, 2, 2, 1]
    assert all(row.figures["peak_mb"] > 50 for row in rows)
    assert not list((tmp_path / "growth").glob("*.dbn"))
    for row in rows[:5] + rows[6:9]:
        assert row.figures["ns_per_record"] > 0
        assert row.figures["peak_mb"] >= row.figures["rss_mb"]
    assert "rss_slope_mb_per_10m" not in rows[0].figures
    assert rows[1].figures["rss_slope_mb_per_10m"] == 0.25
    assert rows[1].events == 9_000
    assert rows[1].note == "market maker; 3 × one session"
    assert_ratio(named[("live orders", "5,000 live orders")],
                 named[("live orders", "4,000 live orders")])  # fmt: skip
    assert "times_4k" not in named[("live orders", "100 live orders")].figures
    whole = rows[5]
    assert 300 + 500 + 2_000 - 2 <= whole.events <= 300 + 500 + 2_000
    idle = rows[-1]
    assert 100 < idle.figures["rss_mb"] <= idle.figures["peak_mb"] < 1_000
    assert 0.1 < idle.best_s < 60


def assert_ratio(row: Row, base: Row) -> None:
    ratio = row.figures["ns_per_record"] / base.figures["ns_per_record"]
    assert row.figures["times_4k"] == pytest.approx(ratio, rel=0.02, abs=0.01)


def test_what_a_process_holds_is_read_from_the_kernel() -> None:
    before = status_bytes("self", "VmRSS")
    with mmap.mmap(-1, 64_000_000) as held:
        for at in range(0, len(held), mmap.PAGESIZE):
            held[at] = 1
        assert status_bytes("self", "VmRSS") > before + 60_000_000
        assert status_bytes("self", "VmHWM") > before + 60_000_000
    assert status_bytes("self", "VmRSS") < before + 30_000_000
    with pytest.raises(ValueError, match="expected VmNone"):
        status_bytes("self", "VmNone")
