"""Strategies declared as data: read, checked, and told as signals of bars."""

from tapewire.candles.rules.evaluating import (
    SharedBits,
    StrategySignals,
    evaluate,
    evaluate_many,
    shared_parts,
)
from tapewire.candles.rules.loading import load_strategy, strategy_of, strategy_of_json
from tapewire.candles.rules.model import DeclaredStrategy, ExitDistance
from tapewire.candles.rules.plan import ExitTerms
from tapewire.candles.rules.schema import strategy_schema
from tapewire.candles.rules.stepping import BarSignals, RuleStepper
from tapewire.candles.rules.wording import rule_lines, strategy_text

__all__ = [
    "BarSignals",
    "DeclaredStrategy",
    "ExitDistance",
    "ExitTerms",
    "RuleStepper",
    "SharedBits",
    "StrategySignals",
    "evaluate",
    "evaluate_many",
    "load_strategy",
    "rule_lines",
    "shared_parts",
    "strategy_of",
    "strategy_of_json",
    "strategy_schema",
    "strategy_text",
]
