"""What a strategy in plain Python is handed: its time, its account, its books, what it can do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Unpack

import numpy as np

from tapewire.compiled.numbers import to_price, whole
from tapewire.execution.codes import OrderStatus, OrderType, RiskState, Side, Term, TimeInForce
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.layout import CONTEXT, SIGHT
from tapewire.strategies.place import Place, PlacedBook
from tapewire.strategies.plain._kernels import entries
from tapewire.strategies.plain.contingent import Bracket, Hanging
from tapewire.strategies.plain.market import Features, Market, word_of
from tapewire.strategies.plain.orders import REASONS, STATUSES, Fill, Order
from tapewire.strategies.plain.terms import OrderTerms, encode
from tapewire.strategies.plain.values import Price, Span, to_ns
from tapewire.strategies.wants import Wants

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
_LIMIT: Final = int(OrderType.LIMIT)
_MARKET: Final = int(OrderType.MARKET)
_GTC, _IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)

_NOW: Final = word_of(CONTEXT, "now_ns")
_LEG: Final = word_of(CONTEXT, "leg")
_POSITION: Final = word_of(CONTEXT, "position")
_PNL: Final = word_of(CONTEXT, "pnl")
_HALTED: Final = word_of(CONTEXT, "halted")
_RISK_STATE: Final = word_of(CONTEXT, "risk_state")
_LAST_ID: Final = word_of(CONTEXT, "last_client_order_id")
_UPDATE: Final = word_of(CONTEXT, "update_order")
_UPDATE_ID: Final = word_of(CONTEXT, "update_id")
_UPDATE_SIDE: Final = word_of(CONTEXT, "update_side")
_STATUS: Final = word_of(CONTEXT, "update_status")
_REASON: Final = word_of(CONTEXT, "update_reason")
_PRICE: Final = word_of(CONTEXT, "update_price")
_TRIGGER: Final = word_of(CONTEXT, "update_trigger")
_QUANTITY: Final = word_of(CONTEXT, "update_quantity")
_FILLED: Final = word_of(CONTEXT, "update_filled")
_REQUESTS: Final = word_of(CONTEXT, "update_requests")
_FILL_PRICE: Final = word_of(CONTEXT, "fill_price")
_FILL_QUANTITY: Final = word_of(CONTEXT, "fill_quantity")
_FILL_COMMISSION: Final = word_of(CONTEXT, "fill_commission")
_TIMER_DUE: Final = word_of(CONTEXT, "timer_ns")
_TIMER_ID: Final = word_of(CONTEXT, "timer_id")
_SIGHT_WORDS: Final = SIGHT.itemsize // 8
#: Of a strategy's random numbers, apart from all other draws.
_RANDOM: Final = 0x5EED


class Timer(NamedTuple):
    """A timer that was set: its name, when it was due, and how often it comes (0: once), in ns."""

    name: str | None
    due_ns: int
    every_ns: int


class Context:
    """What a strategy may know now, and how it acts.

    Nothing here is ahead of ``now``: what the loop has seen since does not show.

    Attributes
    ----------
    strategy_id : str
    config : mapping
        The strategy's parameters.
    market : Market
        The book that the callback is about.
    markets : mapping of symbol to Market
        All its books; of a symbol on several publishers the one that came first.
    """

    def __init__(self, place: Place, wants: Wants, trades_kept: int, *, has_timer: bool) -> None:
        self.strategy_id = place.strategy_id
        self.config: Mapping[str, Any] = MappingProxyType(dict(place.parameters))
        self.market: Market
        self._place = place
        self._wants = wants
        self._trades_kept = trades_kept
        self._has_timer = has_timer
        self._words = place.context.records.view(np.int64).data
        self._address = place.context.address
        self._by_leg: dict[int, Market] = {}
        self._by_symbol: dict[str, Market] = {}
        self._open: dict[int, Order] = {}
        self._timers: dict[int, Timer] = {}
        self._timer_n = 0
        self._random: np.random.Generator | None = None
        (
            self._submit_at, self._cancel_at, self._replace_at, self._set_timer_at,
            self._orders_ahead_at, self._lots_ahead_at, self._submit_terms_at, hang_at,
            self._short_lots_at,
        ) = entries()  # fmt: skip
        self._hanging = Hanging(self._address, hang_at)
        place.opened = self._add_market

    def __repr__(self) -> str:
        when = np.datetime64(self.now, "ns")
        return f"Context({self.strategy_id}, {when}, position {self.position})"

    # --- what it knows ----------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The strategy's local time, ns since the epoch (UTC)."""
        return self._words[_NOW]

    @property
    def position(self) -> int:
        """Lots held in the instrument at hand, as far as the strategy was told."""
        return self._words[_POSITION]

    @property
    def long_lots(self) -> int:
        """Lots held long in the instrument at hand, beside those held short if it hedges."""
        return self.position + self.short_lots

    @property
    def short_lots(self) -> int:
        """Lots held short in the instrument at hand, a number above 0."""
        return int(self._short_lots_at(self._address))

    @property
    def expected_position(self) -> int:
        """What `position` comes to if all that is open in this instrument fills, but for exits."""
        leg = self.market._leg
        lots = (
            order.side * order.leaves
            for order in self._open.values()
            if order._leg == leg and order.parent is None
        )
        return self.market.position + sum(lots)

    @property
    def pnl(self) -> int:
        """P&L over all its instruments net of fees, 1e-9 currency, at the last marks it knows."""
        return self._words[_PNL]

    @property
    def halted(self) -> bool:
        """Whether a limit was reached after which its orders are denied, as `risk_state` has it."""
        return self._words[_HALTED] != 0

    @property
    def risk_state(self) -> RiskState:
        """What its limits let it send: anything they allow, what reduces positions, or nothing."""
        return RiskState(self._words[_RISK_STATE])

    @property
    def orders(self) -> tuple[Order, ...]:
        """Its open orders, oldest first, on all its books."""
        return tuple(self._open.values())

    @property
    def markets(self) -> Mapping[str, Market]:
        """All its books so far, by symbol."""
        return MappingProxyType(self._by_symbol)

    @property
    def features(self) -> Features:
        """Features of the book at hand, by name: those of ``wants.features``."""
        return self.market.features

    @property
    def random(self) -> np.random.Generator:
        """Random numbers that depend on the run's seed and the strategy's name alone."""
        if self._random is None:
            # Counter-based; a strategy on several books has one sequence for each of them.
            first = self._place.books[0] if self._place.books and not self._wants.together else None
            book = 0 if first is None else first.publisher_id << 32 | first.instrument_id
            key = np.array([self._place.key & (2**64 - 1), book ^ _RANDOM], np.uint64)
            self._random = np.random.Generator(np.random.Philox(key=key))
        return self._random

    # --- what it can do ---------------------------------------------------------------------------

    def buy(
        self, quantity: int, price: Price | None = None, *, symbol: str | None = None,
        **terms: Unpack[OrderTerms],
    ) -> Order:  # fmt: skip
        """Send an order to buy; see `submit`."""
        return self._send(BUY, quantity, price, symbol, terms)

    def sell(
        self, quantity: int, price: Price | None = None, *, symbol: str | None = None,
        **terms: Unpack[OrderTerms],
    ) -> Order:  # fmt: skip
        """Send an order to sell; see `submit`."""
        return self._send(SELL, quantity, price, symbol, terms)

    def submit(
        self, side: int, quantity: int, price: Price | None = None, *, symbol: str | None = None,
        **terms: Unpack[OrderTerms],
    ) -> Order:  # fmt: skip
        """Send an order.

        Parameters
        ----------
        side : int
            1 (BUY) or -1 (SELL).
        quantity : int
            Lots.
        price : int, Decimal, str or float, optional
            A whole number is in 1e-9, anything else a price; none makes it a market order, or a
            stop order where there is a ``trigger_price``.
        symbol : str, optional
            One of `markets`; by default the one at hand.
        **terms
            ``time_in_force`` and what else may be said of an order: see `OrderTerms`.

        Returns
        -------
        Order
            Pending. What limits or the venue's rules refuse, a quantity of 0 or a price off the
            tick size, is DENIED with a reason, and told by ``on_order_update``.

        Raises
        ------
        TypeError, ValueError
            If something is not of its kind, such as NaN for a price.
        """
        if side not in (BUY, SELL):
            raise ValueError(f"side: expected 1 (BUY) or -1 (SELL), found {side!r}")
        return self._send(int(side), quantity, price, symbol, terms)

    def _send(
        self, side: int, quantity: int, price: Price | None, symbol: str | None, terms: OrderTerms
    ) -> Order:
        market = self.market if symbol is None else self._market_of(symbol)
        leg, lots = market._leg, whole(quantity, "quantity")
        if price is None:
            order_type, units, known, in_force = _MARKET, UNDEF_PRICE, None, _IOC
        else:
            order_type, in_force = _LIMIT, _GTC
            units = known = to_price(price)
        trigger: int | None = None
        if terms:
            is_limit = price is not None or terms.get("peg") is not None
            said = encode(terms, self._words[_NOW], has_price=is_limit)
            order_type, in_force, *rest = said
            trigger = said.trigger_price if said.terms & Term.STOP else None
            handle = self._submit_terms_at(
                self._address, leg, side, order_type, units, lots, in_force, *rest
            )
            self._hanging.on_terms(handle, terms)
        else:
            handle = self._submit_at(self._address, leg, side, order_type, units, lots, in_force)
        number = self._words[_LAST_ID]
        order = self._open[handle] = Order(
            self, handle, leg, number, market.symbol, side, order_type, known, lots, in_force
        )
        order.trigger_price = trigger
        return order

    def oco(self, *orders: Order, at_once: bool = False) -> None:
        """Let one cancel other: what one fills is taken off the rest, at the exchange.

        They are orders of one book that were sent in this callback. One that has no lots left is
        canceled; with ``at_once`` the first fill of any cancels the others.
        """
        self._hanging.together([self._handle_of(order) for order in orders], at_once=at_once)

    def bracket(
        self, side: int, quantity: int, price: Price | None = None, *, take_profit: Price,
        stop_loss: Price, stop_limit: Price | None = None, symbol: str | None = None,
        **terms: Unpack[OrderTerms],
    ) -> Bracket:  # fmt: skip
        """Send an entry with two exits, which act at the exchange as it fills.

        Parameters
        ----------
        side, quantity, price, symbol, **terms
            Of the entry: see `submit`.
        take_profit : int, Decimal, str or float
            Limit price of the one exit.
        stop_loss : int, Decimal, str or float
            Trigger of the other, a stop order, or a stop-limit order with a ``stop_limit``.

        Returns
        -------
        Bracket
            ``entry``, ``take_profit``, ``stop_loss``. The exits have the lots that the entry has
            filled; what one of them fills is taken off the other.
        """
        entry = self.submit(side, quantity, price, symbol=symbol, **terms)
        profit = self.submit(-side, quantity, take_profit, symbol=symbol)
        loss = self.submit(-side, quantity, stop_limit, symbol=symbol, trigger_price=stop_loss)
        self._hanging.exits(entry._handle, [profit._handle, loss._handle])
        profit.parent = loss.parent = entry
        return Bracket(entry, profit, loss)

    def cancel(self, order: Order) -> None:
        """Ask for an order to be canceled; ignored (and counted) if it is known to be closed."""
        self._cancel_at(self._address, self._handle_of(order))
        order.requests += order.is_open

    def cancel_all(self, symbol: str | None = None) -> None:
        """Ask for all open orders, or those in one instrument, to be canceled.

        What has a cancel or replace on its way is left alone.
        """
        for order in self._open.values():
            if order.requests == 0 and symbol in (None, order.symbol):
                self.cancel(order)

    def mass_cancel(self, symbol: str | None = None) -> None:
        """Ask in one message for all orders in a book to be canceled that are there by then.

        By default the book at hand. Each tells of its end; there is no other answer.
        """
        market = self.market if symbol is None else self._market_of(symbol)
        self._hanging.cancel_all_of(market._leg)

    def replace(
        self, order: Order, *, price: Price | None = None, quantity: int | None = None
    ) -> None:
        """Ask for a new price, a new total quantity, or both; ignored if known to be closed.

        The price of a stop order without a limit is its trigger.
        """
        units = order.price if price is None else to_price(price)
        if units is None:
            units = order.trigger_price  # a stop without a limit has its trigger for a price
        lots = order.quantity if quantity is None else whole(quantity, "quantity")
        handle = self._handle_of(order)
        self._replace_at(self._address, handle, UNDEF_PRICE if units is None else units, lots)
        order.requests += order.is_open

    def set_timer(
        self, *, at: int | None = None, after: Span | None = None, every: Span | None = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        """Have ``on_timer`` called, once or again and again.

        Parameters
        ----------
        at : int
            Local time, ns since the epoch; at once if that is past.
        after, every : int, timedelta or str
            From now, in ns or like ``100ms``, ``5s``, ``1m``; ``every`` comes first one such span
            from now, or as ``at`` or ``after`` say.
        name : str, optional
            Told by the timer; a timer of the same name is replaced.
        """
        if not self._has_timer:
            raise ValueError(
                "set_timer: expected a strategy with on_timer or on_trades, found none"
            )
        if (at is not None and after is not None) or (at is after is every is None):
            raise ValueError("set_timer: expected one of at and after, or every, found otherwise")
        every_ns = 0 if every is None else to_ns(every, "every")
        if every is not None and every_ns <= 0:
            raise ValueError(f"every: expected more than 0 ns, found {every!r}")
        span_ns = every_ns if after is None else to_ns(after, "after")
        due_ns = self.now + span_ns if at is None else whole(at, "at")
        if name is not None:
            self.cancel_timer(name)
        self._start(Timer(name, max(due_ns, 0), every_ns))

    def cancel_timer(self, name: str) -> None:
        """Forget the timer of that name, if there is one."""
        for number in [k for k, timer in self._timers.items() if timer.name == name]:
            del self._timers[number]

    def record(self, name: str, value: float) -> None:
        """Keep a value of a series of the strategy's own, at this time, for the results."""
        leg = self._words[_LEG] if self._wants.together else self.market._leg
        self._place.series.append((leg, str(name), self._words[_NOW], float(value)))

    # --- kept by those who call the strategy ------------------------------------------------------

    def _add_market(self, book: PlacedBook) -> None:
        market = Market(book, self._wants, self._trades_kept, self._words)
        self._by_leg[book.leg] = market
        self._by_symbol.setdefault(book.symbol, market)
        if len(self._by_leg) == 1:
            self.market = market
        words = self._place.sights.records.view(np.int64).data
        for k, each in enumerate(self._by_leg.values()):
            each._bind(words[k * _SIGHT_WORDS : (k + 1) * _SIGHT_WORDS])

    def _market_of(self, symbol: str) -> Market:
        market = self._by_symbol.get(symbol)
        if market is None:
            there = ", ".join(self._by_symbol)
            raise ValueError(f"symbol: expected one of {there}, found {symbol!r}")
        return market

    def turn_to(self, leg: int) -> Market:
        """Make another of its books the one at hand, by the number of its leg."""
        self.market = self._by_leg[leg]
        return self.market

    @property
    def leg(self) -> int:
        """Number of the leg that the callback is about."""
        return self._words[_LEG]

    @property
    def _is_signal(self) -> bool:
        """Whether a timer is none of the strategy's own."""
        return self._words[_TIMER_ID] == 0

    def _turn(self) -> Market:
        """Make the book that the callback is about the one at hand."""
        self.market = self._by_leg[self._words[_LEG]]
        return self.market

    def _handle_of(self, order: Order) -> int:
        given: object = order
        if isinstance(given, Order) and given._context is self:
            return given._handle
        raise TypeError(f"expected an order of this strategy, found {given!r}")

    def _place_of(self, order: Order, *, lots: bool) -> int | None:
        if not self._wants.queue_places:
            raise ValueError("queue places are not seen; write wants = Wants(queue_places=True)")
        if not order.is_open or order.status is OrderStatus.PENDING_NEW:
            return None
        ask = self._lots_ahead_at if lots else self._orders_ahead_at
        ahead: int = ask(self._address, order._handle)
        return ahead if ahead >= 0 else None

    def _updated(self) -> Order:
        """The order that the callback is about, as it is known from now on."""
        words = self._words
        handle = words[_UPDATE]
        order = self._open.get(handle)
        if order is None:  # of the simulation's own, which closes a position after a loss limit
            market = self._by_leg[words[_LEG]]
            order = Order(
                self, handle, market._leg, words[_UPDATE_ID], market.symbol, words[_UPDATE_SIDE],
                _MARKET, None, words[_QUANTITY], _IOC,
            )  # fmt: skip
        order.status = STATUSES[words[_STATUS]]
        order.reason = REASONS[words[_REASON]]
        price = words[_PRICE]
        order.price = None if price == UNDEF_PRICE else price
        if words[_TRIGGER] != UNDEF_PRICE:
            order.trigger_price = words[_TRIGGER]
        order.quantity = words[_QUANTITY]
        order.filled = words[_FILLED]
        order.requests = words[_REQUESTS]
        if not order.is_open:
            self._open.pop(handle, None)
        return order

    def _filled(self) -> Fill:
        order, words = self._updated(), self._words
        price, quantity = words[_FILL_PRICE], words[_FILL_QUANTITY]
        return Fill(order, price, quantity, order.side, words[_FILL_COMMISSION])

    def _start(self, timer: Timer) -> None:
        self._timer_n += 1
        self._timers[self._timer_n] = timer
        self._set_timer_at(self._address, self._words[_LEG], timer.due_ns, self._timer_n)

    def _ended_timer(self) -> Timer | None:
        """The timer whose time has come; one that comes again is set again. None: forgotten."""
        timer = self._timers.pop(self._words[_TIMER_ID], None)
        if timer is not None and timer.every_ns:
            missed = max(self.now - timer.due_ns, 0) // timer.every_ns
            self._start(timer._replace(due_ns=timer.due_ns + (missed + 1) * timer.every_ns))
        return timer
