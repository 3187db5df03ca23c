"""Somebody hostile at each socket that listens, for minutes: the good one does not notice."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import streams
import tapewire as tw
import zmtp
from attacks import Attack, besieged, chatter, flood, frames, many, mutated, noise, request, slow
from bridge_peers import WELCOME, ModelClient, rows_of, served
from conftest import Tapewire
from model_runs import MODELS
from soaking import Soak
from tapewire.bridge import protocol as bridge
from tapewire.errors import ProtocolError
from tapewire.replay import ReplayPlan
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.wire import messages as msg
from tapewire.wire.frames import WIRE_VERSION
from tapewire.wire.link import Link

HOSTILE_S = 600.0
COUNT = 20_000
TAKEN_MAX_MB = 300
#: For the good one to get all of a small stream, or a page, whatever others do, s.
PATIENCE_S = 20.0
#: How long a run with a model takes on a busy machine, s.
RUN_TIMEOUT_S = 110.0
#: What a model ends within that waits two seconds for a run, on a busy machine, s.
MODEL_END_S = 15.0
HELLO = msg.encode_message(msg.Hello(WIRE_VERSION, "router", 4_242, "elsewhere", "inline", 4))
MODEL_HELLO = bridge.encode_message(
    bridge.BridgeHello(bridge.PROTOCOL, "elsewhere", 4_242, "float64", False)
)
SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "ipc"])


def reads_as(decode: Callable[[bytes], Any], kind: type) -> Callable[[bytes], bool]:
    """Whether bytes are a message of a kind."""

    def is_one(data: bytes) -> bool:
        try:
            return isinstance(decode(data), kind)
        except ProtocolError:
            return False

    return is_one


AT_A_REPLAY = (noise, many, slow, chatter, frames(HELLO, reads_as(msg.decode_message, msg.Hello)))
AT_A_RUN = (
    noise, many, slow, chatter,
    frames(MODEL_HELLO, reads_as(bridge.decode_message, bridge.BridgeHello)),
)  # fmt: skip


def attacks_over(scheme: str, some: tuple[Attack, ...]) -> tuple[Attack, ...]:
    """A message without end is for tcp: nobody counts the bytes of ipc, which is one's own."""
    return (*some, flood) if scheme == "tcp" else some


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def bound_to(scheme: str, folder: Path) -> str:
    return "tcp://127.0.0.1:*" if scheme == "tcp" else f"ipc://{folder}/bound"


#: A good receiver: all of its stream, and then, on another line, how long it took, s.
RECEIVE = """
import sys, time
from tapewire.wire import Receiver

began_s = time.monotonic()
with Receiver(sys.argv[1]) as receiver:
    receiver.connect()
    got = b"".join(batch.tobytes() for batch in receiver.batches())
print(time.monotonic() - began_s, file=sys.stderr)
sys.stdout.buffer.write(got)
"""


