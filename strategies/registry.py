"""The strategies that come with Tapewire, by their ``type`` in a configuration."""

from typing import Final

from .definition import StrategyDefinition
from .market_maker import MARKET_MAKER
from .order_log import ORDER_LOG
from .sma_crossover import SMA_CROSSOVER

STRATEGIES: Final[dict[str, StrategyDefinition]] = {
    definition.name: definition for definition in (MARKET_MAKER, SMA_CROSSOVER, ORDER_LOG)
}
