"""A run over days that is killed or stopped, and gone on with: what is done is not done again."""

import contextlib
import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

import tapewire as tw
from conftest import Tapewire
from seeds import play_seeds
from tapewire.analytics.run_folder import CHECKPOINT, keeps_days
from tapewire.errors import ConfigError, FormatError, OutputError
from tapewire.replay.markets.files import write_market
from tapewire.replay.markets.market import MarketPlan

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

#: Says which days it plays; on Tuesday it does what the file ``mood`` says.
MOODY = """
import os
import signal
import time
from pathlib import Path

import tapewire as tw

DAY, TUESDAY = 86_400_000_000_000, 19_787
HERE = Path(__file__).parent


class Moody(tw.Strategy):
    def on_start(self, context):
        day = context.now // DAY
        with (HERE / "played").open("a") as file:
            file.write(f"{day - TUESDAY:+}\\n")
        mood = (HERE / "mood").read_text()
        if day == TUESDAY and mood == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if day == TUESDAY and mood == "sleep":
            (HERE / "asleep").touch()
            time.sleep(600)

    def on_trade(self, trade, context):
        if not context.orders and not context.position:
            context.submit(tw.BUY, 1)
"""
RUNS, KILLS = 4, 3
DATES = ["2024-03-04", "2024-03-05", "2024-03-06"]
MONDAY, TUESDAY, WEDNESDAY = "-1", "+0", "+1"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "days"
    write_market(folder, MarketPlan(days=3, instruments=1, events=60_000, seed=3, hours=0.5))
    for path in sorted(folder.glob("*.mbo.dbn.zst")):
        with zstandard.open(path) as file:
            path.with_suffix("").write_bytes(file.read())
    (folder / "moody.py").write_text(MOODY)
    return folder


@pytest.fixture(scope="module")
def unbroken(market: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    be(market, "well")
    return run(market, tmp_path_factory.mktemp("unbroken") / "run")


def be(market: Path, mood: str) -> None:
    (market / "mood").write_text(mood)
    (market / "played").write_text("")


def played(market: Path) -> list[str]:
    return sorted(set((market / "played").read_text().split()))


def files(market: Path) -> list[str]:
    return [str(path) for path in sorted(market.glob("*.mbo.dbn"))]


def run(market: Path, output: Path, *, workers: int = 1, **more: Any) -> tw.RunResult:
    return tw.run(
        files=files(market), strategies=["market_maker", f"{market / 'moody.py'}:Moody"],
        output=output, overrides={"backtest.replay": {"days": "apart", "workers": workers}}, **more,
    )  # fmt: skip


def typed(market: Path, output: Path, *more: object) -> tuple[object, ...]:
    return (
        "run", *files(market), "-s", "market_maker", "-s", f"{market / 'moody.py'}:Moody",
        "--days", "apart", "-o", output, *more,
    )  # fmt: skip


def is_the_unbroken(result: tw.RunResult, unbroken: tw.RunResult, kept: list[str]) -> None:
    assert result.digest == unbroken.digest
    for table in ("orders", "fills", "equity", "markouts", "metrics"):
        assert getattr(result, table).equals(getattr(unbroken, table)), table
    for key in ("days", "legs", "results", "counts", "conservation", "digests"):
        assert result.manifest[key] == unbroken.manifest[key], key
    assert [one["xxh3_128"] for one in result.manifest["inputs"]] == [
        one["xxh3_128"] for one in unbroken.manifest["inputs"]
    ]
    assert result.manifest["resumed"] == {"days_kept": kept}
    assert "resumed" not in unbroken.manifest
    assert not (result.path / CHECKPOINT).exists()


def test_a_killed_run_goes_on_behind_the_days_that_were_done(
    market: Path, unbroken: tw.RunResult, tmp_path: Path, tapewire: Tapewire
) -> None:
    folder, be_well = tmp_path / "run", lambda: be(market, "well")
    be(market, "die")
    killed = tapewire(*typed(market, folder, "--checkpoint"))
    assert killed.returncode == -signal.SIGKILL
    assert played(market) == sorted([MONDAY, TUESDAY])
    kept = folder / CHECKPOINT
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == set()
    assert {"run.json", "0.rows", "0.end"} <= {path.name for path in kept.iterdir()}
    assert kept.stat().st_mode & 0o777 == 0o700
    be_well()
    _what_is_refused(market, folder, kept)
    assert played(market) == []
    is_the_unbroken(run(market, folder, resume=True), unbroken, [DATES[0]])
    assert played(market) == sorted([TUESDAY, WEDNESDAY])


def _what_is_refused(market: Path, folder: Path, kept: Path) -> None:
    with pytest.raises(OutputError, match=r"holds days of a run that was stopped: --resume goes"):
        run(market, folder)
    with pytest.raises(ConfigError, match=r"another run, config\.backtest\.seed was 0 and is 43"):
        run(market, folder, resume=True, seed=43)
    source = market / "moody.py"
    source.write_text(MOODY + "# changed\n")
    with pytest.raises(ConfigError, match=r"another run, strategy_sources\[0\]\.sha256 was"):
        run(market, folder, resume=True)
    source.write_text(MOODY)
    monday = Path(files(market)[0])
    content = monday.read_bytes()
    for changed, error, said in (
        (content[:-56], ConfigError, r"another run, inputs\[0\]\.bytes was"),
        (content[:-1] + bytes([content[-1] ^ 1]), FormatError, "the content that the run read"),
    ):
        monday.write_bytes(changed)
        with pytest.raises(error, match=said):
            run(market, folder, resume=True)
    monday.write_bytes(content)
    rows, end = kept / "0.rows", kept / "0.end"
    for path, said in ((rows, "the kept day 2024-03-04 is damaged"), (end, "what came of 2024")):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 0xFF]))
        with pytest.raises(FormatError, match=said):
            run(market, folder, resume=True)
        path.write_bytes(content)
    kept.chmod(0o755)
    with pytest.raises(OutputError, match="a folder that is yours alone"):
        run(market, folder, resume=True)
    kept.chmod(0o700)
    (kept / "1.rows").unlink(missing_ok=True)
    (kept / "1.rows").symlink_to(market / "mood")  # a day that is played anew writes no way out


