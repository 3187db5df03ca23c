"""A strategy bound to one run: what its parameters come to, instance by instance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tapewire.strategies.definition import StrategyDefinition


class Bound:
    """One strategy of a run; by default with one instance on each book that it trades.

    Attributes
    ----------
    names_its_books : bool
        It says itself which books it trades, and has one instance over all of them.
    source : str
        What names those books, for messages.
    books : sequence of (symbol, publisher_id or None)
        Those books; they are opened before the data begins.
    labels : tuple of str, optional
        Names of its orders, by ``client_order_id`` - 1.
    """

    names_its_books: ClassVar[bool] = False
    #: What to do where a symbol is traded on several publishers.
    publisher_hint: ClassVar[str] = "name one under data_source: publishers"

    def __init__(self, definition: "StrategyDefinition", parameters: Mapping[str, Any]) -> None:
        self.definition = definition
        self.parameters = parameters
        self.source = definition.name
        self.books: Sequence[tuple[str, int | None]] = ()
        self.labels: tuple[str, ...] | None = None

    def new_state(self) -> npt.NDArray[Any]:
        """The state record of a new instance, shape (1,)."""
        state = np.zeros(1, self.definition.state)
        if self.definition.prepare is not None:
            self.definition.prepare(self.parameters, state[0])
        return state

    def place(self, legs: Sequence[int]) -> None:
        """Take the number of the leg on each of ``books``."""

    def counts(self, first_ns: int) -> Mapping[str, int]:
        """What else is to be reported; ``first_ns`` is the local time of the first event."""
        return {}
