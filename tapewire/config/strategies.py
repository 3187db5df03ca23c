"""Checks a strategy's parameters against what the strategy declares."""

from pathlib import Path
from typing import Any

from tapewire.config.parameters import check_values
from tapewire.config.problems import Problems
from tapewire.config.schema import StrategyEntry
from tapewire.config.wording import suggest
from tapewire.config.yaml import KeyPath


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


def parameters_in_force(strategy: StrategyEntry) -> dict[str, Any]:
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


def checked_parameters(strategy: StrategyEntry, where: KeyPath) -> dict[str, Any]:
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


def check_parameters(strategy: StrategyEntry, where: KeyPath, problems: Problems) -> dict[str, Any]:
    """Note every problem of the strategy's type and parameters; return the values without one."""
    from tapewire.strategies import STRATEGIES

    declaration = STRATEGIES.get(strategy.type)
    if declaration is None:
        hint = suggest(strategy.type, STRATEGIES)
        problems.add((*where, "type"), f"unknown strategy {strategy.type!r}, {hint}")
        return {}
    specs = declaration.parameters
    return check_values(
        specs,
        strategy.parameters,
        (*where, "parameters"),
        problems,
        unknown=lambda name: f"{strategy.type} has no such parameter, {suggest(name, specs)}",
        missing=lambda spec: f"{strategy.type} needs this parameter ({spec.doc})",
    )
