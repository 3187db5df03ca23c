"""The legs of latency, each with a delay of its own."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tapewire.compiled.parameters import ParameterSpec

LEGS: Final = ("feed", "entry", "cancel", "replace", "response")
FEED: Final = 0  # market data, from capture to strategy
ENTRY: Final = 1  # a new order, from strategy to exchange
CANCEL: Final = 2
REPLACE: Final = 3
RESPONSE: Final = 4  # word of an order, from exchange to strategy

#: Longest delay of anything.
LATENCY_MAX_US: Final = 60_000_000
LATENCY_MAX_NS: Final = 1_000 * LATENCY_MAX_US


def delay_us(doc: str, default: int | None) -> ParameterSpec:
    """Declare a delay in µs, of whole ns; without a default it may be left out."""
    value = None if default is None else Decimal(default)
    return ParameterSpec(Decimal, doc, value, 0, LATENCY_MAX_US, 3, optional=default is None)


def us_to_ns(microseconds: Decimal) -> int:
    """Whole ns of a delay in µs with at most three decimals."""
    return int(Decimal(microseconds).scaleb(3))


def first_given(parameters: Mapping[str, Any], *names: str) -> Any:
    """The first of several parameters that is given."""
    return next(parameters[name] for name in names if parameters[name] is not None)
