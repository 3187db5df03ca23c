"""The command line by itself: help, usage errors, exit codes, start-up time."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapewire import cli
from tapewire.errors import ConfigError

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("run",),
        ("replay",),
        ("data",),
        ("data", "inspect"),
        ("data", "synth"),
        ("data", "convert"),
        ("data", "book"),
    ],
)
def test_help_teaches(tapewire: Command, arguments: tuple[str, ...]) -> None:
    done = tapewire(*arguments, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    if arguments in (("run",), ("replay",)):
        assert "Examples" in done.stdout


def test_help_loads_no_compiler_and_is_quick(tapewire: Command) -> None:
    code = (
        "import sys; import tapewire; from tapewire import cli; "
        "print(sorted({'numba','numpy','zmq','pydantic','pyarrow','databento'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    times_s = []
    for _ in range(3):
        before_s = time.perf_counter()
        assert tapewire("--help").returncode == 0
        times_s.append(time.perf_counter() - before_s)
    assert min(times_s) < 1.0  # 0.5 s on a machine that does nothing else


def test_version(tapewire: Command) -> None:
    done = tapewire("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "tapewire")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("rnu",), 2, "No such command 'rnu'"),
        (("run", "--frob"), 2, "No such option: --frob"),
        (("run", "none.yaml"), 2, "none.yaml: expected a configuration file, found nothing there"),
        (("run", "a.yaml", "b.yaml"), 2, "expected one configuration, found 2"),
        (("run", "--speed", "fast"), 2, "--speed: expected max, realtime or a factor"),
        (("run", "--speed", "nan"), 2, "replay.speed: expected a finite number"),
        (("run", "--seed", "x"), 2, "Invalid value for '--seed'"),
        (("run", "--transport", "carrier"), 2, "found 'carrier'"),
        (("run", "--payload", "heavy"), 2, "found 'heavy'"),
        (("run", "--batch-records", "0"), 2, "batch_records: expected at least 1, found 0"),
        (("run", "-s", "market_mker"), 2, "did you mean 'market_maker'?"),
        (("run", "a.dbn", "--connect", "tcp://127.0.0.1:1"), 2, "expected no data files with it"),
        (("run", "--symbols", "X"), 2, "symbols: unknown key"),  # the synthetic default has none
        (("replay", "a.dbn"), 2, "--bind"),
        (("replay", "a.dbn", "--bind", "tcp://127.0.0.1:*", "--receivers", "0"), 2, "receivers"),
        (("replay", "a.dbn", "--bind", "tcp://127.0.0.1:*", "--start", "x"), 2, "expected a time"),
        (("replay", "none.dbn", "--bind", "tcp://127.0.0.1:*"), 3, "none.dbn"),
        (("replay", "none.dbn", "--bind", "udp://x"), 3, "none.dbn"),
        (("data", "convert", "a.dbn"), 2, "'--output'"),
        (("data", "convert", "a.dbn", "-o", "b.dbn"), 3, "a.dbn: no such file"),
        (("data", "convert", "a.dbn", "-o", "b.parquet"), 2, "expected a name ending in .dbn"),
        (("data", "convert", "a.dbn", "-o", "b.dbn", "--end", "x"), 2, "end: expected a time"),
    ],
)
def test_a_wrong_command_is_one_line_and_an_exit_code(
    tapewire: Command, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = tapewire(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_bug_is_called_one_and_keeps_its_traceback_for_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.delenv("TAPEWIRE_DEBUG", raising=False)
    assert cli._exit_code() == cli.EXIT_BUG
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "bug in Tapewire: RuntimeError: two lines" in said
    monkeypatch.setenv("TAPEWIRE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        cli._exit_code()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConfigError("a\nb")])
def test_every_way_out_is_one_line(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(**_: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "app", stopped)
    assert cli._exit_code() in (2, 130)
    assert capsys.readouterr().err.count("\n") == 1


def test_data_and_configuration_are_told_apart(tmp_path: Path) -> None:
    data, odd, text = tmp_path / "a.dbn.zst", tmp_path / "capture", tmp_path / "settings"
    odd.write_bytes(b"\x28\xb5\x2f\xfd....")
    text.write_text("backtest: {}")
    assert cli._split_inputs([data, text, odd]) == (text, [data, odd])
    assert cli._split_inputs([Path("x.yml")]) == (Path("x.yml"), [])
    assert cli._split_inputs([]) == (None, [])


def test_symbols_may_be_given_together_or_apart() -> None:
    assert cli._split_names(["ESH4, ESM4", "NQH4"]) == ["ESH4", "ESM4", "NQH4"]
    assert cli._split_names(None) == []
