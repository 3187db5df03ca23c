"""The results themselves, pinned. A digest here changes only with a reason in CHANGELOG.md."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from stories import models_of
from tapewire.market import InstrumentTable
from tapewire.replay import read_records
from tapewire.replay.synth import synthesize
from tapewire.router import Simulation, SimulationConfig, StrategySpec
from tapewire.strategies import STRATEGIES

TICK = 250_000_000


def digests_of(records: np.ndarray, symbol: str, **settings: Any) -> dict[str, str]:
    instruments = InstrumentTable(
        [(symbol, int(records["instrument_id"][0]))], {symbol: (TICK, Fraction(50))}
    )
    strategies = tuple(
        StrategySpec(name, STRATEGIES[name], {k: v.default for k, v in parameters.items()})
        for name in ("market_maker", "sma_crossover")
        for parameters in [STRATEGIES[name].parameters]
    )
    simulation = Simulation(SimulationConfig(instruments, strategies, **settings))
    for at in range(0, records.size, 4096):
        simulation.feed(records[at : at + 4096])
        simulation.drain()
    simulation.finish()
    simulation.drain()
    return {name: digest[:16] for name, digest in simulation.digests().items()}


def test_esh4_of_christmas_day(data_file: Callable[[str], Path]) -> None:
    path = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    _, records = read_records(path)
    assert digests_of(records, "ESH4") == {
        "market_maker": "81375b1afd50813a",
        "sma_crossover": "f13519137b8b6d70",
    }
    assert digests_of(
        records, "ESH4", models=models_of(60, 60, fee=850_000_000, impact_ppm=500_000)
    ) == {
        "market_maker": "b8a949b3705e654e",
        "sma_crossover": "c4d76a75cf87f94d",
    }


def test_a_synthetic_session(tmp_path: Path) -> None:
    path = tmp_path / "day.dbn"
    synthesize(path, events=200_000, seed=7)
    _, records = read_records(path)
    assert digests_of(records, "TWA1") == {
        "market_maker": "2fc9a9b34f60cc94",
        "sma_crossover": "0e9a6401b08b098a",
    }
