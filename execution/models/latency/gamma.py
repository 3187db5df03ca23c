"""Each message is delayed by a fixed part and its own gamma draw.

Delay = base + mean G / shape, G gamma of that shape and scale 1, cut at a largest delay: what that
many exponential waits one after another take together, where the shape is a whole number. Before
the cut its mean is base + mean, its standard deviation mean / sqrt(shape).
"""

import math
from decimal import Decimal
from functools import lru_cache
from typing import Final

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.latency.legs import delay_us
from tapewire.execution.models.latency.quantiles import (
    FloatArray,
    Mixture,
    cut_of,
    drawn_model,
    table_of,
    tails,
)

_SPECS: Final = {
    "mean_us": delay_us("µs, mean of the part that is drawn", 60),
    "shape": ParameterSpec(
        Decimal, "shape of that part: 1 is exponential, more is narrower", Decimal(4),
        Decimal("0.1"), 1000,
    ),
    "base_us": delay_us("µs, added to each draw", 0),
    "max_us": delay_us("µs, largest delay; 60 s if not given", None),
}  # fmt: skip
_TERMS_MAX: Final = 2_000
_HALVINGS: Final = 60


def gamma_tails(shape: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities that a gamma variate of scale 1 is below and above each of some values.

    The series below shape + 1 and Lentz's continued fraction above (DLMF 8.11.4 and 8.9.2), so
    that the smaller one of the two is never a difference.
    """
    with np.errstate(divide="ignore", under="ignore"):
        density = np.exp(shape * np.log(x) - x - math.lgamma(shape))
    below, above = np.zeros_like(x), np.ones_like(x)
    near = x < shape + 1
    term = total = np.full(near.sum(), 1 / shape)
    for k in range(1, _TERMS_MAX):
        term = term * x[near] / (shape + k)
        total = total + term
        if not (term > total * 1e-16).any():
            break
    below[near] = total * density[near]
    above[near] = 1 - below[near]
    far = ~near
    b = x[far] + 1 - shape
    c, d = np.full(far.sum(), 1e300), 1 / b
    h = d
    for k in range(1, _TERMS_MAX):
        a = -k * (k - shape)
        b = b + 2
        d = 1 / (a * d + b)
        c = b + a / c
        h = h * d * c
        if not (abs(d * c - 1) > 1e-15).any():
            break
    above[far] = h * density[far]
    below[far] = 1 - above[far]
    return below, above


@lru_cache(maxsize=16)
def _quantiles(shape: float) -> tuple[FloatArray, FloatArray]:
    """Gamma quantiles of scale 1 at the lower and the upper `tails`, by halving intervals."""
    found = []
    for which in (0, 1):
        # In logarithms: a shape far below 1 has quantiles next to 0.
        low = np.full(tails().size, math.log(1e-300))
        high = np.full(tails().size, math.log(shape + 60 * math.sqrt(shape) + 60))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            tail = gamma_tails(shape, np.exp(middle))[which]
            goes_up = (tail < tails()) if which == 0 else (tail > tails())
            low, high = np.where(goes_up, middle, low), np.where(goes_up, high, middle)
        found.append(np.exp((low + high) / 2))
    return found[0], found[1]


@lru_cache(maxsize=64)
def _table(mean_us: Decimal, shape: Decimal, base_us: Decimal, max_us: Decimal | None) -> Mixture:
    low_ns, high_ns = cut_of(base_us, max_us)
    scale_ns = 1000 * float(mean_us) / float(shape)
    lower, upper = (low_ns + scale_ns * quantiles for quantiles in _quantiles(float(shape)))
    return table_of(lower, upper, low_ns, high_ns), None, 0


GAMMA = drawn_model(
    "gamma", "a delay of its own for each message, gamma above a fixed part", _SPECS, _table
)
