"""Each message is delayed by a fixed part and its own lognormal draw.

Delay = base + median exp(sigma z), z standard normal, cut at a largest delay. Before the cut its
mean is base + median exp(sigma^2 / 2).
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import Bounds, delay_us, per_leg, values_of
from tapewire.execution.models.latency.quantiles import (
    STATE,
    IntArray,
    Mixture,
    Table,
    bounds_of,
    constant,
    cut_of,
    kernel,
    normal_tails,
    table_of,
    write_tables,
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


def _leg(parameters: Mapping[str, Any], leg: int) -> Mixture:
    values = values_of(parameters, leg, _SPECS)
    return (constant(0) if values is None else lognormal_table(**values)), None, 0


def bounds(parameters: Mapping[str, Any]) -> Bounds:
    """Smallest and largest delay of each leg, in ns."""
    return bounds_of(parameters, _leg)


def prepare(parameters: Mapping[str, Any], state: Any) -> list[IntArray]:
    """Write the tables into the state record."""
    return write_tables(parameters, state, _leg)


LOGNORMAL = ModelDefinition(
    family="latency",
    name="lognormal",
    doc="a delay of its own for each message, lognormal above a fixed part",
    kernel=kernel,
    parameters=per_leg(_SPECS),
    state=STATE,
    prepare=prepare,
    bounds=bounds,
)
