"""Kernels of money at rates that change: what a strategy knows to be realised keeps its rate.

What a price point is worth by lot has steps (`execution.layout.WORTH`, the first in force from the
start). An account that has them keeps apart what is realised at average cost, in price units x lots
and in currency at the rate of each fill's time at the exchange; what is open is valued at the rate
now.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import worth_at
from tapewire.execution.sides import short_after
from tapewire.execution.words import SELL
from tapewire.execution.worths import steps_begun
from tapewire.positions.accounting import cost_of, currency


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
    _keep(account, price * closing * (1 if before > 0 else -1) - cost, ts_event)
    if lots > closing:
        account.known_cost = price * (signed + before)


@jit
def realise_sides(
    account: Any, side: int, price: int, lots: int, ts_event: int, effect: int, short: int
) -> None:
    """As `realise`, of an account with two sides, of which it knows so many short lots before."""
    long_lots = account.known_position + short
    change = short_after(side, lots, effect, long_lots, short) - short
    opens = change if side == SELL else lots + change
    closing = lots - opens
    if side == SELL:
        cost = cost_of(account.known_cost, closing, long_lots)
        account.known_cost -= cost
        account.known_short_cost -= price * opens
    else:
        cost = cost_of(account.known_short_cost, closing, short)
        account.known_short_cost -= cost
        account.known_cost += price * opens
    if closing != 0:
        _keep(account, -side * price * closing - cost, ts_event)


@jit
def _keep(account: Any, gained: int, ts_event: int) -> None:
    """Keep what was realised, price units x lots, at the rate of a time at the exchange."""
    begun = steps_begun(account.worths, account.worth_n, ts_event)
    step = worth_at(account.worths, begun - 1)
    account.base_units += gained
    account.base_money += currency(gained, step.num, step.den)
