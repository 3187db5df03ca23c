"""Each message is delayed by what the feed itself took when it was sent: a * feed latency + b.

The feed latency of a book is that of its last event, as the capture has it. Where the network or
the venue is slow for everybody, so it is for orders. It is ts_recv - ts_event, from the venue's
matching engine on, or ts_in_delta, from the venue's sending on ("the matching-engine-sending
timestamp expressed as the number of nanoseconds before ts_recv", Databento, Common fields, enums
and types): then without what the venue takes between. As hftbacktest makes order
latencies of a file beforehand (its tutorial Order Latency Data, ``generate_order_latency``:
``mul_entry``, ``offset_entry``, ``mul_resp``, ``offset_resp``); here it is done as the data go by.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tapewire.compiled.parameters import ParameterFault, ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import (
    FEED,
    LATENCY_MAX_NS,
    LEGS,
    Bounds,
    compute_ns,
    delay_us,
    per_leg,
    us_to_ns,
    values_of,
)

STATE: Final = np.dtype(
    [
        ("ppm", "i8", (len(LEGS),)),  # of the feed latency
        ("least_ns", "i8", (len(LEGS),)),
        ("most_ns", "i8", (len(LEGS),)),
    ]
)
_PPM: Final = 1_000_000
_FROM_SENDING: Final = "ts_in_delta"
_MEASURED_BY: Final = ("ts_event", _FROM_SENDING)
_SPECS: Final = {
    "multiplier": ParameterSpec(Decimal, "a, of the feed latency", Decimal(1), 0, 100, 6),
    "offset_us": delay_us("b, µs, added to it", 0),
    "max_us": delay_us("µs, largest delay", 100_000),
}


def kernel(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    """The leg's share of the feed latency, and what is added; ``load`` is that latency in ns."""
    lag_ns = min(max(load, 0), LATENCY_MAX_NS)
    return min(state.least_ns[leg] + lag_ns * state.ppm[leg] // _PPM, state.most_ns[leg])


def bounds(parameters: Mapping[str, Any]) -> Bounds:
    """Smallest and largest delay of each leg, in ns."""
    found = []
    for leg in range(len(LEGS)):
        if leg == FEED:
            feed_ns = us_to_ns(parameters["feed_latency_us"])
            found.append((feed_ns, feed_ns))
            continue
        values = values_of(parameters, leg, _SPECS)
        assert values is not None
        least_ns, most_ns = us_to_ns(values["offset_us"]), us_to_ns(values["max_us"])
        if least_ns > most_ns:
            raise ValueError(
                f"expected max_us of {LEGS[leg]} of at least its offset_us, "
                f"{values['offset_us']}, found {values['max_us']}"
            )
        compute = compute_ns(parameters, leg)
        found.append((least_ns + compute, most_ns + compute))
    return tuple(found)


def check(parameters: Mapping[str, Any]) -> None:
    """Raise ParameterFault if it is said by no field of the data what the feed took."""
    found = parameters["measured_by"]
    if found not in _MEASURED_BY:
        raise ParameterFault(
            ("measured_by",), f"expected {' or '.join(_MEASURED_BY)}, found {found!r}"
        )


def from_sending(parameters: Mapping[str, Any]) -> bool:
    """Whether the feed's latency begins with the venue's sending, not with its matching."""
    return bool(parameters["measured_by"] == _FROM_SENDING)


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write multipliers and bounds into the state record."""
    state["least_ns"], state["most_ns"] = np.array(bounds(parameters)).T
    for leg in range(len(LEGS)):
        if leg != FEED:
            values = values_of(parameters, leg, _SPECS)
            assert values is not None
            state["ppm"][leg] = int(values["multiplier"] * _PPM)


FROM_DATA = ModelDefinition(
    family="latency",
    name="from_data",
    doc="a multiple of the feed latency that the data have at the time",
    kernel=kernel,
    parameters={
        name: spec for name, spec in per_leg(_SPECS).items() if not name.startswith("feed_latency_")
    }
    | {
        "feed_latency_us": delay_us("µs from the capture of market data to the strategy", 0),
        "measured_by": ParameterSpec(
            str, "ts_event or ts_in_delta, the field that says what the feed took", "ts_event"
        ),
    },
    state=STATE,
    prepare=prepare,
    bounds=bounds,
    check=check,
    hears_feed=from_sending,
)
