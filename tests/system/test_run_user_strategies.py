"""Whole runs with strategies of a user's own: by file, by module, as objects, and again."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import tapewire as tw
from tapewire.strategies import STRATEGIES

Command = Callable[..., subprocess.CompletedProcess[str]]

TAKER = '''\
"""Takes a few lots now and then."""

import numpy as np
from sizes import LOTS

from tapewire.strategies import ParameterSpec, StrategyDefinition
from tapewire.strategies.context import BUY, SELL, submit_market

STATE = np.dtype([("n", "i8"), ("every", "i8")])


def on_book(ctx, state):
    state.n += 1
    if state.n % state.every == 0:
        submit_market(ctx, BUY if ctx.position <= 0 else SELL, LOTS)


def prepare(parameters, state):
    state["every"] = parameters["every"]


TAKER = StrategyDefinition(
    name="taker",
    doc="Takes a few lots now and then.",
    parameters={"every": ParameterSpec(int, "changes of the book", 400, 1)},
    state=STATE,
    prepare=prepare,
    on_book=on_book,
)
'''


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "taker.py").write_text(TAKER)
    (folder / "sizes.py").write_text("LOTS = 2\n")
    return folder


def test_a_file_runs_and_its_run_folder_runs_again_from_elsewhere(
    tapewire_here: Command, own: Path, synthetic_file: Path
) -> None:
    done = tapewire_here("run", synthetic_file, "-s", "own/taker.py:TAKER", "-o", "first")
    assert done.returncode == 0, done.stderr
    first = tw.RunResult.load(own.parent / "first")
    assert first.manifest["results"]["strategies"]["taker"]["fills"] > 0
    kind = f"{own}/taker.py:TAKER"
    (source,) = first.manifest["strategy_sources"]
    assert source["type"] == kind
    for entry, name in ((source, "taker.py"), (source["helpers"][0], "sizes.py")):
        content = (own / name).read_bytes()
        assert entry["file"] == str(own / name)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    again = tw.run(first.path / "config.yaml", output=own.parent / "again")
    assert again.digest == first.digest
    # A changed helper is another strategy, in the same process, too.
    (own / "sizes.py").write_text("LOTS = 3\n")
    changed = tw.run(first.path / "config.yaml", output=own.parent / "changed")
    assert changed.digest != first.digest
    assert max(changed.fills["last_qty"].to_pylist()) == 3


def test_an_object_is_what_its_file_is(own: Path, synthetic_file: Path) -> None:
    maker = STRATEGIES["market_maker"]
    by_name = tw.run(synthetic_file, strategies=["market_maker"], output=own / "name")
    as_object = tw.run(synthetic_file, strategies=maker, output=own / "object")
    assert as_object.digest == by_name.digest
    assert as_object.manifest["strategy_sources"] == []


NOTES = """\
import tapewire as tw


class Notes(tw.Strategy):
    path: str

    def on_start(self, context):
        with open(self.path, "a") as file:
            print(context.market.symbol, file=file)
"""


def test_code_in_plain_python_is_called_by_the_run_alone(own: Path, synthetic_file: Path) -> None:
    (own / "notes.py").write_text(NOTES)
    notes = own / "notes.txt"
    entry = {"type": f"{own}/notes.py", "parameters": {"path": str(notes)}}
    tw.run(synthetic_file, strategies=[entry], output=own / "out")
    assert notes.read_text() == "TWA1\n"


def test_a_file_that_fails_is_one_line(tapewire_here: Command, own: Path) -> None:
    (own / "sizes.py").write_text("\nLOTS = 2 / 0\n")
    done = tapewire_here("run", "-s", "own/taker.py", "-o", "out")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: --strategy: taker.py can't be loaded: {own}/sizes.py:2: "
        "ZeroDivisionError: division by zero\n"
    )
    assert not (own.parent / "out").exists()


PLAIN = """\
import tapewire as tw
from sizes import LOTS


class Alternate(tw.Strategy):
    every: int = tw.parameter(400, "trades between two orders", minimum=1)

    def on_start(self, context):
        self.n = 0

    def on_trade(self, trade, context):
        import sizes

        assert sizes.LOTS == LOTS
        self.n += 1
        if self.n % self.every == 0:
            (context.buy if context.position <= 0 else context.sell)(LOTS)
"""


class Alternate(tw.Strategy):
    every: int = tw.parameter(400, "trades between two orders", minimum=1)

    def on_start(self, context):
        self.n = 0

    def on_trade(self, trade, context):
        self.n += 1
        if self.n % self.every == 0:
            (context.buy if context.position <= 0 else context.sell)(2)


def test_a_class_is_the_same_by_file_as_a_class_and_as_an_instance(
    own: Path, synthetic_file: Path
) -> None:
    (own / "plain.py").write_text(PLAIN)
    ways = {
        "file": {"type": f"{own}/plain.py", "parameters": {"every": 70}},
        "class": {"type": Alternate, "parameters": {"every": 70}},
        "instance": Alternate(every=70),
    }
    digests = set()
    for name, strategy in ways.items():
        result = tw.run(synthetic_file, strategies=[strategy], output=own / name)
        assert result.manifest["results"]["strategies"]["Alternate"]["fills"] > 0
        digests.add(result.digest)
        again = tw.run(result.path / "config.yaml", output=own / f"{name}-again")
        digests.add(again.digest)
    assert len(digests) == 1
    grid = {"type": Alternate, "parameters": {"every": [70, 90]}}
    result = tw.run(synthetic_file, strategies=[grid], output=own / "grid")
    assert list(result.manifest["digests"]) == ["Alternate.1", "Alternate.2"]


def test_defined_in_a_notebook_it_runs_and_its_configuration_says_so(
    own: Path, synthetic_file: Path, tapewire: Command
) -> None:
    class Local(Alternate):
        pass

    result = tw.run(synthetic_file, strategies=[Local], output=own / "local")
    assert result.manifest["strategy_sources"] == []
    done = tapewire("run", result.path / "config.yaml", "-o", "again")
    assert done.returncode == 2
    assert "was given to tapewire.run as an object" in done.stderr
    assert len(done.stderr.splitlines()) == 1
