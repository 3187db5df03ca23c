"""Real orders sent again, over any number of records: a pass, and what it comes to."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.kernel_cache import compile_once, is_compiled
from tapewire.compiled.memory import Block, chain_free
from tapewire.errors import SimulationError
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.layout import (
    ALWAYS,
    EXECUTION,
    NEVER,
    OWN_ORDER,
    PARTY,
    RULES,
    STANDING,
    STANDING_MAX,
    TALLY,
    TRACE,
    UNSEEN_THROUGH,
)
from tapewire.execution.models import Models
from tapewire.execution.models.record import MODELS
from tapewire.execution.rows import FILL_DTYPE, ORDER_CORE_DTYPE, ORDER_EXTRA_DTYPE
from tapewire.market.book import MarketState, batch_address
from tapewire.market.layout import GROW_ORDERS, NEW_BOOK, NIL
from tapewire.market.records import MBO_DTYPE
from tapewire.validation._passing import end_pass, pass_placebo
from tapewire.validation.layout import (
    CLASS_N,
    COUNT,
    DIFFERENCE,
    GHOST,
    GROW_CLAIMS,
    GROW_GHOSTS,
    GROW_OWN,
    GROW_TAKERS,
    GROW_TRACES,
    MORE_RECORDS,
    PASS,
    PLACE,
    PLACEBO_VENUE,
    TAKER,
)
from tapewire.validation.results import PlaceboCounts, classes_of

#: Differences that are kept with their orders.
DIFFERENCES_KEPT: Final = 10_000

_KERNELS: Final = "placebo"
_GHOSTS_AT_START: Final = 4_096
_TRACES_AT_START: Final = 1_024
_TAKERS_AT_START: Final = 64
_ROWS: Final = 4 * STEP_ROWS
#: Limits; beyond them the pass fails instead of eating the machine.
_GHOSTS_MAX: Final = 1 << 24
_TRACES_MAX: Final = 1 << 22
_CLAIMS_MAX: Final = 1 << 28
_INDEX: Final = np.dtype([("index", "i8")])


class PlaceboPass:
    """Sends the real orders of a stream again, each directly ahead of itself, and compares.

    Each ghost is a party of its own: it shares no lots with any other. They rest, fill and take
    by the kernels of a run.

    Parameters
    ----------
    models : Models, optional
        By default those of a run that names none.

    Examples
    --------
    >>> placebo = PlaceboPass()
    >>> placebo.feed(records)                               # doctest: +SKIP
    >>> placebo.finish()                                    # doctest: +SKIP
    >>> placebo.counts.shares["lots"]                       # doctest: +SKIP
    """

    def __init__(self, models: Models | None = None) -> None:
        self._market = MarketState()
        self._ghosts = Block(GHOST, _GHOSTS_AT_START)
        self._parties = Block(PARTY, _GHOSTS_AT_START)
        self._rules = Block(RULES, _GHOSTS_AT_START)
        self._tallies = Block(TALLY, _GHOSTS_AT_START)
        self._listed = Block(_INDEX, 2 * _GHOSTS_AT_START)
        self._own_orders = Block(OWN_ORDER, _GHOSTS_AT_START)
        self._traces = Block(TRACE, _TRACES_AT_START)
        self._places = Block(PLACE, self._market.orders.capacity)
        self._venues = Block(PLACEBO_VENUE, self._market.books.capacity)
        self._takers = Block(TAKER, _TAKERS_AT_START)
        self._differences = Block(DIFFERENCE, DIFFERENCES_KEPT)
        self._resting = Block(COUNT, CLASS_N)
        self._taking = Block(COUNT, CLASS_N)
        self._standing = Block(STANDING, STANDING_MAX)
        self._fills = Block(FILL_DTYPE, _ROWS)
        self._orders = Block(ORDER_CORE_DTYPE, _ROWS)
        self._order_extras = Block(ORDER_EXTRA_DTYPE, _ROWS)
        self._models = Block(MODELS, 1)
        self._kept = (models or Models()).write(self._models.records[0])
        self._execution: npt.NDArray[Any] = np.zeros(1, EXECUTION)
        self._pass: npt.NDArray[Any] = np.zeros(1, PASS)
        self._left: npt.NDArray[Any] = np.zeros(0, MBO_DTYPE)
        self._number = 1  # of the next record among all
        for name in ("open_head", "open_tail", "asked", "sent"):
            self._pass[0][name] = NIL
        self._execution[0]["fills_unseen"] = UNSEEN_THROUGH
        self._execution[0]["changed"] = NIL
        for block, record, head in self._pools():
            record[head] = NIL
            chain_free(block, record, head, 0)
        self._ghosts.records["real"] = NIL
        self._set_up_places(0)
        self._set_up_venues(0)
        self._publish()

    def _pools(self) -> tuple[tuple[Block, Any, str], ...]:
        execution, p = self._execution[0], self._pass[0]
        return (
            (self._ghosts, p, "ghost_free"),
            (self._own_orders, execution, "own_free"),
            (self._traces, execution, "trace_free"),
        )

    def _set_up_places(self, first: int) -> None:
        self._places.records["ghost"][first:] = NIL

    def _set_up_venues(self, first: int) -> None:
        fresh = self._venues.records[first:]
        fresh["gapless"] = 1
        fresh["stop_buy"], fresh["stop_sell"] = NEVER, ALWAYS
        for name in ("traces", "traces_tail", "unseen"):
            fresh[name] = NIL

    def _publish(self) -> None:
        execution, p = self._execution[0], self._pass[0]
        execution["market"] = self._market.state.ctypes.data
        execution["fill_capacity"] = execution["order_capacity"] = _ROWS
        for name in (
            "own_orders", "parties", "rules", "traces", "fills", "orders", "order_extras", "models",
            "tallies", "standing",
        ):  # fmt: skip
            execution[name] = getattr(self, f"_{name}").address
        for name in (
            "ghosts", "places", "venues", "takers", "listed", "differences", "resting", "taking",
        ):  # fmt: skip
            p[name] = getattr(self, f"_{name}").address
        p["taker_capacity"] = self._takers.capacity
        p["difference_capacity"] = self._differences.capacity

    # --- running ---------------------------------------------------------------------------------

    def feed(self, records: npt.NDArray[Any]) -> None:
        """Pass over records, shape (n,), ``MBO_DTYPE``; the last event may wait for the next.

        Raises
        ------
        SimulationError
            If a stated limit is reached.
        """
        self._run(records, is_end=False)

    def finish(self) -> None:
        """There are no more records."""
        self._run(np.zeros(0, MBO_DTYPE), is_end=True)
        end_pass(self._market.state, self._execution, self._pass, self._ghosts.capacity)

    def _run(self, records: npt.NDArray[Any], *, is_end: bool) -> None:
        if self._left.size:
            records = np.concatenate([self._left, records])
        address, n, _keep = batch_address(records)
        at = 0
        while True:
            status, at = pass_placebo(
                self._market.state, self._execution, self._pass, address, n, at, self._number,
                is_end,
            )  # fmt: skip
            if status in (0, MORE_RECORDS):
                break
            self._resolve(int(status))
        self._left = records[at:].copy()
        self._number += int(at)

    def _resolve(self, status: int) -> None:
        p = self._pass[0]
        needed = int(p["needed"])
        if status == GROW_GHOSTS:
            self._grow_ghosts(needed)
        elif status == GROW_OWN:
            self._grow(self._own_orders, self._execution[0], "own_free", needed, _GHOSTS_MAX)
        elif status == GROW_TRACES:
            self._grow(self._traces, self._execution[0], "trace_free", needed, _TRACES_MAX)
        elif status == GROW_CLAIMS:
            if self._market.claims.capacity + needed > _CLAIMS_MAX:
                raise SimulationError(f"more than {_CLAIMS_MAX:,} lots claimed in one event")
            self._market.grow_claims()
        elif status == GROW_TAKERS:
            self._takers.grow(2 * self._takers.capacity)
        else:
            self._market.resolve(status)
            if status == GROW_ORDERS:
                first = self._places.capacity
                self._places.grow(self._market.orders.capacity)
                self._set_up_places(first)
            elif status == NEW_BOOK and self._venues.capacity < self._market.books.capacity:
                first = self._venues.capacity
                self._venues.grow(self._market.books.capacity)
                self._set_up_venues(first)
        self._publish()

    def _grow_ghosts(self, needed: int) -> None:
        first = self._ghosts.capacity
        self._grow(self._ghosts, self._pass[0], "ghost_free", needed, _GHOSTS_MAX)
        self._ghosts.records["real"][first:] = NIL
        for block in (self._parties, self._rules, self._tallies):
            block.grow(self._ghosts.capacity)
        self._listed.grow(2 * self._ghosts.capacity)

    def _grow(self, block: Block, record: Any, head: str, needed: int, limit: int) -> None:
        while int(record[f"{head}_n"]) < needed:
            first = block.capacity
            if 2 * first > limit:
                raise SimulationError(f"more than {limit:,} records at once of what is kept")
            block.grow(2 * first)
            chain_free(block, record, head, first)

    # --- results ---------------------------------------------------------------------------------

    @property
    def counts(self) -> PlaceboCounts:
        """What it comes to."""
        p, resting, taking = self._pass[0], self._resting.records, self._taking.records
        return PlaceboCounts(
            orders=int(resting["orders"].sum()),
            same_orders=int(resting["orders"][0]),
            traded_orders=int(resting["traded_orders"].sum()),
            same_traded_orders=int(resting["traded_orders"][0]),
            lots=int(p["real_lots"]),
            same_lots=int(p["same_lots"]),
            extra_lots=int(resting["extra_lots"].sum()),
            classes=classes_of(resting),
            takers=int(taking["orders"].sum()),
            same_takers=int(taking["orders"][0]),
            taken_lots=int(p["taken_lots"]),
            same_taken_lots=int(p["same_taken_lots"]),
            extra_taken_lots=int(taking["extra_lots"].sum()),
            taker_classes=classes_of(taking),
            clips=int(p["clips"]),
            not_sent={
                "lots_of_earlier_orders": int(p["other_lots"]),
                "lots_without_aggressor": int(p["nobodys_lots"]),
                "orders_within_an_event": int(p["within_event"]),
                "orders_untouched": int(p["untouched"]),
            },
        )

    @property
    def differences(self) -> npt.NDArray[Any]:
        """The first differences, ``layout.DIFFERENCE``; ``book`` is the index of `keys`."""
        n = min(int(self._pass[0]["difference_n"]), self._differences.capacity)
        return self._differences.records[:n].copy()

    @property
    def difference_n(self) -> int:
        """How many differences there were, kept or not."""
        return int(self._pass[0]["difference_n"])

    @property
    def keys(self) -> list[tuple[int, int]]:
        """(publisher_id, instrument_id) of every book, by index."""
        n = int(self._market.state[0]["book_n"])
        keys = self._market.books.records["key"][:n].tolist()
        return [(key >> 32, key & 0xFFFFFFFF) for key in keys]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        blocks = (
            self._ghosts, self._parties, self._rules, self._tallies, self._listed, self._own_orders,
            self._traces, self._places, self._venues, self._takers, self._differences, self._fills,
            self._orders, self._standing,
        )  # fmt: skip
        return self._market.nbytes + sum(block.nbytes for block in blocks)


def warm_up(say: Callable[[str], None]) -> None:
    """Compile or load the kernels of a pass; of several processes, one compiles."""

    def work() -> None:
        if not is_compiled(_KERNELS):
            say("compiling kernels, first run only …")
        load_kernels()

    compile_once(work, (_KERNELS,), say)


def load_kernels() -> None:
    """Compile, or load, the kernels of a pass."""
    placebo = PlaceboPass()
    placebo.feed(np.zeros(1, MBO_DTYPE))
    placebo.finish()
