"""Fees: tables and shares by hand, and against plain arithmetic with whole numbers."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets import market, spec
from stories import Log, Tape, configure, play, run
from tapewire.analytics.formats import MINUS, NOTHING
from tapewire.analytics.report_tables import fee_tables
from tapewire.compiled.jit import jit_entry
from tapewire.config.loading import load_config
from tapewire.errors import ConfigError
from tapewire.execution.models import Model, Models, built_in
from tapewire.execution.models.fees import FEE_MODELS, ask_fee

MAKER, TAKER = 0, 1
CENT = 10_000_000
Row = dict[str, Any]


@jit_entry
def _fee(
    number: int, state: int, price: int, lots: int, liquidity: int, num: int, den: int,
    traded: int, venue: int, line: int,
) -> int:  # fmt: skip
    fee: int = ask_fee(
        number, 0, state, price, lots, liquidity, num, den, traded, venue, line
    )  # fmt: skip
    return fee


def fee(
    model: Model, price: float, lots: int, liquidity: int, *,
    multiplier: tuple[int, int] = (1, 1), traded: int = 0, venue: int = 1,
    line: int = -1,
) -> int:  # fmt: skip
    """What the kernel says, in 1e-9 currency; an exact price in units of it may be given."""
    units = price if isinstance(price, int) else int(Decimal(str(price)) * 10**9)
    state, kept = model.new_state()
    number = list(FEE_MODELS).index(model.definition.name)
    found = _fee(
        number, state.ctypes.data, units, lots, liquidity, *multiplier, traded, venue, line
    )
    del kept
    return found


def schedule(*rows: Row) -> Model:
    return built_in("fees", "schedule", rows=list(rows))


# --- by hand --------------------------------------------------------------------------------------


def test_a_share_of_a_fills_value() -> None:
    model = built_in("fees", "per_notional", maker_bps=Decimal("-0.1"), taker_bps=Decimal("0.2"))
    # 3 contracts at 5,000.25, 50 currency a point: 750,037.50, of which 0.2 bps are 15.00075.
    assert fee(model, 5000.25, 3, TAKER, multiplier=(50, 1)) == 15_000_750_000
    assert fee(model, 5000.25, 3, MAKER, multiplier=(50, 1)) == -7_500_375_000
    assert fee(model, -37.63, 1, TAKER, multiplier=(1_000, 1)) == 752_600_000
    # 1 unit of 1e-9 is worth nothing that counts, in either direction.
    assert fee(model, 1, 1, TAKER) == 0
    assert fee(model, 1, 1, MAKER) == 0
    # Lots of 1e-8 coins: 2,000,000 at 90,000 are 1,800 of value, 0.2 bps of which are 0.036.
    assert fee(model, 90_000.0, 2_000_000, TAKER, multiplier=(1, 10**8)) == 36_000_000
    # A multiplier of a third: 0.333… at a price of 1, rounded down before and after.
    assert fee(model, 1.0, 1, TAKER, multiplier=(1, 3)) == 333_333_333 // 50_000


def test_tiers_charge_each_part_of_a_fill_by_its_own_row() -> None:
    model = schedule(
        {"to": 10, "maker": 1, "taker": 2}, {"from": 10, "to": 100, "maker": 0.5, "taker": 1},
        {"from": 100, "maker": -0.25, "taker": 0.5},
    )  # fmt: skip
    assert fee(model, 100.0, 8, MAKER) == 800 * CENT
    assert fee(model, 100.0, 4, MAKER, traded=8) == 2 * 100 * CENT + 2 * 50 * CENT
    assert fee(model, 100.0, 10, TAKER, traded=10) == 1_000 * CENT
    # Over both bounds: 5 of 2, 90 of 1, 5 of 0.50.
    assert fee(model, 100.0, 100, TAKER, traded=5) == (1_000 + 9_000 + 250) * CENT
    assert fee(model, 100.0, 7, MAKER, traded=10**12) == -7 * 25 * CENT


def test_lines_add_up_and_a_venue_may_have_its_own() -> None:
    model = schedule(
        {"line": "exchange", "taker": 0.3, "maker": -0.2},
        {"line": "exchange", "publisher": 39, "taker": 0.5, "maker": 0.1},
        {"line": "clearing", "taker": 0.05, "maker": 0.05},
        {"line": "broker", "taker_bps": 1, "maker_bps": 1},
    )
    # 10 lots at 200: 2,000, of which 1 bp is 0.20.
    assert fee(model, 200.0, 10, TAKER) == (300 + 50 + 20) * CENT
    assert fee(model, 200.0, 10, MAKER) == (-200 + 50 + 20) * CENT
    assert fee(model, 200.0, 10, TAKER, venue=39) == (500 + 50 + 20) * CENT
    assert fee(model, 200.0, 10, MAKER, venue=39) == (100 + 50 + 20) * CENT
    lines = [fee(model, 200.0, 10, MAKER, venue=39, line=line) for line in range(3)]
    assert lines == [100 * CENT, 50 * CENT, 20 * CENT]


def test_volume_is_counted_fill_by_fill(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", 99, 50).add(1, 9, "A", 101, 50).tick(5_000)
    log = Log().buy(100, "a", 8, 101).buy(500, "b", 4, 101).sell(900, "c", 6, 99)
    model = schedule({"to": 10, "taker": 1}, {"from": 10, "taker": 0.5})
    played = play(tmp_path, tape, log, models=Models(fees=model))
    assert [int(row["commission"]) for row in played.rows.fills] == [
        800 * CENT, 300 * CENT, 300 * CENT
    ]  # fmt: skip


def test_what_each_line_cost_is_told_apart_and_adds_up() -> None:
    lines = schedule(
        {"line": "exchange", "to": 30, "taker": 0.5, "maker": -0.2},
        {"line": "exchange", "from": 30, "taker": 0.4, "maker": -0.25},
        {"line": "broker", "taker_bps": 0.1, "maker_bps": 0.1},
    )
    config = configure(None, models=Models(fees=lines))
    plain = replace(spec("plain", "market_maker"), models=Models())
    config = replace(config, strategies=(spec("maker", "market_maker"), plain))
    simulation, rows = run(config, market(6_000), 1_000)
    paid = int(rows.fills["commission"][rows.fills["leg"] == 0].sum())
    bill = simulation.fee_lines()
    assert list(bill) == ["maker"]
    assert bill["maker"]["clearing"] == 0
    assert bill["maker"]["broker"] > 0
    assert sum(bill["maker"].values()) == paid
    assert rows.fills["last_qty"][rows.fills["leg"] == 0].sum() > 30


# --- against plain arithmetic ---------------------------------------------------------------------


def plain_share(price: int, lots: int, multiplier: tuple[int, int], bps: Decimal) -> int:
    value = abs(price) * lots * multiplier[0] // multiplier[1]
    share = value * abs(int(bps * 10**6)) // 10**10
    return -share if bps < 0 else share


def plain_schedule(
    rows: list[Row], price: int, lots: int, liquidity: int, multiplier: tuple[int, int],
    traded: int, venue: int,
) -> int:  # fmt: skip
    """Line by line, and where only contracts count lot by lot."""
    side = ("maker", "taker")[liquidity]
    total = 0
    for line in {row.get("line", "exchange") for row in rows}:
        mine = [row for row in rows if row.get("line", "exchange") == line]
        own = [row for row in mine if row.get("publisher") == venue]
        for row in own or [row for row in mine if "publisher" not in row]:
            first, last = row.get("from", 0), row.get("to", 2**62)
            part = len([k for k in range(traded, traded + lots) if first <= k < last])
            total += part * int(Decimal(str(row.get(side, 0))) * 10**9)
            bps = Decimal(str(row.get(f"{side}_bps", 0)))
            total += plain_share(price, part, multiplier, bps)
    return total


_prices = st.integers(-(10**14), 10**14)
_multipliers = st.sampled_from(
    [(1, 1), (50, 1), (1, 3), (12_345, 1_000), (1_000_000, 1), (1, 10**8)]
)
_rates = st.integers(-9_999_999_999, 9_999_999_999).map(lambda n: Decimal(n).scaleb(-6))


@given(_prices, st.integers(1, 1_000) | st.integers(1, 2**31 - 1), _multipliers, _rates)
def test_shares_are_exact(
    price: int, lots: int, multiplier: tuple[int, int], rate: Decimal
) -> None:
    model = built_in("fees", "per_notional", taker_bps=rate)
    # What is charged is bounded by what the account can hold.
    if abs(price) * lots * multiplier[0] // multiplier[1] < 2**62:
        found = fee(model, price, lots, TAKER, multiplier=multiplier)
        assert found == plain_share(price, lots, multiplier, rate)


_amounts = st.integers(-(10**6), 10**6).map(lambda n: n / 1_000)


@st.composite
def _rows(draw: Any) -> list[Row]:
    rows: list[Row] = []
    for line in draw(st.sets(st.sampled_from(["exchange", "clearing", "broker"]), min_size=1)):
        for venue in (None, *draw(st.sets(st.integers(1, 3)))):
            bounds = sorted(draw(st.sets(st.integers(1, 60), max_size=3)))
            for first, last in zip([0, *bounds], [*bounds, None], strict=True):
                row: Row = {"line": line, "from": first}
                row |= {} if venue is None else {"publisher": venue}
                row |= {} if last is None else {"to": last}
                for name in ("maker", "taker", "maker_bps", "taker_bps"):
                    if draw(st.booleans()):
                        row[name] = draw(_amounts)
                rows.append(row)
    return rows


@given(_rows(), _prices, st.integers(1, 80), st.sampled_from([0, 1]), st.integers(0, 70))
def test_a_schedule_is_what_adding_up_finds(
    rows: list[Row], price: int, lots: int, liquidity: int, traded: int
) -> None:
    model = schedule(*rows)
    for venue in (2, 4):
        found = fee(model, price, lots, liquidity, multiplier=(5, 2), traded=traded, venue=venue)
        expected = plain_schedule(rows, price, lots, liquidity, (5, 2), traded, venue)
        assert found == expected


# --- from a configuration -------------------------------------------------------------------------

CONFIG = """\
backtest:
  data_source: {{type: synthetic}}
  execution:
    fees:
      type: schedule
      rows:
{rows}
strategy: {{type: market_maker}}
"""


def load(folder: Path, *rows: str) -> Any:
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(rows="\n".join(f"        - {row}" for row in rows)))
    return load_config(path)


def test_a_schedule_is_loaded_and_written_again(tmp_path: Path) -> None:
    config = load(tmp_path, "{to: 1000, taker: 0.85}", "{from: 1000, taker: 0.6, maker_bps: -0.1}")
    again = tmp_path / "again.yaml"
    again.write_text(config.to_yaml())
    assert load_config(again) == config
    assert config.backtest.execution.fees.given["rows"][1]["from"] == 1_000


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ["{to: 10}", "{from: 11}"],
            ":8: backtest.execution.fees.rows[1].from: expected 10, where",
        ),
        (["{to: 10}", "{from: 9}"], ":8: backtest.execution.fees.rows[1].from: expected 10, where"),
        (["{from: 5}"], ":7: backtest.execution.fees.rows[0].from: expected 0, where the tier"),
        (
            ["{to: 10}"],
            ":7: backtest.execution.fees.rows[0].to: expected none in the last tier, fo",
        ),
        (
            ["{to: 0}", "{}"],
            ":7: backtest.execution.fees.rows[0].to: expected more than 0, found 0",
        ),
        (
            ["{}", "{from: 3}"],
            ":8: backtest.execution.fees.rows[1]: expected no row behind one wit",
        ),
        (
            ["{publisher: 3}"],
            ":7: backtest.execution.fees.rows[0]: expected rows of line exchange ",
        ),
        (["{takr: 3}"], ":7: backtest.execution.fees.rows[0].takr: unknown key, known: line, publ"),
        (
            ["{taker: much}"],
            ":7: backtest.execution.fees.rows[0].taker: expected a number, found '",
        ),
        (
            ["{taker_bps: 10001}"],
            ":7: backtest.execution.fees.rows[0].taker_bps: expected at most ",
        ),
        (
            ["{line: tax}"],
            ":7: backtest.execution.fees.rows[0].line: expected one of exchange, cle",
        ),
        (
            ["{to: -1}"],
            ":7: backtest.execution.fees.rows[0].to: expected a whole number of at leas",
        ),
        (["5"], ":7: backtest.execution.fees.rows[0]: expected a mapping, found 5"),
    ],
)
def test_a_schedule_with_a_hole_is_refused(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, *rows)
    assert said in str(caught.value)


def test_what_is_no_list_is_refused_and_python_is_told_too() -> None:
    with pytest.raises(ConfigError, match=r"fees model schedule: rows\[1\]\.from: expected 10, wh"):
        schedule({"to": 10}, {"from": 12})
    with pytest.raises(ConfigError, match="parameter rows is missing"):
        built_in("fees", "schedule")
    assert np.all(schedule({"taker": 1}).new_state()[0]["n"] == 1)


def test_fees_of_each_fill_are_told_by_line() -> None:
    lines = schedule(
        {"line": "exchange", "to": 30, "taker": 0.5, "maker": -0.2},
        {"line": "exchange", "from": 30, "taker": 0.4, "maker": -0.25},
        {"line": "broker", "taker_bps": 0.1, "maker_bps": 0.1},
    )
    config = configure(None, models=Models(fees=lines))
    plain = replace(spec("plain", "market_maker"), models=Models())
    config = replace(config, strategies=(spec("maker", "market_maker"), plain))
    simulation, rows = run(config, market(6_000), 700)
    assert simulation.fee_line_names == ["exchange", "clearing", "broker"]
    fees, fills = rows.fees, rows.fills
    mine = np.flatnonzero(fills["leg"] == 0)
    assert fees["fill"].tolist() == np.repeat(mine, 3).tolist()
    assert fees["line"].tolist() == [0, 1, 2] * mine.size
    # Line by line they are the commission of their fill, and the bill of their strategy.
    paid = np.bincount(fees["fill"], fees["fee"], fills.size).astype(np.int64)
    assert paid[mine].tolist() == fills["commission"][mine].tolist()
    bill = simulation.fee_lines()["maker"]
    for k, name in enumerate(simulation.fee_line_names):
        assert int(fees["fee"][fees["line"] == k].sum()) == bill[name]
    for name in ("client_order_id", "ts_event", "leg"):
        assert (fees[name] == fills[name][fees["fill"]]).all()
    assert run(replace(config, models=Models()), market(1_000), 700)[1].fees.size == 0


def test_the_report_has_a_column_for_each_line_of_anybody() -> None:
    bills = {
        "maker": {"exchange": "-1.5", "broker": "0.25"},
        "other": {"exchange": "1234.5", "house": "2"},
    }
    (table,) = fee_tables(bills)
    told = [[cell["text"] for cell in row] for row in table["rows"]]
    assert [column["text"] if isinstance(column, dict) else column for column in table["head"]] == [
        "Strategy", "exchange", "broker", "house", "All",
    ]  # fmt: skip
    assert told == [
        ["maker", f"{MINUS}1.50", "0.25", NOTHING, f"{MINUS}1.25"],
        ["other", "1,234.50", NOTHING, "2.00", "1,236.50"],
    ]
    assert fee_tables({}) == []
