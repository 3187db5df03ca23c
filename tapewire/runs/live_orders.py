"""Between a simulation whose orders leave it and the rails of an account: words go both ways.

It decides nothing. What a strategy asks for becomes a command under a name of the session's; what
the rails or the broker say of that name becomes a word about the very order. Orders that the
account has and no strategy sent (positions from before, what the rails close) become orders of the
strategy's book, so that the run's accounts are the account's.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.config.orders import OrderSettings
from tapewire.config.schema import to_fixed
from tapewire.errors import ConfigError, LiveError
from tapewire.execution.codes import (
    Liquidity,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    Term,
    TimeInForce,
)
from tapewire.live.orders import (
    LIQUIDITY_UNKNOWN,
    BrokerDown,
    BrokerNotice,
    BrokerUp,
    CancelOrder,
    CancelRejected,
    FillUndone,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnclear,
    ReplaceOrder,
    ReplaceRejected,
)
from tapewire.live.rails.line import RailsLine
from tapewire.live.rails.messages import (
    DataState,
    MarketNow,
    PositionNow,
    RailsEnded,
    RailsState,
    RailsTold,
)
from tapewire.live.rails.settings import (
    BrokerChoice,
    RailsInstrument,
    RailsLimits,
    RailsSettings,
    RailsWaits,
)
from tapewire.market.records import UNDEF_PRICE
from tapewire.router.abroad import AbroadRequest, Said

if TYPE_CHECKING:
    from tapewire.market.instruments import InstrumentTable
    from tapewire.router import Simulation

#: What rails and brokers understand beside prices and quantities.
_TERMS: Final = Term.POST_ONLY | Term.REDUCE_ONLY | Term.STOP | Term.EXPIRES
#: A market is told when it has moved, at most so often (s), and at least so often.
_MARKET_S: Final = (0.05, 1.0)
#: Venues whose clock is so far (ns) from the data's trade on data of another time: a served file.
_OTHER_TIME_NS: Final = 3_600 * 10**9
#: Orders that have ended and are still known by name: a word of them may come late.
_ENDED_MAX: Final = 1 << 12
#: Refusals in different words that are told; all are in the run's tables.
_TOLD_MAX: Final = 20


def rails_settings(settings: OrderSettings, table: "InstrumentTable") -> RailsSettings:
    """Say to rails what the configuration says, in exact units.

    Parameters
    ----------
    settings
    table
        Which instruments there are, and what their prices are worth.

    Raises
    ------
    ConfigError
        If there is none.
    """
    instruments = {}
    for symbol in table.symbols:
        [one, *_] = [table.get(number) for number in table.ids_of(symbol)]
        instruments[symbol] = RailsInstrument(
            multiplier_num=one.multiplier_num, multiplier_den=one.multiplier_den,
            tick=one.tick_size,
        )  # fmt: skip
    if not instruments:
        raise ConfigError("live.orders: expected instruments that have symbols, found none")
    money = {
        name: to_fixed(value)
        for name in (
            "max_gross_exposure", "max_net_exposure", "price_band", "max_loss", "max_daily_loss",
            "max_drawdown",
        )
        if (value := getattr(settings.limits, name)) is not None
    }  # fmt: skip
    return RailsSettings(
        account=settings.account,
        folder=settings.folder,
        broker=BrokerChoice(factory=settings.broker.maker, options=settings.broker.options),
        instruments=instruments,
        mode=settings.mode,
        limits=RailsLimits(**{**settings.limits.model_dump(), **money}),
        waits=RailsWaits(**settings.waits.model_dump()),
        **{
            name: getattr(settings, name)
            for name in (
                "day_turn", "on_end", "on_kill", "on_engine_lost", "adopts_positions",
                "cancels_earlier", "cancels_strangers",
            )
        },
    )  # fmt: skip


@dataclass(slots=True)
class _Sent:
    """An order under its name: whose it is, and which requests about it are not answered."""

    order: int
    leg: int
    side: int
    rests: bool
    waiting: deque[AbroadRequest] = field(default_factory=deque)
    is_mass_canceled: bool = False
    has_ended: bool = False

    def answered(self, kind: str) -> AbroadRequest | None:
        """Take the oldest request of a kind that waits."""
        for request in self.waiting:
            if request.kind == kind:
                self.waiting.remove(request)
                return request
        return None


class LiveOrders:
    """See the module.

    Parameters
    ----------
    line
        To the rails.
    simulation
        Whose orders leave it, and nobody else's in this account.
    announce
        Told in sentences.
    warn
        Told what belongs into the manifest.

    Attributes
    ----------
    is_over
        The rails have ended the session.
    """

    def __init__(
        self, line: RailsLine, simulation: "Simulation", announce: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._line, self._simulation, self._abroad = line, simulation, simulation.abroad
        self._announce, self._warn = announce, warn
        self._sent: dict[str, _Sent] = {}
        self._names: dict[int, str] = {}
        self._ended: deque[str] = deque()
        self._markets: dict[str, tuple[float, tuple[int, int]]] = {}
        self._told: set[str] = set()
        self._early: list[Any] = []
        self._data_ns, self._data_at_ns = 0, time.monotonic_ns()
        self._takes_commissions = not simulation.fee_line_names
        self.is_over = False

    # --- time -------------------------------------------------------------------------------------

    def _now_ns(self) -> int:
        """The data's clock, which goes on between two records as this host's does."""
        newest, at_ns = self._simulation.now_ns, time.monotonic_ns()
        if newest > self._data_ns + (at_ns - self._data_at_ns):
            self._data_ns, self._data_at_ns = newest, at_ns
        return self._data_ns + (at_ns - self._data_at_ns)

    def _said(self, event: Any) -> Said:
        now_ns = self._now_ns()
        ts_event = int(event.ts_event) or int(event.ts_recv)
        apart_ns = time.time_ns() - now_ns
        if abs(apart_ns) > _OTHER_TIME_NS:
            ts_event -= apart_ns
        return Said(ts_event, now_ns)

    # --- a turn -----------------------------------------------------------------------------------

    def turn(self, lag_ns: int, data: DataState) -> None:
        """Hear what was said, let time pass, and send what is asked for; as often as may be.

        Raises
        ------
        TapewireError
            If the rails are gone, or say what can't be gone on with.
        """
        if self.is_over:
            return
        self._line.data(lag_ns, data)
        self._early += self._line.poll(0.0)
        if not self._simulation.now_ns:  # there are no books yet
            return
        heard, self._early = self._early, []
        if not self._hear(heard):
            return
        self._abroad.let_pass(self._now_ns())
        requests = self._abroad.take()
        self._tell_markets(is_due=bool(requests))
        for request in requests:
            self._send(request)

    @property
    def held_because(self) -> str:
        """Why new orders would be stopped by the rails anyway; empty: they would not."""
        if self.is_over:
            return "the rails have ended"
        if self._line.state in (RailsState.ACTIVE, RailsState.REDUCING):
            return ""
        return f"the rails: {self._line.state.name}: {self._line.why}".rstrip(": ")

    def end(self) -> None:
        """End the session, as the settings say, and hear what came of it.

        Raises
        ------
        TapewireError
            If the rails are lost meanwhile.
        """
        if not self.is_over:
            self._line.end()
            self._hear([*self._early, *self._line.poll(0.0)])
        self._abroad.let_pass(self._now_ns())

    # --- what is asked for ------------------------------------------------------------------------

    def _send(self, request: AbroadRequest) -> None:
        if request.kind == "new":
            self._send_new(request)
        elif request.kind == "cancel_all":
            for order in self._abroad.open_orders(request.leg):
                name = self._names.get(order)
                if name is not None:
                    self._sent[name].is_mass_canceled = True
                    self._line.send(CancelOrder(name, request.ts_ns))
        elif request.of_trigger:
            self._tell_once("a stop's trigger can't be changed at a broker: cancel it, send anew")
            self._refuse(request, Reason.RAILS, self._at_once())
        elif (name := self._names.get(request.order)) is None:
            # It was denied before its strategy has heard of it, or is the account's own.
            self._refuse(request, Reason.RAILS, self._at_once())
        else:
            self._sent[name].waiting.append(request)
            if request.kind == "cancel":
                self._line.send(CancelOrder(name, request.ts_ns))
            else:
                self._line.send(ReplaceOrder(name, request.price, request.quantity, request.ts_ns))

    def _refuse(self, request: AbroadRequest, reason: Reason, said: Said) -> None:
        """Answer a cancel or a replace that comes to nothing."""
        is_replace = request.kind == "replace"
        self._abroad.refuse(
            request.order, reason, said, price=request.price if is_replace else UNDEF_PRICE,
            quantity=request.quantity if is_replace else 0, lots=request.lots,
        )  # fmt: skip

    def _send_new(self, request: AbroadRequest) -> None:
        if (strange := Term(request.terms) & ~_TERMS) != 0:
            terms = ", ".join(str(one.name) for one in strange)
            self._tell_once(f"orders with {terms} can't be sent to a broker: denied")
            self._abroad.close(request.order, OrderStatus.DENIED, Reason.RAILS, self._at_once())
            return
        name = self._line.next_id()
        leg = self._simulation.legs[request.leg]
        tif = TimeInForce(request.time_in_force)
        rests = request.order_type == OrderType.LIMIT and tif not in (
            TimeInForce.IOC, TimeInForce.FOK,
        )  # fmt: skip
        self._sent[name] = _Sent(request.order, request.leg, request.side, rests)
        self._names[request.order] = name
        self._line.send(
            NewOrder(
                name, leg.strategy_id, leg.symbol, request.side, request.order_type,
                request.time_in_force, request.price, request.trigger_price, request.quantity,
                bool(request.terms & Term.POST_ONLY), bool(request.terms & Term.REDUCE_ONLY),
                request.ts_ns, request.expire_ns if tif == TimeInForce.GTD else 0,
            )
        )  # fmt: skip

    def _at_once(self) -> Said:
        now_ns = self._now_ns()
        return Said(now_ns, now_ns)

    def _tell_markets(self, *, is_due: bool) -> None:
        """Tell where markets are that have moved, and the others now and then."""
        now_s = time.monotonic()
        look = None
        for leg in self._simulation.legs:
            told_s, touch = self._markets.get(leg.symbol, (float("-inf"), (0, 0)))
            if not is_due and now_s - told_s < _MARKET_S[0]:
                continue
            look = look or self._simulation.look()
            sides = look.levels(leg.publisher_id, leg.instrument_id, 1)
            bid, ask = (int(prices[0]) if len(prices) else UNDEF_PRICE for prices, *_ in sides)
            if (bid, ask) != touch or now_s - told_s >= _MARKET_S[1]:
                self._markets[leg.symbol] = now_s, (bid, ask)
                self._line.market(
                    MarketNow(leg.symbol, bid, ask, UNDEF_PRICE, self._simulation.now_ns)
                )

    # --- what is said -----------------------------------------------------------------------------

    def _hear(self, messages: list[Any]) -> bool:
        """Take what was said; whether there are still rails."""
        for message in messages:
            if isinstance(message, OrderUnclear):
                text = f"{message.client_order_id}: outcome unknown: {message.reason_text}"
                self._announce(text)
                self._warn(text)
            elif isinstance(message, FillUndone):
                raise LiveError(
                    f"the venue has taken back the fill {message.execution_id} of "
                    f"{message.client_order_id}: {message.reason_text}; the account's journal "
                    "has it, and no strategy is told of such: the session ends here"
                )
            elif isinstance(message, NewOrder):
                self._hear_rails_order(message)
            elif isinstance(message, PositionNow):
                self._hear_position(message)
            elif isinstance(message, BrokerUp):
                self._announce(f"the broker is there: {message.session}")
                self._refuse_lost()
            elif isinstance(message, BrokerDown):
                self._announce(f"the broker is away: {message.reason_text}")
                self._warn(f"the broker was away: {message.reason_text}")
            elif isinstance(message, BrokerNotice | RailsTold):
                self._announce(message.text)
            elif isinstance(message, RailsEnded):
                self.is_over = True
                self._announce(f"the rails have ended: {message.text}")
                self._warn(f"the rails ended: {message.text}")
            elif (sent := self._sent.get(getattr(message, "client_order_id", ""))) is not None:
                self._hear_order(message, sent)
                if not sent.has_ended and not self._leaves(sent.order):
                    sent.has_ended = True
                    self._forget(message.client_order_id)
            else:
                self._hear_stranger(message)
        return not self.is_over

    def _hear_order(self, message: Any, sent: _Sent) -> None:
        abroad, order, said = self._abroad, sent.order, self._said(message)
        is_open = self._leaves(order) > 0
        if isinstance(message, OrderDenied | OrderRejected):
            is_denied = isinstance(message, OrderDenied)
            self._tell_once(message.reason_text.split(":")[0], message.reason_text)
            status = OrderStatus.DENIED if is_denied else OrderStatus.REJECTED
            reason = Reason.RAILS if is_denied else Reason.BROKER
            if is_open:
                abroad.close(order, status, reason, said)
        elif isinstance(message, OrderAccepted):
            if is_open:
                abroad.accept(order, said)
        elif isinstance(message, OrderFilled):
            self._hear_fill(message, sent, said)
        elif isinstance(message, OrderCanceled | OrderExpired):
            self._hear_end(message, sent, said)
        elif isinstance(message, OrderReplaced):
            asked = sent.answered("replace")
            if not is_open:
                if asked is not None:  # it has ended since: what it has reserved is given back
                    self._refuse(asked, Reason.BROKER, said)
            elif asked is None:
                abroad.change(order, message.price, message.quantity, said)
            else:
                abroad.replace(order, message.price, message.quantity, said, lots=asked.lots)
        elif isinstance(message, CancelRejected | ReplaceRejected):
            kind = "cancel" if isinstance(message, CancelRejected) else "replace"
            asked = sent.answered(kind)
            self._tell_once(message.reason_text.split(":")[0], message.reason_text)
            if asked is not None:
                self._refuse(asked, Reason.BROKER, said)

    def _refuse_lost(self) -> None:
        """Answer what was asked of orders that had ended when the connection was cut.

        Of those that are open the account's report tells.
        """
        for sent in self._sent.values():
            while sent.has_ended and sent.waiting:
                self._refuse(sent.waiting.popleft(), Reason.BROKER, self._at_once())

    def _hear_stranger(self, message: Any) -> None:
        """A word of an order of an earlier session, or of one that ended long ago."""
        name = str(message.client_order_id)
        if isinstance(message, OrderFilled) and name.startswith(f"{self._line.session}-"):
            raise LiveError(
                f"{message.last_qty} lots of {name} have filled, which ended more than "
                f"{_ENDED_MAX:,} orders ago: the account's journal has it, and the run can't have "
                "it any more: the session ends here"
            )
        self._announce(f"of an order of nobody here: {type(message).__name__}")

    def _forget(self, name: str) -> None:
        """An order has ended: forget the one that did so long before it."""
        self._ended.append(name)
        while len(self._ended) > _ENDED_MAX:
            gone = self._sent.pop(self._ended.popleft())
            self._names.pop(gone.order, None)

    def _leaves(self, order: int) -> int:
        try:
            return self._abroad.leaves(order)
        except KeyError:  # it has ended, and its strategy knows
            return 0

    def _hear_end(self, message: OrderCanceled | OrderExpired, sent: _Sent, said: Said) -> None:
        if not self._leaves(sent.order):
            return
        answers = sent.answered("cancel") is not None
        reason = Reason.MASS_CANCEL if sent.is_mass_canceled else Reason.BROKER
        is_canceled = isinstance(message, OrderCanceled)
        self._abroad.close(
            sent.order, OrderStatus.CANCELED if is_canceled else OrderStatus.EXPIRED,
            Reason.USER_CANCEL if answers else reason, said, answers=answers,
        )  # fmt: skip

    def _hear_fill(self, message: OrderFilled, sent: _Sent, said: Said) -> None:
        """Book a fill: what is more than the order had left is the account's own."""
        lots = min(self._leaves(sent.order), message.last_qty)
        if lots:
            self._book(sent.order, message, lots, said, rests=sent.rests)
        if (more := message.last_qty - lots) > 0:
            self._warn(f"{message.client_order_id}: {more} lots filled that it did not have left")
            order = self._abroad.open_account_order(sent.leg, Side(sent.side), more, said)
            self._book(order, message, more, said, rests=sent.rests)

    def _book(
        self, order: int, message: OrderFilled, lots: int, said: Said, *, rests: bool
    ) -> None:
        liquidity = Liquidity.MAKER if rests else Liquidity.TAKER
        if message.liquidity != LIQUIDITY_UNKNOWN:
            liquidity = Liquidity(message.liquidity)
        commission = message.commission if self._takes_commissions else None
        if commission is not None and lots != message.last_qty:
            commission = commission * lots // message.last_qty
        self._abroad.fill(order, message.last_px, lots, liquidity, commission, said)

    def _hear_rails_order(self, order: NewOrder) -> None:
        """An order of the rails, which close a position."""
        leg = self._leg_of(order.symbol)
        if leg is None:
            return
        said = self._at_once()
        handle = self._abroad.open_account_order(leg, Side(order.side), order.quantity, said)
        self._sent[order.client_order_id] = _Sent(handle, leg, order.side, rests=False)
        self._announce(
            f"the rails {'buy' if order.side == Side.BUY else 'sell'} {order.quantity} lots of "
            f"{order.symbol}"
        )

    def _hear_position(self, position: PositionNow) -> None:
        """What the account holds and no fill was told of is booked at the market's price."""
        leg = self._leg_of(position.symbol)
        if leg is None:
            if position.lots:
                self._warn(f"the account holds {position.lots:+} lots of {position.symbol}, which "
                           "no strategy here trades")  # fmt: skip
            return
        held = int(self._simulation.look().accounts()["position"][leg])
        lots = position.lots - held
        if lots == 0:
            return
        text = f"the account holds {position.lots:+} lots of {position.symbol}, the run {held:+}"
        self._announce(f"{text}: the difference is booked at the market's price")
        self._warn(f"{text}: the difference was booked at the market's price")
        side, said = Side.BUY if lots > 0 else Side.SELL, self._at_once()
        order = self._abroad.open_account_order(leg, side, abs(lots), said)
        price = self._price_of(leg)
        self._abroad.fill(order, price, abs(lots), Liquidity.TAKER, 0, said)

    def _price_of(self, leg: int) -> int:
        """Where a leg's market is: in the middle, or at the side that it has."""
        info = self._simulation.legs[leg]
        sides = self._simulation.look().levels(info.publisher_id, info.instrument_id, 1)
        touch = [int(prices[0]) for prices, *_ in sides if len(prices)]
        if not touch:
            raise LiveError(f"{info.symbol}: expected a price to book a position at, found none")
        return int(np.sum(touch)) // len(touch)

    def _leg_of(self, symbol: str) -> int | None:
        return next((leg.leg for leg in self._simulation.legs if leg.symbol == symbol), None)

    def _tell_once(self, key: str, text: str = "") -> None:
        if key not in self._told and len(self._told) < _TOLD_MAX:
            self._told.add(key)
            self._announce(text or key)
            self._warn(text or key)
