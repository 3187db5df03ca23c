"""The router: feeds batches to one compiled loop of book, orders, accounts and strategies."""

from .config import RiskLimits, SimulationConfig, StrategySpec
from .halts import HaltedPosition, LossHalt
from .results import Drained, LegInfo
from .simulation import Simulation

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
