"""Digests: one number that says whether two runs did the same."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

#: Changes when the meaning of a digest does; see CHANGELOG.
_VERSION: Final = b"tapewire-digest-1"
#: Fields that name a place in this run's memory rather than something that happened.
_INTERNAL: Final = ("leg", "order")
#: Rows that may wait to be hashed together.
_ROWS_AT_ONCE: Final = 65_536
_ACCOUNT: Final = ("position", "cash", "realized", "fees", "volume")


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
    """Running hashes of each leg's fills and orders, fed with rows in any grouping."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, int], Any] = {}
        self._waiting: dict[str, list[npt.NDArray[Any]]] = {"fills": [], "orders": []}
        self._waiting_rows = 0

    def update(self, fills: npt.NDArray[Any], orders: npt.NDArray[Any]) -> None:
        """Take in rows in the order in which they happened; they are kept, not copied."""
        for kind, rows in (("fills", fills), ("orders", orders)):
            if rows.size:
                self._waiting[kind].append(rows)
                self._waiting_rows += rows.size
        if self._waiting_rows >= _ROWS_AT_ONCE:
            self._hash_waiting()

    def _hash_waiting(self) -> None:
        """Hash what waits, leg by leg: one sort instead of one pass per leg."""
        for kind, tables in self._waiting.items():
            if not tables:
                continue
            rows = np.concatenate(tables)
            tables.clear()
            names = rows.dtype.names or ()
            columns = [k for k, name in enumerate(names) if name not in _INTERNAL]
            words = rows.view("<i8").reshape(rows.size, len(names))
            by_leg = np.argsort(rows["leg"], kind="stable")
            plain = np.ascontiguousarray(words[by_leg][:, columns])
            legs = rows["leg"][by_leg]
            begins = np.flatnonzero(np.diff(legs, prepend=-1))
            for begin, end in zip(begins, [*begins[1:], rows.size], strict=True):
                self._hash(kind, int(legs[begin])).update(plain[begin:end])
        self._waiting_rows = 0

    def _hash(self, kind: str, leg: int) -> Any:
        key = (kind, leg)
        if key not in self._hashes:
            self._hashes[key] = hashlib.sha256(_VERSION + kind.encode())
        return self._hashes[key]

    def per_strategy(
        self, strategy_ids: Iterable[str], legs: Sequence[_Leg], accounts: npt.NDArray[Any]
    ) -> dict[str, str]:
        """One digest per strategy over its legs by (publisher, instrument)."""
        self._hash_waiting()
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
