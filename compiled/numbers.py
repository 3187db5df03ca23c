"""Numbers as people write them, as the exact whole ones that are computed with.

Nothing here is compiled, or loads what is: a model's process uses it, too.
"""

import operator
from decimal import Decimal
from typing import Any, Final

_WHOLE_MAX: Final = 2**62
#: Digits of any number within it; one of a billion digits is not written out.
_DIGITS_MAX: Final = 19


def whole(value: Any, name: str, *, least: int = -_WHOLE_MAX, most: int = _WHOLE_MAX) -> int:
    """Return a whole number, of Python or NumPy.

    Raises
    ------
    TypeError, ValueError
        If it is none, or beyond its bounds: ±2^62 unless they are given.
    """
    if type(value) is int and least <= value <= most:  # nearly always
        return value
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected a whole number, found {value}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, found {value!r}") from None
    if not least <= number <= most:
        usual = (least, most) == (-_WHOLE_MAX, _WHOLE_MAX)
        bounds = "a number within ±2^62" if usual else f"{least} to {most}"
        raise ValueError(f"{name}: expected {bounds}, found {number}")
    return number


def to_whole(value: Any) -> int:
    """Return a whole number as it is written: ``12``, ``12.0``, ``1.2e1``.

    Raises
    ------
    ValueError
        If it is none.
    OverflowError
        If it has more than nineteen digits.
    """
    try:
        number = Decimal(str(value).strip())
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value():
        raise ValueError(f"expected a whole number, found {value!r}")
    if number and number.adjusted() >= _DIGITS_MAX:
        raise OverflowError(f"expected at most {_DIGITS_MAX} digits, found {value!r}")
    return int(number)


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
            exact = scaled.is_finite() and scaled.adjusted() < _DIGITS_MAX
            exact = exact and scaled == scaled.to_integral_value()
            exact = exact and bool(scaled) == bool(number)  # nothing, if it is that near to it
        except ArithmeticError:  # no number, or one beyond all bounds
            exact = False
        if not exact:
            what = "a finite price of at most nine decimal places"
            raise ValueError(f"{name}: expected {what}, found {value!r}; round it to the tick size")
        value = int(scaled)
    return whole(value, name)
