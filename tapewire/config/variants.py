"""One entry of a configuration that stands for many strategies: a grid, or a list of variants.

``parameters: {lookback: [50, 100], size: 1}`` is a strategy for each value, several lists are a
strategy for each combination: in the order in which the parameters are declared, the last varying
fastest. ``variants: [{lookback: 50}, {lookback: 100, size: 2}]`` lists them. They are called
``name.1``, ``name.2``, … and are what strategies of these names and parameters alone would be.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tapewire.config.parameters import check_values
from tapewire.config.problems import Problems
from tapewire.config.schema import NAME_MAX, StrategyEntry
from tapewire.config.strategies import definition_of, label_of
from tapewire.config.wording import describe, suggest
from tapewire.config.yaml import KeyPath

if TYPE_CHECKING:
    from tapewire.compiled.parameters import ParameterSpec

#: Strategies that one entry may stand for.
VARIANTS_MAX: Final = 10_000


@dataclass(frozen=True)
class Variant:
    """One strategy that an entry stands for.

    Attributes
    ----------
    name : str
        Its ``strategy_id``.
    parameters : dict
        Every declared parameter, typed and in range.
    varied : dict
        Those that make it what it is among the variants of its entry.
    variant_of : str or None
        The name of its entry; None where the entry is this strategy alone.
    """

    name: str
    parameters: dict[str, Any]
    varied: dict[str, Any] = field(default_factory=dict)
    variant_of: str | None = None


def checked_variants(strategy: StrategyEntry, where: KeyPath) -> list[Variant]:
    """Return the strategies that an entry of a configuration stands for.

    Raises
    ------
    ConfigError
        Unknown type or parameter, a missing one, a wrong type or a value out of bounds; too many.
    """
    problems = Problems()
    variants = check_variants(strategy, where, problems)
    problems.raise_if_any()
    return variants


def check_variants(strategy: StrategyEntry, where: KeyPath, problems: Problems) -> list[Variant]:
    """Note every problem of an entry's type, parameters and variants; return those without one."""
    definition = definition_of(strategy, where, problems)
    if definition is None:
        return []
    check = _Checker(strategy, definition.parameters, where, problems)
    if definition.free_parameters:  # a list is a value of the model's own here, and no grid
        return _free_variants(strategy, check, where, problems)
    lists = {
        name: values
        for name, values in strategy.parameters.items()
        if isinstance(values, list) and name in check.specs and check.specs[name].type is not list
    }
    if strategy.variants is None and not lists:
        return [Variant(strategy.name, check.values(strategy.parameters, check.in_parameters))]
    before = len(problems)
    if strategy.variants is None:
        parameters, varied = check.grid(lists)
    else:
        if lists:
            problems.add(
                (*where, "variants"),
                f"expected either variants or lists of values, found lists in parameters, too "
                f"({', '.join(lists)})",
            )
            return []
        parameters, varied = check.listed(strategy.variants)
    if len(problems) > before:
        return []
    names = [f"{strategy.name}.{k}" for k in range(1, len(parameters) + 1)]
    if names and len(names[-1]) > NAME_MAX:
        what = f"at most {NAME_MAX} letters with the number of a variant"
        problems.add((*where, "name"), f"expected {what}, found {names[-1]!r}")
        return []
    return [
        Variant(name, mine, which, strategy.name)
        for name, mine, which in zip(names, parameters, varied, strict=True)
    ]


