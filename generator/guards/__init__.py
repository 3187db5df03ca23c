"""Guards against what is best by luck alone: a closed holdout, and verdicts on the best."""

from tapewire.generator.guards.checks import GuardCheck
from tapewire.generator.guards.evidence import SearchPopulation, Trials
from tapewire.generator.guards.folds import FoldFitness
from tapewire.generator.guards.holdout import Holdout, HoldoutOpening
from tapewire.generator.guards.settings import GuardSettings
from tapewire.generator.guards.verdicts import Judgement, Verdict, judge_all

__all__ = [
    "FoldFitness",
    "GuardCheck",
    "GuardSettings",
    "Holdout",
    "HoldoutOpening",
    "Judgement",
    "SearchPopulation",
    "Trials",
    "Verdict",
    "judge_all",
]
