"""Each message is delayed by a fixed part and its own lognormal draw.

Delay = base + median exp(sigma z), z standard normal, cut at a largest delay. Before the cut its
mean is base + median exp(sigma^2 / 2).
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.latency.legs import delay_us
from tapewire.execution.models.latency.quantiles import (
    Mixture,
    Table,
    cut_of,
    drawn_model,
    normal_tails,
    table_of,
)

_SPECS: Final = {
    "median_us": delay_us("µs, median of the part that is drawn", 60),
    "sigma": ParameterSpec(
        Decimal, "standard deviation of that part's logarithm", Decimal("0.3"), 0, 5
    ),
    "base_us": delay_us("µs, added to each draw", 0),
    "max_us": delay_us("µs, largest delay; 60 s if not given", None),
}


@lru_cache(maxsize=64)
def lognormal_table(
    median_us: Decimal, sigma: Decimal, base_us: Decimal, max_us: Decimal | None
) -> Table:
    """The table of one leg."""
    low_ns, high_ns = cut_of(base_us, max_us)
    median_ns, above = 1000 * float(median_us), np.exp(float(sigma) * normal_tails())
    return table_of(low_ns + median_ns / above, low_ns + median_ns * above, low_ns, high_ns)


def _mixture(**values: Any) -> Mixture:
    return lognormal_table(**values), None, 0


LOGNORMAL = drawn_model(
    "lognormal",
    "a delay of its own for each message, lognormal above a fixed part",
    _SPECS,
    _mixture,
)
