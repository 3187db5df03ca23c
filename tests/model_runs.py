"""Runs with models in processes of their own, which the run starts; and what is left of them."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MODELS = '''
import os, pathlib, signal, time

import numpy as np

from tapewire.bridge import NO_TARGET, StrategyBase


class Leaning(StrategyBase):
    """Holds lots on the side that the book leans to; takes its time."""

    def __init__(self, sleep_s=0.0, random_s=0.0, size=2):
        super().__init__()
        self.sleep_s, self.random_s, self.size = sleep_s, random_s, size

    def on_start(self, session):
        note = pathlib.Path(__file__).with_name(session.strategy_id + ".new")
        note.write_text(str(os.getpid()))
        note.rename(note.with_suffix(".pid"))

    def wanted(self, leaning):
        size = self.size
        return np.where(leaning > 0.5, size, np.where(leaning < -0.5, -size, NO_TARGET))

    def on_features(self, features):
        time.sleep(self.sleep_s)
        if self.random_s:
            time.sleep(np.random.default_rng().exponential(self.random_s))
        return self.wanted(np.nan_to_num(features[:, 0]))


class Counting(Leaning):
    """What it wants hangs on all rows and closes before; it keeps a state."""

    seen = 0

    def on_features(self, features):
        super().on_features(features)
        before = self.seen + np.arange(len(features))
        self.seen += len(features)
        return np.where(before % 20 == 0, before // 20 % 5 - 2, NO_TARGET)

    def on_market_close(self):
        self.seen += 7

    def save(self):
        return str(self.seen).encode()

    def load(self, state):
        self.seen = int(state)


class Forking(Leaning):
    def on_start(self, session):
        super().on_start(session)
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)


class Stubborn(Leaning):
    """Hears nobody."""

    def on_features(self, features):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)


class LateStart(Leaning):
    def __init__(self, **parameters):
        time.sleep(600)
'''
FEATURES = ("imbalance_1",)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def eventually(holds: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Wait for it."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s: {what}")


class Stage:
    """A folder of a run with models: their file, its configuration, its sockets' folder."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data
        self.models = folder / "models.py"
        self.models.write_text(MODELS)
        self.sockets = folder / "sockets"
        self.sockets.mkdir()

    def model(self, name: str = "lean", kind: str = "Leaning", **settings: Any) -> dict[str, Any]:
        """A strategy's entry."""
        bridge = {"frame_rows": 32, **settings.pop("bridge", {})}
        entry: dict[str, Any] = {
            "type": "external", "name": name, "features": list(FEATURES), "every": "5ev",
            "inference_latency": {"type": "fixed", "us": 500}, "bridge": bridge,
            "class": f"models.py:{kind}",
        } | settings  # fmt: skip
        if "command" in entry:
            del entry["class"]
        return entry

    def config(self, *strategies: dict[str, Any], **backtest: Any) -> Path:
        """Write a configuration: a market maker, and those given; many batches, one close."""
        content = {
            "backtest": {
                "data_source": {"type": "databento", "files": [str(self.data)]},
                "session": {"close": "14:33:00"}, **backtest,
                "replay": {"batch_records": 1_000, **backtest.pop("replay", {})},
            },
            "strategy": [{"type": "market_maker"}, *strategies],
        }  # fmt: skip
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(content))
        return path

    def pids(self) -> set[int]:
        """Processes of models of this folder; forked ones, too."""
        found = set()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if b"--connect\0ipc://" + bytes(self.sockets) in words and alive(int(path.parent.name)):
                found.add(int(path.parent.name))
        return found - {os.getpid()}

    def manifest(self, name: str = "out") -> dict[str, Any]:
        """Of a run."""
        content: dict[str, Any] = json.loads((self.folder / name / "manifest.json").read_text())
        return content

    def require_nothing_left(self, output: str = "out") -> None:
        """No process, no socket, no file without its final name."""
        assert self.pids() == set()
        left = [str(path) for path in self.sockets.rglob("*") if not path.is_dir()]
        folders = [path.name for path in self.sockets.rglob("*") if path.is_dir()]
        assert left == []
        assert folders in ([], ["tapewire"])
        out = self.folder / output
        names = [path.name for path in out.rglob("*")] if out.exists() else []
        assert [name for name in names if name.startswith(".") or "tmp" in name] == []


@pytest.fixture
def stage(tmp_path: Path, short_folder: Path, synthetic_file: Path) -> Iterator[Stage]:
    """A stage whose sockets are its own; the run's environment says so."""
    made = Stage(short_folder, synthetic_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(made.sockets))
        yield made
    for pid in made.pids():
        os.kill(pid, 9)


class Killer:
    """Sends a signal to the first model's process, so long (s) after it has appeared.

    With a name it is that strategy's, once it has started to work. Signal 0 only looks how long the
    process lives.
    """

    def __init__(
        self, stage: Stage, delay_s: float, number: int = 9, *, called: str | None = None
    ) -> None:
        self.pid: int | None = None
        self.sent_s: float | None = None
        self.lived_s: float | None = None
        self._stage, self._delay_s, self._number = stage, delay_s, number
        self._called = called
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        pids = eventually(self._of_the_model, 60, "a model's process")
        self.pid = min(pids)
        time.sleep(self._delay_s)
        try:
            os.kill(self.pid, self._number)
        except ProcessLookupError:
            return
        self.sent_s = time.monotonic()
        if self._number == 0:
            eventually(lambda: not alive(self.pid), 60, "the end of the model's process")
            self.lived_s = time.monotonic() - self.sent_s

    def _of_the_model(self) -> set[int]:
        if self._called is None:
            return self._stage.pids()
        note = self._stage.folder / f"{self._called}.pid"
        return {int(note.read_text())} if note.exists() else set()

    def join(self) -> None:
        """Wait until it is done."""
        self._thread.join(60)


def one_space(text: str) -> str:
    """A text in one line."""
    return re.sub(r"\s+", " ", text)
