"""Code of declared strategies: how it looks, hostile names, and the command that writes it."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from converted import module_of, written
from declared import SPECIFIED
from tapewire.candles.indicators import INDICATORS
from tapewire.candles.rules import strategy_of, strategy_of_json
from tapewire.candles.sessions import SessionClock
from tapewire.cli.program import app
from tapewire.errors import ConfigError, TapewireError
from tapewire.generator import draw_strategies, strategy_hash
from tapewire.generator.converting import TARGETS, convert
from tapewire.generator.converting.naming import class_name, constant_name, literal, shown
from tapewire.generator.converting.parts import StrategyCode

CODE = ("candles", "python", "compiled")
#: Names that would end a text or a line, or run something, if they were put in as they are.
HOSTILE = (
    '"""\nimport os\nos.abort()\n"""',
    "'; raise SystemExit(3) #",
    'a"b\\',
    "\\",
    "{print(1)} %s {0} \\N{BULLET}",
    "x\r\ny\x00\x1b[31m\u2028z",
    "\u202egnp.exe",
    "None",
    "print",
    "Candles",
    "np",
    "2 + 2",
    "ñandú 🦤",
    " ",
    "é" * 200,
    "'" * 200,
)


def declared(name: str = "MA_Cross_RSI_Filter") -> Any:
    return strategy_of({**json.loads(SPECIFIED), "name": name})


def test_the_specified_strategy_reads_as_somebody_would_have_written_it() -> None:
    strategy = declared()
    bars, records = convert(strategy, "candles"), convert(strategy, "python")
    compiled, text = convert(strategy, "compiled"), convert(strategy, "text")
    for one in (bars, records, compiled, text):
        assert f"Rules: {strategy_hash(strategy)}" in one
        assert "MA_Cross_RSI_Filter 1.0" in one
        assert "All of it is known after bars: 31 of 1h, 15 of 4h" in one
    answer = "return self.sma_cross[index].crosses_above(0.0) and self.rsi_4h[index].is_above(50.0)"
    assert answer in bars
    assert "return self.sma_cross.crosses_above(0.0) and self.rsi_4h.is_above(50.0)" in records
    assert "sma_cross_fast: int = tw.parameter(10," in records
    assert "crosses_above(state.sma_cross, 0.0, state.sma_cross_before, 0.0)" in compiled
    assert '"rsi_4h_period": ParameterSpec(int, "period of rsi 4h", 14, 2, 1000),' in compiled
    assert text.splitlines()[3:] == [
        'strategy("MA_Cross_RSI_Filter")',
        "",
        "sma_cross = sma_cross(fast=10, slow=30)",
        'rsi_4h = request.security("4h", rsi(period=14))',
        "",
        "if ta.crossover(sma_cross, 0) and rsi_4h > 50",
        '    strategy.entry("Long", strategy.long)',
        "",
        'strategy.exit("Long", stop=2%, limit=5%)',
    ]


def everything() -> Any:
    """A strategy that looks at each output of each indicator, twice, on two timeframes."""
    conditions = [
        {"indicator": name, "output": output.name, "params": params, "timeframe": timeframe,
         "comparison": "greater_than", "value": 1.0}
        for name, definition in INDICATORS.items()
        for output in definition.outputs
        for timeframe in ("1m", "5m")
        for params in ({}, dict.fromkeys(list(definition.parameters)[-1:], 40))
    ]  # fmt: skip
    both = {"operator": "OR", "conditions": conditions}
    return strategy_of({
        "name": "everything", "version": "1.0",
        "timeframes": {"primary": "1m", "secondary": ["5m"]}, "entry_rules": {"long": both},
    })  # fmt: skip


def test_names_of_series_and_parameters_are_all_different(tmp_path: Path) -> None:
    code = StrategyCode(everything(), SessionClock())
    names = [source.series(output) for source in code.sources for output in source.outputs]
    names += [name for source in code.sources for name, _, _ in source.parameters()]
    assert len(names) > 100
    assert len(set(names)) == len(names)
    assert "macd_signal_line" in names
    for target in CODE:
        module_of(written(everything(), target, tmp_path))


def test_two_spellings_are_one_code() -> None:
    other = json.loads(SPECIFIED)
    other["entry_rules"]["long"]["conditions"].reverse()
    other["entry_rules"]["long"] = {
        "operator": "NOT",
        "conditions": [{"operator": "NOT", "conditions": [other["entry_rules"]["long"]]}],
    }
    for target in TARGETS:
        assert convert(strategy_of(other), target) == convert(declared(), target)


def test_drawn_code_passes_the_linter(repo: Path, tmp_path: Path) -> None:
    """By the project's rules, but for long lines of docstrings: none is needed."""
    clock = SessionClock.of("17:00")
    for strategy in draw_strategies(40, seed=9, timeframes=("1m", "5m", "1d")):
        for target in CODE:
            written(strategy, target, tmp_path, clock=clock)
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", "pyproject.toml"]
    done = subprocess.run(
        [*ruff, str(tmp_path)], cwd=repo, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_gets_out_of_its_text(name: str, tmp_path: Path) -> None:
    """The same statements as of a harmless name, but for the texts that have it."""
    strategy, harmless = declared(name), declared("some words")
    for target in CODE:
        code = convert(strategy, target)
        tree, expected = ast.parse(code), ast.parse(convert(harmless, target))
        assert _shape(tree) == _shape(expected)
        assert all(len(line) <= 100 for line in code.splitlines() if "name = " not in line)
        path = tmp_path / f"hostile_{target}.py"
        path.write_text(code)
        module = module_of(path)
        if target == "candles":
            kind = getattr(module, class_name(name))
            assert kind.name == name
    lines = convert(strategy, "text").splitlines()
    assert len(lines) == len(convert(harmless, "text").splitlines())


def _shape(tree: ast.Module) -> list[str]:
    """Kinds of all nodes; names of classes, texts and constants left out."""
    return [type(node).__name__ for node in ast.walk(tree)]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_identifiers_and_texts_themselves(name: str) -> None:
    for made in (class_name(name), constant_name(name)):
        assert made.isidentifier()
        assert made.isascii()
    assert ast.literal_eval(literal(name)) == name
    assert "\n" not in shown(name)
    assert '"' not in shown(name)


def test_what_code_imports_is_there_for_everybody() -> None:
    for strategy in draw_strategies(20, seed=11, timeframes=("1m", "5m", "1d")):
        for target in CODE:
            for node in ast.walk(ast.parse(convert(strategy, target))):
                if isinstance(node, ast.ImportFrom):
                    names = [*(node.module or "").split("."), *(one.name for one in node.names)]
                    assert not any(one.startswith("_") for one in names)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in ("exec", "eval", "compile", "open", "__import__")


@pytest.mark.parametrize(
    ("target", "session", "said"),
    [
        ("pine", "00:00", "as: expected one of candles, python, compiled, text, found 'pine'"),
        ("compiled", "17:00 America/Chicago", "expected sessions of 24 hours, UTC"),
        ("compiled", "17:00-16:00 UTC", "--as python takes any"),
    ],
)
def test_what_can_not_be_is_one_sentence(target: str, session: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        convert(declared(), target, clock=SessionClock.of(session))


def test_sessions_stand_in_the_code() -> None:
    clock = SessionClock.of("17:00-16:00 America/Chicago")
    assert 'CLOCK = SessionClock("America/Chicago", "17:00", "16:00")' in convert(
        declared(), "candles", clock=clock
    )
    assert 'session: str = "17:00-16:00 America/Chicago"' in convert(
        declared(), "python", clock=clock
    )
    assert "offset_ns=61200000000000" in convert(
        declared(), "compiled", clock=SessionClock.of("17:00")
    )


# --- the command ----------------------------------------------------------------------------------


def told(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["factory", "convert", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.json"
    path.write_text(SPECIFIED)
    return path


def test_it_is_printed_or_written(file: Path) -> None:
    strategy = strategy_of_json(SPECIFIED)
    assert told("s.json", "--as", "text") == convert(strategy, "text")
    assert "as python, written to s.py" in told("s.json", "--as", "python", "-o", "s.py")
    assert Path("s.py").read_text() == convert(strategy, "python")
    made = json.loads(told("s.json", "--as", "candles", "-o", "s.py", "--force", "--json"))
    assert made["text"] == Path("s.py").read_text() == convert(strategy, "candles")
    assert made["rules_hash"] == strategy_hash(strategy)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--as", "pine"], "--as: expected one of candles, python, compiled, text"),
        (["--as", "text", "-o", "s.py"], "expected a name that ends in .txt or .pine"),
        (["--as", "python", "-o", "s.txt"], "expected a name that ends in .py"),
        (["--as", "python", "-o", "there.py"], "there is a file already"),
        (["--as", "python", "-o", "x.py", "--session", "5pm"], "session: expected as"),
        (["--as", "compiled", "-o", "x.py", "--session", "17:00 Asia/Tokyo"], "24 hours, UTC"),
    ],
)
def test_what_is_typed_wrong_leaves_nothing(file: Path, arguments: list[str], said: str) -> None:
    Path("there.py").write_text("mine")
    with pytest.raises(TapewireError, match=said):
        told("s.json", *arguments)
    assert sorted(one.name for one in Path().iterdir()) == ["s.json", "there.py"]
    assert Path("there.py").read_text() == "mine"


def test_a_wrong_strategy_is_told_with_its_line(file: Path) -> None:
    file.write_text(SPECIFIED.replace('"rsi"', '"rsj"'))
    with pytest.raises(ConfigError, match="rsj"):
        told("s.json", "--as", "python", "-o", "s.py")
    assert not Path("s.py").exists()
