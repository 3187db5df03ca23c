"""Rules that are mixed of two strategies', and rules that are changed a little.

A rule's parts are nodes of a tree. Only a node of the same kind may stand where one stood: a
condition or a group of them (wherever it is, to enter or to leave), a stop, target or trailing stop
for one of its type, an end by time, all that ends a position, all rules of a side.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.candles.indicators.registry import INDICATORS
from tapewire.generator.canonical import Json
from tapewire.generator.constraints import StrategyConstraints
from tapewire.generator.drawing import (
    ABOUT_ZERO,
    COMPARISONS,
    PERIODS,
    QUARTERS,
    Draws,
    RuleDrawing,
)

Path = tuple[str | int, ...]

SIDES: Final = ("long", "short")
_KEYS: Final = ("entry_rules", "exit_rules")
#: A number that changes is multiplied by e to a power up to this, either way: by a half to two.
_STEP: Final = math.log(2.0)
#: Of what a distance is measured in: least, most, and steps of 1.
_DISTANCE_BOUNDS: Final = {"percent": (0.5, 10.0, 2), "atr": (1.0, 5.0, 2)}
_RANGE_PERIODS: Final = (5, 50)


@dataclass(frozen=True)
class RuleNode:
    """A part of rules that may be put in another's place.

    Attributes
    ----------
    path : tuple
        Keys and places that lead to it.
    kind : str
        ``condition``, ``exits``, ``stop_loss``, ``take_profit``, ``trailing_stop``, ``time_exit``
        or ``side``.
    """

    path: Path
    kind: str


def nodes_of(rules: Json) -> list[RuleNode]:
    """Return the nodes of rules in canonical form, from the outermost to the inner ones."""
    found = [RuleNode((side,), "side") for side in SIDES]
    for key in _KEYS:
        for side, rule in rules.get(key, {}).items():
            found += [RuleNode(path, _kind_of(part)) for path, part in _walk(rule, (key, side))]
    return found


def _walk(rule: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    yield path, rule
    for place, inner in enumerate(rule.get("conditions", ())):
        yield from _walk(inner, (*path, "conditions", place))


def _kind_of(rule: Json) -> str:
    if "type" in rule:
        return str(rule["type"])
    is_condition = all("type" not in part for _, part in _walk(rule, ()))
    return "condition" if is_condition else "exits"


def crossed(mother: Json, father: Json, draws: Draws) -> Json:
    """Return the mother's rules, one node of which, at a drawn point, is a node of the father's.

    It may break a bound or be no strategy: where that is so, the caller draws again.

    Parameters
    ----------
    mother, father
        Rules in canonical form, of one primary timeframe.
    draws
        Of this child alone.
    """
    theirs: dict[str, list[RuleNode]] = {}
    for node in nodes_of(father):
        theirs.setdefault(node.kind, []).append(node)
    point = draws.one([node for node in nodes_of(mother) if node.kind in theirs])
    child = copy.deepcopy(mother)
    if point.kind == "side":
        _take_side(child, father, str(point.path[0]))
    else:
        other = draws.one(theirs[point.kind])
        _replace(child, point.path, copy.deepcopy(_at(father, other.path)))
    return child


def _take_side(child: Json, father: Json, side: str) -> None:
    """Have the father's rules of one side, or none if it has none and the child has others."""
    other = next(one for one in SIDES if one != side)
    if side not in father["entry_rules"] and other not in child["entry_rules"]:
        return
    for key in _KEYS:
        rules = child.setdefault(key, {})
        rules.pop(side, None)
        if side in father.get(key, {}):
            rules[side] = copy.deepcopy(father[key][side])


def _at(rules: Json, path: Path) -> Any:
    found: Any = rules
    for part in path:
        found = found[part]
    return found


def _replace(rules: Json, path: Path, part: Json) -> None:
    _at(rules, path[:-1])[path[-1]] = part


