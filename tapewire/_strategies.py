"""Checks a strategy's parameters against what the strategy declares."""

import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapewire._config_errors import config_error, describe, suggest
from tapewire._yaml import KeyPath
from tapewire.config import Strategy

_KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}


def known_strategies() -> list[str]:
    """Return the type names a configuration may use."""
    from tapewire.router import STRATEGIES

    return sorted(STRATEGIES)


def path_parameters(kind: object) -> list[str]:
    """Return which parameters of a strategy type are paths; none for an unknown type."""
    from tapewire.router import STRATEGIES

    definition = STRATEGIES.get(kind) if isinstance(kind, str) else None
    if definition is None:
        return []
    return [name for name, spec in definition.parameters.items() if spec.type is Path]


def checked_parameters(
    strategy: Strategy, where: KeyPath, source: str, lines: Mapping[KeyPath, int]
) -> dict[str, Any]:
    """Return every declared parameter of the strategy with its value, typed and in range.

    Parameters
    ----------
    strategy
        One entry of the configuration.
    where, source, lines
        Its key path, the name of the file and the line of each key path, for messages.

    Raises
    ------
    ConfigError
        Unknown type or parameter, a missing one, a wrong type or a value below the minimum.
    """
    from tapewire.router import STRATEGIES

    known_lines = dict(lines)
    declaration = STRATEGIES.get(strategy.type)
    if declaration is None:
        hint = suggest(strategy.type, STRATEGIES)
        raise config_error(
            (*where, "type"), f"unknown strategy {strategy.type!r}, {hint}", source, known_lines
        )
    specs = declaration.parameters
    values: dict[str, Any] = {}
    for name in strategy.parameters:
        if name not in specs:
            raise config_error(
                (*where, "parameters", name),
                f"{strategy.type} has no such parameter, {suggest(name, specs)}",
                source,
                known_lines,
            )
    for name, spec in specs.items():
        path = (*where, "parameters", name)
        if name not in strategy.parameters:
            if spec.default is None:
                message = f"{strategy.type} needs this parameter ({spec.doc})"
                raise config_error(path, message, source, known_lines)
            values[name] = spec.default
            continue
        found = strategy.parameters[name]
        value = _converted(found, spec.type)
        if value is None:
            kind = _KINDS.get(spec.type, "a path")
            message = f"expected {kind}, found {describe(found)}"
            raise config_error(path, message, source, known_lines)
        if spec.minimum is not None and value < spec.minimum:
            message = f"expected at least {spec.minimum}, found {describe(found)}"
            raise config_error(path, message, source, known_lines)
        if spec.maximum is not None and value > spec.maximum:
            message = f"expected at most {spec.maximum}, found {describe(found)}"
            raise config_error(path, message, source, known_lines)
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