def received(endpoint: str) -> tuple[bytes, float]:
    """What a good receiver gets, and how long it takes.

    In a process of its own: over ipc whoever connects is told apart by that alone.
    """
    done = subprocess.run(
        [sys.executable, "-c", RECEIVE, endpoint], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout, float(done.stderr)


def besiege_replay(
    folder: Path, scheme: str, seed: int, seconds: float, sent: list[str]
) -> tuple[float, int]:
    """Longest wait of a good receiver for its stream, s, and memory that the replay took, MB."""
    records = streams.make_records(COUNT)
    path = streams.write(folder / "x.dbn", streams.dbn_bytes(records))
    end_s, longest_s, taken_mb = time.monotonic() + seconds, 0.0, 0
    while time.monotonic() < end_s:
        seed += 1
        process = streams.child(ReplayPlan((path,), batch_records=1_000), bound_to(scheme, folder))
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline().split('"')[-2]
            before_mb = zmtp.peak_mb(process.pid)
            with besieged(endpoint, attacks_over(scheme, AT_A_REPLAY), seed, sent):
                time.sleep(min(5.0, seconds))
                got, took_s = received(endpoint)
                longest_s = max(longest_s, took_s)
                taken_mb = max(taken_mb, zmtp.peak_mb(process.pid) - before_mb)
            assert got == records.tobytes(), f"seed {seed}"
            assert streams.outcome(process)[0] == 0, f"seed {seed}"
        finally:
            process.kill()
            process.communicate()
    return longest_s, taken_mb


#: Somebody who is busy for a while, and then hears all that was said to it, at either end.
BUSY = """
import sys, time
from tapewire.wire.hub import Hub
from tapewire.wire.link import Link

limits = {"context": None, "peer_timeout_s": 5.0, "message_bytes_max": 1 << 20}
if sys.argv[1] == "bound":
    end = Hub(sys.argv[2], peers_max=1, untaken_bytes_max=1 << 20, **limits)
    print(end.endpoint, flush=True)
else:
    end = Link(sys.argv[2], **limits)
    end.open()
time.sleep(float(sys.argv[3]))
count = 0
if sys.argv[1] == "bound":
    while some := list(end.received()):
        count += len(some)
else:
    while end.receive() is not None:
        count += 1
print(count)
end.close()
"""
#: Asks for an answer, which libzmq gives by itself.
PING = b"\x04PING\0\0"


@contextlib.contextmanager
def busy(which: str, endpoint: str, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, which, endpoint, str(seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def leave_full(peer: zmtp.Peer) -> None:
    """Say more than any queue holds, ask whether it is alive, and leave."""
    with contextlib.closing(peer):
        some = zmtp.frame(b"x") * 1_000 + zmtp.frame(PING, zmtp.COMMAND)
        peer.socket.sendall(some * 5)


@SCHEMES
def test_who_leaves_a_full_queue_behind_crashes_no_bound_end(
    short_folder: Path, scheme: str
) -> None:
    """libzmq stopped reading at a full queue, saw the end, and aborted at its own next ping."""
    with busy("bound", bound_to(scheme, short_folder), 2.5) as process:
        assert process.stdout is not None
        leave_full(zmtp.Peer.to(process.stdout.readline().strip()))
        said, error = process.communicate(timeout=20)
        assert (process.returncode, said, error) == (0, "5000\n", "")


@SCHEMES
def test_who_leaves_a_full_queue_behind_crashes_no_connected_end(
    short_folder: Path, scheme: str
) -> None:
    path = short_folder / "busy" if scheme == "ipc" else None
    with (
        zmtp.listening(path) as (endpoint, listener),
        busy("connected", endpoint, 2.5) as process,
    ):
        leave_full(zmtp.accepted(listener))
        listener.close()
        said, error = process.communicate(timeout=20)
        assert (process.returncode, said, error) == (0, "5000\n", "")


@pytest.mark.long
@SCHEMES
def test_who_has_said_hello_is_not_hung_up_on_while_nobody_listens(
    short_folder: Path, scheme: str
) -> None:
    """A run that loads its kernels, on a busy host, comes late to what was said to it."""
    with busy("bound", bound_to(scheme, short_folder), 7.0) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        link = Link(endpoint, context=None, peer_timeout_s=5.0, message_bytes_max=1_000)
        with contextlib.closing(link):
            link.open()
            link.send(b"hello")
            end_s = time.monotonic() + 6.0
            while time.monotonic() < end_s:
                link.wait(0.1)
                assert not link.closed_by_peer
            assert process.communicate(timeout=20) == ("1\n", "")


@pytest.mark.soak
@SCHEMES
def test_hostile_peers_at_a_replay(short_folder: Path, soak: Soak, scheme: str) -> None:
    sent: list[str] = []

    def play(seed: int) -> None:
        seconds = soak.seconds(HOSTILE_S)
        longest_s, taken_mb = besiege_replay(short_folder, scheme, seed, seconds, sent)
        assert longest_s < PATIENCE_S
        assert taken_mb < TAKEN_MAX_MB
        soak.say(f"{len(sent)} attacks, a stream within {longest_s:.2f} s, {taken_mb} MB more")

    soak.seeds(1, play)


class BridgeRun:
    """Runs whose model connects to an address that is known to others."""

    def __init__(self, folder: Path, data: Path, scheme: str, command: Tapewire) -> None:
        self.folder, self._command = folder, command
        (folder / "models.py").write_text(MODELS)
        (folder / "b").mkdir(mode=0o700)
        tcp = f"tcp://127.0.0.1:{free_port()}"
        self.endpoint = tcp if scheme == "tcp" else f"ipc://{folder}/b/lean"
        model = {
            "type": "external", "name": "lean", "features": ["imbalance_1"], "every": "5ev",
            "inference_latency": {"type": "fixed", "us": 500}, "class": "models.py:Leaning",
            "bridge": {"frame_rows": 32, "endpoint": self.endpoint},
            "parameters": {"sleep_s": 0.002}, "on_failure": "halt",
        }  # fmt: skip
        config = {
            "backtest": {"data_source": {"type": "databento", "files": [str(data)]}},
            "strategy": [{"type": "market_maker"}, model],
        }
        (folder / "config.yaml").write_text(json.dumps(config))

    def play(self) -> tuple[str, int, float]:
        """Its digest, the most memory it had, MB, and how long it took, s."""
        began_s = time.monotonic()
        process = subprocess.Popen(
            self._command.command("run", "config.yaml", "-q", "-o", "out", "--force"),
            cwd=self.folder, env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            peak = peak_until_end(process, RUN_TIMEOUT_S)
            _, error = process.communicate()
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, error
        manifest = json.loads((self.folder / "out" / "manifest.json").read_text())
        return str(manifest["digest"]), peak, time.monotonic() - began_s


def peak_until_end(process: "subprocess.Popen[str]", timeout_s: float) -> int:
    """The most memory a process had, MB, once it has ended."""
    peak, end_s = 0, time.monotonic() + timeout_s
    while process.poll() is None:
        assert time.monotonic() < end_s, f"still there after {timeout_s} s"
        try:
            peak = max(peak, zmtp.peak_mb(process.pid))
        except AssertionError:  # it is about to be gone
            break
        time.sleep(0.02)
    return peak


def besiege_bridge(run: BridgeRun, scheme: str, seed: int, seconds: float) -> str:
    """Attack run after run, from before it listens until it is done; say what came of it."""
    run.play()  # which may compile
    digest, alone_mb, alone_s = run.play()
    sent: list[str] = []
    runs, longest_s, most_mb = 0, 0.0, 0
    end_s = time.monotonic() + seconds
    while not runs or time.monotonic() < end_s:
        with besieged(run.endpoint, attacks_over(scheme, AT_A_RUN), seed + runs, sent):
            found, peak_mb, took_s = run.play()
        assert found == digest, f"seed {seed + runs}"
        runs, longest_s, most_mb = runs + 1, max(longest_s, took_s), max(most_mb, peak_mb)
    assert sent
    assert longest_s < alone_s + PATIENCE_S
    assert scheme == "ipc" or most_mb - alone_mb < TAKEN_MAX_MB
    return (f"{len(sent)} attacks on {runs} runs, each with the digest of an undisturbed one, "
            f"within {longest_s:.1f} s ({alone_s:.1f} s alone), "
            f"{max(0, most_mb - alone_mb)} MB more")  # fmt: skip


@pytest.mark.soak
@SCHEMES
def test_hostile_peers_at_a_bridge(
    short_folder: Path, synthetic_file: Path, tapewire: Tapewire, soak: Soak, scheme: str
) -> None:
    run = BridgeRun(short_folder, synthetic_file, scheme, tapewire)

    def play(seed: int) -> None:
        soak.say(besiege_bridge(run, scheme, seed, soak.seconds(HOSTILE_S)))

    soak.seeds(1, play)


SIGN = """
import numpy as np
from tapewire.bridge import StrategyBase

class Mine(StrategyBase):
    def on_features(self, features):
        return np.sign(features[:, 0])
"""
ROWS = bridge.encode_message(bridge.FeatureBatch(0, 4, False))
WELCOMED = bridge.encode_message(WELCOME)


def hostile_run(listener: socket.socket, how: str, draw: random.Random) -> None:
    """Take in a model, and be none that it could work for."""
    line, _ = listener.accept()
    if how == "noise":
        with line:
            line.sendall(draw.randbytes(5_000))
        return
    peer = zmtp.Peer(line, b"ROUTER")
    try:
        peer.hear()  # its hello
        if how == "a damaged welcome":
            peer.say(mutated(WELCOMED, draw))
        elif how == "damaged rows":
            peer.say(WELCOMED)
            arrays = [array.tobytes() for array in rows_of(4)]
            parts = [ROWS, *arrays]
            at = draw.randrange(len(parts))
            parts[at] = mutated(parts[at], draw)
            peer.say(*parts)
        elif how == "a message without end":
            peer.flood(draw.choice([b"", b"x" * 60_000]), 64 << 20, seconds=2.0)
        elif how == "a welcome without end":
            peer.flood(b"", 64 << 20)
        elif how == "a byte at a time":
            for byte in zmtp.frame(WELCOMED)[:20]:
                line.sendall(bytes([byte]))
                time.sleep(0.05)
        time.sleep(0.2)
    finally:
        peer.close()


def play_hostile_run(folder: Path, scheme: str, how: str, seed: int) -> tuple[float, int]:
    """How long the model took to end, s, and the most memory it had, MB."""
    path = folder / "there" if scheme == "ipc" else None
    if path is not None:
        path.unlink(missing_ok=True)
    with (
        zmtp.listening(path) as (endpoint, listener),
        served(folder, SIGN, endpoint, "--wait", "2") as client,
    ):
        with contextlib.suppress(OSError, AssertionError):  # it has hung up, as it should
            hostile_run(listener, how, random.Random(f"{how} {seed}"))
        listener.close()
        return _ended(client, f"{how}, seed {seed}")


def _ended(client: ModelClient, where: str) -> tuple[float, int]:
    began_s = time.monotonic()
    peak_mb = peak_until_end(client.process, MODEL_END_S)
    took_s = time.monotonic() - began_s
    code, said = client.end()
    assert code == 5, (where, said)
    assert said.splitlines()[-1].startswith("error: the run at "), (where, said)
    assert "Traceback" not in said, (where, said)
    return took_s, peak_mb


HOSTILE_RUNS = ("noise", "a damaged welcome", "damaged rows", "a byte at a time")


def hostile_runs_over(scheme: str) -> tuple[str, ...]:
    return (*HOSTILE_RUNS, "a message without end") if scheme == "tcp" else HOSTILE_RUNS


@pytest.mark.parametrize(
    ("scheme", "how"), [("tcp", "a message without end"), ("ipc", "damaged rows")]
)
def test_a_model_at_a_hostile_run_ends_in_time(short_folder: Path, scheme: str, how: str) -> None:
    _, peak_mb = play_hostile_run(short_folder, scheme, how, 1)
    assert peak_mb < TAKEN_MAX_MB


def test_small_parts_instead_of_a_welcome_cost_a_model_little(short_folder: Path) -> None:
    """One of two bytes on the wire takes sixty-four in memory."""
    _, peak_mb = play_hostile_run(short_folder, "tcp", "a welcome without end", 1)
    assert peak_mb < 200  # of which its modules take 60


@pytest.mark.soak
@SCHEMES
def test_models_at_hostile_runs(short_folder: Path, soak: Soak, scheme: str) -> None:
    end_s = time.monotonic() + soak.seconds(HOSTILE_S)
    took_s: list[float] = []
    peaks_mb: list[int] = []

    def play(first: int) -> None:
        while not took_s or time.monotonic() < end_s:
            seed = first + len(took_s)
            how = hostile_runs_over(scheme)[seed % len(hostile_runs_over(scheme))]
            took, peak_mb = play_hostile_run(short_folder, scheme, how, seed)
            took_s.append(took)
            peaks_mb.append(peak_mb)

    soak.seeds(1, play)
    assert max(peaks_mb) < TAKEN_MAX_MB
    soak.say(f"{len(took_s)} models, each ended within {max(took_s):.1f} s by name, "
             f"with {max(peaks_mb)} MB at most")  # fmt: skip


@pytest.mark.soak
def test_hostile_peers_at_the_page_of_figures(
    tmp_path: Path, synthetic_file: Path, soak: Soak
) -> None:
    port = free_port()
    sent: list[str] = []
    asked_s: list[float] = []
    alone = tw.run(synthetic_file, strategies="market_maker", output=tmp_path / "alone")
    end_s = time.monotonic() + soak.seconds(HOSTILE_S)

    def progress(said: RunProgress) -> None:
        if len(asked_s) % 2 == 0:
            time.sleep(min(2.0, max(0.0, end_s - time.monotonic())))
        began_s = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as page:
            assert b"tapewire_events_total" in page.read()
        asked_s.append(time.monotonic() - began_s)

    def play(seed: int) -> None:
        while not asked_s or time.monotonic() < end_s:
            with besieged(f"tcp://127.0.0.1:{port}", (noise, many, slow, request), seed, sent):
                run = tw.run(
                    synthetic_file, strategies="market_maker", output=tmp_path / "out", force=True,
                    batch_records=2_000, overrides={"backtest.output.metrics_port": port},
                    hooks=Hooks(progress=progress),
                )  # fmt: skip
            assert run.digest == alone.digest
            seed += 1

    soak.seeds(1, play)
    assert max(asked_s) < PATIENCE_S
    soak.say(f"{len(sent)} attacks, {len(asked_s)} pages, each within {max(asked_s):.2f} s")
