"""Strategies made by rule: what they keep to, how they are drawn or bred, which of them are one."""

from tapewire.generator.canonical import canonical_rules, strategy_hash
from tapewire.generator.constraints import StrategyConstraints, complexity_score
from tapewire.generator.drawing import draw_strategies
from tapewire.generator.evaluating import EvaluatedStrategies, StrategyEvaluator
from tapewire.generator.footprints import Evaluated, overlaps
from tapewire.generator.genetic import GenerationSummary, GeneticSearch, GeneticSettings
from tapewire.generator.grammar import StrategyGrammar, derive_strategies

__all__ = [
    "Evaluated",
    "EvaluatedStrategies",
    "GenerationSummary",
    "GeneticSearch",
    "GeneticSettings",
    "StrategyConstraints",
    "StrategyEvaluator",
    "StrategyGrammar",
    "canonical_rules",
    "complexity_score",
    "derive_strategies",
    "draw_strategies",
    "overlaps",
    "strategy_hash",
]
