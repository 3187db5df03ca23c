"""Each message is delayed by its own draw between two bounds, all delays being equally likely.

Delay = min + U, U uniform over the whole ns from 0 to max - min: mean (min + max) / 2.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import (
    LEGS,
    SOURCES,
    Bounds,
    compute_ns,
    compute_us,
    delay_us,
    first_given,
    us_to_ns,
)

STATE = np.dtype([("min_ns", "i8", (len(LEGS),)), ("width_ns", "i8", (len(LEGS),))])


def kernel(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    """A draw from the leg's interval."""
    return state.min_ns[leg] + bits % (state.width_ns[leg] + 1)


def bounds(parameters: Mapping[str, Any]) -> Bounds:
    """Smallest and largest delay of each leg, in ns."""
    found = []
    for leg, names in SOURCES.items():
        low, high = (
            us_to_ns(first_given(parameters, *(f"{name}_latency_{end}_us" for name in names)))
            for end in ("min", "max")
        )
        if low > high:
            source = next(n for n in names if parameters[f"{n}_latency_min_us"] is not None)
            raise ValueError(
                f"expected {source}_latency_min_us of at most {source}_latency_max_us, found "
                f"{low / 1000:g} and {high / 1000:g}"
            )
        compute = compute_ns(parameters, leg)
        found.append((low + compute, high + compute))
    return tuple(found)


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the intervals into the state record."""
    lows, highs = np.array(bounds(parameters)).T
    state["min_ns"], state["width_ns"] = lows, highs - lows


UNIFORM = ModelDefinition(
    family="latency",
    name="uniform",
    doc="a delay of its own for each message, uniform between two bounds",
    kernel=kernel,
    parameters={
        "order_latency_min_us": delay_us("µs, shortest delay of a new order", 40),
        "order_latency_max_us": delay_us("µs, longest", 80),
        "cancel_latency_min_us": delay_us("µs, of a cancel; as a new order if not given", None),
        "cancel_latency_max_us": delay_us("µs, longest; as a new order if not given", None),
        "replace_latency_min_us": delay_us("µs, of a replace; as a new order if not given", None),
        "replace_latency_max_us": delay_us("µs, longest; as a new order if not given", None),
        "response_latency_min_us": delay_us("µs, of a response; as an order if not given", None),
        "response_latency_max_us": delay_us("µs, longest; as an order if not given", None),
        "fill_latency_min_us": delay_us("µs, of word of a fill; as a response if not given", None),
        "fill_latency_max_us": delay_us("µs, longest; as a response if not given", None),
        "feed_latency_min_us": delay_us("µs, shortest delay of market data", 0),
        "feed_latency_max_us": delay_us("µs, longest", 0),
        "compute_us": compute_us(),
    },
    state=STATE,
    prepare=prepare,
    bounds=bounds,
)
