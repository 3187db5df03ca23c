"""Checks a strategy's parameters against what the strategy declares."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapewire.config.problems import Problems
from tapewire.config.schema import Strategy
from tapewire.config.wording import close_name, describe, suggest
from tapewire.config.yaml import KeyPath

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}


def known_strategies() -> list[str]:
    """Return the type names a configuration may use."""
    from tapewire.strategies import STRATEGIES

    return sorted(STRATEGIES)


def path_parameters(kind: object) -> list[str]:
    """Return which parameters of a strategy type are paths; none for an unknown type."""
    from tapewire.strategies import STRATEGIES

    definition = STRATEGIES.get(kind) if isinstance(kind, str) else None
    if definition is None:
        return []
    return [name for name, spec in definition.parameters.items() if spec.type is Path]


def parameters_in_force(strategy: Strategy) -> dict[str, Any]:
    """Return every declared parameter as a configuration writes it; the declared order.

    What was given stays as it was given, what was not is the default. The strategy's parameters
    must have been found right.
    """
    from tapewire.strategies import STRATEGIES

    return {
        name: strategy.parameters.get(name, _plain(spec.default))
        for name, spec in STRATEGIES[strategy.type].parameters.items()
    }


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def checked_parameters(strategy: Strategy, where: KeyPath) -> dict[str, Any]:
    """Return every declared parameter of the strategy with its value, typed and in range.

    Parameters
    ----------
    strategy
        One entry of the configuration.
    where
        Its key path, for messages.

    Raises
    ------
    ConfigError
        Unknown type or parameter, a missing one, a wrong type or a value below the minimum.
    """
    problems = Problems()
    values = check_parameters(strategy, where, problems)
    problems.raise_if_any()
    return values


def check_parameters(strategy: Strategy, where: KeyPath, problems: Problems) -> dict[str, Any]:
    """Note every problem of the strategy's type and parameters; return the values without one."""
    from tapewire.strategies import STRATEGIES

    declaration = STRATEGIES.get(strategy.type)
    if declaration is None:
        hint = suggest(strategy.type, STRATEGIES)
        problems.add((*where, "type"), f"unknown strategy {strategy.type!r}, {hint}")
        return {}
    specs = declaration.parameters
    values: dict[str, Any] = {}
    misspelt: set[str | None] = set()
    for name in strategy.parameters:
        if name not in specs:
            misspelt.add(close_name(name, specs))
            problems.add(
                (*where, "parameters", name),
                f"{strategy.type} has no such parameter, {suggest(name, specs)}",
            )
    for name, spec in specs.items():
        path = (*where, "parameters", name)
        if name not in strategy.parameters:
            if spec.default is None and name not in misspelt:
                problems.add(path, f"{strategy.type} needs this parameter ({spec.doc})")
            values[name] = spec.default
            continue
        found = strategy.parameters[name]
        value = _converted(found, spec.type)
        if value is None:
            kind = _KINDS.get(spec.type, "a path")
            problems.add(path, f"expected {kind}, found {describe(found)}")
        elif spec.minimum is not None and value < spec.minimum:
            problems.add(path, f"expected at least {spec.minimum}, found {describe(found)}")
        elif spec.maximum is not None and value > spec.maximum:
            problems.add(path, f"expected at most {spec.maximum}, found {describe(found)}")
        else:
            values[name] = value
    return values


def _converted(value: object, kind: type) -> Any:
    """Return `value` as `kind` where it is one, None where it is not; bools are no numbers."""
    if isinstance(value, bool):
        return value if kind is bool else None
    if kind is int:
        return value if isinstance(value, int) and abs(value) < 2**63 else None
    if kind is float:
        if not isinstance(value, (int, float, Decimal)):
            return None
        number = float(value)
        return number if math.isfinite(number) else None
    if kind is Path:
        return Path(value) if isinstance(value, str) and value else None
    return value if isinstance(value, kind) else None
