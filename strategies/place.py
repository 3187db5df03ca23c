"""Where a strategy that is not compiled lives in a run: its own memory, and its books.

All that a strategy can reach from here is its own, and as of its own time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy.typing as npt

from tapewire.compiled.memory import Block
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.layout import CONTEXT, SEEN_LEVEL, SIGHT, TRADE, VIEW

#: What is called for each hook, in their order; None: nothing.
Calls = Sequence[Callable[[], None] | None]


class ViewMemory:
    """The memory of a book's view; it never moves.

    Parameters
    ----------
    depth : int
        Levels per side.
    trades : int
        How many are kept: 0 or a power of two.
    """

    def __init__(self, depth: int, trades: int) -> None:
        self._view = Block(VIEW, 1)
        self.levels: Final = tuple(Block(SEEN_LEVEL, max(depth, 1)) for _ in range(2))
        self.trades: Final = Block(TRADE, max(trades, 1))
        record = self._view.records[0]
        record["depth"] = depth
        record["bids"], record["asks"] = (side.address for side in self.levels)
        record["trades"], record["trade_capacity"] = self.trades.address, trades

    @property
    def address(self) -> int:
        """Where the VIEW is."""
        return self._view.address

    @property
    def record(self) -> npt.NDArray[Any]:
        """The VIEW, shape (1,)."""
        return self._view.records

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(block.nbytes for block in (self._view, *self.levels, self.trades))


@dataclass(frozen=True)
class PlacedBook:
    """One book of a strategy.

    Attributes
    ----------
    leg : int
        Its number, as the context has it while the book is at hand.
    symbol, publisher_id, instrument_id, tick_size
        ``tick_size`` in 1e-9, 0 where it is unknown.
    view : ViewMemory or None
        None where the strategy wants none.
    features_address : int
        Of the FEATURE_STATE; 0 where the strategy wants no features.
    feature_columns : mapping of name to int
    """

    leg: int
    symbol: str
    publisher_id: int
    instrument_id: int
    tick_size: int
    view: ViewMemory | None
    features_address: int = 0
    feature_columns: Mapping[str, int] = field(default_factory=dict)


class Place:
    """One instance of a strategy in a run.

    Attributes
    ----------
    strategy_id : str
    parameters : mapping
        Complete and checked.
    key : int
        Of the instance's own random draws.
    context : Block
        Its one CONTEXT; it does not move.
    books : list of PlacedBook
        In the order in which they came; ``sights`` has a SIGHT for each.
    opened : callable (PlacedBook)
        Told of each of its books; set by whoever lives here.
    series : list of (leg, name, time in ns, value)
        Values that it recorded and nobody has taken yet.
    """

    def __init__(self, strategy_id: str, parameters: Mapping[str, Any], key: int) -> None:
        self.strategy_id = strategy_id
        self.parameters = parameters
        self.key = key
        self.series: list[tuple[int, str, int, float]] = []
        self.context: Final = Block(CONTEXT, 1)
        self.sights: Final = Block(SIGHT, 1)
        self.books: list[PlacedBook] = []
        self.opened: Callable[[PlacedBook], None] | None = None

    def add_book(self, book: PlacedBook) -> None:
        """Give the instance one more book."""
        index = len(self.books)
        if index == self.sights.capacity:
            self.sights.grow(2 * index)
        sight = self.sights.records[index]
        sight["leg"] = book.leg
        sight["publisher_id"], sight["instrument_id"] = book.publisher_id, book.instrument_id
        sight["tick_size"] = book.tick_size
        for name in ("best_bid", "best_ask", "trade_price"):
            sight[name] = UNDEF_PRICE
        sight["seen_view"] = 0 if book.view is None else book.view.address
        self.books.append(book)
        if self.opened is not None:
            self.opened(book)
