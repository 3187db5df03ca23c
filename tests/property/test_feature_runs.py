"""What strategies see of features in a run is what a pass over the same records gives."""

import random
from typing import Any, ClassVar

import numpy as np
import pytest

from generated import Market
from markets import session
from tapewire import Strategy, Wants
from tapewire.features import FeaturePass, FeatureSet, Sampling
from tapewire.market import InstrumentTable
from tapewire.router import Simulation, SimulationConfig, StrategySpec

NAMES = (
    "mid", "microprice", "imbalance_3", "returns_1s", "volatility_1ms", "volatility_1s",
    "trade_flow_1ms", "trade_flow_1s", "order_flow_imbalance_1ms", "queue_depletion_bid_1s",
    "arrival_rate_1ms", "trade_rate_1s", "time_of_day",
)  # fmt: skip
#: (time, instrument, columns).
Row = tuple[int, int, bytes]


class Watching(Strategy):
    wants = Wants(features=NAMES)
    seen: ClassVar[list[Row]] = []

    def on_market_event(self, market: Any, context: Any) -> None:
        values = np.array([market.features[name] for name in NAMES])
        self.seen.append((context.now, market.instrument_id, values.tobytes()))


def run_rows(records: np.ndarray, start_ns: int = 0) -> list[Row]:
    """What a strategy sees after every event."""
    Watching.seen.clear()
    spec = StrategySpec("watching", Watching.definition(), {})
    simulation = Simulation(
        SimulationConfig(InstrumentTable([]), (spec,), warmup_until_ns=start_ns)
    )
    for at in range(0, len(records), 500):
        simulation.feed(records[at : at + 500])
    return list(Watching.seen)


def pass_rows(records: np.ndarray, start_ns: int = 0) -> list[Row]:
    ahead = FeaturePass(FeatureSet(NAMES), Sampling.of("1ev"), start_ns=start_ns)
    out: list[Row] = []
    for given in ahead.feed(records):
        _, instruments = ahead.keys(given.rows["book"])
        for ts, instrument_id, values in zip(
            given.rows["ts"].tolist(), instruments.tolist(), given.values, strict=True
        ):
            out.append((ts, instrument_id, values.tobytes()))
    return out


def stream(kind: int) -> np.ndarray:
    """A session of two books, or a generated market with crossings and snapshots."""
    if kind == 0:
        return session(4_000, 2, 5)
    market = Market(random.Random(kind))
    for _ in range(400):
        market.step(crossing=kind % 2 == 1)
    return market.records()


@pytest.mark.parametrize("kind", range(4))
def test_a_strategy_sees_the_rows_of_a_pass(kind: int) -> None:
    records = stream(kind)
    rows = run_rows(records)
    assert rows == pass_rows(records)
    assert len(rows) > 300


@pytest.mark.parametrize("kind", range(4))
def test_from_a_start_on_it_sees_those_of_the_whole_stream(kind: int) -> None:
    records = stream(kind)
    middle = len(records) // 2
    within = middle + int(np.argmin(records["flags"][middle:] & 128))
    for at in (middle, within + 1):  # within an event, too: it is seen as a whole
        start = int(records["ts_recv"][at])
        rows = run_rows(records, start)
        assert rows == pass_rows(records, start)
        assert 100 < len(rows) < len(pass_rows(records))
