"""What a compiled strategy knows, and its loss limit, equal those of a naive desk."""

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from generated import UNIT, Steady, generated_log, readable, write
from naive.desk import NaiveDesk
from seeds import play_seeds
from stories import START_NS, configure, run
from tapewire.execution.codes import FillReason, Reason
from tapewire.router import RiskLimits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


seeds = st.integers(0, 2**32 - 1)


def compare_desks(
    folder: Path, seed: int, events: int, notice: str, policy: str | None, batch: int
) -> NaiveDesk | None:
    """Play both; None if something was told late, which the desk does not know how to do.

    No two things happen at one time: the log sends at odd ns, and latencies are odd, too.
    """
    draw = random.Random(seed)
    market = Steady(draw)
    for side, price in (("B", -1), ("A", 2)):
        market.emit(market.new(side, price * UNIT, 5))
    for _ in range(events):
        market.step(False)
    log = generated_log(
        draw, draw.randint(20, 80), market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT
    )
    records = market.records()
    end = int(records["ts_recv"].max())
    log = log[:1] + [row for row in log[1:] if row.ts + 37 <= end]
    log = [replace(row, ts=row.ts + 2_000_037) for row in log]
    records["ts_event"][2:] += 2_000_000
    records["ts_recv"][2:] += 2_000_000
    loss, multiplier, fee = draw.randint(1, 30) * UNIT, draw.choice((1, Fraction(1, 8), 3)), 10**7
    feed_us = draw.choice((0, 2))
    twin = NaiveDesk(
        log, 5_011, 5_013, fee=fee, multiplier=Fraction(multiplier), feed_ns=feed_us * 1000,
        notice=notice, max_loss=None if policy is None else loss, flatten=policy == "flatten",
    ).run(records)  # fmt: skip
    limits = RiskLimits() if policy is None else RiskLimits(max_loss=loss, on_max_loss=policy)
    config = configure(
        write(log, folder), entry_us="5.011", response_us="5.013", fee=fee,
        feed_us=feed_us, multiplier=multiplier, limits=limits, fill_notice=notice, event_log=True,
    )  # fmt: skip
    simulation, tables = run(config, records, batch)
    if simulation.counts["late_responses"]:
        return None
    names = list(twin.fills[0]) if twin.fills else ["last_px"]
    assert readable(tables.fills, names, FillReason) == twin.fills
    names = list(twin.orders[0]) if twin.orders else ["status"]
    orders = readable(tables.orders, names, Reason)
    for denied in (True, False):
        assert [o for o in orders if (o["status"] == "DENIED") is denied] == [
            o for o in twin.orders if (o["status"] == "DENIED") is denied
        ]
    assert simulation.counts["fills_known_before_capture"] == twin.early
    assert simulation.counts["fills_known_before_capture_ns_max"] == twin.early_ns_max
    halts = simulation.loss_halts()
    told = [((h.ts_ns, h.pnl), h.positions[0].at_halt) for h in halts]
    assert told == ([(twin.halt, twin.halt_position)] if twin.halt else [])
    assert [h.closing_orders for h in halts] == ([twin.closers] if twin.halt else [])
    assert [h.positions[0].at_end for h in halts] == ([twin.position] if twin.halt else [])
    return twin


notices = st.sampled_from(["response", "feed"])
policies = st.sampled_from([None, "halt", "flatten"])


@given(seeds, st.integers(60, 250), notices, policies, st.sampled_from([0, 1, 7]))
@settings(max_examples=60)
def test_notices_and_the_loss_limit(
    folder: Path, seed: int, events: int, notice: str, policy: str | None, batch: int
) -> None:
    assume(compare_desks(folder, seed, events, notice, policy, batch) is not None)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(3))
def test_six_hundred_desks(folder: Path, part: int) -> None:
    def play(seed: int) -> None:
        draw = random.Random(f"settings of {seed}")
        notice, policy = draw.choice(("response", "feed")), draw.choice((None, "halt", "flatten"))
        compare_desks(folder, seed, draw.randint(60, 400), notice, policy, draw.choice((0, 1, 7)))

    play_seeds("six_hundred_desks", 200, play)


def test_notices_and_loss_limits_of_every_kind(folder: Path) -> None:
    """The same for fixed markets, which reach everything there is to reach."""
    reached: Counter[Any] = Counter()
    for seed in range(80):
        notice, policy = ("response", "feed")[seed % 2], ("halt", "flatten")[seed // 2 % 2]
        twin = compare_desks(folder, seed, 200, notice, policy, 0)
        if twin is None:
            continue
        reached[notice, policy, bool(twin.halt)] += 1
        reached["closed in steps"] += twin.closers > 1
        reached["early"] += twin.early > 0
    for notice in ("response", "feed"):
        for policy in ("halt", "flatten"):
            assert reached[notice, policy, True] > 0
            assert reached[notice, policy, False] > 0
    assert reached["closed in steps"] > 0
    assert reached["early"] > 0
