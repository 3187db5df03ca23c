"""Strategies that share a book, or limits: all that they do there happens in one order of time."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import party_at
from tapewire.market.layout import NIL
from tapewire.router._changes import act_next, carry_out
from tapewire.router._delivery import deliver
from tapewire.router._layout import instance_at, leg_at
from tapewire.router._room import step_room


@jit
def before_shared(
    market: Any, execution: Any, router: Any, watch: Any, owner: int, until_ns: int
) -> int:
    """Arrivals and own time before ``until_ns`` of all legs that share a book of theirs; a status.

    Where all strategies have limits together, those are all legs of the book. At one time arrivals
    come first, and of two the one of the strategy that the run names first.
    """
    while True:
        if execution.changed != NIL:
            status = carry_out(market, execution, router, 0)
            if status != 0:
                return status
        chosen = NIL
        chosen_due = until_ns
        chosen_place = 0
        arrives = False
        at = watch.legs
        while at != NIL:
            leg = leg_at(router.legs, at)
            if router.portfolio != 0 or party_at(execution.parties, at).owner == owner:
                local_due = instance_at(router.instances, leg.instance).local_due
                due = min(leg.arrival_due, local_due)
                is_arrival = leg.arrival_due <= local_due
                is_first = due < chosen_due
                if due == chosen_due and chosen != NIL:
                    if is_arrival == arrives:
                        is_first = leg.shared < chosen_place
                    else:
                        is_first = is_arrival
                if is_first:
                    chosen = at
                    chosen_due = due
                    chosen_place = leg.shared
                    arrives = is_arrival
            at = leg.next_of_book
        if chosen == NIL:
            return 0
        room = step_room(market, execution, router)
        if room != 0:
            return room
        if arrives:
            status = act_next(market, execution, router, chosen)
        else:
            instance = leg_at(router.legs, chosen).instance
            status = deliver(execution, router, instance)
        if status != 0:
            return status
