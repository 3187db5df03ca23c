"""Strategies made by rule, tried, judged and kept: what ``tapewire factory`` does, from Python.

>>> from pathlib import Path
>>> from tapewire import factory
>>> bars = factory.read_bars(Path("bars.parquet"))     # doctest: +SKIP
>>> factory.generate(bars, factory.FactorySettings("genetic")).best     # doctest: +SKIP
"""

from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import FactoryBars, read_bars
from tapewire.factory.judging import JudgedGeneration, judge_generation
from tapewire.factory.looking import (
    ListedStrategies,
    ShownStrategy,
    exported,
    list_strategies,
    show_strategy,
)
from tapewire.factory.reporting import report_generation
from tapewire.factory.searching import GenerationResult, evolve, generate
from tapewire.factory.trying import TrialTable, try_strategies

__all__ = [
    "FactoryBars",
    "FactorySettings",
    "GenerationResult",
    "JudgedGeneration",
    "ListedStrategies",
    "ShownStrategy",
    "TrialTable",
    "evolve",
    "exported",
    "generate",
    "judge_generation",
    "list_strategies",
    "read_bars",
    "report_generation",
    "show_strategy",
    "try_strategies",
]
