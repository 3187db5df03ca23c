"""The router: feeds batches to one compiled loop of book, orders, accounts and strategies."""

from tapewire.router.config import RiskLimits, SimulationConfig, StrategySpec
from tapewire.router.halts import HaltedPosition, LossHalt
from tapewire.router.results import Drained, LegInfo
from tapewire.router.simulation import Simulation

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
