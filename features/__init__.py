"""Features: what strategies and models are told of a market, in numbers of one book each."""

from tapewire.features.labels import Label, Labeller, labels_of
from tapewire.features.passing import FeaturePass, FeatureRows
from tapewire.features.reach import RowReach, until_expiry
from tapewire.features.registry import DEFAULT_NAMES, FEATURES, find_feature, names_of
from tapewire.features.samples import Sampling
from tapewire.features.sets import FeatureSet, FeatureState

__all__ = [
    "DEFAULT_NAMES",
    "FEATURES",
    "FeaturePass",
    "FeatureRows",
    "FeatureSet",
    "FeatureState",
    "Label",
    "Labeller",
    "RowReach",
    "Sampling",
    "find_feature",
    "labels_of",
    "names_of",
    "until_expiry",
]
