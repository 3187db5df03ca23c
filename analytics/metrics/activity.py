"""How much was traded, on which side of the liquidity, and how much was held."""

import math

from tapewire.analytics.inventory import Inventory
from tapewire.analytics.metrics.definition import (
    LOTS,
    MONEY,
    RATIO,
    SECONDS,
    SHARE,
    Metric,
    ratio,
)
from tapewire.analytics.metrics.inputs import FillTotals, Margin
from tapewire.compiled.units import NS_PER_S


class Volume(Metric):
    column = "volume"
    label = "Volume, lots"
    compact = "Volume"
    terse = "lots"
    format = LOTS
    formula = "sum of fill quantities, bought and sold"

    @staticmethod
    def compute(fills: FillTotals) -> int:
        return fills.volume


class MakerVolume(Metric):
    column = "maker_volume"
    label = "Maker volume, lots"
    format = LOTS
    formula = "part of volume that gave liquidity"

    @staticmethod
    def compute(fills: FillTotals) -> int:
        return fills.maker_volume


class TakerVolume(Metric):
    column = "taker_volume"
    label = "Taker volume, lots"
    format = LOTS
    formula = "part of volume that took liquidity"

    @staticmethod
    def compute(fills: FillTotals) -> int:
        return fills.taker_volume


class MakerRatio(Metric):
    column = "maker_ratio"
    label = "Maker share"
    compact = "Maker"
    format = SHARE
    formula = "maker_volume / volume"
    null = "no fill"

    @staticmethod
    def compute(fills: FillTotals) -> float | None:
        return ratio(fills.maker_volume, fills.volume)


class TimeInQueue(Metric):
    column = "time_in_queue_s"
    label = "Time in the queue"
    format = SECONDS
    formula = (
        "mean time of a maker lot from its order's arrival, or last replace, to the fill, by "
        "exchange time"
    )
    null = "no maker fill"

    @staticmethod
    def compute(fills: FillTotals) -> float | None:
        return ratio(fills.waited_ns / NS_PER_S, fills.maker_volume)


class QueueAhead(Metric):
    column = "queue_ahead_of_filled"
    label = "Lots ahead of what filled"
    format = RATIO
    formula = "mean lots ahead of an order when it joined its queue, over maker lots"
    null = "no maker fill of an order that joined a queue"

    @staticmethod
    def compute(fills: FillTotals) -> float | None:
        return ratio(fills.ahead, fills.queued)


class MaxPosition(Metric):
    column = "max_position"
    label = "Max position, lots"
    compact = "Max pos."
    terse = "max position"
    format = LOTS
    formula = "largest absolute position after a fill; over several legs the largest of theirs"

    @staticmethod
    def compute(fills: FillTotals) -> int:
        return fills.max_position


class TimeAtLimit(Metric):
    column = "time_at_limit"
    label = "Time at the position limit"
    format = SHARE
    formula = (
        "time with an absolute position of at least risk_limits.max_position / time, from the "
        "first fill to the last sample; over several legs of the sums of both"
    )
    null = "no position limit, or no fill"

    @staticmethod
    def compute(inventory: Inventory) -> float | None:
        if inventory.at_limit_ns is None:
            return None
        return ratio(inventory.at_limit_ns, inventory.limited_ns)


class InventoryHalfLife(Metric):
    column = "inventory_half_life_s"
    label = "Half-life of the inventory"
    format = SECONDS
    formula = (
        "ln 2 x integral of position^2 over time / -sum over fills of (position before x signed "
        "lots): ln 2 / speed of reversion to 0, with sums and integrals over legs"
    )
    source = (
        'T. Hendershott, A. J. Menkveld, "Price pressures", Journal of Financial Economics 114 '
        "(2014), for the half-life of inventories; the speed is the maximum likelihood estimate of "
        'an Ornstein-Uhlenbeck process around 0, Y. A. Kutoyants, "Statistical Inference for '
        'Ergodic Diffusion Processes" (2004)'
    )
    null = "no fill, or positions that do not revert to 0"

    @staticmethod
    def compute(inventory: Inventory) -> float | None:
        if inventory.pulled <= 0 or inventory.squares == 0:
            return None
        return math.log(2) * inventory.squares / inventory.pulled / NS_PER_S


class PeakMargin(Metric):
    column = "peak_margin"
    label = "Peak margin"
    format = MONEY
    formula = (
        "largest sum over legs of absolute position x margin of a lot (backtest.instruments), "
        "after each fill in the order of fills.parquet"
    )
    null = "no instrument that it trades has a margin"

    @staticmethod
    def compute(margin: Margin) -> int | None:
        return margin.peak
