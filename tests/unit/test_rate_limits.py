"""Limits where rates of currencies change: P&L of what is known, exactly, and exposures.

A price point of the instrument is 10 of its currency, and the rate is 1, from 400 on 2, from 700
on 0.5. The book: 50 bid at 100, 50 offered at 101. Orders take 50 µs to the exchange, word 50 µs
back; an event is captured 1 µs after it happened.
"""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from naive.account import NaiveHedge
from plain import spec_of
from stories import (
    INSTRUMENT,
    OTHER_INSTRUMENT,
    OTHER_SYMBOL,
    SYMBOL,
    Log,
    Played,
    Tape,
    configure,
    merge,
    models_of,
    ns,
    play,
    run,
)
from tapewire import Strategy, Wants
from tapewire.analytics.rates import Conversion, _Booked
from tapewire.compiled.jit import jit_entry
from tapewire.compiled.memory import Block
from tapewire.execution.codes import PositionEffect, Reason
from tapewire.execution.layout import NEVER, WORTH
from tapewire.execution.models import built_in
from tapewire.execution.worths import steps_begun
from tapewire.positions.accounting import learn_fill, revalue
from tapewire.positions.layout import ACCOUNT, LIMITS, account_at, limits_at
from tapewire.positions.worths import move_worth, realise, realise_sides
from tapewire.router import RiskLimits
from tapewire.runs.standing import money_now

UNIT = 10**9
RATES = {SYMBOL: [(0, 10, 1), (ns(400), 20, 1), (ns(700), 5, 1)]}


def played(folder: Path, log: Log, limits: RiskLimits, tape: Tape, **more: Any) -> Played:
    settings = {"multiplier": 10, "rates": RATES} | more
    return play(folder, tape, log, limits=limits, **settings)


def book() -> Tape:
    return Tape().add(0, 1, "B", 100, 50).add(1, 2, "A", 101, 50)


def move(tape: Tape, at: float, bid: float) -> Tape:
    return tape.event(at, tape.m(1, price=bid), tape.m(2, price=bid + 1))


def test_a_loss_is_found_at_the_rate_in_force(tmp_path: Path) -> None:
    """Long 2 at 101. At 99.5 the loss is 2 x 1.5 x 10 = 30, at 2 for 1 it is 60.

    The rate changes at 400, when nothing happens; the loss is found as the mark next moves, at 501:
    99 is 2 x 2 x 20 = 80.
    """
    tape = move(move(move(book(), 300, 99), 500, 98.5), 600, 95).tick(1_000)
    log = Log().buy(10, "in", 2, None)
    found = played(tmp_path, log, RiskLimits(max_loss=70 * UNIT), tape)
    (trip,) = found.simulation.limit_trips()
    assert (trip.ts_ns, trip.found) == (ns(501), 80 * UNIT)
    unchanged = played(tmp_path, log, RiskLimits(max_loss=70 * UNIT), tape, rates={})
    (trip,) = unchanged.simulation.limit_trips()
    assert (trip.ts_ns, trip.found) == (ns(601), 110 * UNIT)


def test_what_is_realised_keeps_its_rate(tmp_path: Path) -> None:
    """Sold 1 of 2 at 95 at a rate of 1: -60, whatever comes. The other one, at 94.5 and 2: -130."""
    tape = move(move(move(book(), 100, 95), 500, 94), 800, 93).tick(1_000)
    log = Log().buy(10, "in", 2, None).sell(200, "out", 1, None)
    found = played(tmp_path, log, RiskLimits(max_loss=180 * UNIT), tape)
    (trip,) = found.simulation.limit_trips()
    assert (trip.ts_ns, trip.found) == (ns(501), 190 * UNIT)


