"""Models that the bench serves: next to no work of their own."""

import numpy as np
import numpy.typing as npt

from tapewire.bridge import NO_TARGET, StrategyBase


class Nothing(StrategyBase):
    """Asks for nothing."""

    def on_features(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """No targets, (n,)."""
        return np.full(len(features), NO_TARGET)


class Leaning(StrategyBase):
    """Holds two lots on the side that the touch leans to: its first column is the imbalance."""

    def on_features(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Targets, (n,)."""
        leaning = features[:, 0]
        return np.where(leaning > 0.6, 2, np.where(leaning < -0.6, -2, NO_TARGET))
