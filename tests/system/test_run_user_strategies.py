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


def test_a_file_that_fails_is_one_line(tapewire_here: Command, own: Path) -> None:
    (own / "sizes.py").write_text("\nLOTS = 2 / 0\n")
    done = tapewire_here("run", "-s", "own/taker.py", "-o", "out")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: --strategy: taker.py can't be loaded: {own}/sizes.py:2: "
        "ZeroDivisionError: division by zero\n"
    )
    assert not (own.parent / "out").exists()
