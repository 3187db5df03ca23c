"""Features of what rests in the book: how lopsided it is, how its best queues come and go."""

import math
from typing import Any, Final

from tapewire.compiled.units import NS_PER_S
from tapewire.features._windows import is_known, kept_before
from tapewire.features.definition import FeatureDefinition
from tapewire.features.layout import (
    ASK_DEPLETION,
    BID_DEPLETION,
    ORDER_FLOW,
    WANTS_QUEUES,
    depth_at,
    window_at,
)


def _imbalance(state: Any, column: Any, now_ns: int) -> float:
    """Lots bid less lots offered, as a share of both."""
    depth = depth_at(state.depths, column.part)
    lots = depth.bid_lots + depth.ask_lots
    if lots == 0:
        return math.nan
    return (depth.bid_lots - depth.ask_lots) / lots


def _order_flow_imbalance(state: Any, column: Any, now_ns: int) -> float:
    """What the best bid gained and the best ask lost within the window."""
    if not is_known(state, column):
        return math.nan
    return float(state.kept[column.kept] - kept_before(state, column))


def _depletion(state: Any, column: Any, now_ns: int) -> float:
    """Lots that left a best queue within the window, per second."""
    if not is_known(state, column):
        return math.nan
    lots = state.kept[column.kept] - kept_before(state, column)
    return lots / (window_at(state.windows, column.part).span_ns / NS_PER_S)


IMBALANCE: Final = FeatureDefinition(
    name="imbalance_<levels>",
    formula="(B − A) / (B + A), B and A being the lots on that many best bid and ask levels",
    unit="share, −1 to 1",
    source="Cao, Hansch and Wang, The information content of an open limit-order book, 2009",
    kernel=_imbalance,
    aliases={"book_imbalance": "imbalance_5"},
)
ORDER_FLOW_IMBALANCE: Final = FeatureDefinition(
    name="order_flow_imbalance_<window>",
    formula="Σ over events of [P ≥ P′]q − [P ≤ P′]q′ for the best bid, less [P ≤ P′]q − [P ≥ P′]q′ "
    "for the best ask; P and q being its price and lots, P′ and q′ those before",
    unit="lots",
    source="Cont, Kukanov and Stoikov, The price impact of order book events, 2014",
    kernel=_order_flow_imbalance,
    kept=ORDER_FLOW,
    wants=WANTS_QUEUES,
)
DEPLETION_BID: Final = FeatureDefinition(
    name="queue_depletion_bid_<window>",
    formula="lots that left the best bid, all of it where the price became worse, / seconds",
    unit="lots per second",
    source="Cont and de Larrard, Price dynamics in a Markovian limit order market, 2013",
    kernel=_depletion,
    kept=BID_DEPLETION,
    wants=WANTS_QUEUES,
)
DEPLETION_ASK: Final = FeatureDefinition(
    name="queue_depletion_ask_<window>",
    formula="lots that left the best ask, all of it where the price became worse, / seconds",
    unit="lots per second",
    source="Cont and de Larrard, Price dynamics in a Markovian limit order market, 2013",
    kernel=_depletion,
    kept=ASK_DEPLETION,
    wants=WANTS_QUEUES,
)
