"""Turns of time: sessions that close, and rates of currencies that change.

Both are looked at where limits are: before an order leaves, and when what is held is valued.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.market.layout import NIL
from tapewire.positions.accounting import revalue
from tapewire.positions.layout import account_at, limits_at, turn_at
from tapewire.positions.limits import begin_session
from tapewire.positions.worths import move_worth
from tapewire.router._layout import instance_at, leg_at


@jit
def pass_turns(router: Any, limits: Any, now_ns: int) -> None:
    """Let what turns by a time happen to a strategy, or to all together, in order."""
    k = limits.turn
    while turn_at(router.turns, k).ts <= now_ns:
        turn = turn_at(router.turns, k)
        if turn.closes != 0:
            begin_session(limits, turn.ts)
        if turn.rates != 0:
            _convert(router, limits.owner, turn.ts)
        k += 1
    limits.turn = k
    limits.day_end_ns = turn_at(router.turns, k).ts


@jit
def _convert(router: Any, owner: int, ts: int) -> None:
    """Value what is known of legs, of an instance or (NIL) of all, at the rates of a time."""
    at = 0 if owner == NIL else instance_at(router.instances, owner).legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        account = account_at(router.accounts, at)
        if account.worths != 0 and move_worth(account, ts):
            change = revalue(account, limits_at(router.limits, leg.instance))
            if router.portfolio != 0:
                limits_at(router.portfolio, 0).known_pnl += change
        if owner != NIL:
            at = leg.next_of_instance
        else:
            at = at + 1 if at + 1 < router.leg_n else NIL