def _require_finite(value: Any, where: KeyPath, problems: Problems) -> None:
    """Note numbers that are none: neither a model's messages nor a manifest can have them."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            _require_finite(one, (*where, key), problems)
    elif isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            _require_finite(one, (*where, number), problems)
    elif isinstance(value, (float, Decimal)) and not math.isfinite(value):
        problems.add(where, f"expected a finite number, found {describe(value)}")


def _free_variants(
    strategy: StrategyEntry, check: "_Checker", where: KeyPath, problems: Problems
) -> list[Variant]:
    """Return the strategies of an entry whose parameters nobody declares."""
    given = strategy.parameters
    before = len(problems)
    _require_finite(given, (*where, "parameters"), problems)
    for number, mine in enumerate(strategy.variants or ()):
        _require_finite(mine, (*where, "variants", number), problems)
    if len(problems) > before:
        return []
    if strategy.variants is None:
        return [Variant(strategy.name, dict(given))]
    if not strategy.variants:
        problems.add((*where, "variants"), "expected at least one, found an empty list")
    if check.too_many(len(strategy.variants), (*where, "variants")):
        return []
    return [
        Variant(f"{strategy.name}.{k}", {**given, **mine}, dict(mine), strategy.name)
        for k, mine in enumerate(strategy.variants, 1)
    ]


#: Parameters of every variant, and those of them that vary.
_Found = tuple[list[dict[str, Any]], list[dict[str, Any]]]


class _Checker:
    """Checks the parameters of one entry."""

    def __init__(
        self,
        strategy: StrategyEntry,
        specs: Mapping[str, "ParameterSpec"],
        where: KeyPath,
        problems: Problems,
    ) -> None:
        self.specs = specs
        self.in_parameters: KeyPath = (*where, "parameters")
        self._in_variants: KeyPath = (*where, "variants")
        self._strategy = strategy
        self._label = label_of(strategy.type)
        self._problems = problems

    def values(
        self,
        given: Mapping[str, Any],
        where: KeyPath,
        specs: "Mapping[str, ParameterSpec] | None" = None,
    ) -> dict[str, Any]:
        """Return the declared parameters, or some of them, typed; note what is wrong."""
        return check_values(
            self.specs if specs is None else specs,
            given,
            where,
            self._problems,
            unknown=lambda name: (
                f"{self._label} has no such parameter, {suggest(name, self.specs)}"
            ),
            missing=lambda spec: f"{self._label} needs this parameter ({spec.doc})",
        )

    def grid(self, lists: Mapping[str, list[Any]]) -> _Found:
        """Return the parameters of every combination, and those that vary."""
        given = {k: v for k, v in self._strategy.parameters.items() if k not in lists}
        base = self.values(given, self.in_parameters, self._without(lists))
        if self.too_many(math.prod(map(len, lists.values())), self.in_parameters):
            return [], []
        axes: dict[str, list[Any]] = {}
        for name in (name for name in self.specs if name in lists):
            where = (*self.in_parameters, name)
            if not lists[name]:
                self._problems.add(where, "expected a value or a list of them, found an empty list")
            numbered: dict[Any, Any] = dict(enumerate(lists[name]))
            specs: dict[Any, Any] = dict.fromkeys(numbered, self.specs[name])
            axes[name] = list(self.values(numbered, where, specs).values())
        varied = [
            dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
        ]
        return [self._in_order({**base, **mine}) for mine in varied], varied

    def listed(self, variants: list[dict[str, Any]]) -> _Found:
        """Return the parameters of every variant of a list, and those that vary."""
        if not variants:
            self._problems.add(self._in_variants, "expected at least one, found an empty list")
        if self.too_many(len(variants), self._in_variants):
            return [], []
        given = self._strategy.parameters
        names = {name for variant in variants for name in variant}
        base = self.values(given, self.in_parameters, self._without(names - given.keys()))
        parameters = []
        for k, variant in enumerate(variants):
            specs = {n: s for n, s in self.specs.items() if n in variant or n not in base}
            mine = self.values(variant, (*self._in_variants, k), specs)
            parameters.append(self._in_order({**base, **mine}))
        varying = [name for name in self.specs if name in names]
        return parameters, [{name: p.get(name) for name in varying} for p in parameters]

    def too_many(self, count: int, where: KeyPath) -> bool:
        """Whether that many variants are refused; then it is noted."""
        if count > VARIANTS_MAX:
            self._problems.add(
                where, f"expected at most {VARIANTS_MAX:,} variants, found {count:,}"
            )
        return count > VARIANTS_MAX

    def _without(self, names: Iterable[str]) -> dict[str, "ParameterSpec"]:
        left_out = set(names)
        return {name: spec for name, spec in self.specs.items() if name not in left_out}

    def _in_order(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[name] for name in self.specs if name in values}
