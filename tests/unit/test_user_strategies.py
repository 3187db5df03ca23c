"""A user's own strategies: how their types are found, from where, and what is wrong in words."""

import os
import re
import subprocess
import sys
import textwrap
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapewire.config.finding import find_strategy, give_strategy
from tapewire.config.loading import load_config, make_config
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError
from tapewire.strategies import STRATEGIES, ParameterSpec, StrategyDefinition

HEAD = """\
import numpy as np
from tapewire.strategies import ParameterSpec, StrategyDefinition

STATE = np.dtype([("n", "i8")])
"""


def definition(name: str, doc: str = '"Waits."', **parameters: str) -> str:
    listed = ", ".join(f"{key!r}: {spec}" for key, spec in parameters.items())
    return (
        f"{name.upper()} = StrategyDefinition(name={name!r}, doc={doc}, "
        f"parameters={{{listed}}}, state=STATE)\n"
    )


WAITER = HEAD + definition("waiter", lots='ParameterSpec(int, "lots", 1, 1)')


def write(path: Path, text: str = WAITER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def config_of(base: Path, *strategies: Any, **more: Any) -> RunConfig:
    source = {"type": "synthetic", "events": 100}
    return make_config(
        {"backtest": {"data_source": source}, "strategy": list(strategies)}, base=base, **more
    )


def loaded(base: Path, kind: str) -> StrategyDefinition:
    return find_strategy(config_of(base, {"type": kind}).strategy[0].type)


def refused(base: Path, kind: Any, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config_of(base, {"type": kind} | more)
    assert "tapewire_user_" not in str(caught.value)
    return str(caught.value)


# --- where they are found -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["own/wait.py:WAITER", "own/wait.py", "./own/wait.py:WAITER"])
def test_a_file_is_relative_to_the_configuration(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "own" / "wait.py")
    strategy = config_of(tmp_path, {"type": kind}).strategy[0]
    assert (strategy.name, strategy.parameters) == ("waiter", {"lots": 1})
    assert strategy.type == f"{path}:WAITER"


def test_a_module_lies_beside_the_configuration_or_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "there" / "pkg" / "__init__.py", "")
    write(tmp_path / "there" / "pkg" / "mod.py", HEAD + "from .help import DOC\n"
          + definition("waiter", "DOC"))  # fmt: skip
    write(tmp_path / "there" / "pkg" / "help.py", "DOC = 'beside the configuration'\n")
    write(tmp_path / "here" / "alone.py")
    monkeypatch.chdir(tmp_path / "here")
    found = config_of(tmp_path / "there", {"type": "pkg.mod:WAITER"}, {"type": "alone:WAITER"})
    assert [find_strategy(s.type).doc for s in found.strategy] == [
        "beside the configuration",
        "Waits.",
    ]
    # From anywhere else they are found again.
    monkeypatch.chdir(tmp_path)
    again = load_config(write(tmp_path / "run.yaml", found.to_yaml()))
    assert again.strategy == found.strategy


def test_an_installed_module_keeps_its_name(tmp_path: Path) -> None:
    kind = "tapewire.strategies.market_maker:MARKET_MAKER"
    assert config_of(tmp_path, {"type": kind}).strategy[0].type == kind
    assert loaded(tmp_path, kind) is STRATEGIES["market_maker"]


def test_helpers_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "wait.py", HEAD + "from helper import doc\n"
              + definition("waiter", "doc()"))  # fmt: skip
        write(tmp_path / name / "helper.py", "import inner.deep as d\ndef doc(): return d.DOC\n")
        write(tmp_path / name / "inner" / "__init__.py", "")
        write(tmp_path / name / "inner" / "deep.py", f"DOC = {name!r}\n")
    assert [loaded(tmp_path, f"{name}/wait.py").doc for name in "aba"] == ["a", "b", "a"]
    assert "helper" not in sys.modules
    assert "inner" not in sys.modules


def test_what_lies_beside_a_file_shadows_neither_the_library_nor_us(tmp_path: Path) -> None:
    for name in ("queue", "tapewire/__init__", "numpy_like"):
        write(tmp_path / f"{name}.py", "raise RuntimeError('shadowed')\n")
    text = WAITER + "import queue, tapewire.errors, concurrent.futures\nqueue.Queue\n"
    write(tmp_path / "wait.py", text)
    assert loaded(tmp_path, "wait.py").name == "waiter"
    # A strategy may itself be called so.
    write(tmp_path / "queue.py", text)
    assert loaded(tmp_path, "queue.py").name == "waiter"
    assert "Queue" in vars(sys.modules["queue"])


