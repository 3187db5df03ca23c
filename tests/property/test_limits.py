"""The compiled limits equal slow, obvious ones, step by step."""

import random
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive.limits import BEYOND, NaiveLeg, NaiveLimits
from stories import INSTRUMENT, OTHER_INSTRUMENT, OTHER_SYMBOL, PUBLISHER, START_NS, SYMBOL, Log
from tapewire.compiled.jit import jit_entry
from tapewire.execution.codes import Reason
from tapewire.execution.layout import execution_at
from tapewire.market.instruments import InstrumentTable
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import learn_fill, reserve
from tapewire.positions.codes import PORTFOLIO_REASONS, REASONS, Limit
from tapewire.positions.layout import account_at, limits_at
from tapewire.positions.limits import exposure_of
from tapewire.router import RiskLimits, Simulation, SimulationConfig, StrategySpec
from tapewire.router._layout import leg_at, router_at, watch_at
from tapewire.router._limits import (
    after_denial,
    check_order,
    count_message,
    count_trade,
    revalue_leg,
    risk_state,
)
from tapewire.strategies import STRATEGIES

UNIT = 10**9
MULTIPLIERS = (Fraction(5, 2), Fraction(1, 8))


@jit_entry
def _mark(address: int, book: int, price: int) -> int:
    router = router_at(address, 0)
    watch_at(router.watches, book).mark = price
    return 0


@jit_entry
def _value(address: int, leg: int, now_ns: int) -> int:
    router = router_at(address, 0)
    account = account_at(router.accounts, leg)
    account.mark = watch_at(router.watches, leg_at(router.legs, leg).book).mark
    revalue_leg(execution_at(router.execution, 0), router, leg, now_ns)
    return 0


@jit_entry
def _send(address: int, leg: int, side: int, price: int, lots: int, now_ns: int) -> int:
    router = router_at(address, 0)
    reason = check_order(router, leg, side, price, lots, lots, False, now_ns)
    if reason == 0:
        reserve(account_at(router.accounts, leg), side, lots)
    else:
        after_denial(execution_at(router.execution, 0), router, leg, reason, now_ns)
    return reason


@jit_entry
def _cancel(address: int, leg: int, side: int, lots: int) -> int:
    router = router_at(address, 0)
    reserve(account_at(router.accounts, leg), side, -lots)
    count_message(router, limits_at(router.limits, leg_at(router.legs, leg).instance))
    return 0


@jit_entry
def _fill(address: int, leg: int, side: int, price: int, lots: int, fee: int) -> int:
    router = router_at(address, 0)
    learn_fill(account_at(router.accounts, leg), side, price, lots, fee)
    count_trade(router, limits_at(router.limits, leg_at(router.legs, leg).instance))
    return 0


@jit_entry
def _state(address: int, instance: int, now_ns: int) -> int:
    router = router_at(address, 0)
    return risk_state(router, limits_at(router.limits, instance), now_ns)


def drawn_limits(draw: random.Random) -> tuple[dict[str, int], dict[str, str]]:
    """Limits that bind now and then: each is there half of the time."""
    ranges = {
        "max_order_size": (3, 6, 1), "max_position": (4, 12, 1),
        "max_gross_exposure": (300, 3_000, UNIT), "max_net_exposure": (200, 2_000, UNIT),
        "max_messages_per_trade": (3, 9, 1), "max_orders_per_second": (1, 5, 1),
        "max_loss": (5, 200, UNIT), "max_daily_loss": (5, 100, UNIT),
        "max_drawdown": (5, 200, UNIT),
    }  # fmt: skip
    bounds = {
        key: draw.randint(low, high) * unit
        for key, (low, high, unit) in ranges.items()
        if draw.random() < 0.4
    }
    kinds = ("deny", "deny", "cancel_all", "halt", "flatten")
    return bounds, {key: draw.choice(kinds) for key in bounds if draw.random() < 0.5}


def given_limits(bounds: dict[str, int], actions: dict[str, str]) -> RiskLimits:
    return RiskLimits(**bounds, **{f"on_{key}": action for key, action in actions.items()})  # type: ignore[arg-type]


