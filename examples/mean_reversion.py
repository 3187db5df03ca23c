"""Bet on a return to the mean: sell what is far above it, buy what is far below it.

The z-score is the distance of the mid price from its mean over the last `window` changes of the
best prices, in standard deviations. Beyond `entry_z_score` the strategy stands against it, within
`exit_z_score` it is flat. It takes the touch with IOC limit orders: never a worse price than was
seen. Sums are whole numbers, so nothing drifts however long the day.
"""

from collections import deque

import tapewire as tw


class MeanReversion(tw.Strategy):
    """Stands against moves of the mid price that are large for the last window."""

    window: int = tw.parameter(200, "changes of the best prices in the mean", minimum=2)
    entry_z_score: float = tw.parameter(2.0, "standard deviations to act on", minimum=0.0)
    exit_z_score: float = tw.parameter(0.5, "standard deviations to be flat within", minimum=0.0)
    position_size: int = tw.parameter(1, "lots to hold either way", minimum=1)

    wants = tw.Wants(book="price")  # on_book: only when a best price has changed

    def on_start(self, context):
        """Begin with an empty window."""
        self.mids = deque()
        self.total = self.squares = 0

    def on_book(self, market, context):
        """Move the window; act on the z-score."""
        # One side may be empty, and before the open bids may stand above asks: no price to go by.
        if market.spread is None or market.spread <= 0:
            return
        z = self.z_score(market.mid)
        if z is None:
            return
        context.record("z_score", z)
        if abs(z) >= self.entry_z_score:
            self.go_to(-self.position_size if z > 0 else self.position_size, market, context)
        elif abs(z) <= self.exit_z_score:
            self.go_to(0, market, context)

    def z_score(self, mid):
        """Take one more mid into the window; None while the window is not full."""
        self.mids.append(mid)
        self.total += mid
        self.squares += mid * mid
        if len(self.mids) > self.window:
            gone = self.mids.popleft()
            self.total -= gone
            self.squares -= gone * gone
        n = len(self.mids)
        deviation = (n * self.squares - self.total**2) ** 0.5 / n
        if n < self.window or deviation == 0:
            return None
        return (mid - self.total / n) / deviation

    def go_to(self, target, market, context):
        """Take the touch for what is missing, one order at a time."""
        missing = target - context.position
        if missing == 0 or context.orders or context.halted:
            return
        if missing > 0:
            context.buy(missing, market.best_ask, time_in_force="IOC")
        else:
            context.sell(-missing, market.best_bid, time_in_force="IOC")
