"""What a price point is worth where rates of currencies change: steps over time, by lot.

The first step is in force from the start. Fees and impact by value go by the step in force at the
time of the fill at the exchange.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import worth_at


@jit
def steps_begun(worths: int, near: int, ts: int) -> int:
    """How many steps have begun by a time, at least 1; it is looked for from ``near`` on."""
    k = near
    while worth_at(worths, k).ts <= ts:
        k += 1
    while k > 1 and worth_at(worths, k - 1).ts > ts:
        k -= 1
    return k


@jit
def follow_worth(party: Any, tally: Any, ts: int) -> None:
    """Have a party's multiplier be that of a time at the exchange."""
    begun = steps_begun(tally.worths, tally.worth_n, ts)
    if begun != tally.worth_n:
        tally.worth_n = begun
        step = worth_at(tally.worths, begun - 1)
        party.multiplier_num = step.num
        party.multiplier_den = step.den
