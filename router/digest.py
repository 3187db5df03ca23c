"""Digests: one number that says whether two runs did the same."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from tapewire.compiled.jit import jit_entry

#: Changes when the meaning of a digest does; see CHANGELOG.
_VERSION: Final = b"tapewire-digest-1"
#: Fields that name a place in this run's memory rather than something that happened, and those
#: that tell how an order came to be what its other fields say.
_OUTSIDE: Final = (
    "leg", "order", "ts_placed", "lots_ahead", "impact", "effect", "replaces", "ts_replaced",
)  # fmt: skip
#: Rows that may wait to be hashed together.
_ROWS_AT_ONCE: Final = 65_536
#: Rows that are brought together for that: what they take stays near.
_ROWS_PACKED: Final = 8_192
_ACCOUNT: Final = ("position", "cash", "realized", "fees", "volume")


@jit_entry
def count_by_leg(words: Any, leg_column: int, ends: Any) -> None:
    """Add the rows of each leg to ``ends``: ``words`` is (n, k) int64, leg ``j`` at ``j + 1``."""
    for i in range(words.shape[0]):
        ends[words[i, leg_column] + 1] += 1


@jit_entry
def pack_by_leg(words: Any, leg_column: int, columns: Any, out: Any, starts: Any) -> None:
    """Gather some columns of rows, leg by leg, in the order of the rows within a leg.

    ``words`` is (n, k) int64, ``columns`` the (m,) columns wanted, ``out`` (…, m); a leg's rows go
    to ``starts`` of it and on, which is moved on.
    """
    m = columns.shape[0]
    for i in range(words.shape[0]):
        leg = words[i, leg_column]
        at = starts[leg]
        starts[leg] += 1
        for k in range(m):
            out[at, k] = words[i, columns[k]]


class _Leg(Protocol):
    @property
    def leg(self) -> int: ...
    @property
    def strategy_id(self) -> str: ...
    @property
    def publisher_id(self) -> int: ...
    @property
    def instrument_id(self) -> int: ...


class LegDigests:
    """Running hashes of each leg's fills and orders, fed with rows in any grouping.

    A thread of its own does the hashing, at most one chunk behind: with a second core the
    simulation does not wait for it.
    """

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, int], Any] = {}
        self._waiting: dict[str, list[npt.NDArray[Any]]] = {"fills": [], "orders": []}
        self._waiting_rows = 0
        self._packed: npt.NDArray[Any] = np.empty(0, "<i8")
        self._worker: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def update(self, fills: npt.NDArray[Any], orders: npt.NDArray[Any]) -> None:
        """Take in rows in the order in which they happened; they are kept, not copied."""
        for kind, rows in (("fills", fills), ("orders", orders)):
            if rows.size:
                self._waiting[kind].append(rows)
                self._waiting_rows += rows.size
        if self._waiting_rows >= _ROWS_AT_ONCE:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, "digest")
            self._join()
            self._running = self._worker.submit(self._hash_rows, self._take_waiting())

    def _take_waiting(self) -> dict[str, list[npt.NDArray[Any]]]:
        taken = self._waiting
        self._waiting = {"fills": [], "orders": []}
        self._waiting_rows = 0
        return taken

    def _join(self) -> None:
        if self._running is not None:
            self._running.result()  # its own work is bounded by _ROWS_AT_ONCE
            self._running = None

    def _hash_rows(self, waiting: dict[str, list[npt.NDArray[Any]]]) -> None:
        for kind, tables in waiting.items():
            while tables:
                rows = 0
                some = []
                while tables and rows < _ROWS_PACKED:
                    some.append(tables.pop(0))
                    rows += some[-1].size
                self._hash_some(kind, some, rows)

    def _hash_some(self, kind: str, tables: Sequence[npt.NDArray[Any]], rows: int) -> None:
        """Hash the rows of some tables, leg by leg, from memory that is used again and again."""
        names = tables[0].dtype.names or ()
        columns = np.array([k for k, name in enumerate(names) if name not in _OUTSIDE])
        leg_column = names.index("leg")
        words = [table.view("<i8").reshape(-1, len(names)) for table in tables]
        ends = np.zeros(max(int(part[:, leg_column].max()) for part in words) + 2, np.int64)
        for part in words:
            count_by_leg(part, leg_column, ends)
        ends = np.cumsum(ends)
        if self._packed.size < rows * columns.size:
            self._packed = np.empty(rows * columns.size, "<i8")
        packed = self._packed[: rows * columns.size].reshape(rows, columns.size)
        starts = ends[:-1].copy()
        for part in words:
            pack_by_leg(part, leg_column, columns, packed, starts)
        for leg in np.flatnonzero(np.diff(ends)):
            self._hash(kind, int(leg)).update(packed[ends[leg] : ends[leg + 1]])

    def _hash(self, kind: str, leg: int) -> Any:
        key = (kind, leg)
        if key not in self._hashes:
            self._hashes[key] = hashlib.sha256(_VERSION + kind.encode())
        return self._hashes[key]

    def per_strategy(
        self, strategy_ids: Iterable[str], legs: Sequence[_Leg], accounts: npt.NDArray[Any]
    ) -> dict[str, str]:
        """One digest per strategy over its legs by (publisher, instrument)."""
        self._join()
        self._hash_rows(self._take_waiting())
        result = {}
        for name in strategy_ids:
            whole = hashlib.sha256(_VERSION)
            own = [leg for leg in legs if leg.strategy_id == name]
            for leg in sorted(own, key=lambda leg: (leg.publisher_id, leg.instrument_id)):
                place = np.array([leg.publisher_id, leg.instrument_id], "<i8")
                account = np.array([accounts[leg.leg][field] for field in _ACCOUNT], "<i8")
                whole.update(place.tobytes())
                for kind in ("fills", "orders"):
                    whole.update(self._hash(kind, leg.leg).digest())
                whole.update(account.tobytes())
            result[name] = whole.hexdigest()
        return result

    @staticmethod
    def of_run(digests: dict[str, str], events: int) -> str:
        """One digest over all strategies and the number of records they saw."""
        whole = hashlib.sha256(_VERSION + str(events).encode())
        for name in sorted(digests):
            whole.update(f"|{name}={digests[name]}".encode())
        return whole.hexdigest()
