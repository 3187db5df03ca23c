"""The strategies that come with Tapewire, by their ``type`` in a configuration."""

from typing import Final

from tapewire.strategies.definition import StrategyDefinition
from tapewire.strategies.follower import EXTERNAL, ML_ENHANCED_MOMENTUM
from tapewire.strategies.market_maker import MARKET_MAKER
from tapewire.strategies.order_log import ORDER_LOG
from tapewire.strategies.sma_crossover import SMA_CROSSOVER

STRATEGIES: Final[dict[str, StrategyDefinition]] = {
    definition.name: definition
    for definition in (MARKET_MAKER, SMA_CROSSOVER, ORDER_LOG, EXTERNAL, ML_ENHANCED_MOMENTUM)
}
