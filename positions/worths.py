"""Kernels of money at rates that change: what a strategy knows to be realised keeps its rate.

What a price point is worth by lot has steps (`layout.WORTH`, the first in force from the start).
An account that has them keeps apart what is realised at average cost, in price units x lots and in
currency at the rate of each fill's time at the exchange; what is open is valued at the rate now.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.positions.accounting import cost_of, currency
from tapewire.positions.layout import worth_at


@jit
def move_worth(account: Any, ts: int) -> bool:
    """Value by the rate in force at a time from now on; whether that is another one."""
    moved = False
    while worth_at(account.worths, account.worth_n).ts <= ts:
        step = worth_at(account.worths, account.worth_n)
        account.multiplier_num = step.num
        account.multiplier_den = step.den
        account.worth_n += 1
        moved = True
    return moved


@jit
def realise(account: Any, side: int, price: int, lots: int, ts_event: int) -> None:
    """Realise what a fill closes, before it is booked in what the strategy knows."""
    signed = side * lots
    before = account.known_position
    if before == 0 or (before > 0) == (signed > 0):
        account.known_cost += price * signed
        return
    held = abs(before)
    closing = min(lots, held)
    cost = cost_of(account.known_cost, closing, held)
    account.known_cost -= cost
    gained = price * closing * (1 if before > 0 else -1) - cost
    k = 1
    while worth_at(account.worths, k).ts <= ts_event:
        k += 1
    step = worth_at(account.worths, k - 1)
    account.base_units += gained
    account.base_money += currency(gained, step.num, step.den)
    if lots > closing:
        account.known_cost = price * (signed + before)
