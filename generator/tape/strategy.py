"""The base of strategies in plain Python that decide as bars end."""

from typing import Any, ClassVar, Final

from tapewire.candles import Exits
from tapewire.candles.columns import BarRow
from tapewire.candles.layout import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from tapewire.candles.seen import SeenStreams, SeenValue
from tapewire.candles.sessions import SessionClock
from tapewire.candles.trade_bars import TradeBars
from tapewire.compiled.units import PRICE_UNITS
from tapewire.generator.tape.holding import HeldPosition
from tapewire.strategies.plain import BUY, SELL, Context, Strategy, parameter
from tapewire.strategies.plain.market import Trade
from tapewire.strategies.plain.orders import Fill, Order
from tapewire.strategies.wants import Wants

_EXITS: Final = {BUY: EXIT_LONG, SELL: EXIT_SHORT}
_ENTRIES: Final = {ENTER_LONG: BUY, ENTER_SHORT: SELL}


class BarStrategy(Strategy):
    """A strategy that is asked as each bar of its primary timeframe ends; one position at a time.

    Subclasses say their timeframes and exits, declare what they look at by `series` in
    `on_start`, and answer four questions; see docs/converting.md for how that differs from bars
    alone. Bars are made of the trades by capture time. A bar has ended when a trade comes after
    it: that trade's price would be the next bar's open, and orders are sent at that moment. They
    arrive after the configured latency, meet the book as it stands then, and pay its spread.
    Stops and targets are watched by the strategy at each trade, and left by market orders.

    Prices are in ticks, or in currency where the run knows no tick size.
    """

    primary: ClassVar[str] = "1m"
    secondary: ClassVar[tuple[str, ...]] = ()
    long_exits: ClassVar[Exits] = Exits()
    short_exits: ClassVar[Exits] = Exits()

    quantity: int = parameter(1, "lots of each position", minimum=1)
    at_touch: bool = parameter(
        False, "enter by IOC limit orders at the best price seen, not by market orders"
    )
    session: str = parameter("00:00 UTC", "when sessions begin, as 17:00-16:00 America/Chicago")

    wants = Wants(trades_kept=1)

    def on_start(self, context: Context) -> None:
        """Begin without bars; subclasses call this before they declare their series."""
        self._unit = context.market.tick_size or PRICE_UNITS
        price_unit = self._unit / PRICE_UNITS
        self._bars = TradeBars((self.primary, *self.secondary), SessionClock.of(self.session))
        self._streams = SeenStreams(self.primary, price_unit)
        exits = {BUY: self.long_exits, SELL: self.short_exits}
        self._held = HeldPosition(exits, self._streams, price_unit)
        self._entry: Order | None = None
        self._due = 0

    def series(
        self, name: str, timeframe: str | None = None, output: str | None = None, **parameters: Any
    ) -> SeenValue:
        """Declare an indicator that is looked at; see `SeenStreams.add`."""
        return self._streams.add(name, timeframe, output, **parameters)

    # --- what subclasses answer, as a primary bar ends --------------------------------------------

    def should_enter_long(self) -> bool:
        """Whether to buy."""
        return False

    def should_exit_long(self) -> bool:
        """Whether to sell what was bought."""
        return False

    def should_enter_short(self) -> bool:
        """Whether to sell short."""
        return False

    def should_exit_short(self) -> bool:
        """Whether to buy back what was sold short."""
        return False

    def decided(self, bar: BarRow, code: int) -> None:
        """A primary bar has ended, and this is what was answered, as `tapewire.candles.layout`."""

    # --- how it lives -----------------------------------------------------------------------------

    def on_trade(self, trade: Trade, context: Context) -> None:
        """Close the bars that ended before it; act on what they say, or on its price."""
        captured_ns = int(context.market.trades(1)["ts_recv"][0])
        price = trade.price / self._unit
        for timeframe, bar in self._bars.add(captured_ns, price, trade.size):
            self._streams.push(timeframe, bar)
            if timeframe == self.primary:
                self._held.end_bar(bar.high, bar.low)
                self._due = self._answers()
                self.decided(bar, self._due)
        if not context.orders and not context.halted:
            self._act(price, context)

    def on_fill(self, fill: Fill, context: Context) -> None:
        """Count levels from what an entry was filled at."""
        if fill.order is self._entry:
            self._held.fill(fill.price / self._unit, fill.quantity)

    def _answers(self) -> int:
        """All four answers; entries that contradict what is beside them are none."""
        code = EXIT_LONG if self.should_exit_long() else 0
        code |= EXIT_SHORT if self.should_exit_short() else 0
        long = not code & EXIT_LONG and self.should_enter_long()
        short = not code & EXIT_SHORT and self.should_enter_short()
        if long != short:
            code |= ENTER_LONG if long else ENTER_SHORT
        return code

    def _act(self, price: float, context: Context) -> None:
        """Leave what is to be left, then enter, as an engine of bars does at an open."""
        code, self._due = self._due, 0
        position = context.position
        is_free = position == 0
        if position:
            side = BUY if position > 0 else SELL
            is_free = bool(code & _EXITS[side]) or self._held.is_over()
            if is_free or self._held.is_reached(price):
                context.submit(-side, abs(position))
        if not is_free:
            return
        for entry, side in _ENTRIES.items():
            if code & entry and self._held.allows(side, price):
                self._enter(side, context)

    def _enter(self, side: int, context: Context) -> None:
        if not self.at_touch:
            self._entry = context.submit(side, self.quantity)
        else:
            market = context.market
            touch = market.best_ask if side == BUY else market.best_bid
            if touch is None:
                return
            self._entry = context.submit(side, self.quantity, touch, time_in_force="IOC")
        self._held.begin(side)
