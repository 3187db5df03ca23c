"""Ratios against a stored baseline: what slipped is named, noise and other machines are not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tapewire.bench import AGAIN_MAX, BenchResult, _Ratios, baseline, host
from tapewire.bench.measure import Row, Scale
from tapewire.errors import ConfigError

SCALE = Scale(1_000_000, 2, 1, quick=True)


def row(group: str, name: str, m_per_s: float) -> Row:
    return Row(group, name, 10**6, 1 / m_per_s, 1.1 / m_per_s, 2)


ROWS = [
    row("limit", "memory copy", 200.0),
    row("limit", "file read", 100.0),
    row("limit", "zstd decompression alone", 16.0),
    row("limit", "empty loop over records", 160.0),
    row("stage", "decode .dbn", 80.0),
    row("stage", "decode .dbn.zst", 12.0),
    row("stage", "book only", 40.0),
    row("stage", "loop, market maker", 20.0),
    row("end to end", ".dbn, two processes, shared memory", 10.0),
    row("end to end", ".dbn.zst, two processes, shared memory", 8.0),
    row("transport", "ipc, shared, batches of 1,024", 50.0),
    row("latency", "anything", 1.0),
    row("rival", "hftbacktest", 3.0),
]


def slower(name: str, factor: float) -> list[Row]:
    """The same bench with one row slower, as all its runs were."""
    return [
        replace(r, best_s=r.best_s * factor, median_s=r.median_s * factor) if r.name == name else r
        for r in ROWS
    ]


def saved(path: Path, rows: list[Row] = ROWS) -> dict[str, baseline.Ratio]:
    baseline.save(path, SCALE, {"cpu": "some"}, rows)
    return baseline.load(path, SCALE)


def test_each_row_is_divided_by_what_bounds_it(tmp_path: Path) -> None:
    assert {r.row: (r.over, round(r.value, 6)) for r in saved(tmp_path / "b.json").values()} == {
        "stage: decode .dbn": ("limit: file read", 0.8),
        "stage: decode .dbn.zst": ("limit: zstd decompression alone", 0.75),
        "stage: book only": ("limit: empty loop over records", 0.25),
        "stage: loop, market maker": ("stage: book only", 0.5),
        "end to end: .dbn, two processes, shared memory": ("stage: book only", 0.25),
        "end to end: .dbn.zst, two processes, shared memory": (
            "limit: zstd decompression alone",
            0.5,
        ),
        "transport: ipc, shared, batches of 1,024": ("limit: memory copy", 0.25),
    }


def test_a_slower_machine_is_no_slip(tmp_path: Path) -> None:
    stored = saved(tmp_path / "b.json")
    rows = [replace(r, best_s=r.best_s * 3, median_s=r.median_s * 3) for r in ROWS]
    assert baseline.compare(stored, rows) == ([], [])


def test_the_stage_that_slipped_is_named_with_how_much(tmp_path: Path) -> None:
    stored = saved(tmp_path / "b.json")
    assert baseline.compare(stored, slower("loop, market maker", 1.32)) == ([], [])
    slips, _ = baseline.compare(stored, slower("loop, market maker", 1.6))
    assert [str(slip) for slip in slips] == [
        "stage: loop, market maker: 0.312 × stage: book only, baseline 0.5: 38% less, tolerance 25%"
    ]


def test_one_slow_run_is_no_slip(tmp_path: Path) -> None:
    stored = saved(tmp_path / "b.json")
    rows = [replace(r, median_s=r.median_s * 3) if "ipc" in r.name else r for r in ROWS]
    assert baseline.compare(stored, rows) == ([], [])


@pytest.mark.parametrize(("good_from", "slipped"), [(1, False), (2, False), (3, True)])
def test_what_seems_slower_is_measured_again(tmp_path: Path, good_from: int, slipped: bool) -> None:
    """Only what is slower every time is called so, and nothing else is measured again."""
    saved(tmp_path / "b.json")
    name = "ipc, shared, batches of 1,024"
    slow, calls = slower(name, 2.0), []

    def measure_again(sections: set[str]) -> list[Row]:
        calls.append(sections)
        good = len(calls) >= good_from
        # Another row that wanders in the meantime was good when it was asked.
        return ROWS if good else [*slower("decode .dbn", 2.0), *(r for r in slow if r.name == name)]

    ratios = _Ratios(SCALE, tmp_path / "b.json", save=False, check=True)
    rows = {"stages": slow[:8], "runs": slow[8:10], "transport": slow[10:11], "rest": slow[11:]}
    result = BenchResult({}, "", rows)
    ratios.compare(result, measure_again)
    assert calls == [{"transport"}] * min(good_from, AGAIN_MAX)
    assert [slip.row for slip in result.slips] == [f"transport: {name}"] * slipped


def test_nothing_is_measured_again_where_nothing_slipped(tmp_path: Path) -> None:
    saved(tmp_path / "b.json")
    ratios = _Ratios(SCALE, tmp_path / "b.json", save=False, check=True)
    result = BenchResult({}, "", {"stages": ROWS})
    ratios.compare(result, lambda sections: pytest.fail(f"measured {sections} again"))
    assert result.slips == []


def test_the_worst_comes_first(tmp_path: Path) -> None:
    stored = saved(tmp_path / "b.json")
    rows = slower("decode .dbn", 2.0)
    rows = [replace(r, best_s=r.best_s * 4) if "ipc" in r.name else r for r in rows]
    slips, _ = baseline.compare(stored, rows)
    assert [slip.row.split(":")[0] for slip in slips] == ["transport", "stage"]


def test_what_a_part_of_the_bench_left_out_is_told_not_slipped(tmp_path: Path) -> None:
    stored = saved(tmp_path / "b.json")
    slips, absent = baseline.compare(stored, [r for r in ROWS if r.group in ("limit", "stage")])
    assert slips == []
    assert [row.split(":")[0] for row in absent] == ["end to end", "end to end", "transport"]


def test_no_baseline_says_which_class_and_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        baseline.load(tmp_path / "none.json", SCALE)
    assert f"no baseline for this machine class, {host.machine_class()}" in str(caught.value)
    assert "--save-baseline" in str(caught.value)


def test_a_baseline_of_another_machine_or_scale_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.json"
    saved(path)
    with pytest.raises(
        ConfigError, match=r"measured with events 1000000, .* this bench has events"
    ):
        baseline.load(path, replace(SCALE, events=5_000_000))
    monkeypatch.setattr(baseline, "machine_class", lambda: "riscv-8-cores-python3.14")
    with pytest.raises(ConfigError, match=r"machine class riscv-8-cores-python3.14, found"):
        baseline.load(path, SCALE)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 9}',
        '{"format": 1, "machine": 1, "scale": 2, "ratios": {"a": 3}}',
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="expected a baseline of format 1"):
        baseline.load(path, SCALE)


def test_the_machine_class_is_coarse_and_fits_a_file_name(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: dict[str, Any] = {
        "vendor_id": "GenuineIntel", "cpu family": "6", "model": "207", "cpu MHz": "2300.1",
    }  # fmt: skip
    monkeypatch.setattr(host, "_cpu_facts", lambda: facts)
    monkeypatch.setattr(host, "cores", lambda: 2)
    monkeypatch.setattr(host.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(host.sys, "version_info", type("V", (), {"major": 3, "minor": 12}))
    assert host.machine_class() == "x86_64-genuineintel-6-207-2-cores-python3.12"
    quick, full = (baseline.default_path(replace(SCALE, quick=q)) for q in (True, False))
    assert quick.name == "x86_64-genuineintel-6-207-2-cores-python3.12-quick.json"
    assert full.name == "x86_64-genuineintel-6-207-2-cores-python3.12.json"
    assert quick.parent == Path(baseline.__file__).parent / "baselines"


def test_stored_baselines_can_be_read() -> None:
    for path in sorted((Path(baseline.__file__).parent / "baselines").glob("*.json")):
        content = json.loads(path.read_text())
        assert path.name.startswith(content["machine"])
        assert all(entry["value"] > 0 for entry in content["ratios"].values())
