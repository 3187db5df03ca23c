"""Prices and times as people write them, as the exact whole numbers that are computed with."""

import datetime
import operator
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

#: Price in 1e-9: a whole number is taken as it is, a Decimal, text or float is a price.
Price = int | Decimal | str | float
#: Span of time: ns, ``timedelta``, or text like ``100ms``, ``5s``, ``1m``.
Span = int | datetime.timedelta | str

_NS_OF: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SPAN: Final = re.compile(r"(\d+)\s*(ns|us|ms|s|m|h)")
_WHOLE_MAX: Final = 2**62


def whole(value: Any, name: str) -> int:
    """Return a whole number, of Python or NumPy.

    Raises
    ------
    TypeError, ValueError
        If it is none, or beyond ±2^62.
    """
    if type(value) is int and -_WHOLE_MAX <= value <= _WHOLE_MAX:  # nearly always
        return value
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected a whole number, found {value}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, found {value!r}") from None
    if abs(number) > _WHOLE_MAX:
        raise ValueError(f"{name}: expected a number within ±2^62, found {number}")
    return number


def to_price(value: Any, name: str = "price") -> int:
    """Return a price in units of 1e-9, exactly.

    Parameters
    ----------
    value : int, Decimal, str or float
        A whole number is in 1e-9 already. A float stands for the shortest decimal that it prints
        as: 4800.25 is 4800.25.

    Raises
    ------
    TypeError, ValueError
        If it is no finite number of at most nine decimal places.
    """
    if type(value) is not int and isinstance(value, (Decimal, str, float)):
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
            scaled = number.scaleb(9)
            exact = scaled == scaled.to_integral_value()
        except InvalidOperation:
            exact = False
        if not exact:
            what = "a finite price of at most nine decimal places"
            raise ValueError(f"{name}: expected {what}, found {value!r}; round it to the tick size")
        value = int(scaled)
    return whole(value, name)


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
