"""One form for all spellings of a declared strategy, and a hash of it.

Two strategies whose rules say the same have one form: parameters, outputs, timeframes and what a
comparison is made with are written out, NOT stands at comparisons only, groups in groups of their
kind are one, conditions of a group are sorted and each there once, of two indicators that are
compared the first by alphabet stands left. Name and version are not part of it.
"""

import hashlib
from typing import Any, Final

import msgspec

from tapewire.candles.exits import ATR_PERIOD
from tapewire.candles.indicators.registry import find_indicator
from tapewire.candles.rules import DeclaredStrategy, ExitTerms
from tapewire.candles.rules.plan import (
    CROSSES_ABOVE,
    CROSSES_BELOW,
    GREATER,
    GREATER_OR_EQUAL,
    LESS,
    LESS_OR_EQUAL,
    NOT_CROSSES_ABOVE,
    NOT_CROSSES_BELOW,
    ComparisonKey,
    Expression,
    JoinedRules,
    SeriesKey,
    StrategyPlan,
    plan_of,
    values_of,
)

_WORDS: Final = {
    GREATER: "greater_than",
    GREATER_OR_EQUAL: "greater_or_equal",
    LESS: "less_than",
    LESS_OR_EQUAL: "less_or_equal",
    CROSSES_ABOVE: "crosses_above",
    CROSSES_BELOW: "crosses_below",
    NOT_CROSSES_ABOVE: "crosses_above",
    NOT_CROSSES_BELOW: "crosses_below",
}
_NEGATED: Final = (NOT_CROSSES_ABOVE, NOT_CROSSES_BELOW)
#: The same comparison seen from the other side.
_MIRRORED: Final = {
    GREATER: LESS,
    LESS: GREATER,
    GREATER_OR_EQUAL: LESS_OR_EQUAL,
    LESS_OR_EQUAL: GREATER_OR_EQUAL,
    CROSSES_ABOVE: CROSSES_BELOW,
    CROSSES_BELOW: CROSSES_ABOVE,
    NOT_CROSSES_ABOVE: NOT_CROSSES_BELOW,
    NOT_CROSSES_BELOW: NOT_CROSSES_ABOVE,
}

Json = dict[str, Any]


def canonical_rules(strategy: DeclaredStrategy) -> Json:
    """Return a strategy's timeframes and rules in the one form of all its spellings.

    Parameters
    ----------
    strategy
        A checked one, as `tapewire.candles.rules.strategy_of` gives it.

    Returns
    -------
    dict
        JSON-ready; with a name and a version it is a strategy again, which trades the same.
    """
    return rules_of_plan(plan_of(strategy, 1.0))


def rules_of_plan(plan: StrategyPlan) -> Json:
    """Return the same of a plan whose prices are in currency."""
    entry_long, leave_long, entry_short, leave_short = (_expression(rule) for rule in plan.rules)
    entries = {"long": entry_long, "short": entry_short}
    leaves = {
        "long": _leaving(leave_long, plan.long_exits),
        "short": _leaving(leave_short, plan.short_exits),
    }
    used = {key.source.timeframe for one in plan.comparisons() for key in _series_of(one)}
    rules: Json = {
        "timeframes": {
            "primary": plan.primary,
            "secondary": sorted(used - {plan.primary}),
        },
        "entry_rules": {side: rule for side, rule in entries.items() if rule is not None},
    }
    left = {side: rule for side, rule in leaves.items() if rule is not None}
    return {**rules, "exit_rules": left} if left else rules


def strategy_hash(strategy: DeclaredStrategy) -> str:
    """Return SHA-256 of a strategy's canonical rules, as 64 hexadecimal digits."""
    return rules_hash(canonical_rules(strategy))


def rules_hash(rules: Json) -> str:
    """Return the same of canonical rules."""
    return hashlib.sha256(_text(rules)).hexdigest()


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _series_of(comparison: ComparisonKey) -> list[SeriesKey]:
    both = (comparison.left, comparison.right)
    return [one for one in both if isinstance(one, SeriesKey)]


def _expression(rule: Expression) -> Json | None:
    if rule is None:
        return None
    if isinstance(rule, ComparisonKey):
        return _comparison(rule)
    return _group("AND" if rule.all_of else "OR", _parts(rule, all_of=rule.all_of))


def _parts(rule: JoinedRules, *, all_of: bool) -> list[Json]:
    """The conditions of a group, those of groups of its kind within it among them."""
    found: list[Json] = []
    for part in rule.parts:
        if isinstance(part, JoinedRules) and part.all_of == all_of:
            found += _parts(part, all_of=all_of)
        elif (inner := _expression(part)) is not None:
            found.append(inner)
    return found


def _group(operator: str, parts: list[Json]) -> Json:
    distinct = {_text(part): part for part in parts}
    ordered = [distinct[text] for text in sorted(distinct)]
    if len(ordered) == 1:
        return ordered[0]
    return {"operator": operator, "conditions": ordered}


def _comparison(key: ComparisonKey) -> Json:
    left, code, right = _value(key.left), key.code, key.right
    other: Json | float
    if isinstance(right, SeriesKey):
        other = _value(right)
        if _text(other) < _text(left):
            left, other, code = other, left, _MIRRORED[code]
    else:
        other = right + 0.0  # no -0
    condition = {**left, "comparison": _WORDS[code], "value": other}
    if code in _NEGATED:
        return {"operator": "NOT", "conditions": [condition]}
    return condition


def _value(key: SeriesKey) -> Json:
    definition = find_indicator(key.source.indicator)
    return {
        "indicator": key.source.indicator,
        "timeframe": key.source.timeframe,
        "params": values_of(key.source),
        "output": definition.outputs[key.output].name,
    }


def _leaving(rule: Json | None, terms: ExitTerms) -> Json | None:
    """Rules and distances that end a position, any of which does."""
    parts: list[Json] = []
    if rule is not None:
        parts += rule["conditions"] if rule.get("operator") == "OR" else [rule]
    for distance in (terms.stop_loss, terms.take_profit, terms.trailing_stop):
        if distance is not None:
            measure, amount = distance.measure
            part: Json = {"type": distance.type, measure: float(amount)}
            if measure == "atr":
                part["period"] = distance.period or ATR_PERIOD
            parts.append(part)
    if terms.time_exit_bars is not None:
        parts.append({"type": "time_exit", "bars": terms.time_exit_bars})
    return _group("OR", parts) if parts else None
