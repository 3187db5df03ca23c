"""Between two batches of the simulation: what models have answered is laid out for the loop."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from tapewire.bridge.desk import Desk
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.follower import SIGNAL, SIGNAL_CANCEL_ALL, SIGNAL_TARGET

#: Room for signals at first; it grows.
_ROOM: Final = 1_024


class LegOf(Protocol):
    """A book that a strategy trades, see `router.LegInfo`."""

    leg: int
    strategy_id: str
    publisher_id: int
    instrument_id: int


class Followed(Protocol):
    """As much of a simulation as models have to do with."""

    @property
    def legs(self) -> Sequence[Any]:
        """Who trades where."""
        ...

    def open_books(self, keys: Sequence[int]) -> None:
        """Open books before their first records."""
        ...

    def state_of(self, strategy_id: str) -> Any:
        """The state record of a strategy."""
        ...

    def announce_signal(self, leg: int, ts_ns: int) -> None:
        """Have an instance called at a time."""
        ...


class LegMap:
    """Which leg of a strategy is on which of the books that a pass counts."""

    def __init__(self, strategy_id: str) -> None:
        self._strategy_id = strategy_id
        self._legs = np.zeros(0, np.int64)
        self._keys_n = self._legs_n = 0

    def update(self, keys: Sequence[int], simulation: Followed) -> None:
        """Take note of what has come; ``keys`` by the pass's index of the book."""
        legs = simulation.legs
        if len(keys) == self._keys_n and len(legs) == self._legs_n:
            return
        self._keys_n, self._legs_n = len(keys), len(legs)
        mine = {
            one.publisher_id << 32 | one.instrument_id: one.leg
            for one in legs
            if one.strategy_id == self._strategy_id
        }
        self._legs = np.array([mine.get(key, -1) for key in keys], np.int64)

    def of(self, books: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The legs of books, (n,)."""
        return self._legs[books]

    @property
    def all(self) -> list[int]:
        """All legs of the strategy."""
        return sorted(int(leg) for leg in self._legs if leg >= 0)


class Following:
    """The signals of one model on their way into the loop."""

    def __init__(self, desk: Desk, simulation: Followed) -> None:
        self.desk = desk
        self.legs = LegMap(desk.spec.strategy_id)
        self._simulation = simulation
        self._room = np.zeros(_ROOM, SIGNAL)
        self._last_ns = 0

    def give(self, taken: Sequence[npt.NDArray[Any]]) -> None:
        """Lay out signals, by time, behind those that are not due yet.

        Parameters
        ----------
        taken
            Arrays of SIGNAL; ``leg`` is the index of the book.
        """
        if not taken:
            return
        more = np.concatenate(taken)
        more["leg"] = self.legs.of(more["leg"])
        self._lay_out(more)

    def withdraw(self, now_ns: int, *, flatten: bool, cancel: bool) -> None:
        """Ask for what is to be done without the model, as soon as what it asked for is done."""
        legs = self.legs.all
        kinds = [SIGNAL_CANCEL_ALL] * cancel + [SIGNAL_TARGET] * flatten
        more = np.zeros(len(kinds) * len(legs), SIGNAL)
        more["ts"] = max(now_ns, self._last_ns)
        more["kind"] = np.repeat(np.array(kinds, np.int64), len(legs))
        more["leg"] = legs * len(kinds)
        more["price"] = UNDEF_PRICE
        self._lay_out(more)

    def _lay_out(self, more: npt.NDArray[Any]) -> None:
        state = self._simulation.state_of(self.desk.spec.strategy_id)
        if state is None or not more.size:
            return
        self._last_ns = int(more["ts"][-1])
        left = self._room[int(state.next) : int(state.n)]
        total = left.size + more.size
        room = self._room
        if total > room.size:
            room = np.zeros(2 * total, SIGNAL)
        room[: left.size] = left.copy()
        room[left.size : total] = more
        self._room = room
        state.signals, state.n, state.next = room.ctypes.data, total, 0
        if not state.is_set:
            state.is_set = 1
            self._simulation.announce_signal(int(room["leg"][0]), int(room["ts"][0]))
