"""Strategies in plain Python on hand-made markets."""

from typing import Any

import numpy as np

from stories import Tape, configure, run
from tapewire.router import RiskLimits, StrategySpec
from tapewire.strategies.plain import Strategy

PRICE = 10**9


def quoted() -> Tape:
    """A book of 5 at 100 and 10 at 101, shown at 1 and 2 µs."""
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10)


def spec_of(
    kind: type[Strategy], name: str = "mine", *, limits: RiskLimits | None = None,
    symbols: tuple[str, ...] = (), **parameters: Any,
) -> StrategySpec:  # fmt: skip
    """A strategy as a run takes it."""
    checked = kind(**parameters).parameters
    return StrategySpec(name, kind.definition(), checked, symbols, limits=limits or RiskLimits())


def play(
    kind: type[Strategy], tape: Tape | np.ndarray, *, limits: RiskLimits | None = None,
    batch: int = 1_000_000, parameters: dict[str, Any] | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Run a strategy alone; the simulation and its rows."""
    one = spec_of(kind, limits=limits, **(parameters or {}))
    records = tape.records() if isinstance(tape, Tape) else tape
    return run(configure(None, others=[one], **settings), records, batch)
