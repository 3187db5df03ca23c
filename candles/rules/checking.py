"""Whether a declared strategy means something: names, numbers, what stands where."""

from collections.abc import Iterator
from typing import Final

from tapewire.candles.indicators.definition import IndicatorDefinition
from tapewire.candles.indicators.registry import INDICATORS, checked_parameters, hint
from tapewire.candles.rules.model import (
    CONDITIONS_MAX,
    DeclaredStrategy,
    ExitDistance,
    ExitTime,
    IndicatorCondition,
    IndicatorValue,
    Rule,
    RuleGroup,
)
from tapewire.candles.rules.problems import Path
from tapewire.candles.timeframes import Timeframe
from tapewire.errors import ConfigError

_MEASURES: Final = ("percent", "fixed", "atr")
SIDES: Final = ("long", "short")

Problem = tuple[Path, str]


def problems_of(strategy: DeclaredStrategy) -> Iterator[Problem]:
    """Give what is wrong with a strategy whose form is right: (path, sentence)."""
    yield from _timeframe_problems(strategy)
    frames = {strategy.timeframes.primary, *strategy.timeframes.secondary}
    if strategy.entry_rules.long is None and strategy.entry_rules.short is None:
        yield ("entry_rules",), "expected rules for long or short, found neither"
    count = 0
    for key in ("entry_rules", "exit_rules"):
        for side in SIDES:
            rule: Rule | None = getattr(getattr(strategy, key), side)
            if rule is None:
                continue
            path: Path = (key, side)
            if key == "exit_rules" and getattr(strategy.entry_rules, side) is None:
                yield path, f"expected entry_rules.{side} beside it, found none"
            for place, part in parts_of(rule, path):
                count += 1
                yield from _part_problems(place, part, frames)
            yield from _exit_problems(path, rule, may_exit=key == "exit_rules")
    if count > CONDITIONS_MAX:
        yield (), f"expected at most {CONDITIONS_MAX} groups and conditions, found {count}"


def parts_of(rule: Rule, path: Path) -> Iterator[tuple[Path, Rule]]:
    """Give a rule and all those within it, each with its path."""
    yield path, rule
    if isinstance(rule, RuleGroup):
        for place, inner in enumerate(rule.conditions):
            yield from parts_of(inner, (*path, "conditions", place))


def _timeframe_problems(strategy: DeclaredStrategy) -> Iterator[Problem]:
    names = strategy.timeframes
    paths: list[tuple[Path, str]] = [(("timeframes", "primary"), names.primary)]
    paths += [(("timeframes", "secondary", k), name) for k, name in enumerate(names.secondary)]
    seen: set[str] = set()
    for path, name in paths:
        try:
            Timeframe.of(name)
        except ConfigError as error:
            yield path, str(error)
        if name in seen:
            yield path, f"expected each timeframe once, found {name} again"
        seen.add(name)


def _part_problems(path: Path, part: Rule, frames: set[str]) -> Iterator[Problem]:
    if isinstance(part, RuleGroup):
        if part.operator == "NOT" and len(part.conditions) != 1:
            yield (*path, "conditions"), f"expected one with NOT, found {len(part.conditions)}"
    elif isinstance(part, ExitDistance):
        given = [name for name in _MEASURES if getattr(part, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            yield path, f"expected one of {', '.join(_MEASURES)}, found {found}"
        if part.period is not None and part.atr is None:
            yield (*path, "period"), "expected with atr only"
    elif isinstance(part, IndicatorCondition):
        yield from _condition_problems(path, part, frames)


def _condition_problems(
    path: Path, part: IndicatorCondition, frames: set[str]
) -> Iterator[Problem]:
    found = list(_value_problems(path, part, frames))
    yield from found
    definition = INDICATORS.get(part.indicator)
    if isinstance(part.value, IndicatorValue):
        inner = (*path, "value")
        wrong = list(_value_problems(inner, part.value, frames))
        yield from wrong
        if not found and not wrong and definition is not None:
            units = _unit(definition, part), _unit(INDICATORS[part.value.indicator], part.value)
            if units[0] != units[1]:
                yield inner, f"expected a {units[0]} to compare with, found a {units[1]}"
    elif part.value is None and definition is not None:
        # What it is compared with goes with its first output.
        if definition.against is None or definition.output(part.output) != 0:
            yield path, f"expected a key value to compare {_called(definition, part)} with"


def _called(definition: IndicatorDefinition, part: IndicatorValue) -> str:
    return f"{definition.name}.{part.output}" if part.output else definition.name


def _unit(definition: IndicatorDefinition, part: IndicatorValue) -> str:
    return definition.outputs[definition.output(part.output) or 0].unit


def _value_problems(path: Path, part: IndicatorValue, frames: set[str]) -> Iterator[Problem]:
    if part.timeframe is not None and part.timeframe not in frames:
        known = ", ".join(sorted(frames))
        yield (
            (*path, "timeframe"),
            f"expected one of the strategy's timeframes ({known}), found {part.timeframe!r}",
        )
    definition = INDICATORS.get(part.indicator)
    if definition is None:
        yield (
            (*path, "indicator"),
            f"there is no indicator {part.indicator!r}: {hint(part.indicator, INDICATORS)}",
        )
        return
    try:
        checked_parameters(part.indicator, part.params)
    except ConfigError as error:
        yield (*path, "params"), str(error)
    if definition.output(part.output) is None:
        known = ", ".join(one.name for one in definition.outputs)
        yield (
            (*path, "output"),
            f"expected one of {definition.name}'s outputs ({known}), found {part.output!r}",
        )


def _exit_problems(path: Path, rule: Rule, *, may_exit: bool) -> Iterator[Problem]:
    """Stops and targets are no conditions of bars: they stand in exit_rules, joined by OR alone."""
    kinds: set[str] = set()
    for place, part in parts_of(rule, path):
        if not isinstance(part, (ExitDistance, ExitTime)):
            continue
        if not may_exit:
            yield place, f"expected {part.type} in exit_rules"
        elif place not in _reachable(rule, path):
            yield place, f"expected {part.type} under the outermost OR, found it under AND or NOT"
        if part.type in kinds:
            yield place, f"expected one {part.type} a side, found another"
        kinds.add(part.type)


def _reachable(rule: Rule, path: Path) -> set[Path]:
    """Return the paths of parts that, holding, make the rule hold, by ORs alone."""
    found = {path}
    if isinstance(rule, RuleGroup):
        if rule.operator == "OR" or (rule.operator == "AND" and len(rule.conditions) == 1):
            for place, inner in enumerate(rule.conditions):
                found |= _reachable(inner, (*path, "conditions", place))
    return found
