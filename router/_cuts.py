"""A session is cut: what its strategy sent is canceled by the venue, as that is told to.

It is so at a time of the strategy's own, before all else that it does then. Nothing tells it; what
it asks for while its session is cut is denied at once.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import NEVER
from tapewire.market.layout import NIL
from tapewire.positions.layout import cut_at
from tapewire.router._layout import CUT_OFF, instance_at, leg_at, message_at
from tapewire.router._messages import send_cancel_all, tell_strategy


@jit
def first_cut(execution: Any, router: Any, instance_index: int, now_ns: int) -> None:
    """An instance with a session that is cut begins: have the first of the cuts to come act."""
    cuts = instance_at(router.instances, instance_index).cuts
    k = 0
    while cut_at(cuts, k).at < now_ns:
        k += 1
    _set_cut(execution, router, instance_index, k)


@jit
def _set_cut(execution: Any, router: Any, instance_index: int, k: int) -> None:
    """Have a cut act at its time; there is room for it."""
    at = cut_at(instance_at(router.instances, instance_index).cuts, k).at
    if at < NEVER:
        index = tell_strategy(router, execution, instance_index, at, CUT_OFF, NIL)
        message_at(router.messages, index).quantity = k


@jit
def cut_off(execution: Any, router: Any, instance_index: int, k: int) -> None:
    """The session is cut: send off the venue's cancels; there is room for one for each leg."""
    instance = instance_at(router.instances, instance_index)
    cut = cut_at(instance.cuts, k)
    leg_index = instance.legs
    while leg_index != NIL and cut.cancel_ns < NEVER:
        send_cancel_all(router, execution, leg_index, cut)
        leg_index = leg_at(router.legs, leg_index).next_of_instance
    _set_cut(execution, router, instance_index, k + 1)
