"""Indicators on bars: by name, with parameters, whole or bar by bar."""

from tapewire.candles.indicators.computing import indicator, indicator_stream
from tapewire.candles.indicators.definition import IndicatorDefinition, IndicatorOutput
from tapewire.candles.indicators.registry import INDICATORS, find_indicator, parameters_of

__all__ = [
    "INDICATORS",
    "IndicatorDefinition",
    "IndicatorOutput",
    "find_indicator",
    "indicator",
    "indicator_stream",
    "parameters_of",
]
