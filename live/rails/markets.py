"""What rails know of the market: what the engine last told them, and how sound that is."""

from dataclasses import dataclass, field

from tapewire.execution.codes import Side
from tapewire.live.rails.messages import DataState, EngineBeat, MarketNow
from tapewire.live.rails.settings import RailsWaits, in_ns
from tapewire.market.records import UNDEF_PRICE


@dataclass
class Markets:
    """The last word about each instrument, and about the data as a whole.

    Attributes
    ----------
    beat_ns
        When the engine was heard last, by this host's clock; 0: never.
    """

    waits: RailsWaits
    beat_ns: int = 0
    lag_ns: int = 0
    state: int = DataState.STALE
    told: dict[str, MarketNow] = field(default_factory=dict)
    told_ns: dict[str, int] = field(default_factory=dict)

    def hear(self, beat: EngineBeat, now_ns: int) -> None:
        """Take a heartbeat of the engine."""
        self.beat_ns, self.lag_ns, self.state = now_ns, beat.lag_ns, beat.data_state

    def learn(self, market: MarketNow, now_ns: int) -> None:
        """Take a word about an instrument, which the settings list."""
        self.told[market.symbol] = market
        self.told_ns[market.symbol] = now_ns

    def problem(self, symbol: str, now_ns: int) -> str:
        """Return why no new order may be sent for the sake of the data; empty if it may."""
        waits = self.waits
        if self.beat_ns == 0 or now_ns - self.beat_ns > in_ns(waits.beat):
            return f"NO_HEARTBEAT: the engine has said nothing for more than {waits.beat:g} s"
        if self.state != DataState.SOUND:
            return f"DATA_{DataState(self.state).name}: the engine's data are not sound"
        if self.lag_ns > in_ns(waits.lag):
            return f"DATA_LAG: the engine is {self.lag_ns} ns behind, at most {waits.lag:g} s"
        if symbol not in self.told or now_ns - self.told_ns[symbol] > in_ns(waits.quote):
            return f"NO_QUOTE: nothing was told about {symbol} for more than {waits.quote:g} s"
        return ""

    def mark(self, symbol: str, lots: int) -> int | None:
        """Return what a position would close at: a long one at the bid, a short one at the ask.

        Without that side of the book the last trade; None where there is none either.
        """
        market = self.told.get(symbol)
        if market is None:
            return None
        touch = market.bid if lots >= 0 else market.ask
        found = market.last if touch == UNDEF_PRICE else touch
        return None if found == UNDEF_PRICE else found

    def reference(self, symbol: str, side: int) -> int | None:
        """Return the price an order of a side would trade at, else that of the last trade."""
        market = self.told.get(symbol)
        if market is None:
            return None
        touch = market.ask if side == Side.BUY else market.bid
        found = market.last if touch == UNDEF_PRICE else touch
        return None if found == UNDEF_PRICE else found
