"""Strategies that share a book equal their naive twins, and no lot is theirs twice."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated import UNIT, Market, generated_log, hanging_log, readable, write
from naive.company import NaiveCompany, Player
from seeds import play_seeds
from stories import START_NS, configure, models_of, run
from tapewire.execution.codes import FillReason, Reason
from tapewire.market.status import TradingState
from tapewire.router import StrategySpec
from tapewire.strategies import STRATEGIES

RULES = ("none", "none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement")
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def compare_company(folder: Path, seed: int, events: int, batch: int) -> NaiveCompany:
    """Two or three order logs in one market, together and by the twin."""
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(draw.random() < 0.5)
    records = market.records()
    span = market.clock - START_NS
    house_rule = draw.choice(RULES)
    players = {}
    for name in "abc"[: draw.randint(2, 3)]:
        log = generated_log(draw, draw.randint(1, 40), span, lambda: draw.randint(-2, 3) * UNIT)
        log = [replace(row, name=f"{name}-{row.name}") for row in log]
        rule = house_rule if draw.random() < 0.8 else draw.choice(RULES)
        players[name] = Player(log, 1_000 * draw.choice((5, 5, 7)), rule)
    states = []
    if draw.random() < 0.3:
        times = sorted(START_NS + 100 * draw.randint(0, span // 100) for _ in range(3))
        kinds = [TradingState.PRE_OPEN, TradingState.OPEN, TradingState.HALTED]
        states = [(ts, draw.choice(kinds)) for ts in times]
    twin = NaiveCompany(
        [], 0, 5_000, players=players, fee=3, states=[(ts, state.name) for ts, state in states]
    ).play(records)
    specs = []
    for name, player in players.items():
        (folder / name).mkdir(exist_ok=True)
        specs.append(
            StrategySpec(
                name, STRATEGIES["order_log"], {"path": write(player.log, folder / name)},
                models=models_of(player.entry_ns // 1000, 5, fee=3),
                shared_book="house", self_trade=player.prevention,
            )
        )  # fmt: skip
    config = configure(
        None, others=specs, states=[((ts - START_NS) / 1000, state) for ts, state in states]
    )
    simulation, tables = run(config, records, batch)
    late = simulation.counts["late_responses"] > 0
    for leg in simulation.legs:
        fills, orders = twin.rows_of(leg.strategy_id)
        mine = [rows[rows["leg"] == leg.leg] for rows in (tables.fills, tables.orders)]
        found = readable(mine[0], list(fills[0]) if fills else ["last_px"], FillReason)
        if late:
            found, fills = ([{**f, "ts_known": 0} for f in rows] for rows in (found, fills))
        assert found == fills
        assert readable(mine[1], list(orders[0]) if orders else ["status"], Reason) == orders
    return twin


@given(seeds, st.integers(5, 200), st.sampled_from([0, 1, 7]))
@settings(max_examples=120)
def test_generated_companies(folder: Path, seed: int, events: int, batch: int) -> None:
    compare_company(folder, seed, events, batch)


@given(seeds, st.integers(5, 200), st.sampled_from([0, 1, 7]))
@settings(max_examples=80)
def test_generated_companies_whose_orders_hang_together(
    folder: Path, seed: int, events: int, batch: int
) -> None:
    """Books balance, no group fills more than it has, and reduce-only orders reduce."""
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(draw.random() < 0.3)
    span = market.clock - START_NS

    def price() -> int:
        return draw.randint(-2, 3) * UNIT

    rule, specs, logs = draw.choice(RULES), [], {}
    for name in "abc"[: draw.randint(1, 3)]:
        log = hanging_log(draw, generated_log(draw, draw.randint(1, 40), span, price), price)
        logs[name] = {row.name: row for row in log if row.action == "new"}
        (folder / name).mkdir(exist_ok=True)
        specs.append(
            StrategySpec(
                name, STRATEGIES["order_log"], {"path": write(log, folder / name)},
                models=models_of(5, 5, fee=3), shared_book="house", self_trade=rule,
            )
        )  # fmt: skip
    config = configure(
        None, others=specs, tick=1, policy=draw.choice(("halt_fills", "warn")),
        market_order_in_halt=draw.choice(("wait", "expire")),
    )  # fmt: skip
    simulation, tables = run(config, market.records(), batch)
    for leg in simulation.legs:
        log, labels = logs[leg.strategy_id], leg.client_order_labels or ()
        position = 0
        filled: Counter[str] = Counter()
        for fill in tables.fills[tables.fills["leg"] == leg.leg]:
            name, lots = labels[int(fill["client_order_id"]) - 1], int(fill["last_qty"])
            assert not log[name].reduce or lots <= -int(fill["side"]) * position
            position += int(fill["side"]) * lots
            filled[name] += lots
        groups: dict[str, list[str]] = {}
        for name, row in log.items():
            if row.group:
                groups.setdefault(row.group, []).append(name)
        for names in groups.values():
            assert sum(filled[n] for n in names) <= max(log[n].quantity for n in names)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(3))
def test_six_hundred_companies(folder: Path, part: int) -> None:
    def play(seed: int) -> None:
        draw = random.Random(f"settings of {seed}")
        compare_company(folder, seed, draw.randint(5, 300), draw.choice((0, 1, 7)))

    play_seeds("six_hundred_companies", 200, play)


def test_companies_of_every_kind(folder: Path) -> None:
    """Fixed ones, which reach everything there is to reach."""
    reached: Counter[Any] = Counter()
    for seed in range(40):
        twin = compare_company(folder, seed, 150, 0)
        reached.update(row["reason"] for row in twin.fills)
        reached.update(row["reason"] for row in twin.orders)
    assert reached["COMPANY"] > 0
    assert reached["SELF_TRADE"] > 0
    assert {"QUEUE", "TAKEN", "TRADE_THROUGH", "CROSSED", "AUCTION"} <= reached.keys()
