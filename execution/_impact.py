"""Market impact: how much worse than the book a taking fill is priced."""

from typing import Any

from tapewire.compiled.exact import multiply_divide
from tapewire.compiled.jit import jit
from tapewire.compiled.units import MONEY_UNITS


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
        magnitude, lots * session.multiplier_num, session.multiplier_den * MONEY_UNITS
    )
    if notional == 0:
        return 0
    weight = ppm * notional
    shift = multiply_divide(magnitude, weight, 10_000_000_000_000_000)
    # The remainder is below 2^63, so the wrapped difference is zero only where it is.
    return shift if shift * 10_000_000_000_000_000 == magnitude * weight else shift + 1
