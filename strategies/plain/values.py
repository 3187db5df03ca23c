"""Prices and times as people write them, as the exact whole numbers that are computed with."""

import datetime
import re
from decimal import Decimal
from typing import Any, Final

from tapewire.compiled.numbers import whole

#: Price in 1e-9: a whole number is taken as it is, a Decimal, text or float is a price.
Price = int | Decimal | str | float
#: Span of time: ns, ``timedelta``, or text like ``100ms``, ``5s``, ``1m``.
Span = int | datetime.timedelta | str

_NS_OF: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SPAN: Final = re.compile(r"(\d+)\s*(ns|us|ms|s|m|h)")


def to_decimal(price: int) -> Decimal:
    """Return a price in units of 1e-9 as a decimal number."""
    return Decimal(price).scaleb(-9)


def to_ns(span: Any, name: str) -> int:
    """Return a span of time in ns.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    if isinstance(span, datetime.timedelta):
        return (span // datetime.timedelta(microseconds=1)) * 1_000
    if isinstance(span, str):
        match = _SPAN.fullmatch(span.strip())
        if match is None:
            raise ValueError(f"{name}: expected a span like 100ms, 5s or 1m, found {span!r}")
        return int(match[1]) * _NS_OF[match[2]]
    return whole(span, name)
