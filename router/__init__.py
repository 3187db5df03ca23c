"""The router: feeds batches to one compiled loop of book, orders, accounts and strategies."""

from .config import RiskLimits, SimulationConfig, StrategySpec
from .definition import ParameterSpec, StrategyDefinition
from .halts import HaltedPosition, LossHalt
from .simulation import Drained, LegInfo, Simulation
from .strategies import STRATEGIES

__all__ = [
    "STRATEGIES",
    "Drained",
    "HaltedPosition",
    "LegInfo",
    "LossHalt",
    "ParameterSpec",
    "RiskLimits",
    "Simulation",
    "SimulationConfig",
    "StrategyDefinition",
    "StrategySpec",
]
