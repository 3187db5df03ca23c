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
        "risk_limits": {"max_position": 2},
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
    assert metrics["spread_pnl"] + metrics["impact_pnl"] == pytest.approx(spread * 50 / 1e9)
    parts = ("spread_pnl", "impact_pnl", "inventory_pnl")
    assert sum(metrics[part] for part in parts) == pytest.approx(metrics["gross_pnl"] / 1e9)
    check_costs(there.orders.to_pylist(), fills.to_pylist(), metrics)
    assert ">Markouts<" in (there.path / "report.html").read_text()

    assert not (left_out.path / "markouts.parquet").exists()
    assert ">Markouts<" not in (left_out.path / "report.html").read_text()
    without = left_out.metrics.to_pylist()[0]
    assert without["slippage"] is without["implementation_shortfall"] is None
    assert set(left_out.orders["mid_sent"].to_pylist()) == {None}
    assert without["spread_pnl"] is without["inventory_pnl"] is without["markout_1s"] is None
    with pytest.raises(MissingFileError, match=r"set backtest\.output\.markouts to true"):
        _ = left_out.markouts


def check_costs(
    orders: list[dict[str, Any]], fills: list[dict[str, Any]], metrics: dict[str, Any]
) -> None:
    """What orders cost, added up from the tables; every order that left has its mids."""
    slippage = shortfall = 0
    for order in orders:
        left = order["status"] != "DENIED"
        assert (order["mid_sent"] is not None) == left
        mine = [fill for fill in fills if fill["client_order_id"] == order["client_order_id"]]
        assert (order["slippage"] is not None) == bool(mine)
        if not left:
            continue
        side = 1 if order["order_side"] == "BUY" else -1
        unfilled = order["quantity"] - order["filled_qty"]
        cost = side * (order["mid_closed"] - order["mid_sent"]) * unfilled * 50
        for fill in mine:
            slippage += side * (fill["last_px"] - order["mid_arrived"]) * fill["last_qty"] * 50
            cost += side * (fill["last_px"] - order["mid_sent"]) * fill["last_qty"] * 50
            cost += fill["commission"]
        assert order["shortfall"] == cost
        shortfall += cost
    assert (metrics["slippage"], metrics["implementation_shortfall"]) == (slippage, shortfall)
    assert 0 < metrics["time_at_limit"] < 1
    assert metrics["inventory_half_life_s"] > 0
