"""What a strategy is, what it sees and can do, and those that come along."""

from .definition import ParameterSpec, StrategyDefinition
from .registry import STRATEGIES

__all__ = ["STRATEGIES", "ParameterSpec", "StrategyDefinition"]
