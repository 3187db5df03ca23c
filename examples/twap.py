"""Buy or sell a large order in equal parts over time (TWAP).

Each `every` one more of `slices` parts is due. It first waits at the best price of its own side;
what has not filled when the next part is due moves to the other side's best price. What was denied,
or found no market, is still missing then: it is asked for with the next part, and not before.
"""

import tapewire as tw


class Twap(tw.Strategy):
    """Executes a parent order in equal parts over time."""

    side: str = tw.parameter("buy", "buy or sell")
    quantity: int = tw.parameter(20, "lots of the parent order", minimum=1)
    slices: int = tw.parameter(10, "parts it is cut into", minimum=1)
    every: str = tw.parameter("1m", "time between two parts: 10s, 1m")

    def on_start(self, context):
        """Set the clock: nothing but its timer and its own orders calls this strategy."""
        if self.side not in ("buy", "sell"):
            raise ValueError(f"side: expected buy or sell, found {self.side!r}")
        self.sign = tw.BUY if self.side == "buy" else tw.SELL
        self.part = self.filled = self.spent = 0
        self.arrival = None  # mid price at the first part: what the result is measured against
        context.set_timer(every=self.every, name="part")

    def on_timer(self, timer, context):
        """One more part is due; what waited in vain takes the other side."""
        market = context.market
        if market.spread is None or market.spread <= 0 or context.halted:
            return  # no market to trade in: this part is late
        self.arrival = self.arrival or market.mid
        near, far = market.best_bid, market.best_ask
        if self.sign == tw.SELL:
            near, far = far, near
        for order in context.orders:
            if order.price != far and not order.requests:
                context.replace(order, price=far)
        self.part = min(self.part + 1, self.slices)
        due = self.quantity * self.part // self.slices
        missing = due - self.filled - sum(order.leaves for order in context.orders)
        if missing > 0:
            context.submit(self.sign, missing, near)

    def on_fill(self, fill, context):
        """Keep count; the cost is against the price at arrival, in basis points."""
        self.filled += fill.quantity
        self.spent += fill.quantity * fill.price
        cost = (self.spent / self.filled / self.arrival - 1) * self.sign
        context.record("filled", self.filled)
        context.record("cost_bps", cost * 10_000)
        if self.filled == self.quantity:
            context.cancel_timer("part")
