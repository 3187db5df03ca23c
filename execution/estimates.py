"""Kernels of places in queues that are guessed from the sizes of levels.

So are all of a strategy whose queue model guesses, and all in books whose publisher gives no
orders: those by the careful guess, if no other is chosen. How a guess moves is said in
`models.queue.estimate`. What a book shows of a level is its lots; worse than the worst level that
a publisher without orders shows, nothing is known: an order there stays behind all that shows at
its price first, and one whose level is out of sight keeps its guess.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import own_at
from tapewire.execution.models.queue.estimate import (
    EXACT,
    LEVEL_LOTS_MAX,
    LOT,
    RISK_ADVERSE,
    front_after,
)
from tapewire.execution.models.record import models_at
from tapewire.execution.words import BUY
from tapewire.market.layout import ASK, BID, NIL, book_at, level_at, rung_at, side_at
from tapewire.market.queues import find_level

#: In the place of the lots ahead of an order: nothing is guessed, or not yet.
UNKNOWN: Final = -1


@jit_inline
def estimate_of(market: Any, execution: Any, party: Any) -> int:
    """How the places of a party's orders are guessed; EXACT if they are those of the data."""
    kind = models_at(execution.models, party.models).queue_estimate
    if kind == EXACT and book_at(market.books, party.book).quoted != 0:
        return RISK_ADVERSE
    return kind


@jit
def begin_estimate(market: Any, execution: Any, party: Any, own: Any) -> None:
    """An order joins a queue: all that its level shows is ahead of it."""
    own.front = UNKNOWN
    own.level_lots = 0
    own.level_traded = 0
    if estimate_of(market, execution, party) != EXACT:
        lots = _shown_lots(market, party.book, own)
        if lots != UNKNOWN:
            own.front = lots * LOT
            own.level_lots = lots


@jit
def pass_volume(own: Any, lots: int) -> int:
    """Volume trades at an order's price; how many lots of it were behind the order.

    Half a lot ahead counts as none. Once something behind it has traded, nothing is ahead.
    """
    own.level_traded = min(own.level_traded + lots, LEVEL_LOTS_MAX)
    if own.front == UNKNOWN:
        return 0
    left = lots * LOT - own.front
    own.front = max(0, -left)
    behind = (left + LOT // 2) // LOT
    if behind <= 0:
        return 0
    own.front = 0
    return min(behind, lots)


@jit
def follow_levels(market: Any, execution: Any, party: Any) -> None:
    """An event is complete: move the guesses of a party's resting orders with their levels."""
    kind = estimate_of(market, execution, party)
    if kind == EXACT:
        return
    n = models_at(execution.models, party.models).queue_power
    in_parts = book_at(market.books, party.book).quoted != 0  # trades and quotes come apart
    for first in (party.buys, party.sells):
        at = first
        while at != NIL:
            own = own_at(execution.own_orders, at)
            at = own.next
            lots = _shown_lots(market, party.book, own)
            if lots == UNKNOWN:
                continue
            if own.front == UNKNOWN:
                own.front = lots * LOT
            elif lots != own.level_lots or (own.level_traded != 0 and not in_parts):
                own.front = front_after(kind, n, own.front, own.level_lots, lots, own.level_traded)
            else:
                continue
            own.level_lots = lots
            own.level_traded = 0


@jit_inline
def lots_ahead(own: Any) -> int:
    """Lots ahead of an order by its guess, to the nearest; or UNKNOWN."""
    return UNKNOWN if own.front == UNKNOWN else (own.front + LOT // 2) // LOT


@jit
def _shown_lots(market: Any, book: int, own: Any) -> int:
    """Lots of the market that its book shows at an order's price, or UNKNOWN."""
    side = BID if own.side == BUY else ASK
    level = find_level(market, book, side, own.price)
    if level != NIL:
        return min(level_at(market.levels, level).size, LEVEL_LOTS_MAX)
    ladder = side_at(market.sides, 2 * book + side)
    if ladder.n > 0 and book_at(market.books, book).quoted != 0:
        key = own.price if side == BID else -own.price
        if key < rung_at(market.rungs, ladder.offset).key:
            return UNKNOWN
    return 0
