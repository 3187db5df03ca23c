"""Searches that only draw, a batch at a time: a seed and how many were told say all of it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from tapewire.candles.rules import DeclaredStrategy
from tapewire.generator import Evaluated

Json = dict[str, Any]


class AskTell(Protocol):
    """A search, from outside: it is asked for strategies, and told what came of them."""

    def ask(self) -> list[DeclaredStrategy]:
        """Return what is to be evaluated next; nothing: the search has ended."""

    def tell(self, evaluated: Sequence[Evaluated]) -> None:
        """Take what came of all that was asked for last, in its order."""

    def state(self) -> Json:
        """Return all of it between two batches, JSON-ready."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""


class DrawnSearch:
    """Strategies that are drawn, whatever comes of those before.

    Parameters
    ----------
    draw
        Gives all of them, from the first on.
    count
        How many.
    batch
        So many at a time.
    told
        So many of them are known.
    """

    def __init__(
        self, draw: Callable[[int], Iterator[DeclaredStrategy]], count: int, batch: int,
        told: int = 0,
    ) -> None:  # fmt: skip
        self._count, self._batch, self._told = count, batch, told
        # Each is unlike all before: those that are known are drawn again, a thousand a second.
        self._left = islice(draw(count), told, None)
        self._asked: list[DeclaredStrategy] = []

    @property
    def done(self) -> bool:
        """Whether all were told."""
        return self._told >= self._count

    def ask(self) -> list[DeclaredStrategy]:
        """Return the next batch; nothing: there is none."""
        if not self._asked:
            self._asked = list(islice(self._left, self._batch))
        return list(self._asked)

    def tell(self, evaluated: Sequence[Any]) -> None:
        """Take that the batch was evaluated."""
        if len(evaluated) != len(self._asked):
            raise ValueError(f"expected {len(self._asked)} results, found {len(evaluated)}")
        self._told += len(self._asked)
        self._asked = []

    def state(self) -> Json:
        """Return how many were told."""
        return {"told": self._told}
