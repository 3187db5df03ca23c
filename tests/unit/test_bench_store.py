"""The store's rows of the bench, on a few strategies."""

from pathlib import Path

import pytest

from stores import Databases
from tapewire.bench import store as bench
from tapewire.bench.measure import Row
from tapewire.bench.sections import SECTIONS
from tapewire.bench.targets import judge
from tapewire.store import Store


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BATCH", 50)
    monkeypatch.setattr(bench, "PAGES", 16)


def test_what_is_told_was_stored_and_looked_up(tmp_path: Path, databases: Databases) -> None:
    for url, kinds in ((str(tmp_path / "b.db"), 1), (databases.new(), 3)):
        told = bench.fill(url, 200, kinds, seed=1)
        assert len(told["pages_ms"]) == 16
        assert told["results_s"] >= told["strategies_s"] > 0
        assert told["peak_mb"] > 20
        with Store.open(url, create=False) as store:
            assert store.generation(1).batches == 4
            assert store.trial_count(1) == 200 * kinds
            last = "search" if kinds == 1 else f"test-{kinds - 1}"
            assert len(store.strategies(kind=last, limit=1_000).rows) == 200


def test_rows_are_of_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = (
        '{"strategies_s": 80.0, "results_s": 250.0, "peak_mb": 120, "pages_ms": '
        f"{[1.0] * 98 + [4.0, 20.0]}}}"
    )
    monkeypatch.setattr(bench, "run_child", lambda command, timeout_s: told)
    rows: list[Row] = [*bench._filled("x", 1_000_000, 1, "SQLite", 1)]
    rows += bench._filled("x", 1_000_000, 10, "PostgreSQL", 1)
    assert [(row.name, row.events, row.best_s) for row in rows] == [
        ("strategies, SQLite", 1_000_000, 80.0),
        ("pages of 100, SQLite", 100, 0.001),
        ("results, PostgreSQL", 10_000_000, 250.0),
        ("pages of 100, PostgreSQL", 100, 0.001),
    ]
    assert rows[0].figures == {"per_s": 12_500, "peak_mb": 120}
    assert rows[3].figures == {"p50_ms": 1.0, "p99_ms": 20.0, "max_ms": 20.0}
    found = {one.target.name: one.verdict for one in judge(rows) if one.median is not None}
    assert found == {
        "a million strategies stored on SQLite": "met",
        "10 million results stored on PostgreSQL": "met",
        "a page of 100 strategies anywhere, SQLite, 99th percentile": "not met",
        "a page of 100 strategies anywhere, PostgreSQL, 99th percentile": "not met",
        "storing strategies, SQLite, peak memory": "met",
        "storing results, PostgreSQL, peak memory": "met",
    }
    few = list(bench._filled("x", 20_000, 1, "SQLite", 1))
    assert "a million strategies stored on SQLite" not in {
        one.target.name for one in judge(few) if one.median is not None
    }
    assert "store" in [section.name for section in SECTIONS]