def test_a_day_begins_with_the_rate_that_was_in_force(tmp_path: Path) -> None:
    """The session closes at 600, at a loss of 2 x 1.5 x 20 = 60; the next day counts from there.

    At 98.5 and 0.5 for 1 it is 25, a gain; at 90 it is 2 x 10.5 x 5 = 105: 45 since the close.
    """
    tape = move(book(), 300, 99)
    for at, bid in ((500, 99.5), (550, 99), (750, 98), (800, 90)):
        move(tape, at, bid)
    limits = RiskLimits(max_daily_loss=40 * UNIT)
    log = Log().buy(10, "in", 2, None)
    found = played(tmp_path, log, limits, tape.tick(1_000), session_closes=(ns(600),))
    # Behind 400 the first move shows 99.5 to 100.5: 2 x 1 x 20 = 40, which is the limit.
    assert [(t.ts_ns, t.found) for t in found.simulation.limit_trips()] == [
        (ns(501), 40 * UNIT), (ns(801), 45 * UNIT),
    ]  # fmt: skip


def test_an_exposure_is_in_the_rate_in_force(tmp_path: Path) -> None:
    # 1 lot at 100.5 is 1,005; at 2 for 1 it is 2,010, and 2 lots at 0.5 are 1,005.
    limits = RiskLimits(max_gross_exposure=1_500 * UNIT)
    log = Log().buy(10, "a", 1, 50).cancel(20, "a").buy(450, "b", 1, 50).buy(750, "c", 2, 50)
    found = played(tmp_path, log, limits, book().tick(1_000))
    assert [found.orders[name].reason for name in "abc"] == [
        "USER_CANCEL", "MAX_GROSS_EXPOSURE", "END_OF_DATA",
    ]  # fmt: skip


class Late(Strategy):
    """Asks for a lot whenever a book with two sides moves."""

    wants = Wants(together=True)

    def on_book(self, market: Any, context: Any) -> None:
        if market.best_bid is not None and market.best_ask is not None:
            context.buy(1, price=50 * UNIT)


def test_a_book_that_opens_later_is_in_the_rate_in_force() -> None:
    # 100.5 x 20 is 2,010, above 1,500; at the rate of the start it would be 100.50.
    first = move(move(book(), 300, 99), 450, 99.5)
    later = Tape()
    later.instrument = OTHER_INSTRUMENT
    later.add(500, 1, "B", 100, 50).add(501, 2, "A", 101, 50)
    rates = {OTHER_SYMBOL: [(0, 1, 1), (ns(400), 20, 1)]}
    one = spec_of(Late, limits=RiskLimits(max_gross_exposure=1_500 * UNIT))
    _, rows = run(configure(None, others=[one], rates=rates), merge(first, later.tick(900)))
    is_denied = rows.orders["reason"] == Reason.MAX_GROSS_EXPOSURE
    assert set(rows.orders["instrument_id"][is_denied]) == {OTHER_INSTRUMENT}
    assert set(rows.orders["instrument_id"][~is_denied]) == {INSTRUMENT}


def test_all_together_are_valued_at_once(tmp_path: Path) -> None:
    tape = move(move(move(book(), 300, 99), 500, 98.5), 600, 95).tick(1_000)
    log = Log().buy(10, "in", 2, None)
    house = RiskLimits(max_loss=70 * UNIT)
    found = played(tmp_path, log, RiskLimits(), tape, portfolio=house)
    (trip,) = found.simulation.limit_trips()
    assert (trip.strategy_id, trip.ts_ns, trip.found) == (None, ns(501), 80 * UNIT)


# --- what else goes by a rate ---------------------------------------------------------------------


def test_fees_by_value_go_by_the_rate_of_their_fill(tmp_path: Path) -> None:
    """1 % of 101 x 10 is 10.10; at 2 for 1, of 100 x 20, 20; at 0.5, of 101 x 5, 5.05.

    The bill asks anew behind the loop, for fills at earlier rates, too.
    """
    log = Log().buy(10, "a", 1, None).sell(450, "b", 1, None).buy(750, "c", 1, None)
    rows = [{"line": "exchange", "maker_bps": 100, "taker_bps": 100}]
    models = replace(models_of(), fees=built_in("fees", "schedule", rows=rows))
    for batch in (0, 1):
        tape = book().tick(1_000)
        found = played(tmp_path, log, RiskLimits(), tape, models=models, batch=batch)
        paid = [10_100_000_000, 20 * UNIT, 5_050_000_000]
        assert found.rows.fills["commission"].tolist() == paid
        billed = found.rows.fees["fee"]
        assert billed[billed != 0].tolist() == paid