class RuleMutation:
    """Changes of rules, each part by itself with one probability.

    What changes of a condition is its comparison, its level, each parameter and the timeframe of an
    indicator; of a stop or target its distance and the period of its range; of an end by time its
    bars. A number becomes between half and twice as much, a level at most a quarter of its span
    more or less. Half as often as any of these a condition more is drawn, one is left out, and AND
    and OR change places.

    Parameters
    ----------
    draws
        Of this child alone.
    rate
        Probability of each change.
    bounds, timeframes
        What is drawn anew keeps to.
    """

    def __init__(
        self, draws: Draws, rate: float, bounds: StrategyConstraints, timeframes: Sequence[str]
    ) -> None:
        self._draws, self._rate = draws, rate
        self._bounds, self._timeframes = bounds, timeframes

    def of(self, rules: Json) -> Json:
        """Return rules that are changed; they may break a bound or be no strategy."""
        child = copy.deepcopy(rules)
        for key in _KEYS:
            for side in SIDES:
                if side in child.get(key, {}):
                    for _, part in list(_walk(child[key][side], ())):
                        self._part(part)
        for change in (self._more, self._less, self._join_otherwise):
            if self._draws.chance(self._rate / 2):
                change(child)
        return child

    def _part(self, part: Json) -> None:
        if "indicator" in part:
            self._condition(part)
        elif part.get("type") == "time_exit":
            if self._changes():
                part["bars"] = self._whole(part["bars"], PERIODS)
        elif "type" in part:
            self._distance(part)

    def _changes(self) -> bool:
        return self._draws.chance(self._rate)

    def _condition(self, part: Json) -> None:
        if self._changes():
            part["comparison"] = self._draws.one(COMPARISONS)
        self._indicator(part)
        if isinstance(part["value"], dict):
            self._indicator(part["value"])
        elif self._changes():
            part["value"] = self._level(part)

    def _indicator(self, value: Json) -> None:
        if self._changes():
            value["timeframe"] = self._draws.one(self._timeframes)
        params = value["params"]
        for name, spec in INDICATORS[value["indicator"]].parameters.items():
            if self._changes():
                if spec.type is int:
                    params[name] = self._whole(params[name], PERIODS)
                else:
                    low, high = QUARTERS
                    params[name] = self._whole(round(4 * params[name]), (low, high)) / 4
        if "fast" in params:
            fast, slow = sorted((params["fast"], params["slow"]))
            params |= {"fast": fast, "slow": slow + (fast == slow)}

    def _level(self, part: Json) -> float:
        """Another level near one; of 21 that its span has, one of the five on either side."""
        definition = INDICATORS[part["indicator"]]
        output = definition.outputs[definition.output(part["output"]) or 0]
        low, high = output.low, output.high
        if low is None or high is None:
            most = ABOUT_ZERO.get(output.unit, 0.0)
            if not most:
                return float(part["value"] * math.exp(self._power()))
            low, high = -most, most
        step = (high - low) / 20
        place = round((part["value"] - low) / step) + self._draws.whole(-5, 5)
        return float(low + step * min(19, max(1, place)))

    def _distance(self, part: Json) -> None:
        if self._changes():
            measure = next(name for name in ("percent", "fixed", "atr") if name in part)
            amount = part[measure] * math.exp(self._power())
            if measure in _DISTANCE_BOUNDS:
                low, high, steps = _DISTANCE_BOUNDS[measure]
                amount = min(high, max(low, round(amount * steps) / steps))
            part[measure] = amount
        if "period" in part and self._changes():
            part["period"] = self._whole(part["period"], _RANGE_PERIODS)

    def _power(self) -> float:
        return (self._draws.whole(0, 200) / 100 - 1.0) * _STEP

    def _whole(self, value: int, bounds: tuple[int, int]) -> int:
        """A whole number near one, and another one where there is one within bounds."""
        power = self._power()
        found = round(value * math.exp(power))
        if found == value:
            found += 1 if power >= 0.0 else -1
        return min(bounds[1], max(bounds[0], found))

    def _more(self, child: Json) -> None:
        """One condition more: of those that have to hold to enter, or that let it leave."""
        drawing = RuleDrawing(self._draws, self._bounds, self._timeframes)
        drawn = drawing.conditions(1)
        key = self._draws.one(_KEYS)
        side = self._draws.one([one for one in SIDES if one in child["entry_rules"]])
        if not drawn:
            return
        rules = child.setdefault(key, {})
        there = [rules[side]] if side in rules else []
        joined = {"operator": "AND" if key == "entry_rules" else "OR"}
        parts = [*there, *drawn]
        rules[side] = {**joined, "conditions": parts} if len(parts) > 1 else parts[0]

    def _less(self, child: Json) -> None:
        """One part less of a group that has several."""
        if groups := self._groups(child, lambda group: len(group["conditions"]) > 1):
            parts = self._draws.one(groups)["conditions"]
            parts.pop(self._draws.whole(0, len(parts) - 1))

    def _join_otherwise(self, child: Json) -> None:
        """AND becomes OR, or OR AND, in a group of conditions alone."""
        if groups := self._groups(child, lambda group: _kind_of(group) == "condition"):
            group = self._draws.one(groups)
            group["operator"] = "OR" if group["operator"] == "AND" else "AND"

    def _groups(self, child: Json, fits: Callable[[Json], bool]) -> list[Json]:
        rules = [child[key][side] for key in _KEYS for side in SIDES if side in child.get(key, {})]
        parts = [part for rule in rules for _, part in _walk(rule, ())]
        return [part for part in parts if part.get("operator") in ("AND", "OR") and fits(part)]
