"""Market impact: how much worse than the book a taking fill is priced."""

from typing import Any

from tapewire.market.jit import jit

_CURRENCY_SCALE = 1_000_000_000  # price units per currency unit
_HALF_WORD = 32
_LOW_MASK = 0xFFFFFFFF


@jit
def multiply_divide(a: int, b: int, divisor: int) -> int:
    """``a * b // divisor`` for non-negative a, b and a divisor below 2^62, exact in 128 bits.

    The quotient must fit 63 bits. Schoolbook multiplication in 32-bit halves, then long division.
    """
    a_low, a_high = a & _LOW_MASK, a >> _HALF_WORD
    b_low, b_high = b & _LOW_MASK, b >> _HALF_WORD
    # Columns of the product, base 2^32; each partial product is below 2^63 because a, b < 2^63.
    column = a_low * b_low
    digit_0 = column & _LOW_MASK
    carry = (column >> _HALF_WORD) & _LOW_MASK
    middle_1 = a_low * b_high
    middle_2 = a_high * b_low
    column = carry + (middle_1 & _LOW_MASK) + (middle_2 & _LOW_MASK)
    digit_1 = column & _LOW_MASK
    carry = column >> _HALF_WORD
    column = carry + a_high * b_high
    column += ((middle_1 >> _HALF_WORD) & _LOW_MASK) + ((middle_2 >> _HALF_WORD) & _LOW_MASK)
    digit_2 = column & _LOW_MASK
    digit_3 = (column >> _HALF_WORD) & _LOW_MASK
    remainder = 0
    quotient = 0
    for k in range(4):
        digit = digit_3
        if k == 1:
            digit = digit_2
        elif k == 2:
            digit = digit_1
        elif k == 3:
            digit = digit_0
        for bit in range(31, -1, -1):
            remainder = (remainder << 1) | ((digit >> bit) & 1)
            quotient <<= 1
            if remainder >= divisor:
                remainder -= divisor
                quotient |= 1
    return quotient


@jit
def impact_price_units(execution: Any, session: Any, price: int, lots: int) -> int:
    """Linear impact of taking ``lots`` at ``price``, in price units, rounded up.

    ``impact_bps_per_million`` b: a fill of notional N (currency) is worse by b * N / 1e6 basis
    points of its price. ``impact_ppm`` is b * 1e6 as an integer, so the shift is
    price * impact_ppm * N / 1e16.
    """
    ppm = execution.impact_ppm
    if ppm == 0:
        return 0
    magnitude = abs(price)
    notional = multiply_divide(
        magnitude, lots * session.multiplier_num, session.multiplier_den * _CURRENCY_SCALE
    )
    if notional == 0:
        return 0
    weight = ppm * notional
    shift = multiply_divide(magnitude, weight, 10_000_000_000_000_000)
    # The remainder is below 2^63, so the wrapped difference is zero only where it is.
    return shift if shift * 10_000_000_000_000_000 == magnitude * weight else shift + 1
