"""Sections on a session of a few thousand records: names, sizes, and what is refused early."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapewire.bench import (
    callbacks,
    growth,
    latency,
    run_bench,
    sections,
    sources,
    studies,
    transport,
    variants,
)
from tapewire.bench.collecting import collecting_rows
from tapewire.bench.measure import Row, Scale
from tapewire.bench.stages import whole_loop
from tapewire.bench.start import start_rows
from tapewire.bench.targets import Rows, judge, rate, seconds
from tapewire.bench.workload import Workload
from tapewire.cli.bench import BenchSection
from tapewire.errors import ConfigError, InterruptedRunError, OutputError
from tapewire.replay import read_records

SCALE = Scale(5_000, 1, 3, quick=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return Workload(tmp_path_factory.mktemp("bench"), SCALE.events, SCALE.seed)


def test_the_command_line_knows_every_section() -> None:
    assert [section.value for section in BenchSection] == [
        section.name for section in sections.SECTIONS
    ]


def test_no_two_variants_are_the_same_and_the_first_is_the_default() -> None:
    from tapewire.strategies import STRATEGIES

    parameters = [variants.variant_parameters(k) for k in range(1_000)]
    assert len({tuple(p.items()) for p in parameters}) == 1_000
    declared = STRATEGIES["market_maker"].parameters
    assert parameters[0] == {key: spec.default for key, spec in declared.items()}


def test_variants_run_over_the_same_part(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "PART_RECORDS_QUICK", 2_000)
    monkeypatch.setattr(variants, "COUNTS_QUICK", (1, 3))
    one, three = variants.variant_rows(work, SCALE)
    assert (one.events, three.events) == (2_000, 2_000)
    assert rate("variants", "1 variant, one pass")(Rows([three, one])) is not None
    assert three.name == "3 variants, one pass"


@pytest.mark.long
def test_every_way_of_transport_carries_everything(
    work: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TRANSPORTS", ("ipc", "inproc"))
    monkeypatch.setattr(transport, "BATCHES", (transport.BATCH_QUICK,))
    rows = list(transport.transport_rows(work, SCALE))
    assert [row.name for row in rows] == [
        "ipc, shared, batches of 16,384",
        "ipc, inline, batches of 16,384",
        "inproc, shared, batches of 16,384",
        "inproc, inline, batches of 16,384",
    ]
    assert all(row.events == SCALE.events and row.best_s > 0 for row in rows)


def test_the_short_bench_has_every_way_and_the_usual_one_at_every_size() -> None:
    ways = {
        (way, payload, size)
        for way in transport.TRANSPORTS
        for payload in ("shared", "inline")
        for size in transport.BATCHES
        if transport.in_quick(way, payload, size)
    }
    assert len(ways) == 9
    assert {(way, payload) for way, payload, _ in ways} == {
        (way, payload) for way in transport.TRANSPORTS for payload in ("shared", "inline")
    }


@pytest.mark.parametrize("quick", [True, False])
def test_targets_find_the_rows_of_growth_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    def crowd(folder: Path, books: int, orders: int, *_: object) -> growth._Load:
        path = folder / f"{books}-{orders}.dbn"
        path.touch()
        return growth._Load(f"{orders:,} live orders", growth.GrowthPlan(str(path), 10), orders)

    samples = [(k, 10**8 + k) for k in range(1, 17)]
    monkeypatch.setattr(growth, "SESSION_RECORDS", 1_000)
    monkeypatch.setattr(growth, "_crowd", crowd)
    monkeypatch.setattr(
        growth, "spawn", lambda plan: growth.Growth(10, 0.5, 1, 2, 3, 4, 5, samples)
    )
    idle = Row("growth, idle", "any", 0, 1.0, 1.0, 1, "", {"rss_mb": 7.0})
    monkeypatch.setattr(growth, "idle_row", lambda *_: idle)
    monkeypatch.setattr(growth, "venue_row", lambda *_: idle)
    rows = list(growth.growth_rows(tmp_path, replace(SCALE, quick=quick)))
    measured = [found.target.name for found in judge(rows) if found.met is not None]
    assert measured == [
        "5,000 instruments, as active as on a venue",
        "5,000 instruments, evenly active",
        "1,000,000 live orders, cost of 4,000",
        *([] if quick else ["memory kept per 10 million events"]),
        "11,000 instruments, peak memory",
        "run process at rest, memory",
    ]


def test_the_latency_targets_find_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "SINGLE_EVENTS_QUICK", 1_000)
    monkeypatch.setattr(latency, "run_rows", lambda work: iter(()))
    rows = list(latency.latency_rows(Workload(tmp_path, 70_000, 1), SCALE))
    assert [found.target.name for found in judge(rows) if found.met is not None] == [
        "wall time per record in a batch of 4,096, 99th percentile",
        "one event fed by itself, median",
        "one event fed by itself, 99th percentile",
    ]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_targets_of_sources_find_their_rows(work: Workload, tmp_path: Path) -> None:
    rows = list(sources.source_rows(work, SCALE, tmp_path))
    assert [found.target.name for found in judge(rows) if found.met is not None] == [
        "8 files merged, .dbn, CPU time of one",
        "8 files merged, .dbn.zst, CPU time of one",
        "a run over 8 files merged, .dbn, time of one",
        "a run over 8 files merged, .dbn.zst, time of one",
        "a run of a .dbn.zst, rate of decompression in turns with it",
        "a .dbn.zst of several frames, all cores, rate of one thread",
        "derive mbp-10 to .dbn",
        "convert .dbn.zst to .dbn",
        "convert .dbn to .dbn.zst",
        "convert ITCH to .dbn",
        "convert LOBSTER to .dbn",
    ]
    named = {row.name: row for row in rows}
    assert named["8 files merged, .dbn"].events == named["one file, .dbn"].events
    assert named["one file, .dbn"].figures["cpu_times_one"] == 1
    assert named["played, 8 files merged, .dbn"].events == named["one file, .dbn"].events
    assert "cpu_ns_per_record" not in named["run, 8 files merged, .dbn"].figures
    assert named["levels played, mbp-10"].events > 1_000
    # As many orders come and go as messages say, in both formats.
    for name in ("orders.itch", "TEST_2024-03-04_34200000_57600000_message_1.csv"):
        assert (tmp_path / name).is_file()
    assert read_records(tmp_path / "foreign.dbn")[1].size == SCALE.events + 3  # a snapshot of two


@pytest.mark.long
def test_a_warm_start_has_its_parts_in_order(tmp_path: Path) -> None:
    (warm,) = rows = list(start_rows(tmp_path, SCALE))
    assert 0 < warm.figures["kernels_s"] < warm.median_s < warm.figures["whole_run_s"]
    assert seconds("start", "warm start")(Rows(rows)) == warm.median_s


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": 10}, r"--events: expected at least 100,000, found 10"),
        ({"runs": 0}, r"--runs: expected at least 1, found 0"),
        ({"only": ["books"]}, r"--only: expected one of stages, .*, found 'books'"),
        ({"check": True, "save_baseline": True}, r"--save-baseline or --check, found both"),
        ({"baseline": Path("b.json")}, r"--baseline: expected --check or --save-baseline with it"),
        ({"check": True, "baseline": Path("none.json")}, r"no baseline for this machine class"),
    ],
)
def test_what_makes_no_sense_is_refused_before_measuring(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_bench(tell=_nothing, **options)


def test_an_unwritable_document_is_refused_before_measuring(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected its folder to exist"):
        run_bench(tell=_nothing, write=tmp_path / "none" / "B.md")


def _nothing(line: str) -> None:
    raise AssertionError(f"measured already: {line}")


def test_a_signal_that_was_swallowed_ends_the_bench_at_the_next_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = []

    def rows(bench: sections.Bench) -> Iterator[Row]:
        for name in "ab":
            measured.append(name)
            with suppress(KeyboardInterrupt):  # as a destructor does
                signal.raise_signal(signal.SIGINT)
            yield Row("group", name, 10, 1.0, 1.0, 1)

    monkeypatch.setattr(
        sections, "SECTIONS", (sections.Section("stages", "Title", "", rows, 1, 1),)
    )
    with pytest.raises(InterruptedRunError, match="nothing was written") as caught:
        run_bench(tell=lambda line: None)
    assert measured == ["a"]
    assert caught.value.exit_code == 130


def test_both_ways_of_calling_do_the_same_on_the_same_trades(work: Workload) -> None:
    thinned = callbacks.one_in(work.records, 100)
    trades = np.count_nonzero(thinned["action"] == ord("T"))
    assert 0.5 < trades * 100 / thinned.size <= 1.01
    digests = []
    for kind in (callbacks.SOME_ORDERS_COMPILED, callbacks.SomeOrders.definition()):
        simulation = callbacks.simulation_of(work, kind)
        whole_loop(simulation, thinned)()
        simulation.finish()
        assert simulation.counts["orders_sent"] >= 2
        digests.append(simulation.digests())
    assert digests[0] == digests[1]


@pytest.mark.long
def test_callbacks_are_measured_by_how_often_they_come(work: Workload) -> None:
    rows = list(callbacks.callback_rows(work, SCALE))
    assert [row.name for row in rows] == [
        "every event", "every trade", "one record in 100, compiled",
        "one record in 100, plain Python", "one record in 1,000, compiled",
        "one record in 1,000, plain Python",
    ]  # fmt: skip
    shares = {entry.target.name: entry.median for entry in judge(rows)}
    assert shares["plain Python, every event"] == rows[0].figures["m_callbacks_per_s"] > 0
    assert shares["plain Python, one record in 100, share of compiled"] is not None


def test_the_targets_of_studies_find_their_rows(
    work: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = os.sched_getaffinity(0)

    def cost(work: Workload, path: Path, count: int, workers: int) -> studies.Cost:
        on_one = workers == 1 and len(os.sched_getaffinity(0)) == 1
        each_s = 1.0 if workers == 2 else 1.8 if on_one else 1.5
        return studies.Cost(count * each_s, 1.0, 100 + count / 5)

    monkeypatch.setattr(studies, "usable_cores", lambda: 2)
    monkeypatch.setattr(studies, "_run", lambda *_: studies.Cost(0.5, 1.0, 100.0))
    monkeypatch.setattr(studies, "_study", cost)
    rows = list(studies.study_rows(work, replace(SCALE, quick=False), tmp_path))
    whole = work.records[: rows[0].events]
    assert np.array_equal(read_records(tmp_path / "studies-part.dbn")[1], whole)
    assert [row.events // rows[0].events for row in rows] == [1, 10, 60, 100, 100, 100, 1_000]
    assert os.sched_getaffinity(0) == cores
    found = {one.target.name: one.median for one in judge(rows) if one.met is not None}
    assert found == {
        "a study of a hundred variants, all cores, time of one run": 100 / 0.5,
        "a study of a thousand variants, time by variant of one of a hundred": 1.0,
        "a study on all cores, share of so many times one core": 0.9,
        "a study, memory by variant": 0.2,
    }


@pytest.mark.long
def test_a_study_of_the_bench_is_one_of_its_variants(work: Workload) -> None:
    cost = studies._study(work, work.raw, 20, 1)
    assert cost.cpu_s > 0
    assert cost.peak_mb > 50


def test_a_collector_costs_a_simulation_something_that_is_measured(
    work: Workload, tmp_path: Path
) -> None:
    alone, beside = collecting_rows(work, SCALE, tmp_path)
    assert alone.figures["fills"] > 0
    assert "slower_percent" in beside.figures
    assert "wall_times_one" in beside.figures
    assert not list(tmp_path.iterdir()), "its folders are gone"
