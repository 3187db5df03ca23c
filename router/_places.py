"""Where a strategy's orders stand in their queues, for those who ask."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.houses import house_of
from tapewire.execution.layout import own_at
from tapewire.execution.resting import place_in_queue
from tapewire.market.layout import NIL


@jit
def note_places(market: Any, execution: Any, leg_index: int) -> None:
    """Let a leg's strategy know what is ahead of each of its resting orders now."""
    party = house_of(execution, leg_index)
    for first in (party.buys, party.sells):
        at = first
        while at != NIL:
            own = own_at(execution.own_orders, at)
            if own.leg == leg_index:
                own.orders_ahead, own.lots_ahead = place_in_queue(market, execution, at)
            at = own.next
