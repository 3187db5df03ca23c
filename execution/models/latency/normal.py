"""Each message is delayed by its own normal draw, cut at a smallest and a largest delay.

Delay = min(max(mean + std z, low), high), z standard normal: what would be below the smallest delay
is the smallest, so that a share Phi((low - mean) / std) of all messages has just that.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Final

from tapewire.execution.models.latency.legs import delay_us
from tapewire.execution.models.latency.quantiles import (
    Mixture,
    cut_of,
    drawn_model,
    normal_tails,
    table_of,
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


NORMAL = drawn_model(
    "normal", "a delay of its own for each message, normal, cut at bounds", _SPECS, _table
)
