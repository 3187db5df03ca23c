"""Ten days of two products that roll: both example strategies follow, and hold nothing behind."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

import tapewire as tw
from tapewire.inputs.derive import derive_file
from tapewire.replay.markets.files import write_market
from tapewire.replay.markets.market import MarketPlan

STRATEGIES = [{"type": "market_maker"}, {"type": "sma_crossover", "symbols": ["TWA.v.0"]}]

pytestmark = pytest.mark.long


def source(market: Path, **more: Any) -> dict[str, Any]:
    return {
        "type": "databento", "files": [str(market)], "symbols": ["TWA.v.0", "TWB.v.0"], **more,
    }  # fmt: skip


def config(market: Path, **more: Any) -> dict[str, Any]:
    return {"backtest": {"data_source": source(market, **more)}, "strategy": STRATEGIES}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rolls") / "market"
    write_market(path, MarketPlan(days=10, instruments=2, events=200_000, seed=7))
    return path


@pytest.fixture(scope="module")
def rolled(market: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    return tw.run(config(market), output=tmp_path_factory.mktemp("runs") / "rolled")


def test_strategies_follow_the_contract_that_trades_most(rolled: tw.RunResult) -> None:
    """Every order is of the contract that the manifest says for its day, and none is left."""
    said = rolled.manifest["rolls"]["continuous"]
    meant = {
        (name[:3], np.datetime64(one["date"]).astype(int)): one["symbol"]
        for name in said
        for one in said[name]["days"]
    }
    assert {tuple(dict.fromkeys(v for k, v in meant.items() if k[0] == root)) for root in
            ("TWA", "TWB")} == {("TWAH4", "TWAM4"), ("TWBH4", "TWBM4")}  # fmt: skip
    orders = rolled.orders.to_pylist()
    sent = [one for one in orders if one["client_order_id"] != "roll"]
    assert {one["symbol"] for one in sent} == set(meant.values())
    for one in sent:
        day = int(one["ts_sent"].timestamp()) // 86_400
        assert one["symbol"] == meant[one["symbol"][:3], day]
    assert {one["symbol"][:3] for one in sent if one["strategy_id"] == "sma_crossover"} == {"TWA"}
    assert "DENIED" not in {one["status"] for one in orders}


def test_nothing_is_held_of_a_contract_that_was_left(rolled: tw.RunResult) -> None:
    """Positions are closed by market orders at midnight; flat is who had none."""
    fills = rolled.fills.to_pylist()
    closing = [one for one in fills if one["client_order_id"] == "roll"]
    assert closing
    assert {one["reason"] for one in closing} == {"TAKEN"}
    assert {one["ts_event"].timestamp() % 86_400 for one in closing} == {0}
    held: dict[tuple[str, str], int] = {}
    for one in fills:
        key = (one["strategy_id"], one["symbol"])
        held[key] = held.get(key, 0) + (1 if one["order_side"] == "BUY" else -1) * one["last_qty"]
    assert {lots for (_, symbol), lots in held.items() if symbol.endswith("H4")} == {0}


def test_days_apart_roll_to_one_digest_whoever_plays_them(market: Path, tmp_path: Path) -> None:
    """One process or two; each day its contract, and every night all is flat."""
    runs = []
    for workers in (1, 2):
        given = config(market)
        given["backtest"]["replay"] = {"days": "apart", "workers": workers}
        runs.append(tw.run(given, output=tmp_path / f"by-{workers}"))
    assert runs[0].digest == runs[1].digest
    assert runs[0].fills.equals(runs[1].fills)
    meant = {
        (one["date"], one["symbol"])
        for table in runs[0].manifest["rolls"]["continuous"].values()
        for one in table["days"]
    }
    traded = runs[0].fills.to_pylist()
    assert len({symbol for _, symbol in meant}) == 4
    assert {(one["ts_event"].strftime("%Y-%m-%d"), one["symbol"]) for one in traded} == meant


def test_bars_that_say_what_is_meant_are_inputs_of_the_run(market: Path, tmp_path: Path) -> None:
    """Daily bars made of the files mean the same; each input has its hash, early files, too."""
    bars = []
    for path in sorted(market.glob("*.mbo.dbn.zst")):
        bars.append(str(tmp_path / f"{path.name[:18]}.ohlcv-1d.dbn"))
        derive_file(path, bars[-1], schema="ohlcv-1d")
    given = config(market, volume_files=bars, start="2024-03-12", warmup="none")
    result = tw.run(given, output=tmp_path / "by-bars")
    inputs = {one["file"]: one for one in result.manifest["inputs"]}
    for path in [*bars, *map(str, market.glob("*.mbo.dbn.zst"))]:
        assert inputs[path]["xxh3_128"] == xxhash.xxh3_128(Path(path).read_bytes()).hexdigest()
    days = result.manifest["rolls"]["continuous"]["TWA.v.0"]["days"]
    assert [one["symbol"] for one in days] == ["TWAH4", *["TWAM4"] * 3]


def test_it_is_the_same_by_a_catalogue(market: Path, rolled: tw.RunResult, tmp_path: Path) -> None:
    """With files that a catalogue found, it is one digest and one manifest of rolls."""
    from tapewire.replay.catalogue import index_folder

    index_folder(market)
    given = config(market)
    del given["backtest"]["data_source"]["files"]
    given["backtest"]["data_source"] |= {
        "catalogue": str(market),
        "definition_files": [str(market / "*.definition.dbn.zst")],
        "status_files": [str(market / "*.status.dbn.zst")],
    }
    again = tw.run(given, output=tmp_path / "again")
    assert again.digest == rolled.digest
    assert json.dumps(again.manifest["rolls"]) == json.dumps(rolled.manifest["rolls"])


def test_a_contract_that_is_kept_stays(market: Path, tmp_path: Path) -> None:
    """Its records go on, so that the market maker quotes in both; nothing is closed."""
    kept = tw.run(config(market, roll="keep"), output=tmp_path / "kept")
    assert "roll" not in {one["client_order_id"] for one in kept.orders.to_pylist()}
    last = {}
    for one in kept.orders.to_pylist():
        last[one["symbol"]] = one["ts_sent"].strftime("%Y-%m-%d")
    assert last["TWAH4"] > "2024-03-13"
