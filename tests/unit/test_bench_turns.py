"""Things measured by turns, and runs over several files that take turns with one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tapewire.bench.measure import by_turns
from tapewire.bench.runs import run_config
from tapewire.bench.workload import load_session
from tapewire.replay.synth import synthesize


def told(log: list[str], name: str, seconds: list[float]) -> Callable[[], float]:
    """Work that says what it took: the first turn, which must not count, a thousand times more."""
    left = [1_000.0, *seconds]

    def go() -> float:
        log.append(name)
        return left.pop(0)

    return go


def test_what_processes_took_is_compared_by_medians_of_alternate_turns() -> None:
    log: list[str] = []
    works = {"one": told(log, "one", [2.0, 4.0, 9.0]), "two": told(log, "two", [7.0, 1.0, 5.0])}
    one, two = by_turns("source", 20, works, 3, "by hand")
    assert log == ["one", "two"] * 4
    assert (one.best_s, one.median_s, one.events, one.runs) == (2.0, 4.0, 20, 3)
    assert (two.best_s, two.median_s, two.note) == (1.0, 5.0, "by hand")
    assert one.figures == {"wall_times_one": 1.0}
    assert two.figures == {"wall_times_one": 1.25}


def test_cpu_time_is_measured_of_what_this_process_does() -> None:
    def work() -> None:
        sum(range(200_000))

    log: list[str] = []
    here, elsewhere = by_turns("source", 10, {"here": work, "there": told(log, "", [60.0])}, 1)
    assert here.figures["cpu_times_one"] == 1
    assert here.figures["cpu_ns_per_record"] > 0
    assert elsewhere.median_s == 60
    assert elsewhere.figures["wall_times_one"] > 1
    assert "cpu_times_one" not in elsewhere.figures
    (alone,) = by_turns("source", 10, {"here": work}, 1)
    assert list(alone.figures) == ["cpu_ns_per_record"]


def test_a_run_over_several_files_knows_each_instrument(tmp_path: Path) -> None:
    file = tmp_path / "three.dbn"
    synthesize(file, events=2_000, instruments=3, seed=1)
    session = load_session(file, file)
    with run_config(session, [file, tmp_path / "more.dbn"]) as path:
        backtest = yaml.safe_load(path.read_text())["backtest"]
    assert backtest["data_source"]["files"] == [str(file), str(tmp_path / "more.dbn")]
    facts = {"tick_size": pytest.approx(0.25), "multiplier": 50}
    assert backtest["instruments"] == dict.fromkeys(("TWA1", "TWA2", "TWA3"), facts)
