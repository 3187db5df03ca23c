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

    def update(self, fills: npt.NDArray[Any], orders: npt.NDArray[Any]) -> None:
        """Take in rows in the order in which they happened."""
        for kind, rows in (("fills", fills), ("orders", orders)):
            if not rows.size:
                continue
            names = [name for name in rows.dtype.names or () if name not in _INTERNAL]
            plain = np.stack([rows[name] for name in names], axis=1).astype("<i8")
            legs = rows["leg"]
            for leg in np.unique(legs):
                self._hash(kind, int(leg)).update(plain[legs == leg].tobytes())

    def _hash(self, kind: str, leg: int) -> Any:
        key = (kind, leg)
        if key not in self._hashes:
            self._hashes[key] = hashlib.sha256(_VERSION + kind.encode())
        return self._hashes[key]

    def per_strategy(
        self, strategy_ids: Iterable[str], legs: Sequence[_Leg], accounts: npt.NDArray[Any]
    ) -> dict[str, str]:
        """One digest per strategy over its legs by (publisher, instrument)."""
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
