"""Days that are played apart: by one process or two, and against days that are played together."""

import datetime as dt
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest

import streams
import tapewire as tw
from tapewire.replay.markets.files import write_market
from tapewire.replay.markets.market import MarketPlan
from tapewire.runs.hooks import Hooks, RunProgress

#: Holds nothing over night, and remembers nothing: buys in the first half of each minute, sells in
#: the second, and is done before the session is.
IN_AND_OUT = """
import tapewire as tw


class InAndOut(tw.Strategy):
    def on_market_event(self, market, context):
        second = context.now // 10**9 % 86_400
        if context.orders:
            return
        if context.position and (second % 60 >= 30 or second > 53_400):
            context.submit(tw.SELL, context.position, reduce_only=True)
        elif not context.position and second % 60 < 30 and second < 53_400:
            context.submit(tw.BUY, 1)
"""
DATES = ["2024-03-14", "2024-03-15", "2024-03-18"]
TABLES = ("orders", "fills", "equity", "markouts", "metrics")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of half an hour: the last two of TWAH4, and one of TWAM4 and TWAU4."""
    folder = tmp_path_factory.mktemp("market") / "days"
    plan = MarketPlan(
        days=3, instruments=1, events=60_000, seed=7, hours=0.5, first_day=dt.date(2024, 3, 14)
    )
    write_market(folder, plan)
    (folder / "in_and_out.py").write_text(IN_AND_OUT)
    return folder


def run(
    market: Path, output: Path, strategies: Any, told: list[RunProgress] | None = None,
    window: dict[str, Any] | None = None, more: dict[str, Any] | None = None, **replay: Any,
) -> tw.RunResult:  # fmt: skip
    return tw.run(
        files=[str(market / "*.mbo.dbn.zst")],
        strategies=strategies,
        overrides={
            "backtest.data_source.definition_files": [str(market / "*.definition.dbn.zst")],
            "backtest.data_source.status_files": [str(market / "*.status.dbn.zst")],
            "backtest.execution.fees": {"type": "per_contract", "per_contract": 0.85},
            "backtest.replay": {"transport": "inproc", **replay},
            **(more or {}),
        },
        output=output,
        **(window or {}),
        hooks=None if told is None else Hooks(progress=told.append),
    )


def settlements(folder: Path) -> Path:
    """A file with settlement prices of TWAH4 and TWAM4 on all days."""
    made = np.zeros(2 * len(DATES), np.dtype(dbn.StatMsg._dtypes))
    made["length"], made["rtype"], made["stat_type"] = made.itemsize // 4, 0x18, 3
    made["instrument_id"], made["update_action"] = [90_001, 90_002] * len(DATES), 1
    days = np.repeat(np.array(DATES, "M8[ns]"), 2)
    made["ts_ref"], made["price"] = days.astype(np.int64), 4_000 * 10**9
    path = folder / "settlements.dbn"
    path.write_bytes(streams.dbn_header(schema="statistics") + made.tobytes())
    return path


def test_one_process_and_two_make_one_run(market: Path, tmp_path: Path) -> None:
    both = ["market_maker", "sma_crossover"]
    told: dict[str, list[RunProgress]] = {"straight": [], "split": []}
    straight = run(market, tmp_path / "straight", both, told["straight"], days="apart")
    split = run(market, tmp_path / "split", both, told["split"], days="apart", workers=2)
    assert straight.digest == split.digest
    for progress in told.values():
        events = [one.events for one in progress]
        assert events == sorted(events)
        assert events[-1] == split.manifest["events"]
        assert progress[-1].pnl() == progress[-1].standing().pnl != 0
    for table in TABLES:
        assert getattr(straight, table).equals(getattr(split, table)), table
    for key in ("days", "legs", "results", "counts", "conservation", "digests", "instruments"):
        assert straight.manifest[key] == split.manifest[key], key
    assert [i["xxh3_128"] for i in straight.manifest["inputs"]] == [
        i["xxh3_128"] for i in split.manifest["inputs"]
    ]
    assert "Days" in split.report.read_text()
    assert sorted(p.name for p in split.path.iterdir() if p.name.startswith(".")) == []
    _days_are_told(split)


def _days_are_told(result: tw.RunResult) -> None:
    days = result.manifest["days"]
    assert [day["date"] for day in days] == DATES
    assert sum(day["events"] for day in days) == result.manifest["events"]
    assert sum(day["fills"] for day in days) == result.fills.num_rows
    fills = result.to_pandas("fills", prices="int")
    closed = fills[fills.reason == "DAY_END"]
    assert sum(day["closed_lots"] for day in days) == closed.last_qty.sum() > 0
    names = {f"day-end-{k}" for k in (1, 2, 3)}
    assert set(closed.client_order_id) <= names
    dates = closed.ts_event.dt.strftime("%Y-%m-%d")
    assert [DATES[int(name[-1]) - 1] for name in closed.client_order_id] == dates.tolist()
    last = fills.groupby(["leg", fills.ts_event.dt.date]).position.last()
    assert (last == 0).all(), "every day ends flat"
    orders = result.to_pandas("orders", prices="int")
    assert not orders.duplicated(["leg", "client_order_id"]).any()
    assert orders.ts_closed.notna().all()


def test_who_holds_nothing_over_night_has_the_digest_of_days_together(
    market: Path, tmp_path: Path
) -> None:
    """With two sides, rates that change at noon and at night, and settlement prices, too."""
    kind = [f"{market / 'in_and_out.py'}:InAndOut"]
    rates = tmp_path / "rates.csv"
    rates.write_text(
        "ts,currency,rate\n2024-03-13,USD,0.9\n2024-03-14T14:45:00Z,USD,0.8\n2024-03-16,USD,1.25\n"
    )
    more = {
        "backtest.account": {
            "currency": "EUR", "rate_file": str(rates), "position_mode": "hedging"
        },
        "backtest.data_source.statistics_files": [str(settlements(tmp_path))],
    }  # fmt: skip
    together = run(market, tmp_path / "together", kind, more=more)
    apart = run(market, tmp_path / "apart", kind, more=more, days="apart", day_end="refuse")
    assert apart.settlements.equals(together.settlements)
    settled = apart.settlements.to_pylist()
    assert [row["day"] for row in settled if row["symbol"] == "TWAH4"] == DATES
    assert {row["symbol"] for row in settled if row["settlement_price"]} == {"TWAH4", "TWAM4"}
    for column in (
        "net_pnl",
        "realized_pnl",
        "fees",
        "implementation_shortfall",
        "expected_impact",
    ):
        assert apart.metrics[column].equals(together.metrics[column]), column
    assert set(apart.fills["position_effect"].to_pylist()) == {"OPEN", "CLOSE"}
    assert apart.digest == together.digest
    assert apart.manifest["digests"] == together.manifest["digests"]
    for table in ("orders", "fills", "markouts"):
        assert getattr(apart, table).equals(getattr(together, table)), table
    assert {fill.as_py() for fill in apart.fills["symbol"]} >= {"TWAH4", "TWAM4"}
    assert len(set(apart.fills["ts_event"].to_pandas().dt.date)) == len(DATES)
    assert "closed" not in " ".join(apart.manifest["warnings"])


def test_a_start_within_a_day_an_end_and_a_symbol_cut_days_as_they_cut_a_run(
    market: Path, tmp_path: Path
) -> None:
    kind = [f"{market / 'in_and_out.py'}:InAndOut"]
    window = {"start": "2024-03-15T14:35:30Z", "end": "2024-03-18T14:55:00Z", "symbols": ["TWAM4"]}
    together = run(market, tmp_path / "together", kind, window=window)
    apart = run(market, tmp_path / "apart", kind, window=window, days="apart", day_end="refuse")
    assert apart.digest == together.digest
    assert [day["date"] for day in apart.manifest["days"]] == DATES[1:]
    for key in ("records", "until_ns"):
        assert apart.manifest["warmup"][key] > 0
    assert apart.fills.num_rows > 10


@pytest.mark.long
def test_a_day_is_that_of_its_files_alone(market: Path, tmp_path: Path) -> None:
    """Each day by itself, its orders counted on and its money added, is the run of all days."""
    apart = run(market, tmp_path / "apart", ["market_maker"], days="apart")
    found = apart.to_pandas("fills", prices="int")
    expected: list[tuple[Any, ...]] = []
    sent: dict[str, int] = {}
    for number, date in enumerate(DATES):
        file = market / f"glbx-mdp3-{date.replace('-', '')}.mbo.dbn.zst"
        alone = tw.run(
            files=[str(file)], strategies="market_maker", output=tmp_path / date,
            overrides={
                "backtest.data_source.definition_files": [str(market / "*.definition.dbn.zst")],
                "backtest.data_source.status_files": [str(market / "*.status.dbn.zst")],
                "backtest.execution.fees": {"type": "per_contract", "per_contract": 0.85},
                "backtest.replay.transport": "inproc",
            },
        )  # fmt: skip
        mine = alone.to_pandas("fills", prices="int")
        for fill in mine.itertuples():
            before = sent.get(fill.symbol, 0)
            expected.append(
                (fill.symbol, str(before + int(fill.client_order_id)), fill.last_px, fill.last_qty,
                 fill.position, fill.ts_event)
            )  # fmt: skip
        for order in alone.to_pandas("orders", prices="int").groupby("symbol"):
            sent[order[0]] = sent.get(order[0], 0) + len(order[1])
        held = mine.groupby("symbol").position.last()
        closed = found[found.client_order_id == f"day-end-{number + 1}"]
        assert closed.groupby("symbol").last_qty.sum().to_dict() == {
            symbol: abs(lots) for symbol, lots in held.items() if lots
        }
    own = found[found.reason != "DAY_END"]
    assert [
        (f.symbol, f.client_order_id, f.last_px, f.last_qty, f.position, f.ts_event)
        for f in own.itertuples()
    ] == expected
    fees = apart.to_pandas("equity", prices="int").groupby("leg").fees.last()
    assert fees.sum() == found.commission.sum()


def test_what_is_held_at_a_days_end_is_named(market: Path, tmp_path: Path) -> None:
    with pytest.raises(tw.errors.SimulationError) as caught:
        run(market, tmp_path / "held", ["market_maker"], days="apart", day_end="refuse")
    said = str(caught.value)
    assert said.startswith("2024-03-14: strategy market_maker: expected no position at the end")
    assert "(day_end: refuse)" in said
    assert [path.name for path in (tmp_path / "held").iterdir()] == ["manifest.json"]


def test_a_file_of_several_days_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "all.mbo.dbn"
    write_market(file, MarketPlan(days=2, events=40_000, seed=7, hours=0.1))
    with pytest.raises(tw.errors.FormatError) as caught:
        tw.run(
            files=[str(file)], strategies="market_maker", output=tmp_path / "all",
            overrides={"backtest.replay": {"days": "apart"}},
        )  # fmt: skip
    said = str(caught.value)
    assert f"2024-03-04: {file}: expected files of one day each with days apart, found" in said
    assert "from 2024-03-04T14:30:00" in said


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ten_days_of_two_products_that_roll(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    write_market(
        folder, MarketPlan(days=10, instruments=2, events=1_000_000, seed=7, correlation=0.8)
    )
    both = ["market_maker", "sma_crossover"]
    straight = run(folder, tmp_path / "straight", both, days="apart")
    split = run(folder, tmp_path / "split", both, days="apart", workers=2)
    assert straight.digest == split.digest
    assert len(split.manifest["days"]) == 10
    assert set(split.fills["symbol"].to_pylist()) == {"TWAH4", "TWAM4", "TWBH4", "TWBM4"}
    for table in TABLES:
        assert getattr(straight, table).equals(getattr(split, table)), table
