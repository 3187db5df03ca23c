"""The store's rows of the bench, on a few strategies."""

import json
from pathlib import Path

import psycopg
import pytest

from stores import Databases
from tapewire.bench import store as bench
from tapewire.bench.measure import Row
from tapewire.bench.processes import PROGRESS
from tapewire.bench.sections import SECTIONS
from tapewire.bench.store_server import processor_s
from tapewire.bench.targets import judge
from tapewire.store import Store


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BATCH", 50)
    monkeypatch.setattr(bench, "PAGES", 16)
    monkeypatch.setattr(bench, "BARE_ROWS", 500)
    monkeypatch.setattr(bench, "BATCHED", 100)
    monkeypatch.setattr(bench, "TELL_S", 0.0)


def test_what_is_told_was_stored_and_looked_up(
    tmp_path: Path, databases: Databases, capfd: pytest.CaptureFixture[str]
) -> None:
    for url, kinds in ((str(tmp_path / "b.db"), 0), (databases.new(), 3)):
        told = bench.fill(url, 200, kinds, seed=1)
        assert len(told["pages_ms"]) == 16
        spent = told["spent"]
        rows = {"strategies": 200}
        if kinds:
            rows |= {"results": 600, "results by batches": 100, "bare COPY": 500}
            assert spent["results"]["server"] >= 0.0
        assert {what: one["rows"] for what, one in spent.items()} == rows
        assert all(one["s"] > 0 and one["client"] > 0 for one in spent.values())
        assert told["peak_mb"] > 20
        assert told["results"] == (900 if kinds else 200)
        with Store.open(url, create=False) as store:
            assert store.generation(1).batches == 4
            assert store.trial_count(1) == told["results"]
            last = f"test-{kinds - 1}" if kinds else "search"
            assert len(store.strategies(kind=last, limit=1_000).rows) == 200
    said = capfd.readouterr().err.splitlines()
    assert f"{PROGRESS}strategies stored: 150 of 200" in said
    assert f"{PROGRESS}results stored: 350 of 600" in said
    assert f"{PROGRESS}results stored: 600 of 600" in said


def test_the_time_of_a_server_is_that_of_all_its_processes(databases: Databases) -> None:
    url = databases.empty()
    before = processor_s(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT sum(sqrt(k)) FROM generate_series(1, 2000000) k")
        between = processor_s(url)
    assert between > before
    # A process that has ended is counted with the one that started it.
    assert processor_s(url) >= between


def told_of(**rows: tuple[int, float]) -> str:
    spent = {
        what.replace("_", " "): {
            "rows": count,
            "s": s,
            "client": count * 20e-6,
            "server": count * 40e-6,
        }
        for what, (count, s) in rows.items()
    }
    pages = [1.0] * 98 + [4.0, 20.0]
    return json.dumps({"spent": spent, "peak_mb": 120, "pages_ms": pages, "results": 12_000_000})


def test_rows_are_of_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_of(strategies=(1_000_000, 80.0))
    monkeypatch.setattr(bench, "run_child", lambda command, timeout_s, tell: told)
    rows: list[Row] = [*bench._filled("x", 1_000_000, 0, "SQLite", 1, print)]
    told = told_of(strategies=(1_000_000, 100.0), results=(10_000_000, 250.0), bare_COPY=(200, 1.0))
    rows += bench._filled("x", 1_000_000, 10, "PostgreSQL", 1, print)
    assert [(row.name, row.events, row.best_s) for row in rows] == [
        ("strategies, SQLite", 1_000_000, 80.0),
        ("pages of 100, SQLite", 100, 0.001),
        ("strategies, PostgreSQL", 1_000_000, 100.0),
        ("results, PostgreSQL", 10_000_000, 250.0),
        ("bare COPY, PostgreSQL", 200, 1.0),
        ("pages of 100, PostgreSQL", 100, 0.001),
    ]
    spent = {"client_us": 20.0, "server_us": 40.0}
    assert rows[0].figures == {"per_s": 12_500, "peak_mb": 120} | spent
    assert rows[3].figures == {"per_s": 40_000, "peak_mb": 120} | spent
    assert rows[5].figures == {"p50_ms": 1.0, "p99_ms": 20.0, "max_ms": 20.0}
    found = {one.target.name: one.verdict for one in judge(rows) if one.median is not None}
    assert found == {
        "a million strategies stored on SQLite": "met",
        "10 million results stored on PostgreSQL": "met",
        "a page of 100 strategies anywhere, SQLite, 99th percentile": "not met",
        "a page of 100 strategies anywhere, PostgreSQL, 99th percentile": "not met",
        "storing strategies, SQLite, peak memory": "met",
        "storing results, PostgreSQL, peak memory": "met",
    }
    told = told_of(strategies=(20_000, 2.0))
    few = list(bench._filled("x", 20_000, 0, "SQLite", 1, print))
    assert "a million strategies stored on SQLite" not in {
        one.target.name for one in judge(few) if one.median is not None
    }
    assert "store" in [section.name for section in SECTIONS]
