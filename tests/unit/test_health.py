"""What ``tapewire doctor`` looks at: each fault that can be planted is found and has advice."""

import importlib.metadata
import itertools
import json
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import TapewireHere
from tapewire.compiled import kernel_cache
from tapewire.errors import EndpointError
from tapewire.runs import health
from tapewire.runs.health import CHECKS, Diagnosis, facts
from tapewire.wire import slots

Plant = Callable[[pytest.MonkeyPatch], None]


def found(name: str) -> Diagnosis:
    return health._checked(name, CHECKS[name])


def test_this_host_is_fit(tapewire_here: TapewireHere) -> None:
    said = tapewire_here("doctor")
    assert said.returncode == 0, said.stdout
    assert [line.split("  ", 1)[1].split(":")[0].strip() for line in said.stdout.splitlines()] == [
        *CHECKS
    ]
    assert "FAULT" not in said.stdout


def _few_files(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resource, "getrlimit", lambda kind: (64, 4_096))


def _few_files_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resource, "getrlimit", lambda kind: (64, 64))


def _full_disk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**6))


def _no_shared_memory(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise EndpointError("can't make 9 MiB of shared memory")

    patch.setattr(slots, "SlotsWriter", refuse)


def _foreign_cache(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kernel_cache, "CACHE_WARNING", "the kernel cache was not used: it is another's")


def _open_cache(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    patch.setattr(kernel_cache, "CACHE_DIR", tmp_path)


def _old_numpy(patch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version
    patch.setattr(
        importlib.metadata, "version", lambda name: "1.26" if name == "numpy" else real(name)
    )


def _no_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(time, "time", lambda: 100.0)


def _jumping_clock(patch: pytest.MonkeyPatch) -> None:
    times = itertools.chain((2e9, 2e9 + 5.1), itertools.repeat(2e9 + 5.1))
    patch.setattr(time, "time", lambda: next(times))


def _little_memory(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(health, "_memory", lambda key: 10**8)


@pytest.mark.parametrize(
    ("name", "plant", "state", "words"),
    [
        ("open files", _few_files, "fault", "ulimit -n 1024"),
        ("open files", _few_files_for_ever, "fault", "hard limit"),
        ("disk", _full_disk, "warning", "make room"),
        ("shared memory", _no_shared_memory, "fault", "9 MiB"),
        ("kernel cache", _foreign_cache, "warning", "TAPEWIRE_CACHE_DIR"),
        ("packages", _old_numpy, "fault", "numpy 1.26, expected"),
        ("clock", _no_clock, "fault", "1970"),
        ("clock", _jumping_clock, "warning", "it was moved by"),
        ("memory", _little_memory, "warning", "1 GB"),
    ],
)
def test_what_is_wrong_is_found(
    name: str, plant: Plant, state: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(name).state == "ok"
    with monkeypatch.context() as patch:
        plant(patch)
        one = found(name)
    assert one.state == state
    assert words in f"{one.found}; {one.advice}"
    assert one.advice


def test_a_cache_that_others_may_write_to_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    _open_cache(monkeypatch, tmp_path)
    said = tapewire_here("doctor", "--json")
    assert said.returncode == 1
    [one] = [one for one in json.loads(said.stdout)["checks"] if one["state"] == "fault"]
    assert (one["name"], "chmod 700" in one["advice"]) == ("kernel cache", True)


def test_every_extra_is_told() -> None:
    offered = set(importlib.metadata.metadata("tapewire").get_all("Provides-Extra") or ())
    assert set(facts()["extras"]) == offered - {"dev"}


def test_secrets_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEWIRE_SECRET_KEY", "hidden")
    monkeypatch.setenv("DATABENTO_API_KEY", "hidden")
    assert "hidden" not in json.dumps(facts())


def test_a_run_that_failed_is_reported(tmp_path: Path, tapewire_here: TapewireHere) -> None:
    manifest = {"status": "failed", "reason": "it rained", "counts": {"events": 3}, "files": {}}
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "manifest.json").write_text(json.dumps(manifest))
    said = tapewire_here("doctor", "failed", "--json")
    assert json.loads(said.stdout)["run"] == {
        "status": "failed", "reason": "it rained", "counts": {"events": 3},
    }  # fmt: skip
    assert "it rained" in tapewire_here("doctor", "failed").stdout
    said = tapewire_here("doctor", "nothing")
    assert (said.returncode, "expected a finished run" in said.stderr) == (3, True)


@pytest.mark.long
def test_both_ways_of_running_agree(tapewire_here: TapewireHere) -> None:
    said = tapewire_here("doctor", "--run")
    assert said.returncode == 0
    assert "one process and two come to" in said.stdout
