"""Broken input of every kind, in a process of its own: refused in a sentence, or read whole.

Never a crash, a hang, a second of work, 256 MB or a shorter result. Seeds are new ones each time.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fuzzing.targets import DATA_FILES, FRAMES, OTHERS, TARGETS
from seeds import GIVEN
from soaking import Soak

TESTS = Path(__file__).resolve().parent.parent


def fuzz(names: list[str], count: int, folder: Path, verb: str) -> list[dict[str, Any]]:
    """Play so many seeds of each target in a child, and fail with the line that plays one again."""
    given = os.environ.get(GIVEN)
    first = int(given) if given else random.SystemRandom().randrange(2**32)
    if os.environ.get("CI") and not given:
        first = 0
    count = 1 if given else count
    progress = folder / "progress"
    command = [sys.executable, "-m", "fuzzing", ",".join(names), "--first", str(first)]
    print(f"fuzz: {','.join(names)}: {count} seeds from {first} on", flush=True)
    done = subprocess.run(
        [*command, "--count", str(count), "--progress", progress],
        env={**os.environ, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    at = progress.read_text().split() if progress.exists() else ["?", "?"]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    failed = next(((one["target"], one["failures"][0]) for one in found if one["failures"]), at)
    again = f'{GIVEN}={failed[1]} make {verb} ARGS="-k fuzz and {failed[0]}"'
    assert done.returncode == 0, f"exit {done.returncode}; again: {again}\n{done.stderr[-6_000:]}"
    assert [one["target"] for one in found] == names
    return found


def test_a_slice_of_every_kind_of_broken_input(tmp_path: Path) -> None:
    slow = {"itch", "run-folder", "yaml", "bundle"}
    for names, count in (
        ([name for name in TARGETS if name not in slow and TARGETS[name] not in FRAMES], 120),
        ([one.name for one in FRAMES], 500),
        (sorted(slow), 50),
    ):
        for one in fuzz(names, count, tmp_path, "test"):
            assert one["refused"] > 0, one


PLANTS: dict[str, tuple[str, str]] = {
    "a crash": ("import ctypes; ctypes.string_at(0)", "exit -11"),
    "an error that is none of ours": ("{}['key']", "KeyError: 'key'"),
    "a shorter result": ("self._short = True", "were presented as whole"),
    "a second of work": (
        "import time; end = time.process_time() + 1.2\n"
        "    while time.process_time() < end: pass",
        "it took 1.2",
    ),
    "memory": ("self.kept = bytearray(300 << 20)", "memory grew by 300 MB"),
    "a refusal without a place": ("raise tw.FormatError('it is bad')", "does not say where"),
}  # fmt: skip
PLANTED = """
import fuzzing.dbn_files as files, tapewire.errors as tw
from fuzzing.__main__ import main
read = files.read_records
def planted(path):
    self = planted
    if path_is_sound(path):
        return read(path)
    {plant}
    metadata, records = read(path)
    return metadata, records[:-1] if hasattr(self, "_short") else records
def path_is_sound(path):
    planted.calls = getattr(planted, "calls", 0) + 1
    return planted.calls <= 8
files.read_records = planted
main()
"""


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_is_caught(name: str) -> None:
    plant, said = PLANTS[name]
    done = subprocess.run(
        [sys.executable, "-c", PLANTED.format(plant=plant), "dbn", "--count", "40"],
        env={**os.environ, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert said in f"exit {done.returncode}\n{done.stderr}"


FULL: dict[str, int] = {
    **{one.name: 10_000 for one in (*DATA_FILES, *OTHERS)},
    **{one.name: 30_000 for one in FRAMES},
    "dbn-cut": 20_000,  # every byte of four files, plain and packed
}


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_fuzz_in_full(name: str, soak: Soak, tmp_path: Path) -> None:
    (one,) = fuzz([name], soak.count(FULL[name]), tmp_path, "soak")
    soak.say(
        f"{one['cases']:,} from seed {one['first']}: {one['taken']:,} read whole, "
        f"{one['refused']:,} refused, the slowest in {one['slowest_s']} s, {one['grown_mb']} MB"
    )
