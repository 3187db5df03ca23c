"""Rows that hang on the strategy's own orders: one is sent at a time, and its answer waited for.

The rows' market side comes from the same pass as ever; at each row's time in the strategy the loop
is left, its own columns are added, and it is sent. What the model answers takes effect after the
declared latency, as in the other modes.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.bridge.desk import Desk
from tapewire.bridge.following import Followed, LegMap
from tapewire.bridge.model_spec import ModelSpec
from tapewire.errors import StrategyError
from tapewire.execution.codes import Term, TimeInForce
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.definition import StrategyDefinition
from tapewire.strategies.follower import (
    SIGNAL,
    SIGNAL_CANCEL,
    SIGNAL_CANCEL_ALL,
    SIGNAL_REPLACE,
    SIGNAL_SUBMIT,
    SIGNAL_TARGET,
)
from tapewire.strategies.plain import Context, Fill, Order, Strategy, Timer
from tapewire.strategies.plain.strategy import settle
from tapewire.strategies.plain.terms import OrderTerms
from tapewire.strategies.wants import Wants

IntArray = npt.NDArray[np.int64]

#: Columns of a strategy's own, behind those of the market: of the row's instrument but for the P&L.
OWN_COLUMNS: Final = ("position", "pnl", "open_buy_lots", "open_sell_lots")
_MONEY: Final = 1e-9
_LOTS_MAX: Final = 2**31 - 1
#: At most in one callback, which may make a few requests more.
_CANCELS_MAX: Final = 32


class LockstepDesk(Desk):
    """The desk of a model that is asked row by row; worked by the simulation's own thread."""

    def __init__(self, spec: ModelSpec, answered: threading.Condition) -> None:
        super().__init__(spec, answered)
        self.legs = LegMap(spec.strategy_id)
        self._lock = threading.Lock()
        self._rows: deque[tuple[int, int, npt.NDArray[np.float64]]] = deque()
        self._new: list[msg.BridgeInstrument] = []
        self._due: deque[tuple[int, int, int, npt.NDArray[np.float64]]] = deque()
        self._is_announced = self._has_withdrawn = False
        self._asked_ns = 0  # when the last signal takes effect
        self._simulation: Followed | None = None
        self._check: Callable[[], None] = lambda: None

    # --- the thread that goes ahead -------------------------------------------------------------

    def add_instruments(self, instruments: list[msg.BridgeInstrument]) -> None:
        """Take books that rows may be about from here on."""
        with self._lock:
            self._new += instruments

    def add(self, ts: IntArray, books: IntArray, values: npt.NDArray[np.float64]) -> None:
        """Take rows, by time; they are sent when the simulation has come to them."""
        with self._lock:
            self._rows.extend(zip(ts.tolist(), books.tolist(), values, strict=True))

    # --- the simulation's thread ----------------------------------------------------------------

    def attach(self, simulation: Followed, check: Callable[[], None]) -> None:
        """Say whose rows they are."""
        self._simulation, self._check = simulation, check

    def begin_batch(self, keys: Sequence[int], now_ns: int) -> None:
        """Take over the rows that are there by now, before the records of their times."""
        assert self._simulation is not None
        self.legs.update(keys, self._simulation)
        with self._lock:
            new, self._new = self._new, []
            rows, self._rows = self._rows, deque()
        if new:
            super().add_instruments(new)
        feed_ns = self.spec.feed_ns
        legs = self.legs.of(np.array([book for _, book, _ in rows], np.int64)).tolist()
        for (ts, book, values), leg in zip(rows, legs, strict=True):
            self._due.append((ts, book, leg, values))
        self.serve()
        if not self._is_announced:
            self._announce(feed_ns)
        if self.fault is not None and not self._is_announced and not self._has_withdrawn:
            for leg in self.legs.all[:1]:  # no row is due that would be the occasion
                self._simulation.announce_signal(leg, now_ns + feed_ns)
                self._is_announced = True

    def _announce(self, feed_ns: int) -> None:
        assert self._simulation is not None
        self._is_announced = bool(self._due)
        if self._due:
            ts, _, leg, _ = self._due[0]
            self._simulation.announce_signal(leg, ts + feed_ns)

    def ask(self, own: "Lockstep", context: Context) -> list[npt.NDArray[Any]]:
        """Send the row whose time has come, and wait for its answer; the signals."""
        if not self._due:
            self._is_announced = False
            return self._withdraw(context.now)
        ts, book, leg, values = self._due.popleft()
        self._announce(self.spec.feed_ns)
        if self.fault is not None:
            return self._withdraw(context.now)
        if own.updates:
            self.tell(own.updates)
            own.updates = []
        row = np.concatenate([values, own.columns(context, leg)])
        super().add(np.array([ts]), np.array([book]), row.reshape(1, -1))
        self.wait_all(self._check)
        fault: str | None = self.fault
        if fault is not None and self.ends_run:
            raise StrategyError(fault, self.spec.strategy_id, context.now, None)
        with self._answered:
            signals = self.take_signals()
        self._asked_ns = max([self._asked_ns, *(int(some["ts"][-1]) for some in signals)])
        return signals if fault is None else signals + self._withdraw(context.now)

    def _withdraw(self, now_ns: int) -> list[npt.NDArray[Any]]:
        """What is asked for in place of a lost model, once what it asked for itself is done."""
        kinds = [] if self._has_withdrawn else [SIGNAL_CANCEL_ALL]
        if self.spec.on_failure == "flatten":
            kinds.append(SIGNAL_TARGET)
        self._has_withdrawn = True
        books = np.flatnonzero(self.legs.of(slice(None)) >= 0)  # type: ignore[arg-type]
        signals = np.zeros(len(kinds) * len(books), SIGNAL)
        signals["ts"] = self._asked_ns = max(self._asked_ns, now_ns)
        signals["kind"] = np.repeat(np.array(kinds, np.int64), len(books))
        signals["leg"] = np.tile(books, len(kinds))
        signals["price"] = UNDEF_PRICE
        return [signals] if signals.size else []

    def books_of(self, leg: int) -> int:
        """The index of the book of a leg."""
        return int(np.flatnonzero(self.legs.of(slice(None)) == leg)[0])  # type: ignore[arg-type]


