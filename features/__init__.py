"""Features: what strategies and models are told of a market, in numbers of one book each."""

from tapewire.features.registry import DEFAULT_NAMES, FEATURES, find_feature, names_of
from tapewire.features.sets import FeatureSet, FeatureState

__all__ = [
    "DEFAULT_NAMES",
    "FEATURES",
    "FeatureSet",
    "FeatureState",
    "find_feature",
    "names_of",
]
