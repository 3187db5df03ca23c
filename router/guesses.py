"""In which books places in queues were guessed from the sizes of levels, and by which model."""

from dataclasses import dataclass
from typing import Any

from tapewire.execution.models.queue.risk_adverse import RISK_ADVERSE_QUEUE
from tapewire.router._memory import Memory
from tapewire.router._roster import Roster


@dataclass(frozen=True)
class GuessedQueue:
    """A book in which the places of a strategy's orders were guessed.

    Attributes
    ----------
    publisher_id, instrument_id, symbol
        Which.
    model : str
        The queue model that guessed.
    has_orders : bool
        Whether the data have the orders of this book: then the guess was asked for.
    """

    publisher_id: int
    instrument_id: int
    symbol: str
    model: str
    has_orders: bool

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"queue": "estimated", **vars(self)}


def guessed_queues(memory: Memory, roster: Roster) -> list[GuessedQueue]:
    """Books of strategies whose queues were guessed, each once per model, as they came up."""
    quoted = memory.market.books.records["quoted"]
    found: dict[GuessedQueue, None] = {}
    for leg in roster.legs:
        party = memory.parties.records[leg.leg]
        definition = roster.models_of(leg.strategy_id).queue.definition
        has_orders = not quoted[party["book"]]
        if definition.estimate is None:
            if has_orders:
                continue
            definition = RISK_ADVERSE_QUEUE
        found[
            GuessedQueue(
                leg.publisher_id, leg.instrument_id, leg.symbol, definition.name, has_orders
            )
        ] = None
    return list(found)
