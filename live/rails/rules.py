"""What stops an order before it leaves, and what losses come to: the rails proper.

Without clocks, files or connections: times are handed in. The limits of `tapewire.positions`, by
the same rules, on what the ledger knows: open orders count as filled, those of unknown outcome too.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tapewire.execution.codes import OrderType
from tapewire.live.orders import NewOrder
from tapewire.live.rails.ledger import AccountLedger, RailsOrder
from tapewire.live.rails.markets import Markets
from tapewire.live.rails.messages import RailsState
from tapewire.live.rails.records import DayTurned, KeptLoss, LimitReached
from tapewire.live.rails.settings import RailsSettings
from tapewire.live.rails.valuing import Valuer
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.codes import Limit
from tapewire.wire.codec import Message

_NS_PER_S: Final = 10**9
_DAY_NS: Final = 86_400 * _NS_PER_S
#: A best P&L is journaled when it is a 64th of the drawdown's limit above the last.
_PEAK_STEPS: Final = 64
_OF_LOSSES: Final = (Limit.MAX_LOSS, Limit.MAX_DAILY_LOSS, Limit.MAX_DRAWDOWN)
_SEVERITY: Final = {"deny": 1, "cancel_all": 1, "halt": 2, "flatten": 2}


class RateWindow:
    """At most so many in any second; None: any number."""

    def __init__(self, per_second: int | None) -> None:
        self._times: deque[int] = deque(maxlen=per_second if per_second else 1)
        self._per_second = per_second

    def is_full(self, now_ns: int) -> bool:
        """Whether one more would be too many."""
        if self._per_second is None:
            return False
        if self._per_second == 0:
            return True
        full = len(self._times) == self._per_second
        return full and now_ns - self._times[0] < _NS_PER_S

    def count(self, now_ns: int) -> None:
        """Count one."""
        self._times.append(now_ns)


@dataclass(frozen=True)
class Ask:
    """What an order or a replace asks for.

    Attributes
    ----------
    more_lots
        What it adds to the open lots of its side.
    """

    symbol: str
    side: int
    price: int
    size_lots: int
    more_lots: int
    order_type: int


@dataclass
class Losses:
    """What losses are counted from, 1e-9 currency, and the limits that are reached.

    Attributes
    ----------
    kept_peak
        The best P&L that is journaled.
    """

    pnl: int = 0
    day_end_ns: int = 0
    day_pnl: int = 0
    peak_pnl: int = 0
    kept_peak: int = 0
    reached: dict[Limit, int] = field(default_factory=dict)

    def apply(self, record: Message) -> None:
        """Take a record of the journal."""
        if isinstance(record, LimitReached):
            self.reached[Limit(record.limit)] = int(record.found)
        elif isinstance(record, DayTurned):
            self.day_end_ns, self.day_pnl = record.day_end, int(record.day_pnl)
            self.reached.pop(Limit.MAX_DAILY_LOSS, None)
        elif isinstance(record, KeptLoss):
            self.day_end_ns, self.day_pnl = record.day_end, int(record.day_pnl)
            self.kept_peak = int(record.peak_pnl)
            self.peak_pnl = max(self.peak_pnl, self.kept_peak)

    def kept(self) -> Iterator[Message]:
        """Yield what a new file of the journal begins with."""
        yield KeptLoss(self.day_end_ns, str(self.day_pnl), str(self.peak_pnl))
        for limit, found in self.reached.items():
            yield LimitReached(int(limit), str(found))


class Rules:
    """All that is held against an account's limits.

    Attributes
    ----------
    killed, halted, reducing, unsettled
        Why nothing may be sent, or less; empty: it may. ``unsettled``: not reconciled.
    """

    def __init__(
        self, settings: RailsSettings, ledger: AccountLedger, markets: Markets, losses: Losses
    ) -> None:
        self._settings, self._limits = settings, settings.limits
        self._ledger, self._markets, self._losses = ledger, markets, losses
        self.valuer = Valuer(settings, ledger, markets)
        self._orders = RateWindow(self._limits.max_orders_per_second)
        self._messages = RateWindow(self._limits.max_messages_per_second)
        self.messages = 0
        self._fills_before = ledger.fills
        self.killed = self.halted = self.reducing = ""
        self.unsettled = "the account was not reconciled yet"

    # --- state ------------------------------------------------------------------------------------

    @property
    def state(self) -> RailsState:
        """What is let through."""
        return self.standing()[0]

    def standing(self) -> tuple[RailsState, str]:
        """Return what is let through, and why no more."""
        if self.killed:
            return RailsState.KILLED, self.killed
        if self.halted:
            return RailsState.HALTED, self.halted
        worst = max(self._losses.reached, key=self._severity, default=None)
        text = "" if worst is None else self._reached_text(worst)
        if worst is not None and self._severity(worst) > 1:
            return RailsState.HALTED, text
        if self.unsettled:
            return RailsState.NOT_RECONCILED, self.unsettled
        if text or self.reducing:
            return RailsState.REDUCING, text or self.reducing
        return RailsState.ACTIVE, ""

    def action_of(self, limit: Limit) -> str:
        """Return what follows when a limit on losses is reached."""
        return str(getattr(self._limits, f"on_{limit.key}"))

    def _severity(self, limit: Limit) -> int:
        return _SEVERITY[self.action_of(limit)]

    def _reached_text(self, limit: Limit) -> str:
        found, bound = self._losses.reached[limit], getattr(self._limits, limit.key)
        return f"{limit.name}: lost {found}, at most {bound} (1e-9 currency)"

    # --- before an order leaves -------------------------------------------------------------------

    def deny_new(self, order: NewOrder, now_ns: int) -> str:
        """Return why a new order may not leave; empty if it may, and it is counted then."""
        if order.symbol not in self._settings.instruments:
            listed = ", ".join(self._settings.instruments)
            return f"SYMBOL: expected one of {listed}, found {order.symbol}"
        ask = Ask(
            order.symbol, order.side, order.price, order.quantity, order.quantity, order.order_type
        )
        reason = self._check(ask, now_ns)
        if not reason and len(self._ledger.open) >= self._limits.max_open_orders:
            found = len(self._ledger.open) + 1
            reason = f"MAX_OPEN_ORDERS: {found} would be open, at most {found - 1}"
        return reason or self._rate(now_ns)

    def deny_replace(self, order: RailsOrder, price: int, quantity: int, now_ns: int) -> str:
        """As `deny_new`, of a replace of an order that is open."""
        if order.is_unknown or order.requested:
            return "UNSETTLED: the outcome of the order, or of a replace of it, is not known yet"
        ask = Ask(
            order.order.symbol, order.order.side, price, quantity,
            max(0, quantity - order.quantity), order.order.order_type,
        )  # fmt: skip
        return self._check(ask, now_ns) or self._rate(now_ns)

    def count_cancel(self, now_ns: int) -> None:
        """Count a cancel; none is ever stopped."""
        self.messages += 1
        self._messages.count(now_ns)

    def _rate(self, now_ns: int) -> str:
        limits = self._limits
        trades = max(1, self._ledger.fills - self._fills_before)
        ratio = limits.max_messages_per_trade
        if ratio is not None and self.messages + 1 > ratio * trades:
            return f"MAX_MESSAGES_PER_TRADE: {self.messages + 1} for {trades}, at most {ratio} each"
        if self._messages.is_full(now_ns):
            return f"MAX_MESSAGE_RATE: more than {limits.max_messages_per_second} in a second"
        if self._orders.is_full(now_ns):
            return f"MAX_ORDER_RATE: more than {limits.max_orders_per_second} in a second"
        self._orders.count(now_ns)
        self.count_cancel(now_ns)
        return ""

    def _check(self, ask: Ask, now_ns: int) -> str:
        return (
            self._check_state(ask)
            or self._markets.problem(ask.symbol, now_ns)
            or self._check_lots(ask)
            or self._check_price(ask)
            or self._check_exposure(ask)
        )

    def _check_state(self, ask: Ask) -> str:
        state, text = self.standing()
        if state == RailsState.ACTIVE:
            return ""
        if state == RailsState.REDUCING:
            held = -ask.side * self._ledger.position(ask.symbol).lots
            if held > 0 and self._ledger.open_lots(ask.symbol, ask.side) + ask.more_lots <= held:
                return ""
        return f"{state.name}: {text}"

    def _worst(self, symbol: str, side: int) -> int:
        """The position to a side if all open orders of that side fill."""
        held = self._ledger.position(symbol).lots
        return side * held + self._ledger.open_lots(symbol, side)

    def _check_lots(self, ask: Ask) -> str:
        limits = self._limits
        if limits.max_order_size is not None and ask.size_lots > limits.max_order_size:
            return f"MAX_ORDER_SIZE: {ask.size_lots} lots, at most {limits.max_order_size}"
        worst = self._worst(ask.symbol, ask.side) + ask.more_lots
        if limits.max_position is not None and ask.more_lots > 0 and worst > limits.max_position:
            return f"MAX_POSITION: could come to {worst} lots, at most {limits.max_position}"
        return ""

    def _check_price(self, ask: Ask) -> str:
        tick = self._settings.instruments[ask.symbol].tick
        if ask.price == UNDEF_PRICE:
            if ask.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
                return "INVALID_PRICE: a limit order has a price"
            return ""
        if tick and ask.price % tick:
            return f"INVALID_PRICE: {ask.price} is no multiple of {tick}"
        band = self._limits.price_band
        if band is None:
            return ""
        reference = self._markets.reference(ask.symbol, ask.side)
        if reference is None:
            return f"PRICE_BAND: there is no touch or trade of {ask.symbol} to hold a price against"
        past = ask.side * (ask.price - reference)
        if past > band:
            return f"PRICE_BAND: {past} past {reference}, at most {band}"
        return ""

    def _check_exposure(self, ask: Ask) -> str:
        limits = self._limits
        if limits.max_gross_exposure is None and limits.max_net_exposure is None:
            return ""
        before = gross = net = 0
        last_px = self.valuer.last_px()
        for symbol in {ask.symbol, *self._ledger.positions, *self._symbols_open()}:
            more = ask.more_lots if symbol == ask.symbol else 0
            to_side = self._worst(symbol, ask.side)
            other = self._worst(symbol, -ask.side)
            if not (to_side or other or more):
                continue  # nothing is held of it, nothing open
            mark = self._valued_at(symbol, ask, last_px.get(symbol))
            contract = self.valuer.contract(symbol)
            if mark is None or not contract[0]:
                return f"NO_MARK: there is no price of {symbol} to tell an exposure by"
            before += _worth(max(to_side, other), mark, *contract)
            gross += _worth(max(to_side + more, other), mark, *contract)
            net += _worth(to_side + more, mark, *contract)
        if limits.max_gross_exposure is not None and limits.max_gross_exposure < gross > before:
            return f"MAX_GROSS_EXPOSURE: {gross}, at most {limits.max_gross_exposure}"
        if limits.max_net_exposure is not None and net > limits.max_net_exposure:
            return f"MAX_NET_EXPOSURE: {net}, at most {limits.max_net_exposure}"
        return ""

    def _symbols_open(self) -> set[str]:
        return {one.order.symbol for one in self._ledger.open.values()}

    def _valued_at(self, symbol: str, ask: Ask, last_px: int | None) -> int | None:
        """What a lot is valued at: the order's price where that is more than the market's.

        What is held beside it may have no market now, or be no longer listed: it stays at its last.
        """
        mark = self._markets.reference(symbol, ask.side)
        if symbol != ask.symbol or ask.price == UNDEF_PRICE:
            mark = last_px if mark is None and symbol != ask.symbol else mark
            return None if mark is None else abs(mark)
        return max(abs(ask.price), abs(mark or 0))

    # --- what is measured -------------------------------------------------------------------------

    def measure(self, now_ns: int) -> list[Message]:
        """Value what is held; return what has to be journaled: limits reached, a new day.

        A position that there is no price of is left at what it was worth when there last was one.
        Where that can't be told, or nobody tells of it any more, only what is held may get less.
        """
        pnl = self.valuer.pnl()
        has_bounds = any(getattr(self._limits, one.key) is not None for one in _OF_LOSSES)
        self.reducing = self.valuer.doubt if has_bounds else ""
        if pnl is None:
            return [*self.valuer.due(now_ns, is_peak=False)]
        losses = self._losses
        losses.pnl = pnl
        losses.peak_pnl = max(losses.peak_pnl, pnl)
        step = (self._limits.max_drawdown or 0) // _PEAK_STEPS
        is_peak = (
            self._limits.max_drawdown is not None and losses.peak_pnl > losses.kept_peak + step
        )
        records: list[Message] = [*self.valuer.due(now_ns, is_peak=is_peak)]
        if is_peak:
            records.append(KeptLoss(losses.day_end_ns, str(losses.day_pnl), str(losses.peak_pnl)))
        if now_ns >= losses.day_end_ns:
            records.append(DayTurned(self._day_end(now_ns), str(pnl)))
            losses.apply(records[-1])
        bases = (0, losses.day_pnl, losses.peak_pnl)
        for limit, base in zip(_OF_LOSSES, bases, strict=True):
            bound = getattr(self._limits, limit.key)
            if bound is not None and limit not in losses.reached and base - pnl >= bound:
                records.append(LimitReached(int(limit), str(base - pnl)))
        return records

    def _day_end(self, now_ns: int) -> int:
        """When the day that it is ends, ns since the epoch."""
        turn = self._settings.day_turn * _NS_PER_S
        return (now_ns - turn) // _DAY_NS * _DAY_NS + turn + _DAY_NS


def _worth(lots: int, mark: int, numerator: int, denominator: int) -> int:
    """What lots are worth, 1e-9 currency, rounded down."""
    return lots * mark * numerator // denominator
