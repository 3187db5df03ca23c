"""A share of what a fill is worth, in exact integers."""

from typing import Any

from tapewire.compiled.exact import multiply_divide
from tapewire.compiled.jit import jit

#: A rate of one basis point, and of all that a fill is worth.
RATE_OF_BP = 1_000_000
RATE_OF_ALL = 10_000 * RATE_OF_BP


@jit
def notional_fee(price: int, lots: int, multiplier_num: int, multiplier_den: int, rate: int) -> Any:
    """``rate / RATE_OF_ALL`` of a fill's value, in 1e-9 currency; a rebate if it is negative.

    The value is |price| x lots x multiplier, rounded down to 1e-9, and so is the fee, or the rebate
    (which is to say: towards 0).
    """
    value = multiply_divide(abs(price), lots * multiplier_num, multiplier_den)
    fee = multiply_divide(value, abs(rate), RATE_OF_ALL)
    return -fee if rate < 0 else fee
