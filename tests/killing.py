"""Commands of several processes, one of which is killed at a random moment; what must hold then.

A scene is a command whose undisturbed digest is known. Its processes are found by a mark in their
environment, which whatever they start inherits, and told apart by their command lines.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_runs import MODELS, alive
from tapewire.replay.markets.files import write_market
from tapewire.replay.markets.market import MarketPlan

#: The promise, and what watching a process end may add on a busy machine, s.
END_TIMEOUT_S, SLACK_S = 5.0, 1.5
#: Longest that a command may take, which may have to wait for others that are tested, s.
COMMAND_TIMEOUT_S = 110.0
_MARK = "TAPEWIRE_TEST_MARK"
#: By the part of its command line that tells which process it is; all others are the command.
ROLES = {
    "rails": b"tapewire.live.rails", "stream": b"tapewire.live\0", "replay": b"tapewire.replay",
    "collector": b"collector_main", "worker": b"tapewire.executors",
    "model": b"--connect\0ipc://",  # the last: others connect, too
}  # fmt: skip
#: What is in the folder of an address, of which its owner is the command.
OWNED = ("owner.lock", "stream", "stream.lock")
#: Killed by itself, it ends the command; a worker's task is done again by another.
VITAL = ("replay", "collector", "model")


@dataclass
class Scene:
    """A command in a folder of its own; it writes ``out`` there."""

    folder: Path
    words: tuple[str, ...]
    digest: str = ""
    #: How long after the command's start each kind of process appeared, and how long it was there.
    lives: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def sockets(self) -> Path:
        """Where addresses of its processes are, and whatever else is temporary."""
        return self.folder / "t"

    def manifest(self) -> dict[str, Any]:
        path = self.out / "manifest.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def environment(self) -> dict[str, str]:
        """The environment of one start, with a mark of its own."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        place = str(self.sockets)
        return {"XDG_RUNTIME_DIR": place, "TMPDIR": place, _MARK: uuid.uuid4().hex}


def heeding_ctrl_c() -> None:
    """Whoever starts the tests behind a script has it ignored, and so would all of its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Started:
    """A scene's command under way, as if in a terminal of its own."""

    def __init__(self, scene: Scene, command: Callable[..., list[str]], *more: str) -> None:
        environment = scene.environment()
        self._mark = f"{_MARK}={environment[_MARK]}".encode()
        self.process = subprocess.Popen(
            command(*scene.words, "-o", "out", *more),
            cwd=scene.folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=heeding_ctrl_c,
        )  # fmt: skip
        self.began_s = time.monotonic()

    def pids(self) -> dict[int, str]:
        """Living processes and what they are."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._mark not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                words, pid = (folder / "cmdline").read_bytes(), int(folder.name)
                if pid == self.process.pid or not alive(pid):
                    continue
                roles = [role for role, part in ROLES.items() if part in words]
                found[pid] = roles[0] if roles else "starting"
        if self.process.poll() is None:
            found[self.process.pid] = "command"
        return found

    def wait_for(self, role: str) -> list[int]:
        """Processes of a kind, once there are; none if the command ends before."""
        while self.process.poll() is None:
            if found := [pid for pid, what in self.pids().items() if what == role]:
                return found
            time.sleep(0.01)
        return []

    def wait(self, timeout_s: float) -> str:
        """Wait for the command's end; return what it said on standard error."""
        try:
            return self.process.communicate(timeout=timeout_s)[1]
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {timeout_s:.1f} s: {self.pids()}") from None

    def require_gone(self, until_s: float) -> None:
        """No process of it is there any more at this time."""
        while left := self.pids():
            assert time.monotonic() < until_s, f"left behind: {left}"
            time.sleep(0.02)

    def end(self) -> None:
        """Kill what is left."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


@contextlib.contextmanager
def started(scene: Scene, command: Callable[..., list[str]], *more: str) -> Iterator[Started]:
    """Start a scene's command; what is left of it at the end is killed."""
    one = Started(scene, command, *more)
    try:
        yield one
    finally:
        one.end()


def run_scene(folder: Path, data: Path) -> Scene:
    """A run with a process for its replay, its collector and a model, over a second or so."""
    folder.mkdir()
    (folder / "models.py").write_text(MODELS)
    model = {
        "type": "external", "name": "lean", "features": ["imbalance_1"], "every": "5ev",
        "inference_latency": {"type": "fixed", "us": 500}, "bridge": {"frame_rows": 32},
        "class": "models.py:Leaning", "parameters": {"sleep_s": 0.006}, "on_failure": "halt",
    }  # fmt: skip
    return _configured(folder, {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(data)]},
            "replay": {"transport": "ipc", "batch_records": 500},
            "output": {"collector": "process"},
        },
        "strategy": [{"type": "market_maker"}, model],
    })  # fmt: skip


def days_scene(folder: Path) -> Scene:
    """Four days that two workers play."""
    folder.mkdir()
    write_market(
        folder / "days", MarketPlan(days=4, instruments=1, events=40_000, seed=3, hours=0.1)
    )
    return _configured(folder, {
        "backtest": {
            "data_source": {"type": "databento", "files": ["days/*.mbo.dbn.zst"]},
            "replay": {"days": "apart", "workers": 2},
        },
        "strategy": {"type": "market_maker"},
    })  # fmt: skip


