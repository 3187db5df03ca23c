"""Bars: their data, engines that trade strategies on them, and what came of it."""

from tapewire.candles.config import BacktestConfig, Distance
from tapewire.candles.data import Candles
from tapewire.candles.engine import VectorEngine
from tapewire.candles.reading import read_candles
from tapewire.candles.result import BacktestResult

__all__ = [
    "BacktestConfig",
    "BacktestResult",
    "Candles",
    "Distance",
    "VectorEngine",
    "read_candles",
]
