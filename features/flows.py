"""Features of what happens: trades and their sides, how often events come."""

import math
from typing import Any, Final

from tapewire.compiled.units import NS_PER_S
from tapewire.features._windows import is_known, kept_before
from tapewire.features.definition import FeatureDefinition
from tapewire.features.layout import EVENTS, FLOW, TRADES, window_at


def _flow(state: Any, column: Any, now_ns: int) -> float:
    """Lots bought less lots sold within the window."""
    if not is_known(state, column):
        return math.nan
    return float(state.kept[FLOW] - kept_before(state, column))


def _rate(state: Any, column: Any, now_ns: int) -> float:
    """How many came within the window, per second."""
    if not is_known(state, column):
        return math.nan
    count = state.kept[column.kept] - kept_before(state, column)
    return count / (window_at(state.windows, column.part).span_ns / NS_PER_S)


TRADE_FLOW: Final = FeatureDefinition(
    name="trade_flow_<window>",
    formula="Σ lots · side over trades, side being 1 where the aggressor bought, −1 where it sold, "
    "0 where that is unknown",
    unit="lots",
    source="Chordia and Subrahmanyam, Order imbalance and individual stock returns, 2004",
    kernel=_flow,
    kept=FLOW,
    aliases={"trade_flow": "trade_flow_1m"},
)
ARRIVAL_RATE: Final = FeatureDefinition(
    name="arrival_rate_<window>",
    formula="events of the book / seconds",
    unit="events per second",
    source="Cont, Stoikov and Talreja, A stochastic model for order book dynamics, 2010",
    kernel=_rate,
    kept=EVENTS,
)
TRADE_RATE: Final = FeatureDefinition(
    name="trade_rate_<window>",
    formula="trades (T records) / seconds",
    unit="trades per second",
    source="Cont, Stoikov and Talreja, A stochastic model for order book dynamics, 2010",
    kernel=_rate,
    kept=TRADES,
)
