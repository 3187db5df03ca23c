"""What a declared strategy asks for: distinct series, comparisons of them, how these are joined.

A comparison of a value that is not known yet (an indicator's first bars, a longer bar that is not
complete) is neither true nor false, and so is what hangs on it alone; a rule holds where it is
true. NOT is therefore carried inward to the comparisons, each of which says of itself where it is
false.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tapewire.candles.indicators.registry import checked_parameters, find_indicator
from tapewire.candles.rules.model import (
    DeclaredStrategy,
    ExitDistance,
    ExitTime,
    IndicatorCondition,
    IndicatorValue,
    Rule,
    RuleGroup,
)

# Comparisons; NOT_… of a crossing holds where both values are known, now and a bar before.
GREATER: Final = 0
GREATER_OR_EQUAL: Final = 1
LESS: Final = 2
LESS_OR_EQUAL: Final = 3
CROSSES_ABOVE: Final = 4
CROSSES_BELOW: Final = 5
NOT_CROSSES_ABOVE: Final = 6
NOT_CROSSES_BELOW: Final = 7

_CODES: Final[Mapping[str, int]] = {
    "greater_than": GREATER,
    "greater_or_equal": GREATER_OR_EQUAL,
    "less_than": LESS,
    "less_or_equal": LESS_OR_EQUAL,
    "crosses_above": CROSSES_ABOVE,
    "crosses_below": CROSSES_BELOW,
}
_NEGATED: Final = {
    GREATER: LESS_OR_EQUAL,
    LESS_OR_EQUAL: GREATER,
    LESS: GREATER_OR_EQUAL,
    GREATER_OR_EQUAL: LESS,
    CROSSES_ABOVE: NOT_CROSSES_ABOVE,
    CROSSES_BELOW: NOT_CROSSES_BELOW,
}
#: Values nearer to each other than this, of a value of 1 or of the value compared with, are equal:
#: what a formula gives may differ by rounding from one way of working it out to another.
TOLERANCE: Final = 1e-10

#: The signals of a bar, in the order in which they are told.
SIGNALS: Final = ("entry_long", "exit_long", "entry_short", "exit_short")


class SourceKey(NamedTuple):
    """An indicator of a timeframe, its parameters complete and in their order."""

    timeframe: str
    indicator: str
    parameters: tuple[Any, ...]


class SeriesKey(NamedTuple):
    """One output of an indicator."""

    source: SourceKey
    output: int


class ComparisonKey(NamedTuple):
    """A comparison of a series with another or with a number."""

    left: SeriesKey
    code: int
    right: SeriesKey | float


class JoinedRules(NamedTuple):
    """Comparisons, and what is joined of them: all have to hold, or any."""

    all_of: bool
    parts: "tuple[Expression, ...]"


#: None never holds.
Expression = ComparisonKey | JoinedRules | None


@dataclass(frozen=True)
class ExitTerms:
    """How positions of one direction end by themselves.

    Attributes
    ----------
    stop_loss, take_profit, trailing_stop : ExitDistance, optional
        ``percent`` of the entry's price, ``fixed`` currency or ``atr`` multiples, one of them set.
    time_exit_bars : int, optional
        Bars of the primary timeframe after the entry.
    """

    stop_loss: ExitDistance | None = None
    take_profit: ExitDistance | None = None
    trailing_stop: ExitDistance | None = None
    time_exit_bars: int | None = None


@dataclass(frozen=True)
class StrategyPlan:
    """A declared strategy, ready to be evaluated.

    Attributes
    ----------
    name : str
    primary : str
        The timeframe whose bars have signals.
    rules : tuple of Expression
        By `SIGNALS`.
    long_exits, short_exits : ExitTerms
    """

    name: str
    primary: str
    rules: tuple[Expression, Expression, Expression, Expression]
    long_exits: ExitTerms
    short_exits: ExitTerms

    def comparisons(self) -> list[ComparisonKey]:
        """Return its distinct comparisons, in the order in which they come up."""
        found: dict[ComparisonKey, None] = {}
        for rule in self.rules:
            _gather(rule, found)
        return list(found)


def _gather(rule: Expression, found: dict[ComparisonKey, None]) -> None:
    if isinstance(rule, JoinedRules):
        for part in rule.parts:
            _gather(part, found)
    elif rule is not None:
        found[rule] = None


def plan_of(strategy: DeclaredStrategy, price_unit: float) -> StrategyPlan:
    """Return what a strategy asks for.

    Parameters
    ----------
    strategy
        As `strategy_of` gives it.
    price_unit
        Currency per unit of the bars' prices: numbers to compare prices with are in currency.
    """
    builder = _Builder(strategy.timeframes.primary, price_unit)
    entry, leave = strategy.entry_rules, strategy.exit_rules
    long_exits, short_exits = exit_terms_of(strategy)
    return StrategyPlan(
        name=strategy.name,
        primary=strategy.timeframes.primary,
        rules=(
            builder.rule(entry.long),
            builder.rule(leave.long),
            builder.rule(entry.short),
            builder.rule(leave.short),
        ),
        long_exits=long_exits,
        short_exits=short_exits,
    )


def exit_terms_of(strategy: DeclaredStrategy) -> tuple[ExitTerms, ExitTerms]:
    """Return how a strategy's long and its short positions end by themselves."""
    return _exits_of(strategy.exit_rules.long), _exits_of(strategy.exit_rules.short)


