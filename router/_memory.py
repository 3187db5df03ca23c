"""The blocks of a simulation: where its records are, how they grow, and how far they may."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.memory import Block, Copies, chain_free, offset_of
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
    TALLY,
    TRACE,
)
from tapewire.execution.meeting import MET, MET_MAX
from tapewire.execution.models.record import MODELS
from tapewire.execution.rows import (
    EVENT_DTYPE,
    FILL_DTYPE,
    ORDER_CORE_DTYPE,
    ORDER_EXTRA_DTYPE,
    TOUCH_DTYPE,
)
from tapewire.features.sets import FeatureState
from tapewire.market.book import MarketState
from tapewire.market.layout import NIL
from tapewire.market.status import STATE_N, TRANSITION, TradingState
from tapewire.positions.codes import LIMIT_N
from tapewire.positions.layout import ACCOUNT, LIMITS, SEND_TIME, TRIP, TURN
from tapewire.positions.rows import SAMPLE_DTYPE
from tapewire.router._layout import (
    DRAIN_ROWS,
    GROW_CLAIMS,
    GROW_MESSAGES,
    GROW_OWN_ORDERS,
    GROW_TRACES,
    INSTANCE,
    LEG,
    MESSAGE,
    ROUTER,
    STATE_COUNT,
    WATCH,
)
from tapewire.strategies.layout import CONTEXT
from tapewire.strategies.place import Place, ViewMemory

#: Rows kept between drains; a step needs up to STEP_ROWS of them.
ROWS_AT_START: Final = 4 * STEP_ROWS
MESSAGES_AT_START: Final = 4 * STEP_ROWS
CLAIMS_AT_START: Final = 2 * STEP_ROWS
OWN_ORDERS_AT_START: Final = 1024
TRACES_AT_START: Final = 1024
LEGS_AT_START: Final = 4
#: Limits; beyond them the run fails instead of eating the machine.
OWN_ORDERS_MAX: Final = 1 << 24
MESSAGES_MAX: Final = 1 << 24
TRACES_MAX: Final = 1 << 22
ROWS_MAX: Final = 1 << 22

_FILL_N, _ORDER_N, _ORDER_EXTRA_N, _EVENT_N = (
    offset_of(EXECUTION, name) // 8 for name in ("fill_n", "order_n", "order_extra_n", "event_n")
)
_SAMPLE_N, _SETTLED, _TOUCH_N = (
    offset_of(ROUTER, name) // 8 for name in ("sample_n", "settled", "touch_n")
)
_NO_COUNTS: Final = (0, 0, 0, 0, 0, 0)

#: Of the rows that are reported, in the order in which they are drained.
ROW_TYPES: Final = (
    FILL_DTYPE, ORDER_CORE_DTYPE, ORDER_EXTRA_DTYPE, SAMPLE_DTYPE, EVENT_DTYPE, TOUCH_DTYPE,
)  # fmt: skip
NO_ROWS: Final = tuple(np.zeros(0, dtype) for dtype in ROW_TYPES)


class Memory:
    """Every block of records that the loop works on.

    Attributes
    ----------
    market : MarketState
        The books, which have blocks of their own.
    execution, router : record
        The two records by which kernels find everything else.
    rows : tuple of Block
        Reported fills, orders, what few of those have beside, samples, events and touches.
    """

    def __init__(
        self,
        *,
        event_log: bool,
        touches: bool = False,
        session_closes: Sequence[int] = (),
        rate_changes: Sequence[int] = (),
        transitions: npt.NDArray[Any] | None = None,
    ) -> None:
        self.market = MarketState()
        self._execution = Block(EXECUTION, 1)
        self._router = np.zeros(1, ROUTER)
        self._router_words = self._router.view(np.int64).data
        self._execution_words = self._execution.records.view(np.int64).data
        self.own_orders = Block(OWN_ORDER, OWN_ORDERS_AT_START)
        self.traces = Block(TRACE, TRACES_AT_START)
        self.messages = Block(MESSAGE, MESSAGES_AT_START)
        self.models = Block(MODELS, 1)
        self.standing = Block(STANDING, 1)
        self._met = Block(MET, MET_MAX)
        self._execution.records[0]["met"] = self._met.address
        at_start = {EVENT_DTYPE: 4 * ROWS_AT_START if event_log else 1,
                    TOUCH_DTYPE: ROWS_AT_START if touches else 1}  # fmt: skip
        self.rows = tuple(Block(dtype, at_start.get(dtype, ROWS_AT_START)) for dtype in ROW_TYPES)
        self.instances = Block(INSTANCE, LEGS_AT_START)
        self.contexts = Block(CONTEXT, LEGS_AT_START)
        self.limits = Block(LIMITS, LEGS_AT_START)
        self.legs = Block(LEG, LEGS_AT_START)
        self.parties = Block(PARTY, LEGS_AT_START)
        self.rules = Block(RULES, LEGS_AT_START)
        self.tallies = Block(TALLY, LEGS_AT_START)
        self.accounts = Block(ACCOUNT, LEGS_AT_START)
        self.watches = Block(WATCH, self.market.books.capacity)
        self.send_times = Block(SEND_TIME, 1)
        self.trips = Block(TRIP, 1)
        self.portfolio: Block | None = None  # LIMITS of all together
        self._copies = tuple(Copies(block) for block in self.rows)
        self._contexts_at = self._contexts_told = 0  # where instances were told their contexts are
        self.places: dict[int, Place] = {}  # of instances that have memory of their own
        self._no_view = ViewMemory(0, 0)
        self.view_memory: dict[int, ViewMemory] = {}  # by book
        self.feature_states: dict[int, FeatureState] = {}  # by book
        self._closes = Block(np.dtype([("ts", "i8")]), len(session_closes) + 1)
        self._closes.records["ts"] = [*session_closes, NEVER]
        self._turns = _turns_of(session_closes, rate_changes)
        self._router[0]["turns"] = self._turns.address
        self._router[0]["market"] = self.market.state.ctypes.data
        self.execution["market"] = self.market.state.ctypes.data
        self.execution["changed"] = NIL
        self._router[0]["execution"] = self._execution.address
        self._router[0]["no_view"] = self._no_view.address
        self._router[0]["session_closes"] = self._closes.address
        self._router[0]["session_close_n"] = self._closes.capacity
        self._event_log = event_log
        self._router[0]["touch_capacity"] = ROWS_AT_START if touches else NIL
        self.state_counts = Block(STATE_COUNT, STATE_N)
        self._router[0]["state_counts"] = self.state_counts.address
        self.first_transitions: dict[int, int] = {}  # by key of the book
        self._transitions = self._schedule(transitions)
        self._router[0]["transitions"] = self._transitions.address
        while self.market.claims.capacity < CLAIMS_AT_START:
            self.market.grow_claims()
        for block, (owner, head) in self._free_lists().items():
            owner[head] = NIL
            chain_free(block, owner, head, 0)

    def _schedule(self, transitions: npt.NDArray[Any] | None) -> Block:
        """Lay out the changes of state book by book, each run between its two ends."""
        rows = np.zeros(0, TRANSITION) if transitions is None else transitions
        keys, starts = np.unique(rows["key"], return_index=True)
        block = Block(TRANSITION, rows.size + 2 * keys.size + 1)
        stops = [*starts[1:], rows.size][: keys.size]
        for k, (key, start, stop) in enumerate(zip(keys, starts, stops, strict=True)):
            first = int(start) + 2 * k
            part = block.records[first : first + 2 + stop - start]
            part[1:-1] = rows[start:stop]
            part["ts"][0] = part["seen_ns"][0] = ALWAYS
            part["ts"][-1] = part["seen_ns"][-1] = NEVER
            self.first_transitions[int(key)] = first
        return block

    def counts_of_states(self) -> dict[str, int]:
        """How often books came to each trading state, and what it refused; states of either."""
        counts: dict[str, int] = {}
        for state, (entered, refused) in zip(
            TradingState, self.state_counts.records.tolist(), strict=True
        ):
            name = state.name.lower()
            counts |= {f"entered_{name}": entered} if entered else {}
            counts |= {f"refused_{name}": refused} if refused else {}
        return counts

    @property
    def execution(self) -> Any:
        """The record of what execution has."""
        return self._execution.records[0]

    @property
    def router(self) -> Any:
        """The record of what the router has."""
        return self._router[0]

    @property
    def states(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """What kernels are called with: the market's record, execution's and the router's."""
        return self.market.state, self._execution.records, self._router

    @property
    def router_address(self) -> int:
        """Where the router's record is; it never moves."""
        return int(self._router.ctypes.data)

    @property
    def router_words(self) -> memoryview:
        """The router's record as int64: quicker to write from Python than by its fields."""
        return self._router_words

    @property
    def execution_address(self) -> int:
        """Where execution's record is; it never moves."""
        return self._execution.address

    def _free_lists(self) -> dict[Block, tuple[Any, str]]:
        """The blocks of pooled records, and where the first free one of each is kept."""
        return {
            self.own_orders: (self.execution, "own_free"),
            self.traces: (self.execution, "trace_free"),
            self.messages: (self.router, "message_free"),
        }

    def publish(self, instance_n: int) -> None:
        """Tell the kernels where the blocks are."""
        fills, orders, extras, samples, events, touches = self.rows
        execution, router = self.execution, self.router
        for record, blocks in (
            (
                execution,
                {
                    "own_orders": self.own_orders, "parties": self.parties, "rules": self.rules,
                    "traces": self.traces, "models": self.models, "tallies": self.tallies,
                    "fills": fills, "orders": orders, "order_extras": extras, "events": events,
                    "standing": self.standing,
                },
            ),
            (
                router,
                {
                    "instances": self.instances, "legs": self.legs, "messages": self.messages,
                    "watches": self.watches, "accounts": self.accounts, "limits": self.limits,
                    "send_times": self.send_times, "samples": samples, "touches": touches,
                    "trips": self.trips,
                },
            ),
        ):  # fmt: skip
            for name, block in blocks.items():
                record[name] = block.address
        execution["fill_capacity"] = fills.capacity
        execution["order_capacity"] = orders.capacity
        execution["event_capacity"] = events.capacity
        router["sample_capacity"] = samples.capacity
        router["instance_n"] = instance_n
        if self.portfolio is not None:
            router["portfolio"] = self.portfolio.address
            router["broadcast_n"] = instance_n * LIMIT_N
        market = self.market.state[0]
        market["beside"], market["beside_bytes"] = self.watches.address, WATCH.itemsize
        if self.contexts.address != self._contexts_at:
            self._contexts_at, self._contexts_told = self.contexts.address, 0
        fresh = np.arange(self._contexts_told, instance_n)
        self.instances.records["context"][fresh] = self._contexts_at + fresh * CONTEXT.itemsize
        self._contexts_told = instance_n
        for index, place in self.places.items():
            self.instances.records["context"][index] = place.context.address
            self.instances.records["sights"][index] = place.sights.address

    # --- growth -----------------------------------------------------------------------------------

    def grow(self, status: int, when: str) -> bool:
        """Make room for what the loop has no room for; False if that is not what it says.

        Raises
        ------
        SimulationError
            If a stated limit is reached.
        """
        if status == GROW_CLAIMS:
            self.market.grow_claims()
        elif status == GROW_MESSAGES:
            self._grow(self.messages, MESSAGES_MAX, f"messages in flight at {when}")
        elif status == GROW_OWN_ORDERS:
            self._grow(self.own_orders, OWN_ORDERS_MAX, f"simulated orders open at {when}")
        elif status == GROW_TRACES:
            self._grow(self.traces, TRACES_MAX, f"records in one event at {when}")
        elif status == DRAIN_ROWS:
            self._grow_rows(when)
        else:
            return False
        return True

    def _grow(self, block: Block, limit: int, what: str) -> None:
        first = block.capacity
        if 2 * first > limit:
            raise SimulationError(f"more than {limit:,} {what}")
        block.grow(2 * first)
        chain_free(block, *self._free_lists()[block], first)

    def _grow_rows(self, when: str) -> None:
        """Make room for the rows one step needs; the blocks were drained before."""
        needed = int(self.router["room_needed"])
        fills, orders, extras, _, events, _ = self.rows
        for block in (fills, orders, extras):
            while block.capacity < needed:
                if 2 * block.capacity > ROWS_MAX:
                    raise SimulationError(f"more than {ROWS_MAX:,} fills in one event at {when}")
                block.grow(2 * block.capacity)
        while self._event_log and events.capacity < 2 * fills.capacity + 2:
            events.grow(2 * events.capacity)

    # --- rows -------------------------------------------------------------------------------------

    def take_rows(self) -> tuple[npt.NDArray[Any], ...] | None:
        """Copy the rows reported so far out of the kernels' buffers; None if there are none."""
        execution, router = self._execution_words, self._router_words
        counts = (
            execution[_FILL_N], execution[_ORDER_N], execution[_ORDER_EXTRA_N],
            router[_SAMPLE_N], execution[_EVENT_N], router[_TOUCH_N],
        )  # fmt: skip
        if counts == _NO_COUNTS:
            return None
        execution[_FILL_N] = execution[_ORDER_N] = execution[_ORDER_EXTRA_N] = 0
        execution[_EVENT_N] = 0
        router[_SAMPLE_N] = router[_SETTLED] = router[_TOUCH_N] = 0
        return tuple(
            copies.take(n) if n else empty
            for copies, n, empty in zip(self._copies, counts, NO_ROWS, strict=True)
        )

    def touch(self) -> None:
        """Get the buffers of reported fills and orders their memory now."""
        for copies in self._copies[:2]:
            copies.touch()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        blocks = (
            self.own_orders, self.parties, self.rules, self.tallies, self.traces, self.models,
            self.standing, *self.rows, self.instances, self.contexts, self.legs, self.messages,
            self.watches, self.accounts, self.limits, self.send_times, self.trips,
        )  # fmt: skip
        apart = sum(view.nbytes for view in self.view_memory.values())
        apart += sum(state.nbytes for state in self.feature_states.values())
        apart += sum(place.context.nbytes for place in self.places.values())
        return self.market.nbytes + apart + sum(block.nbytes for block in blocks)


def _turns_of(session_closes: Sequence[int], rate_changes: Sequence[int]) -> Block:
    """When sessions close and rates change, in order of time."""
    times = sorted({*session_closes, *rate_changes})
    turns = Block(TURN, len(times) + 1)
    turns.records["ts"] = [*times, NEVER]
    turns.records["closes"] = np.isin(turns.records["ts"], session_closes)
    turns.records["rates"] = np.isin(turns.records["ts"], rate_changes)
    return turns
