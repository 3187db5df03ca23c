"""Two instruments that move together: sell the dear one, buy the cheap one.

One instance sees both books in one time (`Wants(together=True)`). The gap is the difference of
their mid prices; its z-score over the last `window` changes says how far it is from its mean.
Beyond `entry_z_score` the strategy stands against it with both legs, if the way back to the mean
is longer than `edge` times what both spreads cost; within `exit_z_score` it closes both. It acts
when what it wants to hold changes; the legs then go out at the same moment.
"""

from collections import deque

import tapewire as tw


class Pairs(tw.Strategy):
    """Bets that the gap between two instruments returns to its mean."""

    first: str = tw.parameter("GOOG", "symbol of one leg")
    second: str = tw.parameter("GOOGL", "symbol of the other leg")
    window: int = tw.parameter(300, "changes of best prices in the mean", minimum=2)
    entry_z_score: float = tw.parameter(2.0, "standard deviations to act on", minimum=0.0)
    exit_z_score: float = tw.parameter(0.5, "standard deviations to be flat within", minimum=0.0)
    edge: float = tw.parameter(0.5, "distance to act on, in spreads of both legs", minimum=0.0)
    position_size: int = tw.parameter(10, "lots of each leg", minimum=1)

    wants = tw.Wants(symbols=("GOOG", "GOOGL"), book="price", together=True)

    def on_start(self, context):
        """Begin with an empty window, and flat."""
        self.gaps = deque()
        self.total = self.squares = self.target = 0

    def on_book(self, market, context):
        """Either book moved: see where the gap is."""
        legs = [context.markets.get(symbol) for symbol in (self.first, self.second)]
        # The second book is there from its first event on, and both must have a price to go by.
        if any(leg is None or not leg.spread or leg.spread < 0 for leg in legs):
            return
        distance, z = self.measure(legs[0].mid - legs[1].mid)
        if z is None:
            return
        context.record("gap_z_score", z)
        costs = legs[0].spread + legs[1].spread
        if abs(z) >= self.entry_z_score and abs(distance) > self.edge * costs:
            self.go_to(-self.position_size if z > 0 else self.position_size, legs, context)
        elif abs(z) <= self.exit_z_score:
            self.go_to(0, legs, context)

    def measure(self, gap):
        """Take one more gap into the window; its distance from the mean, and its z-score."""
        self.gaps.append(gap)
        self.total += gap
        self.squares += gap * gap
        if len(self.gaps) > self.window:
            gone = self.gaps.popleft()
            self.total -= gone
            self.squares -= gone * gone
        n = len(self.gaps)
        deviation = (n * self.squares - self.total**2) ** 0.5 / n
        if n < self.window or deviation == 0:
            return 0, None  # the window is not full, or nothing has moved in it
        distance = gap - self.total / n
        return distance, distance / deviation

    def go_to(self, target, legs, context):
        """Hold `target` lots of the first leg and as many of the second the other way."""
        if target == self.target or context.orders or context.halted:
            return
        self.target = target
        for leg, wanted in zip(legs, (target, -target), strict=True):
            missing = wanted - leg.position
            if missing:
                side = tw.BUY if missing > 0 else tw.SELL
                context.submit(side, abs(missing), symbol=leg.symbol)
