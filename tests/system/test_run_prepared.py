"""Prepared files: whole runs over them come to the same as over what they were made of."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tapewire as tw
from tapewire.replay.convert import convert

Command = Callable[..., subprocess.CompletedProcess[str]]
DataFile = Callable[[str], Path]

ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
ESH4_DAY_BEFORE = "glbx/esh4-glbx-mdp3-20231224.mbo.dbn.zst"
BOTH = [{"type": "market_maker"}, {"type": "sma_crossover"}]


def run(files: list[Path], output: Path, **backtest: Any) -> tw.RunResult:
    source = {"type": "databento", "files": [str(f) for f in files], **backtest.pop("source", {})}
    return tw.run(
        {"backtest": {"data_source": source, **backtest}, "strategy": BOTH}, output=output
    )


def digests(result: tw.RunResult) -> dict[str, Any]:
    return {"events": result.manifest["events"], **result.manifest["digests"]}


# --- data convert ---------------------------------------------------------------------------------


def test_a_real_day_prepared_has_the_same_digest(
    tapewire: Command, tmp_path: Path, data_file: DataFile
) -> None:
    done = tapewire("data", "convert", data_file(ESH4), "-o", "prepared.mbo.dbn")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("prepared.mbo.dbn: 68,792 records, 3,852,712 bytes, 2023-12-25T")
    assert done.stderr == ""
    original = run([data_file(ESH4)], tmp_path / "original")
    prepared = run([tmp_path / "prepared.mbo.dbn"], tmp_path / "prepared")
    assert digests(prepared) == digests(original)
    assert original.manifest["results"]["total"]["fills"] > 0
    assert prepared.manifest["results"] == original.manifest["results"]


def test_two_merged_files_have_the_same_digest(tmp_path: Path, data_file: DataFile) -> None:
    """The first day is a snapshot, which the second one repeats."""
    files = [data_file(ESH4_DAY_BEFORE), data_file(ESH4)]
    convert(files, tmp_path / "both.dbn")
    original = run(files, tmp_path / "original")
    assert digests(run([tmp_path / "both.dbn"], tmp_path / "prepared")) == digests(original)
    assert original.manifest["events"] == 68_792 + 8_725


def test_overlapping_filtered_files_have_the_same_digest(tmp_path: Path) -> None:
    from tapewire.replay.synth import synthesize

    files = []
    for seed in (1, 2):  # the same instruments in both: their events interleave in the books
        files.append(tmp_path / f"{seed}.dbn.zst")
        synthesize(files[-1], events=20_000, instruments=2, seed=seed)
    start, end = 1_709_562_600_000_000_000 + 30 * 10**9, 1_709_562_600_000_000_000 + 200 * 10**9
    convert(files, tmp_path / "part.dbn", symbols=["TWA2"], start_ns=start, end_ns=end)
    window = {"symbols": ["TWA2"], "start": start, "end": end}
    original = run(files, tmp_path / "original", source=window)
    prepared = run([tmp_path / "part.dbn"], tmp_path / "prepared")
    assert digests(prepared) == digests(original)
    assert 1_000 < original.manifest["events"] < 20_000
