"""Numbers that a model names, as the exact whole ones that travel; without compiled code."""

import operator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_WHOLE_MAX: Final = 2**62
#: Of any number within it; one of a billion digits is not written out.
_DIGITS_MAX: Final = 19


def whole_of(value: Any, name: str, *, least: int = -_WHOLE_MAX, most: int = _WHOLE_MAX) -> int:
    """Return a whole number, of Python or NumPy.

    Raises
    ------
    TypeError, ValueError
        If it is none, or beyond its bounds.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected a whole number, found {value}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, found {value!r}") from None
    if not least <= number <= most:
        raise ValueError(f"{name}: expected {least} to {most}, found {number}")
    return number


def price_of(value: Any, name: str = "price") -> int:
    """Return a price in units of 1e-9, exactly; the same as `tapewire.to_price`.

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
    if isinstance(value, (Decimal, str, float)):
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
            scaled = number.scaleb(9)
            exact = scaled.is_finite() and scaled.adjusted() < _DIGITS_MAX
            exact = exact and scaled == scaled.to_integral_value()
        except InvalidOperation:
            exact = False
        if not exact:
            what = "a finite price of at most nine decimal places"
            raise ValueError(f"{name}: expected {what}, found {value!r}; round it to the tick size")
        value = int(scaled)
    return whole_of(value, name)
