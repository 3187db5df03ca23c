"""Declared strategies from JSON to a folder, one or many; what is wrong is one sentence."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from declared import SPECIFIED
from tapewire.analytics import load_run
from tapewire.candles import read_candles
from tapewire.cli.program import app
from tapewire.errors import ConfigError, InterruptedRunError, OutputError, TapewireError
from tapewire.inputs.candle_blocks import BatchBlocks
from tapewire.inputs.candles import CandleRequest
from tapewire.runs import declared
from tapewire.runs.bundles import pack
from tapewire.runs.declared import (
    EngineChoice,
    batch_declared,
    read_strategies,
    run_declared_file,
)

N = 40 * 96
PLAIN = CandleRequest("")
SETTINGS = ("quantity=2", "commission_rate=0.0001", "slippage_bps=1", "close_at=21:00")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty days of a walk on quarters, a bar every quarter of an hour, and the strategy."""
    folder = tmp_path_factory.mktemp("declared")
    steps = np.random.Generator(np.random.PCG64(2)).integers(-9, 10, N)
    close = 16_000 + np.cumsum(steps)
    opened = np.r_[16_000, close[:-1]]
    high, low = np.maximum(opened, close) + 1, np.minimum(opened, close) - 1
    columns = {name: one / 4 for name, one in zip(
        ("open", "high", "low", "close"), (opened, high, low, close), strict=True)}  # fmt: skip
    times = 1_709_942_400 * 10**9 + np.arange(N) * 900 * 10**9
    table = {"ts_event": times, **columns, "volume": np.abs(steps) + 1}
    pq.write_table(pa.table(table), folder / "walk.parquet")
    (folder / "strategy.json").write_text(SPECIFIED)
    return folder