def test_impact_by_value_goes_by_the_rate_of_its_fill(tmp_path: Path) -> None:
    """A basis point for 100 of currency: 1,010 taken at 101 are 10.1 of them, 0.10201.

    At 2 for 1 it is twice that; at 0.5, half.
    """
    log = Log().buy(10, "a", 1, None).buy(450, "b", 1, None).buy(750, "c", 1, None)
    found = played(tmp_path, log, RiskLimits(), book().tick(1_000), impact_ppm=10**10)
    assert found.rows.fills["impact"].tolist() == [102_010_000, 204_020_000, 51_005_000]


def test_what_is_shown_meanwhile_keeps_what_was_realised_at_its_rate(tmp_path: Path) -> None:
    """Of 2 bought at 101 one is sold at 95 at a rate of 1: -60. The other is worth less at each.

    At 450, a middle of 95.5 and 2 for 1: -60 - 5.5 x 20 = -170; behind 700: -60 - 5.5 x 5 = -87.50.
    """
    log = Log().buy(10, "in", 2, None).sell(200, "out", 1, None)
    for until, expected in ((460, -170.0), (800, -87.5)):
        tape = move(book(), 100, 95).tick(until)
        found = played(tmp_path, log, RiskLimits(), tape)
        simulation = found.simulation
        assert simulation.pnl() == expected
        money = money_now(simulation.look().accounts(), simulation.worths())
        assert money["pnl"].tolist() == [int(expected * UNIT)]
        assert money["realized_pnl"].tolist() == [-60 * UNIT]


def test_each_side_is_realised_at_the_rate_of_its_fill(tmp_path: Path) -> None:
    """Long 2 at 101, short 1 at 100; one long is sold at 95 at 2 for 1: -6 x 20 = -120.

    The long and the short that are left are -1 point together: at 0.5, 5 less. An account that nets
    has sold a long at 100 first, at 1 for 1: -10, and the other one at 95: -120.
    """
    log = Log().buy(10, "long", 2, None).sell(100, "short", 1, None)
    log.sell(450, "out", 1, None, reduce_only=True)
    for hedges, expected in ((True, -125), (False, -130)):
        tape = move(move(book(), 300, 95), 800, 96).tick(1_000)
        found = played(tmp_path, log, RiskLimits(), tape, hedges=hedges)
        legs, rows, simulation = found.simulation.legs, found.rows, found.simulation
        assert simulation.pnl() == expected
        conversion = Conversion(RATES)
        conversion.add_fills(rows.fills, legs)
        conversion.add_samples(rows.samples, legs)
        blank = {
            name: np.zeros(len(rows.samples), np.int64)
            for name in ("realized_pnl", "unrealized_pnl", "pnl")
        }
        assert conversion.convert(rows.samples, legs, blank)["pnl"][-1] == expected * UNIT


# --- the account of what is known, against the collector's ----------------------------------------


@jit_entry
def _learn(
    accounts: Any, limits: Any, side: int, price: int, lots: int, ts_event: int, now_ns: int
) -> None:
    account = account_at(accounts, 0)
    realise(account, side, price, lots, ts_event)
    learn_fill(account, side, price, lots, 0)
    move_worth(account, now_ns)
    revalue(account, limits_at(limits, 0))


