"""Bars: their data, engines that trade strategies on them, and what came of it."""

from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.engine import VectorEngine
from tapewire.candles.event_driven import EventDrivenEngine, LevelBook
from tapewire.candles.exits import Distance, Exits
from tapewire.candles.reading import read_candles
from tapewire.candles.result import BacktestResult
from tapewire.candles.strategy import ArrayStrategy, CandleStrategy

__all__ = [
    "ArrayStrategy",
    "BacktestConfig",
    "BacktestResult",
    "CandleStrategy",
    "Candles",
    "Distance",
    "EventDrivenEngine",
    "Exits",
    "LevelBook",
    "VectorEngine",
    "read_candles",
]
