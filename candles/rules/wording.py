"""A declared strategy in words."""

from typing import Any, Final

from tapewire.candles.indicators.registry import INDICATORS
from tapewire.candles.rules.model import (
    DeclaredStrategy,
    ExitDistance,
    ExitTime,
    IndicatorCondition,
    IndicatorValue,
    Rule,
    RuleGroup,
)

_COMPARED: Final = {
    "crosses_above": "crosses above",
    "crosses_below": "crosses below",
    "greater_than": ">",
    "greater_or_equal": "≥",
    "less_than": "<",
    "less_or_equal": "≤",
}
#: One average less another: what it says of 0, the two say of each other.
_CROSSES: Final = {"sma_cross": "sma", "ema_cross": "ema"}
_MEASURED: Final = {"percent": "%", "fixed": "", "atr": " ATR"}


def strategy_text(strategy: DeclaredStrategy) -> str:
    """Return a checked strategy as a few lines: what it trades on, when it enters and leaves."""
    names = strategy.timeframes
    traded_on = (
        f"{strategy.name} {strategy.version} on {', '.join((names.primary, *names.secondary))}"
    )
    return "\n".join([traded_on, *(f"  {line}" for line in rule_lines(strategy))])


def rule_lines(strategy: DeclaredStrategy) -> list[str]:
    """Return when a checked strategy enters and leaves, a line for each side, without its name."""
    lines = []
    for verb, rules in (("enter", strategy.entry_rules), ("leave", strategy.exit_rules)):
        for side in ("long", "short"):
            rule: Rule | None = getattr(rules, side)
            if rule is not None:
                lines.append(f"{verb} {side}: {_rule(rule)}")
    return lines


def number_text(value: float) -> str:
    """Return a number as it is traded, not rounded; a whole one without a point."""
    return repr(float(value)).removesuffix(".0")


def _rule(rule: Rule, *, inside: bool = False) -> str:
    if isinstance(rule, ExitTime):
        return f"{rule.bars} bars after the entry"
    if isinstance(rule, ExitDistance):
        measure, amount = rule.measure
        period = f"({rule.period or 14})" if measure == "atr" else ""
        return f"{rule.type.replace('_', ' ')} {number_text(amount)}{_MEASURED[measure]}{period}"
    if isinstance(rule, IndicatorCondition):
        return " ".join(_compared(rule))
    return _group(rule, inside=inside)


def _group(group: RuleGroup, *, inside: bool) -> str:
    parts = [_rule(one, inside=True) for one in group.conditions]
    if group.operator == "NOT":
        return f"NOT ({parts[0]})"
    text = f" {group.operator} ".join(parts)
    return f"({text})" if inside and len(parts) > 1 else text


def _compared(rule: IndicatorCondition) -> tuple[str, str, str]:
    """Return what is compared, how, and with what; of a cross with 0, its two averages."""
    how, average = _COMPARED[rule.comparison], _CROSSES.get(rule.indicator)
    if average is None or rule.output is not None or rule.value not in (None, 0):
        return _value(rule), how, _other(rule)
    fast, slow = (
        _value(
            IndicatorValue(
                indicator=average, timeframe=rule.timeframe, params={"period": bars}, output=None
            )
        )
        for bars in (_parameters(rule)[name] for name in ("fast", "slow"))
    )
    return fast, how, slow


def _value(part: IndicatorValue) -> str:
    named = part.output not in (None, part.indicator)
    output = f".{part.output}" if named else ""
    inner = [number_text(value) for value in _parameters(part).values()]
    inner += [part.timeframe] if part.timeframe else []
    return f"{part.indicator}{output}({', '.join(inner)})" if inner else f"{part.indicator}{output}"


def _parameters(part: IndicatorValue) -> dict[str, Any]:
    return {
        name: part.params.get(name, spec.default)
        for name, spec in INDICATORS[part.indicator].parameters.items()
    }


def _other(part: IndicatorCondition) -> str:
    value = INDICATORS[part.indicator].against if part.value is None else part.value
    if isinstance(value, IndicatorValue):
        return _value(value)
    assert value is not None, "a rule that was checked says what it is held against"
    return value if isinstance(value, str) else number_text(value)
