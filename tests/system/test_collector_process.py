"""A collector in a process of its own: the same files, and what is said where it dies."""

import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.errors import InterruptedRunError, OutputError, PeerLostError, StrategyError
from tapewire.processes.collector_line import CollectorLine
from tapewire.processes.collector_process import CollectorProcess
from tapewire.runs.hooks import Hooks, RunProgress

TABLES = ("fills", "orders", "equity", "events", "series", "markouts", "metrics")


class Recording(tw.Strategy):
    """Trades, records a value with every trade, and raises where it is told to."""

    fails_at: int = 0

    def on_start(self, context: tw.Context) -> None:
        self.n = 0

    def on_trade(self, trade: Any, context: tw.Context) -> None:
        self.n += 1
        context.record(f"n{self.n % 3}", self.n)
        if self.fails_at and self.n == self.fails_at:
            raise ValueError("as it was told to")
        if context.random.random() < 0.05:
            (context.buy if context.position <= 0 else context.sell)(1)


class Failing(Recording):
    fails_at: int = 400


def run(file: Path, out: Path, collector: str, **options: Any) -> tw.RunResult:
    config = {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(file)]},
            "replay": {"transport": "inproc", "batch_records": 4_096},
            "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
            "output": {"collector": collector, "detailed_log": True},
        },
        "strategy": [{"type": "market_maker"}],
    }
    strategies = options.pop("strategies", ["market_maker", Recording])
    return tw.run(config, strategies=strategies, output=out, **options)


def collector_pid() -> int:
    """The process of this one's collector."""
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "collector_main"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(found.stdout)


def contents(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / f"{name}.parquet").read_bytes()).hexdigest()
        for name in names
    }