def _is_held(order: Order) -> bool:
    """Whether an order is a stop that nobody has told to be triggered."""
    return order.price is None and order.trigger_price is not None


def _terms_of(signal: Any) -> OrderTerms:
    """What a signal says of its order, as a strategy says it."""
    said = OrderTerms(time_in_force=TimeInForce(int(signal["time_in_force"])).name)
    order_type, terms = int(signal["order_type"]), int(signal["terms"])
    if order_type == msg.STOP:
        said["trigger_price"] = int(signal["price"])
    elif order_type == msg.MARKET_TO_LIMIT:
        said["market_to_limit"] = True
    if terms & (Term.POST_ONLY | Term.REPRICE):
        said["post_only"] = "reprice" if terms & Term.REPRICE else True
    if terms & Term.REDUCE_ONLY:
        said["reduce_only"] = True
    return said


class Lockstep(Strategy):
    """In the place of a model's strategy in the loop: asks it, and does what it says."""

    wants = Wants(together=True)

    def __init__(self, desk: LockstepDesk) -> None:
        super().__init__()
        self.updates: list[msg.OrderUpdate] = []
        self._desk = desk
        self._signals: deque[Any] = deque()  # answered and not yet in effect, by time
        self._tags: dict[int, int] = {}  # by order id
        self._orders: dict[int, Order] = {}  # newest of each tag

    def columns(self, context: Context, leg: int) -> npt.NDArray[np.float64]:
        """`OWN_COLUMNS`, as the strategy knows them."""
        market = context.turn_to(leg)
        mine = [order for order in context.orders if order.symbol == market.symbol]
        buys = sum(order.leaves for order in mine if order.side > 0)
        sells = sum(order.leaves for order in mine if order.side < 0)
        return np.array([market.position, context.pnl * _MONEY, buys, sells], np.float64)

    def on_signal(self, context: Context) -> None:
        """A row's time has come."""
        for signals in self._desk.ask(self, context):
            legs = self._desk.legs.of(signals["leg"])
            for signal, leg in zip(signals, legs.tolist(), strict=True):
                self._signals.append((signal, leg))
                context.set_timer(at=int(signal["ts"]))

    def on_timer(self, timer: Timer, context: Context) -> None:
        """The next signal takes effect."""
        signal, leg = self._signals.popleft()
        context.turn_to(leg)
        kind, tag = int(signal["kind"]), int(signal["tag"])
        if kind == SIGNAL_TARGET:
            lots = int(signal["quantity"]) - context.expected_position
            if lots != 0:
                self._name(context.submit(1 if lots > 0 else -1, min(abs(lots), _LOTS_MAX)), tag)
        elif kind == SIGNAL_SUBMIT:
            limit = int(signal["order_type"]) == msg.LIMIT
            order = context.submit(
                int(signal["side"]), int(signal["quantity"]),
                int(signal["price"]) if limit else None, **_terms_of(signal),
            )  # fmt: skip
            self._name(order, tag)
        elif kind == SIGNAL_CANCEL:
            if (named := self._open(tag)) is not None:
                context.cancel(named)
        elif kind == SIGNAL_REPLACE:
            price, lots = int(signal["price"]), int(signal["quantity"])
            if (named := self._open(tag)) is not None:
                keeps = price == msg.NO_PRICE
                if keeps and named.requests and _is_held(named):
                    return  # which trigger it would keep is not known
                context.replace(named, price=None if keeps else price, quantity=lots or None)
        elif not self._cancel_open(context):
            self._signals.appendleft((signal, leg))
            context.set_timer(at=context.now)

    def _cancel_open(self, context: Context) -> bool:
        """Cancel the orders of the book at hand; whether that were all."""
        room = _CANCELS_MAX
        for order in context.orders:
            if order.symbol == context.market.symbol and order.requests == 0:
                if room == 0:
                    return False
                context.cancel(order)
                room -= 1
        return True

    def _name(self, order: Order, tag: int) -> None:
        self._tags[order.id] = tag
        self._orders[tag] = order

    def _open(self, tag: int) -> Order | None:
        order = self._orders.get(tag)
        return order if order is not None and order.is_open else None

    def on_order_update(self, order: Order, context: Context) -> None:
        """Word of an order."""
        self._note(order, context, 0, 0, 0)

    def on_fill(self, fill: Fill, context: Context) -> None:
        """Word of a fill."""
        self._note(fill.order, context, fill.price, fill.quantity, fill.commission)

    def _note(
        self, order: Order, context: Context, price: int, quantity: int, commission: int
    ) -> None:
        self.updates.append(
            msg.OrderUpdate(
                context.now,
                self._tags.get(order.id, 0),
                self._desk.books_of(context.leg),
                int(order.side),
                order.status.name,
                order.reason.name,
                msg.NO_PRICE if order.price is None else order.price,
                order.quantity,
                order.filled,
                context.market.position,
                price,
                quantity,
                commission,
            )
        )
        if not order.is_open:
            tag = self._tags.pop(order.id, None)
            if tag is not None and self._orders.get(tag) is order:
                del self._orders[tag]


def lockstep_definition(desk: LockstepDesk) -> StrategyDefinition:
    """What a run knows of a strategy whose model is asked row by row."""
    definition = Lockstep.definition()
    return replace(definition, name="external", outside=lambda place: settle(Lockstep(desk), place))
