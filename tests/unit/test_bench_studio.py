"""The rows of the studio's pages, on a few."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.bench import studio as bench
from tapewire.bench.measure import Scale
from tapewire.bench.services import STRATEGIES, Served, served
from tapewire.bench.targets import judge
from tapewire.errors import SimulationError


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "data").mkdir()
    with served(folder, "--web-port", "0", "--data", "data", "--workers", "0") as one:
        yield one


def test_pages_are_counted_and_timed(at: Served):
    row = bench._pages(at, "the best", {"sort": "sharpe"}, 5, STRATEGIES)
    assert (row.name, row.events) == ("pages, the best", 500)
    assert 0 < row.figures["p50_ms"] <= row.figures["p99_ms"]
    assert row.figures["cpu_ms"] >= 0
    with pytest.raises(SimulationError, match="expected an answer, found status 400"):
        bench._pages(at, "nothing", {"sort": "luck"}, 1, STRATEGIES)


def test_open_pages_watch_as_long_as_they_are_looked_at(at: Served):
    row = bench._open(at, 0.5)
    assert (row.name, row.events) == ("10 open pages", 10)
    assert row.best_s >= 0.5
    assert row.figures["core_percent"] >= 0


def test_rows_are_of_what_was_told(monkeypatch: pytest.MonkeyPatch):
    def pages(_at: object, name: str, _asked: object, count: int, of: int) -> Any:
        figures = {"cpu_ms": 10.0, "p50_ms": 12.0, "p99_ms": 60.0}
        assert (count, of) == (bench.PAGES, bench.STRATEGIES)
        return bench.row_of(bench.GROUP, f"pages, {name}", 100, [1.0], "", figures)

    def opened(_at: object, lasts_s: float) -> Any:
        figures = {"core_percent": 2.0}
        return bench.row_of(bench.GROUP, "10 open pages", 10, [lasts_s], "", figures)

    monkeypatch.setattr(bench, "run_child", lambda command, timeout_s: json.dumps(command))
    monkeypatch.setattr(bench, "served", Nobody)
    monkeypatch.setattr(bench, "_pages", pages)
    monkeypatch.setattr(bench, "_open", opened)
    monkeypatch.setattr(bench.shutil, "which", lambda _name: None)
    missing: list[str] = []
    rows = list(bench.studio_rows(Scale(0, 1, 1), lambda _line: None, missing))
    assert [row.name for row in rows] == [
        "pages, the best", "pages, the newest", "pages, a filter", "10 open pages",
    ]  # fmt: skip
    assert missing == ["studio: no row of a browser without Chromium and the package playwright"]
    found = {one.target.name: one.verdict for one in judge(rows) if one.median is not None}
    assert found == {
        "a page of 100 strategies of the studio, 99th percentile": "not met",
        "ten open pages of the studio": "met",
    }


class Nobody:
    """A server that is not there."""

    def __init__(self, folder: Path, *options: str, fills: bool) -> None:
        assert not fills

    def __enter__(self) -> Served:
        return Served("", "", 0)

    def __exit__(self, *_: object) -> None:
        pass
