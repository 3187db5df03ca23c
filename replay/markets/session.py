"""The records of one session of a synthetic market, chunk by chunk."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.draws import key_of
from tapewire.compiled.units import NS_PER_S
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE
from tapewire.replay.markets import _flow, _opening, _records, _weights
from tapewire.replay.markets._books import (
    BOOK_DTYPE,
    FAR_TICKS_MAX,
    LEVEL_DTYPE,
    LEVELS,
    NIL,
    ORDER_DTYPE,
)
from tapewire.replay.markets._clock import COMPONENTS
from tapewire.replay.markets._paths import BELL_SD
from tapewire.replay.markets._tables import ENGINE_DTYPE, PRICE_BITS, STEP_NS
from tapewire.replay.markets._trades import EVENT_RECORDS_MAX, TOUCHED_MAX
from tapewire.replay.markets.model import DECAYS_S, MarketModel

CHUNK_RECORDS: Final = 32_768
#: Orders a book has room for: a multiple of those it begins with.
_ORDERS_ROOM: Final = 4
_ORDERS_LEAST: Final = 4_096
_FIRST_ORDER_ID: Final = 6_412_777_000_000
#: No limit: a session that ends by its time.
RECORDS_MAX: Final = 1 << 62


@dataclass(frozen=True)
class Contract:
    """One instrument of a session.

    Attributes
    ----------
    symbol : str
    instrument_id : int
    product : str
        Contracts of one product share its efficient price.
    tick_size : int
        In 1e-9.
    price : int
        Of the middle of its book as the session begins, in 1e-9.
    basis : float
        Its price above the product's efficient price, in ticks, to be grown into.
    activity : float
        Factor of the model's rate of events.
    correlation : float
        Share of the variance of its price that all products have in common, 0 to 1.
    """

    symbol: str
    instrument_id: int
    product: str
    tick_size: int
    price: int
    basis: float = 0.0
    activity: float = 1.0
    correlation: float = 0.0


class MarketSession:
    """One session: a snapshot of every book, then its events.

    Parameters
    ----------
    model : MarketModel
    contracts
        At least one; the same in the same order make the same records.
    start_ns, end_ns : int
        Times of the first and the last event are between them.
    seed : int
        Any 64-bit integer.
    records : int, optional
        Most records, snapshot included; by default as many as there are until the end.
    order_id, sequence : int
        The last ones given before.
    name : str
        Sessions of different names have different draws.
    """

    def __init__(
        self,
        model: MarketModel,
        contracts: Sequence[Contract],
        *,
        start_ns: int,
        end_ns: int,
        seed: int,
        records: int = RECORDS_MAX,
        order_id: int = _FIRST_ORDER_ID,
        sequence: int = 0,
        name: str = "",
    ) -> None:
        self.model, self.contracts = model, tuple(contracts)
        self.kernel_s = 0.0
        n = len(contracts)
        self.engine: npt.NDArray[Any] = np.zeros(1, ENGINE_DTYPE)
        engine = self.engine[0]
        engine["ts_event"] = engine["ts_recv"] = engine["ts_start"] = start_ns
        engine["ts_end"], engine["left"] = end_ns, records
        engine["order_id"], engine["sequence"] = order_id, sequence
        engine["snapshot_level"] = NIL
        room = max(_ORDERS_LEAST, _ORDERS_ROOM * model.orders)
        self.books: npt.NDArray[Any] = np.zeros(n, BOOK_DTYPE)
        self.levels: npt.NDArray[Any] = np.zeros((n, LEVELS), LEVEL_DTYPE)
        self.orders: npt.NDArray[Any] = np.zeros((n, room), ORDER_DTYPE)
        self._alive = np.zeros((n, room), np.int32)
        self._tables = model.tables()
        self._rates = clock_rates(model)
        self._heap = np.zeros(n, np.int64)
        self._touched = np.zeros(TOUCHED_MAX, np.int64)
        self._weights = np.zeros(_weights.WEIGHTS_N, np.int64)
        for k, contract in enumerate(contracts):
            self._set_up(self.books[k], contract, seed, name)
        profile = np.rint(np.array(model.profile) * 1_024).astype(np.int64)
        _opening.open_books(
            self.engine, self.books, self.levels, self.orders, self._alive, self._tables,
            self._rates, profile, self._heap,
        )  # fmt: skip

    def _set_up(self, book: Any, contract: Contract, seed: int, name: str) -> None:
        model = self.model
        book["seed"] = key_of(seed, "book", name, contract.symbol)
        book["instrument_id"], book["tick"] = contract.instrument_id, contract.tick_size
        book["base_price"] = contract.price - LEVELS // 2 * contract.tick_size
        book["rate"] = model.rate_per_s * contract.activity / NS_PER_S
        mean = book["rate"] / (1 - sum(model.branching))
        book["excess"][:COMPONENTS] = mean * np.array(model.branching)
        book["path_seed"] = key_of(seed, "path", name, contract.product)
        book["factor_seed"] = key_of(seed, "factor", name)
        step = model.volatility_ticks * float(np.sqrt(STEP_NS / NS_PER_S))
        scale = step * (1 << 2 * PRICE_BITS) / BELL_SD
        book["own_scale"] = round(scale * float(np.sqrt(1 - contract.correlation)))
        book["factor_scale"] = round(scale * float(np.sqrt(contract.correlation)))
        book["basis"] = round(contract.basis * (1 << PRICE_BITS))

    def chunks(self, chunk_records: int = CHUNK_RECORDS) -> Iterator[npt.NDArray[Any]]:
        """Yield the records, at most ``chunk_records`` at a time.

        Each array (``MBO_DTYPE``) is valid until the next one is asked for. The records don't
        depend on the chunk size, which must leave room for one event.
        """
        out = np.zeros(max(chunk_records, EVENT_RECORDS_MAX), MBO_KERNEL_DTYPE)
        while (n := self._timed(self._snapshot, out)) > 0:
            yield out[:n].view(MBO_DTYPE)
        while (n := self._timed(self._live, out)) > 0:
            yield out[:n].view(MBO_DTYPE)

    def _timed(self, kernel: Any, out: npt.NDArray[Any]) -> int:
        started = time.perf_counter()
        n = int(kernel(out))
        self.kernel_s += time.perf_counter() - started
        return n

    def _snapshot(self, out: npt.NDArray[Any]) -> Any:
        return _records.snapshot(out, self.engine, self.books, self.levels, self.orders)

    def _live(self, out: npt.NDArray[Any]) -> Any:
        return _flow.live(
            out, self.engine, self.books, self.levels, self.orders, self._alive, self._tables,
            self._rates, self._heap, self._touched, self._weights,
        )  # fmt: skip

    def middle(self, k: int) -> int:
        """The middle of a book as it stands, in 1e-9, rounded down to a tick."""
        book = self.books[k]
        return int(book["base_price"] + (int(book["best"].sum()) + 1) // 2 * int(book["tick"]))


def clock_rates(model: MarketModel) -> npt.NDArray[np.float64]:
    """Decays per ns and jumps of the intensity per ns, shape (2, COMPONENTS)."""
    decays = 1 / (np.array(DECAYS_S) * NS_PER_S)
    return np.stack([decays, np.array(model.branching) * decays])


assert FAR_TICKS_MAX < LEVELS // 4
