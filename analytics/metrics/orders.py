"""Orders, and what became of them."""

from tapewire.analytics.metrics.definition import COUNT, SHARE, Metric, ratio
from tapewire.analytics.metrics.inputs import FillTotals, OrderTotals
from tapewire.execution.codes import OrderStatus


class Orders(Metric):
    column = "orders"
    label = "Orders"
    compact = "Orders"
    format = COUNT
    formula = "orders the strategy asked for, denied ones included"

    @staticmethod
    def compute(orders: OrderTotals) -> int:
        return orders.statuses.total()


class OrdersDenied(Metric):
    column = "orders_denied"
    label = "Orders denied"
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


class FillRatio(Metric):
    column = "fill_ratio"
    label = "Fill ratio"
    format = SHARE
    formula = "filled lots / ordered lots, over orders that were not denied"
    null = "nothing was sent"

    @staticmethod
    def compute(orders: OrderTotals) -> float | None:
        return ratio(orders.filled, orders.ordered)
