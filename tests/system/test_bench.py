"""The bench measures real runs, and writes what it measured where it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tapewire.bench.report import write_section
from tapewire.errors import OutputError


def test_the_bench_prints_rows_and_writes_its_section(tapewire: Any, tmp_path: Path) -> None:
    table = tmp_path / "BENCHMARKS.md"
    table.write_text("# Benchmarks\n\nKept.\n")
    done = tapewire("bench", "--events", "100000", "--runs", "1", "--json", "--write", table)
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert bench["host"]["cores"] >= 1
    groups = {row["group"] for row in bench["rows"]}
    assert groups == {"limit", "stage", "variants", "end to end", "peer"}
    assert all(row["median_s"] >= row["best_s"] > 0 for row in bench["rows"])
    text = table.read_text()
    assert "Kept." in text
    assert text.count("| end to end |") == 5
    assert bench["host"]["cpu"] in text


def test_a_section_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "B.md"
    write_section(path, "a", "first\n")
    write_section(path, "b", "other\n")
    write_section(path, "a", "second\n")
    text = path.read_text()
    assert "first" not in text
    assert text.index("second") < text.index("other")
    path.write_text(text.replace("<!-- bench: end a -->", ""))
    with pytest.raises(OutputError, match="both markers of section 'a'"):
        write_section(path, "a", "third\n")


def test_too_little_to_measure_is_refused(tapewire: Any) -> None:
    done = tapewire("bench", "--events", "10")
    assert done.returncode == 2
    assert "--events: expected at least 100,000, found 10" in done.stderr
