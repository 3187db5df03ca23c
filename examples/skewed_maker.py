"""Quote both sides, and lean against the inventory.

The quotes stand `half_spread_ticks` around a fair price, which is the mid less up to `skew_ticks`:
who is long wants to sell more than to buy, and asks less for it. At `max_inventory` the side that
would add to it is not quoted. Quotes are never better than the best price of their own side, so
that they wait in the queue instead of taking.
"""

import tapewire as tw


class SkewedMaker(tw.Strategy):
    """Quotes around a fair price that moves against its inventory."""

    quantity: int = tw.parameter(1, "lots of each quote", minimum=1)
    half_spread_ticks: int = tw.parameter(1, "from the fair price to each quote", minimum=0)
    skew_ticks: int = tw.parameter(2, "the fair price moves by at max_inventory", minimum=0)
    max_inventory: int = tw.parameter(5, "lots to hold at most, either way", minimum=1)

    wants = tw.Wants(book="price")

    def on_start(self, context):
        """Find out how fine prices are: quotes off the tick size would be denied."""
        if not context.market.tick_size:
            raise ValueError(
                f"{context.market.symbol}: expected a tick size, found none; "
                "give one under backtest.instruments"
            )
        self.quotes = {}
        self.quiet_until = 0  # local time, ns

    def on_book(self, market, context):
        """Move the quotes along with the best prices."""
        self.quote(market, context)

    def on_fill(self, fill, context):
        """Lean against what is held now."""
        context.record("inventory", context.position)
        self.quote(context.market, context)

    def on_order_update(self, order, context):
        """An answer may be what a quote waited for; who was denied asks for nothing for a while."""
        if order.was_denied:
            self.quiet_until = context.now + 1_000_000_000
        self.quote(context.market, context)

    def quote(self, market, context):
        """Bring both quotes where they belong."""
        if context.now < self.quiet_until:
            return
        bid, ask, tick = market.best_bid, market.best_ask, market.tick_size
        if context.halted or market.ended or bid is None or ask is None or bid >= ask:
            context.cancel_all()  # no market to quote in
            return
        skew = self.skew_ticks * tick * context.position // self.max_inventory
        fair, half = (bid + ask) // 2 - skew, self.half_spread_ticks * tick
        buy = min((fair - half) // tick * tick, bid)
        sell = max(-((-fair - half) // tick * tick), ask)
        most = self.max_inventory - self.quantity
        self.place(tw.BUY, buy if context.position <= most else None, context)
        self.place(tw.SELL, sell if -context.position <= most else None, context)

    def place(self, side, price, context):
        """Send, move or cancel one quote, with one request at a time."""
        order = self.quotes.get(side)
        if order is None or not order.is_open:
            if price is not None:
                self.quotes[side] = context.submit(side, self.quantity, price)
        elif order.requests:
            return
        elif price is None:
            context.cancel(order)
        elif price != order.price:
            context.replace(order, price=price)
