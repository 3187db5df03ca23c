"""Stepped simulations of real captures come to the digest of a run, in any steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from analytics_rows import uncosted
from tapewire.replay import read_records

ASKED: dict[str, Any] = {
    "strategies": ["market_maker", "sma_crossover"],
    "instruments": {"ESH4": {"tick_size": 0.25, "multiplier": 50}},
}


@pytest.fixture(scope="module")
def esh4(data_file: Callable[[str], Path]) -> Path:
    return data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")


@pytest.fixture(scope="module")
def whole(esh4: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    return tw.run(esh4, output=tmp_path_factory.mktemp("stepping") / "out", **ASKED)


@pytest.mark.parametrize("events", [None, 1, 1_000, 65_537])
def test_any_step(esh4: Path, whole: tw.RunResult, events: int | None) -> None:
    with tw.Simulation(esh4, **ASKED) as sim:
        while sim.step(events):
            pass
        assert sim.finish() == whole.digest
        assert sim.fills().equals(whole.fills)
        assert uncosted(sim.table("orders")).equals(uncosted(whole.orders))


def test_every_five_seconds_with_a_look_at_everything(esh4: Path, whole: tw.RunResult) -> None:
    records = read_records(esh4)[1]
    first, last = (int(records["ts_recv"][k]) for k in (0, -1))
    with tw.Simulation(esh4, **ASKED) as sim:
        # What is ahead of an order only becomes less, until it is replaced or gone.
        ahead: dict[tuple[str, str, int], int] = {}
        rested = 0
        for moment in np.arange(first, last + 5 * 10**9 + 1, 5 * 10**9):
            sim.step(until=int(moment))
            book = sim.book("ESH4")
            seen = {}
            for order in sim.orders():
                key = (order.strategy_id, order.client_order_id, order.replaces)
                assert order.ahead is not None
                assert order.leaves > 0
                if key in ahead:
                    assert order.ahead <= ahead[key]
                    rested += order.ahead < ahead[key]
                if order.price in book.bid_prices and order.side == "BUY":
                    at = int(np.flatnonzero(book.bid_prices == order.price)[0])
                    assert order.ahead <= book.bid_sizes[at]
                seen[key] = order.ahead
            ahead = seen
        assert rested > 50
        assert sim.finish() == whole.digest


def test_records_of_ones_own_in_uneven_pieces(esh4: Path, whole: tw.RunResult) -> None:
    records = read_records(esh4)[1]
    sim = tw.Simulation(instrument_ids={"ESH4": records["instrument_id"][0]}, **ASKED)
    at = 0
    for size in [1, 2, 3, 5_000, 17, 40_000, *[9_999] * 20]:
        sim.feed(records[at : at + size])
        at += size
    assert sim.events == len(records)
    assert sim.finish() == whole.digest
