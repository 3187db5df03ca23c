"""Finds the strategies of a configuration, and checks their parameters against what is declared."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapewire.config.finding import (
    find_strategy,
    give_strategy,
    is_strategy,
    known_strategy,
    load_strategy,
)
from tapewire.config.parameters import check_values
from tapewire.config.problems import Problems
from tapewire.config.schema import NAME_MAX, StrategyEntry
from tapewire.config.wording import suggest
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError


def known_strategies() -> list[str]:
    """Return the type names a configuration may use."""
    from tapewire.strategies import STRATEGIES

    return sorted(STRATEGIES)


def place_strategies(raw: dict[str, Any], base: Path, problems: Problems) -> None:
    """Load the strategies of a configuration; their types are then found from anywhere.

    Parameters
    ----------
    raw
        The configuration as plain values; a type may be an object. Types are written anew.
    base
        Folder that their files and modules are looked for in.
    problems
        Where what can't be found or loaded goes.
    """
    for i, strategy in enumerate(raw.get("strategy") or ()):
        kind = strategy.get("type") if isinstance(strategy, dict) else None
        try:
            if is_strategy(kind):
                strategy["type"] = kind = give_strategy(kind)
            if isinstance(kind, str):
                strategy["type"] = load_strategy(kind, base).kind
        except ConfigError as error:
            problems.add(("strategy", i, "type"), str(error))


def default_name(kind: str) -> str:
    """Return what a strategy of a type is called where its entry does not say."""
    found = known_strategy(kind)
    name = kind if found is None else getattr(found.definition, "name", kind)
    return re.sub(r"[^\w.:-]", "_", name)[:NAME_MAX]


def path_parameters(kind: object) -> list[str]:
    """Return which parameters of a strategy type are paths; none for an unknown type."""
    found = known_strategy(kind)
    specs: Mapping[str, Any] = {} if found is None else found.definition.parameters
    return [name for name, spec in specs.items() if spec.type is Path]


def parameters_in_force(strategy: StrategyEntry) -> dict[str, Any]:
    """Return every declared parameter as a configuration writes it; the declared order.

    What was given stays as it was given, what was not is the default. The strategy's parameters
    must have been found right.
    """
    return {
        name: strategy.parameters.get(name, _plain(spec.default))
        for name, spec in find_strategy(strategy.type).parameters.items()
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
    found = known_strategy(strategy.type)
    try:
        definition = find_strategy(strategy.type) if found is None else found.definition
    except ConfigError as error:
        problems.add((*where, "type"), str(error))
        return {}
    specs = definition.parameters
    label = strategy.type if found is None or not found.sources else default_name(strategy.type)
    return check_values(
        specs,
        strategy.parameters,
        (*where, "parameters"),
        problems,
        unknown=lambda name: f"{label} has no such parameter, {suggest(name, specs)}",
        missing=lambda spec: f"{label} needs this parameter ({spec.doc})",
    )
