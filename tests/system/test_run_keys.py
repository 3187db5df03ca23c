"""A run whose model comes over tcp with keys: it is the run that it is over ipc."""

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import Tapewire
from tapewire.wire.keys import write_pair

MODEL = """
import numpy as np
from tapewire.bridge import StrategyBase

class Mine(StrategyBase):
    def on_features(self, features):
        x = features[:, 0]
        return np.where(np.abs(x) > 0.5, np.sign(x), np.nan)
"""
CONFIG = """
backtest:
  data_source: {type: databento, files: [FILE]}
strategy:
  type: external
  name: mine
  features: [imbalance_1]
  every: 50ev
  SOURCE
"""
CURVE = "{secret_key_file: keys/run.key_secret, allowed_clients: [keys/model.key]}"


def manifest_of(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return content


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.long
def test_its_digest_is_the_one_over_ipc(
    tapewire: Tapewire, tmp_path: Path, synthetic_file: Path
) -> None:
    (tmp_path / "my_model.py").write_text(MODEL)
    for name in ("run", "model", "stranger"):
        write_pair(tmp_path / "keys", name)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    for name, source in (
        ("ipc", "class: my_model.py:Mine"),
        ("curve", f"bridge: {{endpoint: '{endpoint}', curve: {CURVE}}}"),
    ):
        text = CONFIG.replace("FILE", str(synthetic_file)).replace("SOURCE", source)
        (tmp_path / f"{name}.yaml").write_text(text)
    done = tapewire("run", "ipc.yaml", "-o", "over-ipc")
    assert done.returncode == 0, done.stderr

    def serve(name: str) -> "subprocess.Popen[str]":
        return tapewire.start(
            "bridge", "serve", "my_model.py:Mine", "--connect", endpoint,
            "--curve-server", "keys/run.key", "--curve-key", f"keys/{name}.key_secret",
        )  # fmt: skip

    run = tapewire.start("run", "curve.yaml", "-o", "over-curve")
    processes = [run]
    try:
        stranger = serve("stranger")
        processes.append(stranger)
        _, said = stranger.communicate(timeout=60)
        assert stranger.returncode == 5
        assert "refuses this model's key" in said
        assert run.poll() is None
        model = serve("model")
        processes.append(model)
        out, told = run.communicate(timeout=100)
        assert run.returncode == 0, told
        model.communicate(timeout=20)
        assert model.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    ipc, curve = manifest_of(tmp_path / "over-ipc"), manifest_of(tmp_path / "over-curve")
    assert curve["digest"] == ipc["digest"]
    assert ipc["rows"]["fills"] > 0  # type: ignore[index]
    assert any("knocked at" in text for text in curve["warnings"])  # type: ignore[attr-defined]
    assert re.search("127.0.0.1 was refused: its key .* is not allowed", out + told)
    secret = (tmp_path / "keys" / "run.key_secret").read_text().split('"')[-2]
    assert not [
        path for path in (tmp_path / "over-curve").rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]  # fmt: skip
