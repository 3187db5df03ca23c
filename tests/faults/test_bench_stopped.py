"""A bench that is stopped leaves no process, no file and no half-written table behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WAIT_S = 60


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_measured_run_leaves_nothing(
    tmp_path: Path, short_folder: Path, number: int
) -> None:
    temporary = short_folder
    table = tmp_path / "B.md"
    command = [sys.executable, "-m", "tapewire", "bench", "--quick", "--events", "300000"]
    bench = subprocess.Popen(
        [*command, "--only", "runs", "--write", str(table)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline_s = time.monotonic() + WAIT_S
    while not list(temporary.glob("tapewire-bench-*/run")):  # a run has claimed its folder
        assert bench.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    bench.send_signal(number)
    _, errors = bench.communicate(timeout=WAIT_S)
    assert bench.returncode == 128 + number
    assert errors == "error: the bench was stopped; nothing was written\n"
    assert not table.exists()
    deadline_s = time.monotonic() + 10
    while _processes_with(str(temporary).encode()) or _files_in(temporary):
        assert time.monotonic() < deadline_s, _files_in(temporary)
        time.sleep(0.05)


def _files_in(temporary: Path) -> list[Path]:
    """All but the folder in which endpoints of this user get their own: that one stays, empty."""
    return [path for path in temporary.rglob("*") if path.name != f"tapewire-{os.getuid()}"]


def _processes_with(text: bytes) -> list[int]:
    """Processes that have this in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # not ours, or gone meanwhile
            continue
    return found
