"""Kernel of the fit of a Hawkes process."""

import math
from typing import Any

from tapewire.compiled.jit import jit_entry


@jit_entry
def em_step(t: Any, rate: float, branching: Any, beta: Any, shares: Any) -> None:
    """Share out each event among what may have caused it, as the numbers so far have it.

    ``t`` is (n,) seconds; ``branching`` and ``beta`` are (k,). ``shares``, (k + 2,), gets the
    events of the rate, those of each component, and the sum of the logarithms of the intensity.
    """
    k_n = beta.shape[0]
    for k in range(k_n + 2):
        shares[k] = 0.0
    before = [0.0 for _ in range(k_n)]
    for i in range(t.shape[0]):
        total = rate
        for k in range(k_n):
            if i > 0:
                before[k] = (before[k] + beta[k]) * math.exp(-beta[k] * (t[i] - t[i - 1]))
            total += branching[k] * before[k]
        shares[0] += rate / total
        for k in range(k_n):
            shares[1 + k] += branching[k] * before[k] / total
        shares[k_n + 1] += math.log(total)
