"""A model that is slow on purpose: what comes of it is what comes of a quick one."""

import os
import time

import numpy as np

from tapewire.bridge import NO_TARGET, StrategyBase


class SlowModel(StrategyBase):
    """Goes with order flow that is one-sided; thinks about it for a random while.

    How long a model really takes is nobody's business but its user's: a row's answer takes effect
    after the inference latency that the configuration declares, in simulated time. The run waits
    where it must, and has the same digest with any ``sleep_ms``.
    """

    def __init__(self, threshold=100, size=1, sleep_ms=20):
        super().__init__(threshold=threshold, size=size, sleep_ms=sleep_ms)
        self.threshold = threshold
        self.size = size
        self.sleep_ms = sleep_ms

    def on_start(self, session):
        """Find the column."""
        self.flow = session.column("trade_flow_1s")

    def on_features(self, features):
        """Take from no time to twice as long as was said; then go with the flow."""
        # Here a large model would be asked, on a busy machine.
        time.sleep(self.sleep_ms / 1_000 * os.urandom(1)[0] / 128)
        flow = np.nan_to_num(features[:, self.flow])
        wanted = np.full(len(features), NO_TARGET)
        wanted[flow > self.threshold] = self.size
        wanted[flow < -self.threshold] = -self.size
        return wanted
