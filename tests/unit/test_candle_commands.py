"""`tapewire candles …`: what is typed, what comes out, and that what is wrong is one sentence."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tapewire.candles.elephants import run_backtest
from tapewire.cli.program import app
from tapewire.errors import ConfigError, OutputError
from tapewire.inputs import candle_outputs
from tapewire.inputs.candle_batches import batch_candles
from tapewire.inputs.candles import (
    CandleRequest,
    optimize_candles,
    run_candles,
    told_apart,
)

N = 2_000


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A walk on quarters, a bar every half an hour."""
    steps = np.random.Generator(np.random.PCG64(5)).integers(-4, 5, N)
    close = 400 + np.cumsum(steps)
    opened = np.r_[400, close[:-1]]
    high, low = np.maximum(opened, close) + 1, np.minimum(opened, close) - 1
    columns = {name: one / 4 for name, one in zip(
        ("open", "high", "low", "close"), (opened, high, low, close), strict=True)}  # fmt: skip
    times = 1_709_942_400 * 10**9 + np.arange(N) * 1_800 * 10**9
    volume = np.abs(steps) + 1
    path = tmp_path_factory.mktemp("candles") / "walk.parquet"
    pq.write_table(pa.table({"ts_event": times, **columns, "volume": volume}), path)
    return path


