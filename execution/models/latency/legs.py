"""The legs of latency, each with a delay of its own, and the parameters that say so."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from tapewire.compiled.parameters import ParameterSpec

LEGS: Final = ("feed", "entry", "cancel", "replace", "response", "fill")
FEED: Final = 0  # market data, from capture to strategy
ENTRY: Final = 1  # a new order, from strategy to exchange
CANCEL: Final = 2
REPLACE: Final = 3
RESPONSE: Final = 4  # word of an order, from exchange to strategy
FILL: Final = 5  # word of a fill
#: Legs that begin where the strategy has computed.
REQUESTS: Final = (ENTRY, CANCEL, REPLACE)

#: Longest delay of anything.
LATENCY_MAX_US: Final = 60_000_000
LATENCY_MAX_NS: Final = 1_000 * LATENCY_MAX_US

#: Where each leg's parameters are looked for, first ones first, by the beginning of their names.
SOURCES: Final[Mapping[int, tuple[str, ...]]] = {
    FEED: ("feed",),
    ENTRY: ("order",),
    CANCEL: ("cancel", "order"),
    REPLACE: ("replace", "order"),
    RESPONSE: ("response", "order"),
    FILL: ("fill", "response", "order"),
}
_OF: Final = {
    "order": "of a new order",
    "cancel": "of a cancel; as a new order if not given",
    "replace": "of a replace; as a new order if not given",
    "response": "of a response; as a new order if not given",
    "fill": "of word of a fill; as a response if not given",
    "feed": "of market data; without any of feed_latency there is no delay",
}

Bounds = tuple[tuple[int, int], ...]


def delay_us(doc: str, default: int | None) -> ParameterSpec:
    """Declare a delay in µs, of whole ns; without a default it may be left out."""
    value = None if default is None else Decimal(default)
    return ParameterSpec(Decimal, doc, value, 0, LATENCY_MAX_US, 3, optional=default is None)


def compute_us() -> ParameterSpec:
    """Declare what a strategy takes to compute."""
    return delay_us("µs from what a strategy sees to what it sends, added to each request", None)


def us_to_ns(microseconds: Decimal) -> int:
    """Whole ns of a delay in µs with at most three decimals."""
    return int(Decimal(microseconds).scaleb(3))


def compute_ns(parameters: Mapping[str, Any], leg: int) -> int:
    """What computing adds to a leg: nothing where no request begins."""
    given = parameters["compute_us"]
    return us_to_ns(given) if given is not None and leg in REQUESTS else 0


def first_given(parameters: Mapping[str, Any], *names: str) -> Any:
    """The first of several parameters that is given."""
    return next(parameters[name] for name in names if parameters[name] is not None)


def per_leg(specs: Mapping[str, ParameterSpec]) -> dict[str, ParameterSpec]:
    """Declare parameters once for each leg: ``<leg>_latency_<name>``.

    Those of orders have the defaults; what another leg does not say is as `SOURCES` has it.
    """
    declared = {}
    for leg, doc in _OF.items():
        for name, spec in specs.items():
            own = replace(spec, doc=f"{spec.doc}, {doc}")
            if leg != "order":
                own = replace(own, default=None, optional=True)
            declared[f"{leg}_latency_{name}"] = own
    return declared | {"compute_us": compute_us()}


def values_of(
    parameters: Mapping[str, Any], leg: int, specs: Mapping[str, ParameterSpec]
) -> dict[str, Any] | None:
    """What holds for a leg, by the names in ``specs``; None for a feed without delay.

    What is not said of the feed, where something is, has the default.
    """
    found = {}
    for name in specs:
        keys = [f"{source}_latency_{name}" for source in SOURCES[leg]]
        found[name] = next((parameters[k] for k in keys if parameters[k] is not None), None)
    if leg == FEED:
        if all(value is None for value in found.values()):
            return None
        found = {
            name: specs[name].default if value is None else value for name, value in found.items()
        }
    return found


def check_bounds(bounds: Bounds) -> None:
    """Raise ValueError if a leg's smallest and largest delay, in ns, are none."""
    for leg, (low, high) in zip(LEGS, bounds, strict=True):
        if not 0 <= low <= high <= LATENCY_MAX_NS:
            raise ValueError(
                f"expected bounds of {leg} from 0 to {LATENCY_MAX_NS:,} ns, found "
                f"{low:,} to {high:,}"
            )
