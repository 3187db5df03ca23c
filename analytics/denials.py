"""Orders that never left: how many of each strategy were denied, and why, in words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.ledger import Leg
from tapewire.compiled.units import PRICE_UNITS
from tapewire.execution.codes import OrderStatus, Reason

#: Lines about denials, one per strategy and reason; further ones are counted in one more line.
DENIALS_TOLD_MAX: Final = 20

_WHY: Final = {
    Reason.MAX_POSITION: "could pass risk_limits.max_position",
    Reason.MAX_ORDER_SIZE: "above risk_limits.max_order_size",
    Reason.MAX_LOSS: "risk_limits.max_loss had been reached",
    Reason.MAX_ORDER_RATE: "more than risk_limits.max_orders_per_second",
    Reason.INVALID_QUANTITY: "below 1 or min_quantity, above 2147483647, or no multiple of lot_size",
    Reason.INVALID_PRICE: "no valid price",
    Reason.INVALID_TERMS: "what was asked for does not go together, see docs/orders.md",
}


def tally_denials(tally: Counter[tuple[int, int]], orders: NDArray[np.void]) -> None:
    """Count the denied ones of some ``ORDER_DTYPE`` rows by leg and reason."""
    denied = orders[orders["status"] == OrderStatus.DENIED]
    if denied.size:
        tally.update(zip(denied["leg"].tolist(), denied["reason"].tolist(), strict=True))


def denial_warnings(tally: Mapping[tuple[int, int], int], legs: Iterable[Leg]) -> list[str]:
    """Return one sentence per strategy and reason, by name; the first `DENIALS_TOLD_MAX`."""
    leg_of = {leg.leg: leg for leg in legs}
    counts: Counter[tuple[str, int]] = Counter()
    ticks: dict[tuple[str, int], set[int]] = {}
    for (leg, reason), n in tally.items():
        key = leg_of[leg].strategy_id, reason
        counts[key] += n
        ticks.setdefault(key, set()).add(leg_of[leg].tick_size)
    said = [
        f"{strategy}: {n:,} {'order' if n == 1 else 'orders'} denied: {Reason(reason).name} "
        f"({_why(reason, ticks[strategy, reason])})"
        for (strategy, reason), n in sorted(counts.items())
    ]
    if len(said) > DENIALS_TOLD_MAX:
        more = len(said) - DENIALS_TOLD_MAX
        said[DENIALS_TOLD_MAX:] = [
            f"{more:,} more lines like it: see status DENIED in orders.parquet"
        ]
    return said


def _why(reason: int, ticks: set[int]) -> str:
    if reason == Reason.INVALID_PRICE and ticks != {0}:
        told = sorted(ticks - {0})
        sizes = ", ".join(_decimal(tick) for tick in told[:3]) + (", …" if len(told) > 3 else "")
        return f"not a multiple of tick_size {sizes}"
    return _WHY[Reason(reason)]


def _decimal(units: int) -> str:
    whole, rest = divmod(units, PRICE_UNITS)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