def told(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["candles", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_one_backtest_says_and_writes_what_came_of_it(bars: Path, tmp_path: Path) -> None:
    trades, equity = tmp_path / "trades.parquet", tmp_path / "equity.parquet"
    arguments = (
        "run", bars, "-s", "barra_elefante", "-p", "lookback=10", "-p", "min_amplitude=1.2",
        "-p", "max_shadow=0.9", "--set", "quantity=2", "--set", "commission_rate=0.0001",
    )  # fmt: skip
    found = json.loads(told(*arguments, "--trades", trades, "--equity", equity, "--json"))
    request = CandleRequest("barra_elefante")
    one = run_backtest(
        request.read(bars), {"lookback": 10, "min_amplitude": 1.2, "max_shadow": 0.9},
        CandleRequest("", settings=("quantity=2", "commission_rate=0.0001")).config(),
    )  # fmt: skip
    assert found["metrics"]["closed_trades"] == one.metrics["closed_trades"] > 10
    assert float(found["metrics"]["net_pnl"]) == pytest.approx(one.final_balance - 100_000)
    assert found["metadata"]["config"]["quantity"] == 2
    assert pq.read_table(trades).equals(one.trades)
    assert pq.read_table(equity).equals(one.equity_curve)
    text = told(*arguments)
    assert "barra_elefante, candles: 2,000 bars" in text
    assert "Sharpe, annualised" in text


GRID = ("-s", "sma_cross", "-p", "fast=2:6:2", "-p", "slow=10,20", "-p", "short=false,true")


def test_a_grid_says_its_best_and_keeps_all(bars: Path, tmp_path: Path) -> None:
    output = tmp_path / "all.parquet"
    found = json.loads(told("optimize", bars, *GRID, "--top", 3, "-o", output, "--json"))
    assert found["variants"] == 12
    table = pq.read_table(output)
    best = found["best"][0]
    assert best["sharpe_annualised"] == max(table["sharpe_annualised"].to_pylist())
    assert len(found["best"]) == 3
    assert table["fast"].to_pylist() == sorted([2, 4, 6] * 4)
    text = told("optimize", bars, *GRID, "--top", 1)
    assert f"fast={best['fast']}  slow={best['slow']}  short={best['short']}" in text


def test_a_batch_streams_every_file_to_one(bars: Path, tmp_path: Path) -> None:
    output = tmp_path / "batch.parquet"
    other = tmp_path / "other" / bars.name  # two of a name are told apart by their folders
    other.parent.mkdir()
    shutil.copy(bars, other)
    report = json.loads(told("batch", bars, other, *GRID, "-o", output, "-j", 2, "--json"))
    assert (report["files"], report["rows"]) == (2, 24)
    rows = pq.read_table(output).to_pylist()
    assert {row["file"] for row in rows} == {str(bars), str(other)}
    assert sorted(row["variant"] for row in rows) == sorted([*range(12)] * 2)
    request = CandleRequest("sma_cross", ("fast=2", "slow=10"))
    one = run_candles(bars, request)
    (found, again) = [r for r in rows if (r["fast"], r["slow"], r["short"]) == (2, 10, False)]
    assert {**found, "file": ""} == {**again, "file": ""}
    assert found["net_pnl"] == pytest.approx(one.final_balance - 100_000)
    with pytest.raises(OutputError, match="is there already"):
        batch_candles([bars], request, output)


def test_a_range_has_the_numbers_that_are_written() -> None:
    request = CandleRequest("barra_elefante", ("max_shadow=0.1:0.5:0.1", "min_amplitude=2:4:1"))
    assert request.grid() == {"max_shadow": [0.1, 0.2, 0.3, 0.4, 0.5], "min_amplitude": [2, 3, 4]}


def test_files_are_told_by_name_where_that_is_enough() -> None:
    assert told_apart([Path("a/x.csv"), Path("b/y.csv")]) == ["x.csv", "y.csv"]
    assert told_apart([Path("a/x.csv"), Path("b/x.csv")]) == ["a/x.csv", "b/x.csv"]


def test_a_batch_that_fails_leaves_nothing(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("time,open,high,low,close,volume\n2024-01-01,1,0,1,1,1\n")
    output = tmp_path / "batch.parquet"
    with pytest.raises(Exception, match="row 0: expected a high"):
        batch_candles([bars, tmp_path / "bad.csv"], CandleRequest("sma_cross"), output)
    assert not list(tmp_path.glob("*batch*")) + list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"strategy": "sma_cros"}, "strategy: .* did you mean sma_cross"),
        ({"parameters": ["fast"]}, "expected NAME=VALUE, found 'fast'"),
        ({"parameters": ["fast=1,2"]}, "fast: expected one value, found 2; see optimize"),
        ({"parameters": ["fats=1"]}, "fats: no parameter of sma_cross, did you mean fast"),
        ({"parameters": ["fast=1", "fast=2"]}, "fast: expected once, found twice"),
        ({"parameters": ["fast=9:1:1"]}, "fast: expected FIRST:LAST:STEP"),
        ({"parameters": ["fast=0:1e9:1"]}, "fast: expected at most 1,000,000 values"),
        ({"parameters": ["fast=x"]}, "fast: expected a whole number, found 'x'"),
        ({"parameters": ["short=1"]}, "short: expected true or false, found 1"),
        ({"parameters": ["fast=30"]}, "expected 0 < fast < slow, found 30 and 30"),
        ({"settings": ["comission_rate=1"]}, "did you mean commission_rate"),
        ({"settings": ["stop_loss=1 art"]}, "stop_loss.fixed: expected a number"),
        ({"settings": ["time_zone=Mars/Base"]}, "time_zone: expected a time zone"),
        ({"tick_size": "0.3"}, "expected a multiple of the tick size 0.3"),
        ({"tick_size": "x"}, "tick_size: expected a finite price"),
        ({"tick_size": "-1"}, "tick_size: expected above 0"),
        ({"faults": "no"}, "faults: expected error or repair"),
    ],
)
def test_what_is_typed_wrong_is_one_sentence(
    bars: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(Exception, match=said) as found:
        run_candles(bars, CandleRequest(**{"strategy": "sma_cross", **changed}))
    assert type(found.value).__module__ == "tapewire.errors"
    assert "\n" not in str(found.value)


def test_averages_that_cross_may_have_stops_in_true_ranges(bars: Path, tmp_path: Path) -> None:
    arguments = ("-s", "sma_cross", "--set", "stop_loss=0.5 atr(5)", "--set", "take_profit=4 atr")
    output = tmp_path / "trades.parquet"
    told("run", bars, *arguments, "--trades", output)
    reasons = pq.read_table(output).column("reason").to_pylist()
    assert reasons.count("stop") > 10
    best = json.loads(told("optimize", bars, *arguments, "-p", "fast=5,10", "--json"))["best"]
    assert len(reasons) == next(one["closed_trades"] for one in best if one["fast"] == 10)
    assert {"avg_win", "avg_loss", "expectancy", "max_drawdown_of_peak"} < set(best[0])


def test_a_strategy_that_comes_along_has_a_folder_with_a_report(bars: Path, tmp_path: Path) -> None:
    arguments = ("run", bars, "-s", "sma_cross", "-p", "fast=5", "-o", tmp_path / "crossed")
    found = json.loads(told(*arguments, "--set", "stop_loss=2 atr(9)", "--json"))
    assert found["output"] == str(tmp_path / "crossed")
    manifest = json.loads((tmp_path / "crossed" / "manifest.json").read_text())
    assert (manifest["status"], manifest["strategy_name"]) == ("complete", "sma_cross")
    trades = pq.read_table(tmp_path / "crossed" / "trades.parquet")
    assert trades.num_rows == manifest["rows"]["trades"] == found["metrics"]["closed_trades"] > 0
    declared = json.loads((tmp_path / "crossed" / "strategy.json").read_text())
    parameters = {"fast": 5, "slow": 30, "short": False}
    assert declared == {"strategy": "sma_cross", "parameters": parameters}
    page = (tmp_path / "crossed" / "report.html").read_text()
    for text in ("slow: 30", "2 ATR(9)", f"{N:,} bars of 30m", "Max drawdown, of its high"):
        assert text in page
    with pytest.raises(OutputError, match=r"already holds manifest\.json"):
        told(*arguments)
    assert "report:" in told(*arguments, "--force")


def test_results_that_stream_are_in_few_row_groups(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candle_outputs, "_GROUP_ROWS", 150)
    output = tmp_path / "many.parquet"
    batch_candles([bars, bars], CandleRequest("sma_cross", ("fast=2:21:1", "slow=30:69:3")), output)
    found = pq.ParquetFile(output).metadata
    assert found.num_rows == 560
    assert found.num_row_groups <= 4  # of ten parts, whose order is that of two threads


def test_names_that_cannot_be_written_are_refused_before_any_work(tmp_path: Path) -> None:
    bars, request = tmp_path / "not-there.parquet", CandleRequest("sma_cross")
    with pytest.raises(ConfigError, match=r"x.csv: expected a name ending in .parquet"):
        optimize_candles(bars, request, output=tmp_path / "x.csv")
    with pytest.raises(ConfigError, match=r"x.csv: expected a name ending in .parquet"):
        run_candles(bars, request, trades=tmp_path / "x.csv")
    with pytest.raises(OutputError, match=r"expected a folder .*nowhere, found none"):
        optimize_candles(bars, request, output=tmp_path / "nowhere" / "x.parquet")


def test_an_objective_that_there_is_not_is_refused(bars: Path) -> None:
    with pytest.raises(ConfigError, match="objective: expected one of total_return"):
        optimize_candles(bars, CandleRequest("sma_cross"), objective="luck")
    console = Console(file=io.StringIO())
    assert optimize_candles(bars, CandleRequest("sma_cross"), console=console)[0]["closed_trades"]


def test_a_grid_is_walked_through_window_by_window(bars: Path) -> None:
    arguments = ("optimize", bars, "-s", "sma_cross", "-p", "fast=5:9:2", "-p", "slow=20,30")
    found = json.loads(told(*arguments, "--train", 10, "--test", 5, "--by", "sharpe", "--json"))
    windows = found["walk"]["windows"]
    assert len(windows) == 6
    text = told(*arguments, "--train", 10, "--test", 5, "--by", "sharpe")
    assert f"walk-forward, 6 windows: net P&L {sum(found['walk']['net_pnl']):,.2f}" in text
    assert f"rank {windows[0]['rank']} of 6" in text
    assert "walk" not in json.loads(told(*arguments, "--json"))
    wrong = CliRunner().invoke(app, ["candles", *map(str, arguments), "--train", "10"])
    assert wrong.exit_code != 0
