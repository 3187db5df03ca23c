"""Each message is delayed by its own draw between two bounds, all delays being equally likely.

Delay = min + U, U uniform over the whole ns from 0 to max - min: mean (min + max) / 2.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import LEGS, delay_us, first_given, us_to_ns

STATE = np.dtype([("min_ns", "i8", (len(LEGS),)), ("width_ns", "i8", (len(LEGS),))])


def kernel(state: Any, leg: int, sent_ns: int, bits: int) -> Any:
    """A draw from the leg's interval."""
    return state.min_ns[leg] + bits % (state.width_ns[leg] + 1)


def bounds(parameters: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Smallest and largest delay of each leg, in ns."""
    found = []
    for names in (("feed",), ("order",), ("order",), ("order",), ("response", "order")):
        low, high = (
            us_to_ns(first_given(parameters, *(f"{name}_latency_{end}_us" for name in names)))
            for end in ("min", "max")
        )
        if low > high:
            leg = next(n for n in names if parameters[f"{n}_latency_min_us"] is not None)
            raise ValueError(
                f"expected {leg}_latency_min_us of at most {leg}_latency_max_us, found "
                f"{low / 1000:g} and {high / 1000:g}"
            )
        found.append((low, high))
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
        "order_latency_min_us": delay_us("µs, shortest delay of an order, cancel or replace", 40),
        "order_latency_max_us": delay_us("µs, longest", 80),
        "response_latency_min_us": delay_us("µs, of a response; as an order if not given", None),
        "response_latency_max_us": delay_us("µs, longest; as an order if not given", None),
        "feed_latency_min_us": delay_us("µs, shortest delay of market data", 0),
        "feed_latency_max_us": delay_us("µs, longest", 0),
    },
    state=STATE,
    prepare=prepare,
    bounds=bounds,
)
