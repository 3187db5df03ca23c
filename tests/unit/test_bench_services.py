"""The rows of a server's calls, on a few."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.bench import services as bench
from tapewire.bench.measure import Scale
from tapewire.bench.sections import SECTIONS
from tapewire.bench.targets import judge


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bench.Served]:
    with bench.served(tmp_path_factory.mktemp("bench")) as served:
        yield served


def test_calls_are_counted_and_timed(at: bench.Served) -> None:
    for name in bench._NOTES:
        figures, took_s = asyncio.run(bench._asked_fast(at, name, 60))
        assert took_s > 0
        assert figures["cpu_us"] * figures["per_s_core"] == pytest.approx(1e6, rel=0.01)
    with bench.bare() as floor:
        figures, _ = asyncio.run(bench._asked_fast(floor, bench.BARE, 60))
        assert figures["cpu_us"] > 0
    figures, took_s = asyncio.run(bench._asked_paced(at, 100))
    assert took_s >= 0.099  # at its pace, not faster
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert at.rss_mb() > 20


def test_a_paced_client_and_its_server_have_cores_of_their_own(at: bench.Served) -> None:
    before = os.sched_getaffinity(0)
    with bench.apart(at):
        mine = os.sched_getaffinity(0)
        threads = [int(one.name) for one in Path(f"/proc/{at.pid}/task").iterdir()]
        theirs = set().union(*map(os.sched_getaffinity, threads))
        assert mine | theirs == before
        assert (len(before) == 1) or not mine & theirs
    assert os.sched_getaffinity(0) == os.sched_getaffinity(at.pid) == before


def test_rows_are_of_what_was_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def told(_at: object, name: str, count: int) -> tuple[dict[str, float], float]:
        return bench._figures(0.0004 * count, count), 8.0

    async def paced(_at: object, count: int) -> tuple[dict[str, float], float]:
        return {"cpu_us": 400.0, "per_s_core": 2_500, "p50_ms": 1.0, "p99_ms": 7.0}, 20.0

    monkeypatch.setattr(bench, "_REST_S", 0.0)
    monkeypatch.setattr(bench, "_asked_fast", told)
    monkeypatch.setattr(bench, "_asked_paced", paced)
    rows = list(bench.service_rows(Scale(0, 1, 1), lambda _line: None))
    assert [(row.name, row.events) for row in rows] == [
        ("health, handler alone", 8_000),
        ("health", 8_000),
        ("who am I", 8_000),
        ("a job", 8_000),
        ("20 strategies", 2_000),
        ("who am I, 1,000 a second", 20_000),
    ]
    assert rows[1].figures == {"cpu_us": 400.0, "per_s_core": 2_500}
    found = {one.target.name: one.verdict for one in judge(rows) if one.median is not None}
    assert found == {
        "calls that a core answers, health": "met",
        "calls that a core answers, who am I": "met",
        "a call at 1,000 a second, 99th percentile": "not met",
    }
    assert "services" in [section.name for section in SECTIONS]
