"""Declared strategies as they read: every bar anew, from the bars that are complete by then."""

import math
from typing import Any

from tapewire.candles.frames import Timeframes
from tapewire.candles.indicators import INDICATORS, indicator
from tapewire.candles.timeframes import TimeframeBars


def signals(declared: dict[str, Any], frames: Timeframes) -> list[tuple[bool, ...]]:
    """entry_long, exit_long, entry_short, exit_short of each bar of the primary timeframe."""
    primary = declared["timeframes"]["primary"]
    ends = frames.of_name(primary).end_ns.tolist()
    rules = [
        declared.get(key, {}).get(side)
        for side in ("long", "short")
        for key in ("entry_rules", "exit_rules")
    ]
    judge = _Judge(primary, frames)
    return [
        tuple(judge.holds(rule, end, before) is True for rule in rules)
        for end, before in zip(ends, [None, *ends], strict=False)
    ]


class _Judge:
    def __init__(self, primary: str, frames: Timeframes) -> None:
        self._primary = primary
        self._frames = frames

    def holds(self, rule: Any, now: int, before: int | None) -> bool | None:
        """True, False, or None where it is not known."""
        if rule is None or "type" in rule:
            return False
        if "indicator" in rule:
            return self._compared(rule, now, before)
        parts = [self.holds(one, now, before) for one in rule["conditions"] if "type" not in one]
        if rule["operator"] == "NOT":
            return None if parts[0] is None else not parts[0]
        decides = rule["operator"] == "OR"
        if decides in parts:
            return decides
        if not parts:
            return False
        return None if None in parts else not decides

    def _compared(self, rule: Any, now: int, before: int | None) -> bool | None:
        left, right = self._value(rule, now), self._other(rule, now)
        if math.isnan(left) or math.isnan(right):
            return None
        above, below = _sides(left, right)
        match rule["comparison"]:
            case "greater_than":
                return above
            case "less_than":
                return below
            case "greater_or_equal":
                return not below
            case "less_or_equal":
                return not above
        if before is None:
            return None
        left, right = self._value(rule, before), self._other(rule, before)
        if math.isnan(left) or math.isnan(right):
            return None
        was_above, was_below = _sides(left, right)
        if rule["comparison"] == "crosses_above":
            return above and not was_above
        return below and not was_below

    def _other(self, rule: Any, moment: int) -> float:
        definition = INDICATORS[rule["indicator"]]
        value = rule.get("value", definition.against)
        if isinstance(value, dict):
            return self._value(value, moment)
        if isinstance(value, str):
            return self._value({**rule, "output": value}, moment)
        output = definition.outputs[definition.output(rule.get("output"))]
        unit = self._frames.of_name(self._primary).bars.price_unit
        return value / unit if output.unit == "price" else value

    def _value(self, part: Any, moment: int) -> float:
        """As of a moment: of bars that ended until then, and nothing else."""
        frame = self._frames.of_name(part.get("timeframe", self._primary))
        known = sum(end <= moment for end in frame.end_ns.tolist())
        if not known:
            return math.nan
        found = indicator(part["indicator"], _first(frame, known), part.get("params"))
        return float(found[part.get("output") or next(iter(found))][-1])


def _first(frame: TimeframeBars, count: int) -> Any:
    return frame.bars.take(0, count)


def _sides(left: float, right: float) -> tuple[bool, bool]:
    """Above, below; neither where they differ by rounding only."""
    same = abs(left - right) <= 1e-10 * max(1.0, abs(right))
    return left > right and not same, left < right and not same
