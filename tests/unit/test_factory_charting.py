"""Stored results made again to be drawn: bars with their extremes, trades, equity, stretches."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import SMALL, walk
from tapewire.candles.declared import DeclaredBars, run_declared
from tapewire.candles.rules import strategy_of_json
from tapewire.errors import ConfigError, StoreError
from tapewire.factory.charting import strategy_chart
from tapewire.factory.datasets import FactoryBars
from tapewire.factory.searching import generate
from tapewire.factory.served import answer
from tapewire.factory.trying import try_strategies
from tapewire.store import Store


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> FactoryBars:
    return walk(tmp_path_factory.mktemp("bars"))


@pytest.fixture(scope="module")
def place(bars: FactoryBars, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a search, of which one strategy was tried again, once on the holdout."""
    path = str(tmp_path_factory.mktemp("store") / "s.db")
    generate(bars, SMALL, store=path, jobs=2, judges=False)
    one = traded(path).id
    try_strategies(bars, [one], store=path, jobs=1, assumptions=("commission_per_unit=3",))
    try_strategies(bars, [one], store=path, jobs=1, holdout=True)
    return path


def traded(place: str) -> Any:
    with Store.open(place) as store:
        row = store.strategies("trades", where="trades > 5").rows[0]
        return store.strategy(row.id)


def result_of(place: str, kind: str) -> int:
    return int(next(one.id for one in traded(place).results if one.kind == kind))


def test_what_is_drawn_is_the_result_of_the_store(place: str, bars: FactoryBars):
    one = traded(place)
    found = strategy_chart(place, one.id, result_of(place, "search"), "candles")
    assert found["agrees"]
    assert found["assumptions"] == list(SMALL.assumptions)
    declared = strategy_of_json(one.source_code)
    before = bars.candles.part(0, 18 * 96)
    made = run_declared(declared, DeclaredBars.of(before, [declared]))
    assert found["trades_total"] == len(made.trade_records) == len(found["trades"])
    rows = made.trades.to_pylist()
    assert [t["pnl"] for t in found["trades"]] == [row["pnl"] for row in rows]
    assert [t["entry_ns"] for t in found["trades"]] == [str(row["ts_entry"]) for row in rows]
    sign = {"LONG": 1, "SHORT": -1}[rows[0]["direction"]]
    assert [(f["lots"], f["ends"]) for f in found["fills"][:2]] == [(sign, False), (-sign, True)]
    equity = strategy_chart(place, one.id, result_of(place, "search"), "equity")
    assert equity["lines"][0]["values"][-1] == made.equity[-1]
    assert equity["rows"] == len(made.equity)


def test_bars_that_are_drawn_as_one_have_their_extremes(place: str):
    one, number = traded(place), result_of(place, "search")
    every = strategy_chart(place, one.id, number, "candles")
    few = strategy_chart(place, one.id, number, "candles", points_max=400)
    all_of, some = every["candles"], few["candles"]
    count = int(some["step_ns"]) // int(all_of["step_ns"])
    groups = [slice(k, k + count) for k in range(0, len(all_of["open"]), count)]
    assert len(some["open"]) == len(groups)
    assert 4 * len(groups) + 2 * len(few["trades"]) <= 400
    assert some["high"] == [max(all_of["high"][g]) for g in groups]
    assert some["low"] == [min(all_of["low"][g]) for g in groups]
    assert some["open"] == [all_of["open"][g][0] for g in groups]
    assert some["close"] == [all_of["close"][g][-1] for g in groups]
    assert len(few["trades"]) <= 40
    assert few["trades_total"] == every["trades_total"]


def test_a_stretch_has_its_own_bars_and_trades(place: str):
    one, number = traded(place), result_of(place, "search")
    every = strategy_chart(place, one.id, number, "candles")
    trade = every["trades"][len(every["trades"]) // 2]
    first, last = int(trade["entry_ns"]), int(trade["exit_ns"])
    found = strategy_chart(place, one.id, number, "candles", first_ns=first, last_ns=last)
    assert trade in found["trades"]
    assert found["candles"]["ts_ns"][0] == trade["entry_ns"]
    assert found["candles"]["ts_ns"][-1] == trade["exit_ns"]
    assert (found["whole_first_ns"], found["first_ns"]) == (every["first_ns"], str(first))
    empty = strategy_chart(place, one.id, number, "candles", first_ns=1, last_ns=2)
    assert (empty["candles"]["open"], empty["trades"]) == ([], [])
    assert strategy_chart(place, one.id, number, "equity", first_ns=1, last_ns=2)["rows"] == 0


def test_other_assumptions_are_said_to_be_others(place: str):
    one, number = traded(place), result_of(place, "test")
    assert not strategy_chart(place, one.id, number, "equity")["agrees"]
    same = ["commission_per_unit=3"]
    found = strategy_chart(place, one.id, number, "equity", assumptions=same)
    assert found["agrees"]
    assert found["assumptions"] == same


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"chart": "map"}, "chart: expected one of candles, equity"),
        ({"points_max": 10_001}, "points_max: expected 50 to 10,000"),
        ({"first_ns": 2, "last_ns": 1}, "first_ns: expected one up to last_ns"),
        ({"result_id": 10**6}, "result_id: expected a result of"),
        ({"assumptions": ["stop=1"]}, "stop"),
    ],
)
def test_what_is_wrong_is_said(place: str, changed: dict[str, Any], said: str):
    given = {"which": traded(place).id, "result_id": result_of(place, "search"), "chart": "equity"}
    with pytest.raises(ConfigError, match=said):
        strategy_chart(place, **{**given, **changed})


def test_the_holdout_stays_closed(place: str):
    with pytest.raises(ConfigError, match="closed to searches is not looked at again"):
        strategy_chart(place, traded(place).id, result_of(place, "holdout"), "candles")
    found = strategy_chart(place, traded(place).id, result_of(place, "test"), "candles")
    with Store.open(place) as store:
        last = store.datasets()[0].description["last_ns"]
    assert int(found["whole_last_ns"]) < last - 5 * 86_400 * 10**9


def test_a_server_is_answered_without_its_folders(place: str, bars: FactoryBars):
    folder = str(Path(bars.description["path"]).parent)
    asked = {"store": place, "data": folder, "strategies": None, "runs": folder}
    found = answer({**asked, "what": "generation", "generation_id": 1}, lambda told: None)
    assert (found["status"], found["tried"], found["openings"]) == ("complete", 24, 1)
    assert found["best"][0]["fitness"] == found["best_so_far"][-1][1]
    assert [one for one, _ in found["best_so_far"]] == sorted(
        one for one, _ in found["best_so_far"]
    )
    assert folder not in json.dumps(found)
    told = {**asked, "what": "strategy_chart", "which": str(traded(place).id), "chart": "equity"}
    number = result_of(place, "search")
    assert answer({**told, "result_id": number, "assumptions": []}, print)["agrees"]
    with pytest.raises(StoreError):
        answer({**asked, "what": "generation", "generation_id": 99}, print)
    assert np.isfinite(found["best_so_far"][-1][1])