steps = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 50), st.integers(1, 7)), max_size=5)
some_fills = st.lists(
    st.tuples(
        st.sampled_from((1, -1)), st.integers(-500, 500), st.integers(1, 5), st.integers(0, 9),
        st.integers(0, 9),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@given(steps, some_fills, st.integers(-500, 500))
@settings(max_examples=200, deadline=None)
def test_what_is_known_is_what_the_collector_makes_of_the_same_fills(
    later: list[tuple[int, int, int]], fills: list[tuple[int, int, int, int, int]], mark: int
) -> None:
    known = {ts: Fraction(num, den) for ts, num, den in later} | {0: Fraction(3, 2)}
    rates = [(ts, *known[ts].as_integer_ratio()) for ts in sorted(known)]
    accounts, limits, worths = Block(ACCOUNT, 1), Block(LIMITS, 1), Block(WORTH, len(rates) + 1)
    worths.records[:-1] = rates
    worths.records[-1] = NEVER, 1, 1
    account = accounts.records[0]
    account["mark"], account["worths"], account["worth_n"] = mark, worths.address, 1
    account["multiplier_num"], account["multiplier_den"] = rates[0][1:]
    now, position, cash, cost, realized, money = 0, 0, 0, 0, 0, 0
    for side, price, lots, wait, lag in fills:
        ts_event, now = now + wait, now + wait + lag
        _learn(accounts.address, limits.address, side, price, lots, ts_event, now)
        rate = known[max(ts for ts in known if ts <= ts_event)]
        closing = min(lots, abs(position)) if position * side < 0 else 0
        if closing:
            share = cost * closing // abs(position)
            gained = price * closing * (1 if position > 0 else -1) - share
            cost, realized = cost - share, realized + gained
            money += (gained * rate).__floor__()
        cost += side * price * (lots - closing)
        position, cash = position + side * lots, cash - side * price * lots
        rate = known[max(ts for ts in known if ts <= now)]
        opened = (position * mark + cash - realized) * rate
        assert account["known_pnl"] == money + opened.__floor__()
        assert limits.records[0]["known_pnl"] == account["known_pnl"]
    assert account["base_units"] == realized


@jit_entry
def _learn_sides(
    accounts: Any, side: int, price: int, lots: int, ts_event: int, effect: int, short: int
) -> None:
    account = account_at(accounts, 0)
    realise_sides(account, side, price, lots, ts_event, effect, short)
    learn_fill(account, side, price, lots, 0)


@given(steps, some_fills, st.lists(st.booleans(), min_size=25, max_size=25))
@settings(max_examples=200, deadline=None)
def test_both_sides_are_what_the_collector_makes_of_them(
    later: list[tuple[int, int, int]], fills: list[tuple[int, int, int, int, int]],
    closes: list[bool],
) -> None:  # fmt: skip
    """The kernel's account, the collector's, and the slow one's gains at the rate of each fill."""
    known = {ts: Fraction(num, den) for ts, num, den in later} | {0: Fraction(3, 2)}
    rates = [(ts, *known[ts].as_integer_ratio()) for ts in sorted(known)]
    accounts, worths = Block(ACCOUNT, 1), Block(WORTH, len(rates) + 1)
    worths.records[:-1] = rates
    worths.records[-1] = NEVER, 1, 1
    account = accounts.records[0]
    account["worths"], account["worth_n"] = worths.address, 1
    naive, booked, now, money = NaiveHedge(), _Booked(), 0, 0
    for (side, price, lots, wait, _), is_close in zip(fills, closes, strict=False):
        now += wait
        short, before = -naive.short.position, naive.total("realized")
        effect = PositionEffect.CLOSE if is_close else PositionEffect.OPEN
        _learn_sides(accounts.address, side, price, lots, now, int(effect), short)
        naive.fill(side, price, lots, 0, is_close)
        rate = known[max(ts for ts in known if ts <= now)]
        money += ((naive.total("realized") - before) * rate).__floor__()
        booked.fill_sides(
            *(np.array([value]) for value in (
                side * lots, price, is_close, rate.numerator, rate.denominator,
            ))
        )  # fmt: skip
        assert (account["base_units"], account["base_money"]) == (naive.total("realized"), money)
        assert booked.kept[-1][1:] == (naive.total("realized"), money)


@given(steps, st.lists(st.integers(0, 70), min_size=1, max_size=9))
def test_a_step_is_found_from_wherever_it_is_looked_for(
    later: list[tuple[int, int, int]], times: list[int]
) -> None:
    begins = sorted({0, *(ts for ts, _, _ in later)})
    worths = Block(WORTH, len(begins) + 1)
    worths.records["ts"] = [*begins, NEVER]
    near = 1
    for ts in times:
        near = _begun(worths.address, near, ts)
        assert near == sum(begin <= ts for begin in begins)


@jit_entry
def _begun(worths: int, near: int, ts: int) -> int:
    found: int = steps_begun(worths, near, ts)
    return found
