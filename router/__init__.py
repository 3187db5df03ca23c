"""The router: feeds batches to one compiled loop of book, orders, accounts and strategies."""

from tapewire.router.config import GatewayLimit, RiskLimits, SimulationConfig, StrategySpec
from tapewire.router.doubts import FlaggedBook, FlagPolicy
from tapewire.router.guesses import GuessedQueue
from tapewire.router.halts import HaltedPosition, LossHalt
from tapewire.router.look import Look
from tapewire.router.results import Drained, LegInfo, RestingOrder, Worths
from tapewire.router.simulation import Simulation, load_withdrawing
from tapewire.router.trips import LimitTrip

__all__ = [
    "Drained",
    "FlagPolicy",
    "FlaggedBook",
    "GatewayLimit",
    "GuessedQueue",
    "HaltedPosition",
    "LegInfo",
    "LimitTrip",
    "Look",
    "LossHalt",
    "RestingOrder",
    "RiskLimits",
    "Simulation",
    "SimulationConfig",
    "StrategySpec",
    "Worths",
    "load_withdrawing",
]