def test_imports_within_functions_find_helpers_later(tmp_path: Path) -> None:
    text = HEAD + "def prepare(p, s):\n    import late\n    s['n'] = late.N\n"
    text += "W = StrategyDefinition('w', 'W.', {}, STATE, prepare=prepare)\n"
    write(tmp_path / "wait.py", text)
    write(tmp_path / "late.py", "N = 7\n")
    assert loaded(tmp_path, "wait.py:W").bind({}).new_state()["n"] == 7


def test_a_file_is_loaded_once_until_it_or_a_helper_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "wait.py", HEAD + "from helper import DOC\n"
                 + definition("waiter", "DOC"))  # fmt: skip
    helper = write(tmp_path / "helper.py", "DOC = 'one'\n")
    first = loaded(tmp_path, "wait.py")
    write(tmp_path / "other.py", "unrelated = 1\n")
    assert loaded(tmp_path, "wait.py") is first
    stat = helper.stat()
    write(helper, "DOC = 'two'\n")  # of the same length, at the same moment
    os.utime(helper, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    second = loaded(tmp_path, "wait.py")
    assert (first.doc, second.doc) == ("one", "two")
    write(path, path.read_text().replace("DOC)", "DOC)"))
    assert loaded(tmp_path, "wait.py") is second


def test_the_command_line_means_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "here" / "wait.py")
    monkeypatch.chdir(tmp_path / "here")
    found = config_of(tmp_path, strategies=["wait.py:WAITER"])
    assert found.strategy[0].name == "waiter"
    entries = {"type": "here/wait.py:WAITER"}, {"type": "market_maker"}
    for name in ("WAITER", "here/wait.py:WAITER"):
        assert len(config_of(tmp_path, *entries, strategies=[name]).strategy) == 1
    overrides = {("strategy", "WAITER", "parameters", "lots"): 4}
    assert config_of(tmp_path, *entries, overrides=overrides).strategy[0].parameters["lots"] == 4


def test_names_are_given_by_the_definition_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "wait.py")
    one = {"type": "wait.py"}
    found = config_of(tmp_path, one, one, {"type": "wait.py", "name": "waiter-2"})
    assert [s.name for s in found.strategy] == ["waiter", "waiter-3", "waiter-2"]


# --- what is wrong --------------------------------------------------------------------------------


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path / "wait.py", WAITER + "def other(): pass\n")
    write(tmp_path / "none.py", "x = 1\n")
    write(tmp_path / "two.py", WAITER + definition("wader"))
    for kind, said in {
        "gone.py:X": f"expected a file of Python, found nothing at {tmp_path / 'gone.py'}",
        "wait.py:WAITR": "expected a strategy 'WAITR', found no strategy 'WAITR'; "
        "did you mean 'WAITER'?",
        "wait.py:other": "expected a strategy 'other', found a function of the name; known: WAITER",
        "none.py": "expected one strategy, found none",
        "two.py": "expected one strategy, found 2: WADER, WAITER (name one: file.py:NAME)",
        "no_such_pkg.mod:X": "no module named 'no_such_pkg.mod' here, beside the configuration",
        "a b:X": "expected a module as in package.module:NAME, found 'a b'",
        "market_makr": "unknown strategy 'market_makr', did you mean 'market_maker'?",
        "__main__:X": "was given to tapewire.run as an object",
    }.items():
        text = refused(tmp_path, kind)
        assert text.startswith("configuration: strategy[0].type: ")
        assert said in text, kind
        assert "\n" not in text


@pytest.mark.parametrize(
    ("wrong", "line", "said"),
    [
        ("def f(:\n    pass\n", 5, "invalid syntax: def f(:"),
        ("x = undefined_name\n", 5, "NameError: name 'undefined_name' is not defined"),
        ("import no_such_module\n", 5, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import json\njson.loads('{')\n", 6, "JSONDecodeError: Expecting property name"),
        ("raise SystemExit\n", 5, "SystemExit"),
    ],
)
def test_what_a_file_raises_is_told_by_its_own_line(
    tmp_path: Path, wrong: str, line: int, said: str
) -> None:
    path = write(tmp_path / "wait.py", HEAD + wrong)
    text = refused(tmp_path, "wait.py:X")
    assert f"{path}:{line}: {said}" in text
    assert "\n" not in text
    # In a helper it is the helper's line.
    path.rename(tmp_path / "helper.py")
    write(tmp_path / "wait.py", "import helper\n")
    text = refused(tmp_path, "wait.py:X")
    assert f"{tmp_path / 'helper.py'}:{line}: {said}" in text
    # Mended, it loads.
    write(tmp_path / "helper.py", WAITER)
    write(tmp_path / "wait.py", "from helper import WAITER\n")
    assert loaded(tmp_path, "wait.py").name == "waiter"


def test_a_missing_helper_is_called_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "inner" / "__init__.py", "")
    path = write(tmp_path / "wait.py", "import inner.gone\n")
    assert f"{path}:1: ModuleNotFoundError: No module named 'inner.gone'" in refused(
        tmp_path, "wait.py:X"
    )


