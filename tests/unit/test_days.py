"""Days played apart: which files are a day, what is refused, how rows travel and go on."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tapewire.config.loading import make_config
from tapewire.errors import ConfigError, FormatError, NoDataError, OutputError
from tapewire.execution.codes import (
    DAY_END_ID,
    ROLL_ID,
    SETTLEMENT_ID,
    SHORT_DAY_END_ID,
    SHORT_ROLL_ID,
    SHORT_SETTLEMENT_ID,
    own_order_name,
)
from tapewire.market.instruments import InstrumentTable
from tapewire.processes.collecting import TABLES
from tapewire.replay import ReplayPlan
from tapewire.router import LegInfo, SimulationConfig
from tapewire.runs.day_rows import DayRows, rows_in
from tapewire.runs.days import DayApart, days_of
from tapewire.runs.joining import JoinedDays
from tapewire.runs.renumbering import Renumbering
from tapewire.wire import SymbolMapping

DAY = 86_400 * 10**9
HOUR = 3_600 * 10**9
MONDAY = 19_786 * DAY  # 4 March 2024

# --- which files are a day ------------------------------------------------------------------------


def header(name: str, begins: int | None, *symbols: str) -> Any:
    mappings = tuple(SymbolMapping(s, k, 0, 2**62) for k, s in enumerate(symbols))
    return SimpleNamespace(path=name, first_ts_recv=begins, mappings=mappings)


def told(plan: ReplayPlan, *headers: Any) -> tuple[list[tuple[Any, ...]], list[str]]:
    days, notes = days_of(plan, headers)
    return [(d.number, d.date, d.plan.files, d.plan.start_ns, d.plan.end_ns) for d in days], notes


def plan(*files: str, **given: Any) -> ReplayPlan:
    return ReplayPlan(files=files, warmup="full", **given)


def test_files_that_begin_on_one_date_are_a_day_and_days_are_in_order() -> None:
    headers = [header("b", MONDAY + DAY + HOUR), header("a", MONDAY + HOUR), header("c", MONDAY)]
    days, notes = told(plan("b", "a", "c"), *headers)
    assert days == [
        (0, "2024-03-04", ("a", "c"), None, None),
        (1, "2024-03-05", ("b",), None, None),
    ]
    assert notes == []


def test_only_the_day_of_the_start_and_that_of_the_end_are_cut() -> None:
    headers = [header(str(k), MONDAY + k * DAY) for k in range(5)]
    names = [h.path for h in headers]
    start, end = MONDAY + DAY + HOUR, MONDAY + 3 * DAY + HOUR
    days, _ = told(plan(*names, start_ns=start, end_ns=end), *headers)
    assert days == [
        (0, "2024-03-05", ("1",), start, None),
        (1, "2024-03-06", ("2",), None, None),
        (2, "2024-03-07", ("3",), None, end),
    ]
    days, _ = told(plan(*names, start_ns=MONDAY + DAY, end_ns=MONDAY + 2 * DAY), *headers)
    assert days == [(0, "2024-03-05", ("1",), None, None)]
    with pytest.raises(NoDataError, match="expected days with records between start and end"):
        told(plan(*names, end_ns=MONDAY), *headers)


def test_a_day_has_the_symbols_that_its_files_know() -> None:
    headers = [header("a", MONDAY, "ESH4", "ESM4"), header("b", MONDAY + DAY, "ESM4")]
    days, notes = days_of(plan("a", "b", symbols=("ESH4",)), headers)
    assert [d.plan.symbols for d in days] == [("ESH4",)]
    assert notes == ["2024-03-05 is left out: its files have none of ESH4"]
    days, _ = days_of(plan("a", "b", symbols=("ESH4", "ESM4")), headers)
    assert [d.plan.symbols for d in days] == [("ESH4", "ESM4"), ("ESM4",)]


def test_a_file_without_records_is_no_day() -> None:
    days, notes = days_of(plan("a", "b"), [header("a", None), header("b", MONDAY)])
    assert [d.number for d in days] == [0]
    assert notes == ["a has no records: it is no day"]


def test_a_day_draws_by_its_date_and_comes_back_from_plain_values() -> None:
    day, later = DayApart(0, "2024-03-04", plan("a")), DayApart(0, "2024-03-05", plan("a"))
    moved = DayApart(3, "2024-03-04", plan("b"))
    assert day.seed(7) == moved.seed(7) != later.seed(7)
    assert day.seed(7) != day.seed(8)
    assert 0 <= day.seed(2**63 - 1) < 2**63
    assert DayApart.from_dict(moved.to_dict()) == moved


# --- what is refused ------------------------------------------------------------------------------


def refused(message: str, strategy: Any = "market_maker", **backtest: Any) -> None:
    backtest.setdefault("data_source", {"type": "databento", "files": ["a.dbn"]})
    backtest["replay"] = {"days": "apart"} | backtest.get("replay", {})
    entry = strategy if isinstance(strategy, dict) else {"type": strategy}
    with pytest.raises(ConfigError) as caught:
        make_config({"backtest": backtest, "strategy": [entry]})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("message", "backtest"),
    [
        ("backtest.data_source.type: expected databento", {"data_source": {"type": "synthetic"}}),
        ("backtest.replay.speed: expected max with days apart", {"replay": {"speed": "realtime"}}),
        ("backtest.output.metrics_port: expected none", {"output": {"metrics_port": 9_000}}),
        ("risk_limits.max_loss: expected none with days apart", {"risk_limits": {"max_loss": 5}}),
        (
            "portfolio_limits.on_max_position: expected none",
            {"portfolio_limits": {"max_position": 3, "on_max_position": "halt"}},
        ),
        (
            "execution.fees.rows[1].from: expected fees without tiers",
            {"execution": {"fees": {"type": "schedule", "rows": [{"maker": 1}, {"from": 10}]}}},
        ),
        ("backtest.replay.workers: expected days: apart with 2", {"replay": {"days": "together",
                                                                             "workers": 2}}),
    ],
)  # fmt: skip
def test_what_goes_on_from_day_to_day_is_refused(message: str, backtest: dict[str, Any]) -> None:
    refused(message, **backtest)


def test_strategies_that_go_on_from_day_to_day_are_refused() -> None:
    log = {"type": "order_log", "parameters": {"path": "log.csv"}}
    refused("strategy[0].type: expected a strategy that begins each day anew", log)
    refused("strategy[0].type: expected a strategy of this process", "ml_enhanced_momentum")
    own = {"type": "market_maker", "risk_limits": {"max_drawdown": 5}}
    refused("strategy[0].risk_limits.max_drawdown: expected none", own)


# --- rows on their way ----------------------------------------------------------------------------


def empty() -> dict[str, Any]:
    return {name: np.zeros(0, dtype) for name, dtype in TABLES.items()}


def test_rows_come_back_as_they_were_batch_by_batch(tmp_path: Path) -> None:
    sink = DayRows(tmp_path / "0.rows")
    batches = []
    for k in range(3):
        batch = empty()
        batch["fills"] = np.ones(k, TABLES["fills"])
        batch["touches"] = np.full(2 * k, k, TABLES["touches"])
        sink.add(legs=[], series_names=[], fee_names=[], **batch)
        batches += [batch] if k else []
    sink.close()
    found = list(rows_in(tmp_path / "0.rows"))
    assert len(found) == len(batches)
    for mine, theirs in zip(found, batches, strict=True):
        assert {name: table.tobytes() for name, table in mine.items()} == {
            name: table.tobytes() for name, table in theirs.items()
        }
    whole = (tmp_path / "0.rows").read_bytes()
    for cut in (len(whole) - 1, len(whole) - 300, 5):
        (tmp_path / "0.rows").write_bytes(whole[:cut])
        with pytest.raises(OutputError, match=r"rows of .*, found fewer"):
            list(rows_in(tmp_path / "0.rows"))


# --- going on -------------------------------------------------------------------------------------


def leg(number: int, strategy: str, instrument: int) -> LegInfo:
    return LegInfo(number, strategy, 1, instrument, f"S{instrument}", 0, 1, 1)


#: Two days: on the second one book is gone, and one is new.
LEGS = (
    [leg(0, "a", 5), leg(1, "pair", 5), leg(2, "a", 6), leg(3, "pair", 6)],
    [leg(0, "a", 7), leg(1, "pair", 7), leg(2, "a", 6), leg(3, "pair", 6)],
)
EARLY = {("a", 5): 0, ("pair", 5): 1, ("a", 6): 2, ("pair", 6): 3, ("a", 7): 4, ("pair", 7): 5}


def a_day(seed: int, legs: list[LegInfo]) -> dict[str, Any]:
    """Rows of a day of a few orders each: numbers as a day counts them."""
    draw = np.random.default_rng(seed)
    rows = empty()
    n = 40
    where = draw.integers(0, 4, n)
    counts: dict[Any, int] = {}
    ids = []
    for k in where:
        who = legs[k].strategy_id if legs[k].strategy_id == "pair" else k
        counts[who] = counts.get(who, 0) + 1
        ids.append(counts[who])
    rows["orders"] = np.zeros(n + 9, TABLES["orders"])
    rows["orders"]["leg"] = [*where, 0, 1, 2, 3, 0, 1, 2, 2, 2]
    own = [*[-1] * 4, DAY_END_ID, SETTLEMENT_ID, -2, DAY_END_ID, SHORT_DAY_END_ID]
    rows["orders"]["client_order_id"] = [*ids, *own]
    rows["orders"]["parent"][:3] = 1
    rows["orders"]["group"][:3] = 1, 1, 2
    rows["fills"] = np.zeros(n, TABLES["fills"])
    rows["fills"]["leg"], rows["fills"]["client_order_id"] = where, ids
    rows["fees"] = np.zeros(n, TABLES["fees"])
    rows["fees"]["leg"], rows["fees"]["client_order_id"] = where, ids
    rows["fees"]["fill"] = np.arange(n)
    rows["samples"] = np.zeros(8, TABLES["samples"])
    rows["samples"]["leg"] = np.tile(np.arange(4), 2)
    for name in ("cash", "realized", "fees", "volume", "max_position"):
        rows["samples"][name] = draw.integers(-9, 9, 8)
    rows["touches"] = np.zeros(4, TABLES["touches"])
    rows["touches"]["book"], rows["touches"]["volume"] = [5, 6, 5, 6], [1, 2, 3, 4]
    return rows


class Stand:
    """Where everybody stands, in plain Python: what a day's rows are as those of the run."""

    def __init__(self) -> None:
        self.sent: Counter[Any] = Counter()  # by instance
        self.closing: Counter[Any] = Counter()
        self.groups: Counter[Any] = Counter()  # by leg
        self.money: dict[Any, dict[str, int]] = {}
        self.volume: Counter[int] = Counter()
        self.fills = 0

    def order(self, who: Any, number: int, day: int) -> int:
        if number > 0:
            return number + self.sent[who]
        own = {
            SETTLEMENT_ID: SETTLEMENT_ID, DAY_END_ID: DAY_END_ID - day,
            SHORT_DAY_END_ID: SHORT_DAY_END_ID - day,
        }  # fmt: skip
        return own.get(number, number - self.closing[who])

    def end(self, raw: dict[str, Any], rows: dict[str, Any], who: list[Any], keys: Any) -> None:
        for counts, owners, field, sign in (
            (self.sent, who, "client_order_id", 1), (self.closing, who, "client_order_id", -1),
            (self.groups, keys, "group", 1),
        ):  # fmt: skip
            most: Counter[Any] = Counter()
            for order in raw["orders"]:
                owner, count = owners[int(order["leg"])], sign * int(order[field])
                if count < -DAY_END_ID:
                    most[owner] = max(most[owner], count)
            counts.update(most)
        self.fills += len(raw["fills"])
        for touch in rows["touches"]:
            self.volume[int(touch["book"])] = int(touch["volume"])
        for before, after in zip(raw["samples"], rows["samples"], strict=True):
            fields = ("cash", "realized", "fees", "volume", "max_position")
            self.money[keys[int(before["leg"])]] = {n: int(after[n]) for n in fields}