class Both:
    """Two strategies in two books, compiled and naive, held against each other at every step."""

    def __init__(self, draw: random.Random, log: Path) -> None:
        self.draw = draw
        closes = [START_NS + draw.randint(1, 20) * UNIT for _ in range(3)]
        closes = sorted(set(closes))
        every = [drawn_limits(draw) for _ in range(3)]
        self.has_house = draw.random() < 0.7
        self.legs = [NaiveLeg(book, MULTIPLIERS[book]) for book in (0, 1, 0, 1)]
        self.own = [
            NaiveLimits(f"s{k}", self.legs[2 * k : 2 * k + 2], *every[k], closes) for k in (0, 1)
        ]
        self.house = NaiveLimits(None, self.legs, *every[2], closes) if self.has_house else None
        definition = STRATEGIES["order_log"]
        specs = tuple(
            StrategySpec(f"s{k}", definition, {"path": log}, limits=given_limits(*every[k]))
            for k in (0, 1)
        )
        table = InstrumentTable(
            [(SYMBOL, INSTRUMENT), (OTHER_SYMBOL, OTHER_INSTRUMENT)],
            {SYMBOL: (0, MULTIPLIERS[0]), OTHER_SYMBOL: (0, MULTIPLIERS[1])},
        )
        self.simulation = Simulation(
            SimulationConfig(
                table, specs, portfolio=given_limits(*every[2]) if self.has_house else None,
                session_closes=tuple(closes), publishers=(PUBLISHER,),
            )
        )  # fmt: skip
        records = self.simulation._memory.legs.records[:4]
        assert [(int(r["instance"]), int(r["book"])) for r in records] == [
            (0, 0), (0, 1), (1, 0), (1, 1),
        ]  # fmt: skip
        self.address = self.simulation._memory.router_address
        self.marks: dict[int, int] = {}
        self.trips: list[tuple[object, ...]] = []
        self.now = START_NS
        self.said: Counter[str] = Counter()

    @property
    def groups(self) -> list[NaiveLimits]:
        return [*self.own, self.house] if self.house else self.own

    def step(self) -> None:
        draw = self.draw
        self.now += draw.choice((0, 10**6, UNIT // 3, UNIT))
        kind = draw.choice(("mark", "mark", "send", "send", "send", "cancel", "fill", "fill"))
        leg = draw.randrange(4)
        if kind == "mark":
            self.mark(draw.randrange(2), draw.randint(-10, 120) * UNIT)
        elif kind == "send":
            price = draw.choice((None, draw.randint(80, 120) * UNIT))
            self.send(leg, draw.choice((1, -1)), price, draw.randint(1, 4))
        else:
            mine = self.legs[leg]
            side = draw.choice((1, -1))
            if not mine.open[side] or mine.book not in self.marks:
                return
            lots = draw.randint(1, mine.open[side])
            mine.open[side] -= lots
            if kind == "cancel":
                _cancel(self.address, leg, side, lots)
                for group in (self.own[leg // 2], self.house):
                    if group:
                        group.messages += 1
            else:
                self.fill(leg, side, self.marks[mine.book] + draw.randint(-3, 3) * UNIT, lots)
        self.check()

    def mark(self, book: int, price: int) -> None:
        self.marks[book] = price
        _mark(self.address, book, price)
        for k, leg in enumerate(self.legs):
            if leg.book == book and leg.position:
                self.value(k)

    def value(self, k: int) -> None:
        """Sessions end before what is found now, losses are measured after it."""
        leg, groups = self.legs[k], [g for g in (self.own[k // 2], self.house) if g]
        for group in groups:
            group.pass_closes(self.now)
        leg.value(self.marks[leg.book])
        for group in groups:
            self.trips += group.measure(self.now)
        _value(self.address, k, self.now)

    def fill(self, k: int, side: int, price: int, lots: int) -> None:
        leg, fee = self.legs[k], self.draw.randint(0, UNIT)
        leg.position += side * lots
        leg.cash -= side * lots * price
        leg.fees += fee
        for group in (self.own[k // 2], self.house):
            if group:
                group.trades += 1
        _fill(self.address, k, side, price, lots, fee)
        self.value(k)

    def send(self, k: int, side: int, price: int | None, lots: int) -> None:
        leg, own, house = self.legs[k], self.own[k // 2], self.house
        stopped, by = own.check(leg, side, lots, price, self.marks, self.now), own
        stopped = stopped or own.check_rate(self.now)
        if stopped is None and house:
            stopped, by = house.check(leg, side, lots, price, self.marks, self.now), house
            stopped = stopped or house.check_rate(self.now)
        found = _send(
            self.address, k, side, UNDEF_PRICE if price is None else price, lots, self.now
        )
        limits = self.simulation._memory.limits.records[k // 2]
        if stopped is None:
            assert found == 0
            leg.open[side] += lots
            for group in (own, house):
                if group:
                    group.sent.append(self.now)
                    group.messages += 1
            return
        key, *numbers = stopped
        self.said[key, by is house] += 1
        assert [int(limits["limit_value"]), int(limits["limit_found"])] == numbers
        if key == "no mark":
            assert found == Reason.NO_MARK
            return
        assert found == (PORTFOLIO_REASONS if by is house else REASONS)[Limit[key.upper()]]
        if key not in by.reached and by.action(key) != "deny":
            self.trips.append(by.trip(key, numbers[1], self.now))

    def check(self) -> None:
        told = [
            (t.strategy_id, t.ts_ns, t.limit.key, t.bound, t.found, t.action.name.lower())
            for t in self.simulation.limit_trips()
        ]
        assert told == self.trips
        for k, own in enumerate(self.own):
            for group in (own, self.house):
                if group:
                    group.pass_closes(self.now)
            expected = max(group.state for group in (own, self.house) if group)
            assert _state(self.address, k, self.now) == expected


def play(log: Path, seed: int, steps: int) -> Both:
    both = Both(random.Random(seed), log)
    for _ in range(steps):
        both.step()
    return both


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = Log().buy(10, "a", 1, 99)
    rows.rows += Log(symbol=OTHER_SYMBOL).buy(20, "b", 1, 99).rows
    return rows.write(tmp_path_factory.mktemp("log") / "log.csv")


@given(st.integers(0, 2**32 - 1), st.integers(20, 120))
@settings(max_examples=60)
def test_limits_equal_the_naive_ones(log: Path, seed: int, steps: int) -> None:
    play(log, seed, steps)


def test_every_limit_is_reached_by_somebody(log: Path) -> None:
    """The same for fixed draws, which reach everything there is to reach."""
    stopped: Counter[Any] = Counter()
    tripped: Counter[Any] = Counter()
    for seed in range(120):
        both = play(log, seed, 120)
        stopped.update(both.said)
        tripped.update((trip[2], trip[0] is None) for trip in both.trips)
    for limit in Limit:
        for of_all in (False, True):
            assert stopped[limit.key, of_all] > 0, (limit, of_all)
            assert tripped[limit.key, of_all] > 0, (limit, of_all)
    assert stopped["no mark", False] > 0


@jit_entry
def _exposure(lots: int, price: int, numerator: int, denominator: int) -> int:
    return exposure_of(lots, price, numerator, denominator)


@given(
    st.one_of(st.integers(-100, 100), st.integers(-(2**40), 2**40)),
    st.one_of(st.integers(-(10**13), 10**13), st.integers(-(2**62), 2**62)),
    st.integers(1, 10**18), st.integers(1, 10**9),
)  # fmt: skip
@settings(max_examples=500)
def test_an_exposure_is_exact_or_beyond_all(
    lots: int, price: int, numerator: int, denominator: int
) -> None:
    exact = abs(lots) * abs(price) * numerator // denominator
    found = _exposure(lots, price, numerator, denominator)
    if abs(lots) * abs(price) <= BEYOND and exact + numerator <= BEYOND:
        assert found == exact
    else:
        assert found in (exact, BEYOND)