def test_days_that_workers_have_done_are_kept_in_any_order(
    market: Path, unbroken: tw.RunResult, tmp_path: Path, tapewire: Tapewire
) -> None:
    """Wednesday is done before Tuesday, which never ends; and one more stop on the way."""
    folder = tmp_path / "run"
    (market / "asleep").unlink(missing_ok=True)
    be(market, "sleep")
    process = tapewire.start(*typed(market, folder, "--checkpoint", "--workers", 2))
    _until(lambda: (folder / CHECKPOINT / "2.end").exists() and (market / "asleep").exists(), 200)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert f"2 of 3 days are kept: the same command with -o {folder} and --resume" in errors
    assert json.loads((folder / "manifest.json").read_text())["status"] == "incomplete"
    be(market, "die")
    again = tapewire(*typed(market, folder, "--resume"))
    assert again.returncode == -signal.SIGKILL
    assert "2 of 3 days are there from before" in again.stderr
    be(market, "well")
    result = run(market, folder, workers=2, resume=True)
    is_the_unbroken(result, unbroken, [DATES[0], DATES[2]])
    assert played(market) == [TUESDAY]


def test_kills_at_any_moment_lose_no_day(
    market: Path, unbroken: tw.RunResult, tmp_path: Path, tapewire: Tapewire
) -> None:
    """While it starts, plays, keeps, joins and publishes; whatever is there then goes on."""
    be(market, "well")
    began_s = time.monotonic()
    assert tapewire(*typed(market, tmp_path / "whole", "--checkpoint")).returncode == 0
    whole_s, killed = time.monotonic() - began_s, []

    def play(seed: int) -> None:
        draws, folder = np.random.default_rng(seed), tmp_path / f"run-{seed}"
        for _ in range(KILLS):
            how = "--resume" if keeps_days(folder) else "--checkpoint"
            process = tapewire.start(*typed(market, folder, how))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=draws.uniform(0.1, 1.1) * whole_s)
            process.kill()
            _, said = process.communicate(timeout=60)
            if (folder / "manifest.json").exists():
                break
            assert process.returncode == -signal.SIGKILL, said
            killed.append(len(list(folder.glob(f"{CHECKPOINT}/*.end"))))
        if not (folder / "manifest.json").exists():
            go_on = keeps_days(folder)
            run(market, folder, resume=go_on, checkpoint=not go_on)
        result = tw.RunResult.load(folder)
        assert result.digest == unbroken.digest
        assert result.fills.equals(unbroken.fills)

    play_seeds("test_kills_at_any_moment_lose_no_day", RUNS, play)
    print(f"kills by days that were kept then: {dict(Counter(killed))}")
    assert killed


def _until(holds: Any, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)
