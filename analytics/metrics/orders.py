"""Orders, and what became of them."""

from tapewire.analytics.metrics.definition import COUNT, RATIO, SHARE, Metric, ratio
from tapewire.analytics.metrics.inputs import FillTotals, OrderTotals
from tapewire.execution.codes import OrderStatus


class Orders(Metric):
    column = "orders"
    label = "Orders"
    compact = "Orders"
    format = COUNT
    formula = (
        "orders the strategy asked for, denied ones included, and those that close its "
        "positions for it: at a loss limit, a roll, the end of a day"
    )

    @staticmethod
    def compute(orders: OrderTotals) -> int:
        return orders.statuses.total()


class OrdersDenied(Metric):
    column = "orders_denied"
    label = "Orders denied"
    costs = True
    format = COUNT
    formula = "orders stopped by a pre-trade risk check"

    @staticmethod
    def compute(orders: OrderTotals) -> int:
        return orders.denied


class OrdersFilled(Metric):
    column = "orders_filled"
    label = "Orders filled"
    format = COUNT
    formula = "orders that ended FILLED"

    @staticmethod
    def compute(orders: OrderTotals) -> int:
        return orders.statuses[OrderStatus.FILLED.name]


class OrdersCanceled(Metric):
    column = "orders_canceled"
    label = "Orders canceled"
    format = COUNT
    formula = "orders that ended CANCELED, by the strategy or for it"

    @staticmethod
    def compute(orders: OrderTotals) -> int:
        return orders.statuses[OrderStatus.CANCELED.name]


class Fills(Metric):
    column = "fills"
    label = "Fills"
    compact = "Fills"
    terse = "fills"
    format = COUNT
    formula = "fills; one order may have several"

    @staticmethod
    def compute(fills: FillTotals) -> int:
        return fills.count


class OrderToTrade(Metric):
    column = "order_to_trade"
    label = "Order-to-trade ratio"
    format = RATIO
    formula = (
        "(orders that were not denied + replaces that took effect + orders_canceled) / fills: "
        "messages at the exchange per fill"
    )
    null = "no fill"

    @staticmethod
    def compute(orders: OrderTotals, fills: FillTotals) -> float | None:
        sent = orders.statuses.total() - orders.denied
        canceled = orders.statuses[OrderStatus.CANCELED.name]
        return ratio(sent + orders.replaces + canceled, fills.count)


class CancelToFill(Metric):
    column = "cancel_to_fill"
    label = "Cancel-to-fill ratio"
    format = RATIO
    formula = "orders_canceled / orders_filled"
    null = "no order was filled"

    @staticmethod
    def compute(orders: OrderTotals) -> float | None:
        statuses = orders.statuses
        filled = statuses[OrderStatus.FILLED.name]
        return ratio(statuses[OrderStatus.CANCELED.name], filled)


class FillRatio(Metric):
    column = "fill_ratio"
    label = "Fill ratio"
    format = SHARE
    formula = "filled lots / ordered lots, over orders that were not denied"
    null = "nothing was sent"

    @staticmethod
    def compute(orders: OrderTotals) -> float | None:
        return ratio(orders.filled, orders.ordered)