def told(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["candles", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_example_of_the_specification_runs_as_it_stands_on_both_engines(
    here: Path, tmp_path: Path
) -> None:
    arguments = ["run", here / "strategy.json", "-d", here / "walk.parquet", "--json"]
    for setting in SETTINGS:
        arguments += ["--set", setting]
    found = json.loads(told(*arguments, "-o", tmp_path / "once"))
    by_bar = json.loads(told(*arguments, "-o", tmp_path / "bars", "--engine", "event"))
    assert set(found) == {"strategy_name", "metrics", "metadata", "output"}
    assert found["strategy_name"] == "MA_Cross_RSI_Filter"
    assert found["metadata"]["timeframe"] == "1h"
    assert found["metadata"]["bars"] == N // 4
    assert (found["metadata"]["engine"], by_bar["metadata"]["engine"]) == (
        "vectorised", "event_driven",
    )  # fmt: skip
    runs = [load_run(tmp_path / name) for name in ("once", "bars")]
    with pytest.raises(ConfigError, match="found a backtest on candles"):
        pack(runs[0], tmp_path / "bundle.zip")
    tables = [pq.read_table(run.path / "trades.parquet") for run in runs]
    assert tables[0].num_rows == found["metrics"]["closed_trades"] > 3
    for name in tables[0].column_names:
        column = tables[0][name].to_pylist()
        if isinstance(column[0], float):
            assert column == pytest.approx(tables[1][name].to_pylist()), name
        else:
            assert column == tables[1][name].to_pylist(), name
    equity = [pq.read_table(run.path / "equity.parquet") for run in runs]
    assert equity[0]["ts"].equals(equity[1]["ts"])
    manifest = runs[0].manifest
    assert set(manifest["files"]) == {
        "strategy.json", "trades.parquet", "equity.parquet", "report.html",
    }  # fmt: skip
    assert manifest["results"]["total"] == found["metrics"]
    runs[0].verify()
    assert (tmp_path / "once" / "strategy.json").read_text() == SPECIFIED
    page = (tmp_path / "once" / "report.html").read_text()
    assert "sma(10) crosses above sma(30) AND rsi(14, 4h) &gt; 50" in page
    assert "MA_Cross_RSI_Filter" in told(*arguments[:-9])
    listed = CliRunner().invoke(app, ["report", str(tmp_path / "once")], catch_exceptions=False)
    assert listed.exit_code == 0, listed.output


def test_what_the_other_engine_assumes_is_asked_for_and_told(here: Path, tmp_path: Path) -> None:
    choice = EngineChoice("event", 250.0, 1.0, 2.0, 0.5)
    request = CandleRequest("", (), ("quantity=50",))
    files = (here / "strategy.json", here / "walk.parquet")
    result = run_declared_file(*files, request, choice, trades=tmp_path / "trades.parquet")
    whole = run_declared_file(*files, request)
    assert result.metadata["latency_ns"] == 250_000_000
    assert result.metadata["volume_share"] == 0.5
    assert pq.read_table(tmp_path / "trades.parquet").equals(result.trades)
    first, second = result.trades["entry_price"][0].as_py(), whole.trades["entry_price"][0].as_py()
    assert first > second  # a bar late, across the spread, and into the book
    run_declared_file(*files, request, output=tmp_path / "out")
    with pytest.raises(OutputError, match="already holds"):
        run_declared_file(*files, request, output=tmp_path / "out")


def test_a_batch_has_a_row_for_each_strategy_and_file(here: Path, tmp_path: Path) -> None:
    made = json.loads(SPECIFIED)
    (tmp_path / "folder").mkdir()
    lines = []
    for k in range(6):
        made["name"] = f"s{k}"
        made["entry_rules"]["long"]["conditions"][0]["params"]["fast"] = 4 + k
        lines.append(json.dumps(made))
        (tmp_path / "folder" / f"{k}.json").write_text(lines[-1])
    (tmp_path / "all.jsonl").write_text("\n\n".join(lines))
    assert read_strategies([tmp_path / "folder"]) == read_strategies([tmp_path / "all.jsonl"])
    bars, output = here / "walk.parquet", tmp_path / "all.parquet"
    report = json.loads(
        told(
            "batch", tmp_path / "all.jsonl", "-d", bars, "-d", bars, "-o", output, "-j", 2, "--json"
        )
    )
    assert (report["files"], report["rows"]) == (2, 12)
    rows = pq.read_table(output).to_pylist()
    assert sorted(row["place"] for row in rows) == sorted([*range(6)] * 2)
    one = run_declared_file(tmp_path / "folder" / "3.json", bars, PLAIN)
    found, again = (row for row in rows if row["strategy"] == "s3")
    assert found == again
    assert (found["version"], found["timeframe"], found["file"]) == ("1.0", "1h", "walk.parquet")
    assert found["net_pnl"] == pytest.approx(one.final_balance - 100_000)
    assert found["closed_trades"] == one.metrics["closed_trades"] >= 1


def test_a_stopped_batch_goes_on_to_the_same_file(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five strategies, in blocks of two."""
    monkeypatch.setattr(declared, "BLOCK_ROWS", 2)
    made, strategies = json.loads(SPECIFIED), tmp_path / "some.jsonl"
    names = [f"s{k}" for k in range(5)]
    strategies.write_text("\n".join(json.dumps({**made, "name": name}) for name in names))
    whole, output = tmp_path / "whole.parquet", tmp_path / "rows.parquet"
    of = [strategies], [here / "walk.parquet"], PLAIN
    assert batch_declared(*of, whole, jobs=1).rows == 5
    assert pq.read_table(whole)["place"].to_pylist() == [*range(5)]
    assert pq.read_table(whole)["strategy"].to_pylist() == names
    real = BatchBlocks.add

    def stop(blocks: BatchBlocks, tables: list[pa.Table], order: str) -> None:
        real(blocks, tables, order)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BatchBlocks, "add", stop)
        with pytest.raises(InterruptedRunError, match="1 blocks are kept: the same command with"):
            batch_declared(*of, output, checkpoint=True)
    changed = tmp_path / "others.jsonl"
    changed.write_text(strategies.read_text() + "\n")
    with pytest.raises(ConfigError, match=r"another batch, strategies\[0\]\.sha256 was"):
        batch_declared([changed], *of[1:], output, resume=True)
    assert batch_declared(*of, output, jobs=2, resume=True).rows == 5
    assert output.read_bytes() == whole.read_bytes()


def test_a_batch_that_fails_leaves_nothing(here: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps(json.loads(SPECIFIED)) + "\n{}\n")
    output = tmp_path / "batch.parquet"
    with pytest.raises(ConfigError, match=r"bad.jsonl:2: 4 problems"):
        batch_declared([tmp_path / "bad.jsonl"], [here / "walk.parquet"], PLAIN, output)
    assert not list(tmp_path.glob("*batch*")) + list(tmp_path.glob(".*batch*"))


HEAD = "time,open,high,low,close,volume\n"
GOOD = "".join(f"2024-01-{d:02}T{h:02}:00,1,2,1,2,5\n" for d in range(1, 29) for h in range(24))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2024-01-29,1,2,1,,5\n", "row 672: expected a price in every column, found none"),
        ("2024-01-29,1,2,1,nan,5\n", "row 672: expected a price in every column, found none"),
        ("2024-01-28T23:00,1,2,1,2,5\n", "row 671: expected one bar at a time, found two"),
        ("2024-01-02,1,2,1,2,5\n", "row 672: expected times that ascend, found an earlier one"),
        ("2024-01-29,1,2,1,2,-5\n", "row 672: volume: expected at least 0, found -5"),
        ("2024-01-29,3,2,1,2,5\n", "row 672: expected a high not below"),
        (
            "2024-01-28T23:30,1,2,1,2,5\n2024-01-29T00:15,1,2,1,2,5\n",
            "bars.csv: bars: expected row 673 to begin where bars of 30m",
        ),
    ],
)
def test_bars_that_can_not_be_are_one_sentence(
    here: Path, tmp_path: Path, rows: str, said: str
) -> None:
    (tmp_path / "bars.csv").write_text(HEAD + GOOD + rows)
    with pytest.raises(TapewireError, match=said) as found:
        run_declared_file(here / "strategy.json", tmp_path / "bars.csv", PLAIN)
    assert "\n" not in str(found.value)


def test_gaps_and_bars_without_volume_are_counted_and_played(here: Path, tmp_path: Path) -> None:
    rows = GOOD.splitlines(keepends=True)
    rows[30] = rows[30].replace(",5\n", ",0\n")
    (tmp_path / "bars.csv").write_text(HEAD + "".join(rows[:100] + rows[150:]))
    result = run_declared_file(here / "strategy.json", tmp_path / "bars.csv", PLAIN)
    data = result.metadata["data"]
    assert (data["zero_volume"], data["gaps"]) == (1, 1)
    repaired = CandleRequest("", faults="repair")
    (tmp_path / "twice.csv").write_text(HEAD + GOOD + rows[-1] + "2024-01-29,1,2,1,,5\n")
    data = run_declared_file(
        here / "strategy.json", tmp_path / "twice.csv", repaired
    ).metadata["data"]  # fmt: skip
    assert (data["duplicates"], data["missing"]) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({'"sma_cross"': '"smacross"'}, "s.json:13: .*: there is no indicator 'smacross': did you"),
        ({'"fast": 10': '"fast": 1'}, "s.json:14: .*sma_cross.fast: expected at least 2, found 1"),
        ({'"fast": 10': '"fats": 10'}, "s.json:14: .*fats"),
        ({'"4h", "1d"': '"7h", "1d"'}, "s.json:19: .*timeframe: expected one of the strategy's"),
        ({'"percent": 2.0': '"percent": -2.0'}, "s.json:31: .*percent: expected more than 0"),
        ({'"1h"': '"10m"'}, "10m"),
        ({'"1d"': '"40w"'}, "40w"),
    ],
)  # fmt: skip
def test_a_wrong_strategy_is_told_with_file_line_and_key(
    here: Path, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    text = SPECIFIED
    for old, new in changed.items():
        text = text.replace(old, new)
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(TapewireError, match=said):
        run_declared_file(tmp_path / "s.json", here / "walk.parquet", PLAIN)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "S"], "expected bars for a declared strategy"),
        (["run", "B"], "expected a strategy: -s sma_cross"),
        (["run", "S", "-d", "B", "-s", "sma_cross"], "found both"),
        (["run", "S", "-d", "B", "-d", "B"], "expected one file of bars"),
        (["run", "S", "-d", "B", "-p", "fast=2"], "a declared strategy has its own parameters"),
        (["run", "S", "-d", "B", "--engine", "fast"], "engine: expected vectorised or event"),
        (["run", "S", "-d", "B", "--latency-ms", "2"], "latency_ms: expected beside engine event"),
        (["run", "S", "-d", "B", "--session", "5pm"], "session: expected as"),
        (["run", "S", "-d", "B", "--set", "time_exit=0"], "time_exit: expected a whole number"),
        (
            ["run", "B", "-s", "sma_cross", "--engine", "event"],
            "--engine: expected with",
        ),
        (["batch", "B", "-o", "x.parquet"], "expected a strategy"),
        (["batch", "S", "-d", "B", "-o", "x.csv"], "expected a name ending in .parquet"),
    ],
)
def test_what_is_typed_wrong_is_one_sentence(here: Path, arguments: list[str], said: str) -> None:
    names = {"S": str(here / "strategy.json"), "B": str(here / "walk.parquet")}
    with pytest.raises(TapewireError, match=said) as found:
        CliRunner().invoke(
            app, ["candles", *(names.get(one, one) for one in arguments)], catch_exceptions=False
        )
    assert "\n" not in str(found.value)


def test_too_few_bars_for_a_timeframe_are_said(here: Path) -> None:
    from tapewire.candles.declared import DeclaredBars
    from tapewire.candles.rules import strategy_of_json

    strategy = strategy_of_json(SPECIFIED)
    bars = DeclaredBars.of(read_candles(here / "walk.parquet").part(0, 3), [strategy])
    with pytest.raises(TapewireError, match="has no complete bar of 1h"):
        bars.traded("1h")
