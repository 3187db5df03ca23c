"""The simulation: feeds records to the compiled loop and makes room for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.memory import Block, Copies
from tapewire.errors import ConfigError, NoDataError, SimulationError
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.layout import ALWAYS, EXECUTION, NEVER, OWN_ORDER, PARTY, TRACE
from tapewire.execution.rows import EVENT_DTYPE, FILL_DTYPE, ORDER_DTYPE
from tapewire.market.book import STEP_RECORDS, BookLimitError, MarketState, batch_address
from tapewire.market.instruments import Instrument
from tapewire.market.layout import COUNTERS, NEW_BOOK, NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.layout import ACCOUNT, LIMITS, SEND_TIME
from tapewire.positions.rows import SAMPLE_DTYPE
from tapewire.strategies.layout import (
    CONTEXT,
    HOOK_BOOK,
    HOOK_EVENT,
    HOOK_TRADE,
    ON_BOOK,
    ON_EVENT,
    ON_PRICE,
    ON_TRADE,
)
from tapewire.strategies.order_log import OrderLog, bind_rows, read_order_log

from . import _ending as ending
from . import _faults as faults
from . import _loop as loop
from . import _warming as warming
from ._layout import (
    CROSSED_ABORT,
    CROSSED_HALT_FILLS,
    CROSSED_WARN,
    DRAIN_ROWS,
    FAULT_CLAIMS,
    FAULT_CROSSED,
    FAULT_REQUESTS,
    FAULT_STEPS,
    GROW_CLAIMS,
    GROW_MESSAGES,
    GROW_OWN_ORDERS,
    GROW_TRACES,
    INSTANCE,
    LEG,
    MESSAGE,
    NOTICE_FEED,
    NOTICE_RESPONSE,
    ROUTER,
    WATCH,
)
from .config import OFF, RiskLimits, SimulationConfig, StrategySpec
from .digest import LegDigests
from .halts import HaltedPosition, LossHalt

#: Rows kept between drains; a step needs up to STEP_ROWS of them.
ROWS_AT_START: Final = 4 * STEP_ROWS
MESSAGES_AT_START: Final = 4 * STEP_ROWS
CLAIMS_AT_START: Final = 2 * STEP_ROWS
OWN_ORDERS_AT_START: Final = 1024
TRACES_AT_START: Final = 1024
#: Limits; beyond them the run fails instead of eating the machine.
OWN_ORDERS_MAX: Final = 1 << 24
MESSAGES_MAX: Final = 1 << 24
TRACES_MAX: Final = 1 << 22
ROWS_MAX: Final = 1 << 22
ORDERS_PER_SECOND_MAX: Final = 1_000_000

_POLICIES: Final = {
    "warn": CROSSED_WARN,
    "halt_fills": CROSSED_HALT_FILLS,
    "abort": CROSSED_ABORT,
}
_NOTICES: Final = {"response": NOTICE_RESPONSE, "feed": NOTICE_FEED}
_NO_ROWS: Final = tuple(
    np.zeros(0, dtype) for dtype in (FILL_DTYPE, ORDER_DTYPE, SAMPLE_DTYPE, EVENT_DTYPE)
)
_NO_SYMBOLS: Final = "none: name instruments by their numbers (instrument_id)"
_ROUTER_COUNTERS: Final = (
    "orders_sent", "orders_denied", "replaces_denied", "requests_stale", "late_responses",
    "late_responses_ns_max", "forced_arrivals", "clamped_ts_recv", "fills_known_before_capture",
    "fills_known_before_capture_ns_max", "unseen_trade_fills", "auction_fills",
    "orders_canceled_by_clear", "loss_halts",
)  # fmt: skip


def _no_tick() -> None:
    """Nothing to do between steps."""


@dataclass(frozen=True)
class LegInfo:
    """One strategy instance on one book, as results name it.

    ``client_order_labels[k - 1]`` is the name of ``client_order_id`` k, where a log gave names.
    """

    leg: int
    strategy_id: str
    publisher_id: int
    instrument_id: int
    symbol: str
    tick_size: int
    multiplier_num: int
    multiplier_den: int
    client_order_labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Drained:
    """Rows reported since the last drain: copies, in the order in which they happened."""

    fills: npt.NDArray[Any]
    orders: npt.NDArray[Any]
    samples: npt.NDArray[Any]
    #: Changes of orders; none unless ``event_log`` asks for them.
    events: npt.NDArray[Any] = field(default_factory=_NO_ROWS[3].copy)


class Simulation:
    """Replays records through books, simulated orders, accounts and strategies.

    Parameters
    ----------
    config : SimulationConfig

    Raises
    ------
    ConfigError, InputError
        If a strategy's symbols or its order log don't fit the instruments.

    Examples
    --------
    >>> simulation = Simulation(config)              # doctest: +SKIP
    >>> simulation.feed(records)                     # doctest: +SKIP
    >>> simulation.finish()                          # doctest: +SKIP
    >>> fills = simulation.drain().fills             # doctest: +SKIP
    """

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        self.legs: list[LegInfo] = []
        self._market = MarketState()
        self._execution = Block(EXECUTION, 1)
        self._router = np.zeros(1, ROUTER)
        self._own_orders = Block(OWN_ORDER, OWN_ORDERS_AT_START)
        self._parties = Block(PARTY, 4)
        self._traces = Block(TRACE, TRACES_AT_START)
        self._fills = Block(FILL_DTYPE, ROWS_AT_START)
        self._orders = Block(ORDER_DTYPE, ROWS_AT_START)
        self._samples = Block(SAMPLE_DTYPE, ROWS_AT_START)
        self._events = Block(EVENT_DTYPE, 4 * ROWS_AT_START if config.event_log else 1)
        blocks = (self._fills, self._orders, self._samples, self._events)
        self._copies = tuple(Copies(block) for block in blocks)
        self._instances = Block(INSTANCE, 4)
        self._contexts = Block(CONTEXT, 4)
        self._legs = Block(LEG, 4)
        self._messages = Block(MESSAGE, MESSAGES_AT_START)
        self._watches = Block(WATCH, self._market.books.capacity)
        self._accounts = Block(ACCOUNT, 4)
        self._limits = Block(LIMITS, 4)
        self._send_times = Block(SEND_TIME, 1)
        self._send_times_used = 0
        self._instance_n = 0
        self._contexts_at = self._contexts_told = 0  # where instances were told their contexts are
        self._states: list[npt.NDArray[Any]] = []
        self._log_instances: dict[int, int] = {}  # strategy number → its instance
        self._logs: dict[int, OrderLog] = {}
        self._pending: tuple[list[Any], ...] = tuple([] for _ in blocks)
        self._digests = LegDigests()
        self._finished = False
        self._final_digests: dict[str, str] | None = None
        self._first_ns = 0  # ts_recv of the first record that is not of the warm-up
        self._warming = config.warmup_until_ns > 0
        self._unbegun = np.zeros(1, np.int64)
        self._warmup_records = 0
        while self._market.claims.capacity < CLAIMS_AT_START:
            self._market.grow_claims()
        execution, router = self._execution.records[0], self._router[0]
        for head in ("own_free", "trace_free"):
            execution[head] = NIL
        router["message_free"] = NIL
        router["sample_interval_ns"] = config.sample_interval_ns
        router["feed_max_ns"] = config.feed_latency_ns
        router["crossed_policy"] = _POLICIES[config.crossed_policy]
        router["clear_cancels"] = config.book_clear == "cancel"
        execution["market_waits"] = config.market_order_in_halt == "wait"
        execution["fills_unseen"] = config.unseen_trades == "fill_through"
        router["fill_notice"] = _NOTICES[config.fill_notice]
        execution["event_log"] = config.event_log
        router["fault_instance"] = NIL
        execution["impact_ppm"] = config.impact_ppm
        _chain(execution, self._own_orders, "next", "own_free", 0)
        _chain(execution, self._traces, "next", "trace_free", 0)
        _chain(router, self._messages, "next", "message_free", 0)
        self._publish()
        self._check_strategies()
        self._open_order_logs()

    # --- set-up ---------------------------------------------------------------------------------

    def _check_strategies(self) -> None:
        names = [spec.strategy_id for spec in self.config.strategies]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"strategy name {name!r} is used twice; names must differ")
        for spec in self.config.strategies:
            for symbol in spec.symbols:
                if not self.config.instruments.ids_of(symbol):
                    known = ", ".join(self.config.instruments.symbols[:10]) or _NO_SYMBOLS
                    raise NoDataError(
                        f"strategy {spec.strategy_id}: expected a symbol of the data, found "
                        f"{symbol!r}; the data has {known}"
                    )
            if spec.limits.max_orders_per_second > ORDERS_PER_SECOND_MAX:
                raise ConfigError(
                    f"strategy {spec.strategy_id}: max_orders_per_second: expected at most "
                    f"{ORDERS_PER_SECOND_MAX:,}, found {spec.limits.max_orders_per_second:,}"
                )

    def _open_order_logs(self) -> None:
        """Open every book an order log names, so that its orders have a place from the start."""
        for number, spec in enumerate(self.config.strategies):
            if not spec.definition.order_log:
                continue
            log = read_order_log(spec.parameters["path"])
            self._logs[number] = log
            state = spec.definition.new_state(spec.parameters)
            state[0]["rows"] = log.rows.ctypes.data
            state[0]["n"] = log.rows.size
            self._log_instances[number] = self._add_instance(spec, state)
            bind_rows(log, partial(self._log_leg, number))
            self._publish()

    def _log_leg(self, number: int, symbol: str, publisher_id: int | None) -> int:
        log = self._logs[number]
        ids = self.config.instruments.ids_of(symbol)
        if not ids:
            known = ", ".join(self.config.instruments.symbols[:10]) or _NO_SYMBOLS
            raise NoDataError(
                f"{log.path}: expected symbols of the data, found {symbol!r}; the data has {known}"
            )
        if publisher_id is None:
            publishers = self.config.publishers
            if len(publishers) != 1:
                listed = ", ".join(map(str, publishers)) or "unknown"
                raise ConfigError(
                    f"{log.path}: {symbol} is traded on several publishers ({listed}); add a "
                    f"publisher_id column or name one under data_source: publishers"
                )
            publisher_id = publishers[0]
        if len(ids) > 1:
            raise ConfigError(
                f"{log.path}: {symbol} stands for {len(ids)} instruments in this data; replay "
                f"the days one by one"
            )
        key = publisher_id << 32 | ids[0]
        book = self._book_index(key)
        if book == NIL:
            book = self._open_book(key)
        for info in self.legs:
            at = self._legs.records[info.leg]
            if at["instance"] == self._log_instances[number] and at["book"] == book:
                return info.leg
        return self._add_leg(number, self._log_instances[number], book, publisher_id, ids[0])

    def _book_index(self, key: int) -> int:
        n = int(self._market.state[0]["book_n"])
        found = np.flatnonzero(self._market.books.records["key"][:n] == key)
        return int(found[0]) if found.size else NIL

    def _open_book(self, key: int) -> int:
        """Open a book, with its watch and its strategies; returns its index."""
        book = self._market.open_book(key)
        publisher_id, instrument_id = key >> 32, key & 0xFFFFFFFF
        if self._watches.capacity < self._market.books.capacity:
            self._watches.grow(self._market.books.capacity)
        watch = self._watches.records[book]
        watch["due"] = watch["local_due"] = NEVER
        watch["own_bid"] = watch["wake"] = ALWAYS
        for bound in ("own_ask", "own_bid_stamp", "own_ask_stamp"):
            watch[bound] = NEVER
        for name in ("legs", "traces", "traces_tail", "unseen"):
            watch[name] = NIL
        for name in ("bid", "ask", "mark", "trade_price"):
            watch[name] = UNDEF_PRICE
        watch["gapless"] = 1
        symbol = self.config.instruments.get(instrument_id).symbol
        for number, spec in enumerate(self.config.strategies):
            if spec.definition.order_log:
                continue
            if spec.symbols and symbol not in spec.symbols:
                continue
            if spec.publishers and publisher_id not in spec.publishers:
                continue
            state = spec.definition.new_state(spec.parameters)
            instance = self._add_instance(spec, state)
            self._add_leg(number, instance, book, publisher_id, instrument_id)
        return book

    def _add_instance(self, spec: StrategySpec, state: npt.NDArray[Any]) -> int:
        index = self._instance_n
        if index == self._instances.capacity:
            for block in (self._instances, self._contexts, self._limits):
                block.grow(2 * index)
        self._instance_n += 1
        self._states.append(state)
        instance = self._instances.records[index]
        hooks = spec.definition.addresses()
        instance["hooks"] = hooks
        instance["state"] = state.ctypes.data
        mask = 0
        mask |= ON_EVENT if hooks[HOOK_EVENT] else 0
        mask |= ON_TRADE if hooks[HOOK_TRADE] else 0
        if hooks[HOOK_BOOK]:
            mask |= ON_PRICE if spec.definition.price_changes_only else ON_BOOK
        instance["mask"] = mask
        instance["local_due"] = NEVER
        instance["entry_ns"] = self.config.entry_latency_ns
        instance["response_ns"] = self.config.response_latency_ns
        instance["feed_ns"] = self.config.feed_latency_ns
        for name in ("inbox_head", "inbox_tail", "legs"):
            instance[name] = NIL
        context = self._contexts.records[index]
        context["leg"] = NIL  # so that the first callback fills in what stays the same
        context["open_head"] = context["open_tail"] = NIL
        context["execution"] = self._execution.address
        limits = self._limits.records[index]
        for name in ("max_position", "max_order_size", "max_loss", "max_orders_per_second"):
            limits[name] = getattr(spec.limits, name)
        limits["flatten"] = spec.limits.on_max_loss == "flatten"
        limits["window_offset"] = self._send_times_used
        if spec.limits.max_orders_per_second != OFF:
            self._send_times_used += spec.limits.max_orders_per_second
            if self._send_times_used > self._send_times.capacity:
                self._send_times.grow(2 * self._send_times_used)
        self._publish()
        return index

    def _add_leg(
        self, number: int, instance: int, book: int, publisher_id: int, instrument_id: int
    ) -> int:
        spec = self.config.strategies[number]
        instrument: Instrument = self.config.instruments.get(instrument_id)
        index = len(self.legs)
        if index == self._legs.capacity:
            for block in (self._legs, self._parties, self._accounts):
                block.grow(2 * index)
        leg = self._legs.records[index]
        leg["arrival_due"] = NEVER
        leg["instance"] = instance
        leg["book"] = book
        leg["arrival_head"] = leg["arrival_tail"] = NIL
        leg["tick_size"] = instrument.tick_size
        owner = self._instances.records[instance]
        watch = self._watches.records[book]
        leg["next_of_instance"] = owner["legs"]
        owner["legs"] = index
        owner["leg_n"] += 1
        leg["next_of_book"] = watch["legs"]
        watch["legs"] = index
        watch["subscriptions"] |= owner["mask"]
        watch["wake"] = ALWAYS
        watch["due"] = ALWAYS  # so that the next event starts it
        party = self._parties.records[index]
        party["book"] = book
        party["owner"] = instance
        party["buys"] = party["sells"] = NIL
        party["waiting"] = NIL
        party["publisher_id"] = publisher_id
        party["instrument_id"] = instrument_id
        party["fee_per_lot"] = self.config.fee_per_lot
        account = self._accounts.records[index]
        account["mark"] = UNDEF_PRICE
        for record in (party, account):
            record["multiplier_num"] = instrument.multiplier_num
            record["multiplier_den"] = instrument.multiplier_den
        self._router[0]["leg_n"] = index + 1
        log = self._logs.get(number)
        self.legs.append(
            LegInfo(
                index, spec.strategy_id, publisher_id, instrument_id, instrument.symbol,
                instrument.tick_size, instrument.multiplier_num, instrument.multiplier_den,
                tuple(log.labels) if log is not None else None,
            )
        )  # fmt: skip
        self._publish()
        return index

    def _publish(self) -> None:
        """Tell the kernels where the blocks are."""
        execution, router = self._execution.records[0], self._router[0]
        for name, block in (
            ("own_orders", self._own_orders),
            ("parties", self._parties),
            ("traces", self._traces),
            ("fills", self._fills),
            ("orders", self._orders),
            ("events", self._events),
        ):
            execution[name] = block.address
        execution["fill_capacity"] = self._fills.capacity
        execution["order_capacity"] = self._orders.capacity
        execution["event_capacity"] = self._events.capacity
        for name, block in (
            ("instances", self._instances),
            ("legs", self._legs),
            ("messages", self._messages),
            ("watches", self._watches),
            ("accounts", self._accounts),
            ("limits", self._limits),
            ("send_times", self._send_times),
            ("samples", self._samples),
        ):
            router[name] = block.address
        router["sample_capacity"] = self._samples.capacity
        market = self._market.state[0]
        market["beside"], market["beside_bytes"] = self._watches.address, WATCH.itemsize
        if self._contexts.address != self._contexts_at:
            self._contexts_at, self._contexts_told = self._contexts.address, 0
        fresh = np.arange(self._contexts_told, self._instance_n)
        self._instances.records["context"][fresh] = self._contexts_at + fresh * CONTEXT.itemsize
        self._contexts_told = self._instance_n

    # --- running --------------------------------------------------------------------------------

    def touch_memory(self) -> None:
        """Get the buffers of reported rows their memory now, not within the first batches."""
        for copies in self._copies[:2]:
            copies.touch()

    def feed(self, records: npt.NDArray[Any], tick: Callable[[], None] = _no_tick) -> None:
        """Run records, shape (n,), dtype ``MBO_DTYPE``, on from where the last batch ended.

        ``tick`` is called every few thousand records and for each new book; it may raise.

        Raises
        ------
        SimulationError
            If a strategy loops, an order is too large for the book, a stated limit is reached or
            the book crosses under policy ``abort``.
        """
        address, n, _keep = batch_address(records)
        at = self._warm_up(address, n, tick) if self._warming else 0
        if at < n and not self._first_ns:
            self._first_ns = int(records[at]["ts_recv"])
            if self._warming:
                self._begin()
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            status, at = loop.run_batch(
                self._market.state, self._execution.records, self._router, address, stop, at
            )
            if status:
                self._resolve(status)
            tick()

    def _warm_up(self, address: int, n: int, tick: Callable[[], None]) -> int:
        """Build books from the records before the start; return the first one behind them."""
        at = 0
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            status, at = warming.warm_batch(
                self._market.state, self._router, address, stop, at, self.config.warmup_until_ns,
                self._unbegun,
            )  # fmt: skip
            if status:
                self._resolve(status)
            elif at < stop:
                break
            tick()
        return int(at)

    def _begin(self) -> None:
        """End the warm-up: the books stay, what was counted does not."""
        self._warming = False
        state = self._market.state[0]
        self._warmup_records = int(state["records"])
        for name in COUNTERS:
            state[name] = 0
        for book in range(int(state["book_n"])):
            while status := warming.begin_book(
                self._market.state, self._execution.records, self._router, book, self._first_ns
            ):
                self._resolve(status)

    def finish(self) -> None:
        """End the data: let pass what is due, report open orders and final accounts."""
        if self._finished:
            return
        self._finished = True
        book = 0
        while True:
            status, book = ending.finish_run(
                self._market.state, self._execution.records, self._router, book
            )
            if status == 0:
                break
            self._resolve(status)
        order = leg = 0
        while order < self._own_orders.capacity or leg < len(self.legs):
            order, leg = ending.report_rest(
                self._execution.records, self._router, self._own_orders.capacity, order, leg
            )
            self._stash()
        ending.stop_strategies(self._execution.records, self._router)
        self._final_digests = None

    def _resolve(self, status: int) -> None:
        """Do what the loop asked for, so that it can go on where it stopped."""
        try:
            if status == NEW_BOOK:
                self._open_book(self._market.missing_key)
            elif status < DRAIN_ROWS:
                self._market.resolve(status)
            elif status == DRAIN_ROWS:
                self._drain_rows()
            elif status == GROW_MESSAGES:
                self._grow(self._messages, self._router[0], "message_free", MESSAGES_MAX)
            elif status == GROW_OWN_ORDERS:
                self._grow(self._own_orders, self._execution.records[0], "own_free", OWN_ORDERS_MAX)
            elif status == GROW_TRACES:
                self._grow(self._traces, self._execution.records[0], "trace_free", TRACES_MAX)
            elif status == GROW_CLAIMS:
                self._market.grow_claims()
            else:
                raise SimulationError(self._fault(status))
        except BookLimitError as error:
            raise SimulationError(f"{error} at {self._when()}") from error
        self._publish()

    def _grow(self, block: Block, owner: Any, head: str, limit: int) -> None:
        first = block.capacity
        if 2 * first > limit:
            what = {"message_free": "messages in flight", "own_free": "simulated orders open",
                    "trace_free": "records in one event"}[head]  # fmt: skip
            raise SimulationError(f"more than {limit:,} {what} at {self._when()}")
        block.grow(2 * first)
        _chain(owner, block, "next", head, first)

    def _drain_rows(self) -> None:
        self._stash()
        needed = int(self._router[0]["room_needed"])
        for block in (self._fills, self._orders):
            while block.capacity < needed:
                if 2 * block.capacity > ROWS_MAX:
                    raise SimulationError(
                        f"more than {ROWS_MAX:,} fills in one event at {self._when()}"
                    )
                block.grow(2 * block.capacity)
        while self.config.event_log and self._events.capacity < 2 * self._fills.capacity + 2:
            self._events.grow(2 * self._events.capacity)

    def _when(self) -> str:
        return f"{np.datetime64(self.now_ns, 'ns')} UTC"

    def _fault(self, status: int) -> str:
        instance = int(self._router[0]["fault_instance"])
        legs = [x for x in self.legs if self._legs.records[x.leg]["instance"] == instance]
        who = f"strategy {legs[0].strategy_id}" if legs else "a strategy"
        if status == FAULT_STEPS:
            return faults.endless_answers(
                who, self._when(), self._instances.records[instance], self._limits_of(legs[0]),
                max(leg.tick_size for leg in legs),
            )  # fmt: skip
        return {
            FAULT_CLAIMS: f"{who} sent an order that would take more than {STEP_ROWS:,} resting "
            f"orders at {self._when()}; send smaller ones",
            FAULT_CROSSED: f"the book is locked or crossed at {self._when()}, and crossed_book "
            f"is 'abort'",
            FAULT_REQUESTS: faults.too_many_requests(who, self._when()),
        }[status]

    def _limits_of(self, leg: LegInfo) -> RiskLimits:
        specs = self.config.strategies
        return next(spec.limits for spec in specs if spec.strategy_id == leg.strategy_id)

    # --- results --------------------------------------------------------------------------------

    def _stash(self) -> None:
        """Copy the rows reported so far out of the kernels' buffers."""
        execution, router = self._execution.records[0], self._router[0]
        counts = tuple(
            int(n)
            for n in (
                execution["fill_n"], execution["order_n"], router["sample_n"], execution["event_n"],
            )
        )  # fmt: skip
        if not any(counts):
            return
        execution["fill_n"] = execution["order_n"] = execution["event_n"] = 0
        router["sample_n"] = router["settled"] = 0
        tables = []
        for copies, n, kept in zip(self._copies, counts, self._pending, strict=True):
            tables.append(copies.take(n))
            if n:
                kept.append(tables[-1])
        self._digests.update(tables[0], tables[1])

    def drain(self) -> Drained:
        """Return the rows reported since the last call. Call it after every batch."""
        self._stash()
        tables = []
        for kept, empty in zip(self._pending, _NO_ROWS, strict=True):
            table = empty
            if kept:
                table = kept[0] if len(kept) == 1 else np.concatenate(kept)
                kept.clear()
            tables.append(table)
        return Drained(*tables)

    @property
    def counts(self) -> dict[str, int]:
        """Counters of the run so far; ``events`` are market records."""
        state, router = self._market.state[0], self._router[0]
        counts = {"events": int(state["records"])}
        counts |= {name: int(state[name]) for name in COUNTERS if name != "records"}
        counts |= {name: int(router[name]) for name in _ROUTER_COUNTERS}
        counts["books"] = int(state["book_n"])
        unsent = early = 0
        for number, log in self._logs.items():
            unsent += log.rows.size - int(self._states[self._log_instances[number]][0]["next"])
            early += int((log.rows["ts"] < self._first_ns + self.config.feed_latency_ns).sum())
        if self.config.warmup_until_ns:
            counts["warmup_records"] = self._warmup_records
            counts["warmup_books_without_snapshot"] = int(self._unbegun[0])
        counts["log_rows_unsent"] = unsent
        counts["log_rows_before_data"] = early
        return counts

    @property
    def halted_n(self) -> int:
        """How many strategy instances have reached their loss limit so far."""
        return int(self._router[0]["loss_halts"])

    def loss_halts(self) -> list[LossHalt]:
        """Strategy instances that reached their loss limit, in the order of time."""
        if not self.halted_n:
            return []
        legs_of: dict[int, list[LegInfo]] = {}
        for leg in self.legs:
            legs_of.setdefault(int(self._legs.records[leg.leg]["instance"]), []).append(leg)
        found = []
        for instance in np.flatnonzero(self._limits.records["halt_ns"][: self._instance_n]):
            limits, legs = self._limits.records[instance], legs_of[int(instance)]
            on_leg, accounts = self._legs.records, self._accounts.records
            positions = tuple(
                HaltedPosition(
                    leg.symbol, leg.publisher_id,
                    int(on_leg[leg.leg]["halt_position"]), int(accounts[leg.leg]["position"]),
                )
                for leg in legs
            )  # fmt: skip
            found.append(
                LossHalt(
                    legs[0].strategy_id, int(limits["halt_ns"]), int(limits["halt_pnl"]),
                    int(limits["max_loss"]), "flatten" if limits["flatten"] else "halt",
                    int(limits["halt_cancels"]), int(limits["halt_orders"]), positions,
                )
            )  # fmt: skip
        return sorted(found, key=lambda halt: (halt.ts_ns, halt.strategy_id))

    @property
    def now_ns(self) -> int:
        """Largest capture time seen, ns since the epoch."""
        return int(self._router[0]["stream_clock"])

    def pnl(self) -> float:
        """Net P&L over all legs in currency, at the last marks; for showing, not for accounts."""
        accounts = self._accounts.records[: len(self.legs)]
        held = accounts["position"] != 0
        value = np.where(held, accounts["position"] * np.where(held, accounts["mark"], 0), 0)
        units = (accounts["cash"] + value).astype(float)
        ratio = accounts["multiplier_num"] / np.maximum(accounts["multiplier_den"], 1)
        return float((units * ratio - accounts["fees"]).sum()) / 1e9

    def digests(self) -> dict[str, str]:
        """One digest per strategy: over its orders, fills and final positions.

        It says nothing of who ran beside it: the same strategy on the same books has the same
        digest in any company.
        """
        if self._final_digests is None or not self._finished:
            self._final_digests = self._digests.per_strategy(
                [spec.strategy_id for spec in self.config.strategies],
                self.legs,
                self._accounts.records,
            )
        return dict(self._final_digests)

    def digest(self) -> str:
        """One digest of the whole run."""
        return self._digests.of_run(self.digests(), self.counts["events"])

    @property
    def nbytes(self) -> int:
        """Bytes held by books, orders, messages and buffers."""
        blocks = (
            self._own_orders, self._parties, self._traces, self._fills, self._orders,
            self._events, self._samples, self._instances, self._contexts, self._legs,
            self._messages, self._watches, self._accounts, self._limits, self._send_times,
        )  # fmt: skip
        return self._market.nbytes + sum(block.nbytes for block in blocks)


def _chain(owner: Any, block: Block, link: str, head: str, first: int) -> None:
    """Put the records from ``first`` on in front of a free list, lowest index first."""
    n = block.capacity
    links = np.arange(first + 1, n + 1)
    links[-1] = owner[head]
    block.records[link][first:] = links
    owner[head] = first
    owner[f"{head}_n"] += n - first
