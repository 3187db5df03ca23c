"""The command line by itself: help, usage errors, exit codes, start-up time."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapewire.cli import program
from tapewire.cli.options import names_in
from tapewire.cli.run import _as_option
from tapewire.errors import ConfigError
from tapewire.replay.synth import SynthSummary
from tapewire.runs.requests import Request, split_inputs

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
def test_help_teaches(tapewire_here: Command, arguments: tuple[str, ...]) -> None:
    done = tapewire_here(*arguments, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    if arguments in (("run",), ("replay",)):
        assert "Examples" in done.stdout


def test_ctrl_c_that_nobody_heeds_yet_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typer makes an exit code of it, and says nothing."""

    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.metadata.version", interrupted)
    monkeypatch.setattr(sys, "argv", ["tapewire", "--version"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: stopped by Ctrl-C\n"


def test_help_loads_no_compiler_and_is_quick(tapewire: Command) -> None:
    code = (
        "import sys; import tapewire; from tapewire import cli; "
        "print(sorted({'numba','numpy','zmq','pydantic','pyarrow','databento'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    times_s = []  # of a processor: others may be using this host
    for _ in range(3):
        before_s = _children_s()
        assert tapewire("--help").returncode == 0
        times_s.append(_children_s() - before_s)
    assert min(times_s) < 1.0  # 0.4 s on a machine that does nothing else


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
        (("run", "--speed", "nan"), 2, "error: --speed: expected a finite number"),
        (("run", "--seed", "-1"), 2, "error: --seed: expected at least 0, found -1"),
        (("run", "--start", "monday"), 2, "error: --start: backtest.data_source of type synthetic"),
        (("run", "a.dbn", "--start", "20240304"), 2, "error: --start: expected ns since the epoch"),
        (
            ("run", "--from", "y", "1", "-s", "market_maker", "--seed", "0", "--no-cache"),
            2,
            "error: --strategy, --seed, --cache/--no-cache: expected without --from: a trial has ",
        ),
        (
            ("candles", "optimize", "a.csv", "-s", "sma_cross", "--purge", "2", "--by", "sharpe"),
            2,
            "error: --purge, --by: expected with --train and --test",
        ),
        (
            ("factory", "test", "--generation", "3", "--set", "quantity=2", "--symbol", "ESH4"),
            2,
            "error: --set, --symbol: expected without --generation: a search has its own",
        ),
        (("run", "a.dbn", "--start", "monday"), 2, "error: --start: expected a time: ISO 8601"),
        (
            ("run", "a.dbn", "--start", "2024-01-02", "--end", "2024-01-01T12:00"),
            2,
            "--end: expected a time after start (2024-01-02T00:00:00Z), found 2024-01-01T12:00:00Z",
        ),
        (("run", "a.dbn", "a.dbn"), 2, "a.dbn is given twice: its events would count double"),
        (("run", "a*.dbn"), 2, "error: FILES[0]: no file matches"),
        (("run", "--seed", "x"), 2, "error: --seed: expected a whole number, found 'x'"),
        (("run", "--seed", "9" * 5_000), 2, "error: --seed: expected a whole number, found a str"),
        (("run", "a.dbn", "--start", "9" * 5_000), 2, "error: --start: expected a time"),
        (("run", "--transport", "carrier"), 2, "error: --transport: expected 'auto', 'ipc', "),
        (("run", "--payload", "heavy"), 2, "error: --payload: expected 'auto', 'shared' "),
        (("run", "--batch-records", "0"), 2, "--batch-records: expected at least 1, found 0"),
        (
            ("run", "-s", "market_mker"),
            2,
            "error: --strategy: unknown strategy 'market_mker'",
        ),
        (("run", "a.dbn", "--connect", "tcp://127.0.0.1:1"), 2, "expected no data files with it"),
        (
            ("run", "--connect", "tcp://127.0.0.1:1", "--symbols", "X", "--end", "2024-01-01"),
            2,
            "error: --connect: expected without --symbols, --end: the replay reads the files",
        ),
        (
            ("run", "--symbols", "X"),
            2,
            "--symbols: backtest.data_source of type synthetic has no 'symbols'",
        ),  # the synthetic default has none
        (("replay", "a.dbn"), 2, "--bind"),
        (("replay", "a.dbn", "--bind", "tcp://127.0.0.1:*", "--receivers", "0"), 2, "receivers"),
        (
            ("replay", "a.dbn", "--bind", "tcp://127.0.0.1:*", "--start", "x"),
            2,
            "error: --start: expected a time",
        ),
        (("replay", "none.dbn", "--bind", "tcp://127.0.0.1:*"), 3, "none.dbn"),
        (("replay", "none.dbn", "--bind", "udp://x"), 3, "none.dbn"),
        (
            (
                "replay",
                "a.dbn",
                "--bind",
                "tcp://127.0.0.1:*",
                "--start",
                "1700000000000020000",
                "--end",
                "1700000000000010000",
            ),
            2,
            "end: expected a time after start (2023-11-14T22:13:20.000020000Z), found",
        ),
        (("data", "convert", "a.dbn"), 2, "'--output'"),
        (("data", "convert", "a.dbn", "-o", "b.dbn"), 3, "a.dbn: no such file"),
        (("data", "convert", "a.dbn", "-o", "b.parquet"), 2, "expected a name ending in .dbn"),
        (
            ("data", "convert", "a.dbn", "-o", "b.dbn", "--end", "x"),
            2,
            "error: --end: expected a time",
        ),
    ],
)
def test_a_wrong_command_is_one_line_and_an_exit_code(
    tapewire_here: Command, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = tapewire_here(*arguments)
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

    monkeypatch.setattr(program, "app", broken)
    monkeypatch.delenv("TAPEWIRE_DEBUG", raising=False)
    assert program._exit_code() == program.EXIT_BUG
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "bug in Tapewire: RuntimeError: two lines" in said
    monkeypatch.setenv("TAPEWIRE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        program._exit_code()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConfigError("a\nb")])
def test_every_way_out_is_one_line(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(**_: Any) -> None:
        raise error

    monkeypatch.setattr(program, "app", stopped)
    assert program._exit_code() in (2, 130)
    assert capsys.readouterr().err.count("\n") == 1


def test_problems_are_a_line_each(tapewire_here: Command) -> None:
    done = tapewire_here(
        "run",
        "a.dbn",
        "--seed",
        "-1",
        "-s",
        "market_mker",
        "--batch-records",
        "0",
        "--speed",
        "fast",
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: 4 problems:",
        "  --batch-records: expected at least 1, found 0",
        "  --seed: expected at least 0, found -1",
        (
            "  --speed: expected max, realtime or a factor like 10 ({accelerated: 10} in a file), "
            "found 'fast' (a string)"
        ),
        "  --strategy: unknown strategy 'market_mker', did you mean 'market_maker'?",
    ]


FILE = """\
backtest: {data_source: {type: databento, files: [a.dbn]}}
strategy:
  {type: market_maker, parameters: {quantity: x}}
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FILE, "only.yaml:3: strategy.parameters.quantity: expected a whole number, found 'x'"),
        (FILE.split("strategy")[0], "only.yaml: strategy: expected this key, found nothing"),
        (
            FILE.replace("[a.dbn]", "5").replace("x}", "1}"),
            "only.yaml:1: backtest.data_source.files",
        ),
    ],
    ids=["parameter", "no strategy", "files"],
)
def test_what_nobody_typed_is_blamed_on_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "only.yaml"
    path.write_text(text)
    for label in (_as_option, str):
        with pytest.raises(ConfigError) as caught:
            Request(config=path).checked(label)
        assert str(caught.value).startswith(f"{tmp_path}/{message}")


def test_what_has_no_end_is_no_input(tapewire_here: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("/dev/zero", "a device"), ("pipe", "a pipe")):
        done = tapewire_here("run", name)
        assert done.returncode == 2
        assert done.stderr == (
            f"error: {name}: expected a configuration or a market data file, found {kind}; "
            "save it as a file first\n"
        )


def test_help_tells_the_default_transport(tapewire_here: Command) -> None:
    assert "auto (default), ipc, tcp" in " ".join(tapewire_here("run", "--help").stdout.split())


def test_data_and_configuration_are_told_apart(tmp_path: Path) -> None:
    data, odd, text = tmp_path / "a.dbn.zst", tmp_path / "capture", tmp_path / "settings"
    odd.write_bytes(b"\x28\xb5\x2f\xfd....")
    text.write_text("backtest: {}")
    assert split_inputs([data, text, odd]) == (text, [data, odd])
    assert split_inputs([Path("x.yml")]) == (Path("x.yml"), [])
    assert split_inputs([]) == (None, [])


# --- standard streams that are not what they should be ----------------------------------------


def shell(arguments: str, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m tapewire {arguments}', sys.executable],
        cwd=tmp_path, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("--version >&-", 0, ""),
        ("run --help >&- 2>&-", 0, ""),
        ("--version 0>&- 1>&- 2>&-", 0, ""),
        ("--version >/dev/full", 4, "error: cannot write to standard output: No space left"),
        ("--help >/dev/full", 4, "error: cannot write to standard output: No space left"),
        ("run none.yaml >&-", 2, "error: none.yaml: expected a configuration file"),
        ("run none.yaml 2>&-", 2, ""),
        ("run none.yaml 2>/dev/full", 2, ""),
        ("run none.yaml >/dev/full 2>/dev/full", 2, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_bug(
    tmp_path: Path, arguments: str, code: int, said: str
) -> None:
    done = shell(arguments, tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == (1 if said else 0)


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LANG": "C"}])
def test_an_ascii_terminal_gets_its_own_words(tmp_path: Path, env: dict[str, str]) -> None:
    done = shell("run --help", tmp_path, **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout
    if "PYTHONIOENCODING" in env:
        assert "tapewire replay ... --bind" in " ".join(done.stdout.split())
        assert done.stdout.isascii()
        assert "\\u" not in done.stdout


def test_a_name_no_terminal_can_show_is_shown_by_its_bytes(tmp_path: Path) -> None:
    done = shell("run $(printf 'caf\\351.yaml')", tmp_path, PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 2
    assert "caf\\udce9.yaml: expected a configuration file" in done.stderr


def test_symbols_may_be_given_together_or_apart() -> None:
    assert names_in(["ESH4, ESM4", "NQH4"]) == ["ESH4", "ESM4", "NQH4"]
    assert names_in(None) == []


def test_a_session_is_the_same_whether_it_is_told_as_json_or_not(
    tapewire_here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def synthesize(path: Path, **given: Any) -> SynthSummary:
        made.append({name: one for name, one in given.items() if name != "on_progress"})
        return SynthSummary(Path(path), 64, 1, ("TWA1",), 7, 9, {"A": 64}, 0, 1, 0.5, 0.25)

    monkeypatch.setattr("tapewire.replay.synth.synthesize", synthesize)
    words = ("data", "synth", "-o", "day.dbn", "--events", "64", "--seed", "7")
    told = tapewire_here(*words)
    as_json = tapewire_here(*words, "--json")
    assert (told.returncode, as_json.returncode) == (0, 0), as_json.stderr
    assert made == [{"events": 64, "instruments": 1, "seed": 7}] * 2
    found = json.loads(as_json.stdout)
    assert (found["files"], found["seed"], found["actions"]) == (["day.dbn"], 7, {"A": 64})
