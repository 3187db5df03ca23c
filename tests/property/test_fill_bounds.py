"""What holds of fills whatever the market: bounds between models, limits, volume, time.

On generated markets and on a real one, with order logs whose orders rest.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated import UNIT, Market, write
from naive.dbn import read_mbo
from naive.estimates import ESTIMATES
from naive.queues import Row
from naive.sharing import FILLS, QUEUES
from stories import INSTRUMENT, LAST, PUBLISHER, START_NS, configure, run
from tapewire.execution.codes import FillReason, Liquidity
from tapewire.execution.models import built_in
from tapewire.router import StrategySpec
from tapewire.strategies import STRATEGIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def orders_near(
    draw: random.Random, n: int, length_ns: int, price_of: Callable[[int], int]
) -> list[Row]:
    """Orders of one to thirty lots at all times, some of them canceled; none is ever enlarged."""
    log = []
    for k in range(n):
        at = START_NS + draw.randrange(max(1, length_ns))
        lots = draw.choice((1, 2, 5, 30))
        log.append(Row(at, "new", f"o{k}", draw.choice("BA"), price_of(at), lots, "GTC"))
        if draw.random() < 0.3:
            log.append(Row(at + draw.choice((20_000, 5_000_000)), "cancel", f"o{k}"))
    return log


def fills_of(
    records: np.ndarray, log: list[Row], folder: Path, fill: str, queue: str = "fifo"
) -> tuple[np.ndarray, np.ndarray]:
    """(fills, orders) of a log; a halt's end would let orders meet that came long before."""
    config = configure(
        write(log, folder), entry_us=5, response_us=5, policy="warn",
        fill=built_in("fill", fill), queue=built_in("queue", queue),
    )  # fmt: skip
    _, rows = run(config, records)
    return rows.fills, rows.orders


def lots_alone(
    records: np.ndarray, log: list[Row], folder: Path, fill: str, queue: str = "fifo"
) -> dict[str, int]:
    """Lots that each order of a log fills as the only one of its strategy."""
    specs = []
    for name in {row.name: None for row in log}:
        path = folder / name
        path.mkdir(exist_ok=True)
        own = write([row for row in log if row.name == name], path)
        specs.append(StrategySpec(name, STRATEGIES["order_log"], {"path": own}))
    config = configure(
        None, entry_us=5, response_us=5, others=specs,
        fill=built_in("fill", fill), queue=built_in("queue", queue),
    )  # fmt: skip
    simulation, rows = run(config, records)
    names = {leg.leg: leg.strategy_id for leg in simulation.legs}
    found = dict.fromkeys((spec.strategy_id for spec in specs), 0)
    for row in rows.fills:
        found[names[int(row["leg"])]] += int(row["last_qty"])
    return found


def check_bounds(
    records: np.ndarray, log: list[Row], folder: Path, guesses: Sequence[str] = ()
) -> set[str]:
    """Check bounds between models of each order; returns those that differ from the exact queue.

    Each order is alone: what one of several gets another one does not. ``guesses`` are queue models
    that go by the sizes of levels.
    """
    lots = {name: lots_alone(records, log, folder, name) for name in FILLS}
    for name, exact in lots["mbo_queue"].items():
        assert lots["pessimistic"][name] <= exact <= lots["optimistic"][name], name
        assert lots["pessimistic"][name] <= lots["probabilistic"][name] <= exact, name
    assert lots["trade_through"] == lots["pessimistic"]
    for guess in guesses:
        lots[guess] = lots_alone(records, log, folder, "mbo_queue", guess)
        for name, guessed in lots[guess].items():
            assert lots["pessimistic"][name] <= guessed <= lots["optimistic"][name], (guess, name)
    return {name for name in lots if lots[name] != lots["mbo_queue"]}


