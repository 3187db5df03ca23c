"""Strategies drawn at random, each from a seed of its own: the same whoever draws the others.

What is drawn is always valid. Its numbers lie where people look: periods of 2 to 200 bars, levels
within the bounds that an indicator has, stops of 0.5 to 10 percent or 1 to 5 average true ranges.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from tapewire.candles.indicators.definition import PRICE, IndicatorDefinition
from tapewire.candles.indicators.registry import INDICATORS
from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.timeframes import Timeframe
from tapewire.compiled.draws import key_of
from tapewire.errors import ConfigError
from tapewire.generator._kernels import fill_uniform
from tapewire.generator.canonical import Json
from tapewire.generator.constraints import StrategyConstraints
from tapewire.generator.making import made_of

#: Timeframes of strategies where nobody says which: the specification's.
TIMEFRAMES: Final = ("1h", "4h", "1d")
PERIODS: Final = (2, 200)
#: Of factors, as the width of a band: 0.5 to 4.
QUARTERS: Final = (2, 16)
#: Fresh draws for one place before it is said that there are no more.
_ATTEMPTS_MAX: Final = 10_000
COMPARISONS: Final = ("crosses_above", "crosses_below", "greater_than", "less_than")
#: Levels about 0 of indicators without bounds, in what they are measured in.
ABOUT_ZERO: Final = {"percent": 5.0, "index": 200.0, "volume": 0.0}
#: Of what has a price's unit, those that lie where prices lie; the others are differences of them.
_WHERE_PRICES_ARE: Final = frozenset(
    ("open", "high", "low", "close", "sma", "ema", "wma", "vwap", "bbands", "highest", "lowest")
)
#: Numbers that are drawn at once: a strategy takes about so many.
_BLOCK: Final = 64
T = TypeVar("T")


class Draws:
    """Draws one after the other, which depend on a key alone."""

    def __init__(self, key: int) -> None:
        self._key = key
        self._drawn = 0
        self._left: list[float] = []

    def _uniform(self) -> float:
        """At least 0, below 1."""
        if not self._left:
            block = np.empty(_BLOCK)
            fill_uniform(block, self._key, self._drawn)
            self._left = block[::-1].tolist()
            self._drawn += _BLOCK
        return self._left.pop()

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return self._uniform() < share

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self._uniform() * (high - low + 1))

    def proportional(self, low: int, high: int) -> int:
        """A whole number above 0; small ones as often as large ones in proportion."""
        drawn = math.exp(math.log(low) + self._uniform() * (math.log(high + 1) - math.log(low)))
        return min(high, max(low, int(drawn)))

    def one(self, values: Sequence[T]) -> T:
        """One of them."""
        return values[self.whole(0, len(values) - 1)]

    def some(self, values: Sequence[T], count: int) -> list[T]:
        """So many of them, each once at most."""
        left = list(values)
        return [left.pop(self.whole(0, len(left) - 1)) for _ in range(count)]


def draw_strategies(
    count: int,
    *,
    seed: int = 0,
    constraints: StrategyConstraints | None = None,
    timeframes: Sequence[str] = TIMEFRAMES,
) -> Iterator[DeclaredStrategy]:
    """Draw strategies, no two of which are one.

    Parameters
    ----------
    count
        How many.
    seed
        The same one gives the same strategies; more of them begin with fewer of them.
    constraints
        What each keeps to.
    timeframes
        The primary one first; of the others each strategy may look at some.

    Yields
    ------
    DeclaredStrategy
        Named ``random-SEED-NUMBER``, its rules in canonical form.

    Raises
    ------
    ConfigError
        If there are not so many different ones within the constraints, or a timeframe is none.
    """
    bounds = constraints or StrategyConstraints()
    frames = checked_frames(timeframes)
    seen: set[str] = set()
    attempt = 0
    for number in range(count):
        for _ in range(_ATTEMPTS_MAX):
            drawn = draw_rules(Draws(key_of(seed, "strategy", attempt)), bounds, frames)
            attempt += 1
            if drawn is None:
                continue
            made = made_of(f"random-{seed}-{number:06}", drawn)
            if made.hash not in seen and not made.fault(bounds):
                break
        else:
            raise ConfigError(
                f"expected {count:,} different strategies within the constraints, found "
                f"{number:,} and none in {_ATTEMPTS_MAX:,} more draws; allow more indicators, "
                "conditions or timeframes, or ask for fewer"
            )
        seen.add(made.hash)
        yield made.strategy


def checked_frames(timeframes: Sequence[str]) -> tuple[str, ...]:
    """Return timeframes, the primary one first; refuse them if it is not the shortest."""
    if not timeframes:
        raise ConfigError("timeframes: expected at least one, found none")
    try:
        lengths = [Timeframe.of(name) for name in timeframes]
    except ConfigError as error:
        raise ConfigError(f"timeframes: {error}") from None
    for name, length in zip(timeframes[1:], lengths[1:], strict=True):
        if length.length_ns <= lengths[0].length_ns:
            raise ConfigError(
                f"timeframes: expected the primary one first, which is the shortest, found {name} "
                f"after {timeframes[0]}"
            )
    return tuple(timeframes)


def draw_rules(draws: Draws, bounds: StrategyConstraints, timeframes: Sequence[str]) -> Json | None:
    """Draw timeframes and rules of one strategy, JSON-ready; they may still break a bound.

    None: what was drawn has nothing to be compared with.

    Parameters
    ----------
    draws
        Of this one alone.
    bounds
        What its parts are chosen by.
    timeframes
        The primary one first.
    """
    secondary = list(timeframes[1:])
    used = draws.some(secondary, draws.whole(0, min(len(secondary), bounds.max_timeframes - 1)))
    rules = RuleDrawing(draws, bounds, [timeframes[0], *used])
    sides = draws.one((("long",), ("short",), ("long", "short")))
    if bounds.max_conditions < 2:
        sides = sides[:1]
    most = max(1, bounds.max_conditions // (2 * len(sides)))
    entry, leave = {}, {}
    for side in sides:
        enters = rules.conditions(draws.whole(1, min(3, most)))
        leaves = rules.conditions(draws.whole(0, 1) if most > 1 else 0)
        if enters is None or leaves is None:
            return None
        entry[side] = _group("AND", enters)
        leave[side] = _group("OR", [*leaves, *rules.distances()])
    return {
        "timeframes": {"primary": timeframes[0], "secondary": sorted(used)},
        "entry_rules": entry,
        "exit_rules": leave,
    }


def _group(operator: str, parts: list[Json]) -> Json:
    return parts[0] if len(parts) == 1 else {"operator": operator, "conditions": parts}


class RuleDrawing:
    """Parts of one strategy's rules, of a few indicators that come up again and again.

    Parameters
    ----------
    draws
        Of this strategy alone.
    bounds
        What its parts are chosen by.
    timeframes
        That it looks at.
    """

    def __init__(
        self, draws: Draws, bounds: StrategyConstraints, timeframes: Sequence[str]
    ) -> None:
        self._draws = draws
        self._timeframes = timeframes
        self._allowed = names = bounds.allowed
        few = draws.some(names, draws.whole(1, min(len(names), bounds.max_indicators)))
        self._values = [self._indicator(INDICATORS[name]) for name in few]

    def distances(self) -> list[Json]:
        """A stop, and often a target and an end by time."""
        draws = self._draws
        parts = [self.distance(draws.one(("stop_loss", "trailing_stop")))]
        if draws.chance(0.7):
            parts.append(self.distance("take_profit"))
        if draws.chance(0.3):
            parts.append({"type": "time_exit", "bars": draws.proportional(*PERIODS)})
        return parts

    def conditions(self, count: int) -> list[Json] | None:
        """So many comparisons, or as many as it has indicators; None: one is with nothing."""
        found = []
        for left in self._draws.some(self._values, min(count, len(self._values))):
            if (condition := self._condition(left)) is None:
                return None
            found.append(condition)
        return found

    def _condition(self, left: Json) -> Json | None:
        draws = self._draws
        definition = INDICATORS[left["indicator"]]
        output = definition.outputs[0]
        compared = {**left, "comparison": draws.one(COMPARISONS)}
        if definition.against is not None:
            return compared
        if output.low is not None and output.high is not None:
            share = draws.whole(2, 18) / 20
            return {**compared, "value": output.low + (output.high - output.low) * share}
        if output.unit in ABOUT_ZERO and definition.name != "volume":
            return {**compared, "value": ABOUT_ZERO[output.unit] * draws.whole(-10, 10) / 10}
        other = self._other(definition, left)
        return None if other is None else {**compared, "value": other}

    def _other(self, definition: IndicatorDefinition, left: Json) -> Json | None:
        """What an indicator of prices is compared with, a known one or a new one, if any is."""
        draws = self._draws
        alike = [name for name in self._allowed if _alike(definition, INDICATORS[name])]
        if not alike:
            return None
        known = [one for one in self._values if one["indicator"] in alike and one != left]
        if known and draws.chance(0.5):
            return draws.one(known)
        new = [self._indicator(INDICATORS[name]) for name in draws.some(alike, 1)]
        return next((one for one in new if one != left), None)

    def _indicator(self, definition: IndicatorDefinition) -> Json:
        timeframe = self._draws.one(self._timeframes)
        params: dict[str, Any] = {}
        for name, spec in definition.parameters.items():
            if spec.type is int:
                params[name] = self._draws.proportional(*PERIODS)
            else:
                params[name] = self._draws.whole(*QUARTERS) / 4
        if "fast" in params:
            fast, slow = sorted((params["fast"], params["slow"]))
            params |= {"fast": fast, "slow": slow + (fast == slow)}
        return {"indicator": definition.name, "timeframe": timeframe, "params": params}

    def distance(self, kind: str) -> Json:
        """A stop or a target, in percent or average true ranges."""
        draws = self._draws
        if draws.chance(0.5):
            return {"type": kind, "percent": draws.whole(1, 20) / 2}
        return {"type": kind, "atr": draws.whole(2, 10) / 2, "period": draws.proportional(5, 50)}


def _alike(one: IndicatorDefinition, other: IndicatorDefinition) -> bool:
    """Whether two indicators may meet: of prices, and both where these lie or neither."""
    levels = [definition.name in _WHERE_PRICES_ARE for definition in (one, other)]
    units = [definition.outputs[0].unit for definition in (one, other)]
    return units == [PRICE, PRICE] and levels[0] == levels[1] and other.against is None
