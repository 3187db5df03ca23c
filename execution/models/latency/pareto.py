"""Most messages take what they always take, some take very long: a body and a Pareto tail.

With probability p a delay is base + scale V^(-1 / alpha), V uniform between 0 and 1 (Pareto: longer
than scale x with probability x^-alpha); else it is base + median exp(sigma z), z standard normal.
Both are cut at a largest delay, without which the tail had no mean for an alpha of at most 1.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Final

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.latency.legs import delay_us
from tapewire.execution.models.latency.lognormal import lognormal_table
from tapewire.execution.models.latency.quantiles import (
    CHOICE_BITS,
    Mixture,
    cut_of,
    drawn_model,
    table_of,
    tails,
)

_SPECS: Final = {
    "median_us": delay_us("µs, median of the body", 60),
    "sigma": ParameterSpec(
        Decimal, "standard deviation of the body's logarithm", Decimal("0.2"), 0, 5
    ),
    "tail_probability": ParameterSpec(
        Decimal, "share of messages in the tail", Decimal("0.01"), 0, 1, 6
    ),
    "tail_scale_us": delay_us("µs, smallest delay of the tail", 200),
    "tail_alpha": ParameterSpec(
        Decimal, "exponent of the tail: the smaller, the heavier", Decimal("1.5"),
        Decimal("0.1"), 100,
    ),
    "base_us": delay_us("µs, added to each draw", 0),
    "max_us": delay_us("µs, largest delay", 100_000),
}  # fmt: skip


@lru_cache(maxsize=64)
def _tables(
    median_us: Decimal, sigma: Decimal, tail_probability: Decimal, tail_scale_us: Decimal,
    tail_alpha: Decimal, base_us: Decimal, max_us: Decimal,
) -> Mixture:  # fmt: skip
    body = lognormal_table(median_us, sigma, base_us, max_us)
    low_ns, high_ns = cut_of(base_us, max_us)
    scale_ns, power = 1000 * float(tail_scale_us), -1 / float(tail_alpha)
    lower, upper = (low_ns + scale_ns * v**power for v in (1 - tails(), tails()))
    choice = round(tail_probability * (1 << CHOICE_BITS))
    return body, table_of(lower, upper, low_ns, high_ns), choice


PARETO = drawn_model(
    "pareto",
    "a delay of its own for each message: a lognormal body and a Pareto tail",
    _SPECS,
    _tables,
)
