"""Looking ahead asks for memory; it must not change what a record does."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapewire.bench.crowds import Crowd
from tapewire.market import BookSet, InstrumentTable, book
from tapewire.market.layout import FAR_ALL, FAR_NOTHING, FAR_ORDERS
from tapewire.router import Simulation, SimulationConfig, StrategySpec
from tapewire.strategies import STRATEGIES

NEAR = 1 << 60
#: (FAR_BYTES, FAR_LEVELS_BYTES) that make every size near, or orders far, or all of it.
DISTANCES = {FAR_NOTHING: (NEAR, NEAR), FAR_ORDERS: (0, NEAR), FAR_ALL: (0, 0)}


def feed(target: Any, records: np.ndarray, batch: int) -> None:
    for at in range(0, len(records), batch):
        target(records[at : at + batch])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    books=st.integers(1, 60),
    seed=st.integers(0, 2**32),
    batch=st.integers(1, 400),
    dropped=st.integers(0, 50),
)
def test_the_books_are_the_same_near_and_far(
    monkeypatch: pytest.MonkeyPatch, books: int, seed: int, batch: int, dropped: int
) -> None:
    crowd = Crowd(books, 12 * books, seed=seed, activity="zipf")
    chunks = [chunk.copy() for chunk in crowd.opening()]
    chunks += [chunk.copy() for chunk in crowd.steady(2_000)]
    # Without its beginning a stream has unknown orders and adds of ids that are taken.
    records = np.concatenate(chunks)[dropped:]
    records = np.concatenate([records, records[-300:]])
    found = []
    for far, (everything, levels) in DISTANCES.items():
        monkeypatch.setattr(book, "FAR_BYTES", everything)
        monkeypatch.setattr(book, "FAR_LEVELS_BYTES", levels)
        alone = BookSet()
        assert alone._market.state[0]["far"] == far
        simulation = Simulation(SimulationConfig(InstrumentTable([])))
        for target in (alone.apply, simulation.feed):
            feed(target, records, batch)
        keys = alone.keys()
        orders = [alone.orders(*key, side).tolist() for key in keys for side in "BA"]
        found.append((keys, orders, alone.counts, simulation.counts))
    assert found[0] == found[1] == found[2]


def test_strategies_do_the_same_near_and_far(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(30, 900, seed=3, activity="zipf")
    chunks = [chunk.copy() for chunk in crowd.opening()]
    chunks += [chunk.copy() for chunk in crowd.steady(20_000)]
    records = np.concatenate(chunks)
    digests = set()
    for everything, levels in DISTANCES.values():
        monkeypatch.setattr(book, "FAR_BYTES", everything)
        monkeypatch.setattr(book, "FAR_LEVELS_BYTES", levels)
        maker = STRATEGIES["market_maker"]
        defaults = {key: spec.default for key, spec in maker.parameters.items()}
        simulation = Simulation(
            SimulationConfig(InstrumentTable([]), (StrategySpec("maker", maker, defaults),))
        )
        feed(simulation.feed, records, 1_000)
        simulation.finish()
        assert simulation.drain().fills.size > 100
        digests.add(simulation.digest())
    assert len(digests) == 1
