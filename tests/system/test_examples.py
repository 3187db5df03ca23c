"""The examples: each runs as its configuration stands, trades on a real capture, and repeats.

What each of them promises in its words is held against what it did.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from tapewire.config.finding import find_strategy
from tapewire.replay.synth import synthesize

LINES_MAX = 100
NS_PER_S = 10**9
ES = {
    "files": ["glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"],
    "instruments": {"ESH4": {"tick_size": 0.25, "multiplier": 50}},
}
GOOGLE = {
    "files": ["dbeq/dbeq-basic-20240403.mbo.dbn.zst"],
    "instruments": {name: {"tick_size": 0.01, "multiplier": 1} for name in ("GOOG", "GOOGL")},
    "publishers": [39],
}


@dataclass
class Trades:
    """What a strategy traded, as arrays in the order in which it happened."""

    lots: Any  # signed
    prices: Any  # 1e-9
    times: Any  # ns
    symbols: list[str] = field(default_factory=list)
    makers: Any = None

    @property
    def positions(self) -> Any:
        """Lots held after each fill."""
        return np.cumsum(self.lots)


def trades_of(result: tw.RunResult) -> Trades:
    rows = result.fills
    side = np.where(np.array(rows["order_side"].to_pylist()) == "BUY", 1, -1)
    return Trades(
        side * np.array(rows["last_qty"].to_pylist()),
        np.array(rows["last_px"].to_pylist()),
        np.array([int(one.value) for one in rows["ts_event"]]),
        rows["symbol"].to_pylist(),
        np.array(rows["liquidity_side"].to_pylist()) == "MAKER",
    )


def flips(trades: Trades, result: tw.RunResult) -> None:
    """Long and short by one lot in turn, and nothing but turns."""
    assert set(trades.positions.tolist()) <= {-1, 0, 1}
    assert {-1, 1} <= set(trades.positions.tolist())


def one_lot(trades: Trades, result: tw.RunResult) -> None:
    assert np.abs(trades.positions).max() == 1
    assert 0 in trades.positions


def within_inventory(trades: Trades, result: tw.RunResult) -> None:
    assert np.abs(trades.positions).max() <= 5
    assert trades.makers.mean() > 0.9


def holds_for_five_seconds(trades: Trades, result: tw.RunResult) -> None:
    one_lot(trades, result)
    opened, closed = trades.times[0::2], trades.times[1::2]
    held_s = (closed - opened[: closed.size]) / NS_PER_S
    assert held_s.min() > 5
    assert np.median(held_s) < 5.1


def both_legs(trades: Trades, result: tw.RunResult) -> None:
    legs = {
        symbol: trades.lots[[name == symbol for name in trades.symbols]]
        for symbol in ("GOOG", "GOOGL")
    }
    first, second = (np.cumsum(lots) for lots in legs.values())
    assert np.abs(first).max() == np.abs(second).max() == 10
    assert first[-1] == -second[-1]


def in_equal_parts(trades: Trades, result: tw.RunResult) -> None:
    assert trades.positions[-1] == 20
    assert trades.lots.min() > 0
    minute_ns = 60 * NS_PER_S
    # A part is sent on the minute of its timer; no more has filled than was due.
    minutes = (trades.times - trades.times[0]) // minute_ns
    assert (trades.positions <= 2 * (minutes + 2)).all()
    assert 8 <= minutes[-1] <= 11


def along_with_volume(trades: Trades, result: tw.RunResult) -> None:
    assert trades.positions[-1] == 50
    assert trades.lots.min() > 0
    rows = {name: [] for name in ("own_average", "vwap")}
    for row in result.series.to_pylist():
        rows[row["name"]].append(row["value"])
    average = (trades.lots * trades.prices).sum() / 50 / 1e9
    assert rows["own_average"][-1] == pytest.approx(average, abs=1e-9)
    assert abs(average - rows["vwap"][-1]) < 1  # four ticks


def a_ladder(trades: Trades, result: tw.RunResult) -> None:
    assert np.abs(trades.positions).max() <= 5
    assert trades.makers.all()
    steps = np.diff(np.unique(trades.prices))
    assert (steps % (2 * 250_000_000) == 0).all()


CASES: dict[str, tuple[dict[str, Any], Callable[[Trades, tw.RunResult], None]]] = {
    "sma_crossover": (ES, flips),
    "momentum": (ES, one_lot),
    "mean_reversion": (ES, one_lot),
    "skewed_maker": (ES, within_inventory),
    "ofi_taker": (ES, holds_for_five_seconds),
    "pairs": (GOOGLE, both_legs),
    "twap": (ES, in_equal_parts),
    "vwap": (ES, along_with_volume),
    "grid": (ES, a_ladder),
}
FILES = [*(f"{name}.py" for name in CASES), "compiled/sma_crossover.py"]


@pytest.fixture(scope="module")
def examples(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples as they are in the repository, beside the data that they name."""
    folder = tmp_path_factory.mktemp("repo") / "examples"
    shutil.copytree(repo / "examples", folder, ignore=shutil.ignore_patterns("*.zst", "__*"))
    synthesize(folder / "day.mbo.dbn.zst", events=40_000, instruments=2, seed=0)
    return folder


def real(data_file: Callable[[str], Path], given: dict[str, Any]) -> dict[str, Any]:
    return given | {"files": [data_file(name) for name in given["files"]]}


