"""The simulation: feeds records to the compiled loop and makes room for it."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.jit import entry_of
from tapewire.compiled.memory import offset_of
from tapewire.compiled.units import MONEY_UNITS
from tapewire.errors import FlaggedDataError, SimulationError, StrategyError
from tapewire.execution.claims import STEP_ROWS
from tapewire.execution.codes import Reason
from tapewire.execution.layout import (
    NEVER,
    UNSEEN_FILLS,
    UNSEEN_IGNORED,
    UNSEEN_SHARED,
    UNSEEN_THROUGH,
)
from tapewire.market.book import STEP_RECORDS, BookLimitError, batch_address
from tapewire.market.flags import FlagKind
from tapewire.market.layout import COUNTERS, NEW_BOOK, NIL
from tapewire.market.records import MBO_DTYPE
from tapewire.router import _day_end as day_end
from tapewire.router import _ending as ending
from tapewire.router import _faults as faults
from tapewire.router import _loop as loop
from tapewire.router import _warming as warming
from tapewire.router._layout import (
    CALL_OUTSIDE,
    CALLS,
    CROSSED_ABORT,
    CROSSED_HALT_FILLS,
    CROSSED_WARN,
    DRAIN_ROWS,
    FAULT_CLAIMS,
    FAULT_CROSSED,
    FAULT_FLAGGED,
    FAULT_REQUESTS,
    FAULT_STEPS,
    MARK_LAST,
    MARK_MID,
    MARK_SIDE,
    NOTICE_FEED,
    NOTICE_RESPONSE,
    ROUTER,
    TASK_BEGIN_BOOK,
    TASK_END,
    TASK_LET_PASS,
    TASK_RECORDS,
)
from tapewire.router._memory import NO_ROWS, Memory
from tapewire.router._requests import announce_signal, come_back
from tapewire.router._roster import Roster
from tapewire.router._withdrawing import withdraw_all
from tapewire.router.abroad import Abroad
from tapewire.router.bills import Bills
from tapewire.router.config import SimulationConfig
from tapewire.router.digest import LegDigests
from tapewire.router.doubts import FlaggedBook, flagged_books, stopped
from tapewire.router.guesses import GuessedQueue, guessed_queues
from tapewire.router.halts import LossHalt, loss_halts
from tapewire.router.look import Look
from tapewire.router.results import Drained, LegInfo, Worths
from tapewire.router.trips import LimitTrip, limit_trips
from tapewire.strategies.definition import HOOKS
from tapewire.strategies.layout import HOOK_N

_POLICIES: Final = {
    "warn": CROSSED_WARN,
    "halt_fills": CROSSED_HALT_FILLS,
    "abort": CROSSED_ABORT,
}
_UNSEEN: Final = {
    "ignore": UNSEEN_IGNORED,
    "fill_through": UNSEEN_THROUGH,
    "pro_rata": UNSEEN_SHARED,
    "fill": UNSEEN_FILLS,
}
_NOTICES: Final = {"response": NOTICE_RESPONSE, "feed": NOTICE_FEED}
_MARKS: Final = {"mid": MARK_MID, "last": MARK_LAST, "side_aware": MARK_SIDE}
#: Words of the router's record by which the loop is told what to run.
_RECORDS, _STOP, _AT = (
    offset_of(ROUTER, name) // 8 for name in ("records", "records_stop", "records_at")
)
_NOTHING: Final = Drained(
    NO_ROWS[0], NO_ROWS[1], NO_ROWS[2], NO_ROWS[3], NO_ROWS[4], touches=NO_ROWS[5]
)
_ROUTER_COUNTERS: Final = (
    "orders_sent", "orders_denied", "replaces_denied", "cancels_denied", "messages_held",
    "messages_held_ns_max", "requests_stale", "late_responses",
    "late_responses_ns_max", "forced_arrivals", "clamped_ts_recv", "fills_known_before_capture",
    "fills_known_before_capture_ns_max", "unseen_trade_fills", "auction_fills",
    "orders_canceled_by_clear", "loss_halts", "requests_without_session", "requests_on_stale_data",
    "requests_while_held", "orders_canceled_by_disconnect", "events_without_sending_time",
)  # fmt: skip


def load_withdrawing() -> None:
    """Load, or compile, what `Simulation.withdraw_orders` needs: else its first call does."""
    entry_of(withdraw_all)


def _no_tick() -> None:
    """Nothing to do between steps."""


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
        self._memory = Memory(
            event_log=config.event_log,
            touches=config.touches,
            session_closes=config.session_closes,
            rate_changes=config.rate_changes,
            transitions=config.transitions,
        )
        self._market = self._memory.market
        self._pending: tuple[list[Any], ...] = tuple([] for _ in self._memory.rows)
        self._stashed = False  # whether any of them has rows
        self._digests = LegDigests()
        self._finished = False
        self._final_digests: dict[str, str] | None = None
        self._first_ns = 0  # ts_recv of the first record that is not of the warm-up
        self._warming = config.warmup_until_ns > 0
        self._unbegun = np.zeros(1, np.int64)
        self._warmup_records = 0
        self._set_policies()
        self._memory.publish(0)
        self._roster = Roster(config, self._memory)
        self._bills = Bills(config, self._memory, self._roster)
        self._dtype: np.dtype[Any] | None = None  # of batches that need no closer look
        self._began = False
        self._give_records = entry_of(loop.give_records, MBO_DTYPE)
        self._come_back = entry_of(come_back)
        self._announce_signal = entry_of(announce_signal)
        self._memory.router["feed_max_ns"] = self._roster.feed_max_ns
        self._go_on, self._router_address = entry_of(loop.go_on), self._memory.router_address
        self._abroad = Abroad(self._memory, self._retry, self.let_pass) if config.abroad else None
        self._words = self._memory.router_words
        self._roster.open_named_books()

    def _set_policies(self) -> None:
        config, execution, router = self.config, self._memory.execution, self._memory.router
        execution["market_waits"] = config.market_order_in_halt == "wait"
        execution["fills_unseen"] = _UNSEEN[config.unseen_trades]
        execution["event_log"] = config.event_log
        router["sample_interval_ns"] = config.sample_interval_ns
        router["crossed_policy"] = _POLICIES[config.crossed_policy]
        router["clear_cancels"] = config.book_clear == "cancel"
        router["mark_price"] = _MARKS[config.mark_price]
        router["fill_notice"] = _NOTICES[config.fill_notice]
        router["flag_stops"] = config.flags.kinds("stop")
        self._market.state[0]["minds"] = config.flags.kinds("stop") | config.flags.kinds("mark")
        for name in ("fault_instance", "outside_instance", "outside_order"):
            router[name] = NIL

    def open_books(self, keys: Sequence[int]) -> None:
        """Open books before their first records, in the order of those.

        Parameters
        ----------
        keys
            ``publisher_id << 32 | instrument_id`` each; those that are open stay as they are.
        """
        if self._roster.open_missing(keys):
            self._memory.publish(self._roster.instance_n)

    def state_of(self, strategy_id: str) -> Any:
        """The state record of a strategy that has one instance over its books; None: none yet."""
        instance = self._roster.together_of(strategy_id)
        return None if instance is None else self._roster.state_of(instance)

    def announce_signal(self, leg: int, ts_ns: int) -> None:
        """Have the instance of a leg called for a signal, at a local time.

        ``on_timer`` is called then, after all else that it is told at that time.
        """
        while status := self._announce_signal(self._router_address, leg, ts_ns):
            self._resolve(status)

    @property
    def legs(self) -> list[LegInfo]:
        """Who trades where, by number of the leg."""
        return self._roster.legs

    # --- running --------------------------------------------------------------------------------

    def hold_orders(self, reason: Reason) -> None:
        """Deny new orders and replaces for a reason from here on; for ``NONE`` no more.

        Cancels leave as ever.
        """
        self._memory.router["orders_held"] = int(reason)

    def withdraw_orders(self) -> None:
        """Ask for all open orders to be canceled; that takes as long as any cancel does.

        Call it between two batches. They are canceled with the reason ``WITHDRAWN``. See
        `load_withdrawing`.
        """
        if self._began:
            self._retry(lambda: withdraw_all(self._router_address, self.now_ns))

    @property
    def abroad(self) -> Abroad:
        """Where orders leave that are not simulated; there is one if the configuration says so."""
        assert self._abroad is not None
        return self._abroad

    def _retry(self, step: Callable[[], int]) -> None:
        """Do something beside the loop, as often as it takes until there is room for it."""
        while status := step():
            self._resolve(status)

    def let_pass(self, now_ns: int) -> None:
        """Let time pass in which no record came: timers and words that are due by then are heard.

        A record that comes with an earlier time afterwards counts as late.
        """
        if self._began:  # else nobody is there yet
            self._memory.router["task_ns"] = now_ns
            self._run_task(TASK_LET_PASS, 0)

    def touch_memory(self) -> None:
        """Get the buffers of reported rows their memory now, not within the first batches."""
        self._memory.touch()

    def feed(self, records: npt.NDArray[Any], tick: Callable[[], None] = _no_tick) -> None:
        """Run records, shape (n,), dtype ``MBO_DTYPE``, on from where the last batch ended.

        ``tick`` is called every few thousand records and for each new book; it may raise.

        Raises
        ------
        SimulationError
            If a strategy loops or fails, an order is too large for the book, a stated limit is
            reached or the book crosses under policy ``abort``.
        FlaggedDataError
            If a record says something of itself at which the run is to stop.
        """
        if (
            records.dtype is self._dtype and self._began and records.ndim == 1
            and records.size <= STEP_RECORDS and records.flags.c_contiguous
        ):  # fmt: skip
            self._give_records(self._router_address, records)
            self._answer(self._go_on(self._router_address), tick)
            tick()
            return
        address, n, _keep = batch_address(records)
        at = self._warm_up(address, n, tick) if self._warming else 0
        if at < n and not self._first_ns:
            self._first_ns = int(records[at]["ts_recv"])
            if self._warming:
                self._begin()
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            self._go_on_to(address, at, stop, tick)
            at = stop
            tick()
        if records.dtype == MBO_DTYPE:  # so that the next one is known by its dtype's identity
            self._dtype, self._began = records.dtype, self._first_ns > 0

    def _go_on_to(self, address: int, at: int, stop: int, tick: Callable[[], None]) -> None:
        """Run the records at an address from one to another."""
        words = self._words
        words[_RECORDS], words[_STOP], words[_AT] = address, stop, at
        self._answer(self._go_on(self._router_address), tick)

    def _run_task(self, task: int, book: int) -> None:
        """Have the loop do something else than run records, from a book on."""
        router = self._memory.router
        router["task"], router["task_book"] = task, book
        self._answer(self._go_on(self._router_address), _no_tick)
        router["task"] = TASK_RECORDS

    def _answer(self, status: int, tick: Callable[[], None]) -> None:
        """Do what the loop asks for and call it again, until it has no more records."""
        go_on, router = self._go_on, self._router_address
        calls: Sequence[Any] = self._roster.calls
        while status:
            if status < CALLS:
                self._resolve(status)
                tick()  # books may be many, and each takes a while to open
            else:
                try:
                    calls[status - CALLS]()
                except Exception as error:
                    raise self._failed(status - CALLS, error) from error
            status = go_on(router)

    def _warm_up(self, address: int, n: int, tick: Callable[[], None]) -> int:
        """Build books from the records before the start; return the first one behind them."""
        market, _, router = self._memory.states
        at = 0
        while at < n:
            stop = min(n, at + STEP_RECORDS)
            status, at = warming.warm_batch(
                market, router, address, stop, at, self.config.warmup_until_ns, self._unbegun
            )
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
        for kind in FlagKind:
            self._market.books.records[kind.key] = 0
        self._memory.router["start_ns"] = min(self._first_ns, NEVER)
        for book in range(int(state["book_n"])):
            self._run_task(TASK_BEGIN_BOOK, book)

    def finish(self) -> None:
        """End the data: let pass what is due, report open orders and final accounts.

        Raises
        ------
        SimulationError
            If something is held at the end of a day, and ``day_end`` refuses that.
        """
        if self._finished:
            return
        self._finished = True
        _, execution, router = self._memory.states
        self._run_task(TASK_END, 0)
        if self.config.day_end:
            self._end_day()
        order = leg = 0
        orders = self._memory.own_orders.capacity
        while order < orders or leg < len(self.legs):
            order, leg = ending.report_rest(execution, router, orders, order, leg)
            self._stash()
        while status := ending.stop_strategies(execution, router):
            self._resolve(status)
        self._final_digests = None

    def _end_day(self) -> None:
        """Cancel what is open and close what is held, or refuse that."""
        _, execution, router = self._memory.states
        accounts = self._memory.accounts.records[: len(self.legs)]
        held = np.flatnonzero((accounts["position"] != 0) | (accounts["short_lots"] != 0))
        if self.config.day_end == "refuse" and held.size:
            leg, account = self.legs[int(held[0])], accounts[held[0]]
            short = int(account["short_lots"])
            beside = f" and {-short:+,}" if short and account["position"] + short else ""
            raise SimulationError(
                f"strategy {leg.strategy_id}: expected no position at the end of its day, found "
                f"{int(account['position']) + (short if beside else 0):+,}{beside} of "
                f"{leg.symbol} at {self._when()} (day_end: refuse)"
            )
        while status := day_end.end_day(execution, router):
            self._resolve(status)
        self._stash()

    def _resolve(self, status: int) -> None:
        """Do what the loop asked for, so that it can go on where it stopped."""
        if status == CALL_OUTSIDE:
            self._call_outside()
            return
        try:
            if status == NEW_BOOK:
                self._roster.open_book(self._market.missing_key)
            elif status < DRAIN_ROWS:
                self._market.resolve(status)
            else:
                if status == DRAIN_ROWS:
                    self._stash()
                if not self._memory.grow(status, self._when()):
                    raise self._fault(status)
        except BookLimitError as error:
            raise SimulationError(f"{error} at {self._when()}") from error
        self._memory.publish(self._roster.instance_n)

    def _call_outside(self) -> None:
        """Call the hook that a kernel other than the loop was left for, and send what it asks."""
        router = self._memory.router
        call = int(router["outside_instance"]) * HOOK_N + int(router["outside_hook"])
        try:
            self._roster.calls[call]()  # type: ignore[misc]
        except Exception as error:
            raise self._failed(call, error) from error
        status = self._come_back(self._router_address)
        if status:
            raise self._fault(status)

    def _failed(self, call: int, error: Exception) -> StrategyError:
        """What a strategy's own code raised, as the user is to see it."""
        instance, hook = divmod(call, HOOK_N)
        context = self._memory.places[instance].context.records[0]
        spec = self._roster.spec_of(instance)
        leg = self._roster.legs[int(context["leg"])]
        now_ns = int(context["now_ns"])
        return StrategyError(
            faults.own_failure(spec.strategy_id, HOOKS[hook], now_ns, leg.symbol, error),
            spec.strategy_id, now_ns, leg.symbol,
        )  # fmt: skip

    def _when(self) -> str:
        return f"{np.datetime64(self.now_ns, 'ns')} UTC"

    def _fault(self, status: int) -> SimulationError | FlaggedDataError:
        """Why the loop went no further; what a strategy did wrong is that strategy's error."""
        if status == FAULT_FLAGGED:
            books = self._market.books.records
            return stopped(self._memory.router, books, self.config.instruments)
        instance = int(self._memory.router["fault_instance"])
        legs = self._roster.legs_of(instance) if instance != NIL else []
        name = legs[0].strategy_id if legs else ""
        who = f"strategy {name}" if legs else "a strategy"
        symbol = legs[0].symbol if len(legs) == 1 else None
        if status == FAULT_STEPS:
            text = faults.endless_answers(
                who, self._when(), self._memory.instances.records[instance],
                self._roster.spec_of(instance).limits, max(leg.tick_size for leg in legs),
            )  # fmt: skip
            return StrategyError(text, name, self.now_ns, symbol)
        if status == FAULT_REQUESTS:
            text = faults.too_many_requests(who, self._when())
            return StrategyError(text, name, self.now_ns, symbol)
        return SimulationError(
            {
                FAULT_CLAIMS: f"{who} sent an order that would take more than {STEP_ROWS:,} "
                f"resting orders at {self._when()}; send smaller ones",
                FAULT_CROSSED: f"the book is locked or crossed at {self._when()}, and crossed_book "
                "is 'abort'",
            }[status]
        )

    # --- results --------------------------------------------------------------------------------

    def _stash(self) -> None:
        """Copy the rows reported so far out of the kernels' buffers."""
        tables = self._memory.take_rows()
        if tables is None:
            return
        self._stashed = True
        fills, orders, extras, *_ = tables
        extras["row"] += sum(before.size for before in self._pending[1])
        for table, kept in zip(tables, self._pending, strict=True):
            if table.size:
                kept.append(table)
        self._digests.update(fills, orders)

    def drain(self) -> Drained:
        """Return the rows reported since the last call. Call it after every batch."""
        series = self._roster.series
        if not self._stashed:  # nearly always: nothing was put aside since the last call
            taken = self._memory.take_rows()
            if taken is None and not series.is_waiting:
                return _NOTHING
            fills, orders, extras, samples, events, touches = taken or NO_ROWS
            self._digests.update(fills, orders)
            own, fees = series.take(), self._bills.take(fills)
            return Drained(fills, orders, extras, samples, events, own, fees, touches)
        self._stash()
        self._stashed = False
        tables: list[npt.NDArray[Any]] = []
        for kept, empty in zip(self._pending, NO_ROWS, strict=True):
            table = empty
            if kept:
                table = kept[0] if len(kept) == 1 else np.concatenate(kept)
                kept.clear()
            tables.append(table)
        fills, orders, extras, samples, events, touches = tables
        own, fees = series.take(), self._bills.take(fills)
        return Drained(fills, orders, extras, samples, events, own, fees, touches)

    @property
    def calls_python(self) -> bool:
        """Whether any strategy is called outside the compiled loop."""
        return any(not spec.definition.compiled for spec in self.config.strategies)

    @property
    def series_names(self) -> list[str]:
        """Names of the series that strategies have recorded; rows have their positions."""
        return self._roster.series.names

    def look(self) -> Look:
        """Return what can be looked at between two batches; it stays good as the run goes on."""
        return Look(self._memory, self._abroad)

    @property
    def counts(self) -> dict[str, int]:
        """Counters of the run so far; ``events`` are market records."""
        state, router = self._market.state[0], self._memory.router
        counts = {"events": int(state["records"])}
        counts |= {name: int(state[name]) for name in COUNTERS if name != "records"}
        counts |= {name: int(router[name]) for name in _ROUTER_COUNTERS}
        counts["books"] = int(state["book_n"])
        if self.config.transitions is not None:
            counts |= self._memory.counts_of_states()
        if self.config.warmup_until_ns:
            counts["warmup_records"] = self._warmup_records
            counts["warmup_books_without_snapshot"] = int(self._unbegun[0])
        return counts | self._roster.counts(self._first_ns)

    def flagged(self) -> list[FlaggedBook]:
        """The books whose records said something of themselves, in the order of their opening."""
        n = int(self._market.state[0]["book_n"])
        return flagged_books(
            self._market.books.records[:n],
            self._memory.watches.records[:n],
            self.config.instruments,
        )

    @property
    def orders_sent(self) -> int:
        """New orders that have left so far."""
        return int(self._memory.router["orders_sent"])

    @property
    def halted_n(self) -> int:
        """How many strategy instances have reached their loss limit so far."""
        return int(self._memory.router["loss_halts"])

    def loss_halts(self) -> list[LossHalt]:
        """Strategy instances that reached their loss limit, in the order of time."""
        return loss_halts(self._memory, self._roster) if self.halted_n else []

    def guessed_queues(self) -> list[GuessedQueue]:
        """Books of strategies in which places in queues were guessed from sizes of levels."""
        return guessed_queues(self._memory, self._roster)

    @property
    def trip_n(self) -> int:
        """How many limits were reached so far that had something follow."""
        return int(self._memory.router["trip_n"])

    def limit_trips(self) -> list[LimitTrip]:
        """Limits that were reached and had something follow, in the order of the loop."""
        return limit_trips(self._memory, self._roster) if self.trip_n else []

    @property
    def fee_line_names(self) -> list[str]:
        """What rows of fees count."""
        return self._bills.names

    def fee_lines(self) -> dict[str, dict[str, int]]:
        """Fees by strategy and line, in 1e-9 currency, of those whose fee models have lines."""
        return self._bills.totals()

    @property
    def now_ns(self) -> int:
        """Largest capture time seen, ns since the epoch."""
        return int(self._memory.router["stream_clock"])

    def worths(self) -> Worths:
        """What price points of all legs are worth now; for showing, not for accounts."""
        accounts = self._memory.accounts.records[: len(self.legs)]
        found = Worths(
            *(accounts[name].copy() for name in (
                "multiplier_num", "multiplier_den", "base_units", "base_money",
            ))
        )  # fmt: skip
        for leg in self.legs if self.config.rates else ():
            if steps := self.config.rates.get(leg.symbol):
                begun = bisect_right(steps, self.now_ns, key=itemgetter(0))
                _, found.num[leg.leg], found.den[leg.leg] = steps[max(begun, 1) - 1]
        return found

    def pnl(self) -> float:
        """Net P&L over all legs in currency, at the last marks; for showing, not for accounts."""
        accounts = self._memory.accounts.records[: len(self.legs)]
        worths = self.worths()
        held = accounts["position"] != 0
        value = np.where(held, accounts["position"] * np.where(held, accounts["mark"], 0), 0)
        units = (accounts["cash"] + value - worths.units).astype(float)
        ratio = worths.num / np.maximum(worths.den, 1)
        return float((units * ratio + worths.money - accounts["fees"]).sum()) / MONEY_UNITS

    def digests(self) -> dict[str, str]:
        """One digest per strategy: over its orders, fills and final positions.

        It says nothing of who ran beside it: the same strategy on the same books has the same
        digest in any company.
        """
        if self._final_digests is None or not self._finished:
            self._final_digests = self._digests.per_strategy(
                [spec.strategy_id for spec in self.config.strategies],
                self.legs,
                self._memory.accounts.records,
            )
        return dict(self._final_digests)

    def digest(self) -> str:
        """One digest of the whole run."""
        return self._digests.of_run(self.digests(), self.counts["events"])

    @property
    def nbytes(self) -> int:
        """Bytes held by books, orders, messages and buffers."""
        return self._memory.nbytes
