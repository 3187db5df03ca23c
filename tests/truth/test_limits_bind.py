"""A limit that binds costs a strategy orders, never the run its results."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stories import models_of, run
from tapewire.execution.codes import OrderStatus, Reason
from tapewire.market import InstrumentTable
from tapewire.replay import read_records
from tapewire.router import Drained, RiskLimits, Simulation, SimulationConfig, StrategySpec
from tapewire.strategies import STRATEGIES

TICK = 250_000_000
EXAMPLES = ("market_maker", "sma_crossover")
#: What the specification's own configuration says.
SPECIFIED = RiskLimits(
    max_position=100, max_order_size=50, max_loss=10_000 * 10**9, max_orders_per_second=100
)
#: Each limit by itself, so tight that it binds within minutes of any market.
TIGHT = {
    "position": (RiskLimits(max_position=1), TICK, Reason.MAX_POSITION),
    "order size": (RiskLimits(max_order_size=1), TICK, Reason.MAX_ORDER_SIZE),
    "order rate": (RiskLimits(max_orders_per_second=1), TICK, Reason.MAX_ORDER_RATE),
    "loss": (RiskLimits(max_loss=25 * 10**9), TICK, Reason.MAX_LOSS),
    "tick size": (RiskLimits(), 3 * TICK // 2, Reason.INVALID_PRICE),
}


def play(
    records: np.ndarray, symbol: str, limits: RiskLimits, tick: int = TICK, **parameters: Any
) -> tuple[Simulation, Drained]:
    instruments = InstrumentTable(
        [(symbol, int(records["instrument_id"][0]))], {symbol: (tick, Fraction(50))}
    )
    strategies = tuple(
        StrategySpec(name, STRATEGIES[name], defaults | parameters.get(name, {}), limits=limits)
        for name in EXAMPLES
        for defaults in [{k: v.default for k, v in STRATEGIES[name].parameters.items()}]
    )
    config = SimulationConfig(instruments, strategies, models=models_of(60, 60, fee=850_000_000))
    return run(config, records, 65_536)


@pytest.fixture(scope="module")
def session(synthetic_file: Path) -> np.ndarray:
    return read_records(synthetic_file)[1]


@pytest.mark.parametrize("name", TIGHT)
def test_a_tight_limit_leaves_both_examples_running(session: np.ndarray, name: str) -> None:
    limits, tick, reason = TIGHT[name]
    simulation, rows = play(
        session, "TWA1", limits, tick,
        market_maker={"quantity": 2}, sma_crossover={"position_size": 2},
    )  # fmt: skip
    denied = rows.orders[rows.orders["status"] == OrderStatus.DENIED]
    said = {Reason(r) for r in denied["reason"]}
    counts = simulation.counts
    assert counts["orders_denied"] == denied.size
    assert counts["orders_denied"] + counts["replaces_denied"] > 0
    assert said <= {reason}
    assert simulation.counts["events"] == session.size
    # Told once, an example waits for the market: no two denials of a side at one time.
    for leg in simulation.legs:
        mine = denied[denied["leg"] == leg.leg]
        times, often = np.unique(mine["ts_sent"], return_counts=True)
        assert often.max(initial=0) <= 4, (leg.strategy_id, times[often > 4])


def test_the_specified_limits_on_a_synthetic_session(session: np.ndarray) -> None:
    simulation, rows = play(session, "TWA1", SPECIFIED)
    assert simulation.counts["events"] == session.size
    assert {leg.strategy_id for leg in simulation.legs} == set(EXAMPLES)
    assert rows.fills.size > 0


def test_the_specified_limits_on_christmas_day(data_file: Callable[[str], Path]) -> None:
    _, records = read_records(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))
    simulation, rows = play(records, "ESH4", SPECIFIED)
    assert simulation.counts["events"] == records.size
    for leg in simulation.legs:
        fills = rows.fills[rows.fills["leg"] == leg.leg]
        assert fills.size > 0
        # Not broken off: the last fills are of the session's last tenth, unless it was halted.
        span = records["ts_recv"][-1] - records["ts_recv"][0]
        assert fills["ts_event"][-1] > records["ts_recv"][0] + 9 * (span // 10)
