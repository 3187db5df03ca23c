"""Prepared files and cached copies: whole runs come to the same as over the originals."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.compiled.jit import CACHE_DIR
from tapewire.errors import FormatError
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
    tapewire_here: Command, tmp_path: Path, data_file: DataFile
) -> None:
    done = tapewire_here("data", "convert", data_file(ESH4), "-o", "prepared.mbo.dbn")
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
    options = {"start_ns": start, "end_ns": end, "warmup": "none"}
    convert(files, tmp_path / "part.dbn", symbols=["TWA2"], **options)
    window = {"symbols": ["TWA2"], "start": start, "end": end, "warmup": "none"}
    original = run(files, tmp_path / "original", source=window)
    prepared = run([tmp_path / "part.dbn"], tmp_path / "prepared")
    assert digests(prepared) == digests(original)
    assert 1_000 < original.manifest["events"] < 20_000


# --- the input cache ------------------------------------------------------------------------------


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own; the kernels stay where they are, so that nothing is compiled again."""
    monkeypatch.setattr("tapewire.inputs.cache.cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "inputs"


def without_times(manifest: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the cache."""
    keys = ("events", "digest", "digests", "inputs", "counts", "results", "rows", "warnings")
    stream = {k: v for k, v in manifest["stream"].items() if k != "payload"}
    return {**{key: manifest[key] for key in keys}, "stream": stream}


@pytest.mark.parametrize("transport", ["ipc", "inproc"])
def test_the_cache_changes_nothing_but_the_time(
    tmp_path: Path, data_file: DataFile, cache_folder: Path, transport: str
) -> None:
    files = [data_file(ESH4_DAY_BEFORE), data_file(ESH4)]
    off = run(files, tmp_path / "off", replay={"transport": transport})
    assert "cache" not in off.manifest
    for name, made in (("first", True), ("second", False)):
        on = run(files, tmp_path / name, replay={"transport": transport, "cache": True})
        assert without_times(on.manifest) == without_times(off.manifest)
        assert [Path(entry["file"]) for entry in on.manifest["cache"]] == files
        assert {entry["made"] for entry in on.manifest["cache"]} == {made}
        assert all(Path(entry["prepared"]).parent == cache_folder for entry in on.manifest["cache"])
        for table in ("fills", "orders", "equity", "metrics"):
            assert getattr(on, table).equals(getattr(off, table))
        again = tw.load_config(tmp_path / name / "config.yaml")
        assert again.to_dict()["backtest"]["data_source"]["files"] == [str(f) for f in files]
    assert off.manifest["inputs"][1]["dbn_version"] == 1
    assert len(off.manifest["inputs"][1]["xxh3_128"]) == 32


def test_filters_stop_where_they_did(
    tmp_path: Path, data_file: DataFile, cache_folder: Path
) -> None:
    """A file that is not read to its end has no hash in the manifest, cache or not."""
    source = {"start": "2023-12-25T23:00:00Z", "end": "2023-12-25T23:20:00Z", "symbols": ["ESH4"]}
    off = run([data_file(ESH4)], tmp_path / "off", source=source)
    on = run([data_file(ESH4)], tmp_path / "on", source=source, replay={"cache": True})
    assert without_times(on.manifest) == without_times(off.manifest)
    assert on.manifest["inputs"][0]["xxh3_128"] is None
    assert 0 < on.manifest["events"] < on.manifest["inputs"][0]["records_read"]


def test_a_cache_that_cannot_keep_it_says_so_and_runs(
    tmp_path: Path, data_file: DataFile, cache_folder: Path
) -> None:
    off = run([data_file(ESH4)], tmp_path / "off")
    on = run([data_file(ESH4)], tmp_path / "on", replay={"cache": True, "cache_max_gb": 0.001})
    assert digests(on) == digests(off)
    assert on.manifest["cache"] == []
    (warning,) = set(on.manifest["warnings"]) - set(off.manifest["warnings"])
    assert "replay.cache_max_gb is 0.001 GB" in warning
    assert [path.name for path in cache_folder.iterdir()] == [".lock"]


def test_damage_below_the_file_system_is_no_result(
    tmp_path: Path, data_file: DataFile, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy's dates and size say nothing: what the replay read tells."""
    monkeypatch.setattr("tapewire.inputs.cache._seen", lambda status: (0, 0, 0))
    good = run([data_file(ESH4)], tmp_path / "good", replay={"cache": True})
    (copy,) = cache_folder.glob("*.dbn")
    data = bytearray(copy.read_bytes())
    data[-20] ^= 1  # in ts_in_delta of the last record: no book changes
    copy.write_bytes(data)
    with pytest.raises(FormatError, match="is damaged: expected xxh3_128"):
        run([data_file(ESH4)], tmp_path / "bad", replay={"cache": True})
    assert [path.name for path in (tmp_path / "bad").iterdir()] == ["manifest.json"]
    again = run([data_file(ESH4)], tmp_path / "again", replay={"cache": True})
    assert again.manifest["cache"][0]["made"]
    assert digests(again) == digests(good)


@pytest.mark.long
def test_several_processes_share_one_copy(
    tapewire: Any,
    tapewire_here: Any,
    tmp_path: Path,
    synthetic_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tapewire.replay.synth import synthesize

    run([synthetic_file], tmp_path / "compiled")  # once here, not three times at once
    synthesize(tmp_path / "day.mbo.dbn.zst", events=150_000, seed=5)
    env = {**os.environ, "TAPEWIRE_CACHE_DIR": str(tmp_path / "cache")}
    (tmp_path / "cache" / "tapewire").mkdir(parents=True)
    (tmp_path / "cache" / "tapewire" / CACHE_DIR.name).symlink_to(CACHE_DIR)
    command = tapewire.command("run", "day.mbo.dbn.zst", "-s", "market_maker", "-q", "--cache")
    processes = [
        subprocess.Popen(
            [*command, "-o", f"run{i}"], cwd=tmp_path, env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for i in range(3)
    ]  # fmt: skip
    for process in processes:
        _, error = process.communicate(timeout=100)
        assert (process.returncode, error) == (0, "")
    manifests = [tw.RunResult.load(tmp_path / f"run{i}").manifest for i in range(3)]
    assert len({manifest["digest"] for manifest in manifests}) == 1
    assert [entry["made"] for m in manifests for entry in m["cache"]].count(True) == 1
    folder = tmp_path / "cache" / "tapewire" / "inputs"
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".dbn", ".json"]
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", env["TAPEWIRE_CACHE_DIR"])
    done = tapewire_here(
        "run", "day.mbo.dbn.zst", "-s", "market_maker", "-q", "--cache", "-o", "last"
    )
    assert done.stderr == ""  # nothing is prepared again
    last = tw.RunResult.load(tmp_path / "last").manifest
    assert (last["digest"], last["cache"][0]["made"]) == (manifests[0]["digest"], False)
