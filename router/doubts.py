"""What records said of themselves, by instrument, and what a run did about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from tapewire.errors import FlaggedDataError
from tapewire.market.flags import FlagKind
from tapewire.market.instruments import InstrumentTable
from tapewire.market.times import time_text

FlagAction = Literal["continue", "mark", "stop"]
#: What a run does where nothing else is said.
CONTINUE: Final = "continue"
_SAID: Final = {
    FlagKind.MAYBE_BAD_BOOK: "a record is flagged MAYBE_BAD_BOOK (records were lost before it)",
    FlagKind.BAD_TS_RECV: "a record is flagged BAD_TS_RECV (its capture time is wrong)",
    FlagKind.MISSING_LAST: "an event ended without F_LAST, behind a record",
    FlagKind.CLEAR: "a record clears the book (R)",
}


@dataclass(frozen=True)
class FlagPolicy:
    """What a run does where a record says something of itself: by kind, the rest as `CONTINUE`."""

    actions: Mapping[FlagKind, FlagAction] = field(default_factory=dict)

    def kinds(self, action: FlagAction) -> int:
        """The kinds with an action, a bit each."""
        return sum(1 << kind for kind, chosen in self.actions.items() if chosen == action)

    def to_dict(self) -> dict[str, str]:
        """Every kind's action by its key."""
        return {kind.key: self.actions.get(kind, CONTINUE) for kind in FlagKind}


@dataclass(frozen=True)
class FlaggedBook:
    """A book whose records said something of themselves.

    Attributes
    ----------
    counts
        How often, by kind.
    marked_n
        How often it came to be in doubt, where the run minds.
    marked_events
        Events that left it so.
    in_doubt
        Whether it is now.
    """

    symbol: str
    publisher_id: int
    instrument_id: int
    counts: Mapping[FlagKind, int]
    marked_n: int
    marked_events: int
    in_doubt: bool

    def after(self, before: "FlaggedBook | None") -> "FlaggedBook":
        """Return this and what was said of the book before it, together."""
        if before is None:
            return self
        return replace(
            self,
            counts={kind: n + before.counts.get(kind, 0) for kind, n in self.counts.items()},
            marked_n=self.marked_n + before.marked_n,
            marked_events=self.marked_events + before.marked_events,
        )

    @property
    def who(self) -> str:
        """The book in words."""
        return f"{self.symbol} (publisher {self.publisher_id})"

    def _place(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol,
            "publisher_id": self.publisher_id,
            "instrument_id": self.instrument_id,
        }

    def flags(self) -> dict[str, Any]:
        """What was said, as the manifest has it."""
        return self._place() | {kind.key: n for kind, n in self.counts.items()}

    def marks(self) -> dict[str, Any]:
        """What was done about it, as the manifest has it."""
        return self._place() | {
            "times": self.marked_n,
            "events": self.marked_events,
            "at_the_end": self.in_doubt,
        }


def flagged_books(
    books: npt.NDArray[Any], watches: npt.NDArray[Any], instruments: InstrumentTable
) -> list[FlaggedBook]:
    """The books whose records said something of themselves, in the order of their opening."""
    said = np.stack([books[kind.key] for kind in FlagKind], axis=1)
    found = []
    for at in np.flatnonzero(said.any(axis=1) | (watches["doubt_n"] > 0)):
        key = int(books[at]["key"])
        found.append(
            FlaggedBook(
                symbol=instruments.get(key & 0xFFFFFFFF).symbol,
                publisher_id=key >> 32,
                instrument_id=key & 0xFFFFFFFF,
                counts=dict(zip(FlagKind, said[at].tolist(), strict=True)),
                marked_n=int(watches[at]["doubt_n"]),
                marked_events=int(watches[at]["doubt_events"]),
                in_doubt=int(watches[at]["doubts"]) != 0,
            )
        )
    return found


def stopped(router: Any, books: Any, instruments: InstrumentTable) -> FlaggedDataError:
    """Why a run stopped at a record, without the file, which only who replays knows."""
    book = books[int(router["flag_book"])]
    kinds = int(router["flag_kinds"])
    kind = next(kind for kind in FlagKind if kinds >> kind & 1)
    key = int(book["key"])
    publisher_id, instrument_id = key >> 32, key & 0xFFFFFFFF
    ts_recv = int(book["ts_recv"])
    symbol = instruments.get(instrument_id).symbol
    return FlaggedDataError(
        f"{symbol} (publisher {publisher_id}), {time_text(ts_recv)}: {_SAID[kind]}, and the run is "
        f"to stop there (data_source: flags: {kind.key}: stop)",
        kind.key, publisher_id, instrument_id, int(book["ts_event"]), ts_recv,
    )  # fmt: skip
