"""Delays that grow with the events of the book: a venue's gateway has a queue where much goes on.

Delay = base + per_event max(0, n - free), cut at a largest delay, n being the events of the book in
the last window (`execution/load.py`): as at a desk that serves some events in that time, and
behind which each further one waits. Feed delays don't grow.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import WINDOW_NS_MAX, ModelDefinition
from tapewire.execution.models.latency.legs import (
    FEED,
    LEGS,
    SOURCES,
    Bounds,
    compute_ns,
    compute_us,
    delay_us,
    first_given,
    us_to_ns,
)

STATE = np.dtype(
    [
        ("base_ns", "i8", (len(LEGS),)),
        ("most_ns", "i8", (len(LEGS),)),
        ("event_ns", "i8"),
        ("free", "i8"),
    ]
)


def kernel(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    """The leg's base, and what the load adds to it."""
    delay_ns = state.base_ns[leg] + state.event_ns * max(load - state.free, 0)
    return min(delay_ns, state.most_ns[leg])


def bounds(parameters: Mapping[str, Any]) -> Bounds:
    """Smallest and largest delay of each leg, in ns."""
    most_ns = us_to_ns(parameters["burst_max_us"])
    found = []
    for leg, names in SOURCES.items():
        base_ns = us_to_ns(first_given(parameters, *(f"{name}_latency_us" for name in names)))
        if leg != FEED and base_ns > most_ns:
            raise ValueError(
                f"expected burst_max_us of at least the latency of {LEGS[leg]}, {base_ns / 1000:g},"
                f" found {most_ns / 1000:g}"
            )
        compute = compute_ns(parameters, leg)
        found.append((base_ns + compute, (base_ns if leg == FEED else most_ns) + compute))
    return tuple(found)


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the delays into the state record."""
    state["base_ns"], state["most_ns"] = np.array(bounds(parameters)).T
    state["event_ns"] = us_to_ns(parameters["burst_us_per_event"])
    state["free"] = parameters["burst_free_events"]


def window_ns(parameters: Mapping[str, Any]) -> int:
    """Length of the window."""
    return us_to_ns(parameters["burst_window_us"])


BURST = ModelDefinition(
    family="latency",
    name="burst",
    doc="a delay that grows with the events of the book",
    kernel=kernel,
    parameters={
        "order_latency_us": delay_us("µs of a new order on a quiet book", 60),
        "cancel_latency_us": delay_us("µs of a cancel; as a new order if not given", None),
        "replace_latency_us": delay_us("µs of a replace; as a new order if not given", None),
        "response_latency_us": delay_us("µs of a response; as a new order if not given", None),
        "fill_latency_us": delay_us("µs of word of a fill; as a response if not given", None),
        "feed_latency_us": delay_us("µs of market data, whatever goes on", 0),
        "burst_window_us": ParameterSpec(
            Decimal, "µs, length of the window that events are counted in",
            Decimal(1_000), 1, WINDOW_NS_MAX // 1_000, 3,
        ),
        "burst_free_events": ParameterSpec(
            int, "events in a window that nobody waits for", 20, 0, 1_000_000
        ),
        "burst_us_per_event": delay_us("µs that each further event adds", 5),
        "burst_max_us": delay_us("µs, largest delay", 10_000),
        "compute_us": compute_us(),
    },
    state=STATE,
    prepare=prepare,
    bounds=bounds,
    window_ns=window_ns,
)  # fmt: skip
