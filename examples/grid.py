"""A ladder of resting orders: each one that fills is followed by its counterpart one step away.

`levels` buys rest below the first mid price and as many sells above it, `step_ticks` apart. A buy
that fills at a price is followed by a sell one step higher, a sell by a buy one step lower. A swing
of the price over a step and back earns the step; a trend fills one side and leaves its position.
"""

import tapewire as tw


class Grid(tw.Strategy):
    """Earns the steps of its ladder as the price swings."""

    levels: int = tw.parameter(5, "orders on each side", minimum=1, maximum=30)
    step_ticks: int = tw.parameter(2, "ticks between two orders", minimum=1)
    quantity: int = tw.parameter(1, "lots of each order", minimum=1)

    wants = tw.Wants(book="price")

    def on_start(self, context):
        """Find out how far apart the orders are: prices off the tick size would be denied."""
        market = context.market
        if not market.tick_size:
            raise ValueError(
                f"{market.symbol}: expected a tick size, found none; "
                "give one under backtest.instruments"
            )
        self.step = self.step_ticks * market.tick_size
        self.is_built = False

    def on_book(self, market, context):
        """Build the ladder as soon as there is a market; from then on fills move it."""
        if self.is_built or market.spread is None or market.spread <= 0:
            return
        self.is_built = True
        middle = market.mid // market.tick_size * market.tick_size
        for k in range(1, self.levels + 1):
            context.buy(self.quantity, middle - k * self.step)
            context.sell(self.quantity, middle + k * self.step)

    def on_fill(self, fill, context):
        """Put the counterpart of an order that is filled one step away from it."""
        order = fill.order
        context.record("position", context.position)
        if order.leaves == 0 and order.price is not None and not context.halted:
            context.submit(-order.side, order.quantity, order.price + order.side * self.step)

    def on_order_update(self, order, context):
        """Whom a limit denied is missing in the ladder; it is not asked for again."""
        if order.was_denied:
            context.record("denied", order.quantity)
