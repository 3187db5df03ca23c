"""Rows on their way to a model: those that wait, those that were sent, those that may be again."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg

IntArray = npt.NDArray[np.int64]


@dataclass
class OutboxItem:
    """A message with rows, or one that comes between them.

    Attributes
    ----------
    first_row : int
        Number of its first row.
    ts, books, effect_ns : (n,)
        Moments, instruments, and when the signals of each row take effect.
    values : (n, columns)
    message : msg.Message or None
        Instead of rows.
    sent_s : float
        When it was sent, monotonic.
    """

    first_row: int
    ts: IntArray
    books: IntArray
    values: npt.NDArray[np.float64]
    effect_ns: IntArray
    message: msg.Message | None = None
    sent_s: float = 0.0

    @property
    def stop(self) -> int:
        """The row behind it."""
        return self.first_row + len(self.ts)

    def from_row(self, row: int) -> "OutboxItem":
        """What is left of it where the rows before one were answered."""
        at = row - self.first_row
        return self if at <= 0 or self.message is not None else self.part(at, len(self.ts))

    def part(self, at: int, to: int) -> "OutboxItem":
        """Some of its rows."""
        return OutboxItem(
            self.first_row + at, self.ts[at:to], self.books[at:to], self.values[at:to],
            self.effect_ns[at:to],
        )  # fmt: skip


class Outbox:
    """The messages to one model, in order; kept until nothing can need them.

    Parameters
    ----------
    rows_max
        Most rows of a message.
    """

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._pending: list[OutboxItem] = []
        self._kept: deque[OutboxItem] = deque()  # sent or to be sent
        self._sent = 0  # how many of them were sent

    @property
    def sent(self) -> int:
        """Messages that were sent and are kept."""
        return self._sent

    @property
    def next(self) -> OutboxItem | None:
        """The next message to be sent."""
        return self._kept[self._sent] if self._sent < len(self._kept) else None

    @property
    def is_empty(self) -> bool:
        """Whether everything was sent."""
        return not self._pending and self._sent == len(self._kept)

    def note_sent(self, now_s: float) -> None:
        """The next message was sent."""
        self._kept[self._sent].sent_s = now_s
        self._sent += 1

    def add(self, item: OutboxItem) -> None:
        """Take rows, behind all before them; see `ship`."""
        self._pending.append(item)

    def tell(self, row: int, message: msg.Message) -> None:
        """Take a message without rows, behind all rows so far."""
        self.ship(everything=True)
        none = np.zeros(0, np.int64)
        self._kept.append(OutboxItem(row, none, none, np.zeros((0, 0)), none, message))

    def ship(self, *, everything: bool) -> None:
        """Make messages of the rows that wait: whole ones, or all."""
        size = self._rows_max
        if len(self._pending) == 1 and everything and len(self._pending[0].ts) <= size:
            self._kept.append(self._pending.pop())
            return
        waiting = sum(len(item.ts) for item in self._pending)
        if waiting < (1 if everything else size):
            return
        ts, books, values, effect_ns = (
            np.concatenate([getattr(item, name) for item in self._pending])
            for name in ("ts", "books", "values", "effect_ns")
        )
        whole = OutboxItem(self._pending[0].first_row, ts, books, values, effect_ns)
        stop = waiting if everything else waiting - waiting % size
        self._kept += [whole.part(at, min(at + size, stop)) for at in range(0, stop, size)]
        self._pending = [whole.part(stop, waiting)] if stop < waiting else []

    def sent_stop(self, otherwise: int) -> int:
        """The row behind the last that was sent; ``otherwise`` if none is kept."""
        return self._kept[self._sent - 1].stop if self._sent else otherwise

    def told_of(self, first: int, stop: int) -> tuple[IntArray, IntArray, list[float]]:
        """When rows take effect, their instruments, and when messages that they end were sent."""
        effects, books, sent_s = [], [], []
        for item in self._kept:
            if item.first_row >= stop:
                break
            if item.stop > first and item.message is None:
                at, to = max(first - item.first_row, 0), min(stop, item.stop) - item.first_row
                effects.append(item.effect_ns[at:to])
                books.append(item.books[at:to])
                if item.stop <= stop:
                    sent_s.append(item.sent_s)
        if len(effects) == 1:
            return effects[0], books[0], sent_s
        return np.concatenate(effects), np.concatenate(books), sent_s

    def effect_of(self, row: int, otherwise: int) -> int:
        """When the signals of a row take effect; ``otherwise`` if it is not there yet."""
        for item in self._all():
            if item.first_row <= row < item.stop:
                return int(item.effect_ns[row - item.first_row])
        return otherwise

    def _all(self) -> Iterator[Any]:
        yield from self._kept
        yield from self._pending

    def rewind(self, row: int) -> None:
        """Everything from a row on is to be sent, again or for the first time."""
        kept = self._kept
        while kept and kept[0].stop <= row and kept[0].message is None:
            kept.popleft()
        if kept:
            kept[0] = kept[0].from_row(row)
        self._sent = 0

    def forget(self, row: int, *, has_state: bool) -> None:
        """Let go of what was sent and has only rows before one.

        ``has_state``: that row is where a state stands, which knows of no message behind it.
        """
        while self._sent and (item := self._kept[0]).stop <= row:
            if has_state and item.message is not None and item.stop == row:
                return
            self._kept.popleft()
            self._sent -= 1

    def kept_stop(self, position: int) -> int:
        """The row behind one of the kept messages."""
        return self._kept[position].stop

    def clear(self) -> None:
        """Nobody will ask for anything any more."""
        self._pending.clear()
        self._kept.clear()
        self._sent = 0
