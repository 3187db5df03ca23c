"""Days that are played by workers: who is killed, or stopped, leaves nothing half-written."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tapewire as tw
from conftest import Tapewire
from tapewire.errors import PeerLostError
from tapewire.replay.markets.files import write_market
from tapewire.replay.markets.market import MarketPlan

pytestmark = pytest.mark.long

#: Kills its process on Tuesday, as often as a file has lines left; then it is as any other.
DIES = """
import os
import signal
import time
from pathlib import Path

import tapewire as tw

TUESDAY = 19_787


class Dies(tw.Strategy):
    def on_start(self, context):
        lives = Path(__file__).with_name("lives")
        if "sleep" in lives.read_text() and context.now // 86_400_000_000_000 == TUESDAY:
            lives.with_name("asleep").touch()
            time.sleep(600)
        if context.now // 86_400_000_000_000 == TUESDAY and lives.stat().st_size:
            os.truncate(lives, lives.stat().st_size - 1)
            os.kill(os.getpid(), signal.SIGKILL)

    def on_trade(self, trade, context):
        if not context.orders and not context.position:
            context.submit(tw.BUY, 1)
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Monday and Tuesday, and the strategy."""
    folder = tmp_path_factory.mktemp("market") / "days"
    write_market(folder, MarketPlan(days=2, instruments=1, events=50_000, seed=3, hours=0.5))
    (folder / "dies.py").write_text(DIES)
    return folder


def run(market: Path, output: Path, lives: str) -> tw.RunResult:
    (market / "lives").write_text(lives)
    return tw.run(
        files=[str(market / "*.mbo.dbn.zst")], strategies=f"{market / 'dies.py'}:Dies",
        output=output, overrides={"backtest.replay": {"days": "apart", "workers": 2}},
    )  # fmt: skip


@pytest.mark.timeout(300)
def test_a_worker_that_is_killed_leaves_no_trace_in_the_result(
    market: Path, tmp_path: Path
) -> None:
    sound = run(market, tmp_path / "sound", "")
    killed = run(market, tmp_path / "killed", "x")
    assert (market / "lives").read_text() == ""
    assert killed.digest == sound.digest
    assert killed.fills.equals(sound.fills)
    with pytest.raises(PeerLostError) as caught:
        run(market, tmp_path / "lost", "xx")
    assert str(caught.value).startswith("2024-03-05: the worker (pid ")
    assert "was killed by SIGKILL" in str(caught.value)
    assert [path.name for path in (tmp_path / "lost").iterdir()] == ["manifest.json"]
    manifest = json.loads((tmp_path / "lost" / "manifest.json").read_text())
    assert manifest["status"] == "incomplete"


@pytest.mark.timeout(300)
def test_ctrl_c_ends_the_workers_and_leaves_a_manifest(
    market: Path, tmp_path: Path, tapewire: Tapewire
) -> None:
    (market / "lives").write_text("sleep")
    process = tapewire.start(
        "run", *sorted(market.glob("*.mbo.dbn.zst")), "-s", f"{market / 'dies.py'}:Dies",
        "--days", "apart", "--workers", 2, "-o", tmp_path / "stopped",
    )  # fmt: skip
    _until(lambda: (market / "asleep").exists(), 120)
    workers = _children(process.pid)
    assert len(workers) >= 1
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "stopped by Ctrl-C" in errors
    assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["manifest.json"]
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10)


def _children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True,
                           text=True, check=False)  # fmt: skip
    return [int(pid) for pid in found.stdout.split()]


def _until(holds: Callable[[], bool], seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)
