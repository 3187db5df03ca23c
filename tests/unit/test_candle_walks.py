"""Grids on bars window by window: what is chosen, what that makes afterwards, how the best grew."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.candles import Candles
from tapewire.candles.declared import DeclaredBars, run_declared
from tapewire.candles.families import find_family
from tapewire.errors import ConfigError
from tapewire.factory.declaring import declared_variant, keep_variant
from tapewire.inputs import candle_walks
from tapewire.inputs.candle_walks import best_so_far, walked
from tapewire.inputs.candles import CandleRequest, find_best
from tapewire.store import Store

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9


def hours(days: int) -> Candles:
    """So many whole days by the hour, all at one price."""
    one = np.full(days * 24, 400)
    times = 1_709_942_400 * 10**9 + np.arange(days * 24) * HOUR_NS
    return Candles(times, one, one, one, one, one, 250_000_000, HOUR_NS)


@pytest.fixture(scope="module")
def walk_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = np.random.Generator(np.random.PCG64(5)).integers(-4, 5, 2_000)
    close = 400 + np.cumsum(steps)
    opened = np.r_[400, close[:-1]]
    high, low = np.maximum(opened, close) + 1, np.minimum(opened, close) - 1
    names = ("open", "high", "low", "close")
    columns = {n: one / 4 for n, one in zip(names, (opened, high, low, close), strict=True)}
    times = 1_709_942_400 * 10**9 + np.arange(2_000) * 1_800 * 10**9
    path = tmp_path_factory.mktemp("bars") / "walk.parquet"
    pq.write_table(pa.table({"ts_event": times, **columns, "volume": np.abs(steps) + 1}), path)
    return path


def test_each_window_chooses_what_was_best_until_then():
    """Worked by hand: of two variants over four days, windows of one day to choose by and one
    after.

    P&L by day is 3, 1, −2, 5 of the first, and 1, 4, 2, −1 of the second. Day 1 is the first's,
    which makes 1 on day 2; day 2 the second's, which makes 2 on day 3; day 3 the second's, which
    makes −1 on day 4. In sample 3 + 4 + 2 = 9 over three days, out of sample 2 over three.
    """
    candles = hours(4)
    first = candles.ts_event[0]
    daily = 100 + np.cumsum([[3, 1, -2, 5], [1, 4, 2, -1]], axis=1)
    result: Any = SimpleNamespace(daily=daily, rows=[{"fast": 5}, {"fast": 6}])
    found = walked(result, candles, 100.0, {"train": 1, "test": 1})
    assert [one["parameters"]["fast"] for one in found["windows"]] == [5, 6, 6]
    assert [one["out_of_sample"] for one in found["windows"]] == [1, 2, -1]
    assert [one["rank"] for one in found["windows"]] == [2, 1, 2]
    assert found["net_pnl"] == [1, 2, -1]
    # The hour that ends at midnight is of the day that it ends: a session begins with the next.
    assert found["session_ns"] == [first + k * DAY_NS for k in (2, 3, 4)]
    assert found["windows"][0]["train_from_ns"] == first
    assert found["windows"][0]["test_from_ns"] == first + DAY_NS
    assert (found["efficiency"], found["changes"]) == (pytest.approx(2 / 9), 1)
    with pytest.raises(ConfigError, match="--test: expected at least 1"):
        walked(result, candles, 100.0, {"train": 1})
    with pytest.raises(ConfigError, match="expected at least 5 blocks"):
        walked(result, candles, 100.0, {"train": 3, "test": 2})


def test_the_best_so_far_grows_and_never_falls():
    values = np.array([np.nan, 1.0, 0.5, np.nan, 2.0, 2.0, 1.5, 3.0])
    result: Any = SimpleNamespace(columns={"sharpe": values})
    assert best_so_far(result, "sharpe") == [[2, 1.0], [5, 2.0], [8, 3.0]]
    nothing: Any = SimpleNamespace(columns={"sharpe": np.full(3, np.nan)})
    assert best_so_far(nothing, "sharpe") == []
    long: Any = SimpleNamespace(columns={"sharpe": np.arange(10_000.0)})
    found = best_so_far(long, "sharpe")
    assert (found[0], found[-1], len(found)) == ([1, 0.0], [10_000, 9_999.0], 500)


def test_a_grid_on_a_file_is_walked_through(walk_file: Path, monkeypatch: pytest.MonkeyPatch):
    request = CandleRequest("sma_cross", ("fast=5:9:1", "slow=20:22:1"), ("quantity=1",))
    found = find_best(walk_file, request, walk={"train": 10, "test": 5, "by": "sharpe"})
    alone = find_best(walk_file, request)
    assert (alone.walk, alone.best_so_far, alone.best) == (None, found.best_so_far, found.best)
    assert found.interval_ns == 1_800 * 10**9
    assert found.walk is not None
    assert len(found.walk["windows"]) == 6
    assert len(found.walk["net_pnl"]) == 30
    # What a window says of its choice is what that variant made, traded alone.
    one = found.walk["windows"][2]
    row = one["parameters"]
    candles, config = request.read(walk_file), request.config()
    days = np.diff(find_family("sma_cross").run(candles, row, config).daily, prepend=100_000.0)
    assert one["out_of_sample"] == pytest.approx(days[20:25].sum())
    monkeypatch.setattr(candle_walks, "FIGURES_MAX", 100)
    with pytest.raises(ConfigError, match="expected at most 2 variants with walk-forward over 42"):
        find_best(walk_file, request, walk={"train": 10, "test": 5})


@pytest.mark.parametrize("short", [False, True])
def test_a_variant_as_declared_rules_trades_as_its_family(walk_file: Path, short: bool):
    parameters = {"fast": 7, "slow": 23, "short": short}
    assumed = ("stop_loss=2.5 atr(9)", "take_profit=3%", "quantity=2", "time_exit=60")
    declared, left_out = declared_variant("sma_cross", parameters, assumed, 1_800 * 10**9)
    assert left_out == ["quantity=2"]
    candles = CandleRequest("").read(walk_file)
    config = CandleRequest("", settings=assumed).config()
    expected = find_family("sma_cross").run(candles, parameters, config)
    costs = CandleRequest("", settings=left_out).config()
    found = run_declared(declared, DeclaredBars.of(candles, [declared]), costs)
    assert len(expected.trade_records) > 30
    ours, theirs = found.trade_records, expected.trade_records
    for name in ("entry_bar", "exit_bar", "direction", "reason"):
        assert ours[name].tolist() == theirs[name].tolist(), name
    # Average true ranges of two makers differ in the last digit.
    assert ours["pnl"] == pytest.approx(theirs["pnl"], rel=1e-9)


def test_a_variant_is_kept_once_and_what_is_wrong_is_said(tmp_path: Path):
    with Store.open(str(tmp_path / "s.db")) as store:
        told = ("sma_cross", '{"fast": 5, "slow": 20}', [], 60 * 10**9)
        first = keep_variant(store, *told)
        assert keep_variant(store, *told) == first == {"strategy_id": 1, "left_out": []}
        record = store.strategy(1)
        assert (record.name, record.format) == ("sma_cross 5 20", "json")
        assert json.loads(record.source_code)["timeframes"]["primary"] == "1m"
        for wrong, said in (
            (("barra_elefante", "{}", [], 60 * 10**9), "expected sma_cross, whose rules can be"),
            (("sma_cross", "[1]", [], 60 * 10**9), "expected a JSON object"),
            (("sma_cross", '{"quick": 5}', [], 60 * 10**9), "expected fast, slow, short"),
            (("sma_cross", '{"fast": "x"}', [], 60 * 10**9), "fast"),
            (("sma_cross", "{}", [], 0), "expected bars of whole seconds"),
        ):
            with pytest.raises(ConfigError, match=said):
                keep_variant(store, *wrong)
        assert len(store.strategies("id").rows) == 1
