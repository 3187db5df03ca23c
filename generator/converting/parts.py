"""A declared strategy's canonical rules with names: what all forms of its code are made of."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from tapewire.candles import Exits
from tapewire.candles.columns import BarRow
from tapewire.candles.declared import exits_of
from tapewire.candles.indicators.definition import PRICE, IndicatorDefinition
from tapewire.candles.indicators.registry import find_indicator
from tapewire.candles.rules import DeclaredStrategy, rule_lines, strategy_of
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
    SeriesKey,
    SourceKey,
    plan_of,
    values_of,
)
from tapewire.candles.sessions import SessionClock
from tapewire.generator.canonical import canonical_rules, rules_hash
from tapewire.generator.converting.naming import WIDTH, literal, shown, wrapped

#: Methods, and functions, of comparisons.
COMPARED: Final = {
    GREATER: "is_above",
    GREATER_OR_EQUAL: "is_at_least",
    LESS: "is_below",
    LESS_OR_EQUAL: "is_at_most",
    CROSSES_ABOVE: "crosses_above",
    CROSSES_BELOW: "crosses_below",
    NOT_CROSSES_ABOVE: "does_not_cross_above",
    NOT_CROSSES_BELOW: "does_not_cross_below",
}
CROSSINGS: Final = frozenset((CROSSES_ABOVE, CROSSES_BELOW, NOT_CROSSES_ABOVE, NOT_CROSSES_BELOW))
QUESTIONS: Final = (
    ("enter_long", "Whether to buy."),
    ("exit_long", "Whether to sell what was bought."),
    ("enter_short", "Whether to sell short."),
    ("exit_short", "Whether to buy back what was sold short."),
)
#: A comparison as code: what is called, and its arguments.
Call = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class NamedSource:
    """An indicator of a timeframe, with a name of its own.

    Attributes
    ----------
    name : str
        As ``rsi_4h``; a second one of an indicator is ``sma_2``.
    key : SourceKey
    outputs : tuple of int
        Those that are looked at.
    """

    name: str
    key: SourceKey
    outputs: tuple[int, ...]

    @property
    def definition(self) -> IndicatorDefinition:
        """What it is."""
        return find_indicator(self.key.indicator)

    @property
    def values(self) -> dict[str, Any]:
        """Its parameters."""
        return values_of(self.key)

    def series(self, output: int) -> str:
        """Name of one of its outputs."""
        name = self.definition.outputs[output].name
        if output == 0:
            return self.name
        # The signal of macd has a parameter of its name.
        line = "_line" if name in self.values else ""
        return f"{self.name}_{name}{line}"

    def parameters(self) -> Iterator[tuple[str, str, Any]]:
        """Name in the strategy, name in the indicator, and value of each of its parameters."""
        for one, value in self.values.items():
            yield f"{self.name}_{one}", one, value


class StrategyCode:
    """What code says of a strategy, whatever its form.

    Parameters
    ----------
    strategy
        A checked one.
    clock
        When sessions begin.
    """

    def __init__(self, strategy: DeclaredStrategy, clock: SessionClock) -> None:
        self.rules = canonical_rules(strategy)
        self.strategy = strategy_of(
            {"name": strategy.name, "version": strategy.version, **self.rules},
            source=strategy.name,
        )
        self.plan = plan_of(self.strategy, 1.0)
        self.clock = clock
        self.primary = self.plan.primary
        self.long_exits: Exits = exits_of(self.plan.long_exits)
        self.short_exits: Exits = exits_of(self.plan.short_exits)

    @property
    def secondary(self) -> list[str]:
        """Other timeframes that it looks at."""
        return list(self.strategy.timeframes.secondary)

    @cached_property
    def sources(self) -> list[NamedSource]:
        """Indicators that are compared, each with the outputs that are."""
        outputs: dict[SourceKey, dict[int, None]] = {}
        for comparison in self.plan.comparisons():
            for one in (comparison.left, comparison.right):
                if isinstance(one, SeriesKey):
                    outputs.setdefault(one.source, {})[one.output] = None
        counts: Counter[str] = Counter()
        found = []
        for key, used in outputs.items():
            name = key.indicator
            if key.timeframe != self.primary:
                name += f"_{key.timeframe}"
            counts[name] += 1
            if counts[name] > 1:
                name += f"_{counts[name]}"
            found.append(NamedSource(name, key, tuple(sorted(used))))
        return found

    def series_of(self, key: SeriesKey) -> str:
        """Name of a series."""
        source = next(one for one in self.sources if one.key == key.source)
        return source.series(key.output)

    @cached_property
    def crossing(self) -> set[str]:
        """Names of series whose value at the bar before is looked at."""
        return {
            self.series_of(one)
            for key in self.plan.comparisons()
            if key.code in CROSSINGS
            for one in (key.left, key.right)
            if isinstance(one, SeriesKey)
        }

    # --- text -------------------------------------------------------------------------------------

    def header(self, how: str) -> list[str]:
        """Return the lines of a module's docstring."""
        named = f"{shown(self.strategy.name)} {self.strategy.version}"
        first, *rest = wrapped(f"{named}: {how}")
        lines = [f'"""{first}', *rest, ""]
        for line in rule_lines(self.strategy):
            lines += wrapped(line)
        lines += ["", *wrapped(self.known_from()), "", f"Rules: {rules_hash(self.rules)}", '"""']
        return lines

    def known_from(self) -> str:
        """Say when the first decisions may come, and when sessions begin."""
        least: dict[str, int] = {}
        for source in self.sources:
            bars = max(bars_until_known(source.key, one) for one in source.outputs)
            bars += any(source.series(one) in self.crossing for one in source.outputs)
            timeframe = source.key.timeframe
            least[timeframe] = max(least.get(timeframe, 0), bars)
        told = ", ".join(f"{bars} of {timeframe}" for timeframe, bars in least.items())
        return f"All of it is known after bars: {told or 'none'}. Sessions begin at {self.clock}."

    def answer(
        self, rule: Expression, call: Callable[[ComparisonKey], Call], start: str = "return "
    ) -> list[str]:
        """Return a rule as the lines of a statement in a method; parts too long go further in."""
        return _lines(rule, call, " " * 8, top=True, start=start)


