"""Declared strategies as strategies of a run: their rules are interpreted, nothing is generated."""

from dataclasses import replace
from typing import Any, ClassVar

from tapewire.candles.declared import exits_of
from tapewire.candles.indicators.registry import find_indicator
from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.rules.comparing import holds
from tapewire.candles.rules.plan import (
    ComparisonKey,
    Expression,
    SeriesKey,
    StrategyPlan,
    exit_terms_of,
    plan_of,
    values_of,
)
from tapewire.candles.seen import SeenValue
from tapewire.compiled.units import PRICE_UNITS
from tapewire.generator.tape.strategy import BarStrategy
from tapewire.strategies import StrategyDefinition
from tapewire.strategies.plain import Context


class DeclaredBarStrategy(BarStrategy):
    """A declared strategy; what it declares stands in its class."""

    rules: ClassVar[DeclaredStrategy]

    def on_start(self, context: Context) -> None:
        """Declare the series that its rules compare."""
        super().on_start(context)
        self._plan: StrategyPlan = plan_of(self.rules, self._unit / PRICE_UNITS)
        self._values: dict[SeriesKey, SeenValue] = {}
        for key in self._plan.comparisons():
            for one in (key.left, key.right):
                if isinstance(one, SeriesKey) and one not in self._values:
                    self._values[one] = self._declared(one)

    def _declared(self, key: SeriesKey) -> SeenValue:
        source = key.source
        output = find_indicator(source.indicator).outputs[key.output].name
        return self.series(source.indicator, source.timeframe, output, **values_of(source))

    def should_enter_long(self) -> bool:
        """Whether its rule holds."""
        return self._true(self._plan.rules[0])

    def should_exit_long(self) -> bool:
        """Whether its rule holds."""
        return self._true(self._plan.rules[1])

    def should_enter_short(self) -> bool:
        """Whether its rule holds."""
        return self._true(self._plan.rules[2])

    def should_exit_short(self) -> bool:
        """Whether its rule holds."""
        return self._true(self._plan.rules[3])

    def _true(self, rule: Expression) -> bool:
        if rule is None:
            return False
        if isinstance(rule, ComparisonKey):
            left = self._values[rule.left]
            if isinstance(rule.right, SeriesKey):
                return left.compares(rule.code, self._values[rule.right])
            return holds(rule.code, left.now, rule.right, left.before, rule.right)
        parts = (self._true(part) for part in rule.parts)
        return all(parts) if rule.all_of else any(parts)


def declared_definition(strategy: DeclaredStrategy) -> StrategyDefinition:
    """Return what a run knows of a declared strategy: an interpreter of its rules.

    Its parameters are those of `BarStrategy`: ``quantity``, ``at_touch`` and ``session``.

    Parameters
    ----------
    strategy
        A checked one, as `tapewire.candles.rules.load_strategy` gives it.
    """
    long, short = exit_terms_of(strategy)
    names = strategy.timeframes
    kind: Any = type(
        "DeclaredBarStrategy",
        (DeclaredBarStrategy,),
        {
            "rules": strategy, "primary": names.primary, "secondary": tuple(names.secondary),
            "long_exits": exits_of(long), "short_exits": exits_of(short),
        },
    )  # fmt: skip
    doc = f"{strategy.name} {strategy.version}, declared as data, on bars of {names.primary}."
    return replace(kind.definition(), name=strategy.name, doc=doc)
