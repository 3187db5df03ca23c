"""Take in the direction of order-flow imbalance, hold for a while, get out.

Order-flow imbalance (Cont, Kukanov and Stoikov, The price impact of order book events, 2014) adds
up what changes of the best bid and ask say about demand, in lots: what came to the bid or left the
ask counts up, what left the bid or came to the ask counts down. Tapewire keeps it, here over the
last second. Beyond `threshold` the strategy takes the touch; a timer ends it `hold` later.
"""

import tapewire as tw

OFI = "order_flow_imbalance_1s"


class OfiTaker(tw.Strategy):
    """Takes what order-flow imbalance points to, for a while."""

    threshold: int = tw.parameter(100, "lots of imbalance to act on", minimum=1)
    hold: str = tw.parameter("5s", "how long a position is held: 500ms, 5s, 1m")
    position_size: int = tw.parameter(1, "lots to take", minimum=1)

    # on_book when price or size at the best bid or ask changed; features are worked out when read.
    wants = tw.Wants(book="bbo", features=(OFI,))

    def on_start(self, context):
        """Nothing was denied yet."""
        self.quiet_until = 0  # local time, ns

    def on_book(self, market, context):
        """Act when the flow is strong, and nothing is held or on its way."""
        if context.position or context.orders or context.halted or context.now < self.quiet_until:
            return
        # In a halt bids stand above asks, and the flow says nothing about the next price.
        if market.spread is None or market.spread <= 0:
            return
        imbalance = context.features[OFI]  # NaN, which is beyond nothing, until a second is known
        if imbalance >= self.threshold:
            context.buy(self.position_size, market.best_ask, time_in_force="IOC")
        elif imbalance <= -self.threshold:
            context.sell(self.position_size, market.best_bid, time_in_force="IOC")
        else:
            return
        context.record("imbalance", imbalance)

    def on_order_update(self, order, context):
        """What limits deny now they will deny at the next change, too: wait a second."""
        if order.was_denied:
            self.quiet_until = context.now + 1_000_000_000

    def on_fill(self, fill, context):
        """A position has its time from its last fill on."""
        if context.position:
            context.set_timer(after=self.hold, name="exit")

    def on_timer(self, timer, context):
        """Get out at any price; the clock runs again for what may be left after that."""
        if context.position == 0:
            return
        context.set_timer(after=self.hold, name="exit")
        if not context.orders and not context.halted:
            context.submit(tw.SELL if context.position > 0 else tw.BUY, abs(context.position))