def test_a_second_day_goes_on_where_the_first_ended() -> None:
    joined, stand = Renumbering(frozenset({"pair"})), Stand()
    for day, legs in enumerate(LEGS):
        raw, rows = a_day(day, legs), a_day(day, legs)
        joined.begin(day, legs)
        joined.take(rows)
        joined.end()
        keys = [(one.strategy_id, one.instrument_id) for one in legs]
        who = ["pair" if key[0] == "pair" else key for key in keys]
        for name in ("orders", "fills", "fees"):
            for before, after in zip(raw[name], rows[name], strict=True):
                k, order = int(before["leg"]), int(before["client_order_id"])
                assert after["leg"] == EARLY[keys[k]]
                assert after["client_order_id"] == stand.order(who[k], order, day)
        for before, after in zip(raw["orders"], rows["orders"], strict=True):
            k = int(before["leg"])
            parent, group = int(before["parent"]), int(before["group"])
            assert after["parent"] == (parent and parent + stand.sent[who[k]])
            assert after["group"] == (group and group + stand.groups[keys[k]])
        assert rows["fees"]["fill"].tolist() == [k + stand.fills for k in range(40)]
        for before, after in zip(raw["samples"], rows["samples"], strict=True):
            had = stand.money.get(keys[int(before["leg"])], {})
            for name in ("cash", "realized", "fees", "volume"):
                assert after[name] == before[name] + had.get(name, 0)
            assert after["max_position"] == max(before["max_position"], had.get("max_position", 0))
        for before, after in zip(raw["touches"], rows["touches"], strict=True):
            assert after["volume"] == before["volume"] + stand.volume[int(before["book"])]
        stand.end(raw, rows, who, keys)
    assert [(one.leg, one.strategy_id, one.instrument_id) for one in joined.legs] == [
        (place, *key) for key, place in EARLY.items()
    ]


