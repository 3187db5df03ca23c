"""Features of prices: where the market is, how it moved, how much."""

import math
from typing import Any, Final

from tapewire.compiled.units import PRICE_UNITS
from tapewire.features._windows import is_known, kept_before, squares
from tapewire.features.definition import FeatureDefinition
from tapewire.features.layout import MID as KEPT_MID
from tapewire.features.layout import path_at
from tapewire.market.records import UNDEF_PRICE


def _mid(state: Any, column: Any, now_ns: int) -> float:
    """Half of the sum of the best prices."""
    if state.bid == UNDEF_PRICE or state.ask == UNDEF_PRICE:
        return math.nan
    return (state.bid + state.ask) / (2 * PRICE_UNITS)


def _spread(state: Any, column: Any, now_ns: int) -> float:
    """The best ask less the best bid."""
    if state.bid == UNDEF_PRICE or state.ask == UNDEF_PRICE:
        return math.nan
    return (state.ask - state.bid) / PRICE_UNITS


def _microprice(state: Any, column: Any, now_ns: int) -> float:
    """The best prices, each weighted by the lots on the other side."""
    if state.bid == UNDEF_PRICE or state.ask == UNDEF_PRICE:
        return math.nan
    share = state.bid_size / (state.bid_size + state.ask_size)
    return (state.bid + (state.ask - state.bid) * share) / PRICE_UNITS


def _returns(state: Any, column: Any, now_ns: int) -> float:
    """The change of the mid over the window, as a share of what it was."""
    if not is_known(state, column):
        return math.nan
    before = kept_before(state, column)
    if before == UNDEF_PRICE or before <= 0:
        return math.nan
    return (state.kept[KEPT_MID] - before) / before


def _volatility(state: Any, column: Any, now_ns: int) -> float:
    """Root of the sum of squared log returns of the window's steps."""
    return math.sqrt(squares(state, path_at(state.paths, column.part), now_ns))


MID: Final = FeatureDefinition(
    name="mid",
    formula="(bid + ask) / 2",
    unit="price",
    source="Hasbrouck, Empirical Market Microstructure, 2007",
    kernel=_mid,
)
SPREAD: Final = FeatureDefinition(
    name="spread",
    formula="ask − bid; below 0 in a crossed book",
    unit="price",
    source="Hasbrouck, Empirical Market Microstructure, 2007",
    kernel=_spread,
)
MICROPRICE: Final = FeatureDefinition(
    name="microprice",
    formula="(bid · ask_size + ask · bid_size) / (bid_size + ask_size)",
    unit="price",
    source="Gatheral and Oomen, Zero-intelligence realized variance estimation, 2010",
    kernel=_microprice,
)
RETURNS: Final = FeatureDefinition(
    name="returns_<window>",
    formula="mid now / mid as the window began − 1, mids as last known; NaN where the earlier "
    "one is not above 0",
    unit="share",
    source="Campbell, Lo and MacKinlay, The Econometrics of Financial Markets, 1997, section 1.4",
    kernel=_returns,
    kept=KEPT_MID,
)
VOLATILITY: Final = FeatureDefinition(
    name="volatility_<window>",
    formula="√ Σ r², r being the log returns of the mid over the last 60 steps of a 60th of the "
    "window, and the step at hand; not annualised",
    unit="share, per window",
    source="Andersen, Bollerslev, Diebold and Labys, Modeling and forecasting realized volatility, "
    "2003",
    kernel=_volatility,
    is_path=True,
    aliases={"volatility": "volatility_5m"},
)
