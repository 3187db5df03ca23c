"""The same delay for each message: network + processing one way, or as said for its leg.

Delay = what is said for the leg, else network + processing; + compute for requests.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import (
    LEGS,
    Bounds,
    compute_ns,
    compute_us,
    delay_us,
    first_given,
    us_to_ns,
)

STATE = np.dtype([("delay_ns", "i8", (len(LEGS),))])


def kernel(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    """The leg's delay."""
    return state.delay_ns[leg]


def delays_ns(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Delay of each leg, in their order."""
    both_ways = parameters["network_latency_us"] + parameters["processing_latency_us"]
    given = {**parameters, "both_ways": both_ways}
    return tuple(
        us_to_ns(first_given(given, *names)) + compute_ns(parameters, leg)
        for leg, names in enumerate(
            (
                ("feed_latency_us",),
                ("entry_latency_us", "both_ways"),
                ("cancel_latency_us", "entry_latency_us", "both_ways"),
                ("replace_latency_us", "entry_latency_us", "both_ways"),
                ("response_latency_us", "both_ways"),
                ("fill_latency_us", "response_latency_us", "both_ways"),
            )
        )
    )


def bounds(parameters: Mapping[str, Any]) -> Bounds:
    """Every leg has but one delay."""
    return tuple((delay, delay) for delay in delays_ns(parameters))


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the delays into the state record."""
    state["delay_ns"] = delays_ns(parameters)


FIXED = ModelDefinition(
    family="latency",
    name="fixed",
    doc="the same delay for each message of a leg",
    kernel=kernel,
    parameters={
        "network_latency_us": delay_us("µs on the wire, one way, for orders and responses", 50),
        "processing_latency_us": delay_us("µs of processing, added to that", 10),
        "feed_latency_us": delay_us("µs from the capture of market data to the strategy", 0),
        "entry_latency_us": delay_us("µs of a new order, in place of network + processing", None),
        "cancel_latency_us": delay_us("µs of a cancel; as a new order if not given", None),
        "replace_latency_us": delay_us("µs of a replace; as a new order if not given", None),
        "response_latency_us": delay_us("µs of a response, in place of network + processing", None),
        "fill_latency_us": delay_us("µs of word of a fill; as a response if not given", None),
        "compute_us": compute_us(),
    },
    state=STATE,
    prepare=prepare,
    bounds=bounds,
)
