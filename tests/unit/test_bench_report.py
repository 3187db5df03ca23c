"""Tables with only the columns they need, and Markdown parts that touch nothing but themselves."""

from pathlib import Path

import pytest

from tapewire.bench.measure import Row
from tapewire.bench.report import (
    DocumentPart,
    require_markers,
    row_line,
    row_table,
    significant,
    target_table,
    where_line,
    write_parts,
)
from tapewire.bench.targets import judge
from tapewire.errors import MissingFileError, OutputError

RATE = Row("stage", "book only", 10**6, 0.025, 0.05, 3, "from memory")
START = Row("start", "cold start", 500, 24.0, 24.0, 1, "", {"kernels_s": 22.5})


def test_numbers_have_three_digits_that_matter() -> None:
    assert [significant(v) for v in (0.04539, 3.0, 40, 198.4, 12345.6, 0)] == [
        "0.0454", "3", "40", "198", "12,346", "0",
    ]  # fmt: skip


def test_a_table_of_rates_has_only_the_columns_it_needs() -> None:
    assert row_table([RATE], rated=True, events=10**6) == (
        "| what | M records/s, best | median | runs | includes |\n"
        "|---|---:|---:|---:|---|\n"
        "| book only | 40 | 20 | 3 | from memory |\n"
    )


def test_a_table_says_whose_group_and_how_many_records_where_that_differs() -> None:
    other = Row("limit", "a | b", 10**5, 0.001, 0.001, 1, "", {"p99_us": 7.25})
    lines = row_table([RATE, other], rated=True, events=10**6).splitlines()
    assert lines[0] == (
        "| group | what | M records/s, best | median | p99 us | records | runs | includes |"
    )
    assert lines[2] == "| stage | book only | 40 | 20 |  | 1,000,000 | 3 | from memory |"
    assert lines[3] == "| limit | a \\| b | 100 | 100 | 7.25 | 100,000 | 1 |  |"


def test_a_table_of_times_has_seconds() -> None:
    assert row_table([START], rated=False, events=10**6).splitlines() == [
        "| what | s, best | median | kernels s | runs |",
        "|---|---:|---:|---:|---:|",
        "| cold start | 24 | 24 | 22.5 | 1 |",
    ]


def test_a_row_without_records_has_no_rate() -> None:
    idle = Row("growth, idle", "waiting", 0, 1.5, 1.5, 1, "", {"rss_mb": 187.0})
    line = row_table([RATE, idle], rated=True, events=10**6).splitlines()[3]
    assert line == "| growth, idle | waiting |  |  | 187 |  | 1 |  |"
    assert "1.5 median  s  rss mb 187" in row_line(idle, 0, rated=True)


def test_a_line_has_the_time_and_the_figures() -> None:
    line = row_line(START, 187.9, rated=False)
    assert line.startswith("  3:07  start")
    assert line.endswith("24 best       24 median  s  kernels s 22.5")
    assert "20 median  M records/s" in row_line(RATE, 1, rated=True)


def test_targets_stand_with_what_was_wanted_and_found() -> None:
    lines = target_table(judge([RATE])).splitlines()
    assert lines[0] == "| target | wanted | found, median | best |  |"
    assert "| loop without a strategy | ≥ 25 M records/s | – | – | not measured |" in lines


def test_one_core_is_said_so() -> None:
    host = {
        "date": "2026-01-02", "cpu": "Some", "cores": 1, "memory_gib": 2.0, "flags": [],
        "system": "Linux", "python": "3.11.7", "versions": {"tapewire": "0.1.0"},
    }  # fmt: skip
    assert where_line(host) == (
        "Measured 2026-01-02 on 1 core of Some, 2.0 GiB, Linux, Python 3.11.7; tapewire 0.1.0."
    )


def test_a_part_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "B.md"
    path.write_text("# Benchmarks\n\nBy hand.\n")
    write_parts(path, [DocumentPart("a", "Of a", "first\n"), DocumentPart("b", "Of b", "other\n")])
    between = path.read_text().replace("## Of b", "Written by hand later.\n\n## Of b")
    path.write_text(between)
    write_parts(path, [DocumentPart("a", "Of a", "second\n")])
    text = path.read_text()
    assert text == between.replace("first", "second")
    assert "By hand." in text
    assert text.index("Of a") < text.index("second") < text.index("later") < text.index("other")


def test_a_lost_marker_is_told_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "B.md"
    write_parts(path, [DocumentPart("a", "A", "first\n"), DocumentPart("b", "B", "other\n")])
    broken = path.read_text().replace("<!-- bench: end b -->", "")
    path.write_text(broken)
    with pytest.raises(OutputError, match="both markers of section 'b' once"):
        require_markers(path, ["a", "b"])
    with pytest.raises(OutputError, match="both markers of section 'b' once"):
        write_parts(path, [DocumentPart("a", "A", "second\n"), DocumentPart("b", "B", "more\n")])
    assert path.read_text() == broken
    require_markers(path, ["a", "absent"])


def test_a_file_that_can_not_be_written_is_told_first(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected its folder to exist"):
        require_markers(tmp_path / "none" / "B.md", ["a"])
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MissingFileError, match="expected a Markdown file"):
        require_markers(tmp_path / "bytes.md", ["a"])
