"""Where the market was around the fills of a whole run, and a run that leaves it out."""

from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.errors import MissingFileError


def played(source: Path, folder: Path, **output: Any) -> tw.RunResult:
    backtest = {
        "data_source": {"type": "databento", "files": [str(source)]},
        "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
        "output": output,
    }
    return tw.run({"backtest": backtest, "strategy": {"type": "market_maker"}}, output=folder)


def test_markouts_are_there_unless_they_are_left_out(tmp_path: Path, synthetic_file: Path) -> None:
    there = played(synthetic_file, tmp_path / "there")
    left_out = played(synthetic_file, tmp_path / "left_out", markouts=False)
    assert there.digest == left_out.digest

    fills, around = there.fills, there.markouts
    assert sorted(around["fill"].to_pylist()) == list(range(fills.num_rows)) != []
    prices = fills["last_px"].to_pylist()
    assert [prices[at] for at in around["fill"].to_pylist()] == around["last_px"].to_pylist()

    metrics = there.metrics.to_pylist()[0]
    spread = sum(
        (1 if row["order_side"] == "BUY" else -1) * (row["mid"] - row["last_px"]) * row["last_qty"]
        for row in around.to_pylist()
    )
    assert metrics["spread_pnl"] == pytest.approx(spread * 50 / 1e9)
    assert metrics["spread_pnl"] + metrics["inventory_pnl"] == pytest.approx(
        metrics["gross_pnl"] / 1e9
    )
    assert ">Markouts<" in (there.path / "report.html").read_text()

    assert not (left_out.path / "markouts.parquet").exists()
    assert ">Markouts<" not in (left_out.path / "report.html").read_text()
    without = left_out.metrics.to_pylist()[0]
    assert without["spread_pnl"] is without["inventory_pnl"] is without["markout_1s"] is None
    with pytest.raises(MissingFileError, match=r"set backtest\.output\.markouts to true"):
        _ = left_out.markouts
