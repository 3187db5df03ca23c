"""Buy or sell a large order along with the market's volume (VWAP).

The own volume follows the market's: after each `every` the strategy has asked for `participation`
of all that has traded since it began, up to `quantity`. Who follows the volume gets near its
average price; `vwap` and `own_average` in the results show how near. What is due takes the touch
with an IOC order; what that does not fill is due again next time.
"""

import tapewire as tw


class Vwap(tw.Strategy):
    """Executes a parent order as a part of the market's volume."""

    side: str = tw.parameter("buy", "buy or sell")
    quantity: int = tw.parameter(50, "lots of the parent order", minimum=1)
    participation: float = tw.parameter(
        0.05, "part of the market's volume to be", minimum=0.001, maximum=1.0
    )
    every: str = tw.parameter("10s", "how often it catches up: 500ms, 10s, 1m")

    wants = tw.Wants(session=True)  # open, high, low, last, volume and VWAP of the session

    def on_start(self, context):
        """Set the clock: trades come in batches with it, not one by one."""
        if self.side not in ("buy", "sell"):
            raise ValueError(f"side: expected buy or sell, found {self.side!r}")
        self.sign = tw.BUY if self.side == "buy" else tw.SELL
        self.volume = self.filled = self.spent = 0
        context.set_timer(every=self.every, name="catch up")

    def on_trades(self, trades, context):
        """All trades since the last call, as a NumPy array: `price`, `size`, `side`, times."""
        self.volume += int(trades["size"].sum())

    def on_timer(self, timer, context):
        """Ask for what is due; the trades up to now were told just before."""
        market = context.market
        if context.orders or context.halted or market.spread is None or market.spread <= 0:
            return
        due = min(int(self.volume * self.participation), self.quantity) - self.filled
        if due > 0:
            price = market.best_ask if self.sign == tw.BUY else market.best_bid
            context.submit(self.sign, due, price, time_in_force="IOC")

    def on_fill(self, fill, context):
        """Keep count, and record both averages as prices."""
        self.filled += fill.quantity
        self.spent += fill.quantity * fill.price
        context.record("own_average", self.spent / self.filled / 1e9)
        if (vwap := context.market.session.vwap) is not None:
            context.record("vwap", vwap / 1e9)
        if self.filled == self.quantity:
            context.cancel_timer("catch up")
