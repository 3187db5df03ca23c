"""In whose queues a simulated order stands: its strategy's own, or those of a shared book."""

from typing import Any

from tapewire.compiled.jit import jit_inline
from tapewire.execution.layout import party_at, tally_at


@jit_inline
def house_of(execution: Any, leg: int) -> Any:
    """The party in whose queues a leg's orders stand: its own, or that of its shared book."""
    return party_at(execution.parties, tally_at(execution.tallies, leg).house)
