"""What a strategy is, what it sees and can do, and those that come along."""

from tapewire.compiled.parameters import ParameterSpec
from tapewire.strategies.binding import Bound
from tapewire.strategies.definition import StrategyDefinition
from tapewire.strategies.registry import STRATEGIES
from tapewire.strategies.wants import Wants

__all__ = ["STRATEGIES", "Bound", "ParameterSpec", "StrategyDefinition", "Wants"]