def sweep_scene(folder: Path, data: Path) -> Scene:
    """A sweep of eight trials by two workers."""
    folder.mkdir()
    varied = "--vary", "max_inventory=1,2,3,4", "--vary", "backtest.seed=1,2"
    words = ("sweep", str(data), "-s", "market_maker", *varied, "--workers", "2")
    return Scene(folder, words)


def _configured(folder: Path, content: dict[str, Any]) -> Scene:
    (folder / "config.yaml").write_text(json.dumps(content))
    return Scene(folder, ("run", "config.yaml", "-q"))


def measure(scene: Scene, command: Callable[..., list[str]]) -> None:
    """Play a scene undisturbed, for its digest and for how long its processes live."""
    seen: dict[str, list[float]] = {}
    for _ in "12":  # the first may compile, or read what the system has not at hand
        seen.clear()
        with started(scene, command, "--force") as one:
            while one.process.poll() is None:
                now_s = time.monotonic() - one.began_s
                for role in one.pids().values():
                    seen.setdefault(role, [now_s, now_s])[1] = now_s
                time.sleep(0.02)
            error = one.wait(END_TIMEOUT_S)
            assert one.process.returncode == 0, error
            one.require_gone(time.monotonic() + END_TIMEOUT_S)
    scene.digest = scene.manifest()["digest"]
    scene.lives = {role: (first, last - first) for role, (first, last) in seen.items()}
    assert scene.manifest()["status"] == "complete"


def play_kill(scene: Scene, command: Callable[..., list[str]], victim: str, seed: int) -> float:
    """Kill one process at a moment that the seed says.

    Returns how long all others took to end, s; below 0 where the work was done, or is done by
    another. Whatever happened, there is no debris, and a run in the same folder has its digest.
    """
    draw = random.Random(f"{victim} {seed}")
    moment_s = draw.random() * scene.lives[victim][1]
    clear(scene)
    took_s = -1.0
    with started(scene, command) as one:
        pids = one.wait_for(victim)
        time.sleep(moment_s)
        pids = [pid for pid in pids if alive(pid)]
        pid = draw.choice(pids) if pids else 0
        if pid:
            os.kill(pid, signal.SIGKILL)
        killed_s = time.monotonic()
        error = one.wait(COMMAND_TIMEOUT_S)
        code = one.process.returncode
        where = f"{victim} (pid {pid}) killed {moment_s:.3f} s after its start, exit code {code}"
        if code:
            one.require_gone(killed_s + END_TIMEOUT_S + SLACK_S)
            took_s = time.monotonic() - killed_s
            assert took_s < END_TIMEOUT_S + SLACK_S, (took_s, where, error)
        else:
            one.require_gone(time.monotonic() + SLACK_S)
    _require_told(scene, victim, pid, code, error, where)
    require_no_debris(scene, where, known=OWNED if victim == "command" else ())
    require_whole_again(scene, command, where)
    return took_s


def require_whole_again(scene: Scene, command: Callable[..., list[str]], where: str) -> None:
    """The same command in the same folder comes to the undisturbed digest, and leaves no debris."""
    more = ("--force",) if scene.manifest() else ()
    if not more and (scene.out / "study.json").exists():
        more = ("--resume",)
    with started(scene, command, *more) as again:
        error = again.wait(COMMAND_TIMEOUT_S)
        assert again.process.returncode == 0, (where, error)
    assert scene.manifest()["digest"] == scene.digest, where
    require_no_debris(scene, where)


def _require_told(scene: Scene, victim: str, pid: int, code: int, error: str, where: str) -> None:
    manifest = scene.manifest()
    if code == 0:  # it had done what it was there for, or another one did it
        assert manifest["status"] == "complete", where
        assert manifest["digest"] == scene.digest, where
        return
    if victim == "command":
        assert code == -signal.SIGKILL, (where, error)
    else:
        assert victim in VITAL, (where, error)
        assert code in (5, 6), (where, error)
        assert error.startswith("error: "), (where, error)
        assert "Traceback" not in error, (where, error)
        assert f"(pid {pid})" in error, (where, error)
        assert "was killed by SIGKILL" in error, (where, error)
    if manifest.get("status") != "complete":  # else only what comes after the result was lost
        assert manifest.get("status") in (None, "incomplete", "failed"), where
        if manifest and victim != "model":  # whose run is a strategy's failure, which keeps rows
            final = {path.name for path in scene.out.iterdir() if not path.name.startswith(".")}
            assert final == {"manifest.json"}, (where, final)


def require_no_debris(scene: Scene, where: str, known: tuple[str, ...] = ()) -> None:
    """No socket, lock or other temporary file, no shared memory.

    What is hidden in an output folder is cleared by the next run there. So are folders of addresses
    to which nobody had connected yet, or any more, once they are a minute old: they are made older
    here.
    """
    left = [path for path in scene.sockets.rglob("*") if not path.is_dir()]
    for folder in {path.parent for path in left if path.name in known}:
        os.utime(folder, (0, 0))
    left = [path for path in left if path.name not in known]
    assert left == [], (where, left)
    shared = [path.name for path in Path("/dev/shm").iterdir() if "tapewire" in path.name]
    assert shared == [], where


def clear(scene: Scene) -> None:
    """Remove what an earlier start has left."""
    subprocess.run(["rm", "-rf", str(scene.out), str(scene.sockets)], check=True)
