"""Follow a move: buy what has risen over the last trades, sell what has fallen.

The return is that of the last trade against the one `lookback` trades before it. Beyond `threshold`
the strategy is long or short by `position_size`; once the return has changed its sign, it is flat.
It acts when what it wants to hold changes, and not before it changes again: an order that was
denied, or filled in part, is not asked for at every trade.
"""

from collections import deque

import tapewire as tw


class Momentum(tw.Strategy):
    """Holds the direction of the last trades while it lasts."""

    lookback: int = tw.parameter(50, "trades looked back on", minimum=1)
    threshold: float = tw.parameter(1.0, "return to act on, basis points", minimum=0.0)
    position_size: int = tw.parameter(1, "lots to hold either way", minimum=1)

    def on_start(self, context):
        """Remember as many prices as are looked back on, and the one at hand."""
        self.prices = deque(maxlen=self.lookback + 1)
        self.target = 0

    def on_trade(self, trade, context):
        """Work out the return; go where it points to."""
        self.prices.append(trade.price)
        if len(self.prices) <= self.lookback or self.prices[0] <= 0:
            return
        bps = (trade.price / self.prices[0] - 1) * 10_000
        context.record("return_bps", bps)
        if abs(bps) > self.threshold:
            target = self.position_size if bps > 0 else -self.position_size
        elif bps * self.target <= 0:
            target = 0
        else:
            return  # between the threshold and nothing: what is held stays
        if target != self.target and not context.halted:
            self.target = target
            self.go_to(target, context)

    def go_to(self, target, context):
        """Send what is missing, with what is on its way counted in."""
        held = context.position + sum(order.side * order.leaves for order in context.orders)
        if held != target:
            context.submit(tw.BUY if target > held else tw.SELL, abs(target - held))
