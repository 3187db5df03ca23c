"""Whether a comparison holds at a bar: one bar at a time, as `compare` has it of all of them."""

import math

from tapewire.candles.rules.plan import (
    CROSSES_ABOVE,
    CROSSES_BELOW,
    GREATER,
    GREATER_OR_EQUAL,
    LESS,
    LESS_OR_EQUAL,
    NOT_CROSSES_ABOVE,
    NOT_CROSSES_BELOW,
    TOLERANCE,
)


def holds(code: int, left: float, right: float, left_before: float, right_before: float) -> bool:
    """Whether a comparison holds; the values before are looked at where it crosses."""
    if math.isnan(left) or math.isnan(right):
        return False
    away = left - right
    margin = TOLERANCE * max(1.0, abs(right))
    if code == GREATER:
        return away > margin
    if code == GREATER_OR_EQUAL:
        return away >= -margin
    if code == LESS:
        return away < -margin
    if code == LESS_OR_EQUAL:
        return away <= margin
    if math.isnan(left_before) or math.isnan(right_before):
        return False
    away_before = left_before - right_before
    margin_before = TOLERANCE * max(1.0, abs(right_before))
    above = away > margin and away_before <= margin_before
    below = away < -margin and away_before >= -margin_before
    if code == CROSSES_ABOVE:
        return above
    if code == CROSSES_BELOW:
        return below
    if code == NOT_CROSSES_ABOVE:
        return not above
    return code == NOT_CROSSES_BELOW and not below
