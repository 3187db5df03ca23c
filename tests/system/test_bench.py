"""The bench measures real runs, and writes what it measured where it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tapewire.bench.runs import _CASES

SMALL = ("bench", "--quick", "--events", "100000", "--runs", "1")


# Databento's client, a peer in the rows, leaves its file to be closed when it is forgotten.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_bench_prints_rows_and_writes_its_parts(
    tapewire_here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.bench.EVENTS_MIN", 5_000)
    cases = [case for case in _CASES if case[0] == ".dbn, one process"]
    monkeypatch.setattr("tapewire.bench.runs._CASES", cases)
    table, stored = tmp_path / "BENCHMARKS.md", tmp_path / "baseline.json"
    table.write_text("# Benchmarks\n\nKept.\n")
    done = tapewire_here(
        "bench", "--quick", "--events", "5000", "--runs", "1", "--only", "runs", "--json",
        "--write", table, "--save-baseline", "--baseline", stored,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert bench["host"]["cores"] >= 1
    groups = {(row["section"], row["group"]) for row in bench["rows"]}
    assert groups == {  # the baseline needs the stages
        ("stages", "limit"), ("stages", "stage"), ("stages", "peer"), ("runs", "end to end"),
    }  # fmt: skip
    assert all(row["median_s"] >= row["best_s"] > 0 for row in bench["rows"])
    whole = [row for row in bench["rows"] if row["section"] == "runs"]
    assert all(row["figures"]["peak_mb"] > 50 for row in whole)
    assert f"{whole[0]['name']}" in done.stderr  # told as it came
    text = table.read_text()
    assert "Kept." in text
    assert all(f"| {row['name']} |" in text for row in bench["rows"])
    assert bench["host"]["cpu"] in text
    assert "bench: begin targets" not in text  # they need the whole bench
    assert json.loads(stored.read_text())["ratios"]


@pytest.mark.long
def test_every_target_of_whole_runs_finds_its_row(tapewire: Any) -> None:
    done = tapewire(*SMALL, "--only", "stages", "--only", "runs", "--json")
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    measured = {t["name"] for t in bench["targets"] if t["verdict"] != "not measured"}
    assert measured == {
        "end to end, .dbn, two processes",
        "end to end, share of book only",
        "end to end, .dbn.zst, share of zstd decompression alone",
        "a simulation with 100,000 fills a second, slower for its collector",
        "loop without a strategy",
        "mbp-10 derived from memory",
        "synthetic market",
    }


@pytest.mark.long
@pytest.mark.timeout(600)
def test_what_slipped_is_measured_twice_more_and_named(tapewire: Any, tmp_path: Path) -> None:
    stored = tmp_path / "baseline.json"
    done = tapewire(*SMALL, "--only", "runs", "--save-baseline", "--baseline", stored)
    assert done.returncode == 0, done.stderr

    # Against a past in which the book was a thousand times faster and all else much slower.
    past = json.loads(stored.read_text())
    for row, entry in past["ratios"].items():
        entry["value"] *= 1000 if row == "stage: book only" else 0.001
    stored.write_text(json.dumps(past))
    done = tapewire(*SMALL, "--only", "stages", "--check", "--baseline", stored)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("slower than the baseline, so again: stages") == 2
    slipped = [line for line in done.stdout.splitlines() if line.startswith("slipped")]
    assert len(slipped) == 1
    assert slipped[0].startswith("slipped  stage: book only: ")
    assert "not compared, not in this bench  end to end: .dbn, one process" in done.stdout


def test_too_little_to_measure_is_refused(tapewire: Any) -> None:
    done = tapewire("bench", "--events", "10")
    assert done.returncode == 2
    assert "--events: expected at least 100,000, found 10" in done.stderr