@lru_cache(maxsize=1 << 12)
def bars_until_known(key: SourceKey, output: int) -> int:
    """Return with which bar an output is known first: found out on bars that go up and down."""
    definition = find_indicator(key.indicator)
    values = values_of(key)
    stream = definition.stream(values)
    count = 0
    while True:
        close = 100.0 + count * 7 % 13
        bar = BarRow(count, close - 1, close + count % 3, close - 2, close, 1.0, 0)
        count += 1
        if not math.isnan(stream.push(bar)[output]):
            return count


def number_text(value: float) -> str:
    """Return a number as it may stand in code."""
    return repr(value)


def exits_text(exits: Exits, indent: str = "") -> str:
    """Return how positions end by themselves, as a call that fits, or as several lines."""
    given = [
        (name, f'Distance("{one.kind}", {one.value!r}{_period(one)})')
        for name, one in (
            ("stop_loss", exits.stop_loss), ("take_profit", exits.take_profit),
            ("trailing_stop", exits.trailing_stop),
        )
        if one is not None
    ]  # fmt: skip
    if exits.time_exit is not None:
        given.append(("time_exit", str(exits.time_exit)))
    texts = [f"{name}={value}" for name, value in given]
    return call_text("Exits", texts, indent, before=24)


def _period(one: Any) -> str:
    return f", {one.period}" if one.kind == "atr" else ""


def call_text(name: str, arguments: Sequence[str], indent: str, *, before: int = 0) -> str:
    """Return a call on one line where it fits behind so many columns, else one argument a line."""
    line = f"{name}({', '.join(arguments)})"
    if len(indent) + before + len(line) <= WIDTH:
        return line
    inner = "".join(f"{indent}    {one},\n" for one in arguments)
    return f"{name}(\n{inner}{indent})"


def is_price(key: SeriesKey) -> bool:
    """Whether what a series is compared with is a price."""
    definition = find_indicator(key.source.indicator)
    return definition.outputs[key.output].unit == PRICE


def text_of(value: Any) -> str:
    """Return a parameter, or a text, as a literal."""
    return literal(value) if isinstance(value, str) else repr(value)


def _one_line(rule: Expression, call: Callable[[ComparisonKey], Call], *, top: bool) -> str:
    if rule is None:
        return "False"
    if isinstance(rule, ComparisonKey):
        name, arguments = call(rule)
        return f"{name}({', '.join(arguments)})"
    joined = (" and " if rule.all_of else " or ").join(
        _one_line(part, call, top=False) for part in rule.parts
    )
    return joined if top else f"({joined})"


def _lines(
    rule: Expression, call: Callable[[ComparisonKey], Call], indent: str, *, top: bool,
    start: str = "",
) -> list[str]:  # fmt: skip
    line = f"{indent}{start}{_one_line(rule, call, top=top)}"
    if len(line) <= WIDTH or rule is None:
        return [line]
    if isinstance(rule, ComparisonKey):
        name, arguments = call(rule)
        inner = [f"{indent}    {one}," for one in arguments]
        return [f"{indent}{start}{name}(", *inner, f"{indent})"]
    found = [f"{indent}{start}("]
    word = "and " if rule.all_of else "or "
    for k, part in enumerate(rule.parts):
        found += _lines(part, call, f"{indent}    ", top=False, start=word if k else "")
    return [*found, f"{indent})"]
