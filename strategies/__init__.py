"""What a strategy is, what it sees and can do, and those that come along."""

from tapewire.compiled.parameters import ParameterSpec

from .binding import Bound
from .definition import StrategyDefinition
from .registry import STRATEGIES

__all__ = ["STRATEGIES", "Bound", "ParameterSpec", "StrategyDefinition"]
