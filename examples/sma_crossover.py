"""Two moving averages of trade prices; their crossing turns the position around.

Long while the average over the last `fast_period` trades is above that over the last `slow_period`,
short otherwise. `compiled/sma_crossover.py` is the same strategy as compiled functions.
"""

from collections import deque

import tapewire as tw


class SmaCrossover(tw.Strategy):
    """Long while the fast average of trade prices is above the slow one, short otherwise."""

    fast_period: int = tw.parameter(10, "trades in the fast average", minimum=1, maximum=1000)
    slow_period: int = tw.parameter(20, "trades in the slow average", minimum=1, maximum=1000)
    position_size: int = tw.parameter(1, "lots to hold either way", minimum=1)

    def on_start(self, context):
        """Begin with nothing; every run (and every book) has an instance of its own."""
        self.prices = deque(maxlen=max(self.fast_period, self.slow_period))
        self.fast_sum = self.slow_sum = 0
        self.signal = 0

    def on_trade(self, trade, context):
        """Move both averages; on a change of signal close the position and open the other way."""
        self.fast_sum += trade.price
        self.slow_sum += trade.price
        if len(self.prices) >= self.fast_period:
            self.fast_sum -= self.prices[-self.fast_period]
        if len(self.prices) >= self.slow_period:
            self.slow_sum -= self.prices[-self.slow_period]
        self.prices.append(trade.price)
        if len(self.prices) < self.prices.maxlen:
            return
        fast, slow = self.fast_sum / self.fast_period, self.slow_sum / self.slow_period
        signal = tw.BUY if fast > slow else tw.SELL
        if signal == self.signal or context.halted:
            return
        self.signal = signal
        # What is on its way counts as held: the answer to the last signal may not be known yet.
        held = context.position + sum(order.side * order.leaves for order in context.orders)
        if held:
            context.submit(tw.SELL if held > 0 else tw.BUY, abs(held))
        context.submit(signal, self.position_size)
