"""The router: feeds batches to one compiled loop of book, orders, accounts and strategies."""

from .config import RiskLimits, SimulationConfig, StrategySpec
from .halts import HaltedPosition, LossHalt
from .simulation import Drained, LegInfo, Simulation

__all__ = [
    "Drained",
    "HaltedPosition",
    "LegInfo",
    "LossHalt",
    "RiskLimits",
    "Simulation",
    "SimulationConfig",
    "StrategySpec",
]