def check_each(records: np.ndarray, fills: np.ndarray, orders: np.ndarray) -> None:
    """No fill beyond its order, its limit, its price, its time, or what was there to trade."""
    by_number = {int(order["client_order_id"]): order for order in orders}
    for number in np.unique(fills["client_order_id"]):
        order = by_number[int(number)]
        own = fills[fills["client_order_id"] == number]
        assert own["last_qty"].sum() == order["filled_qty"] <= order["quantity"]
        assert (own["ts_event"] >= order["ts_arrived"]).all(), "filled before it was there"
        makers = own[own["liquidity"] == Liquidity.MAKER]
        at_auction = makers["reason"] == FillReason.AUCTION
        worse = (own["last_px"] - order["price"]) * int(order["side"])
        assert (worse <= 0).all(), "worse than its limit"
        assert (makers["last_px"][~at_auction] == order["price"]).all(), "better than its price"
    # The same lot never fills two orders: all of a side is within what traded at that time and
    # what was left of those who came in across it.
    resting = (fills["liquidity"] == Liquidity.MAKER) & (fills["reason"] != FillReason.AUCTION)
    clock = np.maximum.accumulate(records["ts_event"])  # a snapshot's records carry old times
    ends = records["flags"] & LAST != 0
    event = np.cumsum(ends) - ends
    for ts in np.unique(fills["ts_event"][resting]):
        volume = sum(
            max(int(records["size"][(event == one) & (records["action"] == ord(a))].sum())
                for a in "TF")
            for one in np.unique(event[clock == ts])
        )  # fmt: skip
        there = records[np.isin(event, event[clock == ts])]
        for side, other in ((1, "A"), (-1, "B")):
            came_in = np.isin(there["action"], [ord("A"), ord("M")]) & (there["side"] == ord(other))
            got = fills["last_qty"][resting & (fills["ts_event"] == ts) & (fills["side"] == side)]
            assert got.sum() <= volume + there["size"][came_in].sum(dtype=np.int64)


@given(
    st.integers(0, 2**32 - 1), st.integers(20, 200), st.sampled_from(list(FILLS)),
    st.sampled_from(["fifo", *QUEUES, *ESTIMATES]), st.booleans(),
)  # fmt: skip
@settings(max_examples=20)
def test_generated_markets(
    folder: Path, seed: int, events: int, fill: str, queue: str, crossing: bool
) -> None:
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(crossing)
    records = market.records()
    log = orders_near(
        draw, draw.randint(1, 40), market.clock - START_NS, lambda _: draw.randint(-2, 3) * UNIT
    )
    check_each(records, *fills_of(records, log, folder, fill, queue))
    check_bounds(records, log[:12], folder, [draw.choice(list(ESTIMATES))])


def test_a_real_market(folder: Path, data_file: Callable[[str], Path]) -> None:
    """ESH4 on 25 December 2023, pre-open and the first half hour, orders near the touch."""
    records = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))[:48_000].copy()
    records["instrument_id"] = INSTRUMENT
    draw = random.Random(8)
    trades = records[records["action"] == ord("T")]
    log = []
    for k in range(400):
        at = trades[draw.randrange(len(trades) - 20)]
        when = int(at["ts_event"]) + draw.randint(-2_000_000, 2_000_000)
        price = int(at["price"]) + draw.randint(-4, 4) * 250_000_000
        log.append(Row(when, "new", f"o{k}", draw.choice("BA"), price, draw.choice((1, 5, 30))))
        if draw.random() < 0.3:
            log.append(Row(when + 60 * UNIT, "cancel", f"o{k}"))
    queues = ("pro_rata", *ESTIMATES)
    for fill, queue in (
        *((fill, "fifo") for fill in FILLS), *(("mbo_queue", queue) for queue in queues)
    ):  # fmt: skip
        check_each(records, *fills_of(records, log, folder, fill, queue))
    guesses = ["risk_adverse_queue_model", "power_prob_queue_model2"]
    differ = check_bounds(records, log[:150], folder, guesses)
    assert {"pessimistic", "optimistic", *guesses} <= differ


def test_a_real_market_of_quotes(folder: Path, data_file: Callable[[str], Path]) -> None:
    """GOOGL on 3 April 2024, of a publisher that gives the best of each side; orders join it."""
    records = read_mbo(data_file("dbeq/dbeq-basic-20240403.mbo.dbn.zst"))
    records = records[(records["publisher_id"] == 41) & (records["instrument_id"] == 7152)]
    records = records[:60_000].copy()
    records["publisher_id"], records["instrument_id"] = PUBLISHER, INSTRUMENT
    draw = random.Random(3)
    trades = records[records["action"] == ord("T")]
    log = []
    for k in range(60):
        at = trades[draw.randrange(len(trades))]
        before = records["ts_event"] < at["ts_event"]
        there = records[
            before & (records["action"] == ord("A")) & (records["price"] == at["price"])
        ]
        if there.size:
            when, side = int(there["ts_event"][-1]) + 1_000, chr(there["side"][-1])
            price, lots = int(at["price"]), draw.choice((1, 50, 400))
            log.append(Row(when, "new", f"o{k}", side, price, lots, "GTC"))
            log.append(Row(when + 60 * UNIT, "cancel", f"o{k}"))
    guesses = ["risk_adverse_queue_model", "log_prob_queue_model"]
    for queue in guesses:
        check_each(records, *fills_of(records, log, folder, "mbo_queue", queue))
    differ = check_bounds(records, log, folder, guesses)
    assert differ >= {"pessimistic", "optimistic"}
    assert "risk_adverse_queue_model" not in differ, "it is what there is in place of a queue"
