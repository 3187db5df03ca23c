"""Strategies made by rule: what they must keep to, how they are drawn, which of them are one."""

from tapewire.generator.canonical import canonical_rules, strategy_hash
from tapewire.generator.constraints import StrategyConstraints, complexity_score
from tapewire.generator.drawing import draw_strategies

__all__ = [
    "StrategyConstraints",
    "canonical_rules",
    "complexity_score",
    "draw_strategies",
    "strategy_hash",
]
