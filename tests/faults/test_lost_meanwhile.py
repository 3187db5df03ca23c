"""A replay that dies while its run waits for something else: kernels, or a process to come."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model_runs import alive

#: What survivors have, and what watching them end may add on a busy machine, s.
SURVIVOR_TIMEOUT_S, SLACK_S = 5.0, 1.5
#: Longest until the run waits, s.
THERE_S = 100.0
RUN = """
import sys, time
from pathlib import Path
import tapewire as tw
from tapewire.errors import PeerLostError
from tapewire.processes import collector_line
from tapewire.runs import wiring

def compile_for_long(*_, **__):
    Path("waits").touch()
    time.sleep(100)

if sys.argv[2] == "kernels":
    wiring.warm_up = compile_for_long
collector_line._MODULE = "never_comes"
overrides = {"backtest.output.collector": "process"}
try:
    tw.run(sys.argv[1], strategies="market_maker", transport="ipc", output="out",
           overrides=overrides)
except PeerLostError as error:
    sys.exit(str(error))
"""
NEVER_COMES = "from pathlib import Path; Path('waits').touch(); import time; time.sleep(100)"


@pytest.mark.parametrize("what", ["kernels", "collector"])
def test_a_replay_that_dies_while_its_run_waits_for(
    synthetic_file: Path, tmp_path: Path, what: str
) -> None:
    (tmp_path / "never_comes.py").write_text(NEVER_COMES)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, synthetic_file, what], cwd=tmp_path, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        until_s = time.monotonic() + THERE_S
        while not ((tmp_path / "waits").exists() and (replays := _replays(process.pid))):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until_s
            time.sleep(0.02)
        time.sleep(1.0)  # where the collector is said to be waited for, it is
        os.kill(replays[0], signal.SIGKILL)
        _, error = process.communicate(timeout=SURVIVOR_TIMEOUT_S + SLACK_S)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert f"the replay process (pid {replays[0]}) was killed by SIGKILL" in error
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("[!.]*"))


def _replays(owner: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            is_one = b"tapewire.replay" in (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == owner and is_one and alive(int(folder.name)):
            found.append(int(folder.name))
    return found
