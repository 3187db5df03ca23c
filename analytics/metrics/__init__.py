"""Headline metrics: per leg, per strategy and in total, each with formula, unit and source.

A metric is one class in the file of its family, with everything there is to say about it: its
column in ``metrics.parquet``, its label and format in the report, its formula and source, and its
computation. Adding the class is all it takes; no other file lists metrics. What a metric may be
computed from is in `tapewire.analytics.metrics.inputs`.

Columns come family by family in the order of `FAMILIES`, within a family in the order of its file.
A metric that has no value (no closed trade, a single session) is null, never NaN or infinite.
"""

from typing import Final

from tapewire.analytics.metrics import (
    activity,
    capacity,
    capital,
    closed_trades,
    costs,
    drawdown,
    edges,
    orders,
    pnl,
    returns,
)
from tapewire.analytics.metrics.definition import Metric
from tapewire.analytics.metrics.inputs import Inputs, Tally
from tapewire.analytics.metrics.registry import Registry, defined_in, failures

__all__ = ["FAMILIES", "METRICS", "Inputs", "Metric", "Registry", "Tally", "failures"]

#: The files of metrics, in the order of their columns.
FAMILIES: Final = (
    pnl, capital, drawdown, orders, activity, edges, costs, capacity, closed_trades, returns,
)  # fmt: skip
METRICS: Final = Registry(metric for family in FAMILIES for metric in defined_in(family))
