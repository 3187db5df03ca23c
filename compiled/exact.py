"""Integer arithmetic beyond 63 bits, exact."""

from tapewire.compiled.jit import jit

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
def square_root(n: int) -> int:
    """The largest whole number whose square is at most n, of 0 to 2^63 - 1, digit by digit."""
    root = 0
    bit = 1 << 62
    while bit > n:
        bit >>= 2
    while bit != 0:
        if n >= root + bit:
            n -= root + bit
            root = (root >> 1) + bit
        else:
            root >>= 1
        bit >>= 2
    return root
