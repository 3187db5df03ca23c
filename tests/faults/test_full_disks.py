"""Real disks: a small one that is full, and one that may only be read. What was there stays.

Mounting takes rights that not everybody has; without them there are the faults of
`test_failing_disks`, which a library makes.
"""

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from forks import Forks
from seeds import play_seeds
from soaking import Soak
from writing import ALL, COMMANDS, contents_of, prepare, says

FULL = 100
#: A page for each of some files, up to about what the largest command writes.
ROOM_BYTES = (4_096, 1_200_000)
SHORT_AND_LONG = [
    *COMMANDS, *(pytest.param(name, marks=pytest.mark.long) for name in ALL if name not in COMMANDS)
]  # fmt: skip
_WHOLE_STUDY = {"study/trials.parquet", "study/manifest.json"}
_SAID = {"full": "No space left on device", "read-only": "Read-only file system"}


@contextlib.contextmanager
def mounted(place: Path, size_bytes: int, *options: str) -> Iterator[None]:
    """A disk in memory of a size; the test is skipped where it can't be mounted."""
    settings = ",".join((f"size={size_bytes}", "mode=0700", *options))
    words = ["mount", "-t", "tmpfs", "-o", settings, "tapewire-test", str(place)]
    try:
        made = subprocess.run(words, capture_output=True, text=True, check=False)
        refused = made.stderr.strip() if made.returncode else ""
    except FileNotFoundError:
        refused = "there is no mount"
    if refused:
        pytest.skip(
            f"no disk can be mounted here, test_failing_disks has what is like it: {refused}"
        )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path, forks: Forks) -> Path:
    """Inputs, a run to be bundled, and what each command comes to on a disk with room."""
    made = tmp_path_factory.mktemp("full")
    prepare(made, forks, synthetic_file)
    return made


def play_full(folder: Path, forks: Forks, name: str, room_bytes: int) -> bool:
    """Let a command write to a disk with so much room; whether it was too little."""
    where = f"{name}: {room_bytes} bytes"
    with mounted(folder / "o", room_bytes):
        done = forks.tapewire(*ALL[name], cwd=folder)
        after = contents_of(folder)
        if done.returncode == 0:
            return False
        _require_told(done, name, "full", where)
        final = {key for key in after if not key.startswith("out.failed/")}
        if name == "sweep":  # passes that are done are kept, for when there is room
            assert final.isdisjoint(_WHOLE_STUDY), (where, final, done.stderr)
            _require_goes_on(folder, forks, "study/study.json" in final, where)
        else:
            assert final <= {"out/manifest.json"}, (where, final, done.stderr)
    return True


def _require_goes_on(folder: Path, forks: Forks, begun: bool, where: str) -> None:
    """With more room the study becomes whole."""
    more = ["mount", "-o", f"remount,size={16 << 20}", str(folder / "o")]
    subprocess.run(more, check=True, capture_output=True)
    again = forks.tapewire(*ALL["sweep"], *["--resume"] * begun, cwd=folder)
    assert again.returncode == 0, (where, again.stderr)
    assert set(contents_of(folder)) >= _WHOLE_STUDY, where


def _require_told(
    done: "subprocess.CompletedProcess[str]", name: str, what: str, where: str
) -> None:
    said = done.stderr
    assert done.returncode == 4, (where, said)
    assert said.splitlines()[-1].startswith("error: "), (where, said)
    assert "Traceback" not in said, (where, said)
    assert says(name, said, _SAID[what]), (where, said)
    assert "o/" in said, (where, said)


def drawn(folder: Path, forks: Forks, name: str, seed: int) -> bool:
    room_bytes = random.Random(f"{name} {seed}").randrange(*ROOM_BYTES)
    return play_full(folder, forks, name, room_bytes)


@pytest.mark.parametrize("name", SHORT_AND_LONG)
def test_a_small_disk_that_is_full(folder: Path, forks: Forks, name: str) -> None:
    assert play_full(folder, forks, name, 8_192)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ALL)
def test_small_disks_of_any_size(folder: Path, forks: Forks, name: str) -> None:
    play_seeds(
        f"test_small_disks_of_any_size and {name}", 5,
        lambda seed: drawn(folder, forks, name, seed),
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("name", ALL)
def test_a_hundred_small_disks(folder: Path, forks: Forks, soak: Soak, name: str) -> None:
    full: list[bool] = []
    count = soak.seeds(FULL, lambda seed: full.append(drawn(folder, forks, name, seed)))
    soak.say(f"{count} disks of 4 kB to 1.2 MB, {sum(full)} of them full, nothing half-written")


@pytest.mark.parametrize("name", SHORT_AND_LONG)
def test_a_disk_that_may_only_be_read(folder: Path, forks: Forks, name: str) -> None:
    with mounted(folder / "o", 16 << 20):
        assert forks.tapewire(*ALL[name], cwd=folder).returncode == 0
        before = contents_of(folder)
        assert before
        again = ["mount", "-o", "remount,ro", str(folder / "o")]
        subprocess.run(again, check=True, capture_output=True)
        words = (*ALL[name], "--force") if name == "sweep" else ALL[name]
        done = forks.tapewire(*words, cwd=folder)
        assert contents_of(folder) == before
    _require_told(done, name, "read-only", name)


@pytest.mark.skipif(os.geteuid() == 0, reason="modes of folders do not bind the administrator")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_may_only_be_read(folder: Path, forks: Forks, name: str) -> None:
    (folder / "o").chmod(0o500)
    try:
        done = forks.tapewire(*ALL[name], cwd=folder)
    finally:
        (folder / "o").chmod(0o700)
    assert done.returncode == 4, done.stderr
    assert "Permission denied" in done.stderr
    assert contents_of(folder) == {}
