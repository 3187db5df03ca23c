"""Longs and shorts side by side, by hand: what opens, what closes, and what it comes to.

The book: 50 bid at 100, 50 offered at 101, so that the middle is 100.5. Orders take 50 µs to the
exchange, word 50 µs back.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_rows import E9, Book, FakeLeg, drained, manifest
from naive.account import NaiveAccount, NaiveHedge
from plain import quoted, spec_of
from stories import Log, Played, Tape, configure, play, run
from tapewire import Strategy
from tapewire.analytics import Collector, load_run
from tapewire.analytics.assumptions import assumptions
from tapewire.analytics.closed import closed_trades
from tapewire.analytics.ledger import Ledger
from tapewire.analytics.sides import SideCosts, Sides
from tapewire.compiled.jit import jit_entry
from tapewire.compiled.memory import Block
from tapewire.errors import SimulationError
from tapewire.execution.codes import PositionEffect
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import book_sides
from tapewire.positions.layout import ACCOUNT, account_at
from tapewire.router import RiskLimits

UNIT = 10**9
OPEN, CLOSE = int(PositionEffect.OPEN), int(PositionEffect.CLOSE)


def book() -> Tape:
    return Tape().add(0, 1, "B", 100, 50).add(1, 2, "A", 101, 50)


def both_sides() -> Log:
    """Long 2 at 101 from 60 on, beside them short 1 at 100 from 150 on."""
    return Log().buy(10, "long", 2, None).sell(100, "short", 1, None)


def played(folder: Path, log: Log, *, hedges: bool = True, **more: Any) -> Played:
    tape = more.pop("tape", None) or book().tick(1_000)
    found = play(folder, tape, log, hedges=hedges, event_log=True, **more)
    check_books(found)
    return found


def check_books(found: Played) -> None:
    """The second set of books rebuilds the first."""
    books = Ledger()
    books.add_fills(found.rows.fills, found.simulation.legs)
    books.add_orders(found.rows.orders)
    books.add_samples(found.rows.samples, found.simulation.legs)
    assert books.check(found.simulation.legs)["result"] == "exact"


def effects(found: Played) -> list[str]:
    return [PositionEffect(int(code)).name for code in found.rows.fills["effect"]]


# --- what opens and what closes -------------------------------------------------------------------


def test_a_sale_opens_a_short_side_unless_it_says_that_it_closes(tmp_path: Path) -> None:
    """Of 2 long one is closed at 100: -1. The short one, opened at 100, stays: nothing realised.

    A netting account realises -1 with each of the two sales. Open are, at 100.5, a long at 101 and
    a short at 100, -0.5 each: both accounts come to -2.
    """
    log = both_sides().sell(200, "out", 1, None, reduce_only=True)
    found = played(tmp_path, log)
    assert effects(found) == ["OPEN", "OPEN", "CLOSE"]
    assert [fill.position for fill in found.fills] == [2, 1, 0]
    last = found.last_sample()
    assert (last["position"], last["realized"], last["cash"]) == (0, -1 * UNIT, -2 * UNIT)
    netted = played(tmp_path, log, hedges=False)
    assert effects(netted) == ["NONE"] * 3
    assert netted.last_sample()["realized"] == -2 * UNIT
    for name in ("position", "cash", "volume", "fees"):
        assert netted.last_sample()[name] == last[name]


def test_what_closes_has_no_more_lots_than_the_side_it_closes(tmp_path: Path) -> None:
    # Net long 1: a netting account could not buy to reduce. Here 3 lots are cut to the short one.
    log = both_sides().buy(200, "cover", 3, None, reduce_only=True)
    found = played(tmp_path, log.sell(300, "out", 9, None, reduce_only=True))
    assert (found.orders["cover"].status, found.orders["cover"].quantity) == ("FILLED", 1)
    assert (found.orders["out"].status, found.orders["out"].quantity) == ("FILLED", 2)
    # -1 for the short at 100, bought at 101; -2 for two longs at 101, sold at 100.
    assert found.last_sample()["realized"] == found.last_sample()["cash"] == -3 * UNIT
    assert found.last_sample()["position"] == 0
    refused = played(tmp_path, log, hedges=False).orders["cover"]
    assert (refused.status, refused.reason) == ("REJECTED", "REDUCE_ONLY")


def test_nothing_to_close_on_that_side_is_rejected(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 2, None).buy(100, "cover", 1, None, reduce_only=True)
    assert played(tmp_path, log).orders["cover"].reason == "REDUCE_ONLY"


def test_resting_orders_are_cut_as_their_side_shrinks_and_by_no_other_fill(tmp_path: Path) -> None:
    # 2 to sell at 103 close the long side. Opening a short leaves them; a close of 1 cuts them.
    log = Log().buy(10, "long", 2, None).sell(100, "rest", 2, 103, reduce_only=True)
    log.sell(200, "short", 2, None).sell(300, "out", 1, None, reduce_only=True)
    found = played(tmp_path, log)
    # "out" came second: what works already has the long lots first.
    assert found.orders["out"].reason == "REDUCE_ONLY"
    assert found.orders["rest"].quantity == 2
    log = Log().buy(10, "long", 2, None).sell(100, "out", 1, None, reduce_only=True)
    log.sell(101, "rest", 1, 103, reduce_only=True).sell(200, "short", 5, None)
    found = played(tmp_path, log)
    assert (found.orders["rest"].status, found.orders["rest"].quantity) == ("NEW", 1)


def test_exits_of_a_bracket_close(tmp_path: Path) -> None:
    """Short 1 first. A bracket buys 2 at 101 and sells them at 100 when its stop is reached."""
    log = Log().sell(10, "short", 1, None).buy(100, "in", 2, None)
    log.sell(100, "stop", 2, None, trigger_price=100, parent="in")
    tape = book().tick(400).trade(500, (1, 1)).tick(1_000)
    found = played(tmp_path, log, tape=tape)
    assert effects(found) == ["OPEN", "OPEN", "CLOSE"]
    assert (found.last_sample()["position"], found.last_sample()["realized"]) == (-1, -2 * UNIT)


class Hedger(Strategy):
    """Buys 2 and sells 1, and notes what it knows to hold as word of the fills comes."""

    seen: ClassVar[list[tuple[int, ...]]] = []
    began = False

    def on_book(self, market: Any, context: Any) -> None:
        if not self.began:
            self.began = True
            context.buy(2)
            context.sell(1)
            self.note(context)

    def on_fill(self, fill: Any, context: Any) -> None:
        self.note(context)

    def note(self, context: Any) -> None:
        self.seen.append((context.position, context.long_lots, context.short_lots))


@pytest.mark.parametrize("hedges", [True, False])
def test_a_strategy_knows_of_both_sides_what_it_was_told(hedges: bool) -> None:
    Hedger.seen.clear()
    run(
        configure(None, others=[replace(spec_of(Hedger), hedges=hedges)]),
        quoted().tick(500).records(),
    )
    after = [(2, 2, 0), (1, 2, 1) if hedges else (1, 1, 0)]
    assert Hedger.seen == [(0, 0, 0), *after]


def test_to_flatten_is_to_close_what_one_side_has_more(tmp_path: Path) -> None:
    """At 500 the market falls to 90 / 91: 2 long at 101 and 1 short at 100 are worth -11.5.

    The lot that is held net is sold at 90: -11. A long and a short stay, which no price moves.
    """
    tape = book()
    tape.event(500, tape.m(1, price=90), tape.m(2, price=91)).tick(1_000)
    limits = RiskLimits(max_loss=5 * UNIT, on_max_loss="flatten")
    found = played(tmp_path, both_sides(), tape=tape, limits=limits)
    assert effects(found) == ["OPEN", "OPEN", "CLOSE"]
    assert (found.fills[-1].order, found.fills[-1].lots) == ("flatten-1", 1)
    last = found.last_sample()
    assert (last["position"], last["realized"], last["cash"]) == (0, -11 * UNIT, -12 * UNIT)


def test_an_expiry_settles_each_side(tmp_path: Path) -> None:
    """At 104: 2 longs from 101 are +6, 1 short from 100 is -4."""
    found = played(tmp_path, both_sides(), expires=(300, 104))
    settled = [(fill.order, fill.side, fill.lots) for fill in found.fills[2:]]
    assert settled == [("settlement", "SELL", 2), ("settlement-short", "BUY", 1)]
    assert found.last_sample()["realized"] == found.last_sample()["cash"] == 2 * UNIT


def test_sides_that_are_equal_are_settled_too(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 1, None).sell(100, "short", 1, None)
    found = played(tmp_path, log, expires=(300, 104))
    assert len(found.fills) == 4
    assert found.last_sample()["realized"] == found.last_sample()["cash"] == -1 * UNIT


def equal_sides() -> Log:
    """Long 2 at 101, short 2 at 100: net nothing is held."""
    return Log().buy(10, "long", 2, None).sell(100, "short", 2, None)


@pytest.mark.parametrize("log", [both_sides(), equal_sides()])
def test_a_roll_closes_each_side(tmp_path: Path, log: Log) -> None:
    """Longs from 101 are sold at 100, shorts from 100 bought at 101: -1 a lot, and 0.50 of fee."""
    found = played(tmp_path, log, expires=(300, None), rolls=True, fee=UNIT // 2)
    short = found.fills[1].lots
    assert [(fill.order, fill.side, fill.lots, fill.price) for fill in found.fills[2:]] == [
        ("roll", "SELL", 2, 100),
        ("roll-short", "BUY", short, 101),
    ]
    assert effects(found) == ["OPEN", "OPEN", "CLOSE", "CLOSE"]
    last = found.last_sample()
    assert last["realized"] == last["cash"] == -(2 + short) * UNIT
    assert (last["position"], last["fees"]) == (0, (2 + short) * UNIT)


def test_of_each_side_what_finds_nothing_at_a_roll_is_settled(tmp_path: Path) -> None:
    """One lot is left bid at 100, none offered: the others are worth the last middle, 100.5.

    Longs from 101: -1 and -0.5. The short one from 100: -0.5.
    """
    tape = book().cancel(200, 1).cancel(210, 2).add(220, 3, "B", 100, 1).tick(1_000)
    found = played(tmp_path, both_sides(), tape=tape, expires=(300, None), rolls=True)
    assert [(fill.order, fill.side, fill.lots, float(fill.price)) for fill in found.fills[2:]] == [
        ("roll", "SELL", 1, 100.0),
        ("settlement", "SELL", 1, 100.5),
        ("settlement-short", "BUY", 1, 100.5),
    ]
    assert found.orders["roll-short"].status == "EXPIRED"
    assert found.last_sample()["realized"] == found.last_sample()["cash"] == -2 * UNIT


@pytest.mark.parametrize("log", [both_sides(), equal_sides()])
def test_the_end_of_a_day_closes_each_side(tmp_path: Path, log: Log) -> None:
    """At the last best price of the other side, and for a fee: as at a roll."""
    found = played(tmp_path, log, day_end="flatten", fee=UNIT // 2)
    short = found.fills[1].lots
    assert [(fill.order, fill.side, fill.lots, fill.price) for fill in found.fills[2:]] == [
        ("day-end-1", "SELL", 2, 100),
        ("day-end-1-short", "BUY", short, 101),
    ]
    assert effects(found) == ["OPEN", "OPEN", "CLOSE", "CLOSE"]
    last = found.last_sample()
    assert last["realized"] == last["cash"] == -(2 + short) * UNIT
    assert (last["position"], last["fees"]) == (0, (2 + short) * UNIT)


@pytest.mark.parametrize(
    ("log", "held"),
    [
        (equal_sides(), r"\+2 and -2"),
        (both_sides(), r"\+2 and -1"),
        (Log().sell(10, "short", 3, None), "-3"),
    ],
)
def test_sides_that_are_held_at_the_end_of_a_day_may_be_refused(
    tmp_path: Path, log: Log, held: str
) -> None:
    with pytest.raises(SimulationError, match=rf"found {held} of TWX at"):
        played(tmp_path, log, day_end="refuse")


# --- accounts -------------------------------------------------------------------------------------


@jit_entry
def _book(accounts: Any, side: int, price: int, lots: int, fee: int, effect: int) -> None:
    book_sides(account_at(accounts, 0), side, price, lots, fee, effect)


some_fills = st.lists(
    st.tuples(
        st.sampled_from((1, -1)), st.integers(-5_000, 5_000), st.integers(1, 9),
        st.integers(0, 5), st.booleans(),
    ),
    max_size=30,
)  # fmt: skip


@given(some_fills, st.integers(-5_000, 5_000))
@settings(max_examples=200, deadline=None)
def test_three_accounts_agree_and_come_to_what_one_that_nets_does(
    rows: list[tuple[int, int, int, int, bool]], mark: int
) -> None:
    """The kernel's, the collector's and the naive one; what they come to is the same netted."""
    block = Block(ACCOUNT, 1)
    account = block.records[0]
    account["mark"] = UNDEF_PRICE
    naive, netting = NaiveHedge(), NaiveAccount()
    for side, price, lots, fee, closes in rows:
        _book(block.address, side, price, lots, fee, CLOSE if closes else OPEN)
        naive.fill(side, price, lots, fee, closes)
        netting.fill(side, price, lots, fee)
        for name in ("position", "cash", "realized", "fees", "volume"):
            assert account[name] == naive.total(name)
        for name in ("position", "cash", "fees", "volume", "max_position"):
            assert account[name] == getattr(netting, name)
        assert account["short_lots"] == -naive.short.position >= 0
        assert account["open_cost"] == naive.long.open_cost
        assert account["short_cost"] == naive.short.open_cost
        cost = account["open_cost"] + account["short_cost"]
        gross = account["realized"] + account["position"] * mark - cost
        assert gross == netting.realized + netting.position * mark - netting.open_cost
    ours = SideCosts(Sides())
    if rows:
        side, price, lots, _, closes = (np.array(column) for column in zip(*rows, strict=True))
        half = len(rows) // 2
        for part in (slice(0, half), slice(half, None)):
            ours.add((side * lots)[part], price[part], closes[part])
    assert ours.realized == account["realized"]
    assert (ours.sides.long, ours.sides.short) == (naive.long.position, naive.short.position)


def test_a_closing_fill_that_is_too_large_opens_with_the_rest() -> None:
    # Long 2 at 10; 5 sold at 12 as a close: 2 x 2 realised, and short 3 at 12.
    block = Block(ACCOUNT, 1)
    _book(block.address, 1, 10, 2, 0, OPEN)
    _book(block.address, -1, 12, 5, 0, CLOSE)
    found = [int(block.records[0][name]) for name in ("realized", "short_lots", "short_cost")]
    assert found == [4, 3, -36]


def test_shares_of_a_commission_add_up() -> None:
    # 5 lots sold for 8: 2 close, 3 open: 3 (of 3.2) and the other 5.
    sides = Sides(long=2)
    parts = sides.split(np.array([-5, -1]), np.array([True, False]))
    assert parts.signed.tolist() == [-2, -3, -1]
    assert parts.after.tolist() == [0, -3, -4]
    assert parts.commissions(np.array([8, 1]), np.array([5, 1])).tolist() == [3, 5, 1]
    assert parts.more_held(2).tolist() == [1, 1]


def test_shares_of_a_large_commission_do_not_wrap() -> None:
    """Fee x lots, in 1e-9 currency, leaves 64 bits: 5,000 of 10,000,000 lots, 4,000,000 closed."""
    sides = Sides(long=4_000_000)
    parts = sides.split(np.array([-10_000_000]), np.array([True]))
    found = parts.commissions(np.array([5_000 * 10**9]), np.array([10_000_000]))
    assert found.tolist() == [2_000 * 10**9, 3_000 * 10**9]
    assert found.dtype == np.int64


# --- what a run leaves ----------------------------------------------------------------------------


class HedgeBook(Book):
    """As `Book`, whose fills say what they do; realised P&L is given by hand."""

    def hedge(self, signed: int, price: int, effect: int, realized: int) -> "HedgeBook":
        self.fill(signed, price)
        self.fills[-1]["effect"] = effect
        self.realized = realized
        return self


def told(leg: FakeLeg, realized: int = 4 * E9) -> HedgeBook:
    """2 bought at 100, 1 sold at 103 to open, 1 sold at 104 to close (+4); all marked at 102."""
    story = HedgeBook(leg)
    story.hedge(2, 100 * E9, OPEN, 0).hedge(-1, 103 * E9, OPEN, 0)
    story.hedge(-1, 104 * E9, CLOSE, realized).sample(102 * E9)
    return story


def collect(path: Path, story: Book, **more: Any) -> Any:
    fills, orders, samples = drained(story)
    with Collector(path, "seed: 0\n", **more) as collector:
        collector.add(fills, orders, samples, [story.leg])
        collector.finish("complete", manifest())
    return load_run(path)


def test_margin_and_closed_trades_go_by_side(tmp_path: Path) -> None:
    """10 a point. Long 1 at 100 and short 1 at 103, marked at 102: +2 and +1 points.

    Margin is 7 for each lot of either side: 2 + 1 = 3 lots at the most. One trade is closed; an
    account that nets has closed two, and has nothing left.
    """
    leg = FakeLeg(symbol="X", multiplier_num=10)
    run = collect(tmp_path / "hedging", told(leg), margins={"X": [(0, 7 * E9)]})
    assert run.fills["position_effect"].to_pylist() == ["OPEN", "OPEN", "CLOSE"]
    found = run.metrics.to_pylist()[0]
    assert (found["realized_pnl"], found["unrealized_pnl"]) == (40 * E9, 30 * E9)
    assert (found["closed_trades"], found["largest_win"]) == (1, 40 * E9)
    assert closed_trades(run)[1].tolist() == [40 * E9]
    assert found["peak_margin"] == 21 * E9
    netted = Book(leg).fill(2, 100 * E9).fill(-1, 103 * E9).fill(-1, 104 * E9).sample(102 * E9)
    run = collect(tmp_path / "netting", netted, margins={"X": [(0, 7 * E9)]})
    found = run.metrics.to_pylist()[0]
    assert (found["realized_pnl"], found["unrealized_pnl"]) == (70 * E9, 0)
    assert (found["closed_trades"], found["peak_margin"]) == (2, 14 * E9)
    assert closed_trades(run)[1].tolist() == [30 * E9, 40 * E9]


def test_books_that_do_not_agree_on_a_side_end_the_run(tmp_path: Path) -> None:
    story = told(FakeLeg(symbol="X"), realized=5 * E9)
    with pytest.raises(SimulationError, match=r"realised P&L of both sides: expected 4000000000"):
        collect(tmp_path / "run", story)


def test_the_report_says_how_positions_are_kept(tmp_path: Path) -> None:
    run = collect(tmp_path / "run", told(FakeLeg(symbol="X")))
    config = run.manifest["config"]
    assert "Positions" not in dict(assumptions(config))
    config["backtest"]["account"] = {"position_mode": "hedging"}
    config["strategy"] = [{"name": "a", "account": {"position_mode": "netting"}}]
    said = dict(assumptions(config))
    assert (said["Positions"], said["Of a alone"]) == ("hedging", "positions netting")
