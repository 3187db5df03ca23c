"""Synthetic markets for whole simulations, and the strategies that come along."""

import numpy as np

from tapewire.replay.synth import SyntheticSession
from tapewire.router import StrategySpec
from tapewire.strategies import STRATEGIES


def session(events: int, instruments: int, seed: int) -> np.ndarray:
    chunks = SyntheticSession(events, instruments=instruments, seed=seed).chunks(4_096)
    records = np.concatenate([chunk.copy() for chunk in chunks])
    records["publisher_id"] = 1
    assert (np.diff(records["ts_recv"].astype(np.int64)) >= 0).all()
    return records


def market(events: int = 30_000) -> np.ndarray:
    """A synthetic session of one instrument, renamed to that of the stories."""
    records = session(events, 1, 5)
    records["instrument_id"] = 7
    return records


def spec(name: str, kind: str, **parameters: object) -> StrategySpec:
    definition = STRATEGIES[kind]
    defaults = {key: p.default for key, p in definition.parameters.items()}
    return StrategySpec(name, definition, {**defaults, **parameters})