def test_parameters_are_told_by_the_strategys_name(tmp_path: Path) -> None:
    write(tmp_path / "wait.py")
    text = refused(tmp_path, "wait.py", parameters={"lot": 1})
    assert "parameters.lot: waiter has no such parameter, did you mean 'lots'?" in text


# --- given as objects -----------------------------------------------------------------------------


def on_start(ctx: Any, state: Any) -> None:
    state.n = 1


WAITING = StrategyDefinition(
    name="waiting",
    doc="Waits.",
    parameters={"lots": ParameterSpec(int, "lots", 1, 1)},
    state=np.dtype([("n", "i8")]),
    on_start=on_start,
)


@dataclass
class Patient:
    """A class of strategies, as far as a configuration looks at it."""

    parameters: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def definition(cls) -> StrategyDefinition:
        return WAITING


def test_what_comes_along_or_lies_in_a_module_is_named() -> None:
    assert give_strategy(STRATEGIES["market_maker"]) == "market_maker"
    assert give_strategy(WAITING) == f"{__file__}:WAITING"
    assert give_strategy(Patient) == f"{__file__}:Patient"
    kind = config_of(Path.cwd(), {"type": Patient}).strategy[0].type
    assert find_strategy(kind) is WAITING


def test_objects_of_one_name_are_told_apart(tmp_path: Path) -> None:
    def made(doc: str) -> StrategyDefinition:
        return StrategyDefinition(name="local", doc=doc, parameters={}, state=WAITING.state)

    one, two = made("1"), made("2")
    config = config_of(tmp_path, {"type": one}, {"type": two}, {"type": one})
    assert [find_strategy(s.type) for s in config.strategy] == [one, two, one]
    assert [s.name for s in config.strategy] == ["local", "local-2", "local-3"]
    # A configuration of this process is taken again, elsewhere it says what it was.
    assert make_config(config.model_dump(exclude_none=True)).strategy == config.strategy
    path = write(tmp_path / "config.yaml", config.to_yaml())
    done = subprocess.run(
        [sys.executable, "-c", f"import tapewire; tapewire.load_config({str(path)!r})"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "was given to tapewire.run as an object" in done.stderr.splitlines()[-1]


def test_a_class_of_a_notebook_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("notebook")  # it has no __file__
    monkeypatch.setitem(sys.modules, "notebook", notebook)
    exec("class Cell:\n    definition = classmethod(lambda cls: one)", vars(notebook))
    vars(notebook)["one"] = WAITING
    assert give_strategy(vars(notebook)["Cell"]) == "notebook:Cell"
    assert find_strategy("notebook:Cell") is WAITING


def test_a_class_that_its_file_has_no_more_is_an_object(tmp_path: Path) -> None:
    text = textwrap.dedent("""
        class Patient:
            @classmethod
            def definition(cls): return WAITER
    """)
    path = write(tmp_path / "wait.py", WAITER + text)
    config = config_of(tmp_path, {"type": "wait.py:Patient"})
    module = next(m for m in list(sys.modules.values()) if getattr(m, "__file__", "") == str(path))
    assert give_strategy(module.Patient) == config.strategy[0].type
    write(path, WAITER + text.replace("cls", "k"))
    assert give_strategy(module.Patient) != config.strategy[0].type


def test_what_is_compiled_for_a_strategy_is_marked_by_its_files(tmp_path: Path) -> None:
    from tapewire.runs.wiring import _part_of

    path = write(tmp_path / "wait.py", WAITER + "import helper\n")
    helper = write(tmp_path / "helper.py", "N = 1\n")

    def part() -> str:
        return _part_of(config_of(tmp_path, {"type": str(path)}).strategy[0].type)

    first = part()
    assert re.fullmatch(r"strategy-\w+", first)
    assert part() == first
    helper.write_text("N = 2\n")
    assert part() != first
    local = StrategyDefinition("local", "Waits.", {}, WAITING.state)
    for kind in (give_strategy(local), "market_maker"):
        assert re.fullmatch(r"strategy-\w+", _part_of(kind)) is not None