def test_days_that_reach_into_each_other_are_refused() -> None:
    joined = JoinedDays(SimulationConfig(InstrumentTable([])))

    def end(first_ns: int, last_ns: int) -> Any:
        totals = SimpleNamespace(first_ts_recv=first_ns, last_ts_recv=last_ns)
        return SimpleNamespace(
            legs=[], fee_names=[], series_names=[], counts={"events": 3, "x_max": last_ns},
            latencies=[], now_ns=last_ns, fee_lines={"a": {"exchange": 5}}, loss_halts=[],
            limit_trips=[], guessed=[], flagged=[], books=[(1, 5)], gross=[], digest="",
            totals=totals,
        )  # fmt: skip

    for number in range(2):
        day = DayApart(number, f"2024-03-0{4 + number}", plan(f"{number}.dbn"))
        joined.add(day, end(number * DAY, (number + 1) * DAY), [], None)  # type: ignore[arg-type]
    assert joined.counts == {"events": 6, "x_max": 2 * DAY, "books": 1}
    assert joined.fee_lines() == {"a": {"exchange": 10}}
    with pytest.raises(
        FormatError, match=r"2\.dbn: expected records after those of the day before"
    ):
        joined.add(DayApart(2, "2024-03-06", plan("2.dbn")), end(2 * DAY - 1, 3 * DAY), [], None)  # type: ignore[arg-type]


def test_orders_of_the_simulation_have_ids_and_names_of_their_own() -> None:
    names = {
        -1: "flatten-1", -(1 << 38): f"flatten-{1 << 38}", DAY_END_ID: "day-end-1",
        DAY_END_ID - 1: "day-end-2", SHORT_DAY_END_ID: "day-end-1-short",
        SHORT_DAY_END_ID - 1: "day-end-2-short", SETTLEMENT_ID: "settlement", ROLL_ID: "roll",
        SHORT_SETTLEMENT_ID: "settlement-short", SHORT_ROLL_ID: "roll-short",
    }  # fmt: skip
    assert len(names) == 10
    assert {number: own_order_name(number) for number in names} == names
