"""Runs that can't end well: killed, stopped, starved, lied to. Each says why, in one line."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.errors import InputError, InterruptedRunError

#: Long enough for any of these to be under way on a busy machine.
START_TIMEOUT_S = 60.0
#: A survivor names its dead peer and ends within this.
SURVIVOR_TIMEOUT_S = 5.0
SIGNAL_TIMEOUT_S = 2.0
#: What waiting for a process and reading its end may add on a busy two-core machine.
SLACK_S = 1.0


def eventually(holds: Callable[[], Any], timeout_s: float, what: str) -> Any:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def is_replay(pid: int) -> bool:
    """Whether this is a replay, and no collector, which there may be, too."""
    try:
        return b"tapewire.replay" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def assert_one_line(error: str) -> None:
    assert error.startswith("error: "), error
    assert error.count("\n") == 1, error
    assert "Traceback" not in error


def assert_no_result(folder: Path, status: str | None = None) -> None:
    """At most a manifest that says the run has no result; no temporary file either."""
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    assert names <= {"manifest.json"}, names
    if status is not None:
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["status"] == status
        assert manifest["reason"]


class LongRun:
    """A run that would go on for minutes: paced at the speed of the market."""

    def __init__(self, tapewire: Any, file: Path, *options: object) -> None:
        self.folder: Path = tapewire.cwd / "out"
        self.process: subprocess.Popen[str] = tapewire.start(
            "run", file, "--speed", "realtime", "-q", "-o", self.folder, *options
        )
        self.replays: list[int] = []
        eventually(self._streaming, START_TIMEOUT_S, "a run under way")

    def _streaming(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(self.process.communicate()[1])
        # The work area is claimed when the stream has been joined.
        if not (self.folder.exists() and any(self.folder.iterdir())):
            return False
        self.replays = [pid for pid in children(self.process.pid) if is_replay(pid)]
        return True

    def ends_within(self, timeout_s: float) -> str:
        before_s = time.monotonic()
        try:
            _, error = self.process.communicate(timeout=timeout_s + SLACK_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s") from None
        assert time.monotonic() - before_s < timeout_s + SLACK_S
        return error

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for pid in self.replays:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def long_run(tapewire: Any, synthetic_file: Path) -> Iterator[LongRun]:
    run = LongRun(tapewire, synthetic_file)
    yield run
    run.end()


# --- processes that die ---------------------------------------------------------------------


def test_replay_killed(long_run: LongRun) -> None:
    (replay,) = long_run.replays
    os.kill(replay, signal.SIGKILL)
    error = long_run.ends_within(SURVIVOR_TIMEOUT_S)
    assert long_run.process.returncode == 5
    assert_one_line(error)
    assert f"the replay process (pid {replay}) was killed by SIGKILL" in error
    assert_no_result(long_run.folder, "incomplete")


def test_replay_stopped_falls_silent(tapewire: Any, tmp_path: Path, synthetic_file: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"backtest: {{data_source: {{type: databento, files: [{synthetic_file}]}}, "
        "replay: {peer_timeout_s: 1}}\nstrategy: {type: market_maker}\n"
    )
    run = LongRun(tapewire, config)
    try:
        (replay,) = run.replays
        os.kill(replay, signal.SIGSTOP)
        error = run.ends_within(SURVIVOR_TIMEOUT_S)
        assert run.process.returncode == 5
        assert_one_line(error)
        assert f"pid {replay}" in error
        assert_no_result(run.folder, "incomplete")
        assert not alive(replay)
    finally:
        run.end()


def test_run_killed(long_run: LongRun) -> None:
    (replay,) = long_run.replays
    long_run.process.kill()
    eventually(lambda: not alive(replay), SURVIVOR_TIMEOUT_S, "the end of the orphaned replay")
    final = {path.name for path in long_run.folder.iterdir() if not path.name.startswith(".")}
    if final:  # a collector that is a process of its own has a last word
        assert_no_result(long_run.folder, "incomplete")
    shared = [path.name for path in Path("/dev/shm").iterdir()]
    assert not [name for name in shared if "tapewire" in name and str(replay) in name]


def test_a_killed_runs_folder_can_be_used_again(
    long_run: LongRun, tapewire: Any, synthetic_file: Path
) -> None:
    long_run.process.kill()
    long_run.process.wait()
    done = tapewire("run", synthetic_file, "-q", "-o", long_run.folder)
    assert done.returncode == 0, done.stderr
    assert json.loads((long_run.folder / "manifest.json").read_text())["status"] == "complete"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_the_user(long_run: LongRun, number: signal.Signals, code: int) -> None:
    (replay,) = long_run.replays
    long_run.process.send_signal(number)
    error = long_run.ends_within(SIGNAL_TIMEOUT_S)
    assert long_run.process.returncode == code
    assert_one_line(error)
    assert "stopped by " in error
    assert not alive(replay)
    assert_no_result(long_run.folder, "incomplete")


def test_one_process_stopped_by_the_user(tapewire: Any, synthetic_file: Path) -> None:
    run = LongRun(tapewire, synthetic_file, "--transport", "inproc")
    try:
        assert run.replays == []
        run.process.send_signal(signal.SIGINT)
        error = run.ends_within(SIGNAL_TIMEOUT_S)
        assert run.process.returncode == 130
        assert_one_line(error)
        assert_no_result(run.folder, "incomplete")
    finally:
        run.end()


@pytest.mark.parametrize("victim", ["replay", "run"])
def test_either_of_two_terminals_killed(
    tapewire: Any, tmp_path: Path, synthetic_file: Path, victim: str
) -> None:
    replay = tapewire.start(
        "replay", synthetic_file, "--bind", "tcp://127.0.0.1:*", "--speed", "realtime"
    )
    bound = replay.stderr.readline().split()[2]
    run = tapewire.start("run", "--connect", bound, "-q", "-o", "out")
    out = tmp_path / "out"
    eventually(lambda: out.exists() and any(out.iterdir()), START_TIMEOUT_S, "a run under way")
    dead, survivor = (replay, run) if victim == "replay" else (run, replay)
    dead.kill()
    try:
        _, error = survivor.communicate(timeout=SURVIVOR_TIMEOUT_S + SLACK_S)
    finally:
        for process in (dead, survivor):
            process.kill()
            process.communicate()
    assert survivor.returncode == 5
    assert_one_line(error)
    assert f"pid {dead.pid}" in error
    if victim == "replay":
        assert_no_result(out, "incomplete")


def test_a_replay_in_the_foreground_stops_at_ctrl_c(tapewire: Any, synthetic_file: Path) -> None:
    replay = tapewire.start("replay", synthetic_file, "--bind", "tcp://127.0.0.1:*")
    assert "listening" in replay.stderr.readline()
    replay.send_signal(signal.SIGINT)
    _, error = replay.communicate(timeout=SIGNAL_TIMEOUT_S + SLACK_S)
    assert replay.returncode == 130
    assert_one_line(error)


def test_waiting_for_nobody_says_so_and_stops_at_ctrl_c(tapewire: Any, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    run = tapewire.start("run", "--connect", endpoint, "-o", "out")
    line = run.stderr.readline()
    while line and "nobody answers" not in line:  # kernels may have to be compiled first
        line = run.stderr.readline()
    assert line.startswith(f"nobody answers at {endpoint} yet: waiting for up to 60 s")
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=SIGNAL_TIMEOUT_S + SLACK_S)
    assert run.returncode == 130
    assert_one_line(error)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_while_the_report_is_written(
    tmp_path: Path, synthetic_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tapewire.analytics import Collector

    def slow(self: Any, given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)

    monkeypatch.setattr(Collector, "_complete", slow)
    before = signal.getsignal(signal.SIGINT)  # ignored, where a script started the tests behind it
    before_s = time.monotonic()
    source = {"type": "databento", "files": [str(synthetic_file)]}
    with pytest.raises(InterruptedRunError, match="Ctrl-C"):
        tw.run(
            {"backtest": {"data_source": source}, "strategy": {"type": "market_maker"}},
            overrides={"backtest.output.collector": "inline"},  # `slow` is of this process
            output=tmp_path / "out",
        )
    assert time.monotonic() - before_s < 20
    assert_no_result(tmp_path / "out", "incomplete")
    assert signal.getsignal(signal.SIGINT) is before


# --- inputs that are wrong ------------------------------------------------------------------


def other_schema(good: bytes) -> bytes:
    """The same file, claiming to hold schema trades (1) instead of mbo (0)."""
    # DBN header: "DBN", version u8, length u32, dataset 16 bytes, schema u16.
    return good[:24] + (1).to_bytes(2, "little") + good[26:]


def bad_record(good: bytes) -> bytes:
    """The same file with a record whose length byte is broken."""
    at = len(good) - 56 * 100
    return good[:at] + b"\x03" + good[at + 1 :]


BAD_FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "text": lambda good: b"ts_event,price\n1,2\n",
    "cut in the header": lambda good: good[:50],
    "header only": lambda good: good[: 8 + int.from_bytes(good[4:8], "little")],
    "cut in a record": lambda good: good[:-17],
    "another schema": other_schema,
    "a later version": lambda good: good[:3] + b"\x09" + good[4:],
    "a broken record": bad_record,
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file(tapewire_here: Any, tmp_path: Path, synthetic_file: Path, kind: str) -> None:
    path = tmp_path / "bad.mbo.dbn"
    path.write_bytes(BAD_FILES[kind](synthetic_file.read_bytes()))
    done = tapewire_here("run", path, "-q", "-o", "out")
    assert done.returncode == 3, done.stderr
    assert_one_line(done.stderr)
    assert "bad.mbo.dbn" in done.stderr
    assert done.stdout == ""
    assert_no_result(tmp_path / "out")


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_in_one_process(tmp_path: Path, synthetic_file: Path, kind: str) -> None:
    path = tmp_path / "bad.mbo.dbn"
    path.write_bytes(BAD_FILES[kind](synthetic_file.read_bytes()))
    source = {"type": "databento", "files": [str(path)]}
    config = {
        "backtest": {"data_source": source, "replay": {"transport": "inproc"}},
        "strategy": {"type": "market_maker"},
    }
    threads = threading.active_count()
    with pytest.raises(InputError, match=re.escape("bad.mbo.dbn")):
        tw.run(config, output=tmp_path / "out")
    assert_no_result(tmp_path / "out")
    assert threading.active_count() == threads


def test_a_truncated_compressed_file(tapewire: Any, tmp_path: Path) -> None:
    from tapewire.replay.synth import synthesize

    path = tmp_path / "cut.mbo.dbn.zst"
    synthesize(path, events=20_000, instruments=1, seed=1)
    path.write_bytes(path.read_bytes()[:-1_000])
    done = tapewire("run", path, "-q", "-o", "out")
    assert done.returncode == 3, done.stderr
    assert_one_line(done.stderr)
    assert "cut.mbo.dbn.zst" in done.stderr
    assert_no_result(tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("none.dbn",), 3, "none.dbn"),
        ((".",), 2, "files in the folder"),
        (("*.dbn",), 2, "no file matches"),
        (("DATA", "--symbols", "TWA9"), 3, "TWA9"),
        (("DATA", "--start", "2030-01-01"), 3, "none of the 30000 records"),
        (("DATA", "-o", "DATA/out"), 4, "day.mbo.dbn/out"),
        (("DATA", "-o", "/proc/nowhere/out"), 4, "/proc/nowhere/out"),
        (("DATA", "-s", "market_maker", "-s", "market_maker", "-s", "sma"), 2, "sma_crossover"),
        (("bad_key.yaml",), 2, "did you mean 'network_latency_us'?"),
        (("bad_type.yaml",), 2, "expected a whole number, found 'ten'"),
        (("bad_output.yaml",), 4, "metrics.parquet"),
        (("no_symbol.yaml",), 3, "TWA9"),
    ],
)
def test_a_bad_request(
    tapewire_here: Any,
    tmp_path: Path,
    synthetic_file: Path,
    options: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    source = f"data_source: {{type: databento, files: [{synthetic_file}]}}"
    maker = "strategy: {type: market_maker}"
    for name, backtest, strategy in (
        ("bad_key", "execution: {latency_model: {network_latncy_us: 5}}", maker),
        ("bad_type", "risk_limits: {max_position: ten}", maker),
        ("bad_output", f"output: {{metrics_file: {synthetic_file}/metrics.parquet}}", maker),
        ("no_symbol", "seed: 1", "strategy: {type: market_maker, symbols: [TWA9]}"),
    ):
        text = f"backtest:\n  {source}\n  {backtest}\n{strategy}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    given = [text.replace("DATA", str(synthetic_file)) for text in options]
    output = () if "-o" in given else ("-o", "out")
    done = tapewire_here("run", *given, "-q", *output)
    assert done.returncode == code, done.stderr
    assert_one_line(done.stderr)
    assert message in done.stderr
    assert done.stdout == ""
    assert_no_result(tmp_path / "out")


def test_a_port_in_use(tapewire_here: Any, synthetic_file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        done = tapewire_here("replay", synthetic_file, "--bind", endpoint)
    assert done.returncode == 5
    assert_one_line(done.stderr)
    assert endpoint in done.stderr
    assert "in use" in done.stderr


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:5555", "tcp://192.0.2.1:5555"])
def test_no_stream_leaves_the_host(tapewire_here: Any, synthetic_file: Path, endpoint: str) -> None:
    for done in (
        tapewire_here("replay", synthetic_file, "--bind", endpoint),
        tapewire_here("run", "--connect", endpoint, "-o", "out"),
    ):
        assert done.returncode == 5
        assert_one_line(done.stderr)
        assert "leaves this host" in done.stderr