@pytest.fixture(scope="module")
def inline(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    return run(synthetic_file, tmp_path_factory.mktemp("inline") / "out", "inline")


@pytest.mark.parametrize("held", [None, 2_048], ids=["at_once", "in_pieces"])
def test_both_ways_write_the_same_bytes(
    inline: tw.RunResult, synthetic_file: Path, tmp_path: Path, held: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if held is not None:  # batches are larger than a message then
        monkeypatch.setattr("tapewire.processes.collector_process.PIECE_BYTES", 2 * held)
        monkeypatch.setattr("tapewire.processes.collector_process._HELD_BYTES", held)
    result = run(synthetic_file, tmp_path / "out", "process")
    result.verify()
    assert (inline.manifest["collector"], result.manifest["collector"]) == ("inline", "process")
    assert result.digest == inline.digest
    assert contents(result.path, TABLES) == contents(inline.path, TABLES)
    same = ("rows", "legs", "results", "conservation", "digests", "counts", "warnings")
    assert {key: result.manifest[key] for key in same} == {
        key: inline.manifest[key] for key in same
    }
    assert {path.name for path in result.path.iterdir()} == {
        path.name for path in inline.path.iterdir()
    }
    tags = {line.split(b",")[0] for line in (result.path / "latency.hdr").read_bytes().splitlines()}
    hops = ("decode_wall", "wire_wall", "batch_wall", "event_wall", "collect_wall")
    assert {f"Tag={hop}".encode() for hop in (*hops, "sim_fill_notice")} <= tags


@pytest.mark.parametrize("when", ["between_batches", "at_the_end"])
def test_a_collector_that_is_killed_is_named(
    synthetic_file: Path, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tapewire.runs import assembly

    killed: list[int] = []

    def kill(*_: object, **__: object) -> None:
        if not killed:
            killed.append(collector_pid())
            os.kill(killed[0], signal.SIGKILL)

    def kill_and_describe(*arguments: Any, **options: Any) -> dict[str, Any]:
        kill()
        return described(*arguments, **options)

    described = assembly.manifest_of
    hooks = Hooks(progress=kill) if when == "between_batches" else Hooks()
    if when == "at_the_end":
        monkeypatch.setattr(assembly, "manifest_of", kill_and_describe)
    with pytest.raises(PeerLostError) as caught:
        run(synthetic_file, tmp_path / "out", "process", hooks=hooks)
    said = f"the collector process (pid {killed[0]}) was killed by SIGKILL"
    assert str(caught.value) == said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.json"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["status"], manifest["reason"]) == ("incomplete", said)


def test_a_collector_that_is_killed_when_all_is_written_is_not_missed(
    inline: tw.RunResult, synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = CollectorLine.wait_answer
    ends: list[str | None] = []

    def kill_behind_it(self: CollectorLine) -> str:
        answer = said(self)
        if answer.endswith("manifest.json"):
            os.kill(self.child.pid, signal.SIGKILL)
            self.child.wait_gone()
            ends.append(str(self.child.error()))
        return answer

    monkeypatch.setattr(CollectorLine, "wait_answer", kill_behind_it)
    result = run(synthetic_file, tmp_path / "out", "process")
    result.verify()
    assert result.digest == inline.digest
    assert [end for end in ends if "was killed by SIGKILL" in str(end)]


def test_who_ended_well_is_not_what_a_run_failed_of(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay has sent all and is gone when the collector is lost."""
    monkeypatch.setattr("tapewire.processes.transports.cores", lambda: 2)
    finish = CollectorProcess.finish

    def killed(self: CollectorProcess, manifest: Any) -> Path:
        finish(self, manifest)
        raise PeerLostError("the collector process is gone")

    monkeypatch.setattr(CollectorProcess, "finish", killed)
    with pytest.raises(PeerLostError, match=r"^the collector process is gone$"):
        run(
            synthetic_file,
            tmp_path / "out",
            "process",
            overrides={"backtest.replay.transport": "ipc"},
        )


def test_ctrl_c_while_the_collector_writes_the_report(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = CollectorProcess.finish

    def interrupted(self: CollectorProcess, manifest: Any) -> Path:
        # A report takes half a second: it is under way when this comes.
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        return finish(self, manifest)

    monkeypatch.setattr(CollectorProcess, "finish", interrupted)
    with pytest.raises(InterruptedRunError, match="Ctrl-C"):
        run(synthetic_file, tmp_path / "out", "process")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.json"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["status"] == "incomplete"


@pytest.mark.long
def test_a_collector_that_falls_silent_is_named(synthetic_file: Path, tmp_path: Path) -> None:
    stopped: list[int] = []

    def stop(said: RunProgress) -> None:
        if not stopped:
            stopped.append(collector_pid())
            os.kill(stopped[0], signal.SIGSTOP)

    before_s = time.monotonic()
    with pytest.raises(PeerLostError) as caught:
        run(synthetic_file, tmp_path / "out", "process", hooks=Hooks(progress=stop))
    said = f"the collector process (pid {stopped[0]}) fell silent for 5 s"
    assert str(caught.value) == said
    assert time.monotonic() - before_s < 20
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["status"], manifest["reason"]) == ("incomplete", said)


def test_an_earlier_run_is_refused_or_stays(inline: tw.RunResult, synthetic_file: Path) -> None:
    before = contents(inline.path, TABLES)
    with pytest.raises(OutputError, match=r"already holds .* replace it with --force"):
        run(synthetic_file, inline.path, "process")

    def press(said: RunProgress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match=r"Ctrl-C .*; the earlier run in .* is as it was"):
        run(synthetic_file, inline.path, "process", force=True, hooks=Hooks(progress=press))
    assert contents(inline.path, TABLES) == before
    assert inline.status == "complete"
    beside = inline.path.with_name("out.failed")
    assert tw.RunResult.load(beside).status == "incomplete"


def test_rows_up_to_a_strategys_failure_are_kept(synthetic_file: Path, tmp_path: Path) -> None:
    for way in ("inline", "process"):
        with pytest.raises(StrategyError, match="as it was told to"):
            run(synthetic_file, tmp_path / way, way, strategies=[Failing])
    names = TABLES[:-1]
    assert contents(tmp_path / "process", names) == contents(tmp_path / "inline", names)
    kept = tw.RunResult.load(tmp_path / "process", incomplete=True)
    assert kept.manifest["rows_kept"]
    assert kept.fills.num_rows > 0


def test_a_run_that_is_killed_is_told_of_by_its_collector(
    tapewire: Any, tmp_path: Path, synthetic_file: Path
) -> None:
    (tmp_path / "config.yaml").write_text(
        f"backtest:\n  data_source: {{type: databento, files: ['{synthetic_file}']}}\n"
        "  replay: {speed: {accelerated: 20}}\n  output: {collector: process}\n"
        "strategy: {type: market_maker}\n"
    )
    process = tapewire.start("run", tmp_path / "config.yaml", "-o", tmp_path / "out")
    deadline_s = time.monotonic() + 60
    while not (tmp_path / "out").exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=20)
    manifest = tmp_path / "out" / "manifest.json"
    while not manifest.exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    said = json.loads(manifest.read_text())
    assert said["status"] == "incomplete"
    assert said["reason"] == f"the run process (pid {process.pid}) is gone"
