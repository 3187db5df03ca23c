"""`--start` as users give it: what it says, what it refuses, over every way the records come."""

import json
from pathlib import Path
from typing import Any

import pytest

from tapewire.replay import read_records
from tapewire.replay.convert import convert

HALF = 15_000


@pytest.fixture(scope="module")
def start_ns(synthetic_file: Path) -> int:
    _, records = read_records(synthetic_file)
    return int(records["ts_recv"][HALF])


@pytest.fixture(scope="module")
def before_start(synthetic_file: Path, start_ns: int) -> int:
    _, records = read_records(synthetic_file)
    return int((records["ts_recv"] < start_ns).sum())


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def test_a_start_given_here_or_to_the_replay_is_the_same_run(
    tapewire: Any,
    tapewire_here: Any,
    tmp_path: Path,
    synthetic_file: Path,
    start_ns: int,
    before_start: int,
) -> None:
    done = tapewire_here("run", synthetic_file, "-s", "market_maker", "--start", start_ns,
                         "-o", "here", "--batch-records", 977, "--transport", "inproc")  # fmt: skip
    assert done.returncode == 0, done.stderr
    replay = tapewire.start(
        "replay", synthetic_file, "--bind", "tcp://127.0.0.1:*", "--start", str(start_ns)
    )
    try:
        bound = replay.stderr.readline().split()[2]
        done = tapewire_here("run", "-s", "market_maker", "--connect", bound, "-o", "there")
        assert done.returncode == 0, done.stderr
        out, _ = replay.communicate(timeout=20)
        assert out.startswith("30,000 events")  # those of the warm-up travel as well
    finally:
        replay.kill()
        replay.communicate()
    here, there = manifest_of(tmp_path / "here"), manifest_of(tmp_path / "there")
    assert here["digest"] == there["digest"]
    for manifest in (here, there):
        assert manifest["warmup"]["mode"] == "full"
        assert manifest["warmup"]["records"] == before_start > 10_000
        assert manifest["events"] == 30_000 - before_start
    assert "warmup: full" in (tmp_path / "here" / "config.yaml").read_text()


def test_without_snapshots_a_snapshot_warm_up_says_that_it_was_full(
    tapewire_here: Any, tmp_path: Path, synthetic_file: Path, start_ns: int
) -> None:
    _, records = read_records(synthetic_file)
    convert([synthetic_file], tmp_path / "mid.dbn", start_ns=int(records["ts_recv"][5_000]),
            warmup="none")  # fmt: skip
    runs = {}
    for warmup in ("full", "snapshot", "none"):
        done = tapewire_here("run", "mid.dbn", "-s", "market_maker", "--start", start_ns,
                        "--warmup", warmup, "-o", warmup)  # fmt: skip
        assert done.returncode == 0, done.stderr
        runs[warmup] = manifest_of(tmp_path / warmup)
        said = "1 books have no snapshot before start" in done.stdout
        assert said == (warmup == "snapshot")
    assert runs["snapshot"]["digest"] == runs["full"]["digest"] != runs["none"]["digest"]


def test_a_replay_at_speed_does_not_wait_during_the_warm_up(
    tapewire_here: Any, tmp_path: Path, synthetic_file: Path
) -> None:
    """Six minutes of records before the start, a few after it, as they were recorded."""
    _, records = read_records(synthetic_file)
    late_ns = int(records["ts_recv"][-1]) - 300_000_000
    done = tapewire_here("run", synthetic_file, "-s", "market_maker", "--start", late_ns, "--speed",
                    "realtime", "-o", "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert manifest_of(tmp_path / "run")["warmup"]["records"] > 29_000


def test_a_converted_file_says_that_it_begins_with_the_books(
    tapewire_here: Any, tmp_path: Path, synthetic_file: Path, start_ns: int
) -> None:
    done = tapewire_here("data", "convert", synthetic_file, "--start", start_ns, "-o", "late.dbn")
    assert done.returncode == 0, done.stderr
    assert "are a snapshot of the books" in done.stdout
    done = tapewire_here("data", "inspect", "late.dbn", "--json")
    assert json.loads(done.stdout)["start"] == "snapshot"
    done = tapewire_here("data", "convert", synthetic_file, "--start", start_ns, "--warmup", "none",
                    "-o", "cut.dbn")  # fmt: skip
    assert "snapshot" not in done.stdout
    done = tapewire_here("data", "inspect", "cut.dbn", "--json")
    assert json.loads(done.stdout)["start"] == "mid-session"


@pytest.mark.parametrize("command", [("run",), ("replay", "--bind", "tcp://127.0.0.1:*")])
def test_mistakes_get_one_sentence(
    tapewire_here: Any, tmp_path: Path, synthetic_file: Path, command: tuple[str, ...]
) -> None:
    done = tapewire_here(command[0], synthetic_file, *command[1:], "--warmup", "some")
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "snapshot" in done.stderr
    assert "warmup" in done.stderr
    if command == ("run",):
        done = tapewire_here("run", synthetic_file, "--start", "2024-03-05", "-o", "run")
        assert done.returncode != 0
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert "none of the 30000 records read match start" in done.stderr
