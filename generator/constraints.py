"""What generated strategies must keep to, and how complex one is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.candles.indicators.registry import INDICATORS, find_indicator
from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.rules.plan import JoinedRules, SeriesKey, plan_of
from tapewire.errors import ConfigError

#: What each adds to the score of a strategy: at the usual bounds of all three it is 100.
_CONDITION: Final = 5.0
_INDICATOR: Final = 6.0
_TIMEFRAME: Final = 10.0
LEAST_SCORE: Final = _CONDITION + _INDICATOR


@dataclass(frozen=True)
class StrategyParts:
    """What a strategy is made of, as constraints count it.

    Attributes
    ----------
    conditions : int
        Comparisons; stops, targets and time exits are none.
    indicators : int
        Different ones: the same with other parameters or of another timeframe is another.
    timeframes : int
        That it looks at, the primary one among them.
    names : tuple of str
        Of its indicators, each once.
    """

    conditions: int
    indicators: int
    timeframes: int
    names: tuple[str, ...]

    @property
    def score(self) -> float:
        """5 a condition, 6 an indicator, 10 a timeframe beside the primary one."""
        more = self.timeframes - 1
        return _CONDITION * self.conditions + _INDICATOR * self.indicators + _TIMEFRAME * more


def parts_of(strategy: DeclaredStrategy) -> StrategyParts:
    """Count what a checked strategy is made of; a condition in two rules counts twice."""
    plan = plan_of(strategy, 1.0)
    sources: dict[object, str] = {}
    frames = {plan.primary}
    conditions = 0
    for rule in plan.rules:
        todo = [rule]
        while todo:
            part = todo.pop()
            if part is None:
                continue
            if isinstance(part, JoinedRules):
                todo += part.parts
                continue
            conditions += 1
            for key in (part.left, part.right):
                if isinstance(key, SeriesKey):
                    sources[key.source] = key.source.indicator
                    frames.add(key.source.timeframe)
    names = tuple(dict.fromkeys(sources.values()))
    return StrategyParts(conditions, len(sources), len(frames), names)


def parts_of_rules(rules: Mapping[str, Any]) -> StrategyParts:
    """Count the same of rules in canonical form, which write all of it out."""
    conditions = 0
    sources: dict[object, str] = {}
    frames = {rules["timeframes"]["primary"]}
    both = (rules["entry_rules"], rules.get("exit_rules", {}))
    todo = [rule for sides in both for rule in sides.values()]
    while todo:
        part = todo.pop()
        if "operator" in part:
            todo += part["conditions"]
        elif "indicator" in part:
            conditions += 1
            for one in (part, part["value"]):
                if isinstance(one, dict):
                    name, frame = one["indicator"], one["timeframe"]
                    sources[name, frame, *one["params"].values()] = name
                    frames.add(frame)
    names = tuple(dict.fromkeys(sources.values()))
    return StrategyParts(conditions, len(sources), len(frames), names)


def complexity_score(strategy: DeclaredStrategy) -> float:
    """Return how complex a strategy is: see `StrategyParts.score`."""
    return parts_of(strategy).score


@dataclass(frozen=True)
class StrategyConstraints:
    """Bounds of a generated strategy: those of the specification, with its defaults.

    Parameters
    ----------
    max_indicators, max_conditions, max_timeframes : int
        As `StrategyParts` counts them.
    allowed_indicators : sequence of str, optional
        None: all that there are.
    complexity_score_max : float
        Of `complexity_score`.

    Raises
    ------
    ConfigError
        If nothing can meet them, or an indicator is unknown.
    """

    max_indicators: int = 5
    max_conditions: int = 10
    max_timeframes: int = 3
    allowed_indicators: Sequence[str] | None = None
    complexity_score_max: float = 100.0

    def __post_init__(self) -> None:
        for name in ("max_indicators", "max_conditions", "max_timeframes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, found {getattr(self, name)}")
        if not self.complexity_score_max >= LEAST_SCORE:
            raise ConfigError(
                f"complexity_score_max: expected at least {LEAST_SCORE:g}, which one condition on "
                f"one indicator has, found {self.complexity_score_max:g}"
            )
        for name in self.allowed:
            find_indicator(name)
        if not self.allowed:
            raise ConfigError("allowed_indicators: expected at least one, found none")

    @property
    def allowed(self) -> tuple[str, ...]:
        """Names of the indicators that may be used."""
        names = INDICATORS if self.allowed_indicators is None else self.allowed_indicators
        return tuple(dict.fromkeys(names))

    def fault(self, strategy: DeclaredStrategy) -> str:
        """What a checked strategy has too much of, in words; empty if it keeps to all of it."""
        return self.fault_of(parts_of(strategy))

    def fault_of(self, parts: StrategyParts) -> str:
        """Say the same of what a strategy is made of."""
        for what, found, most in (
            ("indicators", parts.indicators, self.max_indicators),
            ("conditions", parts.conditions, self.max_conditions),
            ("timeframes", parts.timeframes, self.max_timeframes),
        ):
            if found > most:
                return f"expected at most {most} {what}, found {found}"
        if wrong := [name for name in parts.names if name not in self.allowed]:
            return f"expected indicators that are allowed, found {', '.join(wrong)}"
        if parts.score > self.complexity_score_max:
            bound = self.complexity_score_max
            return f"expected a complexity of at most {bound:g}, found {parts.score:g}"
        return ""