def entry_of(examples: Path, name: str) -> Any:
    """The strategy of an example, as its configuration has it."""
    return tw.load_config(examples / f"{name}.yaml").strategy[0].model_dump()


def on_real_data(
    examples: Path, data_file: Callable[[str], Path], name: str, output: Path, **more: Any
) -> tw.RunResult:
    given, _ = CASES[name]
    overrides: dict[str, Any] = {}
    if name == "pairs":
        legs = {"first": "GOOG", "second": "GOOGL"}
        overrides = {f"strategy.pairs.parameters.{leg}": name for leg, name in legs.items()}
        overrides["strategy.pairs.symbols"] = []  # then those of the class
    return tw.run(
        examples / f"{name}.yaml", output=output, overrides=overrides,
        **real(data_file, given), **more,
    )  # fmt: skip


def test_every_example_is_here_and_short(repo: Path) -> None:
    folder = repo / "examples"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    for name in found:
        assert len((folder / name).read_text().splitlines()) < LINES_MAX, name
    # Those around models of the bridge are no strategies in this process.
    assert {name for name in found if not name.startswith("bridge/")} == set(FILES)
    for name in FILES:
        assert (folder / name).with_suffix(".yaml").is_file(), name


@pytest.mark.parametrize("name", CASES)
def test_its_parameters_are_those_of_the_docs_page_and_of_its_configuration(
    repo: Path, name: str
) -> None:
    entry = entry_of(repo / "examples", name)
    specs = find_strategy(entry["type"]).parameters
    page = (repo / "docs" / "examples.md").read_text()
    [section] = [
        one for one in page.split("\n## ") if f"examples/{name}.yaml" in one.split("\n\n")[1]
    ]
    told = dict(re.findall(r"`(\w+)`\s\(([^)]+)\)", section))
    assert told == {key: str(spec.default) for key, spec in specs.items()}
    text = (repo / "examples" / f"{name}.yaml").read_text().split("parameters:")[1]
    assert re.findall(r"^    (\w+):", text, re.M) == list(specs)


@pytest.mark.parametrize("name", FILES)
def test_it_runs_as_its_configuration_stands(examples: Path, tmp_path: Path, name: str) -> None:
    result = tw.run((examples / name).with_suffix(".yaml"), output=tmp_path / "run")
    assert result.manifest["results"]["total"]["orders"] > 0
    [entry] = result.manifest["strategy_sources"]
    assert entry["file"] == str(examples / name)


def all_at_once(
    examples: Path, data_file: Callable[[str], Path], output: Path, **limits: int
) -> tw.RunResult:
    """All examples but `pairs` in one run, in reverse, in other batches."""
    names = [name for name in CASES if name != "pairs"]
    return tw.run(
        examples / "grid.yaml",
        strategies=[entry_of(examples, name) for name in reversed(names)],
        overrides={f"backtest.risk_limits.{key}": value for key, value in limits.items()},
        output=output, batch_records=997, **real(data_file, ES),
    )  # fmt: skip


@pytest.fixture(scope="module")
def digests(
    examples: Path, data_file: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    result = all_at_once(examples, data_file, tmp_path_factory.mktemp("all") / "run")
    return result.manifest["digests"]


@pytest.mark.parametrize("name", CASES)
def test_it_trades_on_a_real_capture_and_repeats_itself(
    examples: Path, data_file: Callable[[str], Path], digests: Any, tmp_path: Path, name: str
) -> None:
    result = on_real_data(examples, data_file, name, tmp_path / "first")
    assert result.fills.num_rows > 0
    assert result.manifest["results"]["strategies"][name]["orders_denied"] == 0
    CASES[name][1](trades_of(result), result)
    if name == "pairs":
        again = on_real_data(examples, data_file, name, tmp_path / "again", batch_records=997)
        assert again.digest == result.digest
    else:
        assert digests[name] == result.manifest["digests"][name]


def test_the_compiled_twin_has_the_digest_of_the_python_one(
    examples: Path, data_file: Callable[[str], Path], tmp_path: Path
) -> None:
    kinds = ("sma_crossover.py:SmaCrossover", "compiled/sma_crossover.py:SMA_CROSSOVER")
    result = tw.run(
        strategies=[
            {"type": f"{examples}/{kind}", "name": f"{fast}-{slow}-{kind[:2]}",
             "parameters": {"fast_period": fast, "slow_period": slow, "position_size": 2}}
            for fast, slow in ((10, 20), (3, 9), (50, 7))
            for kind in kinds
        ],
        output=tmp_path / "run", **real(data_file, ES),
    )  # fmt: skip
    digests = list(result.manifest["digests"].values())
    assert digests[0::2] == digests[1::2]
    assert len(set(digests)) == 3


def test_who_is_denied_everything_does_not_ask_without_end(
    examples: Path, data_file: Callable[[str], Path], tmp_path: Path
) -> None:
    result = all_at_once(examples, data_file, tmp_path / "run", max_position=0)
    assert result.fills.num_rows == 0
    rows = result.to_pandas("orders")
    assert (rows["status"] == "DENIED").all()
    assert set(rows["strategy_id"]) == set(CASES) - {"pairs"}
    seconds = rows["ts_sent"].astype("int64") // NS_PER_S
    # A grid's first orders are ten; mean reversion asks at changes of the best prices.
    assert rows.groupby([rows["strategy_id"], seconds]).size().max() <= 20
