"""Each message is delayed by its own normal draw, cut at a smallest and a largest delay.

Delay = min(max(mean + std z, low), high), z standard normal: what would be below the smallest delay
is the smallest, so that a share Phi((low - mean) / std) of all messages has just that.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import Bounds, delay_us, per_leg, values_of
from tapewire.execution.models.latency.quantiles import (
    STATE,
    IntArray,
    Mixture,
    bounds_of,
    constant,
    cut_of,
    kernel,
    normal_tails,
    table_of,
    write_tables,
)

_SPECS: Final = {
    "mean_us": delay_us("µs, mean before the cut", 60),
    "std_us": delay_us("µs, standard deviation before the cut", 10),
    "min_us": delay_us("µs, smallest delay", 0),
    "max_us": delay_us("µs, largest delay; 60 s if not given", None),
}


@lru_cache(maxsize=64)
def _table(mean_us: Decimal, std_us: Decimal, min_us: Decimal, max_us: Decimal | None) -> Mixture:
    low_ns, high_ns = cut_of(min_us, max_us)
    mean_ns, beyond_ns = 1000 * float(mean_us), 1000 * float(std_us) * normal_tails()
    return table_of(mean_ns - beyond_ns, mean_ns + beyond_ns, low_ns, high_ns), None, 0


def _leg(parameters: Mapping[str, Any], leg: int) -> Mixture:
    values = values_of(parameters, leg, _SPECS)
    return (constant(0), None, 0) if values is None else _table(**values)


def bounds(parameters: Mapping[str, Any]) -> Bounds:
    """Smallest and largest delay of each leg, in ns."""
    return bounds_of(parameters, _leg)


def prepare(parameters: Mapping[str, Any], state: Any) -> list[IntArray]:
    """Write the tables into the state record."""
    return write_tables(parameters, state, _leg)


NORMAL = ModelDefinition(
    family="latency",
    name="normal",
    doc="a delay of its own for each message, normal, cut at bounds",
    kernel=kernel,
    parameters=per_leg(_SPECS),
    state=STATE,
    prepare=prepare,
    bounds=bounds,
)
