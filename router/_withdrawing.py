"""Orders that somebody outside has canceled: all of them, as if a limit had been reached.

No limit was: strategies may ask for new ones at once, unless these are held.
"""

from typing import Any

from tapewire.compiled.jit import jit_entry
from tapewire.execution.layout import execution_at
from tapewire.execution.words import WITHDRAWN
from tapewire.positions.layout import limits_at
from tapewire.router._layout import instance_at, leg_at, router_at
from tapewire.router._loss import act_on_limits


@jit_entry
def withdraw_all(router_address: int, now_ns: int) -> int:
    """Have each instance ask for cancels of what it has; a status."""
    router: Any = router_at(router_address, 0)
    execution = execution_at(router.execution, 0)
    for leg_index in range(router.leg_n):
        leg = leg_at(router.legs, leg_index)
        limits = limits_at(router.limits, leg.instance)
        if limits.winding != 0:
            continue  # this one does by now
        if limits.withdraw == 0:
            limits.withdraw = WITHDRAWN
        clock = instance_at(router.instances, leg.instance).clock
        status = act_on_limits(execution, router, leg_index, max(now_ns, clock))
        if status != 0:
            return status  # and once more from the first leg, when there is room
    return 0