class _Builder:
    def __init__(self, primary: str, price_unit: float) -> None:
        self._primary = primary
        self._price_unit = price_unit

    def rule(self, rule: Rule | None, *, negated: bool = False) -> Expression:
        if isinstance(rule, IndicatorCondition):
            return self._comparison(rule, negated)
        if not isinstance(rule, RuleGroup):
            return None
        if rule.operator == "NOT":
            return self.rule(rule.conditions[0], negated=not negated)
        inner = (self.rule(one, negated=negated) for one in rule.conditions)
        # Stops and targets among them are no conditions of a bar.
        parts = tuple(dict.fromkeys(one for one in inner if one is not None))
        if len(parts) < 2:
            return parts[0] if parts else None
        return JoinedRules((rule.operator == "AND") != negated, parts)

    def _comparison(self, part: IndicatorCondition, negated: bool) -> ComparisonKey:
        left = self._series(part)
        code = _CODES[part.comparison]
        code = _NEGATED[code] if negated else code
        definition = find_indicator(part.indicator)
        if isinstance(part.value, IndicatorValue):
            return ComparisonKey(left, code, self._series(part.value))
        value = definition.against if part.value is None else part.value
        if isinstance(value, str):
            return ComparisonKey(left, code, SeriesKey(left.source, definition.output(value) or 0))
        number = float(value or 0.0)
        if definition.outputs[left.output].unit == "price":
            number = in_units(number, self._price_unit)
        return ComparisonKey(left, code, number)

    def _series(self, part: IndicatorValue) -> SeriesKey:
        definition = find_indicator(part.indicator)
        values = checked_parameters(part.indicator, part.params)
        source = SourceKey(part.timeframe or self._primary, part.indicator, values)
        return SeriesKey(source, definition.output(part.output) or 0)


def in_units(price: float, unit: float) -> float:
    """Return a price in currency as a number of units: a whole one where it was meant so."""
    number = price / unit
    whole = float(round(number)) if abs(number) < 2**53 else number
    return whole if abs(number - whole) <= TOLERANCE * max(1.0, abs(whole)) else number


def values_of(source: SourceKey) -> dict[str, Any]:
    """Return the parameters of an indicator by name."""
    return dict(zip(find_indicator(source.indicator).parameters, source.parameters, strict=True))


def _exits_of(rule: Rule | None) -> ExitTerms:
    found: dict[str, Any] = {}

    def note(part: Rule | None) -> None:
        if isinstance(part, RuleGroup):
            for inner in part.conditions:
                note(inner)
        elif isinstance(part, ExitTime):
            found["time_exit_bars"] = part.bars
        elif isinstance(part, ExitDistance):
            found[part.type] = part

    note(rule)
    return ExitTerms(**found)
