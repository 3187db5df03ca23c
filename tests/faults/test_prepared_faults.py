"""Preparing files that can't end well: stopped, out of room. Nothing half-written is left."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.errors import InterruptedRunError
from tapewire.replay.convert import HashedSink, convert

Command = Callable[..., subprocess.CompletedProcess[str]]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_write_that_the_system_refuses(
    tapewire: Any, tmp_path: Path, synthetic_file: Path
) -> None:
    """A limit of 1 MiB per file stands in for a full disk."""
    command = " ".join(tapewire.command("data", "convert", synthetic_file, "-o", "x.dbn"))
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 1024; exec {command}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("error: cannot write x.dbn: File too large")
    assert done.stderr.count("\n") == 1
    assert names(tmp_path) == set()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_the_run_prepares_its_input(
    tmp_path: Path,
    synthetic_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    packed = tmp_path / "day.mbo.dbn.zst"
    convert([synthetic_file], packed)
    monkeypatch.setattr("tapewire.inputs.cache.cache_dir", lambda: tmp_path / "cache")
    real = HashedSink.write

    def write(self: HashedSink, data: memoryview, /) -> int:
        written = real(self, data)
        if self.size > 1_000:  # behind the header: records are under way
            os.kill(os.getpid(), number)
        return written

    config = {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(packed)]},
            "replay": {"cache": True},
        },
        "strategy": {"type": "market_maker"},
    }
    with monkeypatch.context() as patched:
        patched.setattr(HashedSink, "write", write)
        with pytest.raises(InterruptedRunError, match="stopped by ") as caught:
            tw.run(config, output=tmp_path / "out")
    assert caught.value.exit_code == code
    assert not (tmp_path / "out").exists()
    assert names(tmp_path / "cache" / "inputs") == {".lock"}
    assert tw.run(config, output=tmp_path / "out").manifest["cache"][0]["made"]


def test_a_truncated_input_leaves_nothing_and_says_where(
    tapewire_here: Command, tmp_path: Path, synthetic_file: Path
) -> None:
    packed = tmp_path / "day.mbo.dbn.zst"
    convert([synthetic_file], packed)
    packed.write_bytes(packed.read_bytes()[:-1_000])
    for arguments in (
        ("data", "convert", packed, "-o", "x.dbn"),
        ("run", packed, "--cache", "-q", "-o", "out"),
    ):
        done = tapewire_here(*arguments)
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith(f"error: {packed}: ends at byte offset ")
        assert done.stderr.count("\n") == 1
        assert names(tmp_path) == {"day.mbo.dbn.zst"}
