"""Broken input of every kind, in a process of its own: refused in a sentence, or read whole.

Never a crash, a hang, a second of work, 256 MB or a shorter result. Seeds are new ones each time.
"""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from conftest import DATA_DIR
from fuzzing import dbn_files
from fuzzing.__main__ import CASE_S_MAX, play
from fuzzing.mutator import Mutator
from fuzzing.target import Target
from fuzzing.targets import DATA_FILES, FRAMES, OTHERS, TARGETS
from seeds import GIVEN
from soaking import Soak
from tapewire.errors import FormatError

TESTS = Path(__file__).resolve().parent.parent


def fuzz(
    names: list[str], count: int, folder: Path, verb: str,
    program: tuple[str, ...] = ("-m", "fuzzing"), first: int | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Play so many seeds of each target in a child, and fail with the line that plays one again."""
    given = os.environ.get(GIVEN)
    if given:
        first, count = int(given), 1
    elif first is None:
        first = 0 if os.environ.get("CI") else random.SystemRandom().randrange(2**32)
    progress = folder / "progress"
    command = [sys.executable, *program, ",".join(names), "--first", str(first)]
    print(f"fuzz: {','.join(names)}: {count} seeds from {first} on", flush=True)
    done = subprocess.run(
        [*command, "--count", str(count), "--progress", progress],
        env={**os.environ, "PYTHONPATH": str(TESTS), "TAPEWIRE_DATA": str(DATA_DIR)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    at = progress.read_text().split() if progress.exists() else ["?", "?"]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    failed = next(((one["target"], one["failures"][0]) for one in found if one["failures"]), at)
    again = f'{GIVEN}={failed[1]} make {verb} ARGS="-k fuzz and {failed[0]}"'
    assert done.returncode == 0, f"exit {done.returncode}; again: {again}\n{done.stderr[-6_000:]}"
    assert [one["target"] for one in found] == names
    return found


def test_a_slice_of_every_kind_of_broken_input(tmp_path: Path) -> None:
    few = [name for name in TARGETS if TARGETS[name] not in FRAMES and name != "dbz"]
    many = [one.name for one in FRAMES]
    for one in (*fuzz(few, 40, tmp_path, "test"), *fuzz(many, 400, tmp_path, "test")):
        assert one["refused"] > 0, one


def test_a_slice_of_legacy_files(tmp_path: Path, data_dir: Path) -> None:
    (one,) = fuzz(["dbz"], 300, tmp_path, "test")
    assert one["refused"] > 0


class Planted(Target):
    """Does what the test says, in its third case."""

    name = "planted"
    act: ClassVar[Callable[["Planted"], object]]
    where = re.compile("offset")

    def sound(self) -> None:
        self.cases = 0

    def broken(self, mutator: Mutator) -> None:
        self.cases += 1
        if self.cases == 3:
            type(self).act(self)


def _refuse(self: Planted, text: str) -> None:
    raise FormatError(text)


def _work(self: Planted) -> None:
    end = time.process_time() + CASE_S_MAX + 0.05
    while time.process_time() < end:
        pass


def _grow(self: Planted) -> None:
    status = Path("/proc/self/status").read_text()
    peak, now = (int(re.search(rf"{key}:\s+(\d+)", status)[1]) for key in ("VmHWM", "VmRSS"))
    self.kept = b"x" * ((peak - now << 10) + (300 << 20))


PLANTS: dict[str, tuple[Callable[[Planted], object], str]] = {
    "an error that is none of ours": (lambda self: {}["key"], "KeyError: 'key'"),
    "a second of work": (_work, "it took 1.0"),
    "memory": (_grow, r"memory grew by (29\d|30\d) MB"),
    "a refusal without a place": (lambda self: _refuse(self, "it is bad"), "does not say where"),
    "an error without an end": (lambda self: _refuse(self, "offset" * 9_000), "of 54000 char"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    act, said = PLANTS[name]
    monkeypatch.setitem(TARGETS, "planted", type("Planted", (Planted,), {"act": act}))
    # To grow beyond what all tests before have had would take more than a second.
    Path("/proc/self/clear_refs").write_text("5")
    (failure,) = play("planted", 7, 4, None)["failures"]
    assert failure["seed"] == 9
    assert re.search(said, failure["error"])


def test_a_shorter_result_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    read = dbn_files.read_records
    calls = iter(range(1_000))

    def shorter(path: str) -> tuple[object, np.ndarray]:
        metadata, records = read(path)
        return metadata, records[:-1] if next(calls) > 8 else records

    monkeypatch.setattr(dbn_files, "read_records", shorter)
    failures = play("dbn", 0, 30, None)["failures"]
    assert failures
    assert all("39 records of 40 were presented as whole" in one["error"] for one in failures)


@pytest.mark.long
def test_a_crash_is_told_with_the_seed_that_was_at_play(tmp_path: Path) -> None:
    code = (
        "import ctypes, fuzzing.__main__ as main, fuzzing.frames as frames\n"
        "frames.WireStream.broken = lambda self, mutator: ctypes.string_at(0)\n"
        "main.main()"
    )
    with pytest.raises(AssertionError, match=r"exit -11; again: TAPEWIRE_SEED=5 make test ARGS"):
        fuzz(["wire-stream"], 3, tmp_path, "test", ("-c", code), first=5)


FULL: dict[str, int] = {
    **{one.name: 10_000 for one in (*DATA_FILES, *OTHERS)},
    **{one.name: 30_000 for one in FRAMES},
    "dbn-cut": 24_000,  # every byte of four files, plain and packed
    "run-folder": 3_000,
}


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_fuzz_in_full(
    name: str, soak: Soak, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if name == "dbz":
        request.getfixturevalue("data_dir")
    (one,) = fuzz([name], soak.count(FULL[name]), tmp_path, "soak")
    soak.say(
        f"{one['cases']:,} from seed {one['first']}: {one['taken']:,} read whole, "
        f"{one['refused']:,} refused, the slowest in {one['slowest_s']} s, {one['grown_mb']} MB"
    )
